"""test_decoding's lines to columnar changes of each table.

The text names tables and columns; it has no OIDs, no modifiers of types and no versions. A table's lines are read by its
layout; the first that has another one is shown to `resolve`, and is a barrier if the relation is another one, too.

Source: contrib/test_decoding/test_decoding.c
        https://www.postgresql.org/docs/current/test-decoding.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import numpy as np

from re_dms.decode.decoded import Decoded, TableEvents
from re_dms.decode.frames import Bits, Offsets
from re_dms.decode.line_frames import OTHER, TABLE, Lines
from re_dms.decode.line_reader import LineReader, read_line_table
from re_dms.decode.line_strays import refuse_strays
from re_dms.decode.line_tables import DELETE, TRUNCATE, LinesOfTable, lines_of_tables
from re_dms.decode.line_timeline import Barrier, Piece, timeline
from re_dms.decode.line_transactions import UNKNOWN, LineTransactions, read_line_transactions
from re_dms.decode.line_tuples import read_rows
from re_dms.decode.lines import Layout, LineTable, Locate, ResolveLines
from re_dms.decode.wire import BadMessage
from re_dms.errors import InvariantError
from re_dms.lsn import LSN
from re_dms.schema import Relation

_NAME_AT: Final = len(b"table ")
KEYLESS: Final = "rows were updated or deleted, and nothing in the stream names them: it has no replica identity"
LEAF_EMPTIED: Final = "one of its partitions was truncated by itself"
T = TypeVar("T")


@dataclass
class _Table:
    """What is kept of a table between buffers, by the bytes of its name: whose rows its lines are, and how they look."""

    schema: str
    name: str
    oid: int | None
    layout: Layout | None = None


@dataclass
class _Found:
    """What one buffer holds for one relation."""

    pieces: list[Piece] = field(default_factory=list)
    barriers: list[Barrier] = field(default_factory=list)
    unsure: bool = False


@dataclass(frozen=True, kw_only=True)
class _Buffer:
    """One buffer being decoded."""

    lines: Lines
    transactions: LineTransactions
    skip_before: Mapping[int, LSN]
    found: dict[int, _Found] = field(default_factory=lambda: defaultdict(_Found))
    truncated_by: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def kept(self, oid: int, rows: Offsets) -> Bits:
        """Which of these lines are not in the relation's copy, as far as that is known."""
        position = self.skip_before.get(oid)
        if position is None:
            return np.ones(len(rows), dtype=np.bool_)
        ends = self.transactions.end_lsns(rows)
        open_here = ends == UNKNOWN
        # A change stands before its commit: one behind the copy's position is decided already.
        if open_here.any() and self.lines.lsn[rows[open_here]].max() < position:
            self.found[oid].unsure = True
        kept: Bits = open_here | (ends > np.uint64(position))
        return kept


class TestDecodingDecoder:
    """Decodes the buffers of one stream of lines, in the order in which they were received.

    Between buffers it keeps each table's layout, each relation's version and the transaction that is still open.
    `locate` tells whose rows a table's lines are, `resolve` how they look; both are asked for tables that are new, and
    `resolve` for lines that look otherwise than before. After an error the decoder must not be used again.
    """

    __test__ = False  # for pytest, which takes the name for that of a test

    def __init__(self, resolve: ResolveLines, locate: Locate) -> None:
        self._resolve = resolve
        self._locate = locate
        self._tables: dict[bytes, _Table] = {}
        self._relations: dict[int, Relation] = {}
        self._open: int | None = None
        self._tentative: set[int] = set()

    def decode(self, lines: Lines, skip_before: Mapping[int, LSN]) -> Decoded:
        """The changes of one buffer.

        `skip_before`: by OID, rows and TRUNCATEs of transactions that end at or before it are dropped (they are in the
        copy); where the end is not known yet they are tentative (see `Decoded`). Tables that are not carried are
        dropped without a word. Raises DecodeError, with the line, for all that is unknown, cut or out of order.
        """
        kinds = lines.kinds
        unknown = np.flatnonzero(kinds == OTHER)
        lines.refuse(unknown, np.ones(len(unknown), dtype=np.bool_), "an unknown line")
        transactions = read_line_transactions(lines, self._open)
        buffer = _Buffer(lines=lines, transactions=transactions, skip_before=skip_before)
        changes = np.flatnonzero(kinds == TABLE)
        transactions.require(lines, changes)
        rows, emptied = _parted(lines, lines_of_tables(lines, changes))
        self._find(lines, rows, emptied)
        retracted = self._settle(transactions, skip_before)
        carried = self._carried(buffer, rows)
        self._know_layouts(lines, carried, emptied)
        for table, group in carried:
            self._rows(buffer, table, group)
        for line, names in emptied:
            self._truncate(buffer, line, [self._tables[name] for name in names])
        tables = self._in_order(buffer)
        self._open = transactions.open_xid
        if self._open is not None:
            self._tentative |= {oid for oid, found in buffer.found.items() if found.unsure}
        return Decoded(
            tables=tables,
            commits=transactions.commits,
            messages=len(lines),
            truncated_by={oid: tuple(xids) for oid, xids in buffer.truncated_by.items()},
            retracted=retracted,
        )

    def _find(self, lines: Lines, rows: Sequence[LinesOfTable], emptied: Sequence[tuple[int, Sequence[bytes]]]) -> None:
        """Whose rows the tables' lines are, for names that are new."""
        first = {group.name: int(group.rows[0]) for group in rows}
        for line, names in emptied:
            for name in names:
                first.setdefault(name, line)
        new = {
            name: _read(lines, line, partial(_table_of, name))
            for name, line in first.items()
            if name not in self._tables
        }
        if not new:
            return
        for (name, (schema, table)), oid in zip(new.items(), self._locate(list(new.values())), strict=True):
            self._tables[name] = _Table(schema=schema, name=table, oid=oid)

    def _settle(self, transactions: LineTransactions, skip_before: Mapping[int, LSN]) -> frozenset[int]:
        """The transaction that came over ends in this buffer: what of it is in a copy?"""
        if not transactions.carried or not len(transactions.commits):
            return frozenset()
        end = int(transactions.end_lsn[0])
        retracted = frozenset(oid for oid in self._tentative if end <= skip_before.get(oid, 0))
        self._tentative = set()
        return retracted

    def _carried(self, buffer: _Buffer, groups: Sequence[LinesOfTable]) -> list[tuple[_Table, LinesOfTable]]:
        """The lines that are neither of other tables nor in a copy."""
        carried, lines = [], buffer.lines
        for group in groups:
            table = self._tables[group.name]
            if table.oid is None:
                refuse_strays(lines, group)
                continue
            kept = buffer.kept(table.oid, group.rows)
            if kept.any():
                carried.append((table, group.only(kept)))
        return carried

    def _know_layouts(
        self,
        lines: Lines,
        carried: Sequence[tuple[_Table, LinesOfTable]],
        emptied: Sequence[tuple[int, Sequence[bytes]]],
    ) -> None:
        """Ask for the layouts of tables that have none, all at once."""
        asked: dict[bytes, tuple[_Table, LineTable]] = {}
        for table, group in carried:
            if table.layout is None:
                asked[group.name] = table, _line_table(lines, table, group, 0)
        for _, names in emptied:
            for name in names:
                table = self._tables[name]
                if table.layout is None and table.oid is not None and name not in asked:
                    asked[name] = (
                        table,
                        LineTable(schema=table.schema, name=table.name, columns=(), whole=False, lsn=LSN(0)),
                    )
        if asked:
            answers = self._resolve([line for _, line in asked.values()])
            for (table, _), layout in zip(asked.values(), answers, strict=True):
                self._know(table, layout)

    def _know(self, table: _Table, layout: Layout | None) -> None:
        if layout is not None and layout.relation.oid != table.oid:
            raise InvariantError(f"{table.schema}.{table.name} was resolved to another table than it was located at")
        table.layout = layout
        table.oid = None if layout is None else table.oid

    def _rows(self, buffer: _Buffer, table: _Table, group: LinesOfTable) -> None:
        lines, since, asked = buffer.lines, 0, -1
        while since < len(group.rows) and table.layout is not None and table.oid is not None:
            found, relation = buffer.found[table.oid], table.layout.relation
            rows = read_rows(lines, group, since, table.layout)
            if rows.frame is not None:
                found.pieces.append(Piece(first=int(group.rows[since]), relation=relation, frame=rows.frame))
            if len(rows.keyless):
                found.barriers.append(Barrier(at=int(rows.keyless[0]), diverged=KEYLESS))
            since += rows.taken
            if since == len(group.rows):
                return
            # A line that its table's layout does not fit: the table has changed, or the line is broken.
            if since == asked:
                line = int(group.rows[since])
                raise lines.refusal(line, int(group.after[since]), "a row with other columns than its table has")
            asked = since
            self._know(table, self._resolve([_line_table(lines, table, group, since)])[0])

    def _truncate(self, buffer: _Buffer, line: int, tables: Sequence[_Table]) -> None:
        """A root's TRUNCATE lists its partitions, too; one of a partition alone cannot be followed."""
        carried = [(table.oid, table.layout) for table in tables if table.oid is not None and table.layout is not None]
        whole = {oid for oid, layout in carried if not layout.leaf}
        rows = np.array([line], dtype=np.int64)
        for oid in dict.fromkeys(oid for oid, _ in carried):
            buffer.truncated_by[oid].append(int(buffer.transactions.xids(rows)[0]))
            if buffer.kept(oid, rows)[0]:
                diverged = None if oid in whole else LEAF_EMPTIED
                buffer.found[oid].barriers.append(Barrier(at=line, diverged=diverged))

    def _in_order(self, buffer: _Buffer) -> tuple[tuple[int, tuple[TableEvents, ...]], ...]:
        layouts = {table.oid: table.layout for table in self._tables.values() if table.layout is not None}
        tables = []
        for oid in sorted(buffer.found):
            found = buffer.found[oid]
            first = min(found.pieces, key=lambda piece: piece.first, default=None)
            relation = self._relations.get(oid)
            if relation is None:
                relation = first.relation if first is not None else layouts[oid].relation
            tentative = max(buffer.transactions.open_begin, 0) if found.unsure else None
            ordered = timeline(found.pieces, found.barriers, relation, tentative_from=tentative)
            self._relations[oid] = ordered.relation
            if ordered.events:
                tables.append((oid, ordered.events))
        return tuple(tables)


def _parted(
    lines: Lines, groups: Sequence[LinesOfTable]
) -> tuple[list[LinesOfTable], list[tuple[int, tuple[bytes, ...]]]]:
    """The lines with rows by table, and each TRUNCATE with the names that it lists."""
    rows: list[LinesOfTable] = []
    emptied: list[tuple[int, tuple[bytes, ...]]] = []
    for group in groups:
        truncates = group.op == TRUNCATE
        emptied += [(line, _read(lines, line, _truncated)) for line in group.rows[truncates].tolist()]
        if not truncates.all():
            rows.append(group.only(~truncates))
    return rows, sorted(emptied)


def _table_of(name: bytes, _text: bytes) -> tuple[str, str]:
    reader = LineReader(name + b":", strict=True)
    found = reader.table()
    if reader.at != len(name):
        raise BadMessage("a row of several tables, or a name without its end", _NAME_AT + reader.at)
    return found


def _truncated(text: bytes) -> tuple[bytes, ...]:
    reader, names = LineReader(text, _NAME_AT, strict=True), []
    first = _NAME_AT
    while True:
        reader.table()
        names.append(text[first : reader.at])
        if not text.startswith(b", ", reader.at):
            break
        reader.at = first = reader.at + 2
    reader.truncate_flags()
    return tuple(names)


def _line_table(lines: Lines, table: _Table, group: LinesOfTable, number: int) -> LineTable:
    """What a line says of its table's columns: all of them, or for a delete those that name its row."""
    line = int(group.rows[number])
    after = int(group.after[number] - lines.starts[line])

    def columns(text: bytes) -> LineTable:
        return read_line_table(
            text,
            after,
            schema=table.schema,
            name=table.name,
            delete=group.op[number] == DELETE,
            lsn=LSN(int(lines.lsn[line])),
        )

    return _read(lines, line, columns)


def _read(lines: Lines, line: int, reader: Callable[[bytes], T]) -> T:
    try:
        return reader(lines.text(line))
    except BadMessage as bad:
        raise lines.refusal(line, int(lines.starts[line]) + bad.offset, bad.what) from None
