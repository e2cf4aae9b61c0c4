"""Target tables: their DDL as text, and what is really there.

A target has the source's schema, table and column names and no others, and no primary key: DuckDB checks a key against
rows that the same transaction has deleted ("over-eager constraint checking"), which forbids delete + insert, and the
merge keeps keys unique by itself. NOT NULL and defaults are the source's business.
https://duckdb.org/docs/stable/sql/indexes.html#over-eager-constraint-checking-in-foreign-keys
"""

from __future__ import annotations

from typing import assert_never

import duckdb

from re_dms.errors import RelationChanged, WarehouseError
from re_dms.schema import AddColumn, Column, DropColumn, NotFollowed, Relation, SchemaChange, diff
from re_dms.warehouse.duckdb.connection import rows
from re_dms.warehouse.duckdb.sql import Target, folded, literal, quote
from re_dms.warehouse.duckdb.state import SCHEMA
from re_dms.warehouse.duckdb.types import duckdb_type, missing_value


def create(target: Target, relation: Relation) -> tuple[str, str]:
    """Make the schema where it is absent, and the table."""
    columns = ", ".join(f"{quote(column.name)} {duckdb_type(column.type)}" for column in relation.columns)
    return f"create schema if not exists {target.schema_sql}", f"create table {target.sql} ({columns})"


def drop(target: Target) -> str:
    """Drop the table where it exists."""
    return f"drop table if exists {target.sql}"


def add_column(target: Target, column: Column) -> tuple[str, ...]:
    """Add a column; older rows get the constant that Postgres keeps for them, later ones no default."""
    add = f"alter table {target.sql} add column {quote(column.name)} {duckdb_type(column.type)}"
    if column.missing is None:
        return (add,)
    return (
        f"{add} default {missing_value(column.type, literal(column.missing))}",
        f"alter table {target.sql} alter column {quote(column.name)} drop default",
    )


def drop_column(target: Target, column: Column) -> str:
    """Drop a column."""
    return f"alter table {target.sql} drop column {quote(column.name)}"


def statements(target: Target, old: Relation, new: Relation) -> list[str]:
    """What makes the target of `old` the target of `new`. Raises RelationChanged for what is not followed."""
    found: list[str] = []
    changes = diff(old, new)
    if not any(column in new.columns for column in old.columns):
        # A table has at least one column at any time: add before dropping the last.
        changes.sort(key=_adds_first)
    for change in changes:
        match change:
            case AddColumn(column=column):
                found += add_column(target, column)
            case DropColumn(column=column):
                found.append(drop_column(target, column))
            case NotFollowed(what=what):
                raise RelationChanged(
                    f"{old.full_name}: {what}; this is not followed in the warehouse", remedy=copy_again(new)
                )
            case _:
                assert_never(change)
    return found


def _adds_first(change: SchemaChange) -> int:
    return 0 if isinstance(change, AddColumn) else 1


def copy_again(relation: Relation) -> str:
    """The remedy that gives a table a new copy."""
    return f"run `re-dms reset --table {relation.full_name}`: the table is copied again"


def carried(relation: Relation) -> None:
    """Check that DuckDB can hold a table of this shape at all. Raises WarehouseError, naming what it cannot."""
    if folded(relation.schema) == SCHEMA:
        raise WarehouseError(
            f"{relation.full_name}: the schema {SCHEMA} of the warehouse holds re-dms's own tables",
            remedy=f"exclude {relation.full_name}, or rename its schema in the source",
        )
    if not relation.columns:
        raise WarehouseError(
            f"{relation.full_name} has no column, and DuckDB has no such tables",
            remedy=f"exclude {relation.full_name}, or add a column",
        )
    seen: dict[str, str] = {}
    for column in relation.columns:
        twin = seen.setdefault(folded(column.name), column.name)
        if twin != column.name:
            raise WarehouseError(
                f"{relation.full_name}: columns {twin!r} and {column.name!r} differ only by case, and DuckDB takes them for one",
                remedy=f"rename one of the columns in the source, or exclude {relation.full_name}",
            )


def kind_of(connection: duckdb.DuckDBPyConnection, target: Target) -> str | None:
    """What DuckDB has under the target's name: "BASE TABLE", "VIEW", or None."""
    found = rows(
        connection,
        "select table_type, table_schema, table_name from information_schema.tables where table_catalog = ? "
        "and lower(table_schema) = lower(?) and lower(table_name) = lower(?)",
        [target.catalog, target.schema, target.table],
    )
    mine = (folded(target.schema), folded(target.table))
    return next((row[0] for row in found if (folded(row[1]), folded(row[2])) == mine), None)


def shape(connection: duckdb.DuckDBPyConnection, target: Target) -> list[tuple[str, str]]:
    """Names and types of the columns that the target really has. Touches no other table."""
    description = connection.execute(f"select * from {target.sql} limit 0").description or []
    return [(field[0], str(field[1])) for field in description]


def shape_of(relation: Relation) -> list[tuple[str, str]]:
    """Names and types of the columns that the target should have."""
    return [(column.name, duckdb_type(column.type)) for column in relation.columns]


def compare(connection: duckdb.DuckDBPyConnection, target: Target, relation: Relation) -> None:
    """Check that nobody altered or dropped the target. Raises WarehouseError, naming the table and the column."""
    try:
        really, expected = shape(connection, target), shape_of(relation)
    except duckdb.CatalogException:
        lost = f"{target.full_name} is no longer in the warehouse"
        raise WarehouseError(lost, remedy=copy_again(relation)) from None
    if really == expected:
        return
    missing = [name for name, _ in expected if name not in dict(really)]
    extra = [name for name, _ in really if name not in dict(expected)]
    other = [name for name, kind in really if dict(expected).get(name, kind) != kind]
    words = [
        f"{what} {', '.join(map(repr, names))}"
        for what, names in (("lost", missing), ("has the foreign", extra), ("has another type in", other))
        if names
    ]
    raise WarehouseError(
        f"{target.full_name} was altered in the warehouse: it {' and '.join(words) or 'has its columns in another order'}",
        remedy=copy_again(relation),
    )
