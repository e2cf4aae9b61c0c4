"""LocalPostgres: one throwaway server."""

import contextlib
import re
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from localpg import binaries, cluster
from localpg.account import Account, make_directory
from localpg.cluster import SUPERUSER, PostgresNotStarted
from localpg.keeper import Keeper

StopMode = Literal["smart", "fast", "immediate"]

_STOP_SIGNALS: dict[str, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 20.0
_POLL_SECONDS = 0.02
_PORT_RETRIES_MAX = 5


class LocalPostgres:
    """A Postgres server for this process: a context manager that starts on entry and is gone after exit.

    It ends with this process, whatever ends that, and then leaves no temporary directory behind. Whoever may connect is
    superuser without a password, on a unix socket and on 127.0.0.1: use it for data that everybody on the machine may see.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        pg_bin: Path | None = None,
        settings: Mapping[str, str] = cluster.SETTINGS,
        keep: bool = False,
        initdb_arguments: Sequence[str] = (),
    ) -> None:
        """Prepare a server without starting it.

        `directory` holds `data/` and `server.log`. When given, it is the caller's: it is made if missing, never removed,
        and a `data/` in it is used as it is. When None, it is temporary and removed by close() unless `keep`.
        `settings` go over `cluster.SETTINGS`; `port` among them fixes the port. `pg_bin`: see find_binaries().
        Raises PostgresNotFound.
        """
        self._account = Account.current()
        self._binaries = binaries.reachable_binaries(binaries.find_binaries(pg_bin), self._account)
        self._version = binaries.version_of(self._binaries)
        self._settings = {**cluster.SETTINGS, **settings}
        self._initdb_arguments = tuple(initdb_arguments)
        self._keeper: Keeper | None = None
        self._port = int(self._settings["port"]) if "port" in self._settings else None
        self._is_temporary = directory is None and not keep
        self._directory = directory.absolute() if directory else make_directory()
        self._sockets: Path | None = None

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
    def directory(self) -> Path:
        """Where `data/` and `server.log` are."""
        return self._directory

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._directory / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._directory / "server.log"

    @property
    def binaries(self) -> Path:
        """The directory of the programs in use; `pg_recvlogical` and `pgbench` may be there too."""
        return self._binaries

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version, e.g. (15, 18)."""
        return self._version

    @property
    def port(self) -> int:
        """The port, the same for the life of this object. Known after the first start()."""
        if self._port is None:
            raise RuntimeError("the port is known after start()")
        return self._port

    @property
    def pid(self) -> int:
        """The running server's process id."""
        if self._keeper is None or self._keeper.pid is None or self._keeper.has_ended:
            raise RuntimeError("the server is not running")
        return self._keeper.pid

    @property
    def is_running(self) -> bool:
        """Whether the server's process is there."""
        return self._keeper is not None and not self._keeper.has_ended

    def dsn(self, dbname: str = "postgres", *, tcp: bool = False) -> str:
        """A libpq connection string, over the unix socket or over TCP; valid across restarts, from the first start() on."""
        if self._sockets is None:
            raise RuntimeError("the address is known after start()")
        host = "127.0.0.1" if tcp else str(self._sockets)
        return make_conninfo("", host=host, port=self.port, user=SUPERUSER, dbname=dbname)

    def start(self, timeout: float = _START_SECONDS_MAX) -> None:
        """Start the server, after initdb if there is no data yet; return when it accepts connections.

        Does nothing when it runs. Raises PostgresNotStarted, with the end of the log.
        """
        if self.is_running:
            return
        self.stop()  # of one that ended by itself, what is left to us
        self._prepare()
        is_port_ours_to_choose = self._port is None
        for attempt in range(_PORT_RETRIES_MAX + 1):
            if is_port_ours_to_choose:
                self._port = cluster.free_port()
            try:
                self._launch(time.monotonic() + timeout)
                return
            except PostgresNotStarted as exc:
                taken = "Address already in use" in str(exc) and is_port_ours_to_choose
                if not taken or attempt == _PORT_RETRIES_MAX:
                    raise

    def stop(self, mode: StopMode = "fast", timeout: float = _STOP_SECONDS_MAX) -> None:
        """Stop the server and return when it is gone; the data stays. Does nothing when it does not run.

        Raises TimeoutError when it has not ended in time: it is then still shutting down, and crash() ends it.
        """
        if self._keeper is None:
            return
        self._keeper.signal(_STOP_SIGNALS[mode])
        if not self._keeper.wait(timeout):
            raise TimeoutError(f"Postgres did not end within {timeout} s of a {mode} stop")
        self._keeper = None

    def crash(self) -> None:
        """End the server at once, without a checkpoint: the next start() recovers from its WAL."""
        self.stop("immediate")

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop, then start on the same address."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """End the server and remove what was temporary. May be called again; a kept server may be started again."""
        try:
            self.stop()
        except TimeoutError:
            self.crash()
        for directory in self._removable():
            shutil.rmtree(directory, ignore_errors=True)
        self._sockets = None

    def execute(self, query: str, parameters: Sequence[Any] | None = None, *, dbname: str = "postgres") -> list[Any]:
        """Run SQL in a connection of its own, autocommitted; return the last statement's rows (tuples), if it has any.

        Several statements may be given when there are no parameters; Postgres runs them as one transaction.
        """
        with psycopg.connect(self.dsn(dbname), autocommit=True) as connection:
            cursor = connection.execute(query.encode(), parameters)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str, template: str | None = None, **options: str) -> None:
        """Create a database; `options` are those of CREATE DATABASE, e.g. `encoding="SQL_ASCII"`, `lc_ctype="C"`."""
        statement = [sql.SQL("create database {}").format(sql.Identifier(name))]
        if template is not None:
            statement.append(sql.SQL("template {}").format(sql.Identifier(template)))
        for option, value in options.items():
            if not re.fullmatch("[a-z_]+", option):
                raise ValueError(f"not an option of CREATE DATABASE: {option!r}")
            statement.append(sql.SQL("{} {}").format(sql.Identifier(option), sql.Literal(value)))
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL(" ").join(statement))

    def copy_data_directory(self, to: Path) -> Path:
        """Copy the stopped server's data into the directory `to`, for `LocalPostgres(to)`; return `to`.

        The copy has the same system identifier, as a disk that is rolled back or cloned has.
        """
        if self.is_running:
            raise RuntimeError("stop the server before its data is copied")
        to.mkdir(parents=True, exist_ok=True)
        cluster.copy(self.data, to / "data")
        return to

    def _removable(self) -> list[Path]:
        return [*([self._directory] if self._is_temporary else []), *([self._sockets] if self._sockets else [])]

    def _prepare(self) -> None:
        """Bring data directory, ownership and socket directory into the state that a start needs."""
        if not self._directory.exists():
            self._directory.mkdir(parents=True)
            self._directory.chmod(0o755)
        if not self._account.reaches(self._directory):
            raise PostgresNotStarted(
                f"{self._account.name}, who has to run Postgres for root, may not enter {self._directory}: "
                "choose a directory whose parents have mode o+x, such as one of make_directory()"
            )
        if not cluster.is_initialized(self.data):
            cluster.initialize(self.data, self._binaries, self._account, self._initdb_arguments)
        if cluster.major_version(self.data) != self._version[0]:
            raise PostgresNotStarted(
                f"{self.data} is of Postgres {cluster.major_version(self.data)}, "
                f"but {self._binaries} is Postgres {self._version[0]}: name the other one with --pg-bin"
            )
        self._account.own(self.data)
        if self._sockets is None:
            self._sockets = make_directory()
            self._account.own(self._sockets)
            self._sockets.chmod(0o755)

    def _launch(self, deadline: float) -> None:
        settings = {**self._settings, "port": str(self.port), "unix_socket_directories": str(self._sockets)}
        cluster.configure(self.data, settings, self._account)
        self.log.touch()
        offset_bytes = self.log.stat().st_size
        self._keeper = Keeper(
            [self._binaries / "postgres", "-D", self.data],
            account=self._account,
            cwd=self.data,
            log=self.log,
            remove=self._removable(),
            keeps_data=not self._is_temporary,
        )
        while not self._answers():
            has_ended = self._keeper.has_ended
            if has_ended or time.monotonic() > deadline:
                with contextlib.suppress(TimeoutError):
                    self.crash()
                reason = "ended while starting" if has_ended else "did not start in time"
                raise PostgresNotStarted(f"Postgres {reason}:\n{cluster.log_tail(self.log, offset_bytes)}")
            time.sleep(_POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.dsn(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
