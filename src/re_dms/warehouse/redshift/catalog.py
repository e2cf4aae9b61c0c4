"""What Redshift really has: tables, their columns, and the views on them. Catalog reads touch no user table and take
no snapshot, so they may come before a transaction's first statement.

https://docs.aws.amazon.com/redshift/latest/dg/c_intro_catalog_views.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from re_dms.warehouse.redshift.names import Target, literal

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ActualColumn:
    """A column as the catalog prints it. `needed`: NOT NULL without a default."""

    name: str
    type: str
    needed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """What stands under a target's name. `is_table` is false for views."""

    is_table: bool
    columns: dict[str, ActualColumn] = field(default_factory=dict)


def tables(session: Session, schema: str) -> list[str]:
    """The names of all tables of a schema."""
    found = session.execute(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        f"where n.nspname = {literal(schema)} and c.relkind = 'r' order by c.relname"
    )
    return [str(row[0]) for row in found.rows]


def schemas(session: Session) -> set[str]:
    """The names of all schemas."""
    return {str(row[0]) for row in session.execute("select nspname from pg_namespace").rows}


def actual(session: Session, targets: Collection[Target]) -> dict[Target, Actual]:
    """What stands under each of these names, in one statement; names that nothing has are left out."""
    if not targets:
        return {}
    by_schema: dict[str, list[str]] = defaultdict(list)
    for target in sorted(targets):
        by_schema[target.schema].append(literal(target.table))
    wanted = " or ".join(
        f"n.nspname = {literal(schema)} and c.relname in ({', '.join(names)})" for schema, names in by_schema.items()
    )
    rows = session.execute(
        "select n.nspname, c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
        "a.atthasdef from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
        f"where {wanted} order by n.nspname, c.relname, a.attnum"
    ).rows
    found: dict[Target, Actual] = {}
    for schema, table, kind, name, type_, not_null, has_default in rows:
        entry = found.setdefault(Target(schema=schema, table=table), Actual(is_table=kind == "r"))
        if name is not None:
            entry.columns[name] = ActualColumn(name=name, type=type_, needed=not_null and not has_default)
    return found


def views_on(session: Session, target: Target) -> list[str]:
    """The views (schema.name) that depend on a table."""
    rows = session.execute(
        "select distinct vn.nspname, v.relname from pg_depend d join pg_rewrite r on r.oid = d.objid "
        "join pg_class v on v.oid = r.ev_class join pg_namespace vn on vn.oid = v.relnamespace "
        "join pg_class c on c.oid = d.refobjid join pg_namespace n on n.oid = c.relnamespace "
        f"where n.nspname = {literal(target.schema)} and c.relname = {literal(target.table)} and v.oid <> c.oid "
        "order by 1, 2"
    ).rows
    return [f"{schema}.{name}" for schema, name in rows]
