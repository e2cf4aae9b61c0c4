"""The journal's rules, and every refusal that they make."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from journal.batches import RELATION, Writer
from re_dms.errors import ChangesMissing, InvariantError, JournalError, JournalUnavailable, PipelineHeld
from re_dms.journal.journal import Journal
from re_dms.journal.memory import MemoryStore
from re_dms.journal.store import ObjectExists, Store
from re_dms.lsn import LSN
from re_dms.manifest import Changes, Counts, DataFile, Manifest, Registry, RegistryRef, Root, TableState, WarehouseName


def a_root(journal_id: str) -> Root:
    return Root(
        journal_id=journal_id,
        pipeline="p",
        system_identifier="7000000000000000001",
        timeline=1,
        database="d",
        slot="s",
        publication="pub",
        created_at="2026-01-01T00:00:00Z",
    )


def file_of(manifest: Manifest) -> DataFile:
    step = manifest.tables[0].steps[0]
    assert isinstance(step, Changes)
    return step.files[0]


# --- Identity


def test_the_first_root_stays(journal: Journal) -> None:
    assert journal.root() is None
    assert journal.create_root(a_root("first")) == a_root("first")
    assert journal.create_root(a_root("second")) == a_root("first")
    assert journal.root() == a_root("first")


def test_the_first_warehouse_stays(journal: Journal) -> None:
    assert journal.warehouse() is None
    first, second = (WarehouseName(warehouse_id=name, url=f"duckdb:///{name}") for name in "ab")
    assert journal.name_warehouse(first) == first
    assert journal.name_warehouse(second) == first
    assert journal.warehouse() == first


# --- Batches


def test_an_empty_journal_is_fresh(journal: Journal) -> None:
    journal.create_root(a_root("j"))
    assert journal.is_fresh()
    assert journal.tail() is None
    assert journal.numbers() == []
    assert journal.manifest(1) is None
    assert journal.known_lsn() is None


def test_a_committed_batch_is_read_back(journal: Journal, writer: Writer) -> None:
    first, second = writer.manifest(1), writer.manifest(2)
    journal.commit(first)
    journal.commit(second)
    assert journal.numbers() == [1, 2]
    assert journal.manifest(1) == first
    assert journal.tail() == second
    assert journal.manifest(3) is None
    assert not journal.is_fresh()


def test_objects_have_the_names_that_the_format_says(journal: Journal, writer: Writer) -> None:
    writer.commit(1)
    journal.record_position(LSN.parse("16/B374D848"))
    journal.request_copy(16400)
    *others, request = journal.store.list("")
    assert re.fullmatch(r"requests/copy-16400-[0-9a-f]{12}\.json", request)
    assert others == [
        "batches/000000000001.json",
        "data/000000000001/w1-16400-0.csv.zst",
        "positions/00000016B374D848.json",
        "registry/000000000001-w1.json",
    ]


def test_files_that_are_no_batches_are_overlooked(journal: Journal, writer: Writer) -> None:
    writer.commit(1)
    for name in ("batches/000000000009.json.bak", "batches/9.json", "batches/notes.txt", "positions/x.json"):
        journal.store.create(name, b"")
    assert journal.numbers() == [1]
    assert journal.newest_position() is None


def test_a_batch_missing_below_a_later_one_is_missing_changes(journal: Journal, writer: Writer) -> None:
    writer.commit(1, 2, 3)
    journal.store.delete(["batches/000000000002.json"])
    with pytest.raises(ChangesMissing, match="batch 2 is missing") as missing:
        journal.manifest(2)
    assert "re-dms reset" in missing.value.remedy
    assert journal.manifest(4) is None


def test_a_batch_that_comes_with_its_successor_after_the_first_look_is_found(writer: Writer) -> None:
    store = Interfering()
    journal = Journal(store)
    writer = Writer(journal)
    first, second = writer.manifest(1), writer.manifest(2)

    def commit_both() -> None:
        journal.commit(first)
        journal.commit(second)

    store.before_list = commit_both
    assert journal.manifest(1) == first


def test_a_batch_that_another_capture_wrote_stops_us(journal: Journal, writer: Writer, another_writer: Writer) -> None:
    another_writer.commit(1)
    with pytest.raises(PipelineHeld, match="another capture wrote batch 1"):
        writer.commit(1)
    tail = journal.tail()
    assert tail is not None
    assert tail.writer == "w2"
    assert journal.fetch(file_of(tail)) is not None, "its data is untouched by ours"


def test_committing_the_same_batch_again_is_fine(journal: Journal, writer: Writer) -> None:
    manifest = writer.manifest(1)
    journal.commit(manifest)
    journal.commit(manifest)
    assert journal.numbers() == [1]


def test_another_batch_of_our_own_under_the_same_number_is_a_bug(journal: Journal, writer: Writer) -> None:
    journal.commit(writer.manifest(1))
    with pytest.raises(InvariantError, match="same writer"):
        journal.commit(writer.manifest(1, transactions=2))


class Interfering(MemoryStore):
    """A store whose creates and lists go wrong in a planned way, as when a reply is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.plans: list[Callable[[str, bytes], None]] = []
        self.before_list: Callable[[], object] | None = None

    def create(self, key: str, data: bytes) -> None:
        if key.startswith("batches/") and self.plans:
            self.plans.pop(0)(key, data)
        else:
            super().create(key, data)

    def list(self, prefix: str) -> list[str]:
        if self.before_list:
            act, self.before_list = self.before_list, None
            act()
        return super().list(prefix)

    def reply_lost(self, key: str, data: bytes) -> None:
        MemoryStore.create(self, key, data)
        raise JournalUnavailable("reply lost")

    def request_lost(self, key: str, data: bytes) -> None:
        raise JournalUnavailable("request lost")

    def broken_pipe(self, key: str, data: bytes) -> None:
        raise OSError("a reply was lost")

    def conflict(self, key: str, data: bytes) -> None:
        """S3's 409: another conditional put is under way, and may not succeed."""
        raise ObjectExists("409")


PLANS = ("reply_lost", "request_lost", "broken_pipe", "conflict")


@pytest.mark.parametrize("plan", [(a,) for a in PLANS] + [(a, b) for a in PLANS[1:] for b in PLANS])
def test_an_unclear_reply_is_settled_by_reading(plan: tuple[str, ...]) -> None:
    store = Interfering()
    journal = Journal(store)
    manifest = Writer(journal).manifest(1)
    store.plans = [getattr(store, name) for name in plan]
    journal.commit(manifest)
    assert journal.tail() == manifest
    assert store.plans == []


@pytest.mark.parametrize("name", ["request_lost", "broken_pipe", "conflict"])
def test_after_an_unclear_reply_anothers_batch_stops_us(name: str) -> None:
    store = Interfering()
    journal = Journal(store)
    theirs, mine = Writer(journal, "w2").manifest(1), Writer(journal, "w1").manifest(1)

    def beaten(key: str, data: bytes) -> None:
        Journal(store).commit(theirs)
        getattr(store, name)(key, data)

    store.plans = [beaten]
    with pytest.raises(PipelineHeld):
        journal.commit(mine)
    assert journal.tail() == theirs


def test_a_store_that_stays_away_is_given_up_after_a_few_attempts() -> None:
    store = Interfering()
    journal = Journal(store)
    manifest = Writer(journal).manifest(1)
    store.plans = [store.request_lost] * 100
    with pytest.raises(JournalUnavailable, match="batches/000000000001"):
        journal.commit(manifest)
    assert len(store.plans) > 90
    store.plans = []
    journal.commit(manifest)
    assert journal.numbers() == [1]


def test_a_lost_reply_on_a_local_disk_is_settled_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from re_dms.journal.local import LocalStore

    class LosesReplies(LocalStore):
        def create(self, key: str, data: bytes) -> None:
            super().create(key, data)
            if key.startswith("batches/"):
                raise JournalUnavailable("reply lost")

    journal = Journal(LosesReplies(tmp_path))
    manifest = Writer(journal).manifest(1)
    journal.commit(manifest)
    assert journal.tail() == manifest


# --- Data


def test_data_is_fetched_as_it_was_written(journal: Journal, writer: Writer) -> None:
    file = file_of(writer.manifest(1))
    assert journal.fetch(file).read_bytes() == b"data of 1 by w1"
    assert journal.fetch(file).read_bytes() == b"data of 1 by w1"


def test_missing_data_is_missing_changes(journal: Journal, writer: Writer) -> None:
    file = file_of(writer.manifest(7))
    journal.store.delete([file.key])
    with pytest.raises(ChangesMissing, match=r"000000000007/w1-16400-0\.csv\.zst of batch 7 is missing") as missing:
        journal.fetch(file)
    assert "re-dms reset" in missing.value.remedy


@pytest.mark.parametrize("altered", [b"", b"data of 7 by w", b"data of 7 by w1 ", b"data of 8 by w1"])
def test_altered_data_is_missing_changes(journal: Journal, writer: Writer, altered: bytes) -> None:
    file = file_of(writer.manifest(7))
    journal.store.put(file.key, altered)
    with pytest.raises(ChangesMissing, match="batch 7 was altered"):
        journal.fetch(file)


def test_writing_data_again_is_fine_when_it_is_the_same(journal: Journal) -> None:
    files = [("1-0.csv.zst", b"a"), ("1-1.csv.zst", b"b")]
    journal.write_data(1, "w1", files[:1])
    assert journal.write_data(1, "w1", files) == [
        "data/000000000001/w1-1-0.csv.zst",
        "data/000000000001/w1-1-1.csv.zst",
    ]
    with pytest.raises(InvariantError, match="other bytes"):
        journal.write_data(1, "w1", [("1-0.csv.zst", b"c")])
    assert journal.store.get("data/000000000001/w1-1-0.csv.zst") == b"a"
    assert journal.write_data(2, "w1", []) == []


def test_a_manifest_that_points_out_of_the_journal_is_refused(journal: Journal, writer: Writer) -> None:
    file = file_of(writer.manifest(1)).model_copy(update={"key": "../../etc/passwd"})
    with pytest.raises(JournalError, match="not the name"):
        journal.fetch(file)


# --- Registry


def test_the_registry_is_read_back(journal: Journal) -> None:
    registry = Registry(number=3, tables={RELATION.oid: TableState(relation=RELATION, copied_at=LSN(5))})
    ref = journal.write_registry(registry, "w1")
    assert ref == journal.write_registry(registry, "w1")
    assert journal.read_registry(ref) == registry


def test_a_missing_or_altered_registry_is_missing_changes(journal: Journal) -> None:
    registry = Registry(number=3, tables={})
    ref = journal.write_registry(registry, "w1")
    with pytest.raises(ChangesMissing, match=r"registry/000000000003-w1\.json was altered"):
        journal.read_registry(RegistryRef(key=ref.key, sha256="0" * 64))
    journal.store.delete([ref.key])
    with pytest.raises(ChangesMissing, match=r"registry/000000000003-w1\.json is missing"):
        journal.read_registry(ref)


# --- Positions


def test_the_newest_position_counts_and_older_ones_are_pruned(journal: Journal) -> None:
    assert journal.newest_position() is None
    for text in ("0/9", "0/10", "1/0", "0/FFFFFFFF"):
        journal.record_position(LSN.parse(text))
        journal.record_position(LSN.parse(text))
    assert journal.newest_position() == LSN.parse("1/0")
    journal.prune_positions()
    assert journal.store.list("positions/") == ["positions/0000000100000000.json"]
    journal.prune_positions()
    assert journal.newest_position() == LSN.parse("1/0")
    assert not journal.is_fresh()


def test_the_known_position_is_the_greater_of_tail_and_positions(journal: Journal, writer: Writer) -> None:
    journal.record_position(LSN(150))
    assert journal.known_lsn() == LSN(150)
    writer.commit(1)  # ends at 100
    assert journal.known_lsn() == LSN(150)
    writer.commit(2)  # ends at 200
    assert journal.known_lsn() == LSN(200)


# --- Advisory objects


def test_the_applied_mirror_is_overwritten(journal: Journal) -> None:
    assert journal.applied() is None
    journal.record_applied(1, LSN(100))
    journal.record_applied(2, LSN(200), 1_700_000_000_000_000, {16400: Counts(inserts=3)})
    applied = journal.applied()
    assert applied is not None
    assert (applied.number, applied.lsn, applied.time_us) == (2, LSN(200), 1_700_000_000_000_000)
    assert applied.tables == {16400: Counts(inserts=3)}


def test_copy_requests_are_kept_until_they_are_cleared(journal: Journal) -> None:
    for oid in (20000, 3, 20000):
        journal.request_copy(oid)
    first = journal.copy_requests()
    assert {oid: len(keys) for oid, keys in first.items()} == {3: 1, 20000: 2}
    journal.request_copy(3)  # while the first is being served
    for _ in range(2):
        journal.clear_copy_requests(first[3])
    assert {oid: len(keys) for oid, keys in journal.copy_requests().items()} == {3: 1, 20000: 2}


# --- Damage


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"secret": 1}', b"\xff\xfe", b"null", b"secret"])
@pytest.mark.parametrize("key", ["root.json", "warehouse.json", "applied.json", "batches/000000000001.json"])
def test_unreadable_json_is_an_error_that_names_the_object(journal: Journal, key: str, text: bytes) -> None:
    journal.store.put(key, text)
    read = {"r": journal.root, "w": journal.warehouse, "a": journal.applied, "b": journal.tail}[key[0]]
    with pytest.raises(JournalError, match=key) as told:
        read()
    assert not told.value.retry
    assert told.value.remedy
    assert "secret" not in str(told.value) or text == b'{"secret": 1}', "field names at most"
    assert told.value.__cause__ is None


def test_a_manifest_under_another_number_is_refused(journal: Journal, writer: Writer) -> None:
    writer.commit(1)
    journal.store.create("batches/000000000002.json", journal.store.get("batches/000000000001.json"))
    with pytest.raises(JournalError, match="holds batch 1"):
        journal.manifest(2)


@pytest.mark.parametrize("field", ["format", "dialect"])
def test_a_journal_of_another_format_is_refused(journal: Journal, writer: Writer, field: str) -> None:
    journal.commit(writer.manifest(1).model_copy(update={field: 99}))
    with pytest.raises(JournalError, match="99") as told:
        journal.tail()
    assert "version" in told.value.remedy


# --- The end


def test_destroy_removes_everything_the_root_last(journal: Journal, writer: Writer, store: Store) -> None:
    journal.create_root(a_root("j"))
    journal.name_warehouse(WarehouseName(warehouse_id="w", url="duckdb:///w"))
    writer.commit(1, 2)
    journal.record_position(LSN(5))
    journal.record_applied(1, LSN(100))
    journal.request_copy(1)
    deleted: list[str] = []
    real = store.delete

    def watch(keys: list[str]) -> None:
        deleted.extend(keys)
        real(keys)

    store.delete = watch  # type: ignore[method-assign,assignment]
    before = store.list("")
    journal.destroy()
    assert store.list("") == []
    assert set(before) <= set(deleted)
    assert deleted[-1] == "root.json"
    journal.destroy()
    assert journal.is_fresh()
