"""Retention removes what the warehouse has, and nothing that anybody could still need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from journal.batches import Writer
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore
from re_dms.journal.retention import Removed, prune


def test_what_is_below_the_applied_batch_goes(journal: Journal, writer: Writer) -> None:
    writer.commit(1, 2, 3, 4, 5)
    sizes = journal.store.sizes("")
    removed = prune(journal, 4)
    assert journal.numbers() == [4, 5]
    assert [key.split("/")[1] for key in journal.store.list("data/")] == ["000000000004", "000000000005"]
    gone = sizes.keys() - set(journal.store.list(""))
    assert removed == Removed(objects=6, bytes=sum(sizes[key] for key in gone))
    assert len(gone) == 6


def test_pruning_again_changes_nothing(journal: Journal, writer: Writer) -> None:
    writer.commit(1, 2, 3)
    prune(journal, 3)
    before = journal.store.list("")
    assert prune(journal, 3) == Removed()
    assert prune(journal, 1) == Removed()
    assert journal.store.list("") == before


@pytest.mark.parametrize("applied", [0, 1])
def test_nothing_goes_before_anything_was_applied(journal: Journal, writer: Writer, applied: int) -> None:
    assert prune(journal, applied) == Removed()
    writer.commit(1, 2)
    assert prune(journal, applied) == Removed()
    assert journal.numbers() == [1, 2]


def test_the_newest_batch_never_goes(journal: Journal, writer: Writer) -> None:
    writer.commit(1, 2, 3)
    prune(journal, 3)
    assert journal.numbers() == [3]
    prune(journal, 1_000)
    assert journal.numbers() == [3]
    assert len(journal.store.list("data/")) == 1


def test_orphans_go_with_the_number_that_decided_them(journal: Journal, writer: Writer, another_writer: Writer) -> None:
    """A losing writer's data is an orphan once the manifest of its number is there and does not list it."""
    for number in (1, 2, 3):
        another_writer.manifest(number)  # data, and no manifest
    writer.commit(1, 2)
    prune(journal, 2)
    assert journal.store.list("data/") == [
        "data/000000000002/w1-16400-0.csv.zst",
        "data/000000000002/w2-16400-0.csv.zst",
        "data/000000000003/w2-16400-0.csv.zst",
    ], "batch 3 does not exist yet: its data may be about to be listed"


def test_data_that_came_after_its_batch_was_pruned_goes(
    journal: Journal, writer: Writer, another_writer: Writer
) -> None:
    writer.commit(1, 2, 3)
    prune(journal, 3)
    another_writer.manifest(1)
    prune(journal, 3)
    assert [key.split("/")[1] for key in journal.store.list("data/")] == ["000000000003"]


def test_registries_go_when_no_batch_that_stays_refers_to_them(
    journal: Journal, writer: Writer, another_writer: Writer
) -> None:
    writer.commit(1)
    writer.commit(2, new_registry=True)
    another_writer.manifest(2)  # its registry, and no batch
    writer.commit(3)
    writer.commit(4, new_registry=True)
    writer.commit(5)
    prune(journal, 3)
    assert journal.store.list("registry/") == ["registry/000000000002-w1.json", "registry/000000000004-w1.json"]
    another_writer.manifest(6, new_registry=True)
    prune(journal, 5)
    assert journal.store.list("registry/") == ["registry/000000000004-w1.json", "registry/000000000006-w2.json"]
    tail = journal.tail()
    assert tail is not None
    assert journal.read_registry(tail.registry).number == 4


PRUNE = """
import sys
from pathlib import Path
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore
from re_dms.journal.retention import prune
prune(Journal(LocalStore(Path(sys.argv[1]))), int(sys.argv[2]))
"""


@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("point", ["retention.data_removed", "retention.manifest_removed"])
def test_a_kill_midway_leaves_no_gap_and_the_next_run_finishes(tmp_path: Path, point: str, hit: int) -> None:
    journal = Journal(LocalStore(tmp_path))
    Writer(journal).commit(*range(1, 7))
    environment = os.environ | {"RE_DMS_FAILPOINTS": f"{point}:kill@{hit}"}
    killed = subprocess.run([sys.executable, "-c", PRUNE, str(tmp_path), "6"], env=environment)
    assert killed.returncode == -9
    numbers = journal.numbers()
    assert numbers == list(range(numbers[0], 7)), "no gap"
    assert numbers[0] == (hit if point == "retention.data_removed" else hit + 1)
    prune(journal, 6)
    assert journal.numbers() == [6]
    assert len(journal.store.list("data/")) == 1
    assert json.loads(journal.store.get("batches/000000000006.json"))["number"] == 6
