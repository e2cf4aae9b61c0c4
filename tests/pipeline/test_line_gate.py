"""Lines of test_decoding at the gate: all is passed over until the tail's last COMMIT has gone by, as it was (protocol line 5)."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from re_dms.errors import ChangesMissing, DecodeError
from re_dms.lsn import LSN
from re_dms.pipeline.gate import BORDERS, COMMIT, TAG, Gate, LineGate, MessageGate, gate_for
from re_dms.pipeline.progress import Progress

TIME = datetime(2026, 11, 28, 7, 30, 53, 123456, tzinfo=UTC)
TIME_US = int(TIME.timestamp()) * 1_000_000 + 123456
TAIL = {"end": "0/200", "xid": 745, "time_us": TIME_US}
AT = "2026-11-28 07:30:53.123456+00"


def line(lsn: int, text: str) -> memoryview:
    return memoryview(struct.pack("!cQQQ", b"w", lsn, lsn, 0) + text.encode())


def transaction(end: int, xid: int, at: str = AT) -> list[memoryview]:
    rows = [
        line(end - 20, "table public.t: INSERT: id[integer]:1"),
        line(end - 10, "message: transactional: 1 prefix: C, sz: 1 content:C"),
    ]
    return [line(0, f"BEGIN {xid}"), *rows, line(end, f"COMMIT {xid} (at {at})")]


def gate_at(slot: int, tail: dict[str, object] | None = TAIL, known: str = "0/200") -> LineGate:
    progress = Progress({"tail": tail, "known": known, "batch": 3})
    gate = LineGate(progress)
    progress.slot_is_at(LSN(slot))
    return gate


def passed(gate: Gate, messages: list[memoryview]) -> list[bytes]:
    """What the stream's loop keeps."""
    kept = []
    for data in messages:
        tag = data[TAG]
        if (tag in BORDERS or gate.skipping) and not gate.keeps(tag, data):
            continue
        kept.append(bytes(data[TAG:]))
        if tag == COMMIT:
            gate.committed(data)
    return kept


def test_each_plugin_has_its_gate() -> None:
    progress = Progress({"tail": None, "known": "0/0", "batch": 0})
    assert isinstance(gate_for("test_decoding", progress), LineGate)
    assert isinstance(gate_for("pgoutput", progress), MessageGate)


def test_what_the_journal_has_is_passed_over_and_all_behind_it_is_kept() -> None:
    gate = gate_at(0x100)
    assert passed(gate, [*transaction(0x180, 744), *transaction(0x200, 745)]) == []
    assert not gate.in_transaction
    new = transaction(0x300, 746)
    assert passed(gate, new) == [bytes(data[TAG:]) for data in new]
    assert not gate.in_transaction


def test_a_slot_at_the_tail_sends_new_transactions_only() -> None:
    new = transaction(0x300, 746)
    assert passed(gate_at(0x200), new) == [bytes(data[TAG:]) for data in new]
    assert passed(gate_at(0, tail=None), new) == [bytes(data[TAG:]) for data in new]


def test_an_open_transaction_is_known_as_such_while_it_is_passed_over() -> None:
    gate = gate_at(0x100)
    assert passed(gate, transaction(0x180, 744)[:-1]) == []
    assert (gate.in_transaction, gate.skipping) == (True, True)
    gate.reset()
    assert (gate.in_transaction, gate.skipping) == (False, False)


@pytest.mark.parametrize(
    ("xid", "at", "word"),
    [(746, AT, "the journal has transaction 745"), (745, "2026-11-28 07:30:53.123457+00", "committed at another time")],
)
def test_another_transaction_at_the_tails_end_is_another_history(xid: int, at: str, word: str) -> None:
    with pytest.raises(ChangesMissing, match=word):
        passed(gate_at(0x100), transaction(0x200, xid, at))


def test_a_later_commit_before_the_tails_is_another_history() -> None:
    with pytest.raises(ChangesMissing, match="came before it"):
        passed(gate_at(0x100), [*transaction(0x180, 744), *transaction(0x280, 745)])


@pytest.mark.parametrize("at", ["2026-11-28 07:30:53+00", "2026-11-28 07:30:53.5+00", "2026-11-28 07:30:53.00001+00"])
def test_commit_times_are_read_whatever_zeros_are_left_out(at: str) -> None:
    seconds = TIME_US // 1_000_000 * 1_000_000
    parts = at.removesuffix("+00").partition(".")[2]
    tail = TAIL | {"time_us": seconds + int(parts.ljust(6, "0") or 0)}
    assert passed(gate_at(0x100, tail=tail), transaction(0x200, 745, at)) == []


@pytest.mark.parametrize(
    "text",
    [
        "COMMIT 745",
        "COMMIT 745 (at 2026-11-28 07:30:53.123456+02)",
        "COMMIT x (at y+00)",
        "COMMIT PREPARED 'g', txid 745",
    ],
)
def test_a_commit_that_does_not_tell_which_it_is_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="0/200 does not tell its xid and time"):
        passed(gate_at(0x100), [line(0, "BEGIN 745"), line(0x200, text)])
