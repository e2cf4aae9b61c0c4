"""Tuples of many messages at once: column j of all rows is one step of numpy, values stay where they are.

Two layouts, one walk. pgoutput's TupleData: per column a kind byte ('t' text, 'n' NULL, 'u' unsent TOAST) and, for text,
int32 length and bytes. COPY BINARY: per column int32 length (-1 = NULL) and bytes. Both start with an int16 count.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
        https://www.postgresql.org/docs/current/sql-copy.html (binary format)
        https://arrow.apache.org/docs/format/Columnar.html (variable-size binary view layout)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute

from re_dms.decode.frames import Bits, Frames, Offsets
from re_dms.errors import DecodeError

TEXT, NULL, UNSENT = ord("t"), ord("n"), ord("u")
ENCODING_REMEDY: Final = "a database in SQL_ASCII can hold such bytes: mend the value at the source"
INLINE_MAX: Final = 12  # bytes of a value that a view holds itself

# What stands before a value, and its first twelve bytes, gathered in one go: the gather costs the cache miss, not the bytes.
_STREAM: Final = np.dtype(
    {"names": ["kind", "length", "prefix", "rest"], "formats": ["u1", ">i4", "<u4", "<u8"], "offsets": [0, 1, 5, 9]}
)
_COPY: Final = np.dtype([("length", ">i4"), ("prefix", "<u4"), ("rest", "<u8")])
_COUNT: Final = np.dtype(">i2")
TEXT_HEAD: Final = np.dtype([("prefix", "<u4"), ("rest", "<u8")])  # of cells that have nothing but their text
_VIEW: Final = np.dtype([("length", "<u4"), ("prefix", "<u4"), ("rest", "<u8")])
# By length: which bytes of prefix and rest belong to the value. A long value's rest is its place in the buffer.
_LENGTHS: Final = range(INLINE_MAX + 2)
_PREFIX: Final = np.array([(1 << 8 * min(n, 4)) - 1 for n in _LENGTHS], dtype="<u4")
_REST: Final = np.array([(1 << 8 * max(n - 4, 0)) - 1 if n <= INLINE_MAX else 0 for n in _LENGTHS], dtype="<u8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """One column of many tuples. `start` is the first byte of a value in the region; `length` is 0 where `present` is not.

    `unsent` is None when no value is unsent TOAST. `head` holds the bytes at each cell."""

    present: Bits
    unsent: Bits | None
    start: Offsets
    length: Offsets
    head: npt.NDArray[Any]


class Cursor:
    """A place in each of many messages; all move on together, field by field.

    A step that would leave a message, or finds a byte that it does not know, raises DecodeError for the first such
    message; `place` puts its place in words (default: its LSN). `messages` are indices into `frames`.
    """

    def __init__(
        self,
        frames: Frames,
        messages: Offsets,
        at: Offsets,
        *,
        place: Callable[[int], str] | None = None,
        copy: bool = False,
    ) -> None:
        self.frames = frames
        self.messages = messages
        self.at = at
        self._ends = frames.ends[messages]
        self._place = place
        self._read = _copy_cells if copy else _stream_cells

    def select(self, chosen: Bits) -> Cursor:
        """A cursor of its own, at the same place, for the chosen messages."""
        return Cursor(
            self.frames,
            self.messages[chosen],
            self.at[chosen],
            place=self._place,
            copy=self._read is _copy_cells,
        )

    def byte(self) -> npt.NDArray[np.uint8]:
        """The next byte of each message."""
        self._refuse(self.at >= self._ends, "the message ends inside of a tuple")
        found = self.frames.bytes[self.at]
        self.at = self.at + 1
        return found

    def open(self, columns: int) -> None:
        """Step into a tuple, which must have this many columns."""
        self._refuse(self.at + 2 > self._ends, "the message ends inside of a tuple")
        self._refuse(self.frames.read(self.at, _COUNT) != columns, f"a tuple of other than {columns} columns")
        self.at = self.at + 2

    def cells(self, *, unsent: bool) -> Cells:
        """The next column of the tuples. `unsent`: whether TOAST may be unsent here (never in old tuples or copies)."""
        self._refuse(self.at >= self._ends, "the message ends inside of a tuple")
        cells, following, unknown = self._read(self.frames, self.at)
        if cells.unsent is not None and not unsent:
            self._refuse(cells.unsent, "unsent TOAST where a value must be")
        if unknown is not None:
            self._refuse(unknown, "an unknown kind or a negative length of a value")
        self._refuse(following > self._ends, "a value that is longer than its message")
        self.at = following
        return cells

    def close(self) -> None:
        """Every message must end here."""
        self._refuse(self.at != self._ends, "bytes after the end of the tuple")

    def refuse(self, bad: Bits, what: str) -> None:
        """Raise DecodeError for the first bad message, if any; the byte is the one before the cursor."""
        self._refuse(bad, what, back=1)

    def _refuse(self, bad: Bits, what: str, back: int = 0) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            message = int(self.messages[row])
            offset = int(self.at[row] - self.frames.starts[message])
            raise self.frames.refusal(message, offset - back, what, self._place)


def _stream_cells(frames: Frames, at: Offsets) -> tuple[Cells, Offsets, Bits | None]:
    """(cells, offset behind each, which are unknown or None)."""
    head = frames.read(at, _STREAM)
    kind = head["kind"]
    present = kind == TEXT
    length = head["length"].astype(np.int64)
    start = at + 5
    if present.all():
        cells = Cells(present=present, unsent=None, start=start, length=length, head=head)
        return cells, start + length, length < 0
    unsent = kind == UNSENT
    unknown = ~(present | unsent | (kind == NULL))
    length[~present] = 0
    cells = Cells(present=present, unsent=unsent if unsent.any() else None, start=start, length=length, head=head)
    return cells, np.where(present, start + length, at + 1), unknown | (length < 0)


def _copy_cells(frames: Frames, at: Offsets) -> tuple[Cells, Offsets, Bits | None]:
    """(cells, offset behind each, which are unknown or None)."""
    head = frames.read(at, _COPY)
    length = head["length"].astype(np.int64)
    present = length != -1
    length[~present] = 0
    start = at + 4
    return Cells(present=present, unsent=None, start=start, length=length, head=head), start + length, length < 0


class Columns:
    """Collects the columns of one frame of `rows` rows: values as Arrow views into the region, then one String frame."""

    def __init__(self, frames: Frames, rows: int) -> None:
        self._rows = rows
        self._owner = pa.py_buffer(frames.bytes)
        self._columns: list[pl.Series] = []

    def add(self, name: str, values: npt.NDArray[Any], dtype: Any) -> None:
        """A column of numbers or flags."""
        self._columns.append(pl.Series(name, values, dtype=dtype))

    def add_text(self, name: str, cells: Cells, chosen: Bits) -> None:
        """A column of texts: `cells` are those of the `chosen` rows, all others are NULL."""
        view, present = _views(cells), cells.present
        if len(view) != self._rows:
            view, present = _spread(view, chosen), _spread(present, chosen)
        validity = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
        buffers = [validity, pa.py_buffer(view), self._owner]
        self._columns.append(pl.Series(name, pa.Array.from_buffers(pa.binary_view(), self._rows, buffers)))

    def add_flags(self, name: str, flags: Bits, chosen: Bits) -> None:
        """A column of booleans: `flags` are those of the `chosen` rows, all others are False."""
        self.add(name, flags if len(flags) == self._rows else _spread(flags, chosen), pl.Boolean)

    def frame(self, refuse: Callable[[str, int], DecodeError]) -> pl.DataFrame:
        """The frame. Texts that are not UTF-8 raise `refuse(column name, row)`."""
        return pl.DataFrame(
            [_as_text(column, refuse) if column.dtype == pl.Binary else column for column in self._columns]
        )


def _as_text(raw: pl.Series, refuse: Callable[[str, int], DecodeError]) -> pl.Series:
    try:
        # Only this cast checks UTF-8: an import as string_view would let bad bytes through to a later panic. Column by
        # column: a cast of the whole frame starts the query engine, which costs more than all the rest of a small frame.
        return raw.cast(pl.String)
    except pl.exceptions.ComputeError as error:
        raise refuse(raw.name, _bad_row(raw)) from error


def _views(cells: Cells) -> npt.NDArray[Any]:
    """16 bytes a value: short ones inline, padded with zeros; long ones as (length, first four bytes, buffer 0, offset)."""
    by_length = np.minimum(cells.length, INLINE_MAX + 1)
    view = np.empty(len(by_length), dtype=_VIEW)
    view["length"] = cells.length
    view["prefix"] = cells.head["prefix"] & _PREFIX[by_length]
    rest = cells.head["rest"] & _REST[by_length]
    long = by_length > INLINE_MAX
    if long.any():
        rest |= np.where(long, cells.start.astype("<u8") << np.uint64(32), np.uint64(0))
    view["rest"] = rest
    return view


def _spread(values: npt.NDArray[Any], chosen: Bits) -> npt.NDArray[Any]:
    spread = np.zeros(len(chosen), dtype=values.dtype)
    spread[chosen] = values
    return spread


def _bad_row(raw: pl.Series) -> int:
    """The first row that is not UTF-8, found by halving; there is one."""
    first, last = 0, len(raw)
    while last - first > 1:
        middle = (first + last) // 2
        try:
            raw.slice(first, middle - first).cast(pl.String)
            first = middle
        except pl.exceptions.ComputeError:
            last = middle
    return first
