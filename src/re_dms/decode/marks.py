"""Where the spaces and apostrophes of a region are, and which apostrophe ends the value that another one begins.

A value '…' of test_decoding holds anything; only ' is doubled in it. So an apostrophe ends the value that the one at i
began if it is an odd number of apostrophes after it and no other follows at once.
Source: contrib/test_decoding/test_decoding.c (print_literal)
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import Bits, Offsets

SPACE: Final = ord(" ")
QUOTE: Final = ord("'")


def marks_in(header: bytes) -> int:
    """How many marks a header holds."""
    return header.count(b" ") + header.count(b"'")


class Marks:
    """The marks of a region, ascending. A mark's number stands for it; one behind the last is at the region's end."""

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        is_quote = data == QUOTE
        found = np.flatnonzero(is_quote | (data == SPACE))
        quotes = is_quote[found]
        self._at = np.append(found, len(data)).astype(np.int32)
        # By mark: how many apostrophes come before it; by apostrophe: its mark.
        self._before = (np.cumsum(quotes, dtype=np.int32) - quotes).astype(np.int32)
        self._before = np.append(self._before, np.int32(quotes.sum()))
        self._mark_of = np.append(np.flatnonzero(quotes), len(found)).astype(np.int32)
        self._closing = _closing(found[quotes])

    def first_at(self, offsets: Offsets) -> Offsets:
        """The first mark at or behind each offset."""
        return np.searchsorted(self._at, offsets.astype(np.int32))

    def offset(self, marks: Offsets) -> Offsets:
        """Where these marks are."""
        return self._at[marks].astype(np.int64)

    def closing(self, marks: Offsets) -> tuple[Offsets, Bits]:
        """For marks that are the first apostrophe of a value: the mark that ends it, and whether the value holds doubled
        ones. What is told of other marks means nothing; the last mark ends what nothing ends."""
        number = self._before[marks]
        closing = self._closing[number + 1]
        return self._mark_of[closing].astype(np.int64), closing - number > 1


def _closing(quotes: Offsets) -> npt.NDArray[np.int32]:
    """By number of an apostrophe: the first one from it on, in steps of two, that no other follows at once."""
    count = len(quotes)
    ends = np.arange(count, dtype=np.int32)
    ends[:-1][quotes[1:] == quotes[:-1] + 1] = count
    closing = np.full(count + 2, count, dtype=np.int32)
    for start in (0, 1):
        closing[start:count:2] = np.minimum.accumulate(ends[start::2][::-1])[::-1]
    return closing
