"""Apply over a journal in which batches wait: what it loads at once, and what it tells of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.story import JOURNAL_ID, Story
from re_dms.errors import InvariantError, JournalUnavailable, PipelineHeld, WarehouseError
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore
from re_dms.manifest import Changes, Manifest, Registry, Root
from re_dms.pipeline.apply import Apply
from re_dms.pipeline.channel import Channel
from re_dms.pipeline.surroundings import Surroundings
from re_dms.settings import JournalSettings, Settings, WarehouseSettings
from re_dms.warehouse.base import GroupLimits


class Waiting:
    """A journal with batches that wait, and applies that load what is there by now."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.journal = Journal(LocalStore(folder / "journal"))
        self.story = Story(seed, store=self.journal.store)
        self.journal.create_root(
            Root(
                journal_id=JOURNAL_ID, pipeline="shop", system_identifier="1", timeline=1, database="shop",
                slot="s", publication="p", created_at="2026-01-01",
            )
        )  # fmt: skip
        self.registry = self.journal.write_registry(Registry(number=1, tables={}), "w")
        self.target = WarehouseSettings(url=f"duckdb://{folder}/shop.duckdb")
        self.channels: list[Channel] = []

    def commit(self, *manifests: Manifest) -> None:
        for manifest in manifests:
            self.journal.commit(manifest.model_copy(update={"registry": self.registry}))

    def apply(self, limits: GroupLimits | None) -> tuple[Apply, Channel]:
        ours, theirs = Channel.pair()
        self.channels += [ours, theirs]
        settings = Settings(journal=JournalSettings(url=f"file://{self.folder}/journal"), warehouse=self.target)
        made = Apply(Surroundings(settings=settings, control=theirs, channels={}, options={}), self.target)
        made.warehouse.group = limits
        made.drain_until = time.monotonic() + 600
        return made, ours

    def run(self, limits: GroupLimits | None) -> list[dict[str, Any]]:
        """Load all that waits; what was told."""
        apply, heard = self.apply(limits)
        apply.run()
        told = []
        while (message := heard.receive(0)) is not None:
            told.append(message)
        return told

    def assert_equal(self) -> None:
        with duckdb.connect(str(self.folder / "shop.duckdb")) as connection:
            for told in self.story.tables:
                names = ", ".join(column.name for column in told.relation.columns)
                rows = connection.execute(f"select {names} from public.{told.relation.name}").fetchall()
                assert sorted(rows, key=repr) == told.rows


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    made = Waiting(tmp_path, seed=5)
    yield made
    for channel in made.channels:
        channel.close()


def loaded(told: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """(number, batches) of every load."""
    return [(event["number"], event["batches"]) for event in told if event["event"] == "loaded"]


def test_what_waits_is_loaded_in_groups_up_to_the_limits(waiting: Waiting) -> None:
    story = waiting.story
    batches = [story.copy(), *(story.batch() for _ in range(7)), story.copy(), *(story.batch() for _ in range(2))]
    waiting.commit(*batches)
    told = waiting.run(GroupLimits(batches=3))
    assert loaded(told) == [(1, 1), (4, 3), (7, 3), (8, 1), (9, 1), (11, 2)]
    assert [event["number"] for event in told if event["event"] == "loading"] == [1, 4, 7, 8, 9, 11]
    waiting.assert_equal()
    loads = [event for event in told if event["event"] == "loaded"]
    assert sum(event["transactions"] for event in loads) == sum(batch.transactions for batch in batches)
    assert sum(event["changes"] for event in loads) == sum(batch.changes for batch in batches)
    assert [event["altered"] for event in loads] == [0] * 6
    inserts = sum(counts["inserts"] for event in told if event["event"] == "tables" for _, counts in event["tables"])
    assert inserts == sum(table.counts.inserts for batch in batches for table in batch.tables)
    assert waiting.journal.numbers() == [11]
    assert waiting.journal.store.list("loads/") == []


def test_a_batch_that_was_read_in_vain_is_not_forgotten(waiting: Waiting) -> None:
    story = waiting.story
    waiting.commit(story.copy(), *(story.batch() for _ in range(4)))
    assert loaded(waiting.run(GroupLimits(rows=1))) == [(number, 1) for number in range(1, 6)]
    waiting.assert_equal()


def test_a_warehouse_without_groups_takes_every_batch_alone(waiting: Waiting) -> None:
    story = waiting.story
    waiting.commit(story.copy(), *(story.batch() for _ in range(3)))
    assert loaded(waiting.run(None)) == [(number, 1) for number in range(1, 5)]
    waiting.assert_equal()


def test_a_group_of_which_another_apply_has_pruned_the_data_is_no_gap(waiting: Waiting) -> None:
    """The other one took over while this one had read the manifests: changes are not missing."""
    story = waiting.story
    waiting.commit(story.copy())
    first, _ = waiting.apply(GroupLimits())
    first.run()
    batches = [story.batch() for _ in range(4)]
    waiting.commit(*batches)
    group = first._group(batches[0])
    assert len(group) == 4
    assert loaded(waiting.run(None)) == [(number, 1) for number in range(2, 6)]
    with pytest.raises(PipelineHeld, match="another apply took over"), first.journal.files(5, "first") as files:
        first._folded(group, files)


def test_batches_that_a_full_journal_cannot_take_folded_are_loaded_one_by_one(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is loaded can be removed: apply makes room."""

    def full(store: LocalStore, key: str, data: bytes) -> None:
        if key.startswith("loads/"):
            raise JournalUnavailable("no space left on device")
        put(store, key, data)

    put = LocalStore.put
    monkeypatch.setattr(LocalStore, "put", full)
    story = waiting.story
    waiting.commit(story.copy(), *(story.batch() for _ in range(4)))
    told = waiting.run(GroupLimits())
    assert loaded(told) == [(number, 1) for number in range(1, 6)]
    waiting.assert_equal()
    assert waiting.journal.numbers() == [5]


def test_a_group_with_a_batch_that_is_refused_loads_those_before_it_and_stops_there(waiting: Waiting) -> None:
    story = waiting.story
    batches = [story.copy(), *(story.batch() for _ in range(6))]
    bad, at = next(
        (number, at)
        for number, batch in enumerate(batches[3:], start=3)
        for at, table in enumerate(batch.tables)
        if any(isinstance(step, Changes) for step in table.steps)
    )
    table = batches[bad].tables[at]
    steps = [
        step.model_copy(update={"files": tuple(f.model_copy(update={"rows": f.rows + 1}) for f in step.files)})
        if isinstance(step, Changes)
        else step
        for step in table.steps
    ]
    tables = list(batches[bad].tables)
    tables[at] = table.model_copy(update={"steps": tuple(steps)})
    batches[bad] = batches[bad].model_copy(update={"tables": tuple(tables)})
    waiting.commit(*batches)
    with pytest.raises((WarehouseError, InvariantError)):
        waiting.run(GroupLimits())
    watermark = waiting.apply(None)[0].warehouse.watermark(JOURNAL_ID)
    assert watermark is not None
    assert watermark.batch == bad
