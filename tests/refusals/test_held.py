"""Two of one kind at once: one wins, the other ends with 7 and says who holds the pipeline.

The compare-and-set on two cursors of one process is in tests/warehouse/test_faults.py and test_contract.py.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from fix_pipeline import Pipeline
from nightly import nightly
from refusals.rig import assert_refused, manifests, standing, until, until_applied


def test_of_two_runs_the_first_goes_on(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key, a text); insert into t values (1, 'copied')")
    first = pipeline.start("run")
    first.wait_for("streaming")
    until_applied(first, database)
    slot_before, journal_before = standing(pipeline).slots, manifests(pipeline)

    # On the same journal and warehouse: a run, an apply, a capture. On a journal of its own: a capture of the same slot.
    other = Pipeline(database=database, directory=pipeline.directory / "other", name=pipeline.name)
    other.directory.mkdir()
    other.started = pipeline.started
    holder = f"process {first.children()['apply']}"
    rivals = [
        (pipeline.start("run"), holder, "stop"),
        (pipeline.start("apply"), holder, "stop"),
        (pipeline.start("capture"), "in use by server process", "pg_terminate_backend"),
        (other.start("capture"), "in use by server process", "pg_terminate_backend"),
    ]
    for rival, word, remedy in rivals:
        assert_refused(rival.finish(), 7, word, remedy=remedy)
    assert_refused(pipeline.run("reset", "--yes"), 7, "in use by server process", remedy="pg_terminate_backend")
    # The one that has no right to the slot has taken nothing from it, and has copied nothing.
    assert not (other.journal_path / "batches").is_dir() or not manifests(other)
    assert not (other.journal_path / "positions").is_dir() or not list((other.journal_path / "positions").iterdir())

    assert [slot[0] for slot in standing(pipeline).slots] == [slot[0] for slot in slot_before]
    assert manifests(pipeline) == journal_before
    database.execute("insert into t values (2, 'the first one goes on')")
    until_applied(first, database)
    assert first.process.poll() is None
    assert [line["event"] for line in first.events("restarting")] == []
    first.signal(15)
    assert first.finish().code == 143
    pipeline.assert_equal("t")


@nightly("by day test_zombies.py")
def test_a_batch_number_has_one_writer(pipeline: Pipeline) -> None:
    """A capture that was stopped for so long that another took its place writes nothing over the other's batches."""
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    pipeline.catch_up()
    stopped = pipeline.start("capture", environment={"RE_DMS_FAILPOINTS": "capture.before_manifest:stop"})
    stopped.wait_for("streaming")
    database.execute("insert into t values (1, 'written by both')")
    encoder = stopped.children()["encoder"]
    until(lambda: state_of(encoder) == "T")
    os.killpg(stopped.process.pid, signal.SIGSTOP)
    database.execute(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = current_database()"
    )
    pipeline.catch_up()
    [last] = manifests(pipeline)[-1:]
    content = last.read_bytes()
    os.kill(encoder, signal.SIGCONT)
    until(lambda: state_of(encoder) == "Z")  # the others would start it again, over a slot that is free
    os.killpg(stopped.process.pid, signal.SIGCONT)
    assert_refused(stopped.finish(), 7, f"another capture wrote batch {int(last.stem)}", remedy="one capture")
    assert last.read_bytes() == content
    pipeline.catch_up()
    pipeline.assert_equal("t")


def state_of(pid: int) -> str:
    """As /proc has it: T is stopped, Z has ended."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
