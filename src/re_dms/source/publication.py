"""The publication: which tables and operations the server sends. Ours carries `made by re_dms <pipeline>` as its comment.

Source: https://www.postgresql.org/docs/current/logical-replication-publication.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from re_dms.errors import ConfigurationError
from re_dms.settings import SourceSettings
from re_dms.source.candidates import (
    SourceTable,
    SourceTables,
    choose,
    read_tables,
    require_agreement,
    require_publishable,
)
from re_dms.source.catalog import describe
from re_dms.source.failures import printable, reported
from re_dms.source.filters import require_safe_filters
from re_dms.source.patterns import TablePattern, parse_patterns
from re_dms.source.relations import sent_columns

_LISTS_SINCE: Final = 150_000
_GENERATED_SINCE: Final = 180_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """A table as the publication sends it; a copy must send the same.

    `row_filter` is SQL over the table's own columns. `columns` are the attnums of a column list. Both are None when
    the publication has none. `generated`: stored generated columns are sent (Postgres 18).
    """

    oid: int
    schema: str
    name: str
    partitioned: bool
    row_filter: str | None = None
    columns: tuple[int, ...] | None = None
    generated: bool = False

    @property
    def full_name(self) -> str:
        """schema.table, for messages only (never for SQL)."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationPlan:
    """What to carry, and what to do first. `name` is "" where no publication is needed (`re_dms.source.carried`).

    Not `exists`: make the publication with `tables`. Else `tables` are sent already; `to_add` (only when `ours`) have
    to be added before they are.
    """

    name: str
    exists: bool
    ours: bool
    tables: tuple[PublishedTable, ...]
    to_add: tuple[PublishedTable, ...] = ()


def plan_publication(connection: psycopg.Connection[Any], source: SourceSettings, *, pipeline: str) -> PublicationPlan:
    """Decide which tables the pipeline carries. Changes nothing.

    Raises ConfigurationError for patterns that name no table, for a publication that does not send everything that
    happens to a table, and for tables whose UPDATE or DELETE would begin to fail.
    """
    include, exclude = parse_patterns(source.tables), parse_patterns(source.exclude)
    tables = read_tables(connection)
    require_matches((*include, *exclude), tables)
    options = _options(connection, source.publication)
    if options is None:
        chosen = choose(tables, include, exclude)
        if not chosen:
            raise ConfigurationError("there is no table to replicate", remedy="name tables with `tables`")
        require_publishable(connection, tables, chosen)
        return PublicationPlan(
            name=source.publication, exists=False, ours=True, tables=tuple(planned(table) for table in chosen)
        )
    comment, generated = options
    ours = comment == _comment(pipeline)
    published = _published(connection, source.publication, tables, generated=generated)
    carried = [table for table in published if _is_chosen(table, tables, include, exclude)]
    to_add: list[SourceTable] = []
    if ours:
        there = {table.oid for table in published}
        chosen = choose(tables, include, exclude)
        to_add = [table for table in chosen if not any(up.oid in there for up in tables.line(table.oid))]
        require_publishable(connection, tables, to_add)
    else:
        _require_published(include, carried, tables, source.publication)
    if not carried and not to_add:
        raise ConfigurationError(
            f"publication {source.publication!r} sends no table that is wanted", remedy="see `tables` and `exclude`"
        )
    require_agreement(connection, tables, [table.oid for table in carried])
    _require_keys_sent(connection, carried)
    require_safe_filters(connection, [(table.oid, table.columns) for table in carried if table.row_filter is not None])
    return PublicationPlan(
        name=source.publication,
        exists=True,
        ours=ours,
        tables=tuple(carried),
        to_add=tuple(planned(table) for table in to_add),
    )


def create_publication(
    connection: psycopg.Connection[Any], name: str, tables: Sequence[PublishedTable], *, pipeline: str
) -> None:
    """Make the publication with these tables, as ours, in one transaction."""
    create = sql.SQL("create publication {} for table {} with (publish_via_partition_root = true)")
    comment = sql.SQL("comment on publication {} is {}")
    with reported(f"creating publication {name!r}"), connection.transaction():
        connection.execute(create.format(sql.Identifier(name), _table_list(tables)))
        connection.execute(comment.format(sql.Identifier(name), sql.Literal(_comment(pipeline))))


def add_tables(connection: psycopg.Connection[Any], name: str, tables: Sequence[PublishedTable]) -> None:
    """Add tables to a publication of ours. They have to be copied from a snapshot that is taken after this."""
    if tables:
        with reported(f"adding tables to publication {name!r}"):
            connection.execute(
                sql.SQL("alter publication {} add table {}").format(sql.Identifier(name), _table_list(tables))
            )


def drop_publication(connection: psycopg.Connection[Any], name: str) -> None:
    """Drop the publication if it exists. A slot that is behind this moment can no longer be read."""
    with reported(f"dropping publication {name!r}"):
        connection.execute(sql.SQL("drop publication if exists {}").format(sql.Identifier(name)))


def _table_list(tables: Iterable[PublishedTable]) -> sql.Composed:
    """ONLY, since children by inheritance would come along unseen otherwise; a partitioned table has no rows of its own."""
    return sql.SQL(", ").join(
        sql.SQL("{}{}").format(sql.SQL("" if table.partitioned else "only "), sql.Identifier(table.schema, table.name))
        for table in tables
    )


def _comment(pipeline: str) -> str:
    return f"made by re_dms {pipeline}"


def planned(table: SourceTable) -> PublishedTable:
    """The table, all of its rows and columns."""
    return PublishedTable(oid=table.oid, schema=table.schema, name=table.name, partitioned=table.kind == "p")


def _options(connection: psycopg.Connection[Any], name: str) -> tuple[str | None, bool] | None:
    """The publication's comment and whether it sends generated columns; None when there is none.

    Raises ConfigurationError unless it sends all operations: without one, the target would diverge (protocol line 12).
    """
    generated = "pubgencols = 's'" if connection.info.server_version >= _GENERATED_SINCE else "false"
    query = sql.SQL(
        "select obj_description(oid, 'pg_publication'), " + generated + ", pubinsert, pubupdate, pubdelete, pubtruncate"
        " from pg_publication where pubname = {}"
    )
    with reported("reading the publication"):
        row = connection.execute(query.format(sql.Literal(name))).fetchone()
    if row is None:
        return None
    missing = [word for word, sent in zip(("insert", "update", "delete", "truncate"), row[2:], strict=True) if not sent]
    if missing:
        quoted = sql.Identifier(name).as_string(None)
        raise ConfigurationError(
            f"publication {name!r} does not send {', '.join(missing)}: the target would diverge",
            remedy=f"alter publication {quoted} set (publish = 'insert, update, delete, truncate')",
        )
    return row[0], row[1]


def _published(
    connection: psycopg.Connection[Any], name: str, tables: SourceTables, *, generated: bool
) -> list[PublishedTable]:
    """The tables under the names by which the stream sends them: roots or leaves of partitions as the publication says."""
    lists = "pt.rowfilter, pr.prattrs::int2[]" if connection.info.server_version >= _LISTS_SINCE else "null, null"
    query = sql.SQL(
        "select c.oid::int8, pt.schemaname, pt.tablename, c.relkind, p.pubviaroot, " + lists + " from pg_publication p"
        " join pg_publication_tables pt on pt.pubname = p.pubname"
        " join pg_namespace n on n.nspname = pt.schemaname"
        " join pg_class c on c.relnamespace = n.oid and c.relname = pt.tablename"
        " left join pg_publication_rel pr on pr.prpubid = p.oid and pr.prrelid = c.oid"
        " where p.pubname = {} order by 2, 3"
    )
    with reported("reading the publication's tables"):
        rows = connection.execute(query.format(sql.Literal(name))).fetchall()
    oids = {row[0] for row in rows}
    return [
        PublishedTable(
            oid=oid,
            schema=schema,
            name=table,
            partitioned=kind == "p",
            row_filter=row_filter,
            columns=None if columns is None else tuple(columns),
            generated=generated,
        )
        for oid, schema, table, kind, via_root, row_filter, columns in rows
        # Older servers list a partition beside its root, and send it as the root.
        if not (via_root and any(up.oid in oids for up in tables.line(oid) if up.oid != oid))
    ]


def _names(table: PublishedTable, tables: SourceTables) -> list[tuple[str, str]]:
    """Schema and name of the table and of all that it is a partition of: each of them chooses it."""
    return [(up.schema, up.name) for up in tables.line(table.oid)] or [(table.schema, table.name)]


def _is_chosen(
    table: PublishedTable, tables: SourceTables, include: Sequence[TablePattern], exclude: Sequence[TablePattern]
) -> bool:
    names = _names(table, tables)
    if any(pattern.matches(*name) for pattern in exclude for name in names):
        return False
    return not include or any(pattern.matches(*name) for pattern in include for name in names)


def require_matches(patterns: Iterable[TablePattern], tables: SourceTables) -> None:
    """Raise ConfigurationError for a table that is named by itself and is not there."""
    for pattern in patterns:
        if pattern.explicit and not any(pattern.matches(table.schema, table.name) for table in tables.values()):
            raise ConfigurationError(
                f"{pattern.text!r} names no table of the database",
                remedy="names are taken as they are written, without folding; a name alone is looked for in schema public",
            )


def _require_published(
    include: Iterable[TablePattern], carried: Sequence[PublishedTable], tables: SourceTables, publication: str
) -> None:
    names = [name for table in carried for name in _names(table, tables)]
    for pattern in include:
        if pattern.explicit and not any(pattern.matches(*name) for name in names):
            raise ConfigurationError(
                f"publication {publication!r} does not send {pattern.text!r} (or only as a part of another table)",
                remedy=f"alter publication {sql.Identifier(publication).as_string(None)} add table {pattern.text}",
            )


def _may_leave_out(connection: psycopg.Connection[Any], carried: Iterable[PublishedTable]) -> list[PublishedTable]:
    """The tables of which some column may not be sent: they have a column list, or generated columns. Few are like that,
    and describing all of them would be half of a start with thousands of tables."""
    carried = tuple(carried)
    query = (
        "select distinct attrelid::int8 from pg_attribute"
        " where attrelid = any (%s::oid[]) and attnum > 0 and attgenerated <> '' and not attisdropped"
    )
    with reported("looking for generated columns"):
        rows = connection.execute(query, ["{" + ",".join(str(table.oid) for table in carried) + "}"]).fetchall()
    generated = {row[0] for row in rows}
    return [table for table in carried if table.columns is not None or table.oid in generated]


def _require_keys_sent(connection: psycopg.Connection[Any], carried: Iterable[PublishedTable]) -> None:
    published = {table.oid: table for table in _may_leave_out(connection, carried)}
    short = []
    for oid, table in describe(connection, published).items():
        needed = set(table.identity_key)
        if table.identity == "f":
            needed = {column.attnum for column in table.columns if not column.generated}
        sent = set(sent_columns(table, columns=published[oid].columns, generated=published[oid].generated))
        if not needed <= sent:
            names = [column.name for column in table.columns if column.attnum in needed - sent]
            short.append(f"{printable(table.full_name)} ({', '.join(map(repr, names))})")
    if short:
        raise ConfigurationError(
            f"the publication does not send all columns of the replica identity: {'; '.join(short)}",
            remedy="add them to its column list; for generated columns, use another replica identity; or use --exclude",
        )
