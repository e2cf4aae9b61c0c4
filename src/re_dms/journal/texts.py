"""The Strings of a frame as Arrow keeps them: what a file's entry tells is read off their views, in one pass.

A view has 16 bytes: the length, the first four bytes, and either the rest of up to 12 bytes or the number of a buffer and
the place in it. https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.arrow import as_arrays

Words = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]

_INLINE_BYTES_MAX: Final = 12
_PREFIX_BYTES: Final = 4
FIELD_BYTES: Final = 3  # two quotes, and a comma or the line's end


class Texts:
    """The columns of a frame, all of them String. Lengths are in bytes; that of a NULL is 0."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self.names = {name: place for place, name in enumerate(frame.columns)}
        self._columns = [_Column(array) for array in as_arrays(frame)]
        self.lengths: Words = np.empty((frame.width, frame.height), dtype=np.uint32)
        for lengths, column in zip(self.lengths, self._columns, strict=True):
            if column.valid is None:
                lengths[:] = column.views[:, 0]
            else:
                np.multiply(column.views[:, 0], column.valid, out=lengths)
        self._longest = self.lengths.max(axis=1, initial=0)

    @property
    def text_bytes(self) -> int:
        """The length of all lines, doubled quotes and NULL tokens left out."""
        return int(self.lengths.sum(dtype=np.uint64)) + FIELD_BYTES * self.lengths.size

    @property
    def row_bytes(self) -> npt.NDArray[np.uint64]:
        """The length of each line, doubled quotes and NULL tokens left out."""
        found: npt.NDArray[np.uint64] = self.lengths.sum(axis=0, dtype=np.uint64)
        return found + np.uint64(FIELD_BYTES * self.frame.width)

    def longest(self, name: str) -> int:
        """The length of the column's longest value."""
        return int(self._longest[self.names[name]])

    def longest_row(self, null: str, *, enough: int) -> int:
        """What the values of a row are long together, at most; a NULL is as long as `null`. Exact when it is above `enough`."""
        tokens = [0 if column.valid is None else len(null) for column in self._columns]
        bound = int(np.maximum(self._longest, np.array(tokens, dtype=np.uint32)).sum(dtype=np.uint64))
        if bound <= enough or not self.frame.height:
            return bound
        rows = self.lengths.sum(axis=0, dtype=np.uint64)
        for column in self._columns:
            if column.valid is not None:
                rows[~column.valid] += np.uint64(len(null))
        return int(rows.max())

    def may_hold(self, text: str) -> bool:
        """Whether a value may equal `text`: false positives are rare, and there are no others."""
        data = text.encode()
        prefix = int.from_bytes(data[:_PREFIX_BYTES].ljust(_PREFIX_BYTES, b"\0"), "little")
        for place in np.flatnonzero(self._longest >= len(data)):
            rows = np.flatnonzero(self.lengths[place] == len(data))
            if len(rows) and (self._columns[place].views[rows, 1] == prefix).any():
                return True
        return False

    def value(self, place: int, row: int) -> memoryview | None:
        """One value of the column at `place`, as it lies in memory; None for NULL."""
        column = self._columns[place]
        if column.valid is not None and not column.valid[row]:
            return None
        return column.value(row)

    def nulls(self, name: str) -> int:
        """How many values are NULL."""
        valid = self._columns[self.names[name]].valid
        return 0 if valid is None else len(valid) - int(np.count_nonzero(valid))

    def of_length(self, name: str) -> Words:
        """The lengths of the column's values."""
        found: Words = self.lengths[self.names[name]]
        return found

    def byte_at(self, name: str, place: int) -> npt.NDArray[np.uint8] | None:
        """The byte that stands there in each value, 0 where it is shorter; a place below 0 (up to -12) counts from the end,
        one above it is below 12. None where the values are spread over several buffers.
        """
        return self._columns[self.names[name]].byte_at(self.of_length(name), place)

    def prefix(self, name: str) -> npt.NDArray[np.uint8]:
        """The first four bytes of each value, 0 behind its end; anything for NULLs."""
        views = self._columns[self.names[name]].views
        return views.view(np.uint8)[:, _PREFIX_BYTES : 2 * _PREFIX_BYTES]


class _Column:
    """The views of a column, and which of its values there are (None: all)."""

    __slots__ = ("_buffers", "valid", "views")

    def __init__(self, array: Any) -> None:
        validity, views, *self._buffers = array.buffers()
        rows = slice(array.offset, array.offset + len(array))
        if views is None:
            self.views: Words = np.empty((0, 4), dtype=np.uint32)
        else:
            self.views = np.frombuffer(views, dtype=np.uint32).reshape(-1, 4)[rows]
        self.valid: Flags | None = None
        if array.null_count:
            bits = np.frombuffer(validity, dtype=np.uint8)
            self.valid = np.unpackbits(bits, count=rows.stop, bitorder="little")[rows].view(np.bool_)

    def value(self, row: int) -> memoryview:
        view = self.views[row]
        length = int(view[0])
        if length <= _INLINE_BYTES_MAX:
            return memoryview(view.tobytes())[_PREFIX_BYTES : _PREFIX_BYTES + length]
        buffer, start = int(view[2]), int(view[3])
        return memoryview(self._buffers[buffer])[start : start + length]

    def byte_at(self, lengths: Words, place: int) -> npt.NDArray[np.uint8] | None:
        long = lengths > _INLINE_BYTES_MAX
        if not long.any():
            found = np.zeros(len(lengths), dtype=np.uint8)
        elif len(self._buffers) != 1:
            return None
        else:
            at = self.views[:, 3].astype(np.intp)
            if place < 0:
                at += lengths
            at += place
            at *= long  # products: a choice by flags costs several times as much
            found = np.frombuffer(self._buffers[0], dtype=np.uint8).take(at)
            found *= long
        # Lengths below the shortest that has the place wrap around.
        shortest = np.uint32(place + 1 if place >= 0 else -place)
        short = np.flatnonzero(lengths - shortest <= _INLINE_BYTES_MAX - shortest)
        if len(short):
            within = place if place >= 0 else lengths[short] + np.intp(place)
            found[short] = self.views.view(np.uint8)[short, _PREFIX_BYTES + within]
        return found
