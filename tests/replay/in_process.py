"""The product's own way from bytes to changes, without processes, journal and catalog: what it gives, in the form of the
reference."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from re_dms.decode.decoded import Decoded, TableEvents
from re_dms.decode.line_frames import COMMIT, TABLE, Lines
from re_dms.decode.lines import Form, Layout, LayoutColumn, LineTable
from re_dms.decode.test_decoding import TestDecodingDecoder
from re_dms.errors import ReDmsError, RelationChanged
from re_dms.journal.completed import Completed
from re_dms.lsn import LSN
from re_dms.pgtypes import Kind, PgType
from re_dms.pipeline.inputs import Input
from re_dms.pipeline.replay import Replay
from re_dms.pipeline.transcript import Transcript
from re_dms.schema import Column, KeyKind, Relation
from replay.reference_rows import Catalog, Change, Row, Version
from replay.reference_text import UNSENT, Characters

SOON = 10.0  # seconds; nothing here waits
_OPS = {ord("I"): "INSERT", ord("U"): "UPDATE", ord("D"): "DELETE"}
_FORMS = {
    **dict.fromkeys(("smallint", "integer", "bigint", "oid", "real", "double precision", "numeric"), Form.BARE),
    "boolean": Form.BOOL,
    "bit": Form.BITS,
    "bit varying": Form.BITS,
}
_KEYWORDS = ("order", "position", "null", "user")
_FLAGS = (b"(no-flags)", b"restart_seqs", b"cascade")


@dataclass(kw_only=True)
class Outcome:
    """`transactions`: what came out, for good. `error`: what ended it. `told`: what is not whole, with its place."""

    transactions: list[list[Change]]
    error: ReDmsError | None = None
    told: list[str] = field(default_factory=list)


class Tables:
    """The resolver: layouts of the catalog's versions. An attnum stands for one column of one version."""

    def __init__(self, catalog: Catalog) -> None:
        self.names = list(catalog)
        self.catalog = catalog
        self.fresh: set[int] = set()
        self.layouts = {
            name: [self._layout(name, number, version) for number, version in enumerate(versions)]
            for name, versions in catalog.items()
        }
        self.types = {
            (oid, column.attnum): column.type.name
            for oid, name in enumerate(self.names, 1)
            for layout in self.layouts[name]
            for column in layout.relation.columns
        }

    def _layout(self, name: tuple[str, str], number: int, version: Version) -> Layout:
        attnums = {column: at for at, (column, _) in enumerate(version.columns, 100 * number + 1)}
        kind = KeyKind.APPEND if version.identity == "n" else KeyKind.KEYED if version.key else KeyKind.COUNTED
        relation = Relation(
            oid=self.names.index(name) + 1,
            schema=name[0],
            name=name[1],
            identity=version.identity,
            key_kind=kind,
            key=tuple(attnums[column] for column in version.key),
            columns=tuple(
                Column(attnum=attnums[column], name=column, type=PgType(oid=0, typmod=-1, name=printed, kind=Kind.TEXT))
                for column, printed in version.columns
            ),
        )
        columns = tuple(
            LayoutColumn(
                header=f" {quoted(column)}[{printed}]:".encode(),
                attnum=attnums[column],
                form=_FORMS.get(printed, Form.QUOTED),
            )
            for column, printed in version.columns
        )
        return Layout(relation=relation, columns=columns)

    def locate(self, names: Sequence[tuple[str, str]]) -> list[int | None]:
        for name in names:
            if name not in self.catalog:
                raise RelationChanged("a table has rows in the stream and is not in the catalog")
        return [self.names.index(name) + 1 if self.catalog[name] else None for name in names]

    def resolve(self, asked: Sequence[LineTable]) -> list[Layout | None]:
        return [self._resolve(line) for line in asked]

    def _resolve(self, line: LineTable) -> Layout:
        said = tuple((column.name, column.type) for column in line.columns)
        name = line.schema, line.name
        for layout, version in zip(self.layouts[name], self.catalog[name], strict=True):
            key = tuple(column for column in version.columns if column[0] in version.key)
            if said == (version.columns if line.whole else key):
                return layout
        return self.layouts[name][-1]

    def begin(self, decoded: Decoded, batch: object, position: LSN) -> None:
        for _, events in decoded.tables:
            if any(event.diverged is not None for event in events):
                raise RelationChanged("a table cannot be followed")


class _Decoder(TestDecodingDecoder):
    """Keeps what `Decoded` does not tell: which lines are COMMITs, and which TRUNCATEs."""

    def decode(self, lines: Lines, skip_before: Any) -> Decoded:
        decoded = super().decode(lines, skip_before)
        self.ends = np.flatnonzero(lines.kinds == COMMIT)
        texts = [(line, lines.text(line)) for line in np.flatnonzero(lines.kinds == TABLE).tolist()]
        self.truncates = [(line, _listed(text)) for line, text in texts if text.endswith(_FLAGS)]
        return decoded


class _Relations:
    """Nothing here outlives a replay."""

    def follow(self, decoded: Decoded) -> Decoded:
        return decoded

    def revert(self) -> None: ...


class Product(Replay):
    """A replay whose batches are lists. A batch is sealed as soon as it may be: what is sealed is given for good."""

    def __init__(self, tables: Tables, *, block_bytes: int, completed: Completed | None = None) -> None:
        self.tables = tables
        self.block_bytes = block_bytes
        self.alone, self.torn, self.position, self.end, self.received = False, [], 0, LSN(0), 0
        self.given: list[list[Change]] = []
        self.others = []
        self.completed = completed or Completed.open(None, "stream", ())  # type: ignore[arg-type]
        self.resolver: Any = self.tables
        self.relations: Any = _Relations()
        self.batch: Any = None
        self.transcript = Transcript(self._known, self._known_elsewhere)
        self.decoder: Any = self._new_decoder()

    def _new_decoder(self) -> TestDecodingDecoder:
        return _Decoder(self.tables.resolve, self.tables.locate)

    def _open_batch(self) -> Any:
        self.batch = self.batch or _Batch(self)
        return self.batch

    def _seal(self) -> None:
        if self.batch is not None:
            assert not self.batch.open, "a batch with half a transaction"
            self.given += self.batch.transactions
            self.batch = None

    def outcome(self, data: bytes, pieces: Sequence[int] = ()) -> Outcome:
        """`pieces`: come through a pipe, in pieces of these sizes; otherwise from a file."""
        outcome = Outcome(transactions=self.given)
        try:
            if pieces:
                self._through_a_pipe(data, pieces)
            else:
                self._from_a_file(data)
        except ReDmsError as error:
            outcome.error = error
        outcome.told = self.transcript.torn() + self.torn
        return outcome

    def _from_a_file(self, data: bytes) -> None:
        descriptor = os.memfd_create("data")
        try:
            os.write(descriptor, data)
            os.lseek(descriptor, 0, os.SEEK_SET)
            source = self.input = Input(descriptor, block_bytes=self.block_bytes)
            while not self._next(source, SOON):
                pass
        finally:
            os.close(descriptor)

    def _through_a_pipe(self, data: bytes, pieces: Sequence[int]) -> None:
        reader, writer = os.pipe()
        try:
            source = self.input = Input(reader, block_bytes=self.block_bytes)
            number = 0
            while data:
                size = pieces[number % len(pieces)]
                os.write(writer, data[:size])
                data, number = data[size:], number + 1
                while self._next(source, 0) is not None:
                    pass
            os.close(writer)
            writer = -1
            while not self._next(source, SOON):
                pass
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)

    def _next(self, source: Input, timeout_seconds: float) -> bool | None:
        block = source.next(timeout_seconds)
        if block is None:
            return None
        self._take(block)
        if block.last and self.alone:
            self._drop()
        if not self.alone:
            self._seal()
        return block.last


class _Batch:
    """The transactions of the parts that were added, and the changes of the one that is open."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.bytes = 0
        self.transactions: list[list[Change]] = []
        self.open: list[Change] = []

    def add(self, decoded: Decoded) -> None:
        decoder = self.product.decoder
        found: list[tuple[int, int, Change]] = []
        for oid, events in decoded.tables:
            name = ".".join(self.product.tables.names[oid - 1])
            lists = iter([(line, names.index(name)) for line, names in decoder.truncates if name in names])
            for event in events:
                if event.truncate:
                    found.append((*next(lists), (name, "TRUNCATE", None, None)))
                else:
                    found += self._rows(oid, name, event)
        found.sort(key=lambda each: each[:2])
        at = 0
        for end in decoder.ends:
            while at < len(found) and found[at][0] < end:
                self.open.append(found[at][2])
                at += 1
            self.transactions.append(self.open)
            self.open = []
        self.open += [change for _, _, change in found[at:]]
        assert len(decoder.ends) == len(decoded.commits)

    def _rows(self, oid: int, name: str, event: TableEvents) -> list[tuple[int, int, Change]]:
        assert event.frame is not None
        columns = [(column.attnum, column.name) for column in event.relation.columns]
        keys = [(attnum, column) for attnum, column in columns if f"k{attnum}" in event.frame.columns]
        if event.relation.identity != "f":
            assert {attnum for attnum, _ in keys} <= set(event.relation.key)
        found: list[tuple[int, int, Change]] = []
        for row in event.frame.to_dicts():
            op = _OPS[row["op"]]
            old = self._row(oid, row, "k", keys) if row["old"] else None
            new = None if op == "DELETE" else self._row(oid, row, "c", columns)
            found.append((row["seq"], 0, (name, op, old, new)))
        return found

    def _row(self, oid: int, row: dict[str, Any], prefix: str, columns: Sequence[tuple[int, str]]) -> Row:
        values: Row = {}
        for attnum, name in columns:
            text = row[f"{prefix}{attnum}"]
            if text is not None and self.product.tables.types[oid, attnum] == "boolean":
                text = {"t": "true", "f": "false"}[text]
            values[name] = text if text is None else text.encode()
            if prefix == "c" and row.get(f"u{attnum}"):
                assert text is None
                values[name] = UNSENT
        return values


def quoted(name: str) -> str:
    """As quote_identifier writes it, for the keywords that tests use."""
    plain = name.isascii() and name.replace("_", "a").isalnum() and name.lower() == name and not name[0].isdigit()
    return name if plain and name not in _KEYWORDS else '"' + name.replace('"', '""') + '"'


def _listed(text: bytes) -> list[str]:
    """The tables that a TRUNCATE lists."""
    reader = Characters(text, len(b"table "))
    names: list[str] = []
    while not names or reader.accept(b", "):
        schema = reader.name()
        reader.expect(b".")
        names.append(f"{schema}.{reader.name()}")
    return names


def give(
    data: bytes,
    catalog: Catalog,
    *,
    block_bytes: int = 1 << 20,
    pieces: Sequence[int] = (),
    completed: Completed | None = None,
) -> Outcome:
    """What the product makes of these bytes."""
    return Product(Tables(catalog), block_bytes=block_bytes, completed=completed).outcome(data, pieces)
