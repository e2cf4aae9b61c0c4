"""Copies: a table's rows under an exported snapshot, as lines of CSV in the journal's dialect.

Arrays, hstores and composites alone come in Postgres's own notation, which becomes JSON later.

Source: https://www.postgresql.org/docs/current/sql-copy.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors as postgres
from psycopg import pq, sql

from re_dms.errors import InvariantError, ReDmsError, SourceError, SourceUnavailable
from re_dms.pgtypes import Kind
from re_dms.schema import Column, Relation
from re_dms.source.connection import send_as_stored
from re_dms.source.copy_stream import CopyStream, open_copy
from re_dms.source.failures import printable, reported, translate

_RANGES_SINCE: Final = 140_000
_COUNT_PAGES: Final = """
select c.oid::int8, (pg_relation_size(c.oid) / current_setting('block_size')::int8)::int8
from pg_class c join pg_am a on a.oid = c.relam
where c.oid = any (%s::oid[]) and c.relkind = 'r' and a.amname = 'heap'
"""
_AGAIN: Final = "a new snapshot is taken and the table copied again"


class TableAltered(SourceUnavailable):
    """The table was altered, rewritten or truncated after the snapshot was taken: copy it under a new one."""


@contextmanager
def under_snapshot(connection: psycopg.Connection[Any], snapshot: str) -> Iterator[None]:
    """A read-only transaction that sees what the exported `snapshot` sees; catalog queries see its time, too.

    Raises SourceUnavailable when the snapshot is gone (its maker's connection ended): take another. The transaction
    holds back vacuum on the source: end it soon.
    """
    try:
        connection.execute("begin isolation level repeatable read read only")
        connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
    except (postgres.InvalidParameterValue, postgres.ObjectNotInPrerequisiteState, postgres.UndefinedObject):
        connection.execute("rollback")
        raise SourceUnavailable(f"the exported snapshot is gone; {_AGAIN}") from None
    except psycopg.Error as error:
        raise translate(error, "taking over the snapshot") from None
    try:
        yield
    except BaseException:
        # In the middle of a COPY no statement can be sent: the session ends, and the transaction with it.
        if connection.info.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR):
            connection.execute("rollback")
        else:
            connection.close()
        raise
    with reported("ending the copy's transaction"):
        connection.execute("commit")


def copy_statement(
    relation: Relation,
    *,
    partitioned: bool,
    null: str,
    row_filter: str | None = None,
    pages: tuple[int, int | None] | None = None,
) -> sql.Composed:
    """COPY of the relation's columns in their order, as CSV: every value quoted, NULL as the bare token `null`.

    COPY prints values by their types' output functions, as pgoutput does; bytea alone is written in the journal's
    dialect, as bare hex. `row_filter` is SQL from the publication. `pages`: only rows of the heap's blocks from the
    first to before the second (None: to the end). Children by inheritance are left out (they are tables of their own),
    partitions are taken in.
    """
    columns = sql.SQL(", ").join(_as_written(column) for column in relation.columns)
    conditions: list[sql.Composable] = [sql.SQL(f"({row_filter})")] if row_filter else []
    if pages is not None:
        first, end = pages
        conditions += [sql.SQL("ctid >= {}").format(sql.Literal(f"({first},0)"))] if first else []
        conditions += [] if end is None else [sql.SQL("ctid < {}").format(sql.Literal(f"({end},0)"))]
    where = sql.SQL(" where {}").format(sql.SQL(" and ").join(conditions)) if conditions else sql.SQL("")
    return sql.SQL("copy (select {} from {}{}{}) to stdout (format csv{}, null {})").format(
        columns,
        sql.SQL("" if partitioned else "only "),
        sql.Identifier(relation.schema, relation.name),
        where,
        sql.SQL(", force_quote *" if relation.columns else ""),
        sql.Literal(null),
    )


def open_rows(
    connection: psycopg.Connection[Any],
    relation: Relation,
    *,
    partitioned: bool,
    null: str,
    row_filter: str | None = None,
    pages: tuple[int, int | None] | None = None,
) -> CopyStream:
    """Begin to copy the table, inside `under_snapshot`: a stream in which each CopyData is a line of CSV.

    Parameters as for `copy_statement`; `relation` is the version that the catalog shows under the same snapshot. Waits
    for the server to begin. An error that the stream raises later is put in words by `refused`. Raises TableAltered when
    the table was rewritten, truncated or altered since the snapshot was taken, and SourceError when its rows may not be
    read or row-level security would hide some; the session can be used afterwards.
    """
    if connection.info.transaction_status != pq.TransactionStatus.INTRANS:
        raise InvariantError("a copy was begun outside of a transaction with a snapshot")
    _lock_unchanged(connection, relation, partitioned=partitioned)
    statement = copy_statement(relation, partitioned=partitioned, null=null, row_filter=row_filter, pages=pages)
    send_as_stored(connection)
    stream = open_copy(connection.pgconn)
    try:
        stream.start(statement.as_bytes(connection))
    except psycopg.Error as error:
        raise refused(error, relation) from None
    return stream


def count_pages(connection: psycopg.Connection[Any], oids: Iterable[int]) -> dict[int, int]:
    """How many blocks the heaps of these tables have, for those of which a copy can read ranges of blocks.

    That is for ordinary tables of servers that find such ranges without reading all (Postgres 14 and later).
    """
    if connection.info.server_version < _RANGES_SINCE:
        return {}
    wanted = "{" + ",".join(str(oid) for oid in oids) + "}"
    with reported("reading the catalog"):
        rows = connection.execute(_COUNT_PAGES, [wanted]).fetchall()
    return {oid: pages for oid, pages in rows if pages is not None}


def _as_written(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    return sql.SQL("encode({}, 'hex')").format(name) if column.type.kind is Kind.BYTEA else name


def refused(error: psycopg.Error, relation: Relation) -> ReDmsError:
    """The error of ours for one that the server raised in the copy of this table."""
    name = printable(relation.full_name)
    match error:
        case postgres.InsufficientPrivilege():
            return SourceError(
                f"the rows of table {name} may not be read whole (SQLSTATE 42501)",
                remedy=f"grant select on {sql.Identifier(relation.schema, relation.name).as_string(None)} to the role;"
                " under row-level security the role needs bypassrls, or leave the table out with --exclude",
            )
        case postgres.UndefinedColumn() | postgres.UndefinedTable() | postgres.InvalidSchemaName():
            return _altered(relation)
    return translate(error, f"copying table {name}")


def _altered(relation: Relation) -> ReDmsError:
    return TableAltered(
        f"table {printable(relation.full_name)} was altered, rewritten or truncated while it was copied; {_AGAIN}"
    )


def _lock_unchanged(connection: psycopg.Connection[Any], relation: Relation, *, partitioned: bool) -> None:
    """Keep the table as it is, and make sure that it is what the snapshot saw.

    A rewritten or truncated table shows no rows to older snapshots, silently; an attached or detached partition comes
    or goes: https://www.postgresql.org/docs/current/mvcc-caveats.html. The catalog is read as of the snapshot;
    pg_relation_filenode and pg_partition_tree tell the present.
    """
    table = sql.Identifier(relation.schema, relation.name)
    lock = sql.SQL("lock table {}{} in access share mode").format(sql.SQL("" if partitioned else "only "), table)
    compare = sql.SQL(
        "with recursive seen (oid) as ("
        "  select {oid}::oid union all select i.inhrelid from pg_inherits i join seen on i.inhparent = seen.oid"
        "  where {partitioned}"
        "), before as (select c.oid, c.relfilenode from pg_class c join seen on seen.oid = c.oid where c.relkind <> 'p'),"
        " tree as (select relid::oid as oid from pg_partition_tree({oid}) where isleaf and {partitioned}"
        "          union select {oid}::oid where not {partitioned}),"
        " now as (select oid, coalesce(pg_relation_filenode(oid), 0) from tree)"
        " select to_regclass({name}) is distinct from {oid}::oid"
        "     or exists (table before except table now) or exists (table now except table before)"
    ).format(
        oid=sql.Literal(relation.oid),
        partitioned=sql.Literal(partitioned),
        name=sql.Literal(table.as_string(connection)),
    )
    try:
        connection.execute(lock)
        changed = connection.execute(compare).fetchall()[0][0]
    except psycopg.Error as error:
        raise refused(error, relation) from None
    if changed:
        raise _altered(relation)
