"""The rows of one table's lines as a frame of events, as far as its layout holds.

Source: contrib/test_decoding/test_decoding.c (pg_decode_change, tuple_to_stringinfo)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from re_dms.decode.events import OLD_KEY, OLD_ROW
from re_dms.decode.frames import Bits, Offsets
from re_dms.decode.line_cursor import LineCursor
from re_dms.decode.line_frames import Lines
from re_dms.decode.line_reader import NEW, NO_TUPLE, OLD
from re_dms.decode.line_tables import DELETE, INSERT, UPDATE, LinesOfTable
from re_dms.decode.lines import Layout, LayoutColumn
from re_dms.decode.views import ENCODING_REMEDY, Cells, Columns, Texts, words_before
from re_dms.errors import DecodeError, InvariantError
from re_dms.schema import KeyKind, Relation

FULL: Final = "f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The first `taken` of the lines that were asked for, as a frame (None when there is none): the line behind them
    has another layout. `keyless`: line numbers of changes among them that name no old row; they are not in the frame."""

    frame: pl.DataFrame | None
    taken: int
    keyless: Offsets


def read_rows(lines: Lines, table: LinesOfTable, since: int, layout: Layout) -> Rows:
    """The lines of a table from number `since` of it on: their events, as `events.event_frame` describes them."""
    walk = _Walk(lines, table, since, layout)
    return walk.rows()


class _Walk:
    """Reads all lines, then again only those before the first that does not fit."""

    def __init__(self, lines: Lines, table: LinesOfTable, since: int, layout: Layout) -> None:
        self.lines = lines
        self.layout = layout
        self.table_rows = table.rows[since:]
        self.op = table.op[since:]
        self.after = table.after[since:]

    def rows(self) -> Rows:
        """The events up to the first line of another layout."""
        while len(self.table_rows):
            misfit, frame, keyless = self._read()
            if misfit is None:
                return Rows(frame=frame, taken=len(self.table_rows), keyless=keyless)
            self.table_rows, self.op, self.after = self.table_rows[:misfit], self.op[:misfit], self.after[:misfit]
        return Rows(frame=None, taken=0, keyless=np.empty(0, dtype=np.int64))

    def _read(self) -> tuple[int | None, pl.DataFrame | None, Offsets]:
        keyless = self._keyless()
        kept = ~keyless
        rows, op, after = self.table_rows[kept], self.op[kept], self.after[kept]
        none = self.table_rows[keyless]
        if not len(rows):
            return None, None, none
        numbers = np.flatnonzero(kept)
        is_delete = op == DELETE
        is_old = is_delete | ((op == UPDATE) & self.lines.matches(after, OLD))
        old = new = None
        after = after + np.where(is_old & ~is_delete, len(OLD), 0)
        if is_old.any():
            old = _Tuples(self.lines, self.layout, rows, after, is_old)
            if (misfit := old.read_old(is_delete)) is not None:
                return int(numbers[misfit]), None, none
            after = old.after
        if not is_delete.all():
            new = _Tuples(self.lines, self.layout, rows, after, ~is_delete)
            if (misfit := new.read_new(old)) is not None:
                return int(numbers[misfit]), None, none
            new.refuse_unsent((op == INSERT)[~is_delete])
        return None, self._frame(rows, op, is_old, old, new), none

    def _keyless(self) -> Bits:
        """Deletes without a tuple, and what happens to old rows of a table whose rows nothing names."""
        bare = self.lines.matches(self.after, NO_TUPLE)
        bare &= self.after + len(NO_TUPLE) == self.lines.ends[self.table_rows]
        self.lines.refuse(self.table_rows, bare & (self.op != DELETE), "a new row without its values")
        if self.layout.relation.key_kind is KeyKind.APPEND:
            bare |= self.op != INSERT
        return bare

    def _frame(
        self, rows: Offsets, op: np.ndarray, is_old: Bits, old: _Tuples | None, new: _Tuples | None
    ) -> pl.DataFrame:
        relation = self.layout.relation
        whole = relation.identity == FULL
        columns = Columns(self.lines.frames, len(rows))
        columns.add("seq", rows, pl.Int64)
        columns.add("op", op, pl.UInt8)
        columns.add("old", np.where(is_old, OLD_ROW if whole else OLD_KEY, 0).astype(np.uint8), pl.UInt8)
        doubled: list[str] = []
        for prefix, tuples in (("k", old), ("c", new)):
            if tuples is not None:
                doubled += tuples.add_to(columns, prefix, relation)
            elif prefix == "c":
                _add_nothing(columns, self.lines, relation, len(rows))

        def bad_text(name: str, row: int) -> DecodeError:
            column = relation.column(int(name[1:]))
            place = f"{relation.full_name}, column {column.name!r}, {self.lines.place(int(rows[row]))}"
            return DecodeError(f"{place}: a value that is not UTF-8", remedy=ENCODING_REMEDY)

        frame = columns.frame(bad_text)
        if doubled:
            frame = frame.with_columns(pl.col(doubled).str.replace_all("''", "'", literal=True))
        return frame


class _Tuples:
    """The old or the new tuples of some lines. `values`: by attnum the cells of the chosen lines, and whether apostrophes
    are doubled in any; `after`: for all lines, where each stands behind its tuple."""

    def __init__(self, lines: Lines, layout: Layout, rows: Offsets, at: Offsets, chosen: Bits) -> None:
        self.lines = lines
        self.layout = layout
        self.chosen = chosen
        self.after = at
        self.values: dict[int, tuple[Cells, bool]] = {}
        self._cursor = LineCursor(lines, rows[chosen], at[chosen])
        self._numbers = np.flatnonzero(chosen)

    def add_to(self, columns: Columns, prefix: str, relation: Relation) -> list[str]:
        """Add the columns that were read, in the relation's order. Returns the names of those with doubled apostrophes."""
        doubled: list[str] = []
        for column in relation.columns:
            found = self.values.get(column.attnum)
            if found is None:
                if prefix == "c":
                    raise InvariantError(
                        f"{relation.full_name} was resolved to a layout without column {column.name!r}"
                    )
                continue
            cells, has_doubled = found
            columns.add_text(f"{prefix}{column.attnum}", Texts.of(cells), self.chosen)
            if cells.unsent is not None:
                columns.add_flags(f"u{column.attnum}", cells.unsent, self.chosen)
            if has_doubled:
                doubled.append(f"{prefix}{column.attnum}")
        return doubled

    def read_old(self, is_delete: Bits) -> int | None:
        """Old tuples: of the key, or of the whole row without its NULLs. Returns the first line that does not fit."""
        start = self._cursor.place
        if self.layout.relation.identity == FULL:
            return self._read_old(is_delete, whole=True)
        misfit = self._read_old(is_delete, whole=False)
        if misfit is None:
            return None
        # An identity that was FULL then, and is not now: the lines hold more than the key, which is all that counts.
        self._cursor.place = start
        self.values = {}
        misfit = self._read_old(is_delete, whole=True)
        relation = self.layout.relation
        self.values = {attnum: cells for attnum, cells in self.values.items() if attnum in relation.key}
        return misfit

    def _read_old(self, is_delete: Bits, *, whole: bool) -> int | None:
        """`whole`: any column may be there, those of the key must be; otherwise the key's alone are."""
        relation, cursor = self.layout.relation, self._cursor
        for column in self.layout.columns:
            in_key = relation.identity != FULL and column.attnum in relation.key
            if not whole and not in_key:
                continue
            present = cursor.matches(column.header) & ~cursor.ended
            if in_key and not present.all():
                return self._first(~present)
            cursor.skip(column.header, present)
            cells = self._take(column, cursor, present)
            self.lines.refuse(cursor.rows, present & ~cells.present, "an old row with a value that names none")
        deleted = is_delete[self.chosen]
        goes_on = cursor.matches(NEW)
        if (misfit := self._first(np.where(deleted, ~cursor.ended, ~goes_on))) is not None:
            return misfit
        self.after = self.after.copy()
        self.after[self._numbers] = cursor.at + np.where(deleted, 0, len(NEW))
        return None

    def read_new(self, old: _Tuples | None) -> int | None:
        """New tuples: every column. Returns the first line that does not fit."""
        cursor, first = self._cursor, len(self._numbers)
        for column in self.layout.columns:
            found = cursor.matches(column.header) & ~cursor.ended
            if not found.all():
                first = min(first, int(np.argmin(found)))
                break
            cursor.skip(column.header)
            self._take(column, cursor, None)
        else:
            if not cursor.ended.all():
                first = min(first, int(np.argmin(cursor.ended)))
        if first < len(self._numbers):
            return int(self._numbers[first])
        return self._first(self._untold(old))

    def refuse_unsent(self, inserts: Bits) -> None:
        """Only an UPDATE may leave a value where it is."""
        for cells, _ in self.values.values():
            if cells.unsent is not None:
                self.lines.refuse(self._cursor.rows, cells.unsent & inserts, "a new row without one of its values")

    def _take(self, column: LayoutColumn, cursor: LineCursor, present: Bits | None) -> Cells:
        cells, doubled = cursor.cells(column, present)
        if column.attnum is not None:
            self.values[column.attnum] = cells, doubled
        return cells

    def _untold(self, old: _Tuples | None) -> Bits:
        """A whole old row holds what is unsent: a line without it has another identity than is known."""
        untold = np.zeros(len(self._numbers), dtype=np.bool_)
        if self.layout.relation.identity != FULL:
            return untold
        for attnum, (cells, _) in self.values.items():
            if cells.unsent is None:
                continue
            told = np.zeros(len(self.chosen), dtype=np.bool_)
            if old is not None and attnum in old.values:
                told[old._numbers] = old.values[attnum][0].present
            untold |= cells.unsent & ~told[self._numbers]
        return untold

    def _first(self, bad: Bits) -> int | None:
        return int(self._numbers[int(np.argmax(bad))]) if bad.any() else None


def _add_nothing(columns: Columns, lines: Lines, relation: Relation, rows: int) -> None:
    """The columns of new tuples where every line is a delete."""
    none = np.empty(0, dtype=np.int64)
    nowhere = np.empty(0, dtype=np.bool_)
    cells = Cells(present=nowhere, unsent=None, start=none, length=none, words=words_before(lines.frames, none))
    for column in relation.columns:
        columns.add_text(f"c{column.attnum}", Texts.of(cells), np.zeros(rows, dtype=np.bool_))
