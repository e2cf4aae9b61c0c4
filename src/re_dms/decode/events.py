"""The rows of one segment of one table as a frame of events.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html (Insert, Update, Delete)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.decode.frames import HEADER, Bits, Frames, Offsets
from re_dms.decode.tuples import ENCODING_REMEDY, Columns, Cursor
from re_dms.errors import DecodeError
from re_dms.schema import Relation

INSERT, UPDATE, DELETE = ord("I"), ord("U"), ord("D")
NEW, OLD_KEY, OLD_ROW = ord("N"), ord("K"), ord("O")


def event_frame(frames: Frames, messages: Offsets, op: npt.NDArray[np.uint8], relation: Relation) -> pl.DataFrame:
    """The frame of the row messages (Insert, Update, Delete; at least one) with these indices, all of `relation`.

    Columns: `seq` Int64 (index of the message in the buffer), `op` UInt8 (ord of I, U, D), `old` UInt8 (0 without an old
    tuple, ord of K or O); `c<attnum>` String for each column (null when NULL, unsent or op D); `u<attnum>` Boolean for
    columns of which some value is unsent TOAST; `k<attnum>` String, the old tuple's values, when some row has one: the
    relation's key columns, or all columns when some old tuple is a whole row.
    Texts point into the region of `frames`. Raises DecodeError.
    """
    rows = Cursor(frames, messages, frames.starts[messages] + HEADER + 5)  # tag, relation OID
    marker = rows.byte()
    is_key, is_row, is_delete = marker == OLD_KEY, marker == OLD_ROW, op == DELETE
    is_old = is_key | is_row
    rows.refuse(~is_old & ((marker != NEW) | is_delete), "an unknown kind of tuple")
    rows.refuse(is_old & (op == INSERT), "an old tuple in an Insert")
    columns = Columns(frames, len(messages))
    columns.add("seq", messages, pl.Int64)
    columns.add("op", op, pl.UInt8)
    columns.add("old", np.where(is_old, marker, np.uint8(0)), pl.UInt8)
    if is_old.any():
        if not relation.key:
            rows.refuse(is_key, "an old key of a table that has none")
        wanted = [column.attnum for column in relation.columns] if is_row.any() else relation.key
        rows.at = _old_tuples(rows, columns, relation, wanted, is_old, is_delete)
    _new_tuples(rows, columns, relation, ~is_delete)

    def bad_text(name: str, row: int) -> DecodeError:
        column = relation.column(int(name[1:]))
        place = f"{relation.full_name}, column {column.name!r}, {frames.place(int(messages[row]))}"
        return DecodeError(f"{place}: a value that is not UTF-8", remedy=ENCODING_REMEDY)

    return columns.frame(bad_text)


def _old_tuples(
    rows: Cursor, columns: Columns, relation: Relation, wanted: Sequence[int], is_old: Bits, is_delete: Bits
) -> Offsets:
    """Add the k columns; the offset of each row's new tuple, where it has one."""
    old = rows.select(is_old)
    old.open(len(relation.columns))
    for column in relation.columns:
        cells = old.cells(unsent=False)
        if column.attnum in wanted:
            columns.add_text(f"k{column.attnum}", cells, is_old)
    old.select(is_delete[is_old]).close()
    updates = old.select(~is_delete[is_old])
    marker = updates.byte()
    updates.refuse(marker != NEW, "an Update without its new tuple")
    after = rows.at.copy()
    after[is_old & ~is_delete] = updates.at
    return after


def _new_tuples(rows: Cursor, columns: Columns, relation: Relation, is_new: Bits) -> None:
    """Add the c columns, and the u columns where something is unsent."""
    new = rows.select(is_new)
    new.open(len(relation.columns))
    for column in relation.columns:
        cells = new.cells(unsent=True)
        columns.add_text(f"c{column.attnum}", cells, is_new)
        if cells.unsent is not None:
            columns.add_flags(f"u{column.attnum}", cells.unsent, is_new)
    new.close()
