"""Target tables: their DDL as text, and whether what stands there fits.

No primary key is declared: Redshift does not enforce it, trusts it in plans, and refuses to widen its columns. Key
columns are NOT NULL. Users may add columns of their own; they are left alone.
https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from re_dms.errors import RelationChanged, WarehouseError
from re_dms.schema import AddColumn, Column, DropColumn, NotFollowed, Relation, SchemaChange, diff
from re_dms.warehouse.redshift.catalog import Actual
from re_dms.warehouse.redshift.design import Design, design_of
from re_dms.warehouse.redshift.names import Target, quote
from re_dms.warehouse.redshift.types import can_be_key, constant, redshift_type

SCHEMA: Final = "re_dms"
STAGE_SCHEMA: Final = "re_dms_stage"
COLUMNS_MAX: Final = 1600
_STAGE_FIELDS: Final = 2  # op and mask, beside the key before a move

_VARCHAR: Final = re.compile(r"character varying\((\d+)\)")


def create(target: Target, relation: Relation, names: Mapping[int, str], designs: Sequence[Design]) -> str:
    """Make the table."""
    columns = ", ".join(
        f"{_defined(column, names)}{' not null' if column.attnum in relation.key else ''}"
        for column in relation.columns
    )
    design = design_of(designs, relation)
    by_source = {column.name: names[column.attnum] for column in relation.columns}
    return f"create table {target.sql} ({columns}){'' if design is None else design.sql(by_source)}"


def create_schema(target: Target) -> str:
    """Make the target's schema."""
    return f"create schema if not exists {quote(target.schema)}"


def drop_cascade(target: Target) -> str:
    """Drop the table with the views on it: only where the operator said so."""
    return f"drop table {target.sql} cascade"


def add_column(target: Target, column: Column, names: Mapping[int, str]) -> list[str]:
    """Add a column; older rows get the constant that Postgres keeps for them. By UPDATE: a DEFAULT could not be taken
    away again, and would forbid to widen the column."""
    found = [f"alter table {target.sql} add column {_defined(column, names)}"]
    if column.missing is not None:
        value = constant(column.type, column.missing)
        found.append(f"update {target.sql} set {quote(names[column.attnum])} = {value}")
    return found


def drop_column(target: Target, name: str) -> str:
    """Drop a column; refused while a view depends on it."""
    return f"alter table {target.sql} drop column {quote(name)}"


def rename_column(target: Target, name: str, new: str) -> str:
    """Rename a column."""
    return f"alter table {target.sql} rename column {quote(name)} to {quote(new)}"


def widen(target: Target, name: str, type_: str) -> str:
    """Give a VARCHAR column more room. Outside of transactions only; repeating it is an error that tells nothing new."""
    return f"alter table {target.sql} alter column {quote(name)} type {type_}"


def follow(old: Relation, new: Relation) -> list[AddColumn | DropColumn]:
    """What makes the target of `old` the target of `new`, in an order that always leaves a column.

    Raises RelationChanged for what is not followed.
    """
    followed: list[AddColumn | DropColumn] = []
    for change in diff(old, new):
        match change:
            case AddColumn() | DropColumn():
                followed.append(change)
            case NotFollowed(what=what):
                raise RelationChanged(
                    f"{old.full_name}: {what}; this is not followed in the warehouse", remedy=copy_again(new)
                )
            case _:
                assert_never(change)
    if not any(column in new.columns for column in old.columns):
        followed.sort(key=_adds_first)
    return followed


def _adds_first(change: SchemaChange) -> int:
    return 0 if isinstance(change, AddColumn) else 1


def copy_again(relation: Relation) -> str:
    """The remedy that gives a table a new copy."""
    return f"run `re-dms reset --table {relation.full_name}`: the table is copied again"


def carried(relation: Relation) -> None:
    """Check that Redshift can hold a table of this shape at all. Raises WarehouseError, naming what it cannot."""
    exclude = f"exclude {relation.full_name}"
    if relation.schema.lower() in (SCHEMA, STAGE_SCHEMA):
        raise WarehouseError(
            f"{relation.full_name}: the schema {relation.schema.lower()} of the warehouse holds re-dms's own tables",
            remedy=f"{exclude}, or rename its schema in the source",
        )
    if not relation.columns:
        raise WarehouseError(
            f"{relation.full_name} has no column, and Redshift has no such tables", remedy=f"{exclude}, or add a column"
        )
    room = COLUMNS_MAX - _STAGE_FIELDS - len(relation.key)
    if len(relation.columns) > room:
        raise WarehouseError(
            f"{relation.full_name} has {len(relation.columns)} columns, and with what staging needs beside them Redshift's "
            f"tables hold {room}",
            remedy=exclude,
        )
    for attnum in relation.key:
        column = relation.column(attnum)
        if not can_be_key(column.type):
            raise WarehouseError(
                f"{relation.full_name}: column {column.name!r} ({column.type.name}) of its key would be "
                f"{redshift_type(column.type)}, and Redshift cannot compare those",
                remedy=f"{exclude}, or choose another REPLICA IDENTITY index",
            )


def compare(target: Target, actual: Actual | None, relation: Relation, names: Mapping[int, str]) -> None:
    """Check that nobody took anything from the target. Raises WarehouseError, naming the table and the columns.

    Wider VARCHARs and columns of the users' own are fine, as long as our rows need not fill them.
    """
    if actual is None or not actual.is_table:
        raise WarehouseError(f"{target.full_name} is no longer in the warehouse", remedy=copy_again(relation))
    lost, other = [], []
    for column in relation.columns:
        there = actual.columns.get(names[column.attnum])
        wanted = redshift_type(column.type)
        if there is None:
            lost.append(names[column.attnum])
        elif not can_stay(there.type, wanted):
            other.append(there.name)
    mine = set(names.values())
    needed = [column.name for column in actual.columns.values() if column.needed and column.name not in mine]
    words = [
        f"{what} {', '.join(map(repr, columns))}"
        for what, columns in (
            ("lost", lost),
            ("has another type in", other),
            ("has a column that is NOT NULL without a default:", needed),
        )
        if columns
    ]
    if words:
        remedy = copy_again(relation) if lost or other else "give the column a default, or drop it"
        raise WarehouseError(
            f"{target.full_name} was altered in the warehouse: it {' and '.join(words)}", remedy=remedy
        )


def widenings(target: Target, actual: Actual, relation: Relation, names: Mapping[int, str]) -> list[str]:
    """The statements that give VARCHAR columns the room that the relation's types ask for."""
    found = []
    for column in relation.columns:
        there = actual.columns.get(names[column.attnum])
        wanted = width(redshift_type(column.type))
        has = None if there is None else width(there.type)
        if there is not None and wanted is not None and has is not None and has < wanted:
            found.append(widen(target, there.name, redshift_type(column.type)))
    return found


def fits(actual: Actual, relation: Relation, names: Mapping[int, str]) -> bool:
    """Whether what stands there has the relation's columns, and needs no others."""
    mine = {names[column.attnum]: redshift_type(column.type) for column in relation.columns}
    return (
        actual.is_table
        and all(name in actual.columns and actual.columns[name].type == type_ for name, type_ in mine.items())
        and not any(column.needed for name, column in actual.columns.items() if name not in mine)
    )


def can_stay(there: str, wanted: str) -> bool:
    """Whether a column of type `there` can hold `wanted`: the same type, or a VARCHAR (narrow ones are widened)."""
    return there == wanted or (width(there) is not None and width(wanted) is not None)


def width(type_: str) -> int | None:
    """The bytes that a VARCHAR type holds; None for other types."""
    found = _VARCHAR.fullmatch(type_)
    return None if found is None else int(found[1])


def _defined(column: Column, names: Mapping[int, str]) -> str:
    return f"{quote(names[column.attnum])} {redshift_type(column.type)}"
