"""Raw Postgres text → the journal's dialect 1, as expressions on whole columns.

bytea becomes bare hex, arrays become JSON; every other text stays as Postgres printed it (json, hstore, composites and
ranges too). Which values a warehouse may not hold is counted, not changed: what to do about them is apply's business.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from re_dms.errors import DecodeError
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, Relation

TEXT_BYTES_MAX: Final = 65_535
"""What Redshift's VARCHAR holds. https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html"""

_FLOATS: Final = frozenset({Kind.FLOAT4, Kind.FLOAT8, Kind.NUMERIC})
_NUMBERS: Final = _FLOATS | {Kind.INT2, Kind.INT4, Kind.INT8}
_DATES: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_TEXTS: Final = frozenset({Kind.TEXT, Kind.BPCHAR, Kind.JSON, Kind.JSONB, Kind.ARRAY, Kind.OTHER})
_NOT_FINITE: Final = ("NaN", "Infinity", "-Infinity")
_INFINITE: Final = ("infinity", "-infinity")

# array_out: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
_BOUNDS: Final = r"^(?:\[-?\d+:-?\d+\])+="
_STRING_OR_REST: Final = r'(?s)"(?:[^"\\]|\\.)*"|[^"]+'
_BOX_ARRAY: Final = 1020  # the one built-in type whose arrays are delimited by ';' (pg_type.typdelim)
_CONTROLS: Final = {chr(code): f"\\u{code:04x}" for code in range(0x20)}


def encode(frame: pl.DataFrame, relation: Relation) -> pl.DataFrame:
    """The frame with its `c<attnum>` and `f<attnum>` columns in the journal's dialect; all else passes unchanged.

    Arrays: numbers become JSON numbers (NaN and infinities strings), bool true/false, NULL null, every other element
    a JSON string of its text form; lower bounds are dropped, dimensions nest. Raises DecodeError for a text that is no
    array.
    """
    changed: list[pl.Expr | pl.Series] = []
    for column in relation.columns:
        for name in (f"c{column.attnum}", f"f{column.attnum}"):
            if name not in frame.columns:
                continue
            if column.type.kind is Kind.BYTEA:
                changed.append(pl.col(name).str.strip_prefix("\\x"))
            elif column.type.kind is Kind.ARRAY:
                changed.append(_arrays(frame[name], column, relation))
    return frame.with_columns(changed) if changed else frame


def encode_missing(relation: Relation) -> Relation:
    """The relation with the constants of its added columns (`Column.missing`, as Postgres prints them) in the dialect."""
    constants = {f"c{column.attnum}": [column.missing] for column in relation.columns if column.missing is not None}
    if not constants:
        return relation
    encoded = encode(pl.DataFrame(constants, schema=dict.fromkeys(constants, pl.String)), relation).row(0, named=True)
    columns = tuple(
        replace(column, missing=encoded.get(f"c{column.attnum}", column.missing)) for column in relation.columns
    )
    return replace(relation, columns=columns)


def odd_counts(frame: pl.DataFrame, relation: Relation) -> dict[str, int]:
    """Per attnum (as text), how many values of its `c` column a warehouse may not hold; zeros are left out.

    NaN and infinities of floats and numeric; infinity, BC and years over 9999 of dates and timestamps; infinite
    intervals; over TEXT_BYTES_MAX bytes of text-like kinds (arrays as JSON: call it after `encode`).
    """
    counts = []
    for column in relation.columns:
        name, odd = f"c{column.attnum}", _is_odd(column)
        if odd is not None and name in frame.columns:
            counts.append(odd.sum().alias(str(column.attnum)))
    if not counts:
        return {}
    return {attnum: int(count) for attnum, count in frame.select(counts).row(0, named=True).items() if count}


def _is_odd(column: Column) -> pl.Expr | None:
    value, kind = pl.col(f"c{column.attnum}"), column.type.kind
    if kind in _FLOATS:
        return value.is_in(_NOT_FINITE)
    if kind in _DATES:
        # The fifth character of YYYY-MM-DD is a dash; of infinity, -infinity and longer years it is not.
        return (value.str.slice(4, 1) != "-") | value.str.ends_with("BC")
    if kind is Kind.INTERVAL:
        return value.is_in(_INFINITE)
    if kind in _TEXTS:
        return value.str.len_bytes() > TEXT_BYTES_MAX
    return None


def _arrays(literals: pl.Series, column: Column, relation: Relation) -> pl.Series:
    """A column of array literals as JSON."""
    value = pl.col("a")
    frame = literals.rename("a").to_frame()
    quoted, controls, bounded = frame.select(
        value.str.contains('"', literal=True).any().alias("quoted"),
        value.str.contains(r"[\x00-\x1f]").any().alias("controls"),
        value.str.starts_with("[").any().alias("bounded"),
    ).row(0)
    if bounded:
        frame = frame.select(value.str.replace(_BOUNDS, ""))
    if not frame.select((value.str.starts_with("{") & value.str.ends_with("}")).all()).item():
        raise DecodeError(
            f"column {column.name!r} of {relation.full_name} is an array ({column.type.name}), "
            f"and a value does not read as one"
        )
    if quoted:
        # What a string escapes (\" and \\) is what JSON escapes: strings stay, the rest around them is translated.
        tokens, token = value.str.extract_all(_STRING_OR_REST), pl.element()
        translated = pl.when(token.str.starts_with('"')).then(token).otherwise(_unquoted(token, column.type))
        json = tokens.list.eval(translated).list.join("")
    else:
        json = _unquoted(value, column.type)
    if controls:  # they can only be within elements: array_out prints no white space of its own
        json = json.str.replace_many(_CONTROLS)
    return frame.select(json.alias(literals.name)).to_series()


def _unquoted(part: pl.Expr, type_: PgType) -> pl.Expr:
    """A part of array literals that is outside of strings, as JSON: braces, NULL, delimiters, bare elements."""
    if type_.element in _NUMBERS:
        # -Infinity is met before the Infinity in it: matches are taken from the left and do not overlap.
        numbers = {"{": "[", "}": "]", "NULL": "null"} | {word: f'"{word}"' for word in _NOT_FINITE}
        return part.str.replace_many(numbers)
    if type_.element is Kind.BOOL:
        return part.str.replace_many({"{": "[", "}": "]", "NULL": "null", "t": "true", "f": "false"})
    if type_.oid == _BOX_ARRAY:
        elements = part.str.replace_all(r"[^{};]+", '"$0"')
        return elements.str.replace_many({'"NULL"': "null", "{": "[", "}": "]", ";": ","})
    elements = part.str.replace_all(r"[^{},]+", '"$0"')
    return elements.str.replace_many({'"NULL"': "null", "{": "[", "}": "]"})
