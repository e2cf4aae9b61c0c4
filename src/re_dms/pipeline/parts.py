"""Into how many files rows go: one, or as many as the warehouse's slices can read at once.

https://docs.aws.amazon.com/redshift/latest/dg/c_best-practices-use-multiple-files.html: files of 1 MB to 1 GB after
compression, of about the same size, their number a multiple of the slices; a file of zstd or gzip is never split.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from re_dms.manifest import DataFile

if TYPE_CHECKING:
    import polars as pl

PART_BYTES_MIN: Final = 1024 * 1024
PART_BYTES_MAX: Final = 64 * 1024 * 1024
_RATIO_AT_FIRST: Final = 4.0
_TELLING_BYTES: Final = 64 * 1024  # smaller files compress worse than those that are worth splitting
_FIELD_BYTES: Final = 3  # two quotes, and a comma or the line's end


class Parts:
    """Splits rows for `slices` readers. How well they compress is learned from the last file that was large enough."""

    def __init__(self, slices: int = 1) -> None:
        self.slices = slices
        self.ratio = _RATIO_AT_FIRST

    def write(self, frame: pl.DataFrame, write: Callable[[pl.DataFrame], DataFile]) -> tuple[DataFile, ...]:
        """Write rows (String columns) with `write`, as one file or several; their order stays over all files."""
        text_bytes = _text_bytes(frame)
        files = tuple(write(part) for part in _cut(frame, self.count(text_bytes)))
        compressed = sum(file.bytes for file in files)
        if compressed >= _TELLING_BYTES:
            self.ratio = text_bytes / compressed
        return files

    def count(self, text_bytes: int) -> int:
        """How many files these bytes of text make: one, or a multiple of the slices, each of 1 to 64 MB compressed."""
        compressed = text_bytes / self.ratio
        if compressed < self.slices * PART_BYTES_MIN:
            return 1
        return self.slices * math.ceil(compressed / (self.slices * PART_BYTES_MAX))


def _text_bytes(frame: pl.DataFrame) -> int:
    """The length of all lines, doubled quotes left out."""
    import polars as pl

    values = frame.select(pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.UInt64).sum())).item()
    return int(values or 0) + _FIELD_BYTES * frame.width * frame.height


def _cut(frame: pl.DataFrame, count: int) -> list[pl.DataFrame]:
    """Up to `count` runs of rows of about the same bytes, none of them empty unless there are no rows."""
    import polars as pl

    if count == 1:
        return [frame]
    lengths = pl.sum_horizontal(pl.all().str.len_bytes().fill_null(0).cast(pl.UInt64)) + _FIELD_BYTES * frame.width
    filled = frame.select(filled=lengths.cum_sum())["filled"]
    shares = pl.Series([int(filled[-1]) * share // count for share in range(1, count)], dtype=pl.UInt64)
    borders = sorted({0, *filled.search_sorted(shares, side="right"), frame.height})
    return [frame.slice(low, high - low) for low, high in pairwise(borders)]
