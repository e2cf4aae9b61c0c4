"""CREATE TABLE and CREATE TABLE AS.

Source: AWS Database Developer Guide, "CREATE TABLE" (r_CREATE_TABLE_NEW) and "CREATE TABLE AS" (r_CREATE_TABLE_AS).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from redshift_standin.errors import RedshiftError, not_yet, refused, unknown
from redshift_standin.names import TableName
from redshift_standin.sql.column_grammar import read_column, read_constraint
from redshift_standin.sql.ddl import ColumnDef, CreateTable, CreateTableAs, TableConstraint
from redshift_standin.sql.design_grammar import check_design, check_style, read_design
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.queries import read_query
from redshift_standin.sql.query import Query
from redshift_standin.sql.reader import Reader

COLUMNS_MAX: Final = 1600


def read_create_table(reader: Reader, *, temporary: bool) -> CreateTable | CreateTableAs:
    """From the word TABLE on."""
    reader.expect("table")
    if_not_exists = reader.accept("if", "not", "exists")
    name = reader.expect_table()
    temporary = temporary or name.name.startswith("#")
    if temporary and name.schema is not None:
        raise RedshiftError("42P16", "cannot create temporary relation in non-temporary schema")
    if not if_not_exists and (not reader.is_operator("(") or _is_list_of_names(reader)):
        return _table_as(reader, name, temporary=temporary)
    if not reader.is_operator("("):
        reader.fail()
    if reader.peek().kind is Kind.WORD and reader.peek().value == "like":
        return _table_like(reader, name, temporary=temporary, if_not_exists=if_not_exists)
    columns, constraints = _elements(reader, name)
    design = read_design(reader)
    _check(name, columns, constraints)
    check_design(design, columns)
    return CreateTable(
        name=name,
        columns=tuple(columns),
        constraints=tuple(constraints),
        design=design,
        temporary=temporary,
        if_not_exists=if_not_exists,
    )


def read_defining_query(reader: Reader, what: str) -> Query:
    """The query after AS (or FOR), in which no parameter can be bound."""
    start = reader.at
    query = read_query(reader)
    if any(token.kind is Kind.PARAMETER for token in reader.tokens[start : reader.at]):
        raise unknown(f"a parameter ($n) in {what}")
    return query


def read_new_columns(reader: Reader) -> tuple[str, ...]:
    """(name, …) of columns that are being made."""
    names = reader.parenthesised(reader.expect_new_column)
    _refuse_doubles(names)
    _refuse_too_many(names)
    return tuple(names)


def _is_list_of_names(reader: Reader) -> bool:
    """(a, b) and (a) are the column names of CREATE TABLE AS; a column's definition goes on with its type."""
    first, after = reader.peek(), reader.peek(2)
    return first.kind in (Kind.WORD, Kind.QUOTED) and after.kind is Kind.OPERATOR and after.value in (",", ")")


def _table_as(reader: Reader, name: TableName, *, temporary: bool) -> CreateTableAs:
    columns = read_new_columns(reader) if reader.is_operator("(") else None
    design = read_design(reader)
    reader.expect("as")
    if design.sort == "auto" or design.encode_auto:
        raise unknown("SORTKEY AUTO or ENCODE AUTO in CREATE TABLE AS")
    check_style(design, distkey=bool(design.distkey))
    for key in (*([design.distkey] if design.distkey else []), *design.sortkey):
        if columns is not None and key not in columns:
            raise RedshiftError("42703", f'column "{key}" named in key does not exist')
    query = read_defining_query(reader, "CREATE TABLE AS")
    return CreateTableAs(name=name, query=query, columns=columns, design=design, temporary=temporary)


def _table_like(reader: Reader, name: TableName, *, temporary: bool, if_not_exists: bool) -> CreateTable:
    reader.expect_operator("(")
    reader.expect("like")
    parent = reader.expect_table()
    defaults = False
    if (word := reader.accept_any("including", "excluding")) != "":
        if not reader.is_word("defaults"):
            raise refused(f"LIKE … {word.upper()} takes only DEFAULTS")
        reader.expect("defaults")
        defaults = word == "including"
    if reader.is_operator(","):
        raise not_yet("LIKE beside columns")
    reader.expect_operator(")")
    start = reader.at
    read_design(reader)
    if reader.at != start:
        raise refused("table attributes are inherited by LIKE and cannot be set beside it")
    return CreateTable(name=name, like=(parent, defaults), temporary=temporary, if_not_exists=if_not_exists)


def _elements(reader: Reader, name: TableName) -> tuple[list[ColumnDef], list[TableConstraint]]:
    columns: list[ColumnDef] = []
    constraints: list[TableConstraint] = []

    def element() -> None:
        if reader.is_word("like"):
            raise not_yet("LIKE beside columns")
        constraint = read_constraint(reader)
        if constraint is not None:
            constraints.append(constraint)
        else:
            columns.append(read_column(reader, name))

    reader.parenthesised(element)
    return columns, constraints


def _check(name: TableName, columns: Sequence[ColumnDef], constraints: Sequence[TableConstraint]) -> None:
    names = [column.name for column in columns]
    _refuse_doubles(names)
    _refuse_too_many(names)
    primary = sum(column.primary_key for column in columns)
    primary += sum(constraint.kind == "primary key" for constraint in constraints)
    if primary > 1:
        raise RedshiftError("42P16", f'multiple primary keys for table "{name.name}" are not allowed')
    for constraint in constraints:
        for key in constraint.columns:
            if key not in names:
                raise RedshiftError("42703", f'column "{key}" named in key does not exist')
    if sum(column.identity is not None for column in columns) > 1:
        raise unknown("two IDENTITY columns in one table")


def _refuse_doubles(names: Sequence[str]) -> None:
    """Names are folded by now, so "A" and a are one (rule 20)."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise RedshiftError("42701", f'column "{name}" specified more than once')
        seen.add(name)


def _refuse_too_many(names: Sequence[str]) -> None:
    if len(names) > COLUMNS_MAX:
        raise RedshiftError("54011", f"tables can have at most {COLUMNS_MAX} columns")
