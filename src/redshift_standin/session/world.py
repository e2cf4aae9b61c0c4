"""What all sessions of a server share."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from redshift_standin.copy.load import LoadError
from redshift_standin.copy.s3 import S3Source
from redshift_standin.faults import Faults
from redshift_standin.isolation import Tracker
from redshift_standin.session.backend import Backend


@dataclass(frozen=True, slots=True)
class User:
    """Who may log in. `password` None: never by password."""

    name: str
    password: str | None = field(default=None, repr=False)
    superuser: bool = False


@dataclass(eq=False)
class World:
    """`dsn`: of the backend's database. `restart(seconds)` cuts every connection and refuses new ones for that long."""

    dsn: str
    tracker: Tracker
    faults: Faults
    source: S3Source
    users: dict[str, User]
    restart: Callable[[float], None] = lambda _seconds: None
    quotas: dict[str, int] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(101))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _records: Backend | None = None

    def next_query(self) -> int:
        """A query's id."""
        with self._lock:
            return next(self._numbers)

    def record_errors(self, query: int, pid: int, table: int, errors: Iterable[LoadError]) -> None:
        """Rows of STL_LOAD_ERRORS; in a transaction of their own, so that they survive the load's rollback."""
        with self._lock:
            for error in errors:
                self._writer.fetch(
                    "insert into redshift_standin.load_error (userid, session, query, tbl, filename, line_number, colname, type,"
                    " col_length, position, raw_line, raw_field_value, err_code, err_reason)"
                    " values (100, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                    *(str(part).replace("\0", "?") for part in (
                        pid, query, table, error.url, error.line_number, error.column, error.type, error.length,
                        error.position, error.raw_line, error.raw_field, error.code, error.reason,
                    )),
                )  # fmt: skip

    def record_files(self, query: int, files: Iterable[tuple[str, int]]) -> None:
        """Rows of STL_LOAD_COMMITS."""
        with self._lock:
            for url, lines in files:
                self._writer.fetch(
                    "insert into redshift_standin.load_commit (userid, query, filename, lines) values (100, $1, $2, $3)",
                    str(query),
                    url,
                    str(lines),
                )

    def close(self) -> None:
        with self._lock:
            if self._records is not None:
                self._records.close()
                self._records = None

    @property
    def _writer(self) -> Backend:
        if self._records is None:
            self._records = Backend(self.dsn)
        return self._records
