"""Into how many files rows go: one, or as many as the warehouse's slices can read at once.

https://docs.aws.amazon.com/redshift/latest/dg/c_best-practices-use-multiple-files.html: files of 1 MB to 1 GB after
compression, of about the same size, their number a multiple of the slices; a file of zstd or gzip is never split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from re_dms.manifest import DataFile

if TYPE_CHECKING:
    import polars as pl

    from re_dms.journal.texts import Texts

PART_BYTES_MIN: Final = 1024 * 1024
PART_BYTES_MAX: Final = 64 * 1024 * 1024
_RATIO_AT_FIRST: Final = 4.0
_TELLING_BYTES: Final = 64 * 1024  # smaller files compress worse than those that are worth splitting


class Parts:
    """Splits rows for `slices` readers. How well they compress is learned from the last file that was large enough."""

    def __init__(self, slices: int = 1) -> None:
        self.slices = slices
        self.ratio = _RATIO_AT_FIRST

    def write(self, frame: pl.DataFrame, write: Callable[[pl.DataFrame], DataFile]) -> tuple[DataFile, ...]:
        """Write rows (String columns) with `write`, as one file or several; their order stays over all files."""
        from re_dms.journal.texts import Texts  # an apply that never folds does without Polars

        return self.write_texts(Texts(frame), lambda texts: write(texts.frame))

    def write_texts(self, texts: Texts, write: Callable[[Texts], DataFile]) -> tuple[DataFile, ...]:
        """As `write`, for rows that were looked at already."""
        text_bytes = texts.text_bytes
        count = self.count(text_bytes)
        files = tuple(map(write, [texts] if count == 1 else _cut(texts, count)))
        self.learn(text_bytes, files)
        return files

    def learn(self, text_bytes: int, files: Sequence[DataFile]) -> None:
        """These bytes of text made these files."""
        compressed = sum(file.bytes for file in files)
        if compressed >= _TELLING_BYTES:
            self.ratio = text_bytes / compressed

    def count(self, text_bytes: int) -> int:
        """How many files these bytes of text make: one, or a multiple of the slices, each of 1 to 64 MB compressed."""
        compressed = text_bytes / self.ratio
        if compressed < self.slices * PART_BYTES_MIN:
            return 1
        return self.slices * math.ceil(compressed / (self.slices * PART_BYTES_MAX))


def _cut(texts: Texts, count: int) -> list[Texts]:
    """Up to `count` runs of rows of about the same bytes, none of them empty unless there are no rows."""
    frame, filled = texts.frame, texts.row_bytes.cumsum()
    shares = [int(filled[-1]) * share // count for share in range(1, count)]
    borders = sorted({0, *map(int, filled.searchsorted(shares, side="right")), frame.height})
    return [type(texts)(frame.slice(low, high - low)) for low, high in pairwise(borders)]
