"""What a review found in capture: each of these lost the service, or its end, before it was mended.

RE_DMS_NIGHTLY=1 adds a test that has to wait.
"""

from __future__ import annotations

import os
import signal
import time

from fix_pipeline import Pipeline
from impact.test_pause import is_stopped
from nightly import nightly
from refusals.rig import until

pytestmark = nightly("whole pipelines for single findings of a review")


def test_what_skipped_transactions_leave_behind_does_not_keep_a_quiet_source_from_being_caught_up(
    pipeline: Pipeline,
) -> None:
    """Relation messages of a transaction that the journal has stay in the buffer; nothing of ours is open then."""
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    pipeline.catch_up()
    running = pipeline.start("run", environment={"RE_DMS_FAILPOINTS": "capture.before_confirm:killgroup@3"})
    running.wait_for("streaming")
    database.execute("insert into t values (1, 'x')")
    running.process.wait(60)
    database.execute("create schema elsewhere")  # the goal is beyond the transaction that is skipped
    finished = pipeline.start("run", "--until-caught-up", "--json").finish(20)
    assert finished.code == 0, finished.log
    pipeline.assert_equal("t")


def test_a_transaction_larger_than_the_buffers_comes_again_whole_after_a_pause(pipeline: Pipeline) -> None:
    """Its first parts are files already, and it drops a column: nothing of the attempt that was given up may count."""
    database = pipeline.database
    database.execute("create table t (id int primary key, a text, gone text)")
    pipeline.catch_up()
    running = pipeline.start(
        "run", "--flush-mb", "1",
        environment={"RE_DMS_FAILPOINTS": "capture.data_put:stop@4", "RE_DMS_CAPTURE__PAUSE_SECONDS_MAX": "1"},
    )  # fmt: skip
    running.wait_for("streaming")
    encoder = running.children()["encoder"]
    with database.connect() as connection, connection.transaction():
        connection.execute("insert into t select i, repeat('x', 500), 'y' from generate_series(1, 4000) i")
        connection.execute("alter table t drop column gone")
        connection.execute("insert into t select i, repeat('x', 500) from generate_series(4001, 12000) i")
    until(lambda: is_stopped(encoder))
    running.wait_for("stream_closed", seconds=15)
    os.kill(encoder, signal.SIGCONT)
    loaded = running.wait_for("loaded", seconds=30)
    assert loaded["transactions"] == 1
    assert running.events("restarting") == []
    running.signal(signal.SIGTERM)
    assert running.finish().code == 143
    pipeline.assert_equal("t")


def test_a_signal_while_the_stream_is_closed_for_the_encoder_ends_in_order(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    running = pipeline.start(
        "run", "--flush-mb", "1",
        environment={"RE_DMS_FAILPOINTS": "capture.data_put:stop@2", "RE_DMS_CAPTURE__PAUSE_SECONDS_MAX": "0.5"},
    )  # fmt: skip
    running.wait_for("streaming")
    encoder = running.children()["encoder"]
    database.execute("insert into t select i, repeat('x', 500) from generate_series(1, 12000) i")
    until(lambda: is_stopped(encoder))
    running.wait_for("stream_closed", seconds=15)
    running.signal(signal.SIGTERM)
    running.wait_for("draining")
    os.kill(encoder, signal.SIGCONT)
    assert running.finish().code == 143
    assert running.events("drain_ended_early") == []
    pipeline.catch_up()
    pipeline.assert_equal("t")


def test_a_signal_before_the_stream_ends_capture_at_once(pipeline: Pipeline) -> None:
    """While a copy waits there is nothing to ship: what is durable stays, the rest is copied again."""
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    database.execute("insert into t values (1, 'x')")
    with database.connect() as connection:
        connection.execute("begin")
        running = pipeline.start("run")
        running.wait_for("claimed")
        until(lambda: database.fetch("select 1 from pg_replication_slots where not temporary") != [])
        connection.execute("lock table t in access exclusive mode")
        running.wait_for("planned")
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        finished = running.finish()
        assert finished.code == 143
        assert time.monotonic() - began < 5
        connection.execute("rollback")
    pipeline.catch_up()
    pipeline.assert_equal("t")


def test_a_forgotten_table_is_forgotten_though_nothing_changes(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key)")
    database.execute("create table gone (id int primary key)")
    pipeline.catch_up()
    assert pipeline.run("run", "--until-caught-up", "--exclude", "public.gone").code == 2
    pipeline.catch_up("--exclude", "public.gone", "--forget")
    pipeline.catch_up("--exclude", "public.gone")


def test_apply_until_a_position_that_it_has_already_ends(pipeline: Pipeline) -> None:
    """Also when the position lies behind the last batch: capture has recorded that nothing of ours is before it."""
    database = pipeline.database
    database.execute("create table t (id int primary key)")
    pipeline.catch_up()
    database.execute("create schema elsewhere")
    [(position,)] = database.fetch("select pg_current_wal_insert_lsn()::text")
    assert pipeline.run("capture", "--until-lsn", position).code == 0
    assert pipeline.start("apply", "--until-lsn", position).finish(30).code == 0


@nightly("waits longer than a foreign holder is waited for")
def test_our_own_walsender_that_has_not_noticed_yet_is_waited_for(pipeline: Pipeline) -> None:
    """After a broken connection the server holds the slot until its timeouts; another process's hold is exit 7."""
    database = pipeline.database
    database.execute("create table t (id int primary key)")
    running = pipeline.start("run")
    running.wait_for("streaming")
    [(backend,)] = database.fetch("select active_pid from pg_replication_slots where database = current_database()")
    os.kill(backend, signal.SIGSTOP)
    try:
        os.kill(running.children()["reader"], signal.SIGKILL)
        running.wait_for("planned", 2)
        deadline = time.monotonic() + 7
        while time.monotonic() < deadline:
            assert running.process.poll() is None, running.log
            time.sleep(0.1)
    finally:
        os.kill(backend, signal.SIGCONT)
    running.wait_for("streaming", 2)
