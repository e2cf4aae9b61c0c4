"""Groups of batches: whatever is loaded together ends where the batches end one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from nightly import NIGHTLY
from pipeline.story import Story, Told
from re_dms.errors import InvariantError, JournalUnavailable
from re_dms.journal.store import Store
from re_dms.journal.workspace import Workspace
from re_dms.lsn import LSN
from re_dms.manifest import Altered, Changes, Counts, DataFile, Diverged, Manifest, Step, TableChanges, Truncate
from re_dms.pipeline.group import fold_group, stands_alone, take_group
from re_dms.warehouse.base import GroupLimits
from warehouse.building import Bench, bench


def load(made: Bench, store: Store, group: Sequence[Manifest], limits: GroupLimits | None = None) -> None:
    with Workspace(store, group[-1].number, made.owner) as files:
        made.load_manifest(fold_group(group, files, limits=limits), files=files, after=group[0].number - 1)


def benches(folder: Path, names: Sequence[str]) -> list[Bench]:
    for name in names:
        (folder / name).mkdir()
    return [bench(folder / name) for name in names]


def content(made: Bench) -> dict[str, list[tuple[object, ...]]]:
    return {name: rows for name, rows in made.everything().items() if name != "re_dms.warehouse"}


@pytest.mark.parametrize("seed", range(8 if NIGHTLY else 2))
def test_groups_end_where_single_batches_end(tmp_path: Path, seed: int) -> None:
    """All tables equal the source's after every group, and everything that is recorded equals that of single loads."""
    story = Story(seed)
    singly, grouped = benches(tmp_path, ["singly", "grouped"])
    copy = story.copy()
    for made in (singly, grouped):
        load(made, story.store, [copy])
    for size in [story.rnd.randrange(2, 7) for _ in range(4)]:
        group = [story.batch() for _ in range(size)]
        for manifest in group:
            singly.load_manifest(manifest, files=Workspace(story.store, manifest.number, "owner"))
        load(grouped, story.store, group)
        assert content(grouped) == content(singly), f"seed {seed}"
        for told in story.tables:
            names = ", ".join(column.name for column in told.relation.columns)
            rows = grouped.query(f"select {names} from public.{told.relation.name}")
            assert sorted(rows, key=repr) == told.rows, f"seed {seed}"
    assert story.store.list("loads/") == [], "what a load wrote has gone with it"


@pytest.mark.parametrize("seed", range(100, 104 if NIGHTLY else 101))
@pytest.mark.parametrize("rows", [1, 7, 1000])
@pytest.mark.parametrize("step_rows", [3, 1000])
def test_whatever_is_folded_at_once_the_end_is_the_same(tmp_path: Path, seed: int, rows: int, step_rows: int) -> None:
    story = Story(seed)
    [grouped] = benches(tmp_path, ["grouped"])
    load(grouped, story.store, [story.copy()])
    group = [story.batch() for _ in range(9)]
    load(grouped, story.store, group, GroupLimits(rows=rows, step_rows=step_rows))
    for told in story.tables:
        names = ", ".join(column.name for column in told.relation.columns)
        assert sorted(grouped.query(f"select {names} from public.{told.relation.name}"), key=repr) == told.rows


class Broken(Workspace):
    """The store goes away after so many files were read or written."""

    def __init__(self, store: Store, number: int, after: int) -> None:
        super().__init__(store, number, "broken")
        self.left = after

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise JournalUnavailable("the store is away")

    def fetch(self, file: DataFile) -> Path:
        self._count()
        return super().fetch(file)

    def write(self, frame: pl.DataFrame, name: str) -> DataFile:
        self._count()
        return super().write(frame, name)


@pytest.mark.parametrize("seed", range(200, 203 if NIGHTLY else 201))
def test_a_group_that_failed_is_loaded_again_as_another_with_the_same_end(tmp_path: Path, seed: int) -> None:
    story = Story(seed)
    singly, grouped = benches(tmp_path, ["singly", "grouped"])
    copy = story.copy()
    batches = [story.batch() for _ in range(8)]
    for manifest in [copy, *batches]:
        singly.load_manifest(manifest, files=Workspace(story.store, manifest.number, "owner"))
    load(grouped, story.store, [copy])
    before = content(grouped)
    failed, size = True, 0
    for after in range(0, 200, 9):
        size = story.rnd.randrange(2, 7)
        failed = fails(grouped, batches[:size], Broken(story.store, batches[size - 1].number, after))
        if not failed:
            break
        assert content(grouped) == before
    assert after
    assert not failed
    for group in (batches[:size], batches[size : size + 1], batches[size + 1 :]):
        if group:  # the first is loaded again, as after a reply that was lost
            load(grouped, story.store, group)
    assert content(grouped) == content(singly)


def fails(made: Bench, group: Sequence[Manifest], broken: Broken) -> bool:
    try:
        with broken:
            made.load_manifest(fold_group(group, broken), files=broken, after=1)
    except JournalUnavailable:
        return True
    return False


# ------------------------------------------------------------------ the manifest


def workspace(story: Story) -> Workspace:
    return Workspace(story.store, story.number, "owner")


def changed(story: Story, *rows: Sequence[str | None], names: str = "op c1 c3 c4 c5", relation: int = 0) -> Changes:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names.split(), pl.String), orient="row")
    return Changes(
        relation=relation, files=(story.file(frame),), ops=dict(frame["op"].value_counts(sort=True).iter_rows())
    )


def of(told: Told, *steps: Step, **counts: int) -> TableChanges:
    return TableChanges(
        oid=told.relation.oid, relations=(told.relation,), steps=steps, counts=Counts(**{"inserts": 1, **counts})
    )


def next_batch(story: Story, *tables: TableChanges, **more: object) -> Manifest:
    story.number += 1
    return story.manifest("stream", tables).model_copy(update=more)


def test_the_fold_says_what_the_batches_say_together() -> None:
    story = Story(1)
    plain, composite = story.tables[:2]
    row, other = ["U", "1", "a", "b", "c"], ["U", "2", "a", "b", "c"]
    batches = [
        next_batch(story, of(composite, changed(story, row))),
        next_batch(story, of(plain, changed(story, row)), of(composite, changed(story, other), updates=3)),
    ]
    with workspace(story) as files:
        folded = fold_group(batches, files)
        assert [table.oid for table in folded.tables] == [101, 100]
        table, single = folded.tables
        assert single == batches[1].tables[0], "one step is never rewritten"
        [step] = table.steps
        assert isinstance(step, Changes)
        assert step.ops == {"U": 2}
        [file] = step.files
        assert file.key.startswith(f"loads/{story.number:012d}/owner-")
        assert files.read(file).rows() == [tuple(row), tuple(other)]
        assert file.odd == {"3": 2}
    assert table.counts == Counts(inserts=2, updates=3)
    assert table.relations == (composite.relation,)
    assert (folded.number, folded.start, folded.end) == (2, LSN(256), LSN(768))
    assert (folded.writer, folded.registry, folded.last_commit) == ("w2", batches[1].registry, batches[1].last_commit)
    assert (folded.transactions, folded.changes) == (3, 3)
    assert folded.commit_times_us == (*batches[0].commit_times_us, *batches[1].commit_times_us)


def test_commit_times_stay_21_quantiles_of_all_transactions() -> None:
    story = Story(1)
    batches = [
        next_batch(story, commit_times_us=tuple(range(start, start + 21)), transactions=count)
        for start, count in ((0, 21), (100, 2100), (200, 21))
    ]
    times = fold_group(batches, workspace(story)).commit_times_us
    assert len(times) == 21
    assert (times[0], times[-1]) == (0, 220)
    assert len([time for time in times if 100 <= time < 200]) == 19, "each batch weighs as many as it has"


def test_what_stands_between_steps_keeps_its_place() -> None:
    story = Story(1)
    plain = story.tables[0]
    first, row = plain.relation, ["U", "1", "a", "b", "c"]
    plain.widen()
    wide = [*row, "d"]
    one = of(plain, changed(story, row), Truncate(relation=0), changed(story, row), changed(story, row))
    one = one.model_copy(update={"relations": (first,)})
    two = of(
        plain, changed(story, row), Altered(relation=1), changed(story, wide, names="op c1 c3 c4 c5 c6", relation=1)
    )
    two = two.model_copy(update={"relations": (first, plain.relation)})
    three = of(plain, changed(story, wide, names="op c1 c3 c4 c5 c6"))
    batches = [next_batch(story, table) for table in (one, two, three)]
    with workspace(story) as files:
        [table] = fold_group(batches, files).tables
    assert [(step.step, step.relation) for step in table.steps] == [
        ("changes", 0), ("truncate", 0), ("changes", 0), ("altered", 1), ("changes", 1),
    ]  # fmt: skip
    assert table.relations == (first, plain.relation)
    assert table.steps[0] == one.steps[0]


def test_changes_that_cancel_out_are_still_counted() -> None:
    story = Story(1)
    counted = story.tables[3]
    names = "op n c1 c3 c4"
    batches = [
        next_batch(story, of(counted, changed(story, ["I", "2", "a", None, ""], names=names), inserts=2)),
        next_batch(story, of(counted, changed(story, ["X", "2", "a", None, ""], names=names), inserts=0, deletes=2)),
    ]
    with workspace(story) as files:
        [table] = fold_group(batches, files).tables
    assert table.steps == (Altered(relation=0),)
    assert table.counts == Counts(inserts=2, deletes=2)


def test_a_batch_alone_stays_as_it_is() -> None:
    story = Story(1)
    plain = story.tables[0]
    batch = next_batch(story, of(plain, changed(story, ["U", "1", "a", "b", "c"]), Truncate(relation=0)))
    assert fold_group([batch], workspace(story)) is batch
    assert story.store.list("loads/") == []


def test_the_parts_of_a_large_transaction_are_folded() -> None:
    story = Story(1)
    row = ["U", "1", "a", "b", "c"]
    batch = next_batch(story, of(story.tables[0], changed(story, row), changed(story, row)))
    with workspace(story) as files:
        folded = fold_group([batch], files)
    assert [len(table.steps) for table in folded.tables] == [1]
    assert folded.model_copy(update={"tables": batch.tables}) == batch


def test_a_step_of_several_files_is_folded_as_one() -> None:
    story = Story(1)
    split, more = changed(story, ["U", "1", "a", "b", "c"]), changed(story, ["U", "2", "a", "b", "c"])
    split = split.model_copy(update={"files": (*split.files, *more.files), "ops": {"U": 2}})
    batch = next_batch(story, of(story.tables[0], split))
    with workspace(story) as files:
        assert fold_group([batch], files) is batch
        later = next_batch(story, of(story.tables[0], changed(story, ["D", "2", None, None, None])))
        [table] = fold_group([batch, later], files).tables
    [step] = table.steps
    assert isinstance(step, Changes)
    assert step.ops == {"U": 1, "D": 1}


def test_batches_that_do_not_follow_one_another_are_refused() -> None:
    story = Story(1)
    one, two, three = (next_batch(story) for _ in range(3))
    copy = two.model_copy(update={"kind": "copy"})
    for group in ([one, three], [two, one], [one, two.model_copy(update={"start": LSN(1)})], [one, copy]):
        with pytest.raises(InvariantError, match="cannot be folded"):
            fold_group(group, workspace(story))


# ------------------------------------------------------------------ what is taken


def taken(batches: Sequence[Manifest], limits: GroupLimits) -> tuple[list[int], int | None, list[int]]:
    """The numbers of the group and of the batch that was read in vain, and all numbers that were read."""
    asked: list[int] = []

    def following(number: int) -> Manifest | None:
        asked.append(number)
        return next((batch for batch in batches if batch.number == number), None)

    group, ahead = take_group(batches[0], limits, following)
    return [batch.number for batch in group], None if ahead is None else ahead.number, asked


def test_a_group_ends_where_its_limits_are() -> None:
    story = Story(1)
    plain = story.tables[0]
    rows = [["U", str(n), "a", "b", "c"] for n in range(10)]
    batches = [next_batch(story, of(plain, changed(story, *rows))) for _ in range(5)]
    size = batches[0].tables[0].steps[0].files[0].bytes  # type: ignore[union-attr]
    assert taken(batches, GroupLimits()) == ([1, 2, 3, 4, 5], None, [2, 3, 4, 5, 6])
    assert taken(batches, GroupLimits(batches=3)) == ([1, 2, 3], None, [2, 3])
    assert taken(batches, GroupLimits(batches=1)) == ([1], None, [])
    assert taken(batches, GroupLimits(rows=29)) == ([1, 2], 3, [2, 3])
    assert taken(batches, GroupLimits(rows=30)) == ([1, 2, 3], 4, [2, 3, 4])
    assert taken(batches, GroupLimits(bytes=size + size // 2)) == ([1], 2, [2])
    assert taken(batches, GroupLimits(rows=5)) == ([1], None, []), "a batch beyond the limits is taken alone"


def test_a_step_of_many_rows_is_not_folded_and_the_small_ones_around_it_are() -> None:
    story = Story(1)
    plain = story.tables[0]
    sizes = [1, 2, 5, 1, 1, 1, 7, 7]
    batches = [
        next_batch(story, of(plain, changed(story, *(["U", str(n), "a", "b", "c"] for n in range(size)))))
        for size in sizes
    ]
    with workspace(story) as files:
        [table] = fold_group(batches, files, limits=GroupLimits(step_rows=4)).tables
    rows = [sum(file.rows for file in step.files) for step in table.steps if isinstance(step, Changes)]
    assert rows == [2, 5, 1, 7, 7]


def test_copies_and_batches_that_stop_apply_go_alone() -> None:
    story = Story(1)
    plain = story.tables[0]
    one, two = next_batch(story), next_batch(story)
    copy, forgetting = (two.model_copy(update=more) for more in ({"kind": "copy"}, {"dropped_tables": (7,)}))
    diverged = two.model_copy(update={"tables": (of(plain, Diverged(relation=0, reason="it was renamed")),)})
    assert not stands_alone(two)
    for alone in (copy, forgetting, diverged):
        assert stands_alone(alone)
        assert taken([one, alone], GroupLimits()) == ([1], 2, [2])
        assert taken([alone, one], GroupLimits()) == ([2], None, [])
