"""Which DuckDB type a Postgres column gets, and how the journal's text becomes its value.

A type is native only where every value that fits survives exactly, which `tests/warehouse/duckdb_file/test_types.py` asks of
literals made by a real Postgres; a value that does not fit is an error (`ValueDoesNotFit`), never another value.

| Postgres                            | DuckDB         | why not native, or what is adapted                             |
|-------------------------------------|----------------|----------------------------------------------------------------|
| boolean                             | BOOLEAN        |                                                                |
| smallint, integer, bigint           | SMALLINT, INTEGER, BIGINT |                                                     |
| real, double precision              | FLOAT, DOUBLE  | NaN, infinities, -0 and denormals survive                      |
| numeric(p,s), p ≤ 38, 0 ≤ s ≤ p     | DECIMAL(p,s)   | NaN and Infinity do not fit                                    |
| numeric, other numeric(p,s)         | VARCHAR        | DECIMAL has at most 38 digits                                  |
| text, varchar, char(n), enums, name | VARCHAR        | char(n) keeps its padding                                      |
| bytea                               | BLOB           | bare hexadecimal in the journal                                |
| date                                | DATE           | BC is written behind the date; infinity is kept                |
| time                                | TIME           | 24:00:00 is kept                                               |
| timestamp, timestamptz              | TIMESTAMP, TIMESTAMP WITH TIME ZONE | BC as above; beyond 294247-01-10 does not fit |
| uuid                                | UUID           |                                                                |
| jsonb, arrays, hstore, composites   | JSON           | the text survives                                              |
| json                                | VARCHAR        | DuckDB refuses lone surrogates (`"\\ud800"`) that json allows   |
| interval, timetz, money, all others | VARCHAR        | DuckDB's intervals and zones are not Postgres's                |
"""

from __future__ import annotations

from typing import Final

from re_dms.pgtypes import Kind, PgType

DECIMAL_DIGITS_MAX: Final = 38

_NATIVE: Final[dict[Kind, str]] = {
    Kind.BOOL: "BOOLEAN",
    Kind.INT2: "SMALLINT",
    Kind.INT4: "INTEGER",
    Kind.INT8: "BIGINT",
    Kind.FLOAT4: "FLOAT",
    Kind.FLOAT8: "DOUBLE",
    Kind.BYTEA: "BLOB",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE",
    Kind.UUID: "UUID",
    Kind.JSONB: "JSON",
    Kind.ARRAY: "JSON",
    Kind.HSTORE: "JSON",
    Kind.COMPOSITE: "JSON",
}


def duckdb_type(pg: PgType) -> str:
    """The target column's type, spelt as DuckDB itself prints it."""
    if pg.kind is Kind.NUMERIC:
        constrained = pg.precision_scale
        if constrained is None:
            return "VARCHAR"
        precision, scale = constrained
        return (
            f"DECIMAL({precision},{scale})"
            if precision <= DECIMAL_DIGITS_MAX and 0 <= scale <= precision
            else "VARCHAR"
        )
    return _NATIVE.get(pg.kind, "VARCHAR")


def value(pg: PgType, text: str) -> str:
    """SQL for the target's value of `text`, an SQL expression that gives the journal's text of a value.

    The expression raises on a value that does not fit. The session's TimeZone has to be UTC.
    """
    target = duckdb_type(pg)
    if target == "VARCHAR":
        return text
    if pg.kind is Kind.BYTEA:
        return f"unhex({text})"
    if pg.kind is Kind.DATE:
        # Without this DuckDB refuses a BC date, and silently reads a BC timestamp as AD.
        text = f"case when {text} like '% BC' then replace({text}, ' BC', ' (BC)') else {text} end"
    elif pg.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        adapted = f"replace(replace({text}, ' BC', ''), ' ', ' (BC) ')"
        text = f"case when {text} like '% BC' then {adapted} else {text} end"
    return f"cast({text} as {target})"


def missing_value(pg: PgType, literal: str) -> str:
    """As `value`, for the constant that older rows of an added column hold; a bytea's may still wear its `\\x`."""
    if pg.kind is Kind.BYTEA:
        literal = f"regexp_replace({literal}, '^\\\\x', '')"
    return value(pg, literal)


def equal_is_same(pg: PgType) -> bool:
    """Whether equal values are the same value. Not so for floats: -0 = 0, and Postgres prints them apart."""
    return pg.kind not in (Kind.FLOAT4, Kind.FLOAT8)
