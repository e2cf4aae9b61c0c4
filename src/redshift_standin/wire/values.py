"""Values in the format that a client asked for: the session's text as it is, or the binary form of its type.

Binary forms are Postgres's, but for NUMERIC in protocol version 2, which is Redshift's own: the unscaled number in 8 or
16 bytes. What has no known binary form is refused before the statement is executed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from redshift_standin.errors import RedshiftError, refused, unknown
from redshift_standin.types import BYTEA_OID, SUPER_OID, VARBYTE_OID
from redshift_standin.wire import arrays, moments, numbers
from redshift_standin.wire.messages import BINARY
from redshift_standin.wire.session import Column, Row

Encoder = Callable[[bytes], bytes]

_NUMERIC_OID: Final = 1700
_UNKNOWN: Final = {SUPER_OID: "SUPER", VARBYTE_OID: "VARBYTE", 3000: "GEOMETRY", 3001: "GEOGRAPHY"}


def described(columns: Sequence[Column], protocol: int) -> Sequence[Column]:
    """The columns as a client of this protocol version is told.

    In Redshift every NUMERIC has a precision and a scale, and drivers of version 2 need the scale to read one. An
    expression whose scale the backend does not tell is NUMERIC(38,18) to them; a value that does not fit is refused.
    """
    if protocol < BINARY:
        return columns
    return [
        replace(column, type_modifier=numbers.MODIFIER_OF_EXPRESSIONS)
        if column.type_oid == _NUMERIC_OID and column.type_modifier < 0
        else column
        for column in columns
    ]


def formats_of(columns: Sequence[Column], asked: Sequence[int]) -> list[int]:
    """One format a column, from the formats of a Bind message: none, one for all, or one each."""
    if any(code not in (0, 1) for code in asked):
        raise RedshiftError("22023", f"unsupported format code: {next(code for code in asked if code not in (0, 1))}")
    if len(asked) < 2:
        return [*asked, 0][:1] * len(columns)
    if len(asked) != len(columns):
        message = f"bind message has {len(asked)} result formats but query has {len(columns)} columns"
        raise RedshiftError("08P01", message)
    return list(asked)


def encoders(columns: Sequence[Column], formats: Sequence[int], protocol: int) -> list[Encoder | None]:
    """How each column's text becomes what is sent; None where it is sent as it is. Raises RedshiftError 0A000."""
    pairs = zip(columns, formats, strict=True)
    return [_binary(column, protocol) if code == 1 else None for column, code in pairs]


def encoded(row: Row, wanted: Sequence[Encoder | None]) -> Row:
    """The row in its wire formats. Raises RedshiftError when a value has no binary form."""
    return [
        value if value is None or encode is None else encode(value) for value, encode in zip(row, wanted, strict=True)
    ]


def _binary(column: Column, protocol: int) -> Encoder | None:
    oid = column.type_oid
    if oid in _AS_TEXT:
        return None
    if oid == _NUMERIC_OID and protocol >= BINARY:
        return numbers.redshift_numeric(column.type_modifier)
    if oid in _ENCODERS:
        return _ENCODERS[oid]
    if oid in arrays.ELEMENTS:
        element = arrays.ELEMENTS[oid]
        if element in _AS_TEXT or element in _ENCODERS:
            return arrays.encoder(element, _ENCODERS.get(element))
    if oid in _UNKNOWN:
        raise unknown(f"the binary format of {_UNKNOWN[oid]}")
    raise refused(f'no binary output function available for the type of column "{column.name}" (OID {oid})')


def _boolean(text: bytes) -> bytes:
    return b"\1" if text == b"t" else b"\0"


def _hexadecimal(text: bytes) -> bytes:
    return bytes.fromhex(text.removeprefix(b"\\x").decode())


def _integer(form: str) -> Encoder:
    pack = struct.Struct(form).pack

    def encode(text: bytes) -> bytes:
        if not text.lstrip(b"-").isdigit():
            # A regproc or an OID alias prints a name.
            raise refused("binary output of an object's name")
        return pack(int(text))

    return encode


def _floating(form: str) -> Encoder:
    pack = struct.Struct(form).pack
    return lambda text: pack(float(text))


# "char", name, text, json, unknown, aclitem, bpchar, varchar, cstring: binary and text are the same bytes.
_AS_TEXT: Final = frozenset((18, 19, 25, 114, 705, 1033, 1042, 1043, 2275))
_ENCODERS: Final[dict[int, Encoder]] = {
    16: _boolean,
    BYTEA_OID: _hexadecimal,
    20: _integer("!q"),
    21: _integer("!h"),
    23: _integer("!i"),
    24: _integer("!I"),
    26: _integer("!I"),
    700: _floating("!f"),
    701: _floating("!d"),
    1082: moments.date,
    1083: moments.time,
    1114: moments.timestamp,
    1184: moments.timestamp,
    1266: moments.time_with_zone,
    _NUMERIC_OID: numbers.postgres_numeric,
}
