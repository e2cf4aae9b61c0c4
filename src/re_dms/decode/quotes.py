"""Where values end: the apostrophe that closes a quoted one, the space behind a bare one.

A value '…' of test_decoding holds anything; only ' is doubled in it. So an apostrophe ends the value that the one at i
began if it is an odd number of apostrophes after it and no other follows at once.
Source: contrib/test_decoding/test_decoding.c (print_literal)
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import Bits, Frames, Offsets

QUOTE: Final = ord("'")
_WORD: Final = np.dtype("<u8")
_SPACES: Final = np.uint64(0x2020202020202020)
_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_BYTES: Final = 8


class Quotes:
    """The apostrophes of a region, by number, ascending. One behind the last stands for the region's end."""

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        found = np.flatnonzero(data == QUOTE)
        self._at = np.append(found, len(data))
        self._closing = _closing(found)

    def first_at(self, offsets: Offsets) -> Offsets:
        """The number of the first apostrophe at or behind each offset."""
        return np.searchsorted(self._at, offsets)

    def offset(self, numbers: Offsets) -> Offsets:
        """Where these apostrophes are."""
        return self._at[numbers]

    def closing(self, numbers: Offsets) -> tuple[Offsets, Bits]:
        """The apostrophe that ends the value that each of these begins, and whether the value holds doubled ones. The one
        behind the last ends what nothing ends."""
        closing = self._closing[numbers + 1]
        return closing, closing - numbers > 1


def _closing(quotes: Offsets) -> Offsets:
    """By number of an apostrophe: the first one from it on, in steps of two, that no other follows at once."""
    count = len(quotes)
    ends = np.arange(count, dtype=np.int64)
    ends[:-1][quotes[1:] == quotes[:-1] + 1] = count
    closing = np.full(count + 2, count, dtype=np.int64)
    for start in (0, 1):
        closing[start:count:2] = np.minimum.accumulate(ends[start::2][::-1])[::-1]
    return closing


def bare_ends(frames: Frames, at: Offsets, ends: Offsets) -> Offsets:
    """The first space at or behind each offset, or the line's end: eight bytes a step, for those that have not ended."""
    found = ends.copy()
    open_ = np.arange(len(at))
    cursor = at
    while len(open_):
        word = frames.read(np.minimum(cursor, frames.size), _WORD) ^ _SPACES
        spaces = (word - _ONES) & ~word & _HIGHS  # the lowest bit that is set is that of the first zero byte
        lowest = spaces & (~spaces + np.uint64(1))
        offset = np.bitwise_count(lowest - np.uint64(1)).astype(np.int64) >> 3
        here = cursor + offset
        has = (spaces != 0) & (here < ends[open_])
        found[open_[has]] = here[has]
        goes_on = (spaces == 0) & (cursor + _BYTES < ends[open_])
        open_, cursor = open_[goes_on], cursor[goes_on] + _BYTES
    return found
