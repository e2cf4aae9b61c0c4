"""The words of test_decoding's lines: what a line says of its table, and the layout that its table's lines must have.

Source: contrib/test_decoding/test_decoding.c (pg_decode_change, tuple_to_stringinfo, print_literal)
        https://www.postgresql.org/docs/current/test-decoding.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from re_dms.lsn import LSN
from re_dms.schema import Relation


class Form(Enum):
    """How print_literal writes the values of a type; NULL is always bare `null`."""

    BARE = auto()  # smallint, integer, bigint, oid, real, double precision, numeric
    BOOL = auto()  # true, false
    BITS = auto()  # B'101': bit, bit varying
    QUOTED = auto()  # everything else, domains over the types above included; only ' is doubled


@dataclass(frozen=True, slots=True, kw_only=True)
class LineColumn:
    """A column as a line names it. `type` is format_type's text without a modifier (`public.mood` or `mood`); `header`
    the bytes ` name[type]:` as they stand."""

    name: str
    type: str
    header: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTable:
    """The table of a line whose layout is not known (or not any more). `whole`: `columns` are all columns of the table,
    in order (a new tuple); otherwise those of a replica identity. `lsn`: near it, 0/0 where lines have none."""

    schema: str
    name: str
    columns: tuple[LineColumn, ...]
    whole: bool
    lsn: LSN


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutColumn:
    """A column in a line's tuple. `header`: the bytes ` name[type]:` before each of its values. `attnum` of the
    relation's column; None: printed, and not carried (generated columns)."""

    header: bytes
    attnum: int | None
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the lines of one table look: the columns of a new tuple in their order, and the relation that they fill.

    `relation` is the table itself, or the root of the partitions that it is one of: then `leaf` is set, and a TRUNCATE
    of it alone cannot be followed. Its key is the replica identity that old-key and DELETE print.
    """

    relation: Relation
    columns: tuple[LayoutColumn, ...]
    leaf: bool = False


Locate = Callable[[Sequence[tuple[str, str]]], Sequence[int | None]]
"""By (schema, name) of tables: the OID of the relation that their lines fill, in the same order. None: not carried."""

ResolveLines = Callable[[Sequence[LineTable]], Sequence[Layout | None]]
"""The layout of each table, in the same order, as of those lines. None: a table that is not carried.

A layout must agree with the line that was asked for: the same headers in the same order when `whole`.
"""
