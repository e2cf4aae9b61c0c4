"""Postgres's own notations of structured values → JSON, as expressions on whole columns.

Numbers become JSON numbers (NaN and infinities strings), bool true and false, NULL null; everything else a JSON string of
its text form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from re_dms.errors import DecodeError
from re_dms.odd import NOT_FINITE
from re_dms.pgtypes import Kind, PgType

_NUMBERS: Final = frozenset({Kind.INT2, Kind.INT4, Kind.INT8, Kind.FLOAT4, Kind.FLOAT8, Kind.NUMERIC})
_STRING_OR_REST: Final = r'(?s)"(?:[^"\\]|\\.)*"|[^"]+'
_CONTROLS: Final = {chr(code): f"\\u{code:04x}" for code in range(0x20)}

# array_out: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
_BOUNDS: Final = r"^(?:\[-?\d+:-?\d+\])+="
_BOX_ARRAY: Final = 1020  # the one built-in type whose arrays are delimited by ';' (pg_type.typdelim)

# record_out: https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX
_FIELD: Final = r'("(?:[^"\\]|""|\\\\)*"|[^,()"\\]*)'


def arrays(literals: pl.Series, pg: PgType, where: str) -> pl.Series:
    """Array literals as JSON arrays: lower bounds are dropped, dimensions nest. Raises DecodeError naming `where`."""
    value = pl.col(literals.name)
    frame = literals.to_frame()
    if literals.str.starts_with("[").any():
        frame = frame.select(value.str.replace(_BOUNDS, ""))
    _require(frame.to_series(), pg, where, before="{", after="}")
    # What a string escapes (\" and \\) is what JSON escapes: strings stay, the rest around them is translated.
    return _without_controls(_around_strings(frame.to_series(), lambda part: _unquoted(part, pg)))


def hstores(texts: pl.Series, pg: PgType, where: str) -> pl.Series:
    """hstore's pairs as a JSON object of strings and nulls. Raises DecodeError naming `where`.

    hstore_out quotes every key and value, and escapes as JSON does.
    https://www.postgresql.org/docs/current/hstore.html
    """
    _require(texts.filter(texts != ""), pg, where, before='"', after="")
    pairs = _around_strings(texts, lambda part: part.str.replace_many({"=>": ":", ", ": ",", "NULL": "null"}))
    whole = pl.concat_str(pl.lit("{"), pl.col(pairs.name), pl.lit("}")).alias(pairs.name)
    return _without_controls(pairs.to_frame().select(whole).to_series())


def composites(texts: pl.Series, pg: PgType, where: str) -> pl.Series:
    """Rows of a composite type as JSON objects by field name. Raises DecodeError naming `where`.

    A row with another number of fields (the type was altered, and the catalog is read later; the watcher will stop the
    table for that) becomes a JSON string of its text.
    """
    _require(texts, pg, where, before="(", after=")")
    pattern = rf"(?s)^(\({','.join([_FIELD] * len(pg.fields))}\))$"
    text = pl.col(texts.name)
    parts: list[pl.Expr] = []
    for number, (name, kind) in enumerate(pg.fields, 2):
        said = pl.col("groups").struct.field(str(number))
        key = name.replace("\\", "\\\\").replace('"', '\\"')
        parts += [pl.lit(f'{"," if parts else ""}"{key}":'), _field(said, kind)]
    whole = pl.concat_str(pl.lit("{"), *parts, pl.lit("}"))
    escaped = pl.concat_str(pl.lit('"'), text.str.replace_many({"\\": "\\\\", '"': '\\"'}), pl.lit('"'))
    matched = pl.col("groups").struct.field("1").is_not_null()
    frame = texts.to_frame().with_columns(text.str.extract_groups(pattern).alias("groups"))
    found = frame.select(pl.when(matched).then(whole).when(text.is_not_null()).then(escaped).alias(texts.name))
    return _without_controls(found.to_series())


def _require(texts: pl.Series, pg: PgType, where: str, *, before: str, after: str) -> None:
    if not (texts.str.starts_with(before) & texts.str.ends_with(after)).all():
        raise DecodeError(f"{where} is of type {pg.name}, and a value does not read as one")


def _around_strings(texts: pl.Series, translated: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """Texts with all that is outside of "strings" translated."""
    value, token = pl.col(texts.name), pl.element()
    if texts.str.contains('"', literal=True).any():
        tokens = value.str.extract_all(_STRING_OR_REST)
        either = pl.when(token.str.starts_with('"')).then(token).otherwise(translated(token))
        return texts.to_frame().select(tokens.list.eval(either).list.join("")).to_series()
    return texts.to_frame().select(translated(value)).to_series()


def _without_controls(texts: pl.Series) -> pl.Series:
    """Control characters can only be within strings: nothing prints white space of its own but blanks."""
    return texts.str.replace_many(_CONTROLS) if texts.str.contains(r"[\x00-\x1f]").any() else texts


def _unquoted(part: pl.Expr, pg: PgType) -> pl.Expr:
    """A part of array literals that is outside of strings, as JSON: braces, NULL, delimiters, bare elements."""
    if pg.element in _NUMBERS:
        # -Infinity is met before the Infinity in it: matches are taken from the left and do not overlap.
        numbers = {"{": "[", "}": "]", "NULL": "null"} | {word: f'"{word}"' for word in NOT_FINITE}
        return part.str.replace_many(numbers)
    if pg.element is Kind.BOOL:
        return part.str.replace_many({"{": "[", "}": "]", "NULL": "null", "t": "true", "f": "false"})
    if pg.oid == _BOX_ARRAY:
        elements = part.str.replace_all(r"[^{};]+", '"$0"')
        return elements.str.replace_many({'"NULL"': "null", "{": "[", "}": "]", ";": ","})
    elements = part.str.replace_all(r"[^{},]+", '"$0"')
    return elements.str.replace_many({'"NULL"': "null", "{": "[", "}": "]"})


def _field(said: pl.Expr, kind: Kind) -> pl.Expr:
    """A field of a composite as record_out writes it, as JSON. Within quotes it doubles quotes and backslashes."""
    if kind in _NUMBERS:
        bare = said.str.replace_many({word: f'"{word}"' for word in NOT_FINITE})
    elif kind is Kind.BOOL:
        bare = said.replace({"t": "true", "f": "false"})
    else:
        bare = pl.concat_str(pl.lit('"'), said, pl.lit('"'))
    inner = said.str.slice(1, said.str.len_chars() - 2).str.replace_many({'""': '\\"'})
    quoted = pl.concat_str(pl.lit('"'), inner, pl.lit('"'))
    return pl.when(said == "").then(pl.lit("null")).when(said.str.starts_with('"')).then(quoted).otherwise(bare)
