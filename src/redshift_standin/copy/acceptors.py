"""The quick judges: whole columns at once. They only ever say "surely good, and its text is …".

What they are not sure of goes to `values`, one by one. Whatever they accept, `values` accepts with the same text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from redshift_standin.copy.numbers import FALSE, FLOAT_RANGES, INT64_PRECISION, TRUE
from redshift_standin.copy.outcome import TargetColumn
from redshift_standin.copy.values import CHARACTER_TYPES
from redshift_standin.sql.statements import Copy

# A field's text, and whether it was quoted, to: is it sure, and what is its text (null: NULL).
Judged = tuple[pl.Expr, pl.Expr]

_DAY = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_UTC = "(?:[+]00)?"
_WHOLE: Final = {"smallint": pl.Int16, "integer": pl.Int32, "bigint": pl.Int64}
_DAY_CHARACTERS: Final = 10
_NOBODY: Final = pl.lit(value=False)


def accept(text: pl.Expr, quoted: pl.Expr, column: TargetColumn, command: Copy) -> Judged:
    """`text` is null where the bytes are not UTF-8."""
    null_string = text == command.null_as
    # Nobody knows whether SUPER follows NULL AS, nor whether quotes protect from it.
    refused = null_string if column.type.name == "super" and command.null_as else null_string & quoted
    null = null_string & ~refused
    empty = text.str.len_bytes() == 0
    sure, rendered = _form(text, column, command)
    if column.type.name not in CHARACTER_TYPES or command.empty_as_null:
        null |= empty
    elif command.blanks_as_null:
        sure &= ~empty
    good = text.is_not_null() & (null | sure) & ~refused
    if column.not_null:
        good &= ~null
    return good.fill_null(value=False), pl.when(~null).then(rendered)


def _form(text: pl.Expr, column: TargetColumn, command: Copy) -> Judged:
    """For fields that are not NULL."""
    if column.type.name in CHARACTER_TYPES:
        return _characters(text, column, command), text
    return _FORMS[column.type.name](text, column, command)


def _characters(text: pl.Expr, column: TargetColumn, command: Copy) -> pl.Expr:
    sure = text.str.len_bytes() <= column.type.length
    if column.type.name == "character":
        sure &= text.str.len_bytes() == text.str.len_chars()
    if command.trim_blanks or command.blanks_as_null:
        # What ends in a printable ASCII character has nothing to trim and is not blank; '' is looked at elsewhere.
        sure &= text.str.contains("[!-~]$") | (text.str.len_bytes() == 0)
    return sure


def _whole(text: pl.Expr, column: TargetColumn, _: Copy) -> Judged:
    number = text.cast(_WHOLE[column.type.name], strict=False)
    return number.is_not_null() & (number.cast(pl.String) == text), text


def _decimal(text: pl.Expr, column: TargetColumn, _: Copy) -> Judged:
    kind = column.type
    before = kind.precision - kind.scale - (1 if kind.precision == INT64_PRECISION else 0)
    if before < 1:
        return _NOBODY, text
    after = rf"(?:\.[0-9]{{1,{kind.scale}}})?" if kind.scale else ""
    return text.str.contains(rf"^-?[0-9]{{1,{before}}}{after}$"), text


def _floating(text: pl.Expr, column: TargetColumn, _: Copy) -> Judged:
    most, least = FLOAT_RANGES[column.type.name]
    number = text.cast(pl.Float64, strict=False).abs()
    form = text.str.contains(r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?$")
    return form & number.is_between(least * 10, most / 10), text


def _boolean(text: pl.Expr, _: TargetColumn, __: Copy) -> Judged:
    true = text.is_in(sorted(TRUE))
    return true | text.is_in(sorted(FALSE)), pl.when(true).then(pl.lit("t")).otherwise(pl.lit("f"))


def _is_day(text: pl.Expr) -> pl.Expr:
    day = text.str.slice(0, _DAY_CHARACTERS)
    return day.str.to_date("%Y-%m-%d", strict=False, exact=True).is_not_null() & (day >= "0001")


def _iso(given: str | None) -> bool:
    return given in (None, "auto")


def _date(text: pl.Expr, _: TargetColumn, command: Copy) -> Judged:
    if not _iso(command.date_format):
        return _NOBODY, text
    return text.str.contains(f"^{_DAY}$") & _is_day(text), text


def _timestamp(text: pl.Expr, column: TargetColumn, command: Copy) -> Judged:
    if not _iso(command.time_format):
        return _NOBODY, text
    zone = _UTC if column.type.name == "timestamp with time zone" else ""
    between = "[ T]" if command.time_format == "auto" else " "
    sure = text.str.contains(f"^{_DAY}{between}{_CLOCK}{zone}$") & _is_day(text)
    rendered = text if between == " " else text.str.replace("T", " ", literal=True)
    return sure, _with_zone(rendered) if zone else rendered


def _time(text: pl.Expr, column: TargetColumn, command: Copy) -> Judged:
    if not _iso(command.time_format):
        return _NOBODY, text
    zone = _UTC if column.type.name == "time with time zone" else ""
    return text.str.contains(f"^{_CLOCK}{zone}$"), _with_zone(text) if zone else text


def _with_zone(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.ends_with("+00")).then(text).otherwise(pl.concat_str(text, pl.lit("+00")))


def _super(text: pl.Expr, _: TargetColumn, __: Copy) -> Judged:
    """Short numbers and words; objects and arrays need a parser."""
    return text.str.contains(
        r"^(?:-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?|true|false|null|\"[ !#-\[\]-~]{0,1000}\")$"
    ), text


def _varbyte(text: pl.Expr, column: TargetColumn, _: Copy) -> Judged:
    sure = text.str.contains("^(?:[0-9a-fA-F]{2})*$") & (text.str.len_bytes() <= 2 * column.type.length)
    return sure, pl.concat_str(pl.lit("\\x"), text.str.to_lowercase())


_FORMS: Final[dict[str, Callable[[pl.Expr, TargetColumn, Copy], Judged]]] = {
    "smallint": _whole,
    "integer": _whole,
    "bigint": _whole,
    "numeric": _decimal,
    "real": _floating,
    "double precision": _floating,
    "boolean": _boolean,
    "date": _date,
    "timestamp without time zone": _timestamp,
    "timestamp with time zone": _timestamp,
    "time without time zone": _time,
    "time with time zone": _time,
    "super": _super,
    "varbyte": _varbyte,
}
