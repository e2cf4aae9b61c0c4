"""CREATE and DROP of tables, views and schemas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from redshift_standin.catalog.install import HIDDEN
from redshift_standin.errors import RedshiftError, refused
from redshift_standin.names import TableName, quote
from redshift_standin.session import late_views
from redshift_standin.session.columns import columns_of, definition, record_columns, result_type
from redshift_standin.session.context import Context, Outcome, Relation, Told, missing
from redshift_standin.session.design import (
    complete,
    design_of,
    keep_times_in_utc,
    keys_of,
    record_constraint,
    record_design,
)
from redshift_standin.session.dml import relations
from redshift_standin.sql.ddl import (
    ColumnDef,
    CreateSchema,
    CreateTable,
    CreateTableAs,
    CreateView,
    Design,
    Drop,
    TableConstraint,
)
from redshift_standin.sql.design_grammar import check_design
from redshift_standin.sql.reader import SYSTEM_COLUMNS


def create_table(context: Context, statement: CreateTable) -> Outcome:
    """CREATE TABLE; keys are noted and never enforced."""
    if statement.if_not_exists and _exists(context, statement.name, temporary=statement.temporary):
        return Outcome(
            "CREATE TABLE",
            told=(Told("INFO", f"Relation {statement.name.name} already exists and will be skipped", "42P07"),),
        )
    columns: Sequence[ColumnDef] = statement.columns
    design = statement.design
    if statement.like is not None:
        columns, design = _like(context, *statement.like, design)
    _make(context, statement.name, columns, design, statement.constraints, temporary=statement.temporary)
    return Outcome("CREATE TABLE")


def create_table_as(context: Context, statement: CreateTableAs) -> Outcome:
    """CREATE TABLE AS and SELECT INTO: no NOT NULL, no defaults, no keys come along."""
    reads = relations(context, statement.query.reads)
    with context.transaction.work(reads=sorted({oid for each in reads for oid in each.bases})):
        _, fields = context.backend.describe(statement.query.sql, ())
        given = [field.name for field in fields or ()]
        if statement.columns is not None and len(statement.columns) > len(given):
            raise RedshiftError("42601", "CREATE TABLE AS specifies too many column names")
        names = [*(statement.columns or ()), *given[len(statement.columns or ()) :]]
        columns = [
            ColumnDef(name=name, type=result_type(f.oid, f.modifier))
            for name, f in zip(names, fields or (), strict=True)
        ]
        for name in names:
            if name in SYSTEM_COLUMNS:
                raise RedshiftError("42701", f'column name "{name}" conflicts with a system column name')
            if names.count(name) > 1:
                raise RedshiftError("42701", f'column "{name}" specified more than once')
        target = _make(context, statement.name, columns, statement.design, (), temporary=statement.temporary)
        answer = context.backend.run(f"insert into {target.quoted} {statement.query.sql}")
    return Outcome(f"SELECT {answer.count}" if answer.count else "SELECT")


def _exists(context: Context, name: TableName, *, temporary: bool) -> bool:
    found = context.find(name)
    return found is not None and (found.temporary or not temporary)


def _like(context: Context, name: TableName, with_defaults: bool, design: Design) -> tuple[Sequence[ColumnDef], Design]:
    """Columns, NOT NULL and physical design of another table; defaults only when asked for."""
    parent = context.relation(name)
    columns = [
        ColumnDef(
            name=each.name,
            type=each.type,
            not_null=each.not_null,
            default=each.default if with_defaults else None,
            encode=each.encode,
        )
        for each in columns_of(context, parent)
    ]
    return columns, design_of(context, parent) if design == Design() else design


def _make(
    context: Context,
    name: TableName,
    columns: Iterable[ColumnDef],
    design: Design,
    constraints: Sequence[TableConstraint],
    *,
    temporary: bool,
) -> Relation:
    columns = list(columns)
    if not temporary and (most := context.world.quotas.get("tables")) is not None:
        _refuse_too_many(context, most)
    schema = "pg_temp" if temporary else context.creation_schema(name)
    if not temporary and late_views.kept(context, TableName(schema, name.name)):
        raise RedshiftError("42P07", f'relation "{name.name}" already exists')
    check_design(design, columns)
    keys = [key for each in columns for key in keys_of(each)]
    # A primary key's columns are NOT NULL, though nothing keeps them unique.
    primary = {column for each in (*keys, *constraints) if each.kind == "primary key" for column in each.columns}
    columns = [replace(each, not_null=each.not_null or each.name in primary) for each in columns]
    kind = "temporary table" if temporary else "table"
    target = quote(name.name) if temporary else f"{quote(schema)}.{quote(name.name)}"
    with context.transaction.work():
        context.backend.run(f"create {kind} {target} ({', '.join(definition(each) for each in columns)})")
        made = context.relation(TableName(None if temporary else schema, name.name))
        context.transaction.made(made.oid)
        record_columns(context, made.oid, [(each.name, each.type, each.encode) for each in columns])
        record_design(context, made.oid, complete(design, columns))
        for constraint in (*keys, *constraints):
            record_constraint(context, made, constraint)
        if any(each.type.name == "time with time zone" for each in columns):
            keep_times_in_utc(context, made)
    return made


def _refuse_too_many(context: Context, most: int) -> None:
    rows = context.backend.fetch("select count(*) from redshift_standin.user_relation where relkind = 'r'")
    if int(rows[0][0] or 0) >= most:
        raise RedshiftError(
            "54000", f"Cannot create table because the number of tables would exceed the quota of {most}"
        )


def create_view(context: Context, statement: CreateView) -> Outcome:
    """CREATE [OR REPLACE] VIEW, bound or late-binding."""
    schema = context.creation_schema(statement.name)
    name = TableName(schema, statement.name.name)
    listed = "" if statement.columns is None else "(" + ", ".join(quote(each) for each in statement.columns) + ")"
    reads = [] if statement.late_binding else relations(context, statement.query.reads)
    with context.transaction.work(reads=sorted({oid for each in reads for oid in each.bases})):
        was = context.find(name)
        is_late = late_views.kept(context, name) is not None
        if (was or is_late) and not statement.or_replace:
            raise RedshiftError("42P07", f'relation "{name.name}" already exists')
        if was is not None and was.kind != "v":
            raise RedshiftError("42809", f'"{name.name}" is not a view')
        if is_late or (was is not None and statement.late_binding):
            late_views.forget(context, schema, name.name)
            if was is not None:
                late_views.unbind(context, [was])
                context.backend.run(f"drop view {was.quoted}")
        if statement.late_binding:
            late_views.keep(context, schema, name.name, statement.query.sql, statement.columns)
        else:
            if was is not None and not is_late:
                _refuse_other_columns(context, was, statement)
            context.backend.run(f"create or replace view {name.quoted} {listed} as {statement.query.sql}")
    return Outcome("CREATE VIEW")


def _refuse_other_columns(context: Context, was: Relation, statement: CreateView) -> None:
    """A view is replaced by a query of the same columns; the backend would take further ones (names and types it compares)."""
    _, fields = context.backend.describe(statement.query.sql, ())
    if len(fields or ()) != len(columns_of(context, was)):
        raise RedshiftError("42P16", "cannot change number of columns in view")


def create_schema(context: Context, statement: CreateSchema) -> Outcome:
    """CREATE SCHEMA."""
    there = context.backend.fetch("select 1 from pg_catalog.pg_namespace where nspname = $1", statement.name)
    if there and statement.if_not_exists:
        return Outcome(
            "CREATE SCHEMA",
            told=(Told("INFO", f'Schema "{statement.name}" already exists and will be skipped', "42P06"),),
        )
    if statement.name.startswith("pg_"):
        raise RedshiftError("42939", f'unacceptable schema name "{statement.name}"')
    owner = f" authorization {quote(statement.authorization)}" if statement.authorization else ""
    with context.transaction.work():
        context.backend.run(f"create schema {quote(statement.name)}{owner}")
    return Outcome("CREATE SCHEMA")


def drop(context: Context, statement: Drop) -> Outcome:
    """DROP TABLE | VIEW | SCHEMA | USER | GROUP."""
    tag = f"DROP {statement.kind.upper()}"
    if statement.kind in ("table", "view"):
        told = [each for name in statement.names for each in _drop_relation(context, statement, name)]
        return Outcome(tag, told=tuple(told))
    cascade = " cascade" if statement.cascade and statement.kind == "schema" else ""
    for name in statement.names:
        if name.name in (*HIDDEN, "pg_catalog", "information_schema"):
            raise refused(f'schema "{name.name}" cannot be dropped')
        kind = "schema" if statement.kind == "schema" else "role"
        there = "if exists " if statement.if_exists else ""
        with context.transaction.work():
            context.backend.run(f"drop {kind} {there}{quote(name.name)}{cascade}")
            if statement.kind == "user":
                context.world.users.pop(name.name, None)
    return Outcome(tag)


def _drop_relation(context: Context, statement: Drop, name: TableName) -> list[Told]:
    late = statement.kind == "view" and late_views.kept(context, name)
    found = context.find(name)
    if found is None and not late:
        if not statement.if_exists:
            noun = "Table" if statement.kind == "table" else "View"
            raise (
                RedshiftError("42P01", f'{noun} "{name.name}" does not exist') if name.schema is None else missing(name)
            )
        return [Told("INFO", f'{statement.kind.capitalize()} "{name.name}" does not exist and will be skipped')]
    if found is not None and found.kind != statement.kind[0].replace("t", "r"):
        raise RedshiftError("42809", f'"{name.name}" is not a {statement.kind}')
    with context.changing(*([found] if found else [])):
        if late:
            late_views.forget(context, late[0], name.name)
        if found is not None:
            late_views.unbind(context, [found])
            context.backend.run(f"drop {statement.kind} {found.quoted}{' cascade' if statement.cascade else ''}")
    return []
