"""A pgoutput reader of a few lines: the judge of what the stream says, written apart from the product's decoder.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

import struct
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    name: str
    type_oid: int
    typmod: int
    key: bool


@dataclass(frozen=True)
class Relation:
    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Insert:
    oid: int
    values: tuple[bytes | None, ...]


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> Any:
        values = struct.unpack_from("!" + layout, self.data, self.at)
        self.at += struct.calcsize("!" + layout)
        return values[0]

    def text(self) -> str:
        end = self.data.index(b"\0", self.at)
        found = self.data[self.at : end].decode()
        self.at = end + 1
        return found

    def bytes(self, length: int) -> bytes:
        self.at += length
        return self.data[self.at - length : self.at]


def parse(message: bytes) -> Relation | Insert | str:
    """Relations and inserts; of other messages only their letter."""
    data = _Bytes(message)
    letter = data.bytes(1).decode()
    if letter == "R":
        oid, schema, name = data.take("I"), data.text(), data.text()
        identity = data.bytes(1).decode()
        columns = []
        for _ in range(data.take("h")):
            key = data.take("b") == 1
            columns.append(Column(data.text(), data.take("I"), data.take("i"), key))
        return Relation(oid, schema or "pg_catalog", name, identity, tuple(columns))
    if letter == "I":
        oid, _ = data.take("I"), data.bytes(1)
        values: list[bytes | None] = []
        for _ in range(data.take("h")):
            kind = data.bytes(1)
            values.append(data.bytes(data.take("i")) if kind == b"t" else None)
        return Insert(oid, tuple(values))
    return letter
