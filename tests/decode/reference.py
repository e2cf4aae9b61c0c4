"""pgoutput row by row: the meaning that the columnar decoder is compared with. It knows nothing of the decoder's code.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from decode.messages import UNSENT, Value
from re_dms.decode.wire import WireColumn, WireRelation
from re_dms.lsn import LSN
from re_dms.schema import Relation

Resolve = Callable[[Sequence[WireRelation]], Sequence[Relation | None]]


class Refused(Exception):
    """The bytes are not what Postgres sends."""


@dataclass
class RowChange:
    seq: int
    op: str
    old_kind: str
    new: list[Value] | None
    old: list[Value] | None


@dataclass
class Segment:
    relation: Relation
    truncate: bool = False
    rows: list[RowChange] = field(default_factory=list)


class Take:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, form: str) -> int:
        if self.at + struct.calcsize(form) > len(self.data):
            raise Refused("short")
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return int(value)

    def raw(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise Refused("short")
        self.at += size
        return self.data[self.at - size : self.at]

    def text(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise Refused("no end of string")
        raw = self.raw(end - self.at)
        self.at += 1
        return utf8(raw)

    def tuple(self, columns: int, *, unsent: bool) -> list[Value]:
        if self.number(">h") != columns:
            raise Refused("column count")
        row: list[Value] = []
        for _ in range(columns):
            match self.raw(1):
                case b"n":
                    row.append(None)
                case b"u" if unsent:
                    row.append(UNSENT)
                case b"t":
                    row.append(self.raw(self.number(">i")))
                case _:
                    raise Refused("kind")
        return row

    def end(self) -> None:
        if self.at != len(self.data):
            raise Refused("too long")


def utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None


class Reference:
    """The same contract as PgOutputDecoder, over lists of whole messages."""

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve
        self.announced: dict[int, WireRelation] = {}
        self.resolved: dict[int, Relation | None] = {}
        self.current: dict[int, Relation | None] = {}
        self.cut: set[int] = set()
        self.transaction: tuple[int, int] | None = None
        self.commits: list[tuple[int, int, int]] = []
        self.segments: dict[int, list[Segment]] = {}

    def decode(self, messages: Sequence[bytes], skip_before: Mapping[int, int]) -> dict[int, list[Segment]]:
        self.commits, self.segments = [], {}
        for seq, message in enumerate(messages):
            if len(message) < 26 or message[:1] != b"w":
                raise Refused("header")
            self.one(seq, Take(message[25:]), skip_before)
        for segments in self.segments.values():
            for segment in segments:
                check_texts(segment)
        return {oid: segments for oid, segments in sorted(self.segments.items()) if segments}

    def one(self, seq: int, body: Take, skip_before: Mapping[int, int]) -> None:
        tag = body.raw(1)
        if tag in (b"R", b"Y", b"M"):
            {b"R": self.relation, b"Y": self.type, b"M": self.logical}[tag](body)
        elif tag == b"B":
            self.begin(body)
        elif tag not in (b"C", b"O", b"I", b"U", b"D", b"T") or not self.transaction:
            raise Refused("unknown, or outside of a transaction")
        elif tag == b"C":
            self.commit(body)
        elif tag == b"O":
            self.origin(body)
        elif tag == b"T":
            self.truncate(body, skip_before)
        else:
            self.row(seq, tag, body, skip_before)

    def begin(self, body: Take) -> None:
        final_lsn, _, xid = body.number(">Q"), body.number(">q"), body.number(">I")
        body.end()
        if self.transaction:
            raise Refused("begin in transaction")
        self.transaction = (final_lsn, xid)

    def commit(self, body: Take) -> None:
        flags, lsn, end_lsn, time = (body.number(form) for form in (">B", ">Q", ">Q", ">q"))
        body.end()
        assert self.transaction is not None
        if flags or lsn != self.transaction[0]:
            raise Refused("commit")
        self.commits.append((end_lsn, self.transaction[1], time + 946_684_800_000_000))
        self.transaction = None

    def origin(self, body: Take) -> None:
        body.number(">Q")
        body.text()
        body.end()

    def type(self, body: Take) -> None:
        body.number(">I")
        body.text()
        body.text()
        body.end()

    def logical(self, body: Take) -> None:
        if body.number(">B") > 1:
            raise Refused("flags")
        body.number(">Q")
        while body.raw(1) != b"\0":
            pass
        body.raw(body.number(">i"))
        body.end()

    def truncate(self, body: Take, skip_before: Mapping[int, int]) -> None:
        count, options = body.number(">i"), body.number(">B")
        if count < 0 or options > 3 or len(body.data) - body.at != 4 * count:
            raise Refused("truncate")
        for oid in dict.fromkeys(body.number(">I") for _ in range(count)):
            relation = self.carried(oid, skip_before)
            if relation is not None:
                self.segments[oid].append(Segment(relation, truncate=True))

    def relation(self, body: Take) -> None:
        oid, schema, name, identity = body.number(">I"), body.text(), body.text(), body.raw(1)
        if identity not in (b"d", b"n", b"f", b"i"):
            raise Refused("identity")
        count = body.number(">h")
        if count < 0:
            raise Refused("count")
        columns = []
        for _ in range(count):
            flag = body.number(">B")
            if flag > 1:
                raise Refused("flag")
            name_, type_oid, typmod = body.text(), body.number(">I"), body.number(">i")
            columns.append(WireColumn(name=name_, type_oid=type_oid, typmod=typmod, key=flag == 1))
        body.end()
        wire = WireRelation(
            oid=oid,
            schema=schema or "pg_catalog",
            name=name,
            identity=identity.decode(),
            columns=tuple(columns),
            lsn=LSN(0),
        )
        self.announced[oid] = wire
        self.resolved.pop(oid, None)

    def carried(self, oid: int, skip_before: Mapping[int, int]) -> Relation | None:
        """The version that a row or TRUNCATE belongs to, if it is kept. Versions without kept rows are never resolved."""
        if oid not in self.announced:
            raise Refused("no Relation")
        self.segments.setdefault(oid, [])
        assert self.transaction is not None
        if self.transaction[0] < skip_before.get(oid, 0):
            return None
        if oid not in self.resolved:
            (found,) = self.resolve([self.announced[oid]])
            self.resolved[oid] = found
            if oid in self.current and self.current[oid] != found:
                self.cut.add(oid)
            self.current[oid] = found
        return self.resolved[oid]

    def row(self, seq: int, tag: bytes, body: Take, skip_before: Mapping[int, int]) -> None:
        if len(body.data) < 8:
            raise Refused("short")
        oid = body.number(">I")
        relation = self.carried(oid, skip_before)
        if relation is None:
            return
        width = len(relation.columns)
        kind, old, new = body.raw(1), None, None
        if kind in (b"K", b"O") and tag != b"I":
            if kind == b"K" and not relation.key:
                raise Refused("K without a key")
            old = body.tuple(width, unsent=False)
        elif kind != b"N" or tag == b"D":
            raise Refused("kind of tuple")
        if tag != b"D":
            if old is not None and body.raw(1) != b"N":
                raise Refused("no new tuple")
            new = body.tuple(width, unsent=True)
        body.end()
        segments = self.segments[oid]
        if not segments or segments[-1].truncate or oid in self.cut:
            self.cut.discard(oid)
            segments.append(Segment(relation))
        segments[-1].rows.append(RowChange(seq, tag.decode(), "" if old is None else kind.decode(), new, old))


def check_texts(segment: Segment) -> None:
    """Values are texts, save those of an old key's tuple that are no key columns: nobody reads these."""
    whole = any(row.old_kind == "O" for row in segment.rows)
    for row in segment.rows:
        for values in (row.new, row.old):
            for at, column in enumerate(segment.relation.columns):
                if values is None or not isinstance(raw := values[at], bytes):
                    continue
                if values is row.old and not whole and column.attnum not in segment.relation.key:
                    continue
                values[at] = utf8(raw)
