"""Slot, journal and warehouse that do not meet: exit 6 before the first row, saying what is wrong and what to do.

Nothing is written into the warehouse nor confirmed to the slot, and no slot or publication is made over a journal.
After `re-dms reset` the pipeline runs again and ends equal.
"""

from __future__ import annotations

import shutil

import duckdb
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


def test_a_slot_that_is_not_where_the_journal_knows_it(followed: Pipeline) -> None:
    """Advanced by hand, made again, dropped; a publication dropped: what came in between cannot be read any more."""
    database, name = followed.database, followed.name
    database.execute("create table t2 (id int primary key)")  # not to be published by a run that is refused
    database.execute("insert into t values (3, 'lost')")
    database.execute(f"select pg_replication_slot_advance('{name}', pg_current_wal_lsn())")
    refused(followed, 6, f"slot {name!r}", "beyond", "advanced or made again")

    database.execute(f"select pg_drop_replication_slot('{name}')")
    refused(followed, 6, f"slot {name!r} has gone")

    database.execute(f"select pg_create_logical_replication_slot('{name}', 'pgoutput')")
    refused(followed, 6, f"slot {name!r}", "beyond", "advanced or made again")
    reset_and_run(followed, "t")


def test_a_publication_that_was_dropped_is_not_made_again(followed: Pipeline) -> None:
    database, name = followed.database, followed.name
    database.execute(f"drop publication {name}; insert into t values (3, 'lost')")
    refused(followed, 6, f"publication {name!r} has gone")

    # Somebody makes it again: the slot reads the past, where it is not.
    database.execute(f"create publication {name} for table t; insert into t values (4, 'beyond it')")
    before = standing(followed)
    finished = followed.run("run", "--until-caught-up")
    assert_refused(finished, 3, "publication", "does not exist at the position", remedy="reset")
    assert standing(followed).watermarks == before.watermarks
    reset_and_run(followed, "t")


def test_journal_and_warehouse_that_do_not_belong_together(followed: Pipeline) -> None:
    database = followed.database

    fresh = branch(followed, "new-journal")
    shutil.rmtree(fresh.journal_path)
    refused(fresh, 6, "the warehouse was filled up to batch", "another journal")

    fresh = branch(followed, "new-warehouse")
    fresh.warehouse_path.unlink()
    refused(fresh, 6, "feeds another warehouse")

    pruned = branch(followed, "new-warehouse-pruned")
    pruned.warehouse_path.unlink()
    for manifest in manifests(pruned)[:-1]:
        manifest.unlink()
    refused(pruned, 6, "feeds another warehouse")

    emptied = branch(followed, "emptied-journal")
    for directory in ("batches", "data", "positions", "registry"):
        shutil.rmtree(emptied.journal_path / directory)
    refused(emptied, 6, "the journal is empty")

    last = branch(followed, "last-manifest")
    manifests(last)[-1].unlink()
    refused(last, 6, "its last manifests are gone")

    database.execute("insert into t values (3, 'later')")
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

    missing = branch(followed, "data-missing")
    [key] = data_of(missing, 0)
    (missing.journal_path / key).unlink()
    refused(missing, 6, key, "is missing", command="apply")

    altered = branch(followed, "data-altered")
    [key] = data_of(altered, 0)
    path = altered.journal_path / key
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    refused(altered, 6, key, "was altered", command="apply")

    followed.catch_up()
    followed.assert_equal("t")


def test_an_unapplied_journal_does_not_fill_a_second_warehouse(pipeline: Pipeline) -> None:
    """Pruned of what the first warehouse has, its rows would be there from the middle on."""
    pipeline.database.execute("create table t (id int primary key); insert into t values (1)")
    assert pipeline.run("capture", "--until-caught-up").code == 0
    pipeline.database.execute("insert into t values (2)")
    assert pipeline.run("capture", "--until-caught-up").code == 0
    manifests(pipeline)[0].unlink()
    finished = pipeline.run("apply", "--until-caught-up")
    assert_refused(finished, 6, "batch 1 is missing", remedy="reset")
    with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as connection:
        assert connection.execute("select * from re_dms.watermark").fetchall() == []


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


def test_refusals_leave_a_fresh_source_untouched(followed: Pipeline) -> None:
    """A new pipeline over an old warehouse of the same name, on another database: no slot and no publication are made."""
    database, name = followed.database, followed.name
    database.execute(f"select pg_drop_replication_slot('{name}')")
    database.execute(f"drop publication {name}")
    shutil.rmtree(followed.journal_path)
    refused(followed, 6, "another journal")
    assert standing(followed).slots == ()
    reset_and_run(followed, "t")
