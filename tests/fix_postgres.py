"""Fixtures that run real Postgres servers. Set RE_DMS_TEST_PG_BIN to a bin directory to run on another version.

- `database`: a new, empty database on a server that the tests of one worker share. What most tests want.
- `postgres`: that shared server. Do not stop it, and leave its settings alone.
- `postgres_factory`: servers of the test's own, to stop, crash, copy and configure.
"""

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from localpg import LocalPostgres, make_directory

_DROP_SECONDS_MAX = 20.0
_DROP_POLL_SECONDS = 0.02
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database of the test's own. It is dropped after the test with its slots, prepared transactions and sessions."""

    server: LocalPostgres
    name: str

    @property
    def dsn(self) -> str:
        """Over the unix socket."""
        return self.server.dsn(self.name)

    @property
    def tcp_dsn(self) -> str:
        """Over TCP on 127.0.0.1."""
        return self.server.dsn(self.name, tcp=True)

    def execute(self, query: str, parameters: Sequence[Any] | None = None) -> None:
        """Run SQL in a session of its own; several statements without parameters run as one transaction."""
        self.server.execute(query, parameters, dbname=self.name)

    def fetch(self, query: str, parameters: Sequence[Any] | None = None) -> list[Any]:
        """Run SQL in a session of its own and return the rows as tuples."""
        return self.server.execute(query, parameters, dbname=self.name)

    def connect(self, **arguments: Any) -> "psycopg.Connection[Any]":
        """Open a session, autocommitting unless told otherwise; the caller closes it."""
        return psycopg.connect(self.dsn, **{"autocommit": True, **arguments})


class PostgresFactory:
    """Starts servers for one test and removes them after it."""

    def __init__(self, pg_bin: Path | None) -> None:
        self._pg_bin = pg_bin
        self._servers: list[LocalPostgres] = []
        self._directories: list[Path] = []

    def __call__(
        self,
        directory: Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        pg_bin: Path | None = None,
        initdb_arguments: Sequence[str] = (),
    ) -> LocalPostgres:
        """Start a server; over the data in `directory` if there is any."""
        server = LocalPostgres(
            directory, pg_bin=pg_bin or self._pg_bin, settings=settings or {}, initdb_arguments=initdb_arguments
        )
        self._servers.append(server)
        server.start()
        return server

    def directory(self) -> Path:
        """A new directory that servers may use (root's `tmp_path` is closed to them), removed after the test."""
        self._directories.append(make_directory())
        return self._directories[-1]

    def close(self) -> None:
        """End the servers and remove the directories."""
        for server in self._servers:
            server.close()
        for directory in self._directories:
            shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def pg_bin() -> Path | None:
    """The bin directory that the tests were told to use; None leaves the choice to find_binaries()."""
    chosen = os.environ.get("RE_DMS_TEST_PG_BIN")
    return Path(chosen) if chosen else None


@pytest.fixture(scope="session")
def postgres(pg_bin: Path | None) -> Iterator[LocalPostgres]:
    """The server that all tests of this worker share."""
    with LocalPostgres(pg_bin=pg_bin) as server:
        yield server


@pytest.fixture
def database(postgres: LocalPostgres) -> Iterator[Database]:
    """A new, empty database on the shared server."""
    if not postgres.is_running:  # a test before has ended it; this one is not to suffer
        postgres.start()
    name = f"test_{next(_numbers)}"
    postgres.create_database(name)
    yield Database(server=postgres, name=name)
    drop_database(postgres, name)


@pytest.fixture
def postgres_factory(pg_bin: Path | None) -> Iterator[PostgresFactory]:
    """Call it for a server of the test's own: `postgres_factory(settings={"wal_level": "replica"})`."""
    factory = PostgresFactory(pg_bin)
    yield factory
    factory.close()


def drop_database(server: LocalPostgres, name: str) -> None:
    """Drop a database with all that keeps Postgres from dropping it: prepared transactions, slots in use, sessions."""
    if not server.is_running:
        server.start()
    prepared = server.execute("select gid from pg_prepared_xacts where database = %s", [name])
    for (gid,) in prepared:
        quoted = gid.replace("'", "''")
        server.execute(f"rollback prepared '{quoted}'", dbname=name)
    deadline = time.monotonic() + _DROP_SECONDS_MAX
    while slots := server.execute("select slot_name, active_pid from pg_replication_slots where database = %s", [name]):
        for slot, active_pid in slots:
            if active_pid is not None:
                server.execute("select pg_terminate_backend(%s)", [active_pid])
            else:
                # Only if it is still there and idle: a temporary slot goes with its session at any moment.
                server.execute(
                    "select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                    "where slot_name = %s and active_pid is null",
                    [slot],
                )
        if time.monotonic() > deadline:
            raise TimeoutError(f"a slot of {name} is still in use: {slots}")
        time.sleep(_DROP_POLL_SECONDS)
    server.execute(f'drop database if exists "{name}" with (force)')
