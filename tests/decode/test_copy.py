"""Lines of a copy are found in the bytes of the wire, whatever else comes in between."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import messages as m
from re_dms.decode.copy import find_lines
from re_dms.errors import InvariantError
from re_dms.pipeline.borders import border, messages

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30).map(
    lambda text: text.encode() + b"\n"
)
# Lengths whose own bytes look like frames: 0x64 is the letter d, 0x0A a line's end.
ODD = [0x64 - 4, 0x6400 - 4, 0x0A64 - 4, 0x6464 - 4, 0x0A6400 - 4, 0x640064 - 4, 0x64000A - 4]
LINES = st.lists(TEXTS | st.sampled_from(ODD[:4]).map(lambda size: b"x" * (size - 1) + b"\n"), max_size=12)
NOTICE = b"N" + struct.pack(">I", 4 + 12) + b"Mthere is\nd\0"


def found(region: bytes) -> list[bytes]:
    starts, lengths = find_lines(np.frombuffer(region, dtype=np.uint8))
    return [region[start + 5 : start + 5 + length] for start, length in zip(starts, lengths, strict=True)]


@given(LINES)
def test_lines_are_found_in_their_order(lines: list[bytes]) -> None:
    assert found(b"".join(map(m.copy_data, lines))) == lines


@pytest.mark.parametrize("size", [*ODD, 1 << 24, (1 << 24) - 5, (1 << 24) + 0x0A6400])
def test_lengths_that_look_like_frames(size: int) -> None:
    lines = [b"a\n", b"y" * (size - 1) + b"\n", b"d\n"] * 2
    region = b"".join(map(m.copy_data, lines))
    assert list(map(len, found(region))) == list(map(len, lines))
    ends = [end for _, _, end in messages(memoryview(region), 0, len(region))]
    assert ends[-1] == len(region)
    assert border(memoryview(region), len(region)) in (0, *ends)
    for cut in range(ends[-1] - 20, ends[-1]):
        assert border(memoryview(region), cut) in (0, *ends)


@given(LINES, st.sampled_from([NOTICE, b"S\0\0\0\10a\0b\0", b"c\0\0\0\4"]), st.integers(0, 12))
def test_messages_that_are_no_lines_are_passed_over(lines: list[bytes], other: bytes, place: int) -> None:
    framed = list(map(m.copy_data, lines))
    framed.insert(place, other)
    assert found(b"".join(framed)) == lines


@given(st.lists(TEXTS, min_size=1, max_size=5), st.integers(1, 30), st.booleans())
def test_a_part_that_is_cut_or_holds_something_else_is_refused(lines: list[bytes], size: int, at_end: bool) -> None:
    region = b"".join(map(m.copy_data, lines))
    size = min(size, len(m.copy_data(lines[-1])) - 1)
    damaged = region[:-size] if at_end else b"x" * size + region
    with pytest.raises(InvariantError):
        found(damaged)


def test_no_lines() -> None:
    assert found(b"") == []


@given(st.lists(st.integers(1, 3000), min_size=20, max_size=200), st.integers(0, 10_000), st.booleans())
def test_a_border_near_the_end_is_found_without_reading_from_the_beginning(
    sizes: list[int], back: int, noticed: bool
) -> None:
    framed = [m.copy_data(b"," * (size - 1) + b"\n") for size in sizes]
    if noticed:
        framed.insert(len(framed) - 3, NOTICE)
    region = memoryview(b"".join(framed))
    end = max(1, len(region) - back)
    ends = [0, *(after for _, _, after in messages(region, 0, len(region)))]
    at = border(region, end)
    assert at in ends
    assert end <= 16 * 1024 or at > 0


@pytest.mark.parametrize("size", ODD[4:])
def test_a_border_whose_own_length_looks_like_one(size: int) -> None:
    """What is read begins at each byte of such a frame once."""
    line = m.copy_data(b"," * (size - 1) + b"\n")
    region = memoryview(m.copy_data(b"a\n") + line + b"".join([m.copy_data(b"b\n")] * 3000))
    ends = {0, *(after for _, _, after in messages(region, 0, len(region)))}
    for end in range(16 * 1024, 16 * 1024 + 40):
        assert border(region[:end], end) in ends
