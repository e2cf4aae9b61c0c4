"""What the grammar makes of a statement. SQL in these classes (`sql`, `query`, `default` …) is for the backend, already
translated: names folded and quoted, literals as E'', functions mapped. Nothing of the client's text is passed on as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from redshift_standin.names import TableName
from redshift_standin.sql.ddl import AlterTable, CreateSchema, CreateTable, CreateTableAs, CreateView, Drop
from redshift_standin.sql.query import NONE, Names, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """`strings`: positions from 0 in VALUES where a bare string literal stands; Redshift has no implicit cast of one to
    VARBYTE, and to SUPER it stays a string, whereas the backend would read it as bytea or JSON text.
    """

    table: TableName
    sql: str
    reads: Names = NONE
    columns: tuple[str, ...] | None = None
    strings: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    table: TableName
    sql: str
    reads: Names = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """`matches`: with FROM, a query that gives one row if a row of the target would be matched more than once.

    `strings`: the columns that get a bare string literal (see Insert).
    """

    table: TableName
    sql: str
    reads: Names = NONE
    matches: str | None = None
    strings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """`sql`: the backend's MERGE; for REMOVE DUPLICATES empty, and `source` and `on` are there to build it from.

    `source`: a FROM item with its alias `source_alias`; `on`: the condition, over the target's name and that alias.
    `strings`: columns, or positions of the target's columns, that get a bare string literal (see Insert).
    """

    table: TableName
    sql: str
    source: str
    source_alias: str
    on: str
    reads: Names = NONE
    remove_duplicates: bool = False
    strings: frozenset[int | str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """How COPY reaches S3. `role`: an ARN, several joined by commas, or "default"; else keys. Never printed."""

    role: str = field(default="", repr=False)
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """COPY t FROM 's3://…'. `csv` False: the default pipe-delimited text format. Options as documented, None: not given."""

    table: TableName
    columns: tuple[str, ...] | None
    url: str
    authorization: Authorization
    region: str = ""
    manifest: bool = False
    csv: bool = False
    quote: str = '"'
    delimiter: str = "|"  # the grammar sets "," for csv
    compression: Literal["", "gzip", "zstd"] = ""
    null_as: str = "\\N"
    empty_as_null: bool = False
    blanks_as_null: bool = False
    trim_blanks: bool = False
    truncate_columns: bool = False
    fill_record: bool = False
    ignore_blank_lines: bool = False
    ignore_header: int = 0
    accept_inv_chars: str | None = None  # the replacement, default "?"
    accept_any_date: bool = False
    date_format: str | None = None
    time_format: str | None = None
    round_dec: bool = False
    explicit_ids: bool = False
    max_error: int = 0
    comp_update: str | None = None
    stat_update: str | None = None
    no_load: bool = False
    encoding: str = "utf8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    table: TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    tables: tuple[TableName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacuum:
    table: TableName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyze:
    table: TableName | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """GRANT and REVOKE, as backend SQL; `tag` is GRANT or REVOKE."""

    sql: str
    tag: Literal["GRANT", "REVOKE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """`column` is set for ON COLUMN; `text` None drops the comment."""

    kind: Literal["table", "view", "column", "schema"]
    name: TableName
    text: str | None
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    """CREATE or ALTER USER. `password` None: disabled or unchanged."""

    name: str
    password: str | None = field(default=None, repr=False)
    alter: bool = False
    superuser: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGroup:
    name: str
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """BEGIN and START TRANSACTION; any isolation level is accepted and processed as the database's own."""

    tag: Literal["BEGIN", "START TRANSACTION"] = "BEGIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """COMMIT and END."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """ROLLBACK and ABORT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """SET [SESSION] name = value; `local`: SET LOCAL. `values` are the words or literals, without quotes."""

    name: str
    values: tuple[str, ...]
    local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """RESET name | ALL (`name` "all")."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """SHOW name | ALL."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterIsolation:
    """ALTER DATABASE d ISOLATION LEVEL …"""

    database: str
    level: Literal["serializable", "snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declare:
    """DECLARE name CURSOR FOR query; only inside a transaction."""

    name: str
    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """FETCH [NEXT | ALL | [FORWARD] n | FORWARD ALL] FROM name; `count` None is all."""

    name: str
    count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """Nothing but blanks and comments."""


Statement = (
    Query | Insert | Delete | Update | Merge | Copy | CreateTable | CreateTableAs | CreateView | CreateSchema | Drop
    | AlterTable | Truncate | Lock | Vacuum | Analyze | Grant | Comment | CreateUser | CreateGroup | Begin | Commit
    | Rollback | Set | Reset | Show | AlterIsolation | Declare | Fetch | Close | Empty
)  # fmt: skip
