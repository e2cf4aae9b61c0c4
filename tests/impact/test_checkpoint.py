"""A capture that is alive and silent must not hold up the source's CHECKPOINT (protocol line 6)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fix_pipeline import Pipeline
from fix_postgres import Database, PostgresFactory
from nightly import nightly
from refusals.rig import assert_refused, reset_and_run, standing, until_applied

CHECKPOINT_SECONDS_MAX = 15.0


@nightly("what Postgres does, measured for the docs")
def test_a_stopped_capture_over_the_slots_limit_delays_no_checkpoint(
    postgres_factory: PostgresFactory, tmp_path: Path
) -> None:
    """The server ends its session after ten seconds without an answer. The slot is lost then, and that is told: exit 6."""
    server = postgres_factory(
        settings={"max_slot_wal_keep_size": "8MB", "min_wal_size": "2MB", "max_wal_size": "4GB"},
        initdb_arguments=["--wal-segsize=1"],
    )
    database = Database(server=server, name="postgres")
    database.execute("create table t (id bigint generated always as identity primary key, a text)")
    pipeline = Pipeline(database=database, directory=tmp_path, name="shop", tcp=True)
    running = pipeline.start("run")
    try:
        running.wait_for("streaming")
        until_applied(running, database)
        os.killpg(running.process.pid, signal.SIGSTOP)
        for _ in range(4):
            database.execute("insert into t (a) select repeat('x', 1000) from generate_series(1, 20000)")
        began = time.monotonic()
        database.execute("checkpoint")
        took = time.monotonic() - began
        print(f"\nCHECKPOINT beside a stopped capture over max_slot_wal_keep_size: {took:.2f} s")
        assert took <= CHECKPOINT_SECONDS_MAX
        [(status,)] = database.fetch("select wal_status from pg_replication_slots where slot_name = 'shop'")
        assert status == "lost"
        before = standing(pipeline)
        os.killpg(running.process.pid, signal.SIGCONT)
        assert_refused(running.finish(), 6, "slot 'shop' is lost", remedy="reset")
        assert standing(pipeline).watermarks == before.watermarks
        assert standing(pipeline).slots == before.slots
        database.execute("delete from t where id > 100")
        reset_and_run(pipeline, "t")
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGCONT)
            running.kill_group()
        if running.process.stdout is not None:
            running.process.stdout.close()
