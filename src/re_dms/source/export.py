"""Copies: a table's rows under an exported snapshot, each value in the very text that the stream would send.

Source: https://www.postgresql.org/docs/current/sql-copy.html
"""

from __future__ import annotations

import select
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors as postgres
from psycopg import pq, sql

from re_dms.errors import InvariantError, ReDmsError, SourceError, SourceUnavailable
from re_dms.schema import Column, Relation
from re_dms.source.connection import send_as_stored
from re_dms.source.failures import printable, reported, translate

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_HEADER: Final = struct.Struct("!11sii")
_TRAILER: Final = b"\xff\xff"
# text, varchar, bpchar, json: COPY BINARY sends the bytes of their text form anyway (textsend).
_SENT_AS_TEXT: Final = frozenset((25, 114, 1042, 1043))
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


def copy_statement(relation: Relation, *, partitioned: bool, row_filter: str | None = None) -> sql.Composed:
    """COPY of the relation's columns in their order, every value as text, in binary format.

    `row_filter` is SQL from the publication. Children by inheritance are left out (they are tables of their own),
    partitions are taken in.
    """
    columns = sql.SQL(", ").join(_as_printed(column) for column in relation.columns)
    where = sql.SQL(f" where ({row_filter})" if row_filter else "")
    return sql.SQL("copy (select {} from {}{}{}) to stdout (format binary)").format(
        columns, sql.SQL("" if partitioned else "only "), sql.Identifier(relation.schema, relation.name), where
    )


def iter_copy(
    connection: psycopg.Connection[Any], relation: Relation, *, partitioned: bool, row_filter: str | None = None
) -> Iterator[memoryview]:
    """The rows of the table, inside `under_snapshot`: each the tuple of COPY BINARY, without the file's header and trailer.

    `relation` is the version that the catalog shows under the same snapshot. Every view owns its bytes.
    When the generator is left before its end, the connection can only be closed. Raises
    TableAltered, before the first row, when the table was rewritten, truncated or altered since the
    snapshot was taken, and SourceError when its rows may not be read or row-level security would hide some.
    """
    if connection.info.transaction_status != pq.TransactionStatus.INTRANS:
        raise InvariantError("a copy was begun outside of a transaction with a snapshot")
    _lock_unchanged(connection, relation, partitioned=partitioned)
    statement = copy_statement(relation, partitioned=partitioned, row_filter=row_filter).as_bytes(connection)
    send_as_stored(connection)
    yield from _rows(connection.pgconn, statement, relation)


def _as_printed(column: Column) -> sql.Composable:
    """The value by its type's output function, as pgoutput prints it.

    A cast to text is another thing for bool, bpchar and whatever has a cast of its own. concat() calls the output
    function, but makes '' of NULL. IS NULL would take a row of NULLs for NULL; IS DISTINCT FROM NULL does not, and
    needs no equality operator.
    """
    name = sql.Identifier(column.name)
    if column.type.oid in _SENT_AS_TEXT:
        return name
    return sql.SQL("case when {0} is distinct from null then concat({0}) end").format(name)


def _rows(pgconn: pq.abc.PGconn, statement: bytes, relation: Relation) -> Iterator[memoryview]:
    try:
        pgconn.send_query(statement)
        _require(pgconn, pq.ExecStatus.COPY_OUT, relation)
        first = True
        while (data := _payload(pgconn)) is not None:
            if first:
                data, first = _without_header(data), False
            if len(data) > len(_TRAILER) or data.tobytes() not in (_TRAILER, b""):
                yield data
        _require(pgconn, pq.ExecStatus.COMMAND_OK, relation)
        while _result(pgconn) is not None:
            pass
    except psycopg.Error as error:
        raise _refused(error, relation) from None


def _payload(pgconn: pq.abc.PGconn) -> memoryview | None:
    """The next CopyData payload; None at the end. Waits outside of libpq, so that other threads run."""
    while True:
        length, data = pgconn.get_copy_data(1)
        if length > 0:
            return memoryview(data)
        if length < 0:
            return None
        _wait(pgconn)


def _result(pgconn: pq.abc.PGconn) -> pq.abc.PGresult | None:
    while pgconn.flush() == 1:
        select.select([], [pgconn.socket], [])
    while pgconn.is_busy():
        _wait(pgconn)
    return pgconn.get_result()


def _wait(pgconn: pq.abc.PGconn) -> None:
    select.select([pgconn.socket], [], [])
    pgconn.consume_input()


def _without_header(data: memoryview) -> memoryview:
    """The first payload holds the file's header, and with it the first row or the trailer."""
    signature, _, extension = _HEADER.unpack_from(data)
    if signature != _SIGNATURE:
        raise SourceError("the source's COPY does not begin with the header of the binary format")
    return data[_HEADER.size + extension :]


def _require(pgconn: pq.abc.PGconn, status: pq.ExecStatus, relation: Relation) -> None:
    """Take the next result, which must be of this status."""
    result = _result(pgconn)
    if result is None or result.status == status:
        return
    while _result(pgconn) is not None:  # so that the session can go on
        pass
    raise _refused(postgres.error_from_result(result, encoding="utf-8"), relation)


def _refused(error: psycopg.Error, relation: Relation) -> ReDmsError:
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
        raise _refused(error, relation) from None
    if changed:
        raise _altered(relation)
