"""The one table of Postgres types: what a column's text form means to the journal and to warehouses.

A type's `kind` is resolved through domains to their base type. What is not named here is `OTHER`: its text form is
carried as it is. Source of the text forms: https://www.postgresql.org/docs/current/datatype.html, under the settings
that every connection of ours forces (ISO dates, postgres intervals, UTC, hex bytea, extra_float_digits 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What the text form of a value is."""

    BOOL = "bool"  # t, f
    INT2 = "int2"
    INT4 = "int4"
    INT8 = "int8"
    FLOAT4 = "float4"  # shortest round trip; NaN, Infinity, -Infinity
    FLOAT8 = "float8"
    NUMERIC = "numeric"  # never with an exponent; NaN, Infinity, -Infinity
    TEXT = "text"  # text, varchar, name, citext, "char"
    ENUM = "enum"  # the label
    BPCHAR = "bpchar"  # blank-padded as Postgres prints it
    BYTEA = "bytea"  # \x and hex in the stream, bare hex in the journal
    DATE = "date"  # YYYY-MM-DD[ BC]; infinity, -infinity
    TIME = "time"  # up to 24:00:00
    TIMETZ = "timetz"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    JSONB = "jsonb"
    ARRAY = "array"  # array literal in the stream, JSON in the journal
    HSTORE = "hstore"  # "a"=>"1", "b"=>NULL in the stream, a JSON object in the journal
    COMPOSITE = "composite"  # (1,"a b",) in the stream, a JSON object by field name in the journal
    OTHER = "other"


ASCII: Final = frozenset(Kind) - {
    Kind.TEXT,
    Kind.ENUM,
    Kind.BPCHAR,
    Kind.JSON,
    Kind.JSONB,
    Kind.ARRAY,
    Kind.HSTORE,
    Kind.COMPOSITE,
    Kind.OTHER,
}
"""Kinds whose texts are made of ASCII whatever the value: Postgres's own functions print them from numbers."""

# Built-in types by OID (src/include/catalog/pg_type.dat); all others are resolved by the catalog.
KIND_BY_OID: Final[dict[int, Kind]] = {
    16: Kind.BOOL,
    17: Kind.BYTEA,
    18: Kind.TEXT,  # "char"
    19: Kind.TEXT,  # name
    20: Kind.INT8,
    21: Kind.INT2,
    23: Kind.INT4,
    25: Kind.TEXT,
    114: Kind.JSON,
    700: Kind.FLOAT4,
    701: Kind.FLOAT8,
    1042: Kind.BPCHAR,
    1043: Kind.TEXT,  # varchar
    1082: Kind.DATE,
    1083: Kind.TIME,
    1114: Kind.TIMESTAMP,
    1184: Kind.TIMESTAMPTZ,
    1186: Kind.INTERVAL,
    1266: Kind.TIMETZ,
    1700: Kind.NUMERIC,
    2950: Kind.UUID,
    3802: Kind.JSONB,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PgType:
    """A column's type. `name` is `format_type(oid, typmod)`; `element` the kind of an array's elements; `fields` name and
    kind of a composite's attributes, in their order."""

    oid: int
    typmod: int
    name: str
    kind: Kind
    element: Kind | None = None
    fields: tuple[tuple[str, Kind], ...] = ()

    @property
    def precision_scale(self) -> tuple[int, int] | None:
        """(precision, scale) of `numeric(p,s)`, None when unconstrained. The scale may be negative (PG 15).

        For a domain the typmod is the domain's own, so it is not read from the column.
        Source: src/backend/utils/adt/numeric.c, make_numeric_typmod.
        """
        if self.kind is not Kind.NUMERIC or self.typmod < 4:
            return None
        packed = self.typmod - 4
        scale = packed & 0x7FF
        return packed >> 16 & 0xFFFF, (scale ^ 1024) - 1024
