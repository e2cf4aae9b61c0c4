"""Late-binding views: kept as text, made in the backend when a query needs one, gone when what they read changes.

Source: AWS Database Developer Guide, "CREATE VIEW", WITH NO SCHEMA BINDING (r_CREATE_VIEW).
"""

from __future__ import annotations

from collections.abc import Sequence

from redshift_standin.names import TableName, literal, quote
from redshift_standin.session.context import Context, Relation


def keep(context: Context, schema: str, name: str, query: str, columns: Sequence[str] | None) -> None:
    """Remember a view's text; nothing that it reads has to be there."""
    listed = "null" if columns is None else "array[" + ", ".join(literal(each) for each in columns) + "]::text[]"
    context.run_as_superuser(
        f"insert into redshift_standin.late_view values ({literal(schema)}, {literal(name)}, {literal(query)}, {listed})"
        " on conflict (schema, name) do update set query = excluded.query, columns = excluded.columns"
    )


def forget(context: Context, schema: str, name: str) -> bool:
    """The view is dropped. False: it was no late-binding view."""
    answer = context.run_as_superuser(
        f"with gone as (delete from redshift_standin.late_view where schema = {literal(schema)} and name = {literal(name)}"
        " returning 1) select count(*) from gone"
    )
    return bool(answer.rows and answer.rows[0][0] == b"1")


def kept(context: Context, name: TableName) -> tuple[str, str, list[str] | None] | None:
    """Schema, query and columns of a late-binding view; None if there is none of that name."""
    schemas = (
        [name.schema]
        if name.schema
        else [context.user.name if s == "$user" else s for s in context.settings.search_path]
    )
    for schema in schemas:
        rows = context.backend.fetch(
            "select query, array_to_string(columns, E'\\x01') from redshift_standin.late_view where schema = $1 and name = $2",
            schema,
            name.name,
        )
        if rows:
            query, columns = rows[0]
            return schema or "", query or "", None if columns is None else columns.split("\x01")
    return None


def bind(context: Context, name: TableName) -> Relation | None:
    """Make the backend's view of a late-binding one. None: there is none. Raises what its query raises now."""
    found = kept(context, name)
    if found is None:
        return None
    schema, query, columns = found
    listed = "" if columns is None else "(" + ", ".join(quote(each) for each in columns) + ")"
    with context.transaction.work():
        context.run_as_superuser(f"create view {quote(schema)}.{quote(name.name)} {listed} as {query}")
    return context.find(TableName(schema, name.name))


def unbind(context: Context, tables: Sequence[Relation]) -> None:
    """Drop the backend's views of late-binding ones that read these tables; their text stays. Inside a transaction."""
    oids = ", ".join(str(each.oid) for each in tables)
    rows = context.backend.fetch(
        "select distinct space.nspname, class.relname from pg_catalog.pg_depend dependency"
        " join pg_catalog.pg_rewrite rule on rule.oid = dependency.objid"
        " join pg_catalog.pg_class class on class.oid = rule.ev_class"
        " join pg_catalog.pg_namespace space on space.oid = class.relnamespace"
        " join redshift_standin.late_view late on late.schema = space.nspname and late.name = class.relname"
        f" where dependency.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and dependency.refobjid in ({oids})"
        f" and class.oid not in ({oids})"
    )
    for schema, name in rows:
        view = context.find(TableName(schema, name or ""))
        if view is not None:
            unbind(context, [view])
            context.run_as_superuser(f"drop view {view.quoted}")
