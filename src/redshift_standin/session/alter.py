"""ALTER TABLE: one action a statement, and only what Redshift can alter.

Source: AWS Database Developer Guide, "ALTER TABLE" (r_ALTER_TABLE).
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import RedshiftError, refused
from redshift_standin.names import backend_name, literal, quote
from redshift_standin.session import late_views
from redshift_standin.session.columns import Column, checks, columns_of, definition, record_columns
from redshift_standin.session.context import Context, Outcome, Relation
from redshift_standin.session.design import (
    design_of,
    keep_times_in_utc,
    merged,
    record_constraint,
    record_design,
    rename_in_design,
)
from redshift_standin.sql.column_grammar import check_encoding
from redshift_standin.sql.ddl import (
    AddColumn,
    AddConstraint,
    AlterDesign,
    AlterEncode,
    AlterTable,
    AlterType,
    ChangeOwner,
    ColumnDef,
    DropColumn,
    DropConstraint,
    RenameColumn,
    RenameTable,
)
from redshift_standin.sql.design_grammar import check_design

_FIXED_ENCODINGS: Final = frozenset({"bytedict", "runlength", "text255", "text32k"})
_COLUMNS_MAX: Final = 1600


def alter_table(context: Context, statement: AlterTable) -> Outcome:
    """Carry out one action."""
    table = context.relation(statement.table)
    if isinstance(statement.action, AlterType):
        context.transaction.refuse_in_block("ALTER TABLE ALTER COLUMN")
    with context.changing(table):
        _act(context, table, statement)
    return Outcome("ALTER TABLE")


def _act(context: Context, table: Relation, statement: AlterTable) -> None:
    match statement.action:
        case AddColumn() as action:
            _add_column(context, table, action)
        case DropColumn() as action:
            _drop_column(context, table, action)
        case RenameColumn() as action:
            late_views.unbind(context, [table])
            context.backend.run(f"alter table {table.quoted} rename column {quote(action.name)} to {quote(action.to)}")
            rename_in_design(context, table, action)
        case RenameTable() as action:
            late_views.unbind(context, [table])
            context.backend.run(f"alter table {table.quoted} rename to {quote(action.to)}")
        case AlterType() as action:
            _widen(context, table, action)
        case AlterEncode() as action:
            column = _column(context, table, action.name)
            check_encoding(action.encode, column.type)
            record_columns(context, table.oid, [(column.name, column.type, action.encode)])
        case AlterDesign() as action:
            columns = [ColumnDef(name=each.name, type=each.type) for each in columns_of(context, table)]
            check_design(action.design, columns)
            record_design(context, table.oid, merged(design_of(context, table), action.design))
        case ChangeOwner() as action:
            context.backend.run(f"alter table {table.quoted} owner to {quote(action.to)}")
        case AddConstraint() as action:
            for each in action.constraint.columns:
                _column(context, table, each)
            record_constraint(context, table, action.constraint, action.name)
        case DropConstraint() as action:
            _drop_constraint(context, table, action)


def _column(context: Context, table: Relation, name: str) -> Column:
    found = next((each for each in columns_of(context, table) if each.name == name), None)
    if found is None:
        raise RedshiftError("42703", f'column "{name}" of relation "{table.name}" does not exist')
    return found


def _add_column(context: Context, table: Relation, action: AddColumn) -> None:
    column = action.column
    if len(columns_of(context, table)) >= _COLUMNS_MAX:
        raise RedshiftError("54011", f"tables can have at most {_COLUMNS_MAX} columns")
    late_views.unbind(context, [table])
    context.backend.run(f"alter table {table.quoted} add column {definition(column)}")
    record_columns(context, table.oid, [(column.name, column.type, column.encode)])
    keep_times_in_utc(context, table)


def _drop_column(context: Context, table: Relation, action: DropColumn) -> None:
    _column(context, table, action.name)
    design = design_of(context, table)
    if action.name == design.distkey:
        raise refused(f'cannot drop distkey column "{action.name}"')
    if action.name in design.sortkey:
        raise refused(f'cannot drop sortkey column "{action.name}"')
    if len(columns_of(context, table)) == 1:
        raise refused("cannot drop the last column of a table")
    late_views.unbind(context, [table])
    context.backend.run(
        f"alter table {table.quoted} drop column {quote(action.name)}{' cascade' if action.cascade else ''}"
    )
    keep_times_in_utc(context, table)


def _widen(context: Context, table: Relation, action: AlterType) -> None:
    """VARCHAR to VARCHAR of another size; the rulebook's conditions in turn."""
    column = _column(context, table, action.name)
    if column.type.name != "character varying" or action.type.name != "character varying":
        raise refused(f'ALTER COLUMN TYPE is only supported for VARCHAR columns, not for column "{action.name}"')
    if column.type.length == action.type.length:
        raise refused(
            f'cannot alter column "{action.name}" of relation "{table.name}", target column size should be different'
        )
    if column.default is not None:
        raise refused(f'cannot alter type of a column with a default value: "{action.name}"')
    if column.encode in _FIXED_ENCODINGS:
        raise refused(f'cannot alter type of a column with encoding {column.encode}: "{action.name}"')
    constrained = context.backend.fetch(
        "select 1 from redshift_standin.constraint_info where oid = $1 and $2 = any (columns)",
        str(table.oid),
        backend_name(action.name),
    )
    if constrained:
        raise refused(f'cannot alter type of a column that is part of a key: "{action.name}"')
    longest = context.backend.fetch(f"select coalesce(max(octet_length({quote(action.name)})), 0) from {table.quoted}")
    if int(longest[0][0] or 0) > action.type.length:
        raise refused(
            f'cannot alter column "{action.name}" of relation "{table.name}", target column size is too small for its data'
        )
    late_views.unbind(context, [table])
    for (name,) in context.backend.fetch(
        "select conname from pg_catalog.pg_constraint where conrelid = $1 and conkey = array[$2::int2] and conname like 'rs\\_len\\_%'",
        str(table.oid),
        str(column.number),
    ):
        context.backend.run(f"alter table {table.quoted} drop constraint {quote(name or '')}")
    context.backend.run(f"alter table {table.quoted} alter column {quote(action.name)} type {action.type.postgres}")
    for name, check in checks(action.name, action.type):
        context.backend.run(f"alter table {table.quoted} add constraint {quote(name)} check ({check})")
    record_columns(context, table.oid, [(action.name, action.type, column.encode)])


def _drop_constraint(context: Context, table: Relation, action: DropConstraint) -> None:
    answer = context.run_as_superuser(
        f"with gone as (delete from redshift_standin.constraint_info where oid = {table.oid} and name = {literal(action.name)}"
        " returning 1) select count(*) from gone"
    )
    if answer.rows and answer.rows[0][0] == b"0":
        raise RedshiftError("42704", f'constraint "{action.name}" of relation "{table.name}" does not exist')
