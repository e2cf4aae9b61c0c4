"""pgoutput and COPY messages built with struct, for tests. Also a synthetic load:  python tests/decode/messages.py

A tuple is a list of values: str, bytes (as they are), None (NULL), UNSENT.
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Iterable, Sequence
from enum import Enum, auto

import numpy as np

from re_dms.decode.frames import PAD, Frames
from re_dms.decode.wire import WireRelation
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation


class Unsent(Enum):
    TOKEN = auto()


UNSENT = Unsent.TOKEN
Value = str | bytes | None | Unsent
Row = Sequence[Value]
TEXT = PgType(oid=25, typmod=-1, name="text", kind=Kind.TEXT)


def frames(messages: Iterable[bytes], *, tail: bytes = bytes(PAD)) -> Frames:
    listed = list(messages)
    return Frames(bytearray(b"".join(listed) + tail), np.array([len(m) for m in listed], dtype=np.int32))


def w(body: bytes, lsn: int = 0x1_0000_0001) -> bytes:
    """A message as it comes in CopyData."""
    return b"w" + struct.pack(">QQq", lsn, lsn, 0) + body


def begin(final_lsn: int, xid: int = 700, time_us: int = 0) -> bytes:
    return b"B" + struct.pack(">QqI", final_lsn, time_us, xid)


def commit(lsn: int, end_lsn: int | None = None, time_us: int = 0) -> bytes:
    return b"C" + struct.pack(">BQQq", 0, lsn, lsn + 8 if end_lsn is None else end_lsn, time_us)


def origin(name: str = "elsewhere") -> bytes:
    return b"O" + struct.pack(">Q", 1) + _text(name)


def type_(oid: int = 16_500, name: str = "mood") -> bytes:
    return b"Y" + struct.pack(">I", oid) + _text("public") + _text(name)


def logical(content: bytes = b"hello", *, transactional: bool = True) -> bytes:
    return b"M" + struct.pack(">BQ", transactional, 1) + _text("prefix") + struct.pack(">i", len(content)) + content


def relation(of: Relation) -> bytes:
    """The Relation message that Postgres would send for it."""
    full = of.identity == "f"
    body = b"R" + struct.pack(">I", of.oid) + _text(of.schema) + _text(of.name) + of.identity.encode()
    body += struct.pack(">h", len(of.columns))
    for column in of.columns:
        body += struct.pack(">B", full or column.attnum in of.key) + _text(column.name)
        body += struct.pack(">Ii", column.type.oid, column.type.typmod)
    return body


def insert(oid: int, new: Row) -> bytes:
    return b"I" + struct.pack(">I", oid) + b"N" + stream_tuple(new)


def update(oid: int, new: Row, *, key: Row | None = None, old: Row | None = None) -> bytes:
    return b"U" + struct.pack(">I", oid) + _old(key, old) + b"N" + stream_tuple(new)


def delete(oid: int, *, key: Row | None = None, old: Row | None = None) -> bytes:
    return b"D" + struct.pack(">I", oid) + _old(key, old)


def truncate(*oids: int, options: int = 0) -> bytes:
    return b"T" + struct.pack(">iB", len(oids), options) + b"".join(struct.pack(">I", oid) for oid in oids)


def stream_tuple(row: Row) -> bytes:
    parts = [struct.pack(">h", len(row))]
    for value in row:
        if value is None:
            parts.append(b"n")
        elif isinstance(value, Unsent):
            parts.append(b"u")
        else:
            data = value.encode() if isinstance(value, str) else value
            parts.append(b"t" + struct.pack(">i", len(data)) + data)
    return b"".join(parts)


def copy_data(body: bytes) -> bytes:
    """A message of a copy, as it comes from the wire."""
    return b"d" + struct.pack(">I", len(body) + 4) + body


def table(
    oid: int,
    columns: int = 2,
    *,
    key: Sequence[int] = (1,),
    identity: str = "d",
    name: str = "",
    step: int = 1,
    columns_named: Sequence[str] = (),
) -> Relation:
    """A table with text columns c1, c2 … `step` leaves gaps between the attnums, as dropped columns do."""
    attnums = [1 + step * at for at in range(columns)]
    names = columns_named or [f"c{attnum}" for attnum in attnums]
    kind = KeyKind.KEYED if key else KeyKind.COUNTED if identity == "f" else KeyKind.APPEND
    return Relation(
        oid=oid,
        schema="public",
        name=name or f"t{oid}",
        identity=identity,
        key_kind=kind,
        key=tuple(key),
        columns=tuple(Column(attnum=a, name=n, type=TEXT) for a, n in zip(attnums, names, strict=True)),
    )


def resolve_among(*relations: Relation | None):
    """A `resolve` that knows these relations by OID, schema, name, identity and column names; all others are None."""

    def resolve(wires: Sequence[WireRelation]) -> list[Relation | None]:
        return [next((r for r in relations if r is not None and _same(r, wire)), None) for wire in wires]

    return resolve


def _same(known: Relation, wire: WireRelation) -> bool:
    names = [c.name for c in wire.columns]
    return (known.oid, known.schema, known.name, known.identity, [c.name for c in known.columns]) == (
        wire.oid,
        wire.schema,
        wire.name,
        wire.identity,
        names,
    )


def _text(text: str) -> bytes:
    return text.encode() + b"\0"


def _old(key: Row | None, old: Row | None) -> bytes:
    if key is not None:
        return b"K" + stream_tuple(key)
    return b"" if old is None else b"O" + stream_tuple(old)


def _load(rows: int, of: Relation) -> list[bytes]:
    messages = [w(begin(100)), w(relation(of), 0)]
    for i in range(rows):
        row: list[Value] = [
            str(i % (rows // 2)),
            "paid",
            f"{i}.25",
            "2026-11-22 14:37:58.28201+00",
            '{"k": 1, "t": ["a"]}',
        ]
        row += ["t", None, f'note {i}, with "quotes", commas', str(i % 10), "x" * (i % 40)]
        messages.append(w(insert(of.oid, row) if i % 3 else update(of.oid, row)))
    return [*messages, w(commit(100))]


if __name__ == "__main__":
    from re_dms.decode.pgoutput import PgOutputDecoder

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 250_000
    wide = table(16_384, 10)
    buffer = frames(_load(count, wide))
    for _ in range(3):
        wall, processor = time.perf_counter(), time.process_time()
        PgOutputDecoder(resolve_among(wide)).decode(buffer, {})
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        print(f"{count} rows of 10 columns: {count / wall:,.0f} rows/s, {count / processor:,.0f} rows/s of one core")
