"""What looks like a function and has a grammar of its own: CASE, CAST, EXTRACT, TRIM, DATEADD, DECODE and their kind.

Source: AWS Database Developer Guide, "Conditional expressions", "Date parts for date or timestamp functions", each function's page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from redshift_standin.errors import RedshiftError
from redshift_standin.names import literal
from redshift_standin.sql import expressions
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.literals import cast
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.scope import Parts, Piece, joined
from redshift_standin.sql.typenames import read_type

_DATE_PARTS: Final = {
    "millennium": "millennium mil mils millennia",
    "century": "century c cent cents centuries",
    "decade": "decade dec decs decades",
    "epoch": "epoch",
    "year": "year y yr yrs years",
    "quarter": "quarter qtr qtrs quarters",
    "month": "month mon mons months",
    "week": "week w weeks",
    "dow": "dow dayofweek dw weekday",
    "doy": "doy dayofyear dy yearday",
    "day": "day d days",
    "hour": "hour h hr hrs hours",
    "minute": "minute m min mins minutes",
    "second": "second s sec secs seconds",
    "milliseconds": "millisecond ms msec msecs msecond mseconds millisec millisecs millisecon milliseconds",
    "microseconds": "microsecond us usec usecs usecond useconds microsec microsecs microsecon microseconds",
    "timezone": "timezone",
    "timezone_hour": "timezone_hour",
    "timezone_minute": "timezone_minute",
}
DATE_PARTS: Final = {alias: part for part, aliases in _DATE_PARTS.items() for alias in aliases.split()}


def read_case(reader: Reader) -> Piece:
    """CASE [x] WHEN … THEN … [ELSE …] END."""
    reader.expect("case")
    parts: Parts = ["(CASE"]
    if not reader.is_word("when"):
        parts.extend([" ", *expressions.read_expression(reader).parts])
    conditions = 0
    while reader.accept("when"):
        conditions += 1
        parts.extend([" WHEN ", *expressions.read_expression(reader).parts])
        reader.expect("then")
        parts.extend([" THEN ", *expressions.read_expression(reader).parts])
    if not conditions:
        reader.fail()
    label = ""
    if reader.accept("else"):
        otherwise = expressions.read_expression(reader)
        label = otherwise.strong_label
        parts.extend([" ELSE ", *otherwise.parts])
    reader.expect("end")
    return Piece([*parts, " END)"], label=label or "case", weak=not label)


def _arguments(reader: Reader) -> list[Piece]:
    """The name, and its arguments in parentheses."""
    reader.advance()
    return reader.parenthesised(lambda: expressions.read_expression(reader))


def _wrong_count(name: str) -> RedshiftError:
    return RedshiftError("42883", f"function {name}() does not exist", hint="a wrong number of arguments was given")


def _exists(reader: Reader) -> Piece:
    reader.expect("exists")
    return Piece(["(EXISTS ", *expressions.read_subquery(reader).parts, ")"], label="exists")


def _cast(reader: Reader) -> Piece:
    reader.expect("cast")
    reader.expect_operator("(")
    value = expressions.read_expression(reader)
    reader.expect("as")
    piece = expressions.cast_to(reader, value)
    reader.expect_operator(")")
    return piece


def _convert(reader: Reader) -> Piece:
    """CONVERT(type, value): only the expression's place differs from CAST."""
    reader.expect("convert")
    reader.expect_operator("(")
    to = read_type(reader)
    reader.expect_operator(",")
    value = expressions.read_expression(reader)
    reader.expect_operator(")")
    return cast(value, to)


def _extract(reader: Reader) -> Piece:
    reader.expect("extract")
    reader.expect_operator("(")
    part = read_date_part(reader)
    reader.expect("from")
    value = _dated(expressions.read_expression(reader))
    reader.expect_operator(")")
    return Piece([f"redshift_standin.date_part({literal(part)}, ", *value, ")"], label="date_part")


def _substring(reader: Reader) -> Piece:
    name = reader.advance().value
    reader.expect_operator("(")
    parts = list(expressions.read_expression(reader).parts)
    words = reader.is_word("from")
    if not (reader.accept("from") or reader.accept_operator(",")):
        reader.fail()
    parts += [", ", *expressions.read_expression(reader).parts]
    if reader.accept("for") if words else reader.accept_operator(","):
        parts += [", ", *expressions.read_expression(reader).parts]
    reader.expect_operator(")")
    return Piece(["redshift_standin.substring(", *parts, ")"], label=name)


def _trim(reader: Reader) -> Piece:
    """TRIM([BOTH | LEADING | TRAILING] ['x'] [FROM] y) and TRIM(y)."""
    reader.expect("trim")
    reader.expect_operator("(")
    side = reader.accept_any("both", "leading", "trailing") or "both"
    blank = Piece([literal(" ")])
    first = blank if reader.accept("from") else expressions.read_expression(reader)
    if first is blank or reader.accept("from"):
        characters, value = first, expressions.read_expression(reader)
    else:
        characters, value = blank, first
    reader.expect_operator(")")
    function = {"both": "btrim", "leading": "ltrim", "trailing": "rtrim"}[side]
    return Piece([f"pg_catalog.{function}(", *value.parts, ", ", *characters.parts, ")"], label="btrim")


def _position(reader: Reader) -> Piece:
    reader.expect("position")
    reader.expect_operator("(")
    wanted = expressions.read_operand(reader)
    reader.expect("in")
    value = expressions.read_operand(reader)
    reader.expect_operator(")")
    return Piece(["pg_catalog.strpos(", *value.parts, ", ", *wanted.parts, ")"], label="position")


def _charindex(reader: Reader) -> Piece:
    arguments = _arguments(reader)
    if len(arguments) != 2:
        raise _wrong_count("charindex")
    return Piece(["pg_catalog.strpos(", *arguments[1].parts, ", ", *arguments[0].parts, ")"], label="charindex")


def _nvl2(reader: Reader) -> Piece:
    arguments = [argument.parts for argument in _arguments(reader)]
    if len(arguments) != 3:
        raise _wrong_count("nvl2")
    tested, present, absent = arguments
    return Piece(["(CASE WHEN ", *tested, " IS NOT NULL THEN ", *present, " ELSE ", *absent, " END)"], label="nvl2")


def _decode(reader: Reader) -> Piece:
    """DECODE(x, search, result, …, [default]): NULL equals NULL here."""
    arguments = [argument.parts for argument in _arguments(reader)]
    if len(arguments) < 3:
        raise _wrong_count("decode")
    value, rest = arguments[0], arguments[1:]
    parts: Parts = ["(CASE"]
    for search, result in zip(rest[::2], rest[1::2], strict=False):
        parts += [" WHEN ", *value, " IS NOT DISTINCT FROM ", *search, " THEN ", *result]
    if len(rest) % 2:
        parts += [" ELSE ", *rest[-1]]
    return Piece([*parts, " END)"], label="case")


def _coalesce(reader: Reader) -> Piece:
    """COALESCE, NVL, NULLIF, GREATEST, LEAST: of the grammar in Postgres, not functions."""
    name = reader.token.value
    arguments = _arguments(reader)
    if name == "nullif" and len(arguments) != 2:
        raise _wrong_count(name)
    function = "coalesce" if name == "nvl" else name
    return Piece([f"{function}(", *joined([argument.parts for argument in arguments]), ")"], label=function)


def read_date_part(reader: Reader) -> str:
    """A date part as a word or a string; Postgres's name of it."""
    token = reader.token
    if token.kind not in (Kind.WORD, Kind.STRING):
        reader.fail()
    reader.advance()
    if token.value.lower() not in DATE_PARTS:
        raise RedshiftError("22023", f'timestamp units "{token.value}" not recognized', position=token.start + 1)
    return DATE_PARTS[token.value.lower()]


def _dated(value: Piece) -> Parts:
    """A bare string is a timestamp here."""
    return ["(", *value.parts, "::timestamp)"] if value.string is not None else value.parts


def _with_date_part(reader: Reader) -> Piece:
    """DATE_TRUNC, DATE_PART (part, date), DATEADD (part, number, date), DATEDIFF (part, date, date)."""
    name = reader.advance().value
    reader.expect_operator("(")
    parts: Parts = [f"redshift_standin.{name}({literal(read_date_part(reader))}"]
    for i in range(1 if name in ("date_trunc", "date_part") else 2):
        reader.expect_operator(",")
        value = expressions.read_expression(reader)
        number = name == "dateadd" and i == 0
        parts += [", ", *(value.parts if number else _dated(value))]
    reader.expect_operator(")")
    return Piece([*parts, ")"], label="date_diff" if name == "datediff" else name)


FORMS: Final[dict[str, Callable[[Reader], Piece]]] = {
    "exists": _exists,
    "cast": _cast,
    "convert": _convert,
    "extract": _extract,
    "substring": _substring,
    "substr": _substring,
    "trim": _trim,
    "position": _position,
    "charindex": _charindex,
    "nvl2": _nvl2,
    "decode": _decode,
    "coalesce": _coalesce,
    "nvl": _coalesce,
    "nullif": _coalesce,
    "greatest": _coalesce,
    "least": _coalesce,
    "date_trunc": _with_date_part,
    "date_part": _with_date_part,
    "dateadd": _with_date_part,
    "datediff": _with_date_part,
}
