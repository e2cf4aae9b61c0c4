"""The contract between the wire and whoever executes statements: what a Session promises and what it may rely on.

All values are text in UTF-8 as Postgres would print them (DateStyle ISO, bytea_output hex); VARBYTE is bare hex.
The wire turns them into what the client asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from redshift_standin.errors import RedshiftError

Row = Sequence[bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a result as RowDescription tells it.

    `type_modifier` is Postgres's atttypmod, -1 for none. The names and flags reach clients of protocol version 1 and
    2 only; the names are empty for what is not a table's column.
    """

    name: str
    type_oid: int
    type_size: int = -1
    type_modifier: int = -1
    table_oid: int = 0
    table_column: int = 0
    schema_name: str = ""
    table_name: str = ""
    column_name: str = ""
    catalog_name: str = ""
    nullable: bool = True
    autoincrement: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """One NoticeResponse, for example INFO 00000 "Load into table 't' completed, 3 record(s) loaded successfully."."""

    severity: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one statement gave. `columns` is None for a statement without rows; `tag` is empty for an empty statement."""

    tag: str
    columns: Sequence[Column] | None = None
    rows: Sequence[Row] = ()
    notices: Sequence[Notice] = ()


class Prepared(Protocol):
    """A statement that was parsed and may be executed any number of times."""

    @property
    def parameter_oids(self) -> Sequence[int]:
        """One type a parameter; there are as many parameters as OIDs."""

    @property
    def columns(self) -> Sequence[Column] | None:
        """The columns of its results; None when it has none (told as NoData)."""

    def execute(self, values: Sequence[bytes | None], formats: Sequence[int]) -> Result:
        """Run it; one value and one format (0 text, 1 binary) a parameter. Raises RedshiftError or SessionEnds."""


class Session(Protocol):
    """One client's session. Its methods are called by one thread at a time, except `cancel`.

    Every method but `cancel` and `close` may raise RedshiftError, which is told to the client (severity FATAL ends
    the connection after it), and SessionEnds, which cuts the connection without a word; what was answered before is
    still sent.
    """

    @property
    def status(self) -> bytes:
        """b"I" outside a transaction block, b"T" inside, b"E" inside one that failed."""

    @property
    def pid(self) -> int:
        """Told to the client as the process, and what a cancel request names."""

    @property
    def secret(self) -> int:
        """What a cancel request must also name; 32 bits that cannot be guessed."""

    def parse(self, text: str, oids: Sequence[int]) -> Prepared:
        """One statement; `oids` may be shorter than its parameters, and 0 or 705 in it leave a type open."""

    def run(self, text: str) -> Iterator[Result]:
        """A simple query: several statements in one implicit transaction, executed as the iterator is advanced.

        The implicit transaction is over when the iterator is exhausted or has raised. A text without a statement
        yields nothing.
        """

    def sync(self) -> None:
        """The end of a batch of extended messages: outside a block, what it did commits here."""

    def failed(self, error: RedshiftError) -> None:
        """An error was told to the client: an open block is in state E from now on. Also after its own errors."""

    def cancel(self) -> None:
        """End the running statement, if there is one, with 57014. From any thread, at any time, also after `close`."""

    def parameter_statuses(self) -> Mapping[str, str]:
        """What clients are told of the session's settings (DateStyle, TimeZone ...); overrides the wire's own."""

    def close(self) -> None:
        """Roll back and free everything. Called exactly once, also when the client vanished."""
