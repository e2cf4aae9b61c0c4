"""The rows of one segment of one table as a frame of events.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html (Insert, Update, Delete)
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.decode.frames import Bits, Frames, Offsets
from re_dms.decode.tuples import Cursor, read_tuples
from re_dms.decode.views import ENCODING_REMEDY, Columns
from re_dms.errors import DecodeError
from re_dms.pgtypes import ASCII
from re_dms.schema import Relation

INSERT, UPDATE, DELETE = ord("I"), ord("U"), ord("D")
_OID_BYTES = 4
NEW, OLD_KEY, OLD_ROW = ord("N"), ord("K"), ord("O")


def event_frame(frames: Frames, messages: Offsets, op: npt.NDArray[np.uint8], relation: Relation) -> pl.DataFrame:
    """The frame of the row messages (Insert, Update, Delete; at least one) with these indices, all of `relation`.

    Columns: `seq` Int64 (index of the message in the buffer), `op` UInt8 (ord of I, U, D), `old` UInt8 (0 without an old
    tuple, ord of K or O); `c<attnum>` String for each column (null when NULL, unsent or op D); `u<attnum>` Boolean for
    columns of which some value is unsent TOAST; `k<attnum>` String, the old tuple's values, when some row has one: the
    relation's key columns, or all columns when some old tuple is a whole row.
    Texts point into the region of `frames`. Raises DecodeError.
    """
    rows = Cursor(frames, messages, frames.starts[messages] + frames.body + _OID_BYTES)
    marker = rows.byte()
    is_key, is_row, is_delete = marker == OLD_KEY, marker == OLD_ROW, op == DELETE
    is_old = is_key | is_row
    rows.refuse(~is_old & ((marker != NEW) | is_delete), "an unknown kind of tuple")
    rows.refuse(is_old & (op == INSERT), "an old tuple in an Insert")
    columns = Columns(frames, len(messages))
    columns.add("seq", messages, pl.Int64)
    columns.add("op", op, pl.UInt8)
    columns.add("old", np.where(is_old, marker, np.uint8(0)), pl.UInt8)
    at = rows.at
    if is_old.any():
        if not relation.key:
            rows.refuse(is_key, "an old key of a table that has none")
        wanted = {column.attnum for column in relation.columns} if is_row.any() else set(relation.key)
        at = _old_tuples(rows, columns, relation, wanted, is_old, is_delete)
    _new_tuples(rows, at, columns, relation, is_delete)

    def bad_text(name: str, row: int) -> DecodeError:
        column = relation.column(int(name[1:]))
        place = f"{relation.full_name}, column {column.name!r}, {frames.place(int(messages[row]))}"
        return DecodeError(f"{place}: a value that is not UTF-8", remedy=ENCODING_REMEDY)

    return columns.frame(bad_text)


def _old_tuples(
    rows: Cursor, columns: Columns, relation: Relation, wanted: Container[int], is_old: Bits, is_delete: Bits
) -> Offsets:
    """Add the k columns; the offset of each row's last tuple: the new one, or the old one of a Delete."""
    frames, messages = rows.frames, rows.messages[is_old]
    wants = [column.attnum in wanted for column in relation.columns]
    texts, after = read_tuples(frames, messages, rows.at[is_old], len(wants), wanted=wants)
    for column, old in zip(relation.columns, texts, strict=True):
        if old is not None:
            columns.add_text(f"k{column.attnum}", old, is_old, is_ascii=column.type.kind in ASCII)
    updated = ~is_delete[is_old]
    updates = Cursor(frames, messages[updated], after[updated])
    updates.refuse(updates.byte() != NEW, "an Update without its new tuple")
    last = rows.at.copy()
    last[is_old & ~is_delete] = updates.at
    return last


def _new_tuples(rows: Cursor, at: Offsets, columns: Columns, relation: Relation, is_delete: Bits) -> None:
    """Add the c columns, and the u columns where something is unsent. A Delete's last tuple was its old one: it says
    nothing new."""
    texts, after = read_tuples(rows.frames, rows.messages, at, len(relation.columns), unsent=True)
    Cursor(rows.frames, rows.messages, after).close()
    deletes = bool(is_delete.any())
    for column, new in zip(relation.columns, texts, strict=True):
        if new is None:
            continue
        if deletes:
            new.present &= ~is_delete
        columns.add_text(f"c{column.attnum}", new, is_ascii=column.type.kind in ASCII)
        if new.unsent is not None:
            columns.add_flags(f"u{column.attnum}", new.unsent)
