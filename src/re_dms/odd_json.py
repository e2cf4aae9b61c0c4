"""JSON that a warehouse's JSON type may refuse, found in whole columns: first by cheap tests that no such text passes,
then exactly, among those that the tests have left.

The limits are those of Redshift's SUPER, https://docs.aws.amazon.com/redshift/latest/dg/limitations-super.html:
depth 1,000, no key twice in an object; U+0000, lone surrogates and numbers beyond DECIMAL(38) or a double are not known
to load. Strings have a limit too, but it is that of the whole text in a VARCHAR.
"""

from __future__ import annotations

import json
from typing import Final

import polars as pl

from re_dms.pgtypes import Kind, PgType

DEPTH_MAX: Final = 1_000
DIGITS_MAX: Final = 38
EXPONENT_MAX: Final = 300

_STRING: Final = r'(?s)"(?:[^"\\]|\\.)*"'
# A number stands behind the text's start, a bracket, a comma, a colon, a blank or its own minus sign.
_BEFORE: Final = r"(?:^|[\[:,\s-])"
_LONG: Final = rf"[0-9.]{{{DIGITS_MAX + 1}}}"
_STEEP: Final = r"[0-9.]+[eE][+-]?[0-9]{3}"
_BEYOND: Final = (
    rf"(?:[0-9]\.?){{{DIGITS_MAX}}}[0-9]|[eE][+-]?0*(?:30[1-9]|3[1-9][0-9]|[4-9][0-9]{{2}}|[1-9][0-9]{{3,}})"
)
_KEY: Final = r'"(?:[^"\\]|\\.)*"\s*:'
# Where the string behind a value begins with a colon, _KEY takes the wrong strings for keys.
_MISLEADING: Final = r'[,:{\[]\s*"\s*:'
_PAIR: Final = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_FORBIDDEN: Final = r"\\u(?:0000|[dD][89a-fA-F])"
_TOKEN: Final = r'(?s)"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}]'


def suspect(pg: PgType, value: pl.Expr, longest: int) -> pl.Expr | None:
    """Boolean: whether a text of at most `longest` bytes may be odd; None when none of the type can be. Never misses one.

    `json` keeps what it was given; jsonb, and what we write ourselves (arrays, hstores, composites), have unique keys,
    whole characters, and digits only where their numbers are numeric or floats.
    """
    tests = []
    if numbers := _numbers(pg):
        tests.append(value.str.contains(f"{_BEFORE}(?:{'|'.join(numbers)})"))
    if pg.kind in (Kind.JSON, Kind.JSONB) and longest > 2 * DEPTH_MAX:
        tests.append((value.str.len_bytes() > 2 * DEPTH_MAX) & (value.str.count_matches(r"[\[{]") > DEPTH_MAX))
    if pg.kind is Kind.JSON:
        keys = value.str.extract_all(_KEY)
        tests += [
            value.str.contains("\\u", literal=True),
            value.str.contains("\\/", literal=True),  # the other character that can be written in two ways
            value.str.contains(_MISLEADING),
            keys.list.n_unique() < keys.list.len(),
        ]
    return pl.any_horizontal(tests) if tests else None


def is_odd(pg: PgType, texts: pl.Series) -> pl.Series:
    """Boolean: whether a text, which `suspect` has chosen and which is no null, is odd. All on whole columns."""
    value = pl.col("text")
    frame = texts.rename("text").to_frame()
    bare = frame.select(value.str.replace_all(_STRING, '""')).to_series()
    odd = bare.str.contains(_BEYOND) if _numbers(pg) else pl.repeat(value=False, n=len(texts), eager=True)
    if pg.kind in (Kind.JSON, Kind.JSONB):
        odd |= _deep(bare)
    if pg.kind is Kind.JSON:
        escapes = value.str.replace_all("\\\\", "", literal=True).str.replace_all(_PAIR, "")
        odd |= frame.select(escapes.str.contains(_FORBIDDEN)).to_series()
        odd |= _doubled(texts)
    return odd


def _numbers(pg: PgType) -> list[str]:
    """Patterns of numbers that are too long or too steep, as far as the type's texts can hold such."""
    kinds = {pg.element} if pg.kind is Kind.ARRAY else {kind for _, kind in pg.fields} | {pg.kind}
    long = kinds & {Kind.NUMERIC, Kind.JSON, Kind.JSONB}
    steep = kinds & {Kind.FLOAT4, Kind.FLOAT8, Kind.JSON}
    if pg.kind in (Kind.ARRAY, Kind.COMPOSITE):  # JSON within these is a string
        long, steep = long & {Kind.NUMERIC}, steep - {Kind.JSON}
    return [_LONG] * bool(long) + [_STEEP] * bool(steep)


def _deep(bare: pl.Series) -> pl.Series:
    """Whether brackets nest deeper than the limit, in texts without the contents of their strings."""
    row, bracket = pl.col("row"), pl.col("bracket")
    step = pl.when(bracket.str.contains(r"[\[{]")).then(1).otherwise(-1)
    rows = (
        _numbered(bare.str.extract_all(r"[\[\]{}]"), "bracket")
        .select(row, step.cum_sum().over("row").alias("depth"))
        .filter(pl.col("depth") > DEPTH_MAX)["row"]
    )
    return _flagged(rows, len(bare))


def _doubled(texts: pl.Series) -> pl.Series:
    """Whether an object of the text has a key twice.

    An object is told by its depth and the number of braces that were opened at that depth so far.
    """
    token = pl.col("token")
    opens = token == "{"
    depth = (opens.cast(pl.Int32) - (token == "}").cast(pl.Int32)).cum_sum()
    keys = (
        _numbered(texts.str.extract_all(_TOKEN), "token")
        .with_columns(depth.alias("depth"))
        .with_columns(opens.cast(pl.Int32).cum_sum().over("depth").alias("object"))
        .filter(token.str.ends_with(":"))
        .with_columns(token.str.strip_suffix(":").str.strip_chars_end())
    )
    escaped = keys.filter(token.str.contains("\\", literal=True))["token"].unique()
    if len(escaped):  # rare: a loop over the different keys that are written with escapes
        ours = pl.DataFrame({"token": escaped, "plain": [_plain(key) for key in escaped]})
        keys = keys.join(ours, on="token", how="left").with_columns(pl.coalesce("plain", "token").alias("token"))
    return _flagged(keys.filter(pl.struct("depth", "object", "token").is_duplicated())["row"], len(texts))


def _plain(key: str) -> str:
    """The key in the one way in which equal keys are written; half of a surrogate pair, odd anyway, stays as it is."""
    text = json.dumps(json.loads(key), ensure_ascii=False)
    return text if text.encode(errors="replace").decode() == text else key


def _numbered(lists: pl.Series, name: str) -> pl.DataFrame:
    """The items of all lists in order, each with its list's row."""
    return lists.rename(name).to_frame().with_row_index("row").explode(name).drop_nulls(name)


def _flagged(rows: pl.Series, count: int) -> pl.Series:
    return pl.int_range(count, eager=True, dtype=pl.UInt32).is_in(rows.unique().implode())
