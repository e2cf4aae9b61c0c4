"""The grammar of INSERT, UPDATE and DELETE.

Source: AWS Database Developer Guide, "INSERT", "UPDATE", "DELETE". None of them has RETURNING, ON CONFLICT, or a place in WITH.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from redshift_standin.errors import RedshiftError, refused
from redshift_standin.names import TableName, quote
from redshift_standin.sql import expressions, queries
from redshift_standin.sql.from_items import is_alias, read_from_list
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.relations import read_target
from redshift_standin.sql.scope import Gathered, Part, Parts, Piece, Scope, Source, joined, render
from redshift_standin.sql.statements import Delete, Insert, Update

_PARAMETER = re.compile(r"\$\d+")


def new_scope(reader: Reader) -> Scope:
    """The scope of a statement that writes."""
    reader.scope = Scope(Gathered())
    return reader.scope


def source_of(table: TableName) -> Source:
    """A target as names see it."""
    return Source(table.name, table, table.quoted if table.schema else "")


def read_insert(reader: Reader) -> Insert:
    """INSERT INTO t [(columns)] { VALUES rows | query | DEFAULT VALUES }."""
    scope = new_scope(reader)
    reader.expect("insert", "into")
    table = read_target(reader, scope)
    columns = None
    if reader.is_operator("(") and reader.peek().text.lower() not in ("select", "with", "("):
        columns = reader.expect_columns()
    head = f"INSERT INTO {table.quoted}"
    if columns:
        head += f" ({', '.join(quote(column) for column in columns)})"
    strings: frozenset[int] = frozenset()
    if reader.accept("values"):
        rows = reader.separated(lambda: reader.parenthesised(lambda: read_value(reader)))
        strings = frozenset(i for row in rows for i, value in enumerate(row) if value.string is not None)
        parts: Parts = ["VALUES ", *joined([["(", *joined([each.parts for each in row]), ")"] for row in rows])]
    elif columns is None and reader.accept("default", "values"):
        parts = ["DEFAULT VALUES"]
    else:
        parts = queries.read_nested(reader, scope)
    sql = f"{head} {render(parts)}"
    scope.gathered.check(writes=True)
    return Insert(table=table, sql=sql, reads=frozenset(scope.gathered.reads), columns=columns, strings=strings)


def read_value(reader: Reader) -> Piece:
    """An expression or DEFAULT."""
    if reader.accept("default"):
        return Piece(["DEFAULT"])
    return expressions.read_expression(reader)


def read_assignments(reader: Reader, table: TableName) -> tuple[Parts, frozenset[str]]:
    """column = value, …; the columns without their table (42703). Also the columns that get a bare string literal."""
    found = reader.separated(lambda: _read_assignment(reader, table))
    parts = joined([[f"{quote(column)} = ", *value.parts] for column, value in found])
    return parts, frozenset(column for column, value in found if value.string is not None)


def _read_assignment(reader: Reader, table: TableName) -> tuple[str, Piece]:
    column = reader.expect_name()
    if reader.is_operator("."):
        raise RedshiftError("42703", f'column "{column}" of relation "{table.name}" does not exist')
    if reader.is_operator("["):
        raise refused("Partial update of SUPER column is not supported.")
    reader.expect_operator("=")
    return column, read_value(reader)


def read_update(reader: Reader) -> Update:
    """[WITH …] UPDATE t [[AS] alias] SET … [FROM items] [WHERE condition]."""
    scope = new_scope(reader)
    with_parts = queries.read_with(reader, scope)
    reader.expect("update")
    table = read_target(reader, scope)
    target = table.quoted
    if reader.accept("as") or is_alias(reader):
        alias = reader.expect_name()
        target += f" AS {quote(alias)}"
        scope.sources.append(Source(alias))
        row = quote(alias)
    else:
        scope.sources.append(source_of(table))
        row = table.quoted
    reader.expect("set")
    assignments, strings = read_assignments(reader, table)
    items: Parts = []
    if reader.accept("from"):
        items = read_from_list(reader, scope, outer_joins=False)
    condition = _read_where(reader)
    if items and not (condition and condition.equality):
        raise refused("Target table must be part of an equijoin predicate")
    where: Parts = [" WHERE ", *condition.parts] if condition else []
    sources: Parts = [" FROM ", *items] if items else []
    sql = render([*with_parts, f"UPDATE {target} SET ", *assignments, *sources, *where])
    matches = None
    if items:
        unused = _parameters(assignments) - _parameters([*with_parts, *items, *where])
        kept = [f" AND (${n}::text IS NULL OR TRUE)" for n in sorted(unused)]
        count: Parts = [f"SELECT 1 FROM {target}, ", *items, *where, *kept]
        matches = render([*with_parts, *count, f" GROUP BY {row}.ctid HAVING pg_catalog.count(*) > 1 LIMIT 1"])
    scope.gathered.check(writes=True)
    return Update(table=table, sql=sql, reads=frozenset(scope.gathered.reads), matches=matches, strings=strings)


def _parameters(parts: Sequence[Part]) -> set[int]:
    """The parameters of these parts. The counting query has to mention each, or Postgres cannot tell its type."""
    return {int(part[1:]) for part in parts if isinstance(part, str) and _PARAMETER.fullmatch(part)}


def read_delete(reader: Reader) -> Delete:
    """[WITH …] DELETE [FROM] t [USING items] [WHERE condition]; the target has no alias."""
    scope = new_scope(reader)
    with_parts = queries.read_with(reader, scope)
    reader.expect("delete")
    reader.accept("from")
    table = read_target(reader, scope)
    scope.sources.append(source_of(table))
    parts: Parts = [*with_parts, f"DELETE FROM {table.quoted}"]
    if reader.accept("using"):
        parts.extend([" USING ", *read_from_list(reader, scope)])
    if condition := _read_where(reader):
        parts.extend([" WHERE ", *condition.parts])
    sql = render(parts)
    scope.gathered.check(writes=True)
    return Delete(table=table, sql=sql, reads=frozenset(scope.gathered.reads))


def _read_where(reader: Reader) -> Piece | None:
    return expressions.read_condition(reader) if reader.accept("where") else None
