"""Texts as Arrow views into the region that they came in: 16 bytes a value, the value itself is not copied.

A view is its length, and behind it the value when it has up to 12 bytes; else its first four bytes, the number of a
buffer, and an offset in it.

Source: https://arrow.apache.org/docs/format/Columnar.html (variable-size binary view layout)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from re_dms.arrow import as_frame
from re_dms.decode.frames import Bits, Frames, Offsets
from re_dms.errors import DecodeError

ENCODING_REMEDY: Final = "a database in SQL_ASCII can hold such bytes: mend the value at the source"
BEFORE: Final = 4
"""Bytes before a text that are gathered with its first twelve: a view's length comes in their place."""

Words = npt.NDArray[np.uint64]
"""Two words of 64 bits a value."""

_INLINE_MAX: Final = 12  # bytes of a value that a view holds itself
_WORDS: Final = np.dtype("V16")
_WORD: Final = np.dtype("<u8")
_OFFSET_SHIFT: Final = np.uint64(32)


def _mask(length: int) -> tuple[int, int]:
    """Which bytes of a view belong to a value of this length; a long value's second word is its place."""
    rest = (1 << 8 * max(length - 4, 0)) - 1 if length <= _INLINE_MAX else 0
    return ((1 << 8 * min(length, 4)) - 1) << 32, rest


_MASKS: Final = np.array([_mask(length) for length in range(_INLINE_MAX + 2)], dtype=_WORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """One column of many rows. `start` is the first byte of a value in the region; `length` is 0 where `present` is not.

    `unsent` is None when no value is unsent TOAST. `words` is what `words_before` finds at `start`."""

    present: Bits
    unsent: Bits | None
    start: Offsets
    length: Offsets
    words: Words


@dataclass(slots=True)
class Texts:
    """One column of many rows as views, filled part by part. `unsent` is None while no value is."""

    views: Words
    present: Bits
    unsent: Bits | None = None

    @classmethod
    def empty(cls, rows: int) -> Texts:
        """Room for so many rows."""
        return cls(views=np.empty((rows, 2), dtype=_WORD), present=np.empty(rows, dtype=np.bool_))

    @classmethod
    def of(cls, cells: Cells) -> Texts:
        """All rows at once."""
        return cls(views=_views(cells, None), present=cells.present, unsent=cells.unsent)

    def put(self, rows: slice, cells: Cells) -> None:
        """Fill in these rows."""
        _views(cells, self.views[rows])
        self.present[rows] = cells.present
        if cells.unsent is not None:
            if self.unsent is None:
                self.unsent = np.zeros(len(self.present), dtype=np.bool_)
            self.unsent[rows] = cells.unsent


def words_before(frames: Frames, start: Offsets) -> Words:
    """The 16 bytes from BEFORE bytes before each offset on: one gather, whose price is the cache miss."""
    return frames.read(start - BEFORE, _WORDS).view(_WORD).reshape(-1, 2)


def _views(cells: Cells, out: Words | None) -> Words:
    length = cells.length
    # "clip": all long values have the last mask.
    view: Words = np.bitwise_and(cells.words, _MASKS.take(length, axis=0, mode="clip"), out=out)
    view[:, 0] |= length.view(_WORD)
    if np.maximum.reduce(length, initial=0) > _INLINE_MAX:
        place = cells.start.view(_WORD) << _OFFSET_SHIFT
        place *= length > _INLINE_MAX
        view[:, 1] |= place
    return view


class Columns:
    """Collects the columns of one frame of `rows` rows: values as Arrow views into the region, then one String frame."""

    def __init__(self, frames: Frames, rows: int) -> None:
        self._rows = rows
        self._owner = pa.py_buffer(frames.bytes)
        self._columns: dict[str, pl.Series | None] = {}  # None: a text
        self._texts: dict[str, Any] = {}

    def add(self, name: str, values: npt.NDArray[Any], dtype: Any) -> None:
        """A column of numbers or flags."""
        self._columns[name] = pl.Series(name, values, dtype=dtype)

    def add_text(self, name: str, texts: Texts, chosen: Bits | None = None, *, is_ascii: bool = False) -> None:
        """A column of texts: `texts` are those of the `chosen` rows (None: of all), all others are NULL.

        `is_ascii`: the type has no other texts, and they are not checked to be UTF-8.
        """
        view, present = texts.views, texts.present
        if chosen is not None and len(view) != self._rows:
            view, present = _spread(view, chosen), _spread(present, chosen)
        validity = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
        buffers = [validity, pa.py_buffer(view), self._owner]
        kind = pa.string_view() if is_ascii else pa.binary_view()
        self._columns[name] = None
        self._texts[name] = pa.Array.from_buffers(kind, self._rows, buffers)

    def add_flags(self, name: str, flags: Bits, chosen: Bits | None = None) -> None:
        """A column of booleans: `flags` are those of the `chosen` rows (None: of all), all others are False."""
        self.add(name, flags if chosen is None or len(flags) == self._rows else _spread(flags, chosen), pl.Boolean)

    def frame(self, refuse: Callable[[str, int], DecodeError]) -> pl.DataFrame:
        """The frame. Texts that are not UTF-8 raise `refuse(column name, row)`."""
        for column in as_frame(self._texts).get_columns():
            self._columns[column.name] = _as_text(column, refuse) if column.dtype == pl.Binary else column
        return pl.DataFrame(list(self._columns.values()))


def _as_text(raw: pl.Series, refuse: Callable[[str, int], DecodeError]) -> pl.Series:
    try:
        # Only this cast checks UTF-8: an import as string_view would let bad bytes through to a later panic. Column by
        # column: a cast of the whole frame starts the query engine, which costs more than all the rest of a small frame.
        return raw.cast(pl.String)
    except pl.exceptions.ComputeError as error:
        raise refuse(raw.name, _bad_row(raw)) from error


def _spread(values: npt.NDArray[Any], chosen: Bits) -> npt.NDArray[Any]:
    spread = np.zeros((len(chosen), *values.shape[1:]), dtype=values.dtype)
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
