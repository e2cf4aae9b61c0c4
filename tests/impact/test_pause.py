"""An encoder that stands still: the reader ends the stream before it harms the source, and takes it up again.

Protocol line 6. Rows without a key tell whether a transaction came twice.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from fix_pipeline import Pipeline
from fix_postgres import Database
from re_dms.pipeline.precedence import may_give_way
from refusals.rig import until, until_applied

STILL_SECONDS = 1.0


def slot_is_active(database: Database) -> bool:
    [(active,)] = database.fetch("select active from pg_replication_slots where slot_name = current_database()")
    return bool(active)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


@pytest.mark.skipif(not may_give_way(), reason="this user could not come back from SCHED_IDLE: it never goes there")
def test_the_encoder_gives_way_until_it_falls_behind_and_again_once_it_has_caught_up(pipeline: Pipeline) -> None:
    pipeline.database.execute("create table t (id int primary key)")
    pipeline.catch_up()
    running = pipeline.start("run")
    running.wait_for("streaming")
    encoder = running.children()["encoder"]
    pipeline.database.execute("insert into t values (1)")
    until(lambda: os.sched_getscheduler(encoder) == os.SCHED_IDLE)
    os.kill(encoder, signal.SIGSTOP)
    pipeline.database.execute("insert into t values (2)")
    until(lambda: os.sched_getscheduler(encoder) == os.SCHED_OTHER)
    os.kill(encoder, signal.SIGCONT)
    until(lambda: os.sched_getscheduler(encoder) == os.SCHED_IDLE)
    until_applied(running, pipeline.database)
    pipeline.assert_equal("t")


def test_the_stream_is_closed_while_the_encoder_stands_still_and_nothing_comes_twice(pipeline: Pipeline) -> None:
    """The encoder is stopped twice: so that the reader gives up, and again between the last buffer and its manifest."""
    database = pipeline.database
    database.execute("create table counted (a text, b text); alter table counted replica identity full")
    database.execute("create table t (id int generated always as identity primary key, a text)")
    pipeline.catch_up()
    running = pipeline.start(
        "run", "--flush-mb", "1", "--flush-seconds", "3",
        environment={
            "RE_DMS_FAILPOINTS": "capture.encoded:stop,capture.before_manifest:stop",
            "RE_DMS_CAPTURE__PAUSE_SECONDS_MAX": "1",
        },
    )  # fmt: skip
    running.wait_for("streaming")
    encoder = running.children()["encoder"]
    with database.connect() as connection:
        for number in range(12):
            connection.execute(
                f"insert into counted select 'n{number % 3}', repeat('x', 500) from generate_series(1, 600)"
            )
            connection.execute("insert into t (a) select repeat('y', 500) from generate_series(1, 600)")
    until(lambda: is_stopped(encoder))
    closed = running.wait_for("stream_closed", seconds=15)
    assert "slower" in closed["reason"]
    until(lambda: not slot_is_active(database))
    os.kill(encoder, signal.SIGCONT)
    until(lambda: is_stopped(encoder))
    # Its batch is under way: what the reader would be sent now, it would take for new.
    deadline = time.monotonic() + STILL_SECONDS
    while time.monotonic() < deadline:
        assert not slot_is_active(database), "the stream was opened before the last batch was told of"
    os.kill(encoder, signal.SIGCONT)
    running.wait_for("streaming", 2)
    until_applied(running, database)
    assert running.events("restarting") == []
    running.signal(15)
    assert running.finish().code == 143
    pipeline.catch_up()
    pipeline.assert_equal("counted", "t")
