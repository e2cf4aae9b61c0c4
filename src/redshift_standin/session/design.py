"""What is noted beside a table of the backend: physical design, keys that nobody enforces, times that are kept in UTC.

Source: AWS Database Developer Guide, "CREATE TABLE" (r_CREATE_TABLE_NEW), "Defining table constraints".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from redshift_standin.errors import RedshiftError
from redshift_standin.names import backend_name, full_name, literal
from redshift_standin.session.columns import columns_of
from redshift_standin.session.context import Context, Relation
from redshift_standin.sql.ddl import ColumnDef, Design, RenameColumn, TableConstraint


def design_of(context: Context, table: Relation) -> Design:
    """What is noted of a table's physical design."""
    rows = context.backend.fetch(
        "select diststyle, coalesce(distkey, ''), sort, array_to_string(sortkey, E'\\x01') from redshift_standin.table_info where oid = $1",
        str(table.oid),
    )
    style, key, sort, sortkey = (value or "" for value in rows[0]) if rows else ("auto", "", "auto", "")
    names = tuple(full_name(each) for each in sortkey.split("\x01") if each)
    return Design(diststyle=style, distkey=full_name(key), sort=sort, sortkey=names)


def complete(design: Design, columns: Sequence[ColumnDef]) -> Design:
    """With the keys that were written beside a column."""
    distkey = design.distkey or next((each.name for each in columns if each.distkey), "")
    sortkey = design.sortkey or tuple(each.name for each in columns if each.sortkey)
    return replace(
        design,
        distkey=distkey,
        diststyle=design.diststyle or ("key" if distkey else "auto"),
        sortkey=sortkey,
        sort=design.sort or ("compound" if sortkey else "auto"),
    )


def merged(was: Design, given: Design) -> Design:
    """A design with what an ALTER TABLE changes of it."""
    if given.distkey or given.diststyle:
        was = replace(was, distkey=given.distkey, diststyle=given.diststyle or "key")
    if given.sort or given.sortkey:
        was = replace(was, sort=given.sort or "compound", sortkey=given.sortkey)
    return replace(was, encode_auto=given.encode_auto or was.encode_auto)


def record_design(context: Context, table: int, design: Design) -> None:
    """Note the physical design; it changes nothing in the backend."""
    keys = ", ".join(literal(backend_name(each)) for each in design.sortkey)
    context.run_as_superuser(
        "insert into redshift_standin.table_info values"
        f" ({table}, {literal(design.diststyle)}, nullif({literal(backend_name(design.distkey))}, ''), {literal(design.sort)}, array[{keys}]::text[],"
        f" {design.encode_auto}, {design.backup}) on conflict (oid) do update set diststyle = excluded.diststyle,"
        " distkey = excluded.distkey, sort = excluded.sort, sortkey = excluded.sortkey, encode_auto = excluded.encode_auto"
    )


def keys_of(column: ColumnDef) -> list[TableConstraint]:
    """The keys that were written beside a column."""
    found = []
    if column.primary_key:
        found.append(TableConstraint(kind="primary key", columns=(column.name,)))
    if column.unique:
        found.append(TableConstraint(kind="unique", columns=(column.name,)))
    if column.references is not None:
        found.append(
            TableConstraint(
                kind="foreign key",
                columns=(column.name,),
                references=column.references,
                referenced_columns=column.referenced_columns,
            )
        )
    return found


def record_constraint(context: Context, table: Relation, constraint: TableConstraint, name: str = "") -> None:
    """Note a key that nobody enforces. Raises 42P01 for a foreign key to nowhere, 42710 for a name that is taken."""
    other = constraint.references
    if other is not None:
        context.relation(other)
    name = name or constraint.name or _constraint_name(table.name, constraint)
    rows = context.backend.fetch(
        "select 1 from redshift_standin.constraint_info where oid = $1 and name = $2", str(table.oid), name
    )
    if rows:
        raise RedshiftError("42710", f'constraint "{name}" for relation "{table.name}" already exists')
    columns, referenced = (
        ", ".join(literal(backend_name(each)) for each in names)
        for names in (constraint.columns, constraint.referenced_columns)
    )
    schema, relation = (other.schema or "", other.name) if other else ("", "")
    context.run_as_superuser(
        f"insert into redshift_standin.constraint_info values ({table.oid}, {literal(name)}, {literal(constraint.kind)},"
        f" array[{columns}]::text[], nullif({literal(schema)}, ''), nullif({literal(relation)}, ''),"
        f" array[{referenced}]::text[])"
    )


def _constraint_name(table: str, constraint: TableConstraint) -> str:
    """As Postgres would name it."""
    if constraint.kind == "primary key":
        return f"{table}_pkey"
    return f"{table}_{'_'.join(constraint.columns)}_{'key' if constraint.kind == 'unique' else 'fkey'}"


def rename_in_design(context: Context, table: Relation, action: RenameColumn) -> None:
    """A column's new name, wherever its old one is noted. Foreign keys of other tables keep the old one."""
    was, to = literal(backend_name(action.name)), literal(backend_name(action.to))
    context.run_as_superuser(
        f"update redshift_standin.table_info set distkey = case distkey when {was} then {to} else distkey end,"
        f" sortkey = array_replace(sortkey, {was}, {to}) where oid = {table.oid}"
    )
    context.run_as_superuser(
        f"update redshift_standin.constraint_info set columns = array_replace(columns, {was}, {to}) where oid = {table.oid}"
    )
    keep_times_in_utc(context, table)


def keep_times_in_utc(context: Context, table: Relation) -> None:
    """TIMETZ columns are stored in UTC, by a trigger that names them: to be called whenever the columns have changed."""
    zoned = [each.name for each in columns_of(context, table) if each.type.name == "time with time zone"]
    context.run_as_superuser(f"drop trigger if exists rs_timetz on {table.quoted}")
    if zoned:
        names = ", ".join(literal(backend_name(each)) for each in zoned)
        context.run_as_superuser(
            f"create trigger rs_timetz before insert or update on {table.quoted} for each row"
            f" execute function redshift_standin.timetz_in_utc({names})"
        )
