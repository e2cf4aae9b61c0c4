"""The pgoutput messages that come once a table or more rarely, read one by one: Relation, Type, Truncate, Origin, Message.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html (proto_version 1)
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from re_dms.lsn import LSN

IDENTITIES: Final = "dnfi"
_TRUNCATE_OPTIONS: Final = 1 | 2  # CASCADE, RESTART IDENTITY: both mean the same to us, the tables are listed
_KEY_FLAG: Final = 1
_TRANSACTIONAL: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WireColumn:
    """A column as a Relation message has it. `key`: part of the replica identity (under FULL: every column)."""

    name: str
    type_oid: int
    typmod: int
    key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRelation:
    """A Relation message. `identity` is pg_class.relreplident (d, n, f, i).

    `lsn` is the final LSN of the transaction that the message is in: the position at which this version counts, in the
    order of commits. (The message's own header has 0/0.) Between two transactions it is only near: see
    `Transactions.final_lsns_near`.
    """

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[WireColumn, ...]
    lsn: LSN


class BadMessage(Exception):
    """What is wrong with a message, and at which offset of it; the decoder adds the place and raises DecodeError."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset


class _Body:
    """Reads one message's fields in order. `data` begins at the tag."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 1

    def take(self, form: str) -> int:
        """The next number (struct format, big-endian)."""
        size = struct.calcsize(form)
        if self.at + size > len(self.data):
            raise BadMessage("the message is too short", self.at)
        (number,) = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return int(number)

    def text(self) -> str:
        """The next NUL-terminated string."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise BadMessage("a string without its end", self.at)
        try:
            text = self.data[self.at : end].decode()
        except UnicodeDecodeError:
            raise BadMessage("a name that is not UTF-8", self.at) from None
        self.at = end + 1
        return text

    def close(self) -> None:
        """The message must end here."""
        if self.at != len(self.data):
            raise BadMessage("a message that does not end where its fields end", min(self.at, len(self.data)))

    def known(self, right: bool, what: str) -> None:
        """Refuse the byte just read unless `right`."""
        if not right:
            raise BadMessage(what, self.at - 1)


def read_relation(data: bytes, lsn: LSN) -> WireRelation:
    """'R': oid, schema (empty: pg_catalog), name, replica identity, columns. Raises BadMessage."""
    body = _Body(data)
    oid, schema, name = body.take(">I"), body.text(), body.text()
    identity = chr(body.take(">B"))
    body.known(identity in IDENTITIES, "an unknown replica identity")
    count = body.take(">h")
    body.known(count >= 0, "a negative number of columns")
    columns = tuple(_read_column(body) for _ in range(count))
    body.close()
    return WireRelation(oid=oid, schema=schema or "pg_catalog", name=name, identity=identity, columns=columns, lsn=lsn)


def _read_column(body: _Body) -> WireColumn:
    flags = body.take(">B")
    body.known(flags in (0, _KEY_FLAG), "an unknown flag of a column")
    return WireColumn(name=body.text(), type_oid=body.take(">I"), typmod=body.take(">i"), key=bool(flags & _KEY_FLAG))


def read_truncate(data: bytes) -> tuple[int, ...]:
    """'T': the OIDs of all tables that are emptied, the cascaded ones too. Raises BadMessage."""
    body = _Body(data)
    count = body.take(">i")
    body.known(count >= 0, "a negative number of tables")
    body.known(not body.take(">B") & ~_TRUNCATE_OPTIONS, "an unknown option of TRUNCATE")
    if count * 4 != len(data) - body.at:
        raise BadMessage("another number of tables than announced", body.at)
    return tuple(body.take(">I") for _ in range(count))


def check_type(data: bytes) -> None:
    """'Y': oid, schema, name of a type that is not built in. The catalog tells us types: only its form is checked."""
    body = _Body(data)
    body.take(">I")
    body.text()
    body.text()
    body.close()


def check_origin(data: bytes) -> None:
    """'O': commit LSN on the origin, name of the origin. Changes count wherever they came from."""
    body = _Body(data)
    body.take(">Q")
    body.text()
    body.close()


def check_logical_message(data: bytes) -> None:
    """'M': flags, LSN, prefix, content, of pg_logical_emit_message: another program's, none of our business."""
    body = _Body(data)
    body.known(body.take(">B") in (0, _TRANSACTIONAL), "an unknown flag of a logical message")
    body.take(">Q")
    end = data.find(b"\0", body.at)
    if end < 0:
        raise BadMessage("a string without its end", body.at)
    body.at = end + 1
    size = body.take(">i")
    body.known(size >= 0, "a negative length")
    body.at += size
    body.close()


IGNORED: Final[dict[int, Callable[[bytes], None]]] = {
    ord("Y"): check_type,
    ord("O"): check_origin,
    ord("M"): check_logical_message,
}
