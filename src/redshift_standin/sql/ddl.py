"""What the grammar makes of CREATE, DROP and ALTER. `default` and queries are backend SQL (see statements)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from redshift_standin.names import TableName
from redshift_standin.sql.query import Query
from redshift_standin.types import RsType


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDef:
    """`default`: backend SQL. `identity`: seed and step. `encode`: lower case, "" when not given."""

    name: str
    type: RsType
    not_null: bool = False
    default: str | None = None
    identity: tuple[int, int] | None = None
    identity_by_default: bool = False
    encode: str = ""
    distkey: bool = False
    sortkey: bool = False
    primary_key: bool = False
    unique: bool = False
    references: TableName | None = None
    referenced_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableConstraint:
    """Informational: recorded, never enforced. `name`: only what CREATE TABLE … CONSTRAINT says."""

    kind: Literal["primary key", "unique", "foreign key"]
    columns: tuple[str, ...]
    references: TableName | None = None
    referenced_columns: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Physical design. `diststyle`: auto, even, key, all or ""; `sort`: compound, interleaved, auto or ""."""

    diststyle: str = ""
    distkey: str = ""
    sort: str = ""
    sortkey: tuple[str, ...] = ()
    encode_auto: bool = False
    backup: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable:
    """With `like`: (table, including defaults) in the columns' place."""

    name: TableName
    columns: tuple[ColumnDef, ...] = ()
    constraints: tuple[TableConstraint, ...] = ()
    like: tuple[TableName, bool] | None = None
    design: Design = Design()
    temporary: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTableAs:
    name: TableName
    query: Query
    columns: tuple[str, ...] | None = None
    design: Design = Design()
    temporary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView:
    """`late_binding`: WITH NO SCHEMA BINDING (every table has to be written with its schema)."""

    name: TableName
    query: Query
    columns: tuple[str, ...] | None = None
    or_replace: bool = False
    late_binding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSchema:
    name: str
    if_not_exists: bool = False
    authorization: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """DROP TABLE | VIEW | SCHEMA | USER | GROUP. For the last three, names have no schema."""

    kind: Literal["table", "view", "schema", "user", "group"]
    names: tuple[TableName, ...]
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddColumn:
    column: ColumnDef


@dataclass(frozen=True, slots=True, kw_only=True)
class DropColumn:
    name: str
    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameColumn:
    name: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameTable:
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterType:
    name: str
    type: RsType


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterEncode:
    name: str
    encode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterDesign:
    """ALTER DISTSTYLE, DISTKEY, SORTKEY, ENCODE AUTO: what is set in `design` is changed."""

    design: Design


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOwner:
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddConstraint:
    constraint: TableConstraint
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropConstraint:
    name: str
    cascade: bool = False


TableAction = (
    AddColumn | DropColumn | RenameColumn | RenameTable | AlterType | AlterEncode | AlterDesign | ChangeOwner
    | AddConstraint | DropConstraint
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterTable:
    table: TableName
    action: TableAction
