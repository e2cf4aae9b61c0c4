"""Under pressure (protocol line 6): a slow store, a stopped apply, a full disk, an old transaction that holds WAL back.

What each of them shows: memory stays bounded, the source hears from us in time, nothing is confirmed that is not durable,
all goes on by itself afterwards, and both ends are equal. RE_DMS_NIGHTLY=1 takes ten times the load; `-rP` shows figures.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fix_pipeline import Pipeline, Running
from fix_postgres import Database, PostgresFactory
from fix_s3 import S3, FaultProxy
from nightly import NIGHTLY, nightly
from refusals.rig import POLL_SECONDS, WAIT_SECONDS_MAX, until, until_applied

SCALE = 10 if NIGHTLY else 1
MB = 1_000_000
READER_MB_MAX = 250
ENCODER_MB_MAX = 700


def write(database: Database, megabytes: int, *, table: str = "t") -> None:
    """That much text, in transactions of about a megabyte."""
    with database.connect() as connection:
        for _ in range(megabytes):
            connection.execute(
                f"insert into {table} (a) select repeat(md5(random()::text), 30) from generate_series(1, 1000)".encode()
            )


def peak_mb(pid: int) -> int:
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(peak) * 1024 // MB


def assert_bounded(running: Running) -> dict[str, int]:
    peaks = {role: peak_mb(pid) for role, pid in running.children().items()}
    assert peaks.get("reader", 0) <= READER_MB_MAX, peaks
    assert peaks.get("encoder", 0) <= ENCODER_MB_MAX, peaks
    return peaks


@pytest.fixture
def impatient(postgres_factory: PostgresFactory, pipeline: Pipeline) -> Pipeline:
    """A source that ends the session of a client that it has not heard of for three seconds."""
    server = postgres_factory(settings={"wal_sender_timeout": "3s"})
    server.create_database("shop")
    pipeline.database = Database(server=server, name="shop")
    pipeline.name = "shop"
    pipeline.database.execute("create table t (id bigint generated always as identity primary key, a text)")
    return pipeline


class Silence(threading.Thread):
    """The longest time that the source has not heard from our stream, watched from beside."""

    def __init__(self, database: Database) -> None:
        super().__init__(daemon=True)
        self.longest, self.sessions = 0.0, set[int]()
        self._database, self._ends = database, threading.Event()

    def run(self) -> None:
        with self._database.connect() as connection:
            while not self._ends.wait(0.1):
                for pid, seconds in connection.execute(
                    "select pid, extract(epoch from clock_timestamp() - reply_time)::float8 from pg_stat_replication"
                    " where state = 'streaming'"
                ).fetchall():
                    self.sessions.add(pid)
                    self.longest = max(self.longest, seconds or 0.0)

    @classmethod
    @contextmanager
    def watched(cls, database: Database) -> Iterator[Silence]:
        made = cls(database)
        made.start()
        try:
            yield made
        finally:
            made._ends.set()
            made.join()


def finish(pipeline: Pipeline, running: Running) -> None:
    until_applied(running, pipeline.database)
    running.signal(signal.SIGTERM)
    assert running.finish().code == 143
    pipeline.assert_equal("t")


@nightly("by day test_pause.py and the full disk")
def test_row_25_a_slow_store_costs_neither_the_session_nor_memory(
    impatient: Pipeline, s3: S3, fault_proxy: FaultProxy
) -> None:
    """Every request takes longer than half of wal_sender_timeout, one five seconds; the stream is closed and opened again."""
    pipeline = impatient
    pipeline.journal_url, pipeline.environment = f"s3://{s3.new_bucket()}/j", fault_proxy.environment
    pipeline.catch_up()
    settings = {"RE_DMS_CAPTURE__PAUSE_SECONDS_MAX": "1", "RE_DMS_CAPTURE__FLUSH_MB": "4"}
    running = pipeline.start("run", environment=settings)
    running.wait_for("streaming")
    with Silence.watched(pipeline.database) as silence:
        fault_proxy.plan = lambda method, path: 5.0 if "data/000000000004" in path else 1.6
        write(pipeline.database, 40 * SCALE)
        running.wait_for("stream_closed")
        fault_proxy.plan = lambda method, path: 0.05
        until_applied(running, pipeline.database)
    peaks = assert_bounded(running)
    closed = len(running.events("stream_closed"))
    print(f"\npeak MB {peaks}, closed {closed} times, silent for {silence.longest:.1f} s at most")
    assert silence.longest < 3.0
    assert running.events("restarting") == [], "the session was never lost"
    finish(pipeline, running)


@nightly("long")
def test_rows_28_and_58_an_old_transaction_that_holds_wal_back_does_not_stop_progress(
    impatient: Pipeline, s3: S3, fault_proxy: FaultProxy
) -> None:
    """Every time the stream is opened the server reads all WAL since that transaction again; each time some batch is made."""
    pipeline = impatient
    pipeline.journal_url, pipeline.environment = f"s3://{s3.new_bucket()}/j", fault_proxy.environment
    pipeline.catch_up()
    settings = {"RE_DMS_CAPTURE__PAUSE_SECONDS_MAX": "0.2", "RE_DMS_CAPTURE__FLUSH_MB": "1"}
    with pipeline.database.connect(autocommit=False) as old:
        old.execute("insert into t (a) values ('old')")
        write(pipeline.database, 12 * SCALE)
        fault_proxy.plan = lambda method, path: 0.4 if method == "PUT" else None
        running = pipeline.start("run", environment=settings)
        running.wait_for("stream_closed", 3, seconds=90)
        until(lambda: len(running.events("sealed")) >= 3)
        old.commit()
    fault_proxy.plan = lambda method, path: None
    until_applied(running, pipeline.database)
    print(f"\npeak MB {assert_bounded(running)}, closed {len(running.events('stream_closed'))} times")
    assert running.events("restarting") == []
    finish(pipeline, running)


def test_row_90_a_stopped_apply_holds_nothing_back(impatient: Pipeline) -> None:
    pipeline = impatient
    pipeline.catch_up()
    running = pipeline.start("run", environment={"RE_DMS_CAPTURE__FLUSH_MB": "4"})
    running.wait_for("streaming")
    apply = running.children()["apply"]
    os.kill(apply, signal.SIGSTOP)
    write(pipeline.database, 40 * SCALE)
    end = pipeline.database.fetch("select pg_current_wal_insert_lsn()::text")[0][0]
    until(lambda: confirmed(pipeline, end))
    status = pipeline.run("status", "--json")
    waiting = status.summary["journal"]["batches_waiting"]
    [(retained,)] = pipeline.database.fetch(
        "select (pg_current_wal_lsn() - restart_lsn)::int8 from pg_replication_slots where slot_name = 'shop'"
    )
    peaks = assert_bounded(running)
    print(f"\n{waiting} batches wait, {retained / MB:.1f} MB of WAL retained, peak MB {peaks}")
    assert waiting >= 5
    assert retained < 32 * MB * SCALE
    os.kill(apply, signal.SIGCONT)
    finish(pipeline, running)


def confirmed(pipeline: Pipeline, position: str) -> bool:
    """Whether the slot is confirmed up to the position; whoever waits makes the server write on."""
    [(there,)] = pipeline.database.fetch(
        "select confirmed_flush_lsn >= %s::pg_lsn from pg_replication_slots where slot_name = %s",
        [position, pipeline.name],
    )
    if not there:
        pipeline.database.execute(
            "select pg_log_standby_snapshot()" if _has_standby_snapshot(pipeline) else "checkpoint"
        )
    return bool(there)


def _has_standby_snapshot(pipeline: Pipeline) -> bool:
    return pipeline.database.server.version[0] >= 16


@nightly("long")
def test_a_transaction_larger_than_all_regions_gets_through_a_slow_store(
    impatient: Pipeline, s3: S3, fault_proxy: FaultProxy
) -> None:
    """Giving up within it means to begin it again: each time the store is waited for longer, until it has got through."""
    pipeline = impatient
    pipeline.journal_url, pipeline.environment = f"s3://{s3.new_bucket()}/j", fault_proxy.environment
    pipeline.catch_up()
    fault_proxy.plan = lambda method, path: 0.25 if method == "PUT" and "/data/" in path else None
    settings = {"RE_DMS_CAPTURE__PAUSE_SECONDS_MAX": "0.1", "RE_DMS_CAPTURE__FLUSH_MB": "1"}
    running = pipeline.start("run", environment=settings)
    running.wait_for("streaming")
    pipeline.database.execute("insert into t (a) select repeat(md5(random()::text), 30) from generate_series(1, 8000)")
    until_applied(running, pipeline.database)
    closed = len(running.events("stream_closed"))
    print(f"\nclosed {closed} times")
    assert 1 <= closed <= 5
    finish(pipeline, running)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(place)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this container may not mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_row_94_a_full_disk_is_waited_for_and_told_once(pipeline: Pipeline, small_disk: Path) -> None:
    """The journal's disk is full: nothing more is confirmed, others on it may make room, and all goes on by itself."""
    database = pipeline.database
    database.execute("create table t (id bigint generated always as identity primary key, a text)")
    pipeline.journal_url = f"file://{small_disk}/journal"
    pipeline.catch_up()
    running = pipeline.start("run", environment={"RE_DMS_CAPTURE__FLUSH_MB": "4"})
    running.wait_for("streaming")
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        except OSError:
            pass
    write(database, 20)
    told = running.wait_for("restarting", seconds=WAIT_SECONDS_MAX)
    print(f"\n{told['reason']}")
    assert "No space left" in told["reason"]
    before = database.fetch(
        "select confirmed_flush_lsn from pg_replication_slots where slot_name = %s", [pipeline.name]
    )
    time_full(running, seconds=4.0)
    after = database.fetch("select confirmed_flush_lsn from pg_replication_slots where slot_name = %s", [pipeline.name])
    assert before == after, "nothing is confirmed that is not durable"
    assert len(running.events("restarting")) <= 8, "it waits longer and longer"
    ballast.unlink()
    until_applied(running, database)
    running.signal(signal.SIGTERM)
    assert running.finish().code == 143
    pipeline.assert_equal("t")


def time_full(running: Running, *, seconds: float) -> None:
    """Watch it while the disk stays full: it must not end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert running.process.poll() is None, running.log
        time.sleep(POLL_SECONDS)


def test_row_58_one_large_transaction_takes_bounded_memory(pipeline: Pipeline) -> None:
    """60 MB in the suite (600 MB nightly) in one transaction: far more than all regions together."""
    database = pipeline.database
    database.execute("create table t (id bigint generated always as identity primary key, a text)")
    pipeline.catch_up()
    running = pipeline.start("run")
    running.wait_for("streaming")
    with database.connect(autocommit=False) as connection:
        for _ in range(6 * SCALE):
            connection.execute(
                "insert into t (a) select repeat(md5(random()::text), 30) from generate_series(1, 10000)"
            )
        connection.commit()
    until_applied(running, database)
    print(f"\npeak MB {assert_bounded(running)}")
    finish(pipeline, running)
