"""Slot, journal and warehouse that do not meet: exit 6 before the first row, saying what is wrong and what to do.

Nothing is written into the warehouse nor confirmed to the slot, and no slot or publication is made over a journal.
After `re-dms reset` the pipeline runs again and ends equal.
"""

from __future__ import annotations

import shutil

import pytest

from fix_pipeline import Pipeline
from re_dms.errors import ChangesMissing
from re_dms.lsn import LSN
from re_dms.pipeline.progress import Progress
from refusals.rig import assert_refused, branch, manifests, refused, reset_and_run, standing


@pytest.fixture
def followed(pipeline: Pipeline) -> Pipeline:
    """A pipeline that has copied a table (batch 1) and followed it (batch 2 at least), now at rest."""
    database = pipeline.database
    database.execute("create table t (id int primary key, a text); insert into t values (1, 'copied')")
    pipeline.catch_up()
    database.execute("insert into t values (2, 'followed')")
    pipeline.catch_up()
    return pipeline


def test_a_slot_or_publication_that_is_not_where_the_journal_knows_it(followed: Pipeline) -> None:
    """Gone, made again, read by another journal, advanced: what came in between cannot be read any more."""
    database, name = followed.database, followed.name
    database.execute("create table t2 (id int primary key)")  # not to be published by a run that is refused
    database.execute(f"drop publication {name}; insert into t values (3, 'lost')")
    refused(followed, 6, f"publication {name!r} has gone")

    # Somebody makes it again: the slot reads the past, where it is not, and what came in between was not published.
    database.execute(f"create publication {name} for table t; insert into t values (4, 'beyond it')")
    before = standing(followed)
    again = followed.run("run", "--until-caught-up")
    assert_refused(again, 6, "publication", "dropped and made again", remedy="reset")
    assert (standing(followed).watermarks, standing(followed).slots) == (before.watermarks, before.slots)

    # While the pipeline is at rest nobody can tell that another one takes its changes; it does, before it loses a row.
    thief = branch(followed, "thief")
    shutil.rmtree(thief.journal_path)
    database.execute(f"select pg_drop_replication_slot('{name}')")
    refused(followed, 6, f"slot {name!r} has gone")
    assert thief.run("capture", "--until-caught-up").code == 0
    refused(followed, 6, f"slot {name!r}", "beyond", "advanced or made again")

    database.execute("insert into t values (5, 'lost')")
    database.execute(f"select pg_replication_slot_advance('{name}', pg_current_wal_lsn())")
    refused(followed, 6, f"slot {name!r}", "beyond", "advanced or made again")
    reset_and_run(followed, "t")


def test_journal_and_warehouse_that_do_not_belong_together(followed: Pipeline) -> None:
    database, name = followed.database, followed.name

    fresh = branch(followed, "new-warehouse")
    fresh.warehouse_path.unlink()
    refused(fresh, 6, "feeds another warehouse")

    pruned = branch(followed, "new-warehouse-pruned")
    pruned.warehouse_path.unlink()
    for manifest in manifests(pruned)[:-1]:
        manifest.unlink()
    refused(pruned, 6, "feeds another warehouse", command="apply")

    emptied = branch(followed, "emptied-journal")
    for directory in ("batches", "data", "positions", "registry"):
        shutil.rmtree(emptied.journal_path / directory)
    refused(emptied, 6, "the journal is empty")

    last = branch(followed, "last-manifest")
    manifests(last)[-1].unlink()
    refused(last, 6, "its last manifests are gone")

    # A new journal, at a source that knows nothing of us: no slot and no publication are made.
    database.execute(f"select pg_drop_replication_slot('{name}')")
    database.execute(f"drop publication {name}; insert into t values (3, 'later')")
    shutil.rmtree(followed.journal_path)
    refused(followed, 6, "the warehouse was filled up to batch", "another journal")
    assert standing(followed).slots == ()
    reset_and_run(followed, "t")


def test_batches_that_are_damaged_before_they_are_applied(followed: Pipeline) -> None:
    database = followed.database
    for number in (3, 4):
        database.execute(f"insert into t values ({number}, 'in the journal only')")
        assert followed.run("capture", "--until-caught-up").code == 0
    waiting = manifests(followed)[-2:]

    def data_of(pipeline: Pipeline, index: int) -> list[str]:
        files = (pipeline.journal_path / "data" / waiting[index].stem).iterdir()
        return [f"data/{file.parent.name}/{file.name}" for file in files]

    gap = branch(followed, "gap")
    (gap.journal_path / "batches" / waiting[0].name).unlink()
    refused(gap, 6, f"batch {int(waiting[0].stem)} is missing", "a later one is there")

    # Capture may go on beside these two: what it confirms, the journal holds.
    missing = branch(followed, "data-missing")
    [key] = data_of(missing, 0)
    (missing.journal_path / key).unlink()
    refused(missing, 6, key, "is missing", command="apply")

    altered = branch(followed, "data-altered")
    [key] = data_of(altered, 0)
    path = altered.journal_path / key
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    refused(altered, 6, key, "was altered", command="apply")

    # Pruned of what no warehouse has: its rows would be there from the middle on.
    headless = branch(followed, "headless")
    headless.warehouse_path.unlink()
    (headless.journal_path / "warehouse.json").unlink()
    manifests(headless)[0].unlink()
    finished = headless.run("apply", "--until-caught-up")
    assert_refused(finished, 6, "batch 1 is missing", remedy="reset")
    assert standing(headless).watermarks == ()

    followed.catch_up()
    followed.assert_equal("t")


def test_the_tail_transaction_is_known_by_its_xid_too() -> None:
    """Another history may have a commit that ends at the very same position."""
    progress = Progress({"tail": {"end": "0/200", "xid": 700, "time_us": 5}, "known": "0/200", "batch": 3})
    progress.slot_is_at(LSN.parse("0/100"))
    assert progress.confirmable == LSN.parse("0/100")
    with pytest.raises(ChangesMissing, match="transaction 701 ends at 0/200"):
        progress.saw_known_commit(LSN.parse("0/200"), 701, 5)
    with pytest.raises(ChangesMissing, match="committed at another time"):
        progress.saw_known_commit(LSN.parse("0/200"), 700, 6)
    progress.saw_known_commit(LSN.parse("0/200"), 700, 5)
    assert progress.confirmable == LSN.parse("0/200")
