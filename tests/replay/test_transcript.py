"""Which transactions of a transcript are taken: each once, whole, and nothing in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from re_dms.errors import ChangesMissing, DecodeError, SourceError
from replay.transcripts import Sieve, rows, transaction

BLOCKS = pytest.mark.parametrize("block_bytes", [40, 100, 1 << 20])


@pytest.fixture
def sieve(tmp_path: Path) -> Sieve:
    return Sieve(tmp_path)


@BLOCKS
def test_each_transaction_is_given_once(sieve: Sieve, block_bytes: int) -> None:
    script = sieve.run(transaction(1, "1", "2") + transaction(2, "3") + transaction(3), block_bytes=block_bytes)
    assert rows(sieve.given) == [["1", "2"], ["3"]]
    assert script.torn() == []
    again = sieve.run(transaction(1, "1", "2") + transaction(2, "3"), block_bytes=block_bytes)
    assert rows(sieve.given) == [["1", "2"], ["3"]]
    assert again.skipped == 2


@BLOCKS
def test_a_transaction_that_is_sent_again_from_its_begin_counts_once(sieve: Sieve, block_bytes: int) -> None:
    cut = "BEGIN 2\ntable public.t: INSERT: id[integer]:3\ntable public.t: INSERT: id[integer]:4\n"
    script = sieve.run(
        transaction(1, "1") + cut + transaction(1, "1") + transaction(2, "3", "4", "5"), block_bytes=block_bytes
    )
    assert rows(sieve.given) == [["1"], ["3", "4", "5"]]
    assert (script.torn(), script.skipped) == ([], 1)


@BLOCKS
def test_a_tail_without_its_commit_is_torn_and_told_with_its_place(sieve: Sieve, block_bytes: int) -> None:
    script = sieve.run(
        transaction(1, "1") + "BEGIN 2\ntable public.t: INSERT: id[integer]:3\n", block_bytes=block_bytes
    )
    assert rows(sieve.given) == [["1"]]
    assert [place.partition("part-0.txt")[2] for place in script.torn()] == [", line 4, byte 55"]


@BLOCKS
def test_a_transaction_torn_in_one_file_is_taken_from_the_next(sieve: Sieve, block_bytes: int) -> None:
    cut = "BEGIN 2\ntable public.t: INSERT: id[integer]:3\n"
    script = sieve.run(transaction(1, "1") + cut, transaction(2, "3", "4"), block_bytes=block_bytes)
    assert rows(sieve.given) == [["1"], ["3", "4"]]
    assert script.torn() == []


@BLOCKS
def test_a_prepared_transaction_counts_at_its_commit_prepared(sieve: Sieve, block_bytes: int) -> None:
    prepared = "".join(
        transaction(xid, *ids, end=f"PREPARE TRANSACTION '{gid}', txid {xid}")
        for xid, gid, ids in ((5, "a''b", ["1"]), (6, "c", ["2"]), (7, "d", ["3"]))
    )
    ends = "COMMIT PREPARED 'c', txid 6 (at 2026-11-28 07:30:53+00)\nROLLBACK PREPARED 'a''b', txid 5\n"
    script = sieve.run(transaction(1, "0") + prepared + transaction(8, "4") + ends, block_bytes=max(block_bytes, 200))
    assert rows(sieve.given) == [["0"], ["4"], ["2"]]
    assert len(script.prepared()) == 1
    with pytest.raises(SourceError, match=r"part-0.txt, line 1, byte 0: .*rows are not in this stream"):
        Sieve(sieve.directory).run(ends)


def test_another_transaction_under_a_known_xid_is_refused(sieve: Sieve) -> None:
    sieve.run(transaction(1, "1"))
    with pytest.raises(ChangesMissing, match=r"line 3, byte 46: transaction 1 is done already, and had other rows"):
        sieve.run(transaction(1, "2"))


@BLOCKS
def test_what_another_stream_has_already_leaves_nothing_however_large_it_is(sieve: Sieve, block_bytes: int) -> None:
    text = transaction(1, "1", "2", "3", "4", "5") + transaction(2, "6")
    sieve.run(text)
    renamed = Sieve(sieve.directory, elsewhere={xid: frozenset([0, crc]) for xid, crc in sieve.known.items()})
    script = renamed.run(text + transaction(3, "7"), block_bytes=block_bytes)
    assert rows(renamed.given) == [["7"]]
    assert script.skipped == 2
    assert (renamed.dropped > 0) == (block_bytes < 1000)


def test_another_transaction_under_an_xid_of_another_stream_counts(sieve: Sieve) -> None:
    sieve.elsewhere = {1: frozenset([7])}
    sieve.run(transaction(1, "1"))
    assert rows(sieve.given) == [["1"]]


def test_times_and_messages_outside_do_not_make_a_transaction_another_one(sieve: Sieve) -> None:
    sieve.run(transaction(1, "1"))
    other = transaction(1, "1", end="COMMIT 1 (at 2026-11-28 07:30:53+00)")
    script = sieve.run("message: transactional: 0 prefix: p, sz: 3 content:a'b\npg_recvlogical: it's back\n" + other)
    assert script.skipped == 1


@BLOCKS
def test_without_xids_transactions_are_known_by_their_number(sieve: Sieve, block_bytes: int) -> None:
    text = "".join(transaction(0, each).replace(" 0\n", "\n") for each in "123")
    sieve.run(text, block_bytes=block_bytes)
    script = sieve.run(text + transaction(0, "4").replace(" 0\n", "\n"), block_bytes=block_bytes)
    assert rows(sieve.given) == [["1"], ["2"], ["3"], ["4"]]
    assert script.skipped == 3
    with pytest.raises(SourceError, match="without xids nobody can tell"):
        sieve.run("BEGIN\ntable public.t: INSERT: id[integer]:1\n" + text)


def test_streamed_transactions_have_no_rows_in_the_file(sieve: Sieve) -> None:
    block = "opening a streamed block for transaction TXN 9\nstreaming change for TXN 9\n"
    block += "closing a streamed block for transaction TXN 9\n"
    sieve.run(block + "aborting streamed (sub)transaction TXN 9\n" + transaction(1, "1"))
    assert rows(sieve.given) == [["1"]]
    with pytest.raises(SourceError, match="transaction 9 was streamed, and its rows are not in the file"):
        sieve.run(block + "committing streamed transaction TXN 9\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("table public.t: INSERT: id[integer]:1\n", "line 1, byte 0: a change outside of a transaction"),
        (transaction(1, "1") + "COMMIT 1\n", "line 4, byte 55: a COMMIT without its BEGIN"),
        (transaction(1, "1", end="COMMIT 2"), "line 3, byte 46: a COMMIT of another transaction"),
        (transaction(1, "1", end="COMMIT"), "line 3, byte 46: a COMMIT of another transaction"),
        ("hello\n", "line 1, byte 0: an unknown line"),
        ("PREPARE TRANSACTION 'g', txid 1\n", "line 1, byte 0: a PREPARE TRANSACTION without its BEGIN"),
        ("BEGIN 4294967296\n", "line 1, byte 0: a number that is no xid"),
    ],
    ids=["row outside", "commit outside", "other commit", "bare commit", "unknown", "prepare outside", "no xid"],
)
def test_what_no_server_writes_is_refused_with_its_place(sieve: Sieve, text: str, said: str) -> None:
    with pytest.raises(DecodeError) as refused:
        sieve.run(text)
    assert said in refused.value.message
