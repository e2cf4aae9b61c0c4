"""Whole numbers, decimals, floats and booleans in a load: the judges of single values.

Source: AWS Database Developer Guide, "Numeric types", "Boolean type", "Data conversion parameters" (ROUNDEC: without it
COPY cuts surplus decimals), "Load error reference". Texts of the reasons: general knowledge.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Final

from redshift_standin.copy.outcome import Bad, NotKnown
from redshift_standin.types import RsType

INT64_MAX: Final = 2**63 - 1
_INT64_DIGITS: Final = 19
# DECIMALs of up to this precision are kept in 64 bits.
INT64_PRECISION: Final = 19
_WHOLE: Final = {
    "smallint": ("Short", -(2**15), 2**15 - 1),
    "integer": ("Integer", -(2**31), 2**31 - 1),
    "bigint": ("Long", -(2**63), 2**63 - 1),
}
_DECIMAL = re.compile(r"(-?)([0-9]*)(?:\.([0-9]*))?")
_FLOAT = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
# The largest magnitude that is not rounded to infinity, and the smallest normal one.
FLOAT_RANGES: Final = {
    "real": (math.nextafter((2 - 2.0**-24) * 2.0**127, 0), 2.0**-126),
    "double precision": (sys.float_info.max, sys.float_info.min),
}
TRUE: Final = frozenset(("t", "true", "y", "yes", "1"))
FALSE: Final = frozenset(("f", "false", "n", "no", "0"))


def whole(text: str, kind: RsType) -> str:
    """A SMALLINT, INTEGER or BIGINT in its shortest form. 1207 for what is no digit ('.' as well), 1222 out of range."""
    name, least, most = _WHOLE[kind.name]
    _no_plus(text)
    digits = text[1:] if text[0] == "-" else text
    if not digits:
        raise _invalid_digit(text, 0, name)
    for position, character in enumerate(digits, len(text) - len(digits)):
        if character not in "0123456789":
            raise _invalid_digit(text, position, name)
    significant = digits.lstrip("0") or "0"
    number = int(text[: len(text) - len(digits)] + significant) if len(significant) <= _INT64_DIGITS else most + 1
    if not least <= number <= most:
        raise Bad(1222, f"Overflow, Value '{text[:40]}', Type: {name}")
    return str(number)


def _no_plus(text: str) -> None:
    if text[0] == "+":
        raise NotKnown("a plus sign before a number")


def _invalid_digit(text: str, position: int, name: str, code: int = 1207) -> Bad:
    return Bad(code, f"Invalid digit, Value '{text[position]}', Pos {position}, Type: {name}", position)


def decimal(text: str, kind: RsType, *, round_dec: bool) -> str:
    """A DECIMAL with no more decimals than its scale: cut, or rounded half away from zero. 1209 when it does not fit."""
    _not_finite(text)
    _no_plus(text)
    match = _DECIMAL.match(text)
    end = match.end() if match else 0
    if end < len(text):
        raise _invalid_digit(text, end, "Decimal", 1209)
    sign, before, after = match.groups() if match else ("", "", "")
    if not before and not after:
        raise _invalid_digit(text, 0, "Decimal", 1209)
    if not before or after == "":
        raise NotKnown("a decimal that begins or ends with its point")
    kept = (after or "")[: kind.scale]
    if round_dec and (after or "")[kind.scale : kind.scale + 1] >= "5":
        before, kept = _next(before, kept)
    unscaled = (before + kept.ljust(kind.scale, "0")).lstrip("0")
    if len(unscaled) > kind.precision or (kind.precision <= INT64_PRECISION and int(unscaled or "0") > INT64_MAX):
        raise Bad(1209, f"Overflow for NUMERIC({kind.precision},{kind.scale})")
    return f"{sign}{before}.{kept}" if kept else f"{sign}{before}"


def _next(before: str, kept: str) -> tuple[str, str]:
    """One more in the last place."""
    digits = list("0" + before + kept)
    place = len(digits) - 1
    while digits[place] == "9":
        digits[place] = "0"
        place -= 1
    digits[place] = str(int(digits[place]) + 1)
    split = len(before) + 1
    grown = "".join(digits[:split])
    return (grown if digits[0] != "0" else grown[1:]), "".join(digits[split:])


def _not_finite(text: str) -> None:
    if _NOT_FINITE.fullmatch(text):
        raise NotKnown("NaN or Infinity in COPY")


def floating(text: str, kind: RsType) -> str:
    """A REAL or DOUBLE PRECISION as it is written. 1208 for other texts."""
    _not_finite(text)
    _no_plus(text)
    if not _FLOAT.fullmatch(text):
        match = _FLOAT.match(text)
        position = match.end() if match else 0
        raise _invalid_digit(text, position, _float_name(kind), 1208)
    number = abs(float(text))
    most, least = FLOAT_RANGES[kind.name]
    if number > most:
        raise NotKnown("a float too large for its type")
    if number < least and re.search("[1-9]", re.split("[eE]", text)[0]):
        raise NotKnown("a float too small for its type's normal range")
    return text


def _float_name(kind: RsType) -> str:
    return "Float" if kind.name == "real" else "Double"


def boolean(text: str) -> str:
    """t or f; 1210 for other words."""
    word = text.lower() if text.isascii() else text
    if word in TRUE:
        return "t"
    if word in FALSE:
        return "f"
    raise Bad(1210, f"Unknown boolean format, Value '{text[:40]}'")
