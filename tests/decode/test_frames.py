"""Frames are windows on a region: they keep it alive and see what is written into it."""

import mmap

import numpy as np
import pytest

from decode import messages as m
from re_dms.decode.frames import PAD, Frames
from re_dms.decode.pgoutput import PgOutputDecoder
from re_dms.errors import InvariantError

T = m.table(16_384, 1)
STREAM = [m.w(m.begin(1)), m.w(m.relation(T)), m.w(m.insert(T.oid, ["a value that is not inline"]))]


def region() -> tuple[mmap.mmap, list[int]]:
    memory = mmap.mmap(-1, 4096)
    memory.write(b"".join(STREAM))
    return memory, [len(message) for message in STREAM]


def test_a_region_cannot_be_closed_while_frames_of_it_live() -> None:
    memory, lengths = region()
    frames = Frames(memory, lengths)
    with pytest.raises(BufferError):
        memory.close()
    del frames
    memory.close()


def test_a_region_cannot_be_closed_while_anything_decoded_from_it_lives() -> None:
    memory, lengths = region()
    decoded = PgOutputDecoder(m.resolve_among(T)).decode(Frames(memory, lengths), {})
    frame = decoded.tables[0][1][0].frame
    assert frame is not None
    part = frame.filter(frame["c1"].is_not_null()).slice(0, 1)
    del decoded, frame
    with pytest.raises(BufferError):
        memory.close()
    assert part["c1"].to_list() == ["a value that is not inline"]
    del part
    memory.close()


def test_a_bytearray_cannot_grow_under_its_frames() -> None:
    payload = bytearray(b"".join(STREAM) + bytes(PAD))
    frames = Frames(payload, [len(message) for message in STREAM])
    with pytest.raises(BufferError):
        payload += b"more"
    assert len(frames) == 3


def test_messages_on_the_wire_tell_their_lengths_themselves() -> None:
    wire = [m.copy_data(message) for message in (STREAM[0], b"what nobody wants", *STREAM[1:])]
    starts = np.cumsum([0, *map(len, wire[:-1])])
    payload = bytearray(b"".join(wire) + bytes(PAD))
    frames = Frames.on_the_wire(payload, starts[[0, 2, 3]])
    assert [frames.message(number) for number in range(len(frames))] == STREAM
    assert len(Frames.on_the_wire(payload, starts[:0])) == 0
    with pytest.raises(BufferError):
        payload += b"more"


def test_decoded_texts_are_the_regions_own_bytes() -> None:
    """Why a region may be written again only when all that was decoded from it has been used up."""
    memory, lengths = region()
    frame = PgOutputDecoder(m.resolve_among(T)).decode(Frames(memory, lengths), {}).tables[0][1][0].frame
    assert frame is not None
    at = memory.find(b"inline", 0)
    memory[at : at + 6] = b"POISON"
    assert frame["c1"].to_list() == ["a value that is not POISON"]


@pytest.mark.parametrize("lengths", [[-1], [1.0], [[1]], [5, -5]])
def test_lengths_that_are_none_are_our_own_fault(lengths: list[object]) -> None:
    with pytest.raises(InvariantError):
        Frames(bytes(100), np.array(lengths))


def test_a_region_without_padding_is_our_own_fault() -> None:
    Frames(bytes(10 + PAD), [10])
    with pytest.raises(InvariantError, match="padding"):
        Frames(bytes(9 + PAD), [10])


def test_a_buffer_stays_below_two_gigabytes() -> None:
    """Lengths alone tell: nothing of that size is needed to see it."""
    with pytest.raises(InvariantError, match="the most"):
        Frames(bytes(PAD), np.array([2**31 - 1, 1], dtype=np.int32))
