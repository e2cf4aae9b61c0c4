"""A warehouse that is down, or slow, for a while: capture goes on, the source keeps no WAL for us, and all of it arrives.

The command runs as it does in service. RE_DMS_NIGHTLY=1 writes 512 MB while the warehouse is down instead of 24 MB:

    RE_DMS_NIGHTLY=1 python -m pytest tests/redshift/test_outages.py --timeout 900 -rP
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fix_pipeline import Running
from fix_postgres import Database
from fix_s3 import S3
from nightly import NIGHTLY, nightly
from redshift.pipelines import RedshiftPipeline, redshift_pipeline
from refusals.rig import until

MIB = 1024 * 1024
WRITTEN_MIB = 512 if NIGHTLY else 24
CONFIRMED_MIB = 0.5
RETAINED_MIB_MAX = 8
BATCHES_MIN = 6
SECONDS_MAX = 300.0 if NIGHTLY else 60.0
TABLES = ("public.orders", "public.events")


@pytest.fixture
def pipeline(database: Database, redshift_backend: str, s3: S3, tmp_path: Path) -> Iterator[RedshiftPipeline]:
    database.execute(
        "create table orders (id int primary key, note text); create table events (n int, note text);"
        "alter table events replica identity full;"
        "insert into orders select i, 'copied' from generate_series(1, 50) i"
    )
    environment = {"RE_DMS_CAPTURE__FLUSH_SECONDS": "0.3", "RE_DMS_CAPTURE__STATUS_SECONDS": "0.1"}
    with redshift_pipeline(database, redshift_backend, s3, tmp_path, environment=environment) as made:
        yield made


class Writer:
    """Writes to the source, and knows how much WAL that made."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.number = 100
        self.start = self._position()

    def _position(self) -> str:
        [(position,)] = self.database.fetch("select pg_current_wal_insert_lsn()::text")
        return str(position)

    def write(self, mib: int = 1) -> None:
        """A transaction of about so much, with changes of every kind in both tables."""
        first, self.number = self.number, self.number + 16 * mib
        rows = f"generate_series({first}, {self.number - 1}) i"
        text = "(select string_agg(md5(i::text || j), '') from generate_series(1, 1800) j)"
        self.database.execute(
            f"insert into orders select i, {text} from {rows};"
            f"insert into events select i, 'event' from {rows};"
            f"update orders set note = 'updated' where id % 16 = 3 and id < {self.number};"
            f"update orders set id = -id where id = {first};"
            f"delete from orders where id = {first + 1}"
        )

    def written_mib(self) -> float:
        [(size,)] = self.database.fetch("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s::pg_lsn)", [self.start])
        return float(size) / MIB

    def unconfirmed_mib(self) -> float:
        """From what the slot has confirmed to where the source is."""
        return self._slot_mib("confirmed_flush_lsn")

    def retained_mib(self) -> float:
        """The WAL that the source keeps for the slot."""
        # A busy server logs its running transactions every 15 s; a checkpoint does it now. The slot moves by these.
        self.database.execute("checkpoint")
        return self._slot_mib("restart_lsn")

    def _slot_mib(self, column: str) -> float:
        [(size,)] = self.database.fetch(
            f"select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), {column}) from pg_replication_slots "
            "where slot_name = current_database() and not temporary"
        )
        return float(size) / MIB


def started(pipeline: RedshiftPipeline) -> Running:
    """The service, when the first copies have arrived."""
    running = pipeline.start("run")
    running.wait_for("streaming")
    until(lambda: len(running.events("loaded")) > 0 and _is_equal(pipeline), SECONDS_MAX)
    return running


def _is_equal(pipeline: RedshiftPipeline) -> bool:
    try:
        return pipeline.differences(TABLES) == {}
    except Exception as error:
        if "does not exist" in str(error):
            return False
        raise


def caught_up(pipeline: RedshiftPipeline, running: Running, loads: int) -> list[int]:
    """Wait until all is loaded, and end the service. How many batches each load behind these stood for."""
    # Both ends are compared once, after that: all of their rows go through this process.
    until(lambda: running.events("loaded")[-1]["number"] >= running.events("sealed")[-1]["number"], SECONDS_MAX)
    running.signal(signal.SIGTERM)
    assert running.finish().code == 128 + signal.SIGTERM
    pipeline.assert_equal(*TABLES)
    assert {event["half"] for event in running.events("restarting")} <= {"apply"}
    # What is committed is told a moment later.
    return [load["batches"] for load in running.events("loaded")[loads:]]


@nightly("by day test_flow.py, with an apply that stands still")
def test_while_the_warehouse_is_down_capture_goes_on_and_no_wal_is_kept(pipeline: RedshiftPipeline) -> None:
    running = started(pipeline)
    writer = Writer(pipeline.database)
    sealed, loads = len(running.events("sealed")), len(running.events("loaded"))
    pipeline.gate.shut()
    began, most = time.monotonic(), 0.0
    while writer.written_mib() < WRITTEN_MIB:
        writer.write(WRITTEN_MIB // BATCHES_MIN)
        # What was written is recorded in the journal, and the source may forget it.
        until(lambda: writer.unconfirmed_mib() <= CONFIRMED_MIB, SECONDS_MAX)
        most = max(most, writer.retained_mib())
    until(lambda: writer.retained_mib() <= RETAINED_MIB_MAX, SECONDS_MAX)
    sealed = len(running.events("sealed")) - sealed
    down_seconds, kept = time.monotonic() - began, writer.retained_mib()
    reasons = {event["reason"] for event in running.events("restarting")}
    assert len(running.events("loaded")) == loads
    assert sealed >= BATCHES_MIN // 2
    assert any("connecting to redshift://" in reason for reason in reasons), reasons
    pipeline.gate.reopen()
    began = time.monotonic()
    groups = caught_up(pipeline, running, loads)
    print(
        f"\ndown for {down_seconds:.1f} s: {writer.written_mib():.0f} MiB written, {sealed} batches in the journal, at most "
        f"{most:.1f} MiB of WAL kept, {kept:.1f} at the end; caught up {time.monotonic() - began:.1f} s later in loads of "
        f"{groups} batches"
    )
    assert max(groups) > 1


@nightly("by day test_group.py, with DuckDB")
def test_a_slow_warehouse_is_followed_in_groups(pipeline: RedshiftPipeline) -> None:
    running = started(pipeline)
    writer = Writer(pipeline.database)
    sealed, loads = len(running.events("sealed")), len(running.events("loaded"))
    pipeline.server.faults.order('{kind = "slow-commit", seconds = 0.3, times = 0}')
    most = 0.0
    for number in range(sealed, sealed + BATCHES_MIN):
        writer.write()
        until(lambda: len(running.events("sealed")) > number, SECONDS_MAX)  # noqa: B023
        until(lambda: writer.unconfirmed_mib() <= CONFIRMED_MIB, SECONDS_MAX)
        most = max(most, writer.retained_mib())
    sealed = len(running.events("sealed")) - sealed
    pipeline.server.faults.order("")
    groups = caught_up(pipeline, running, loads)
    print(f"\nslow commits: {sealed} batches, at most {most:.1f} MiB of WAL kept, loads of {groups} batches")
    assert sum(groups) == sealed
    assert most <= RETAINED_MIB_MAX
    assert running.events("restarting") == []
    assert max(groups) > 1
