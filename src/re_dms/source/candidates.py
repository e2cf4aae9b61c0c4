"""Which tables of the database a publication of ours may carry, and why not the others (protocol line 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from re_dms.errors import ConfigurationError
from re_dms.source.catalog import CatalogTable, describe
from re_dms.source.failures import printable, reported
from re_dms.source.patterns import TablePattern

_TABLES: Final = """
select c.oid::int8, n.nspname, c.relname, c.relkind, c.relpersistence,
       (select i.inhparent::int8 from pg_inherits i where i.inhrelid = c.oid and c.relispartition)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where (c.relkind in ('r', 'p') or c.relkind = 'f' and c.relispartition)
  and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
order by 2, 3
"""
# Where UPDATE and DELETE begin to fail with generated columns in the identity.
_STRICT_ABOUT_GENERATED: Final = 180_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """A table, partitioned table or partition of the database. `parent` is the OID of what it is a partition of."""

    oid: int
    schema: str
    name: str
    kind: str
    persistence: str
    parent: int | None

    @property
    def full_name(self) -> str:
        """schema.table, for messages only (never for SQL)."""
        return f"{self.schema}.{self.name}"

    @property
    def publishable(self) -> bool:
        """Whether Postgres can put it into a publication: ordinary or partitioned, and logged."""
        return self.kind in ("r", "p") and self.persistence == "p"


class SourceTables(Mapping[int, SourceTable]):
    """The database's tables by OID, and who is a partition of whom."""

    def __init__(self, tables: Iterable[SourceTable]) -> None:
        self._tables = {table.oid: table for table in tables}
        self._children: dict[int, list[int]] = {}
        for table in self._tables.values():
            if table.parent is not None:
                self._children.setdefault(table.parent, []).append(table.oid)

    def __getitem__(self, oid: int) -> SourceTable:
        return self._tables[oid]

    def __iter__(self) -> Iterator[int]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def line(self, oid: int) -> Iterator[SourceTable]:
        """The table, then what it is a partition of, up to the root."""
        table = self._tables.get(oid)
        while table is not None:
            yield table
            table = None if table.parent is None else self._tables.get(table.parent)

    def leaves(self, oid: int) -> Iterator[SourceTable]:
        """The partitions below the table that hold rows."""
        for child in self._children.get(oid, ()):
            if self._tables[child].kind == "p":
                yield from self.leaves(child)
            else:
                yield self._tables[child]


def read_tables(connection: psycopg.Connection[Any]) -> SourceTables:
    """All tables outside of the system's schemas."""
    with reported("listing the tables"):
        rows = connection.execute(_TABLES).fetchall()
    return SourceTables(
        SourceTable(oid=oid, schema=schema, name=name, kind=kind, persistence=persistence, parent=parent)
        for oid, schema, name, kind, persistence, parent in rows
    )


def choose(tables: SourceTables, include: Sequence[TablePattern], exclude: Sequence[TablePattern]) -> list[SourceTable]:
    """What a publication of ours should hold: the tables that `include` chooses (all, if it is empty), minus `exclude`.

    A partition whose root (or what lies between) is chosen is not chosen itself: the root carries it. Excluding a
    root excludes its partitions. Raises ConfigurationError for a table named by itself that cannot be published.
    """
    matched = {
        table.oid: table
        for table in tables.values()
        if not include or any(pattern.matches(table.schema, table.name) for pattern in include)
        if not any(pattern.matches(one.schema, one.name) for pattern in exclude for one in tables.line(table.oid))
    }
    for table in matched.values():
        if not table.publishable and any(p.explicit and p.matches(table.schema, table.name) for p in include):
            raise ConfigurationError(
                f"table {printable(table.full_name)} cannot be published: it is unlogged, temporary or foreign",
                remedy="alter table … set logged, or take it out of `tables`",
            )
    chosen = {oid: table for oid, table in matched.items() if table.publishable}
    roots = [table for table in chosen.values() if not any(up.oid in chosen for up in list(tables.line(table.oid))[1:])]
    _require_whole(tables, {table.oid for table in roots}, exclude)
    return roots


def require_publishable(
    connection: psycopg.Connection[Any],
    tables: SourceTables,
    chosen: Sequence[SourceTable],
    *,
    published: bool = True,
) -> None:
    """Raise ConfigurationError when publishing `chosen` would make the application's UPDATE or DELETE fail.

    Not `published`: nothing fails then, but nobody could tell whose rows were updated and deleted. It lists every such table with the SQL that mends it.
    """
    version = connection.info.server_version
    found: list[str] = []
    for root, leaves in _described(connection, tables, [table.oid for table in chosen]):
        obstacles = [(root, obstacle(root, version))]
        obstacles += [(leaf, obstacle(leaf, version) or _disagreement(root, leaf)) for leaf in leaves]
        found += [f"{printable(table.full_name)}: {what} — {_mend(table)}" for table, what in obstacles if what]
    if found:
        what = "publishing these tables would make UPDATE and DELETE on them fail, or could not be followed"
        raise ConfigurationError(
            (what if published else "UPDATE and DELETE on these tables could not be followed")
            + ":\n  "
            + "\n  ".join(found),
            remedy="run the SQL beside each table, or leave the table out with --exclude",
        )


def require_agreement(connection: psycopg.Connection[Any], tables: SourceTables, published: Iterable[int]) -> None:
    """Raise ConfigurationError for published partitions whose UPDATE and DELETE work, but not by the key of their root.

    For publications that are not ours: tables without an identity are theirs to have, only inserts can happen to them.
    """
    version = connection.info.server_version
    partitioned = [oid for oid in published if oid in tables and tables[oid].kind == "p"]
    found = [
        f"{printable(leaf.full_name)}: {what} — {_mend(leaf)}"
        for root, leaves in _described(connection, tables, partitioned)
        for leaf in leaves
        if (what := obstacle(leaf, version) if leaf.kind == "f" else _disagreement(root, leaf))
        if leaf.kind == "f" or obstacle(leaf, version) is None
    ]
    if found:
        raise ConfigurationError(
            "changes of these partitions could not be followed:\n  " + "\n  ".join(found),
            remedy="run the SQL beside each table (on the partitioned table, too), or leave it out with --exclude",
        )


def _described(
    connection: psycopg.Connection[Any], tables: SourceTables, oids: Iterable[int]
) -> Iterator[tuple[CatalogTable, list[CatalogTable]]]:
    """Each table with its leaves. What was dropped in between is left out: CREATE PUBLICATION will say so."""
    leaves = {oid: [leaf.oid for leaf in tables.leaves(oid)] for oid in oids}
    described = describe(connection, {*leaves, *(leaf for below in leaves.values() for leaf in below)})
    for oid, below in leaves.items():
        if oid in described:
            yield described[oid], [described[leaf] for leaf in below if leaf in described]


def obstacle(table: CatalogTable, server_version: int) -> str | None:
    """Why UPDATE and DELETE on the table would fail once it is published, or could not be followed; None: they work.

    Source: https://www.postgresql.org/docs/current/logical-replication-publication.html
    """
    if table.kind == "f":
        return "is a foreign table; its changes are not in this server's WAL"
    generated = table.generated_attnums
    match table.identity:
        case "f":
            if generated and server_version >= _STRICT_ABOUT_GENERATED:
                return "replica identity FULL with generated columns"
            return None
        case "n":
            return "replica identity NOTHING"
        case "i" if not table.identity_index:
            return "the index of its replica identity is gone or not usable"
        case "d" if table.primary_key and not table.primary_key_immediate:
            return "its primary key is deferrable, and thus no replica identity"
        case "d" if not table.primary_key:
            return "no primary key"
    if generated.intersection(table.identity_key):
        return "its key has a generated column, which is not sent"
    return None


def _disagreement(root: CatalogTable, leaf: CatalogTable) -> str | None:
    """Why a partition's old rows could not be understood as its root's; Postgres takes the identity of the leaf."""
    whole_rows = leaf.identity == "f"
    if root.identity == "f":
        agree = whole_rows or _primary(root) == _names(leaf) != set()
    elif whole_rows:
        agree = root.identity_key != ()
    else:
        agree = _names(root) == _names(leaf)
    return None if agree else f"its replica identity differs from that of {printable(root.full_name)}"


def _names(table: CatalogTable) -> set[str]:
    return {column.name for column in table.columns if column.attnum in table.identity_key}


def _primary(table: CatalogTable) -> set[str]:
    if not table.primary_key_immediate:
        return set()
    return {column.name for column in table.columns if column.attnum in table.primary_key}


def _mend(table: CatalogTable) -> str:
    name = sql.Identifier(table.schema, table.name).as_string(None)
    if table.kind == "f":
        return f"alter table … detach partition {name};"
    if table.generated_attnums:
        return f"alter table {name} replica identity using index …; (a unique index without generated columns)"
    return f"alter table {name} replica identity full;"


def _require_whole(tables: SourceTables, roots: set[int], exclude: Sequence[TablePattern]) -> None:
    for pattern in exclude:
        if not pattern.explicit:
            continue
        for table in tables.values():
            above = next((up for up in tables.line(table.oid) if up.oid in roots and up.oid != table.oid), None)
            if above is not None and pattern.matches(table.schema, table.name):
                raise ConfigurationError(
                    f"{pattern.text!r} excludes a partition of {printable(above.full_name)}, which is published whole",
                    remedy="exclude the partitioned table and name its partitions in `tables`, or keep all of it",
                )
