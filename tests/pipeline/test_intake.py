"""However the bytes of a stream come in pieces, the encoder sees the same messages, in whole transactions, in order."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.intake_world import Fed, World, framed, keepalive, xlog
from re_dms.pipeline.intake import StreamCommit
from re_dms.pipeline.waiting import WaitingTransactions
from re_dms.settings import CaptureSettings

CAPACITY = 4096
SIZES = st.lists(st.integers(1, 5000), min_size=1, max_size=20)
IN_PROCESS = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@contextmanager
def world(directory: Path, flush_rows: int = 1_000_000) -> Iterator[World]:
    made = World(
        CAPACITY, CaptureSettings(flush_seconds=3600, flush_rows=flush_rows), str(directory), memory_bytes_max=2000
    )
    try:
        yield made
    finally:
        made.close()


def is_within(made: World) -> bool:
    """Whether a transaction is open for the reader."""
    return made.gate.in_transaction


def begin(number: int) -> bytes:
    return b"B" + struct.pack("!QqI", number * 10, 0, number)


def commit(number: int) -> bytes:
    return b"C" + struct.pack("!BQQq", 0, number * 10, number * 10 + 5, 0)


def row(size: int, mark: int) -> bytes:
    return b"I" + bytes([mark % 251]) * size


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream of whole transactions, some of whose rows are larger than a region, and the messages that count."""
    wire, expected = b"", []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        rows = [row(size, number) for size in draw(st.lists(st.integers(0, 300) | st.integers(3000, 9000), max_size=8))]
        messages = [begin(number), *rows, commit(number)]
        expected += messages
        wire += b"".join(xlog(message) + (keepalive() if draw(st.booleans()) else b"") for message in messages)
    return wire, expected


@IN_PROCESS
@given(stream=streams(), sizes=SIZES)
def test_any_pieces_give_the_same_messages(tmp_path: Path, stream: tuple[bytes, list[bytes]], sizes: list[int]) -> None:
    wire, expected = stream
    with world(tmp_path) as made:
        made.feed(Fed(wire, sizes))
        assert [message for message in made.messages if message is not None] == expected
        assert made.keepalives == wire.count(framed(b"k" + struct.pack("!qqB", 1, 0, 0)))


def cut(messages: list[bytes | None]) -> list[list[bytes]]:
    """The messages of each batch."""
    batches: list[list[bytes]] = [[]]
    for message in messages:
        if message is None:
            batches.append([])
        else:
            batches[-1].append(message)
    assert batches[-1] == [], "all was committed, and closed"
    return batches[:-1]


@IN_PROCESS
@given(stream=streams(), sizes=SIZES, rows=st.integers(1, 10))
def test_batches_hold_whole_transactions(
    tmp_path: Path, stream: tuple[bytes, list[bytes]], sizes: list[int], rows: int
) -> None:
    with world(tmp_path, flush_rows=rows) as made:
        made.feed(Fed(stream[0], sizes))
        batches = cut(made.messages)
    assert [message for batch in batches for message in batch] == stream[1]
    for batch in batches:
        assert [batch[0][:1], batch[-1][:1]] == [b"B", b"C"]


# ------------------------------------------------------------------ in parts


@st.composite
def in_parts(draw: st.DrawFn) -> tuple[bytes, list[list[bytes]]]:
    """Transactions in parts that take turns, some rolled back, whole or in part, and whole ones between them; the
    messages of each that counts, in the order of their ends."""
    wire, expected = b"", []
    rows: dict[int, list[tuple[int, bytes]]] = {}
    position = 1
    for step in range(draw(st.integers(1, 25))):
        xid = draw(st.integers(1, 4)) * 100
        match draw(st.sampled_from(["part", "part", "part", "abort", "commit", "whole"])):
            case "part":
                first = xid not in rows
                wire += xlog(b"S" + struct.pack("!IB", xid, first))
                if first and draw(st.booleans()):
                    wire += xlog(b"O" + struct.pack("!Q", 1) + b"elsewhere\0")
                for size in draw(st.lists(st.integers(0, 300) | st.integers(3000, 9000), max_size=5)):
                    subxid = xid + draw(st.integers(0, 2))
                    tag = draw(st.sampled_from([b"I", b"I", b"R"]))
                    message = tag + bytes([step]) * size
                    wire += xlog(message[:1] + struct.pack("!I", subxid) + message[1:])
                    wire += keepalive() if draw(st.booleans()) else b""
                    rows.setdefault(xid, []).append((subxid, message))
                rows.setdefault(xid, [])
                wire += xlog(b"E")
            case "abort" if xid in rows:
                subxid = xid + draw(st.integers(0, 2))
                wire += xlog(b"A" + struct.pack("!II", xid, subxid))
                if subxid == xid:
                    del rows[xid]
                else:
                    rows[xid] = [(by, m) for by, m in rows[xid] if by != subxid or m[:1] == b"R"]
            case "commit" if rows.get(xid):
                position += 1
                sent = [message for _, message in rows.pop(xid)]
                fields = struct.pack("!IBQQq", xid, 0, position * 10, position * 10 + 5, 0)
                wire += xlog(b"c" + fields)
                begun = b"B" + struct.pack("!QqI", position * 10, 0, xid)
                expected.append([begun, *sent, commit(position)])
            case "whole":
                position += 1
                messages = [begin(position), row(draw(st.integers(0, 300)), step), commit(position)]
                wire += b"".join(map(xlog, messages))
                expected.append(messages)
            case _:
                pass
    return wire, expected


@IN_PROCESS
@given(stream=in_parts(), sizes=SIZES)
def test_transactions_in_parts_come_whole_at_their_ends(
    tmp_path: Path, stream: tuple[bytes, list[list[bytes]]], sizes: list[int]
) -> None:
    """A subtransaction's xid does not come again once it was rolled back; here it may, and is gone all the same."""
    wire, expected = stream
    with world(tmp_path) as made:
        made.feed(Fed(wire, sizes))
        messages = [message for message in made.messages if message is not None]
    found: list[list[bytes]] = []
    for message in messages:
        if message[:1] == b"B":
            found.append([])
        found[-1].append(message)
    assert [transaction[0] for transaction in found] == [transaction[0] for transaction in expected]
    for one, other in zip(found, expected, strict=True):
        # What was rolled back before later rows of the same xid took its place does not come in Postgres.
        assert set(one) <= set(other) | set(one[:1])
        assert [m for m in one if m[:1] != b"I"] == [m for m in other if m[:1] != b"I"]
    assert list(tmp_path.iterdir()) == []


def test_messages_larger_than_a_region_wait_for_the_encoder_too(tmp_path: Path) -> None:
    """Each has a region of its own: a table of large values must not take all memory."""
    rows = [row(10 * CAPACITY, number) for number in range(40)]
    wire = b"".join(map(xlog, [begin(1), *rows, commit(1)]))
    with world(tmp_path) as made:
        made.feed(Fed(wire, repeat(1 << 20, 1)))
        assert [message for message in made.messages if message] == [begin(1), *rows, commit(1)]
        assert made.held_max <= 3


def test_what_is_no_copy_data_goes_to_the_connection_in_its_turn(tmp_path: Path) -> None:
    notice = b"N" + struct.pack("!I", 4 + 7) + b"SNOTE\0\0"
    fed = Fed(xlog(begin(1)) + notice + xlog(row(5, 1)) + xlog(commit(1)), chain([3], repeat(7)))
    with world(tmp_path) as made:
        made.feed(fed)
        assert made.messages == [begin(1), row(5, 1), commit(1), None]
    assert fed.others == [ord("N")]


def test_what_comes_between_two_transactions_is_no_transaction(tmp_path: Path) -> None:
    """A source at rest is confirmed: not while a transaction is open."""
    message = b"M" + struct.pack("!BQ", 0, 1) + b"p\0" + struct.pack("!I", 1) + b"x"
    first = [begin(1), row(5, 1), commit(1)]
    with world(tmp_path) as made:
        made.intake.receive(Fed(b"".join(map(xlog, [*first, message])), [1000]), until=float("inf"))  # type: ignore[arg-type]
        assert not is_within(made)
        made.intake.receive(Fed(b"".join(map(xlog, [message, begin(2)])), [1000]), until=float("inf"))  # type: ignore[arg-type]
        assert is_within(made)
        made.feed(Fed(b"".join(map(xlog, [row(5, 2), message, commit(2)])), [1000]))
        assert not is_within(made)
        assert made.messages == [*first, message, message, begin(2), row(5, 2), message, commit(2), None]


def test_a_new_connection_forgets_what_the_one_before_has_sent(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        part = xlog(b"S" + struct.pack("!IB", 100, 1)) + xlog(b"I" + struct.pack("!I", 100) + b"x" * 50)
        made.intake.receive(Fed(part + xlog(row(9000, 1))[:5000], [100]), until=float("inf"))  # type: ignore[arg-type]
        made.intake.reset()
        made.gate.reset()
        assert len(made.waiting) == 0
        made.feed(Fed(b"".join(map(xlog, [begin(1), row(5, 1), commit(1)])), [1]))
        assert made.messages == [begin(1), row(5, 1), commit(1), None]


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_a_message_larger_than_a_piece_of_a_file_is_read_whole(tmp_path: Path, memory: int) -> None:
    from re_dms.pipeline.streamed import transaction

    waiting = WaitingTransactions(str(tmp_path), memory)
    rows = [
        b"I" + struct.pack("!I", 7) + bytes([number]) * size for number, size in enumerate((10, 40 << 20, 3, 17 << 20))
    ]
    for message in rows:
        waiting.append(7, memoryview(xlog(message)))
    taken = waiting.take(7)
    assert taken is not None
    commit_ = StreamCommit(xid=7, final=1, end=2, time_us=0)  # type: ignore[arg-type]
    told = {"xid": 7, "final": "0/1", "lsn": "0/2", "time_us": commit_.time_us, "size": taken.size, "aborted": []}
    found = [
        frames.fields(index)[1:3] + bytes([len(frames.fields(index)) % 251])
        for frames in transaction(taken.descriptor, told)
        for index in range(len(frames))
    ]
    assert len(found) == 2 + len(rows)
    assert found[1:-1] == [m[5:7] + bytes([(len(m) - 4) % 251]) for m in rows]
    taken.close()
