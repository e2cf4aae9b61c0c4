"""The bytes of single messages: what the server says, and a reader for what a client said. No I/O.

Source: PostgreSQL, "Frontend/Backend Protocol"; Redshift's additions to RowDescription as its open-source drivers read
them (client_protocol_version 1 and 2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from redshift_standin.errors import RedshiftError
from redshift_standin.wire.session import Column, Notice, Row

EXTENDED_METADATA: Final = 1  # protocol versions from this one on have names and flags in RowDescription
BINARY: Final = 2  # protocol versions from this one on have Redshift's own binary NUMERIC
PARAMETERS_MAX: Final = 32_767

PARSE_COMPLETE: Final = b"1\0\0\0\x04"
BIND_COMPLETE: Final = b"2\0\0\0\x04"
CLOSE_COMPLETE: Final = b"3\0\0\0\x04"
NO_DATA: Final = b"n\0\0\0\x04"
PORTAL_SUSPENDED: Final = b"s\0\0\0\x04"
EMPTY_QUERY_RESPONSE: Final = b"I\0\0\0\x04"
AUTHENTICATION_OK: Final = b"R\0\0\0\x08\0\0\0\0"

_NULLABLE: Final = 1
_AUTOINCREMENT: Final = 1 << 4
_SEARCHABLE: Final = 1 << 12
_NULL: Final = b"\xff\xff\xff\xff"
_length = struct.Struct("!i").pack
_field = struct.Struct("!IhIhih").pack


def violation(message: str) -> RedshiftError:
    """08P01: what the client sent is no message of the protocol; the connection is not usable any more."""
    return RedshiftError("08P01", message, severity="FATAL")


def message(kind: bytes, body: bytes) -> bytes:
    """One message with its length."""
    return kind + _length(len(body) + 4) + body


def text(value: str) -> bytes:
    """A zero-ended string; a zero within would end it early, so it is shown."""
    return value.replace("\0", "\\0").encode(errors="replace") + b"\0"


def authentication(code: int, body: bytes = b"") -> bytes:
    """A request of an authentication method."""
    return message(b"R", _length(code) + body)


def parameter_status(name: str, value: str) -> bytes:
    """ParameterStatus."""
    return message(b"S", text(name) + text(value))


def backend_key_data(pid: int, secret: int) -> bytes:
    """BackendKeyData, with both numbers as 32 bits."""
    return message(b"K", struct.pack("!II", pid & 0xFFFFFFFF, secret & 0xFFFFFFFF))


def negotiate_protocol_version(options: Sequence[str]) -> bytes:
    """The answer to a minor version above 3.0: 3.0 it is, without these options."""
    body = struct.pack("!ii", 3 << 16, len(options)) + b"".join(text(option) for option in options)
    return message(b"v", body)


def ready_for_query(status: bytes) -> bytes:
    """ReadyForQuery."""
    return message(b"Z", status)


def command_complete(tag: str) -> bytes:
    """CommandComplete."""
    return message(b"C", text(tag))


def error_response(error: RedshiftError) -> bytes:
    """ErrorResponse, with the fields that a server of the 8.0 line has."""
    fields = [(b"S", error.severity), (b"C", error.sqlstate), (b"M", error.message)]
    fields += [(b"D", error.detail)] if error.detail else []
    fields += [(b"H", error.hint)] if error.hint else []
    fields += [(b"P", str(error.position))] if error.position else []
    return message(b"E", _fields(fields))


def notice_response(notice: Notice) -> bytes:
    """NoticeResponse."""
    return message(b"N", _fields([(b"S", notice.severity), (b"C", notice.code), (b"M", notice.message)]))


def parameter_description(oids: Sequence[int]) -> bytes:
    """ParameterDescription."""
    return message(b"t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def row_description(columns: Sequence[Column], formats: Sequence[int], protocol: int) -> bytes:
    """RowDescription as the protocol version has it; one format a column."""
    parts = [struct.pack("!H", len(columns))]
    for column, code in zip(columns, formats, strict=True):
        parts.append(text(column.name))
        parts.append(
            _field(column.table_oid, column.table_column, column.type_oid, column.type_size, column.type_modifier, code)
        )
        if protocol >= EXTENDED_METADATA:
            parts += map(text, (column.schema_name, column.table_name, column.column_name, column.catalog_name))
            flags = (
                _SEARCHABLE | (_NULLABLE if column.nullable else 0) | (_AUTOINCREMENT if column.autoincrement else 0)
            )
            parts.append(struct.pack("!h", flags))
    return message(b"T", b"".join(parts))


def data_row(row: Row) -> bytes:
    """DataRow of values that are in their wire format already."""
    parts = [struct.pack("!H", len(row))]
    for value in row:
        if value is None:
            parts.append(_NULL)
        else:
            parts += (_length(len(value)), value)
    return message(b"D", b"".join(parts))


def _fields(fields: Iterable[tuple[bytes, str]]) -> bytes:
    return b"".join(code + text(value) for code, value in fields) + b"\0"


class Body:
    """Reads the body of one client message from its front. Every method raises `violation` when too little is left."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def string(self) -> str:
        """A zero-ended string. Raises RedshiftError 22021 when it is not UTF-8."""
        end = self._raw.find(b"\0", self._at)
        if end < 0:
            raise violation("invalid string in message")
        raw = self.take(end - self._at)
        self._at += 1
        try:
            return raw.decode()
        except UnicodeDecodeError as exc:
            shown = f"0x{raw[exc.start]:02x}"
            raise RedshiftError("22021", f'invalid byte sequence for encoding "UTF8": {shown}') from None

    def count(self) -> int:
        """A number of things that follow. Raises RedshiftError 08P01 above 32767, the protocol's largest int16."""
        number = int.from_bytes(self.take(2), "big")
        if number > PARAMETERS_MAX:
            raise RedshiftError("08P01", f"a message names {number} values; the limit is {PARAMETERS_MAX}")
        return number

    def int16(self) -> int:
        """A signed number of two bytes."""
        return int.from_bytes(self.take(2), "big", signed=True)

    def int32(self) -> int:
        """A signed number of four bytes."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def oid(self) -> int:
        """An unsigned number of four bytes."""
        return int.from_bytes(self.take(4), "big")

    def take(self, length: int) -> bytes:
        """That many bytes."""
        if length < 0 or self._at + length > len(self._raw):
            raise violation("insufficient data left in message")
        taken = self._raw[self._at : self._at + length]
        self._at += length
        return taken

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._raw):
            raise violation("invalid message format")
