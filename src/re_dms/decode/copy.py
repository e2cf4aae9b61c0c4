"""Rows of COPY BINARY to the same columns as the stream's inserts.

Source: https://www.postgresql.org/docs/current/sql-copy.html (binary format)
"""

from __future__ import annotations

import numpy as np
import polars as pl

from re_dms.decode.frames import Frames
from re_dms.decode.tuples import Cursor, read_tuples
from re_dms.decode.views import ENCODING_REMEDY, Columns
from re_dms.errors import DecodeError
from re_dms.schema import Relation


def decode_copy(frames: Frames, relation: Relation) -> pl.DataFrame:
    """The rows of a copy as a frame of inserts, one for each message of `frames`, in order.

    Each message is one tuple of `COPY (SELECT column::text, …) TO STDOUT (FORMAT binary)`, with the columns of `relation`
    in their order, without the file's header and trailer. Columns: `seq` Int64 (index of the row in the buffer), `op`
    UInt8 (ord of I), `old` UInt8 (0), `c<attnum>` String. Texts point into the region of `frames`.
    Raises DecodeError, which names table and row, for anything that is not exactly that.
    """
    rows = np.arange(len(frames), dtype=np.int64)

    def place(row: int) -> str:
        return f"row {row + 1} of this buffer of the copy of {relation.full_name}"

    def bad_text(name: str, row: int) -> DecodeError:
        column = relation.column(int(name[1:]))
        return DecodeError(f"{place(row)}, column {column.name!r}: a value that is not UTF-8", remedy=ENCODING_REMEDY)

    columns = Columns(frames, len(rows))
    columns.add("seq", rows, pl.Int64)
    columns.add("op", np.full(len(rows), ord("I"), dtype=np.uint8), pl.UInt8)
    columns.add("old", np.zeros(len(rows), dtype=np.uint8), pl.UInt8)
    texts, after = read_tuples(frames, rows, frames.starts, len(relation.columns), copy=True, place=place)
    Cursor(frames, rows, after, place=place).close()
    for column, text in zip(relation.columns, texts, strict=True):
        if text is not None:
            columns.add_text(f"c{column.attnum}", text)
    return columns.frame(bad_text)
