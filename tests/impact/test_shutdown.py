"""What we cost a source that shuts down, and what a source that went away costs us: nothing but time.

One service lives through all of it: it comes back by itself, with back-off, and ends equal.
RE_DMS_NIGHTLY=1 does it over TCP as well.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from fix_pipeline import Pipeline, Running
from fix_postgres import Database, PostgresFactory
from nightly import NIGHTLY, nightly
from refusals.rig import until, until_applied

SHUTDOWN_SECONDS_MAX = 2.0
LOAD_PAUSE_SECONDS = 0.005


@contextmanager
def load(database: Database) -> Iterator[None]:
    """Transactions of different sizes until the block ends or the server goes."""
    ending = threading.Event()

    def write() -> None:
        number = 0
        try:
            with database.connect() as connection:
                while not ending.wait(LOAD_PAUSE_SECONDS):
                    number += 1
                    connection.execute(
                        "insert into t (a) select repeat('x', 200) from generate_series(1, %s)", [10 ** (number % 3)]
                    )
        except psycopg.OperationalError:
            return  # the server went away, as it should

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def until_loading(running: Running) -> None:
    """Wait until a batch more than now has come through."""
    now = len(running.events("loaded"))
    until(lambda: len(running.events("loaded")) > now)


@pytest.mark.parametrize("tcp", [False, True][: 2 if NIGHTLY else 1])
@nightly("by day test_replication.py: a server that shuts down is tried again")
def test_a_shutdown_is_not_delayed_and_the_service_comes_back(
    postgres_factory: PostgresFactory, tmp_path: Path, tcp: bool
) -> None:
    server = postgres_factory()
    database = Database(server=server, name="postgres")
    database.execute("create table t (id bigint generated always as identity primary key, a text)")
    pipeline = Pipeline(database=database, directory=tmp_path, name="shop", tcp=tcp)
    running = pipeline.start("run", "--flush-seconds", "0.1", environment={"RE_DMS_CAPTURE__POSITION_SECONDS": "0.2"})
    seen = 0

    def connected() -> None:
        nonlocal seen
        seen = max(seen, len(running.events("streaming")))
        running.wait_for("streaming", seen + 1)
        seen += 1

    def shut_down(what: str) -> None:
        began = time.monotonic()
        server.stop("fast")
        took = time.monotonic() - began
        print(f"\nfast shutdown of the source, {what} ({'tcp' if tcp else 'socket'}): {took:.2f} s")
        assert took <= SHUTDOWN_SECONDS_MAX, what
        server.start()
        connected()

    try:
        connected()
        until_applied(running, database)
        shut_down("idle")

        with load(database):
            until_loading(running)
            shut_down("streaming")

        reader = running.children()["reader"]
        os.kill(reader, signal.SIGSTOP)
        database.execute("insert into t (a) select repeat('x', 200) from generate_series(1, 100000)")
        database.execute("checkpoint")
        os.kill(reader, signal.SIGCONT)
        shut_down("behind")

        with load(database):
            until_loading(running)
            server.crash()
        server.start()
        connected()
        with load(database):
            until_loading(running)
        until_applied(running, database)
        running.signal(15)
        assert running.finish().code == 143
        assert pipeline.catch_up().summary["transactions"] == 0, "a clean drain leaves nothing to send again"
        pipeline.assert_equal("t")
        assert {line["half"] for line in running.events("restarting")} == {"capture"}, "apply goes on meanwhile"
    finally:
        if running.process.poll() is None:
            running.kill_group()
        if running.process.stdout is not None:
            running.process.stdout.close()
