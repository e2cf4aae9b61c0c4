"""The session's connection to Postgres, and how Postgres's errors are told in Redshift's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from psycopg import pq

from redshift_standin.errors import RedshiftError, SessionEnds, unknown
from redshift_standin.names import full_name

_ENCODING: Final = "utf-8"
_SUCCESS: Final = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY)


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a result as the backend describes it."""

    name: str
    oid: int
    modifier: int
    size: int
    table: int
    column: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the backend answered: text-format values and the command's tag."""

    fields: list[Field]
    rows: list[list[bytes | None]]
    tag: str

    @property
    def count(self) -> int:
        """Rows that the command changed."""
        return int(self.tag.rsplit(" ", 1)[-1]) if self.tag[-1:].isdigit() else 0


class Backend:
    """One libpq connection. Every method raises RedshiftError for what Postgres refuses, SessionEnds when it is gone."""

    def __init__(self, dsn: str) -> None:
        self._connection = pq.PGconn.connect(dsn.encode())
        if self._connection.status != pq.ConnStatus.OK:
            raise RedshiftError(
                "08006", f"the backend cannot be reached: {self._connection.get_error_message().strip()}"
            )
        self._connection.notice_handler = lambda _result: None
        self.pid = self._connection.backend_pid

    @property
    def in_transaction(self) -> bool:
        return self._connection.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)

    def run(self, sql: str) -> Answer:
        """Statements of our own making by the simple protocol; the answer is the last one's."""
        return self._answer(self._connection.exec_(sql.encode(_ENCODING)))

    def execute(
        self,
        sql: str,
        values: Sequence[bytes | None] = (),
        oids: Sequence[int] | None = None,
        formats: Sequence[int] | None = None,
    ) -> Answer:
        """One statement with parameters; results come in text format."""
        return self._answer(self._connection.exec_params(sql.encode(_ENCODING), values, oids, formats, 0))

    def fetch(self, sql: str, *values: str | None) -> list[tuple[str | None, ...]]:
        """Rows of a query of our own, as text."""
        answer = self.execute(sql, [None if value is None else value.encode(_ENCODING) for value in values])
        return [tuple(None if value is None else value.decode(_ENCODING) for value in row) for row in answer.rows]

    def describe(self, sql: str, oids: Sequence[int]) -> tuple[list[int], list[Field] | None]:
        """Types of the parameters, and the columns if it gives any."""
        self._answer(self._connection.prepare(b"", sql.encode(_ENCODING), list(oids) or None))
        result = self._connection.describe_prepared(b"")
        self._answer(result)
        parameters = [result.param_type(i) for i in range(result.nparams)]
        return parameters, _fields(result) if result.nfields else None

    @contextmanager
    def copy_in(self, sql: str) -> Iterator[Callable[[bytes], None]]:
        """COPY … FROM STDIN: gives a sink; an exception inside ends the copy with nothing loaded."""
        result = self._connection.exec_(sql.encode(_ENCODING))
        if result.status != pq.ExecStatus.COPY_IN:
            self._answer(result)
            raise RedshiftError("XX000", "the backend does not take the rows")
        try:
            yield self._put
        except BaseException:
            self._connection.put_copy_end(b"the load failed")
            self._connection.get_result()
            self._drain()
            raise
        self._connection.put_copy_end()
        ended = self._connection.get_result()
        self._drain()
        if ended is not None:
            self._answer(ended)

    def cancel(self) -> None:
        """Cancel what runs; from another thread."""
        self._connection.get_cancel().cancel()

    def close(self) -> None:
        """Ends the connection; what was not committed is rolled back by the server."""
        self._connection.finish()

    def _put(self, chunk: bytes) -> None:
        self._connection.put_copy_data(chunk)

    def _drain(self) -> None:
        while self._connection.get_result() is not None:
            pass

    def _answer(self, result: pq.abc.PGresult) -> Answer:
        if result.status not in _SUCCESS:
            if self._connection.status != pq.ConnStatus.OK:
                raise SessionEnds
            raise relabelled(_Said.of(result))
        rows = [[result.get_value(i, j) for j in range(result.nfields)] for i in range(result.ntuples)]
        tag = (result.command_status or b"").decode()
        return Answer(_fields(result), rows, tag)


def _fields(result: pq.abc.PGresult) -> list[Field]:
    return [
        Field(
            name=full_name((result.fname(i) or b"").decode(_ENCODING)),
            oid=result.ftype(i),
            modifier=result.fmod(i),
            size=result.fsize(i),
            table=result.ftable(i),
            column=result.ftablecol(i),
        )
        for i in range(result.nfields)
    ]


@dataclass(frozen=True, slots=True)
class _Said:
    """The parts of an error of Postgres's."""

    sqlstate: str
    message: str
    detail: str
    hint: str
    constraint: str
    table: str

    @staticmethod
    def of(result: pq.abc.PGresult) -> _Said:
        def part(which: pq.DiagnosticField) -> str:
            return (result.error_field(which) or b"").decode(_ENCODING, "replace")

        return _Said(
            sqlstate=part(pq.DiagnosticField.SQLSTATE),
            message=part(pq.DiagnosticField.MESSAGE_PRIMARY),
            detail=part(pq.DiagnosticField.MESSAGE_DETAIL),
            hint=part(pq.DiagnosticField.MESSAGE_HINT),
            constraint=part(pq.DiagnosticField.CONSTRAINT_NAME),
            table=part(pq.DiagnosticField.TABLE_NAME),
        )


_CHECKS: Final = {
    "rs_len": ("22001", "value too long for type character varying({0})"),
    "rs_char": ("22001", "value too long for type character({0})"),
    "rs_bytes": ("22001", "value too long for type binary varying({0})"),
    "rs_ascii": ("22021", "CHAR string contains invalid ASCII character. CHAR's cannot contain multibyte characters."),
    "rs_nan": ("22P02", "invalid input syntax for type numeric"),
    "rs_num": ("22003", "Numeric data overflow (result precision)"),
}
_CHECK_NAME = re.compile(r"(rs_[a-z]+)(?:_(\d+))?_[0-9a-f]+$")
_SHORTENED = re.compile(r"\"?([^\s\"]+~[0-9a-f]{16})\"?")


def relabelled(said: _Said) -> RedshiftError:
    """An error of the backend as Redshift would send it. No position: it would be one of our own text's."""
    if said.sqlstate == "23514" and (match := _CHECK_NAME.match(said.constraint)):
        if match[1] == "rs_finite":
            return unknown("infinite dates, BC, years of five digits")
        sqlstate, text = _CHECKS[match[1]]
        return RedshiftError(sqlstate, text.format(match[2]))
    if said.sqlstate == "40001":
        return RedshiftError(
            "XX000",
            "1023",
            "Serializable isolation violation on table - 0, transactions forming the cycle are: 0, 0 (pid:0)",
        )
    if said.sqlstate == "21000" and said.message.startswith("MERGE command"):
        return RedshiftError("XX000", "Found multiple matches to update the same tuple.")
    if said.sqlstate == "428C9":
        return RedshiftError("0A000", "cannot set an identity column to a value")
    if said.sqlstate == "23502" and (column := re.search(r'column "([^"]*)"', said.message)):
        return RedshiftError("23502", f"Cannot insert a NULL value into column {full_name(column[1])}")
    detail = "" if said.sqlstate.startswith("23") else said.detail
    return RedshiftError(said.sqlstate, _in_their_words(said.message), _in_their_words(detail), said.hint)


def _in_their_words(text: str) -> str:
    """Without the schema of our own, and with the names that the client knows."""
    text = text.replace("redshift_standin.", "").replace("jsonb", "super").replace("bytea", "binary varying")
    return _SHORTENED.sub(lambda match: match[0].replace(match[1], full_name(match[1])), text)
