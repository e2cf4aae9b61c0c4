"""Which values of a column do not fit its Redshift type, why, and what a policy makes of them."""

from __future__ import annotations

import sys
from typing import Final

import polars as pl

from re_dms.odd import INFINITE, NOT_FINITE, is_odd
from re_dms.pgtypes import Kind, PgType
from re_dms.warehouse.redshift import json_values
from re_dms.warehouse.redshift.policies import Policy
from re_dms.warehouse.redshift.types import SUPER, bytes_max, redshift_type

JUDGED: Final = pl.Schema(
    {"row": pl.UInt32, "value": pl.String, "reason": pl.String, "policy": pl.String, "mended": pl.Boolean}
)
STRING: Final = "string"
"""The policy of numbers in JSON that become strings whatever the configuration says."""

# The largest finite value, as Postgres prints it, and the smallest that is not denormal.
_FLOATS: Final = {
    Kind.FLOAT4: ("3.4028235e+38", 2.0**-126),
    Kind.FLOAT8: ("1.7976931348623157e+308", sys.float_info.min),
}
# The first and the last that COPY is known to read.
_DATES: Final = {
    Kind.DATE: ("0001-01-01", "9999-12-31"),
    Kind.TIMESTAMP: ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"),
    Kind.TIMESTAMPTZ: ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"),
}
_CUT: Final = frozenset({Kind.TEXT, Kind.BPCHAR, Kind.OTHER, Kind.BYTEA})
_CHARACTER_BYTES_MAX: Final = 4


def judge(pg: PgType, values: pl.Series, policy: Policy) -> pl.DataFrame:
    """The values that do not fit, by JUDGED: row, the value to load, why, by which policy; `mended` is False where the
    policy has no way, and then `value` says nothing. Rows ascend."""
    rows = is_odd(pg, values).arg_true()
    found = pl.DataFrame({"row": rows, "text": values.gather(rows)}, schema={"row": pl.UInt32, "text": pl.String})
    if redshift_type(pg) == SUPER:
        return _judge_json(found, policy)
    value, mended = _mended(pg, policy)
    return (
        found.with_columns(_reason(pg).alias("reason"))
        .filter(pl.col("reason").is_not_null())
        .select("row", value.alias("value"), "reason", pl.lit(policy.value).alias("policy"), mended.alias("mended"))
        .cast(JUDGED)
    )


def _reason(pg: PgType) -> pl.Expr:
    """Why a value does not fit; null where it does."""
    text = pl.col("text")
    if pg.kind in _FLOATS:
        small = text.cast(pl.Float64).abs() < _FLOATS[pg.kind][1]
        return (
            pl.when(text == "NaN").then(pl.lit("NaN")).when(text.is_in(NOT_FINITE)).then(pl.lit("infinity"))
            .when(small).then(pl.lit("a number too small for its type's normal range"))
        )  # fmt: skip
    if pg.kind in _DATES:
        return (
            pl.when(text.is_in(INFINITE)).then(pl.lit("infinity"))
            .when(text.str.ends_with("BC")).then(pl.lit("a date before Christ"))
            .otherwise(pl.lit("a year of more than four digits"))
        )  # fmt: skip
    size = bytes_max(pg)
    if size is not None:
        length = text.str.len_bytes() // (2 if pg.kind is Kind.BYTEA else 1)
        return pl.when(length > size).then(pl.lit(f"more than {size:,} bytes"))
    if pg.kind is Kind.NUMERIC:
        return pl.when(text == "NaN").then(pl.lit("NaN")).when(text.is_in(NOT_FINITE)).then(pl.lit("infinity"))
    return pl.lit(None, pl.String)


def _mended(pg: PgType, policy: Policy) -> tuple[pl.Expr, pl.Expr]:
    """What the policy makes of a value that does not fit, and whether it can."""
    text, null, yes = pl.col("text"), pl.lit(None, pl.String), pl.lit(value=True)
    if policy is Policy.NULL:
        return null, yes
    if policy is Policy.TRUNCATE and pg.kind in _CUT:
        return _cut(pg, text), yes
    if policy is Policy.CLAMP and pg.kind in _DATES:
        least, most = _DATES[pg.kind]
        early = text.str.starts_with("-") | text.str.ends_with("BC")
        return pl.when(early).then(pl.lit(least)).otherwise(pl.lit(most)), yes
    if policy is Policy.CLAMP and (most := _largest(pg)):
        clamped = {"Infinity": most, "-Infinity": f"-{most}", "NaN": None}
        return text.replace_strict(clamped, default="0", return_dtype=pl.String), yes
    return null, ~yes


def _largest(pg: PgType) -> str:
    """The text of the largest number that the target holds, '' where it is none."""
    if pg.kind in _FLOATS:
        return _FLOATS[pg.kind][0]
    name, _, rest = redshift_type(pg).partition("(")
    if pg.kind is not Kind.NUMERIC or name != "numeric":
        return ""
    precision, scale = map(int, rest.removesuffix(")").split(","))
    return "9" * (precision - scale) + ("." + "9" * scale if scale else "") if precision > scale else "0." + "9" * scale


def _cut(pg: PgType, text: pl.Expr) -> pl.Expr:
    """The beginning that fits; no character is cut in two: the byte behind the cut begins one (is no 10xxxxxx)."""
    size = bytes_max(pg) or 0
    if pg.kind is Kind.BYTEA:
        return text.str.slice(0, 2 * size)
    data = text.cast(pl.Binary)
    begins = [
        pl.when((data.bin.slice(at, 1) < pl.lit(b"\x80")) | (data.bin.slice(at, 1) >= pl.lit(b"\xc0"))).then(
            data.bin.slice(0, at)
        )
        for at in range(size, size - _CHARACTER_BYTES_MAX, -1)
    ]
    return pl.coalesce(begins).cast(pl.String)


def _judge_json(found: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """A loop, over the few texts that may not fit: an altered one, and one that needs a policy, each with its reasons."""
    judged: list[tuple[int, str | None, str, str, bool]] = []
    for row, text in found.iter_rows():
        json = json_values.judge(text, keep_last=policy is Policy.CLAMP)
        if json.unfit:
            judged.append((row, None, _words(json.unfit), policy.value, policy is Policy.NULL))
        elif json.altered:
            only_strings = json.altered == {json_values.BIG_NUMBER}
            judged.append((row, json.text, _words(json.altered), STRING if only_strings else policy.value, True))
    return pl.DataFrame(judged, schema=JUDGED, orient="row")


def _words(reasons: frozenset[str]) -> str:
    return "; ".join(sorted(reasons))
