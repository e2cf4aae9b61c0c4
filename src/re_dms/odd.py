"""Which values a warehouse may not hold, judged by the journal's text: capture counts them, apply looks for them again.

The limits are those of Redshift's types: https://docs.aws.amazon.com/redshift/latest/dg/c_Supported_data_types.html
"""

from __future__ import annotations

import sys
from typing import Final

import polars as pl

from re_dms import odd_json
from re_dms.pgtypes import Kind, PgType

TEXT_BYTES_MAX: Final = 65_535
"""What Redshift's VARCHAR holds. https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html"""
BYTEA_BYTES_MAX: Final = 1_023_999
"""One less than VARBYTE holds: https://docs.aws.amazon.com/redshift/latest/dg/r_VARBYTE_type.html

COPY takes an empty field for NULL (copy-parameters-data-conversion), so a file with an empty bytea is written anew, with a
byte in front of every value."""
NUMERIC_BYTES_MAX: Final = 1_024
"""How long the text of a numeric may be where no DECIMAL holds it."""
NOT_FINITE: Final = ("NaN", "Infinity", "-Infinity")
INFINITE: Final = ("infinity", "-infinity")

JSON_KINDS: Final = frozenset({Kind.JSON, Kind.JSONB, Kind.ARRAY, Kind.HSTORE, Kind.COMPOSITE})
_TEXTS: Final = frozenset({Kind.TEXT, Kind.BPCHAR, Kind.OTHER})
_DATES: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
# Below the normal range of its type a float has these exponents; a few above it have them too.
_DENORMAL: Final = {Kind.FLOAT4: r"e-(?:3[89]|4[0-9])$", Kind.FLOAT8: r"e-3(?:0[89]|[12][0-9])$"}


def suspect(pg: PgType, value: pl.Expr, *, longest: int = sys.maxsize) -> pl.Expr | None:
    """Boolean: whether a value may be odd. Cheap, never misses one; None when no value of the type can be odd.

    `longest`: no text has more bytes, if that is known.

    NaN, infinities and denormals of floats and numeric; infinity, BC and years over 9999 of dates and timestamps;
    infinite intervals; empty bytea; what is longer than the limits above; JSON as `odd_json` says (arrays, hstores and composites
    in the journal's dialect).
    """
    kind = pg.kind
    if kind in _DENORMAL:
        return value.is_in(NOT_FINITE) | value.str.contains(_DENORMAL[kind])
    if kind is Kind.NUMERIC:
        return value.is_in(NOT_FINITE) | (value.str.len_bytes() > NUMERIC_BYTES_MAX)
    if kind in _DATES:
        # The fifth character of YYYY-MM-DD is a dash; of infinity, -infinity and longer years it is not.
        return (value.str.slice(4, 1) != "-") | value.str.ends_with("BC")
    if kind is Kind.INTERVAL:
        return value.is_in(INFINITE)
    if kind is Kind.BYTEA:
        return (value == "") | (value.str.len_bytes() > 2 * BYTEA_BYTES_MAX)
    if kind in _TEXTS or kind in JSON_KINDS:
        long = value.str.len_bytes() > TEXT_BYTES_MAX
        more = odd_json.suspect(pg, value, longest) if kind in JSON_KINDS else None
        return long if more is None else long | more
    return None


def is_odd(pg: PgType, values: pl.Series) -> pl.Series:
    """Boolean, never null: whether a value is odd; for JSON exactly, for other types as `suspect` says."""
    test = suspect(pg, pl.col("value"))
    if test is None:
        return pl.repeat(value=False, n=len(values), eager=True)
    found = values.rename("value").to_frame().select(test.fill_null(value=False)).to_series()
    if pg.kind not in JSON_KINDS or not found.any():
        return found
    rows = found.arg_true()
    suspects = values.gather(rows)
    long = suspects.str.len_bytes() > TEXT_BYTES_MAX
    return found.scatter(rows, long | odd_json.is_odd(pg, suspects))
