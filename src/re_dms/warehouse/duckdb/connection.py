"""Opening the DuckDB file, and what DuckDB's errors mean.

One process at a time can have the file open. We open it for each load and close it afterwards, so that others can read
in between, and wait a few seconds for one who is reading at the moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import duckdb

from re_dms.errors import ConfigurationError, WarehouseError, WarehouseUnavailable
from re_dms.settings import MIB
from re_dms.warehouse.duckdb.sql import literal

Result = TypeVar("Result")

WAIT_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05

# What DuckDB raises for a value that does not fit, or a line of CSV that it cannot read. Their texts quote values.
BAD_VALUE: Final = (duckdb.DataError, duckdb.InvalidInputException)

FILE: Final = "re_dms_file"
"""The catalog by which every statement names the file. Its own name could be one that DuckDB keeps for itself."""

MEMORY_BYTES: Final = 192 * MIB
"""What DuckDB may take of memory for a load. Its own limit is 80 % of the machine's, and it makes use of it."""

# UTC: texts of timestamptz carry their offset, but DuckDB prints in the session's zone.
# Nothing that we use is an extension to download; without these lines a misspelt function would ask the network.
_ENGINE: Final = (
    "set global TimeZone = 'UTC'",
    "set global autoinstall_known_extensions = false",
    "set global autoload_known_extensions = false",
)


def path_of(url: str) -> Path:
    """The file that `duckdb:///absolute/file.duckdb` names. Raises ConfigurationError for any other URL."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if (
        parts.scheme != "duckdb"
        or parts.netloc
        or parts.query
        or parts.fragment
        or not path.name
        or path.parent == path
    ):
        raise ConfigurationError(
            "the warehouse's URL names no DuckDB file", remedy="use a URL of the form duckdb:///absolute/file.duckdb"
        )
    return path


class File:
    """The DuckDB file, attached to an engine of ours while it is used: by one at a time, threads of this process included.

    To start an engine costs as much as a small load (15 ms, an ATTACH 1 ms), so it stays when the file is let go. It is
    given up with the first error: whatever state that left, the next use begins anew.
    """

    def __init__(self, path: Path, wait_seconds: float) -> None:
        self.path = path
        self._wait_seconds = wait_seconds
        self._used = threading.Lock()
        self._engine: duckdb.DuckDBPyConnection | None = None

    def close(self) -> None:
        """Give the engine up; the next use starts another. To be called while nobody uses the file."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with the file as its catalog `FILE`; the file is closed at the end (and the transaction rolled
        back, if one is open).

        Raises WarehouseUnavailable when another process or thread has it open for longer than `wait_seconds`,
        WarehouseError when it is no DuckDB file, damaged, or not ours to open. Errors of DuckDB inside the block become
        ours as well.
        """
        with self._told(), self._attached(bounded=True) as connection:
            yield connection

    def run(self, work: Callable[[duckdb.DuckDBPyConnection], Result]) -> Result:
        """What `work` returns, given a connection as by `opened`.

        It has `MEMORY_BYTES`. Where that is too little (a row of 100 MB), it is done once more with as much as DuckDB
        takes by itself, which is given back afterwards. Raises what `opened` does.
        """
        with self._told():
            try:
                with self._attached(bounded=True) as connection:
                    return work(connection)
            except duckdb.OutOfMemoryException:
                with self._attached(bounded=False) as connection:
                    return work(connection)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise refused(error, self.path) from None

    @contextmanager
    def _attached(self, *, bounded: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self._used.acquire(timeout=self._wait_seconds):
            raise WarehouseUnavailable(f"another thread uses {self.path}", remedy="nothing to do: re-dms tries again")
        sound = False
        try:
            engine = self._engine = self._engine or self._start(bounded=bounded)
            self._attach(engine)
            with engine.cursor() as connection:
                yield connection
            engine.execute(f"detach {FILE}")  # its log becomes part of it
            sound = bounded
        finally:
            if not sound:
                with suppress(duckdb.Error):
                    self.close()
            self._used.release()

    def _start(self, *, bounded: bool) -> duckdb.DuckDBPyConnection:
        # What does not fit into memory goes to temporary files in a folder beside the file, where DuckDB itself puts them.
        settings = [*_ENGINE, f"set global temp_directory = {literal(f'{self.path}.tmp')}"]
        if bounded:
            settings.append(f"set global memory_limit = '{MEMORY_BYTES}B'")
        try:
            engine = duckdb.connect()
            for setting in settings:
                engine.execute(setting)
        except duckdb.Error as error:
            raise _cannot_open(error, self.path) from None
        return engine

    def _attach(self, engine: duckdb.DuckDBPyConnection) -> None:
        deadline = time.monotonic() + self._wait_seconds
        while True:
            try:
                engine.execute(f"attach {literal(str(self.path))} as {FILE} (type duckdb)")
            except duckdb.Error as error:
                if not _is_locked(error):
                    raise _cannot_open(error, self.path) from None
                if time.monotonic() >= deadline:
                    raise WarehouseUnavailable(
                        f"another process has {self.path} open{_holder(error)}",
                        remedy="close the program that reads the file; re-dms tries again",
                    ) from None
            else:
                return
            time.sleep(_POLL_SECONDS)


def _is_locked(error: duckdb.Error) -> bool:
    return "Could not set lock on file" in str(error)


def _holder(error: duckdb.Error) -> str:
    """ "(PID n)" as DuckDB tells it."""
    _, found, rest = str(error).partition("(PID ")
    return f" (PID {rest.partition(')')[0]})" if found else ""


def _cannot_open(error: duckdb.Error, path: Path) -> WarehouseError:
    text = str(error)
    if "Permission denied" in text:
        return WarehouseError(
            f"no permission to open {path}", remedy="let this user read and write the file and its folder"
        )
    if "No such file or directory" in text:
        return WarehouseError(f"the folder of {path} does not exist", remedy=f"make the folder {path.parent}")
    if "not a valid DuckDB database file" in text or "Is a directory" in text:
        return WarehouseError(f"{path} is not a DuckDB file", remedy="name another file, or move this one away")
    if "No space left" in text:
        return _full(path)
    return WarehouseError(
        f"DuckDB cannot open {path}: {_first_line(error)}",
        remedy="restore the file from a backup, or move it away and run `re-dms reset` to copy everything again",
    )


def refused(error: duckdb.Error, path: Path) -> WarehouseError:
    """What an error of DuckDB inside a transaction means. Its text is told only where it cannot quote a value."""
    text = str(error)
    if isinstance(error, duckdb.TransactionException):
        return WarehouseUnavailable(
            f"another transaction changed {path} at the same moment", remedy="nothing to do: re-dms tries again"
        )
    if "No space left" in text:
        return _full(path)
    if isinstance(error, duckdb.ConstraintException):
        return WarehouseError(
            "an index or a constraint on a target table refuses the rows",
            remedy="drop the indexes and constraints that were added to the target tables",
        )
    if isinstance(error, duckdb.DependencyException):
        return WarehouseError(
            f"something depends on a target table: {_first_line(error)}",
            remedy="drop what was added to the target table",
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return WarehouseError("DuckDB has too little memory for the batch", remedy="give the machine more memory")
    if isinstance(error, duckdb.IOException | duckdb.CatalogException | duckdb.BinderException):
        return WarehouseError(
            f"DuckDB refused: {_first_line(error)}", remedy="see the message; the batch was rolled back"
        )
    return WarehouseError(
        f"DuckDB refused with {type(error).__name__}; its text may quote a row and is left out",
        remedy="the batch was rolled back; report this with the name of the error",
    )


def _full(path: Path) -> WarehouseUnavailable:
    return WarehouseUnavailable(f"no space left for {path}", remedy="make room on the disk; re-dms tries again")


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__


def rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(sql, parameters or []).fetchall()


def changed(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | None = None) -> int:
    """How many rows a DML statement changed."""
    return int(rows(connection, sql, parameters)[0][0])
