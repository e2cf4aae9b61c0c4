"""The quick reader: the same records as `csv`, in columns, for data without oddities.

Delimiters and line feeds count where an even number of quotes stands before them. Whenever anything is unusual (a NUL, a
carriage return outside quotes, a blank line, blanks around quotes, a record of another width or of excessive length, a
quote out of place), the whole buffer is left to `csv`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from redshift_standin.copy.csv import ROW_BYTES_MAX, Dialect, Field

_LF = 0x0A
_CR = 0x0D
_INLINE_BYTES = 12  # what a view of Arrow's BinaryView layout holds itself
_WORDS = 3

Places = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

# For n inline bytes, the three words of them that are kept.
_KEPT = (
    (np.arange(_INLINE_BYTES)[None, :] < np.arange(_INLINE_BYTES + 1)[:, None]).astype(np.uint8) * np.uint8(255)
).view("<i4")


@dataclass(frozen=True)
class Table:
    """Whole records. `data` has 12 bytes of padding at its end. `ends`: of the fields, one row a record."""

    data: Bytes
    consumed: int
    ends: Places
    dialect: Dialect
    doubled: bool

    @property
    def rows(self) -> int:
        return len(self.ends)

    @cached_property
    def record_starts(self) -> Places:
        """Where each record begins."""
        return np.concatenate((np.zeros(1, np.int32), self.ends[:-1, -1] + 1)).astype(np.int32)

    def field(self, row: int, number: int) -> Field:
        """One field, as `csv` has it."""
        start = self.ends[row, number - 1] + 1 if number else self.record_starts[row]
        data = self.data[start : self.ends[row, number]].tobytes()
        if self.dialect.quote is None or not data or data[0] != self.dialect.quote:
            return Field(data, quoted=False)
        quote = bytes((self.dialect.quote,))
        return Field(data[1:-1].replace(quote * 2, quote), quoted=True)

    def column(self, number: int) -> tuple[pl.Series, Flags]:
        """The fields' bytes as a series of type Binary, and which were quoted."""
        starts = self.record_starts if number == 0 else self.ends[:, number - 1] + 1
        lengths = self.ends[:, number] - starts
        quote = self.dialect.quote
        if quote is None:
            return self._views(starts, lengths), np.zeros(self.rows, np.bool_)
        quoted = self.data[starts] == quote
        series = self._views(starts + quoted, lengths - 2 * quoted.astype(np.int32))
        return series, quoted

    def _views(self, starts: Places, lengths: Places) -> pl.Series:
        heads = np.ndarray((len(self.data) - _INLINE_BYTES + 1,), f"V{_INLINE_BYTES}", self.data, strides=(1,))
        words = heads[starts].view("<i4").reshape(-1, _WORDS)
        short = lengths <= _INLINE_BYTES
        views = np.empty((len(starts), 1 + _WORDS), "<i4")
        views[:, 0] = lengths
        views[:, 1:] = words & _KEPT[np.where(short, lengths, _INLINE_BYTES)]
        views[:, 2] = np.where(short, views[:, 2], 0)
        views[:, 3] = np.where(short, views[:, 3], starts)
        buffers = [None, pa.py_buffer(views), pa.py_buffer(self.data)]
        series = pl.from_arrow(pa.Array.from_buffers(pa.binary_view(), len(starts), buffers))
        if not isinstance(series, pl.Series):
            raise TypeError("an array becomes a series")
        return series


def scan(buffer: bytes, dialect: Dialect, width: int) -> Table | None:
    """The whole records of a buffer that begins with one, if all are plain and have `width` fields; else None.

    What follows the last record is not looked at: the next buffer begins with it.
    """
    data = np.frombuffer(buffer + bytes(_INLINE_BYTES), np.uint8)
    content = data[: len(buffer)]
    feeds = content == _LF
    outside = _outside_quotes(content, dialect.quote)
    if outside is not None:
        feeds &= outside
    last = _last(feeds)
    if last < 0 or len(buffer) - last > ROW_BYTES_MAX:
        return None
    consumed = last + 1
    content, feeds = content[:consumed], feeds[:consumed]
    outside = None if outside is None else outside[:consumed]
    if not _plain(content, outside, dialect):
        return None
    ends = _ends(content, feeds, outside, dialect, width)
    if ends is None:
        return None
    doubled = dialect.quote is not None and bytes((dialect.quote,)) * 2 in buffer
    return Table(data, consumed, ends, dialect, doubled)


def _outside_quotes(content: Bytes, quote: int | None) -> Flags | None:
    """None: there is no quote at all."""
    if quote is None:
        return None
    quotes = content == quote
    if not quotes.any():
        return None
    outside: Flags = np.bitwise_xor.accumulate(quotes.view(np.uint8)) == 0
    return outside


def _last(flags: Flags) -> int:
    """The last True, -1 without one."""
    backwards = int(np.argmax(flags[::-1])) if len(flags) else 0
    return len(flags) - 1 - backwards if len(flags) and flags[len(flags) - 1 - backwards] else -1


def _plain(content: Bytes, outside: Flags | None, dialect: Dialect) -> bool:
    if not content.all():
        return False
    returns = content == _CR
    if (returns if outside is None else returns & outside).any():
        return False
    return outside is None or dialect.quote is None or _quotes_in_place(content, dialect.quote, dialect.delimiter)


def _quotes_in_place(content: Bytes, quote: int, delimiter: int) -> bool:
    """Each opening quote begins a field or doubles the closing one before it; each closing one ends a field or is doubled."""
    places = np.flatnonzero(content == quote)
    if not len(places):
        return True
    opening, closing = places[0::2], places[1::2]
    before = content[opening - 1]
    begins = (before == delimiter) | (before == _LF)
    begins[0] |= opening[0] == 0
    begins[1:] |= opening[1:] == closing[:-1] + 1
    after = content[closing + 1]
    ends = (after == delimiter) | (after == _LF) | (after == quote)
    return bool(begins.all() and ends.all())


def _ends(content: Bytes, feeds: Flags, outside: Flags | None, dialect: Dialect, width: int) -> Places | None:
    """The ends of the fields as a table; None unless every record has `width` fields and is neither blank nor too long."""
    delimiters = content == dialect.delimiter
    if outside is not None:
        delimiters &= outside
    places = np.flatnonzero(delimiters | feeds).astype(np.int32)
    if len(places) % width:
        return None
    ends = places.reshape(-1, width)
    if not feeds[ends[:, -1]].all() or feeds[ends[:, :-1]].any():
        return None
    lengths = np.diff(ends[:, -1], prepend=np.int32(-1)) - 1
    if lengths.min() == 0 or lengths.max() > ROW_BYTES_MAX:
        return None
    return ends
