"""Relations: a source table at one schema version, as the stream and the catalog describe it together."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from re_dms.pgtypes import PgType


class KeyKind(StrEnum):
    """How a row of the target is found."""

    KEYED = "keyed"  # by the key columns: primary key, identity index, or a primary key under FULL
    COUNTED = "counted"  # by the whole row, with a count: FULL without a key
    APPEND = "append"  # never: no replica identity, only inserts can happen


class OldRows(StrEnum):
    """What rows older than a column hold in it."""

    NULL = "null"  # no default: NULL
    VALUE = "value"  # `missing`, the constant that Postgres keeps for them
    UNKNOWN = "unknown"  # a rewritten table or a default that came later: cannot be told from the catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column, known by its attnum. `old_rows` and `missing` tell what an ADD COLUMN did to older rows; they are
    not part of the column's identity (VACUUM FULL clears them)."""

    attnum: int
    name: str
    type: PgType
    not_null: bool = False
    old_rows: OldRows = field(default=OldRows.NULL, compare=False)
    missing: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A source table at one schema version. Equal relations are the same version (protocol line 14).

    `columns` are in attnum order, as the stream sends them (generated columns are not sent).
    `key` holds attnums in the key's own order; empty for COUNTED and APPEND.
    `identity` is pg_class.relreplident: d(efault), n(othing), f(ull), i(ndex).
    """

    oid: int
    schema: str
    name: str
    identity: str
    key_kind: KeyKind
    key: tuple[int, ...]
    columns: tuple[Column, ...]

    @property
    def full_name(self) -> str:
        """schema.table, for messages only (never for SQL)."""
        return f"{self.schema}.{self.name}"

    def column(self, attnum: int) -> Column:
        """The column with this attnum. Raises KeyError."""
        for column in self.columns:
            if column.attnum == attnum:
                return column
        raise KeyError(attnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddColumn:
    """Followed: the target gets the column; older rows get `column.missing` (or NULL)."""

    column: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class DropColumn:
    """Followed: the target loses the column."""

    column: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFollowed:
    """A change that stops the pipeline by name; `what` says it in words."""

    what: str


SchemaChange = AddColumn | DropColumn | NotFollowed


def diff(old: Relation, new: Relation) -> list[SchemaChange]:
    """What has to happen to the target of `old` so that it is the target of `new`. Drops come before adds.

    Columns are matched by attnum. NOT NULL alone is no change to the target: we enforce nothing there.
    """
    changes: list[SchemaChange] = []
    if (old.schema, old.name) != (new.schema, new.name):
        changes.append(NotFollowed(what=f"it was renamed to {new.full_name}"))
    if (old.key_kind, old.key) != (new.key_kind, new.key):
        changes.append(NotFollowed(what=f"its key changed from {_key_words(old)} to {_key_words(new)}"))
    was = {column.attnum: column for column in old.columns}
    now = {column.attnum: column for column in new.columns}
    for attnum, column in was.items():
        if attnum not in now:
            changes.append(DropColumn(column=column))
    for attnum, column in now.items():
        before = was.get(attnum)
        if before is None:
            changes.append(_added(old, column))
        elif before.name != column.name:
            changes.append(NotFollowed(what=f"column {before.name!r} was renamed to {column.name!r}"))
        elif before.type != column.type:
            changes.append(
                NotFollowed(
                    what=f"column {column.name!r} changed its type from {before.type.name} to {column.type.name}"
                )
            )
    return changes


def _added(old: Relation, column: Column) -> SchemaChange:
    if any(other.name == column.name for other in old.columns):
        return NotFollowed(what=f"column {column.name!r} was dropped and added again")
    if column.old_rows is OldRows.UNKNOWN:
        return NotFollowed(
            what=f"column {column.name!r} was added with a default, and what older rows hold cannot be told"
        )
    return AddColumn(column=column)


def _key_words(relation: Relation) -> str:
    names = {column.attnum: column.name for column in relation.columns}
    if relation.key_kind is KeyKind.KEYED:
        return "(" + ", ".join(repr(names.get(attnum, "?")) for attnum in relation.key) + ")"
    return relation.key_kind.value
