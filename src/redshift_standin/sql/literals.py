"""Literals, parameters and casts.

Source: AWS Database Developer Guide, "CAST function", "Date, time, and timestamp literals", "Interval literals", "VARBYTE type".
"""

from __future__ import annotations

import re
from typing import Final

from redshift_standin.errors import RedshiftError, unknown
from redshift_standin.names import literal
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.scope import Piece
from redshift_standin.types import RsType, checked

PARAMETERS_MAX: Final = 32_767
TYPED_LITERALS: Final = ("date", "time", "timetz", "timestamp", "timestamptz")
_DATE_TYPES: Final = ("date", "timestamp without time zone", "timestamp with time zone")
# The guide names now, today, tomorrow and yesterday; what else Postgres has is not known to work.
_ODD_DATE = re.compile(r"infinity|epoch|allballs|\bbc\b|\bad\b|(?<!\d)\d{5,}-", re.IGNORECASE)
_INTERVAL = re.compile(
    r"\s*[+-]?\d+(\.\d+)?\s*(microsecond|millisecond|second|minute|hour|day|week|month|quarter|year|decade)s?"
    r"([\s,]+[+-]?\d+(\.\d+)?\s*(microsecond|millisecond|second|minute|hour|day|week|month|quarter|year|decade)s?)*\s*",
    re.IGNORECASE,
)
_LABELS: Final = {
    "smallint": "int2", "integer": "int4", "bigint": "int8", "real": "float4", "double precision": "float8",
    "boolean": "bool", "character": "bpchar", "character varying": "varchar", "time without time zone": "time",
    "time with time zone": "timetz", "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
}  # fmt: skip


def read_string(reader: Reader) -> Piece:
    value = reader.expect_string()
    if reader.token.kind is Kind.STRING:
        reader.fail()
    return Piece([literal(value)], string=value)


def read_number(reader: Reader) -> Piece:
    text = reader.advance().value
    return Piece([text], integer=text.isdigit())


def read_parameter(reader: Reader) -> Piece:
    """$n, from 1."""
    token = reader.advance()
    if not 1 <= len(token.value) <= 5 or not 1 <= int(token.value) <= PARAMETERS_MAX:
        raise RedshiftError("42P02", f"there is no parameter ${token.value}", position=token.start + 1)
    number = int(token.value)
    reader.parameters = max(reader.parameters, number)
    return Piece([f"${number}"])


def read_typed(reader: Reader) -> Piece:
    """DATE '…', TIMESTAMP [WITH[OUT] TIME ZONE] '…'; the caller has seen that a literal follows."""
    name = checked_name(reader)
    return cast(read_string(reader), checked(name, ()))


def is_typed(reader: Reader) -> bool:
    """A literal's type stands here, and the literal after it."""
    if not reader.is_word(*TYPED_LITERALS):
        return False
    return reader.peek().kind is Kind.STRING or (
        reader.token.value in ("time", "timestamp")
        and reader.peek().kind is Kind.WORD
        and reader.peek().value in ("with", "without")
    )


def checked_name(reader: Reader) -> str:
    """The canonical name of a date type in front of its literal."""
    word = reader.advance().value
    zone = word.endswith("tz")
    if word in ("time", "timestamp"):
        if reader.accept("with", "time", "zone"):
            zone = True
        else:
            reader.accept("without", "time", "zone")
    if word == "date":
        return "date"
    return f"{word.removesuffix('tz')} {'with' if zone else 'without'} time zone"


def read_interval(reader: Reader) -> Piece:
    """INTERVAL '3 days'; qualifiers (INTERVAL '3' DAY) are not built."""
    reader.expect("interval")
    value = read_string(reader)
    if value.string is None or not _INTERVAL.fullmatch(value.string):
        raise unknown("an interval literal that is not a list of numbers with units")
    return Piece([f"({literal(value.string)}::interval)"], label="interval", weak=True)


def cast(value: Piece, to: RsType) -> Piece:
    """An explicit cast. Too long strings are cut at n bytes, at a character's end; into SUPER a string stays a string
    (JSON_PARSE reads JSON); into and out of VARBYTE text is taken as UTF-8.
    """
    label = value.strong_label or _LABELS.get(to.name, to.name)
    weak = not value.strong_label
    match to.name:
        case "character varying" | "character":
            cut = ["(redshift_standin.cut(", *value.parts, f", {to.length})::{to.postgres})"]
            return Piece(cut, label=label, weak=weak)
        case "super":
            return Piece(["redshift_standin.to_super(", *value.parts, ")"], label=label, weak=weak)
        case "varbyte":
            made = ["redshift_standin.fit(redshift_standin.to_varbyte(", *value.parts, f"), {to.length})"]
            return Piece(made, label=label, weak=weak)
    if to.name in _DATE_TYPES and value.string is not None and _ODD_DATE.search(value.string):
        raise unknown("infinite dates, BC, years of five digits and other special dates")
    return Piece(["(", *value.parts, f"::{to.postgres})"], label=label, weak=weak)
