"""A table's version in the domain's words: from the catalog (for copies) or from the stream and the catalog together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Protocol

from re_dms.errors import RelationChanged
from re_dms.pgtypes import PgType
from re_dms.schema import Column, KeyKind, Relation
from re_dms.source.catalog import CatalogColumn, CatalogTable


class ColumnOnWire(Protocol):
    """A column of a Relation message. `key`: part of the replica identity (all columns under FULL)."""

    @property
    def name(self) -> str: ...
    @property
    def type_oid(self) -> int: ...
    @property
    def typmod(self) -> int: ...
    @property
    def key(self) -> bool: ...


class RelationOnWire(Protocol):
    """A Relation message: what the stream knew of the table at that position. It holds no attnums."""

    @property
    def oid(self) -> int: ...
    @property
    def schema(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def columns(self) -> Sequence[ColumnOnWire]: ...


def relation_from_catalog(
    table: CatalogTable, *, columns: Collection[int] | None = None, generated: bool = False
) -> Relation:
    """The version that a copy carries: the columns that the stream sends, too.

    `columns` are the attnums of the publication's column list, if it has one; `generated` whether the publication
    sends stored generated columns (Postgres 18). Raises RelationChanged when the list leaves out key columns.
    """
    attnums = sent_columns(table, columns=columns, generated=generated)
    kept = tuple(_column(column) for column in table.columns if column.attnum in attnums)
    if not set(table.identity_key) <= attnums:
        raise RelationChanged(
            f"table {table.full_name}: its key has columns that the publication does not send",
            remedy="add them to the publication's column list, or use a key without generated columns",
        )
    kind, key = _key(table.identity, table.identity_key, table, attnums)
    return Relation(
        oid=table.oid,
        schema=table.schema,
        name=table.name,
        identity=table.identity,
        key_kind=kind,
        key=key,
        columns=kept,
    )


def sent_columns(
    table: CatalogTable, *, columns: Collection[int] | None = None, generated: bool = False
) -> frozenset[int]:
    """The attnums of what the stream sends of the table; parameters as for `relation_from_catalog`."""
    return frozenset(
        column.attnum
        for column in table.columns
        if (column.attnum in columns if columns is not None else not column.generated)
        or (columns is None and generated and column.generated == "s")
    )


def relation_from_wire(wire: RelationOnWire, table: CatalogTable | None, previous: Relation | None) -> Relation:
    """The version that a Relation message announces, with the attnums that the message lacks.

    A message that says what `previous` was is `previous` as long as none of its columns was dropped: all of them were
    there then, whatever they are called by now. Else a column's attnum is the catalog's for that name and type; for a
    column that is gone by now, the one it had in `previous`. Columns stay in the order of the message, which is the
    order of attnums. Raises RelationChanged when neither knows a column: the table was changed again before it was read.
    """
    if previous is not None and table is not None and _still_is(wire, previous, table):
        columns = previous.columns
    else:
        columns = tuple(_known_column(wire, column, table, previous) for column in wire.columns)
    attnums = [column.attnum for column in columns]
    if any(left >= right for left, right in pairwise(attnums)):
        raise _changed_again(wire, "the order of its columns")
    flagged = tuple(column.attnum for column, sent in zip(columns, wire.columns, strict=True) if sent.key)
    known = () if table is None else table.identity_key
    in_order = known if set(known) == set(flagged) else flagged
    kind, key = _key(wire.identity, in_order, table, set(attnums))
    return Relation(
        oid=wire.oid,
        schema=wire.schema,
        name=wire.name,
        identity=wire.identity,
        key_kind=kind,
        key=key,
        columns=columns,
    )


def _key(
    identity: str, identity_key: tuple[int, ...], table: CatalogTable | None, attnums: Collection[int]
) -> tuple[KeyKind, tuple[int, ...]]:
    if identity == "f":
        # A deferrable key may hold twice within a transaction; rows are told apart by all their columns then.
        primary = table.primary_key if table is not None and table.primary_key_immediate else ()
        if primary and set(primary) <= set(attnums):
            return KeyKind.KEYED, primary
        return KeyKind.COUNTED, ()
    if identity in ("d", "i") and identity_key:
        return KeyKind.KEYED, identity_key
    return KeyKind.APPEND, ()


def _still_is(wire: RelationOnWire, previous: Relation, table: CatalogTable) -> bool:
    there = {column.attnum for column in table.columns}
    return (
        len(wire.columns) == len(previous.columns)
        and all(
            past.name == sent.name and _is_type(past.type, sent)
            for past, sent in zip(previous.columns, wire.columns, strict=True)
        )
        and there >= {column.attnum for column in previous.columns}
    )


def _known_column(
    wire: RelationOnWire, sent: ColumnOnWire, table: CatalogTable | None, previous: Relation | None
) -> Column:
    now = () if table is None else table.columns
    for column in now:
        if column.name == sent.name and _is_type(column.type, sent):
            return _column(column)
    there = {column.attnum for column in now}
    before = () if previous is None else previous.columns
    for past in before:
        if past.name == sent.name and _is_type(past.type, sent) and past.attnum not in there:
            return past
    raise _changed_again(wire, f"column {sent.name!r}")


def _is_type(known: PgType, sent: ColumnOnWire) -> bool:
    return (known.oid, known.typmod) == (sent.type_oid, sent.typmod)


def _column(column: CatalogColumn) -> Column:
    return Column(
        attnum=column.attnum,
        name=column.name,
        type=column.type,
        not_null=column.not_null,
        old_rows=column.old_rows,
        missing=column.missing,
    )


def _changed_again(wire: RelationOnWire, what: str) -> RelationChanged:
    return RelationChanged(
        f"table {wire.schema}.{wire.name}: {what} was changed again before the change was read",
        remedy=f"copy the table again: re-dms reset --table {wire.schema}.{wire.name}",
    )
