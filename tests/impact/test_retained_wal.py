"""WAL that the source keeps for our slot while others write: an idle publication keeps next to none.

RE_DMS_NIGHTLY=1 writes 1 GB instead of 200 MB.
"""

from __future__ import annotations

import time

from fix_pipeline import Pipeline
from nightly import NIGHTLY
from refusals.rig import until

MIB = 1024 * 1024
WRITTEN_MIB = 1024 if NIGHTLY else 200
RETAINED_MIB_MAX = 64
SECONDS_MAX = 30.0


def test_writes_to_unpublished_tables_retain_no_wal(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key); create table elsewhere (a text)")
    database.execute("alter table elsewhere alter a set storage external")
    running = pipeline.start("run", "--tables", "public.t")
    running.wait_for("streaming")
    running.wait_for("loaded")
    loaded = len(running.events("loaded"))

    [(start,)] = database.fetch("select pg_current_wal_insert_lsn()::text")

    def written_mib() -> float:
        [(size,)] = database.fetch("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s::pg_lsn)", [start])
        return float(size) / MIB

    def retained_mib() -> float:
        # A busy server logs its running transactions every 15 s; a checkpoint does it now. The slot moves by these.
        database.execute("checkpoint")
        [(size,)] = database.fetch(
            "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn) from pg_replication_slots"
            " where slot_name = current_database()"
        )
        return float(size) / MIB

    with database.connect() as connection:
        while written_mib() < WRITTEN_MIB:
            connection.execute("insert into elsewhere select repeat(md5(i::text), 30000) from generate_series(1, 10) i")
    began, most = time.monotonic(), retained_mib()
    until(lambda: retained_mib() <= RETAINED_MIB_MAX, SECONDS_MAX)
    print(
        f"\n{written_mib():.0f} MiB written to an unpublished table: {most:.0f} MiB retained at once,"
        f" {retained_mib():.1f} MiB after {time.monotonic() - began:.1f} s"
    )
    assert len(running.events("loaded")) == loaded, "positions make no batches"
    assert len(list((pipeline.journal_path / "positions").iterdir())) <= 20
    running.signal(15)
    assert running.finish().code == 143
