"""NUMERIC on the wire: Redshift's binary form of protocol version 2, and Postgres's."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from redshift_standin.errors import RedshiftError

_MODIFIER_HEADER: Final = 4  # Postgres's VARHDRSZ, which every numeric type modifier has on top
_INT64_PRECISION_MAX: Final = 19
_GROUP_DIGITS: Final = 4
_NEGATIVE: Final = 0x4000
_NOT_A_NUMBER: Final = 0xC000


def modifier(precision: int, scale: int) -> int:
    """The type modifier of NUMERIC(precision, scale)."""
    return (precision << 16 | scale) + _MODIFIER_HEADER


MODIFIER_OF_EXPRESSIONS: Final = modifier(38, 18)


def redshift_numeric(type_modifier: int) -> Callable[[bytes], bytes]:
    """The unscaled number, big-endian: 8 bytes up to a precision of 19, 16 above.

    The encoder raises RedshiftError when a value has more decimals than the scale: it never rounds.
    """
    precision, scale = divmod(type_modifier - _MODIFIER_HEADER, 1 << 16)
    size = 8 if precision <= _INT64_PRECISION_MAX else 16

    def encode(text: bytes) -> bytes:
        whole, _, decimals = text.partition(b".")
        if decimals[scale:].strip(b"0") or not text.strip(b"-.0123456789") == b"":
            raise _does_not_fit(precision, scale)
        unscaled = int(whole + decimals[:scale].ljust(scale, b"0"))
        try:
            return unscaled.to_bytes(size, "big", signed=True)
        except OverflowError:
            raise _does_not_fit(precision, scale) from None

    return encode


def postgres_numeric(text: bytes) -> bytes:
    """Postgres's own form: groups of four decimal digits, the weight of the first, a sign, and the decimals shown."""
    if text == b"NaN":
        return struct.pack("!HhHH", 0, 0, _NOT_A_NUMBER, 0)
    sign = _NEGATIVE if text.startswith(b"-") else 0
    whole, _, decimals = text.lstrip(b"-").partition(b".")
    whole = whole.rjust(-(-len(whole) // _GROUP_DIGITS) * _GROUP_DIGITS, b"0")
    padded = whole + decimals.ljust(-(-len(decimals) // _GROUP_DIGITS) * _GROUP_DIGITS, b"0")
    groups = [int(padded[at : at + _GROUP_DIGITS]) for at in range(0, len(padded), _GROUP_DIGITS)]
    weight = len(whole) // _GROUP_DIGITS - 1
    while groups and groups[0] == 0:
        del groups[0]
        weight -= 1
    while groups and groups[-1] == 0:
        del groups[-1]
    if not groups:
        sign = weight = 0
    return struct.pack(f"!HhHH{len(groups)}H", len(groups), weight, sign, len(decimals), *groups)


def _does_not_fit(precision: int, scale: int) -> RedshiftError:
    return RedshiftError(
        "0A000",
        f"stand-in: a value does not fit the type told to the client, numeric({precision},{scale})",
        hint="the stand-in does not know the precision and scale that Redshift gives to this expression; cast it",
    )
