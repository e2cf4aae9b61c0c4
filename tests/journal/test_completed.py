"""A replay's progress exists exactly with the batch that it belongs to, and the newest manifest alone tells it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from journal.batches import Writer
from re_dms.errors import ChangesMissing, InvariantError, JournalError
from re_dms.journal import completed as module
from re_dms.journal import keys
from re_dms.journal.completed import SEGMENTS_MAX, Completed
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore
from re_dms.journal.memory import MemoryStore
from re_dms.journal.retention import prune
from re_dms.manifest import CompletedRef

STREAM = "data.txt"
Refs = tuple[CompletedRef, ...]


def add(progress: Completed, xids: Sequence[int], *, salt: int = 0, first: int = 0) -> None:
    """These transactions, with CRCs that tell xid and salt."""
    many = np.array(xids, dtype=np.uint32)
    positions = np.arange(first, first + len(many), dtype=np.uint64)
    progress.add(many, many * np.uint32(3) + np.uint32(salt), positions)


def look(progress: Completed, xids: Sequence[int]) -> list[int | None]:
    """Per xid its CRC, None where it is not known."""
    known, crc = progress.lookup(np.array(xids, dtype=np.uint32))
    assert (known.dtype.name, crc.dtype.name) == ("bool", "uint32")
    return [int(value) if is_known else None for is_known, value in zip(known, crc, strict=True)]


def commit(journal: Journal, writer: Writer, progress: Completed, number: int) -> Refs:
    """A batch as capture makes it: the segment, then the manifest that refers to it."""
    refs = progress.seal(number, writer.name)
    journal.commit(writer.manifest(number).model_copy(update={"completed": refs}))
    return refs


def tail_refs(journal: Journal) -> Refs:
    tail = journal.tail()
    assert tail is not None
    return tail.completed


def test_a_new_stream_knows_nothing(journal: Journal) -> None:
    progress = Completed.open(journal, STREAM, ())
    assert look(progress, [0, 1, 4_294_967_295]) == [None, None, None]
    assert look(progress, []) == []
    assert progress.seal(1, "w1") == ()
    assert journal.store.list("") == []


def test_what_was_added_is_known_at_once_and_after_a_restart(journal: Journal, writer: Writer) -> None:
    progress = Completed.open(journal, STREAM, ())
    add(progress, [900, 745, 4_294_967_295, 0])
    add(progress, [])
    asked = [745, 746, 0, 900, 4_294_967_295, 901]
    wanted = [745 * 3, None, 0, 2_700, 4_294_967_293, None]
    assert look(progress, asked) == wanted
    commit(journal, writer, progress, 1)
    assert look(progress, asked) == wanted
    again = Completed.open(journal, STREAM, tail_refs(journal))
    assert look(again, asked) == wanted
    assert again.seal(2, "w1") == tail_refs(journal), "nothing was added: nothing is written"


def test_the_segment_is_durable_before_the_manifest_and_named_by_hash_number_and_writer(
    journal: Journal, writer: Writer
) -> None:
    progress = Completed.open(journal, "dir/Ünïcode \n..", ())
    add(progress, [7, 8])
    (ref,) = progress.seal(3, "w1")
    assert journal.numbers() == []
    assert (ref.stream, ref.count) == ("dir/Ünïcode \n..", 2)
    assert ref.key.endswith("/000000000003-w1.xids")
    assert keys.number_of(ref.key) == 3
    assert hashlib.sha256(journal.store.get(ref.key)).hexdigest() == ref.sha256
    assert progress.seal(3, "w1") == (ref,)


def test_a_batch_that_was_given_up_leaves_no_trace_in_the_progress(journal: Journal, writer: Writer) -> None:
    progress = Completed.open(journal, STREAM, ())
    add(progress, [1])
    commit(journal, writer, progress, 1)
    add(progress, [2])
    progress.revert()
    assert look(progress, [1, 2]) == [3, None]
    add(progress, [4])
    commit(journal, writer, progress, 2)
    again = Completed.open(journal, STREAM, tail_refs(journal))
    assert look(again, [1, 2, 4]) == [3, None, 12]


def test_a_segment_without_its_manifest_counts_for_nothing(journal: Journal, writer: Writer) -> None:
    progress = Completed.open(journal, STREAM, ())
    add(progress, [1])
    commit(journal, writer, progress, 1)
    add(progress, [2])
    progress.seal(2, "w1")  # killed here
    again = Completed.open(journal, STREAM, tail_refs(journal))
    assert look(again, [1, 2]) == [3, None]


def test_streams_know_nothing_of_each_other_and_carry_each_other_on(journal: Journal, writer: Writer) -> None:
    one = Completed.open(journal, "one", ())
    add(one, [1])
    commit(journal, writer, one, 1)
    two = Completed.open(journal, "two", tail_refs(journal))
    assert look(two, [1]) == [None]
    add(two, [1], salt=5)
    commit(journal, writer, two, 2)
    refs = tail_refs(journal)
    assert [ref.stream for ref in refs] == ["one", "two"]
    assert look(Completed.open(journal, "one", refs), [1]) == [3]
    assert look(Completed.open(journal, "two", refs), [1]) == [8]


def test_an_xid_that_comes_again_stands_for_the_newer_transaction(journal: Journal, writer: Writer) -> None:
    progress = Completed.open(journal, STREAM, ())
    add(progress, [5, 6, 5], salt=1)
    for number in range(1, SEGMENTS_MAX + 3):  # over a merge, too
        add(progress, [5, 10 + number], salt=number)
        assert look(progress, [5, 6]) == [15 + number, 19]
        commit(journal, writer, progress, number)
        again = Completed.open(journal, STREAM, tail_refs(journal))
        assert look(again, [5, 6, 11]) == [15 + number, 19, 34]


def test_more_segments_than_the_limit_become_one(journal: Journal, writer: Writer) -> None:
    progress = Completed.open(journal, STREAM, ())
    counts = []
    for number in range(1, 2 * SEGMENTS_MAX + 2):
        add(progress, [number, number + 1_000], first=2 * number)
        counts.append([ref.count for ref in commit(journal, writer, progress, number)])
    assert counts[SEGMENTS_MAX - 1] == [2] * SEGMENTS_MAX
    assert counts[SEGMENTS_MAX] == [2 * SEGMENTS_MAX + 2]
    assert counts[-2] == [2 * SEGMENTS_MAX + 2, *[2] * (SEGMENTS_MAX - 1)]
    assert counts[-1] == [4 * SEGMENTS_MAX + 2]
    assert max(map(len, counts)) == SEGMENTS_MAX
    again = Completed.open(journal, STREAM, tail_refs(journal))
    every = [*range(1, 2 * SEGMENTS_MAX + 2), *range(1_001, 1_000 + 2 * SEGMENTS_MAX + 2)]
    assert look(again, every) == [3 * xid for xid in every]


def test_many_small_additions_to_one_batch_are_one_segment(journal: Journal) -> None:
    progress = Completed.open(journal, STREAM, ())
    for xid in range(100):
        add(progress, [xid])
    assert look(progress, range(101)) == [*(3 * xid for xid in range(100)), None]
    assert [ref.count for ref in progress.seal(1, "w1")] == [100]


def test_lookups_agree_with_a_dictionary() -> None:
    journal = Journal(MemoryStore())
    progress = Completed.open(journal, STREAM, ())
    known: dict[int, int] = {}
    random = np.random.default_rng(6)
    for number in range(1, 40):
        xids = random.integers(0, 2_000, 50, dtype=np.uint32)
        crcs = random.integers(0, 2**32, 50, dtype=np.uint32)
        progress.add(xids, crcs, np.arange(50, dtype=np.uint64))
        known.update(zip(xids.tolist(), crcs.tolist(), strict=True))
        if number % 2:
            refs = progress.seal(number, "w1")
            progress = Completed.open(journal, STREAM, refs)
        assert look(progress, range(2_100)) == [known.get(xid) for xid in range(2_100)]


@pytest.mark.parametrize("harm", ["altered", "cut", "missing", "count", "magic", "version"])
def test_a_wrong_segment_is_told_by_name(tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(LocalStore(tmp_path))
    progress = Completed.open(journal, STREAM, ())
    add(progress, [1, 2, 3])
    if harm == "magic":
        monkeypatch.setattr(module, "_MAGIC", b"other...")
    if harm == "version":
        monkeypatch.setattr(module, "_VERSION", 2)
    (ref,) = progress.seal(1, "w1")
    monkeypatch.undo()
    path = tmp_path / ref.key
    data = path.read_bytes()
    match harm:
        case "altered":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "cut":
            path.write_bytes(data[:-1])
        case "missing":
            path.unlink()
        case "count":
            ref = ref.model_copy(update={"count": 4})
    # As with every object that a manifest names: what is missing or altered is missing changes.
    error = ChangesMissing if harm in ("altered", "cut", "missing") else JournalError
    with pytest.raises(error, match=ref.key) as found:
        Completed.open(journal, STREAM, (ref,))
    assert found.value.remedy
    assert look(Completed.open(journal, "another", (ref,)), [1]) == [None], "it is not read for another stream"


def test_columns_of_different_lengths_are_our_bug(journal: Journal) -> None:
    progress = Completed.open(journal, STREAM, ())
    one, two = np.zeros(1, dtype=np.uint32), np.zeros(2, dtype=np.uint32)
    with pytest.raises(InvariantError):
        progress.add(one, two, np.zeros(1, dtype=np.uint64))


def test_retention_keeps_what_the_batches_that_stay_refer_to(journal: Journal, writer: Writer) -> None:
    progress = Completed.open(journal, STREAM, ())
    for number in range(1, 5):
        add(progress, [number])
        commit(journal, writer, progress, number)
    killed = Completed.open(journal, "killed", ())
    add(killed, [1])
    (orphan,) = killed.seal(2, "w2")
    coming = Completed.open(journal, "coming", ())
    add(coming, [1])
    (not_yet,) = coming.seal(5, "w2")
    prune(journal, 4)
    kept = {ref.key for ref in tail_refs(journal)}
    assert journal.numbers() == [4]
    assert set(journal.store.list("streams/")) == kept | {not_yet.key}
    assert orphan.key not in kept
    assert look(Completed.open(journal, STREAM, tail_refs(journal)), range(1, 5)) == [3, 6, 9, 12]


def test_segments_that_were_merged_go_once_no_batch_refers_to_them(journal: Journal, writer: Writer) -> None:
    progress = Completed.open(journal, STREAM, ())
    for number in range(1, SEGMENTS_MAX + 3):
        add(progress, [number])
        commit(journal, writer, progress, number)
    prune(journal, SEGMENTS_MAX)
    assert len(journal.store.list("streams/")) == SEGMENTS_MAX + 2, (
        f"batch {SEGMENTS_MAX} refers to all of the old ones"
    )
    prune(journal, SEGMENTS_MAX + 2)
    assert journal.store.list("streams/") == sorted(ref.key for ref in tail_refs(journal))
    assert len(tail_refs(journal)) == 2
    prune(journal, SEGMENTS_MAX + 2, dry_run=True)
    assert look(Completed.open(journal, STREAM, tail_refs(journal)), [1, SEGMENTS_MAX + 2]) == [3, 54]


def test_progress_goes_with_the_journal(journal: Journal, writer: Writer) -> None:
    progress = Completed.open(journal, STREAM, ())
    add(progress, [1])
    commit(journal, writer, progress, 1)
    journal.destroy()
    assert journal.store.list("") == []
