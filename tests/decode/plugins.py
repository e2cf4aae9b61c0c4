"""Both output plugins on one database: each step of a workload is read from a slot of either, and decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from decode import messages as m
from fix_postgres import Database
from re_dms.decode.decoded import Decoded, TableEvents
from re_dms.decode.frames import HEADER, Frames
from re_dms.decode.line_frames import Lines
from re_dms.decode.lines import Layout, LineTable
from re_dms.decode.pgoutput import PgOutputDecoder, WireRelation
from re_dms.decode.test_decoding import TestDecodingDecoder
from re_dms.lsn import LSN
from re_dms.pipeline.layouts import layout_of
from re_dms.schema import Relation
from re_dms.settings import SourceSettings
from re_dms.source.candidates import read_tables
from re_dms.source.catalog import describe
from re_dms.source.connection import Connection, connect
from re_dms.source.relations import relation_from_wire

OPTIONS = "'include-xids', 'on', 'include-timestamp', 'on', 'skip-empty-xacts', 'on', 'stream-changes', 'off'"


def lines_of(texts: Sequence[bytes], positions: Sequence[int] | None = None) -> Lines:
    """Lines as the stream has them; positions count up from 1 where none are given."""
    lsns = positions or range(1, len(texts) + 1)
    return Lines.of_stream(m.frames([m.w(text, LSN(at)) for text, at in zip(texts, lsns, strict=True)]))


def lines_of_file(data: bytes, starts: Sequence[int], ends: Sequence[int]) -> Lines:
    """Lines as a file has them: the region is the file."""
    frames = Frames.at(data + bytes(64), np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64))
    lsn = np.arange(1, len(starts) + 1, dtype=np.uint64)
    return Lines(frames, starts=frames.starts, lsn=lsn, place=lambda line, at: f"line {line}, byte {at}")


@dataclass
class Catalog:
    """What both resolvers know: the catalog of now, and the relations that were found before."""

    session: Connection
    relations: dict[int, Relation] = field(default_factory=dict)

    def resolve(self, wires: Sequence[WireRelation]) -> list[Relation | None]:
        described = describe(self.session, [wire.oid for wire in wires])
        found: list[Relation | None] = []
        for wire in wires:
            relation = relation_from_wire(wire, described.get(wire.oid), self.relations.get(wire.oid))
            self.relations[wire.oid] = relation
            found.append(relation)
        return found

    def locate(self, names: Sequence[tuple[str, str]]) -> list[int | None]:
        tables = read_tables(self.session)
        known = {(r.schema, r.name): oid for oid, r in self.relations.items()}
        roots = {(t.schema, t.name): list(tables.line(t.oid))[-1].oid for t in tables.values()}
        return [known.get(name, roots.get(name)) for name in names]

    def resolve_lines(self, asked: Sequence[LineTable]) -> list[Layout | None]:
        tables = read_tables(self.session)
        oids = {(t.schema, t.name): t.oid for t in tables.values()}
        found: list[Layout | None] = []
        for line in asked:
            (root,) = self.locate([(line.schema, line.name)])
            assert root is not None
            own = oids.get((line.schema, line.name), root)
            described = describe(self.session, [own, root])
            layout = layout_of(line, described.get(own), described.get(root), self.relations.get(root), oid=root)
            self.relations[root] = layout.relation
            found.append(layout)
        return found


@dataclass
class BothPlugins:
    """A slot of each plugin, a decoder of each. `cut`: messages a buffer (0: all)."""

    database: Database
    cut: int = 0

    def __post_init__(self) -> None:
        self.database.execute("create publication p for all tables with (publish_via_partition_root = true)")
        for slot, plugin in (("binary", "pgoutput"), ("text", "test_decoding")):
            self.database.execute(f"select pg_create_logical_replication_slot('{slot}', '{plugin}')")
        # Values are printed as our streams print them.
        self.session = connect(SourceSettings(dsn=self.database.dsn, slot="s", publication="p"), purpose="test")
        self.binary = Catalog(self.session)
        self.text = Catalog(self.session)
        self.pgoutput = PgOutputDecoder(self.binary.resolve)
        self.test_decoding = TestDecodingDecoder(self.text.resolve_lines, self.text.locate)

    def close(self) -> None:
        self.session.close()

    def step(self, sql: str) -> tuple[dict[str, list[TableEvents]], dict[str, list[TableEvents]]]:
        """What both say of what this SQL does: by table name its events."""
        self.database.execute(sql)
        binary = self.session.execute(
            "select lsn::text, data from pg_logical_slot_get_binary_changes('binary', null, null,"
            " 'proto_version', '1', 'publication_names', 'p', 'messages', 'true')"
        ).fetchall()
        text = self.session.execute(
            f"select lsn::text, convert_to(data, 'UTF8') from pg_logical_slot_get_changes('text', null, null, {OPTIONS})"
        ).fetchall()
        self.texts = [bytes(data) for _, data in text]
        mine = [m.w(bytes(data), LSN.parse(lsn)) for lsn, data in binary]
        theirs = [m.w(bytes(data), LSN.parse(lsn)) for lsn, data in text]
        return (
            _events(self.pgoutput.decode(part, {}) for part in self._parts(mine)),
            _events(self.test_decoding.decode(Lines.of_stream(part), {}) for part in self._parts(theirs)),
        )

    def _parts(self, messages: Sequence[bytes]) -> list[Frames]:
        size = self.cut or max(1, len(messages))
        return [m.frames(messages[at : at + size]) for at in range(0, len(messages), size)]


def _events(decoded: Iterable[Decoded]) -> dict[str, list[TableEvents]]:
    found: dict[str, list[TableEvents]] = {}
    for part in decoded:
        for _, events in part.tables:
            found.setdefault(events[0].relation.full_name, []).extend(events)
    return found


def told(events: Mapping[str, Sequence[TableEvents]]) -> dict[str, list[object]]:
    """Events as plain values: rows without their place in the buffer, versions of relations, truncates."""
    said: dict[str, list[object]] = {}
    for name, each in events.items():
        listed: list[object] = []
        for event in each:
            listed.append(("version", event.relation))
            if event.frame is None:
                listed.append(("truncate" if event.truncate else "diverged", event.diverged))
            else:
                listed += [_row(row) for row in event.frame.with_columns(pl.col("op").cast(pl.Int64)).to_dicts()]
        said[name] = _without_repeats(listed)
    return said


def _row(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "seq" and value not in (None, False, 0)}


def _without_repeats(listed: Sequence[object]) -> list[object]:
    """A version counts where it changes: buffers may end anywhere."""
    kept: list[object] = []
    version: object = None
    for each in listed:
        if isinstance(each, tuple) and each[0] == "version":
            if each == version:
                continue
            version = each
        kept.append(each)
    return kept


__all__ = ["HEADER", "BothPlugins", "Catalog", "lines_of", "lines_of_file", "told"]
