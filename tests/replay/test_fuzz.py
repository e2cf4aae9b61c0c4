"""Any text of test_decoding is read as one character at a time would; damaged, it never gives a wrong row.

Wherever a test found the product wrong, its example stands here.
"""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from replay.in_process import give
from replay.judge import assert_true_or_told, saying
from replay.reference import read
from replay.reference_rows import Catalog
from replay.workloads import Workload, workloads

EXAMPLES = settings().max_examples  # of the profile
BLOCKS = st.one_of(st.integers(1, 300), st.just(1 << 20))
PIECES = st.lists(st.integers(1, 200), min_size=1, max_size=5)


def room(workload: Workload, block_bytes: int) -> int:
    """A prepared transaction waits in memory for its end: it must fit into a block."""
    return 3 * len(workload.data) if b"\nPREPARE TRANSACTION" in workload.data else block_bytes


@given(workloads(), BLOCKS)
def test_any_text_is_read_as_the_reference_reads_it(workload: Workload, block_bytes: int) -> None:
    reading = read(workload.data, workload.catalog)
    assert (reading.refused, reading.torn, reading.missing) == (None, None, [])
    assert reading.transactions == workload.transactions
    outcome = give(workload.data, workload.catalog, block_bytes=room(workload, block_bytes))
    assert (outcome.error, outcome.told) == (None, [])
    assert saying(outcome.transactions) == saying(workload.transactions)


@given(workloads(), BLOCKS, PIECES)
@settings(max_examples=EXAMPLES // 2)
def test_a_pipe_may_deliver_any_pieces(workload: Workload, block_bytes: int, pieces: list[int]) -> None:
    outcome = give(workload.data, workload.catalog, block_bytes=room(workload, block_bytes), pieces=pieces)
    assert (outcome.error, outcome.told) == (None, [])
    assert saying(outcome.transactions) == saying(workload.transactions)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, Catalog]:
    """A text with one or two wounds."""
    workload = draw(workloads())
    data = workload.data
    for _ in range(draw(st.integers(1, 2))):
        data = draw(wounded(data))
    return data, workload.catalog


@st.composite
def wounded(draw: st.DrawFn, data: bytes) -> bytes:
    """A byte flipped, removed or put in, a line cut or sent twice, a quote doubled or removed, places spliced."""
    at = draw(st.integers(0, max(0, len(data) - 1)))
    match draw(st.sampled_from(["flip", "remove", "insert", "cut", "quote", "newline", "splice", "line", "again"])):
        case "flip":
            return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
        case "remove":
            return data[:at] + data[at + 1 :]
        case "insert":
            return data[:at] + draw(st.sampled_from([b"'", b'"', b"\n", b"\0", b" ", b"1", b"\xff"])) + data[at:]
        case "cut":
            end = data.find(b"\n", at)
            return data[:at] + data[end:] if draw(st.booleans()) else data[:at]
        case "quote" | "newline" as what:
            byte = draw(st.sampled_from([b"'", b'"'])) if what == "quote" else b"\n"
            at = max(0, data.find(byte, at))
            return data[:at] + draw(st.sampled_from([b"", byte * 2])) + data[at + 1 :]
        case "splice":
            return data[:at] + data[draw(st.integers(0, len(data))) :]
        case "line":
            starts = [0, *(found.end() for found in re.finditer(rb"\n", data))]
            first, last = draw(st.sampled_from(starts)), draw(st.sampled_from(starts))
            return data[:first] + data[last:]
        case _:  # pg_recvlogical was killed at this byte, and began again
            begins = [found.start() for found in re.finditer(rb"^BEGIN", data, re.MULTILINE)] or [0]
            return data[:at] + data[draw(st.sampled_from(begins)) :]


@given(damaged(), BLOCKS)
@settings(max_examples=EXAMPLES * 5)
def test_damage_never_gives_a_wrong_row(wound: tuple[bytes, Catalog], block_bytes: int) -> None:
    data, catalog = wound
    assert_true_or_told(data, catalog, give(data, catalog, block_bytes=block_bytes))
