"""CSV files made of lines that Postgres's COPY has written in the journal's dialect: they are not parsed, but put together.

What a manifest says of a file is found without columns as well: rows and the longest one by their places; values that a
warehouse may not hold by what such a value looks like in a line. The lines that look so are few; they are read, and counted exactly.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from re_dms.arrow import as_series
from re_dms.errors import InvariantError
from re_dms.journal.csv import Compression, CsvStats
from re_dms.journal.dialect import odd_counts
from re_dms.journal.long_rows import LEVEL, LONG_BYTES
from re_dms.journal.raw_fields import bad_text, is_utf8, shortened
from re_dms.journal.raw_odd import Looks
from re_dms.pgtypes import Kind
from re_dms.schema import Relation

Offsets = npt.NDArray[np.int64]

STRUCTURED: Final = frozenset({Kind.ARRAY, Kind.HSTORE, Kind.COMPOSITE})
"""Kinds that become JSON: lines that hold them are no lines of the dialect yet."""
OP: Final = b'"I",'
_INLINE_BYTES: Final = 12  # https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
_VIEW: Final = np.dtype([("length", "<i4"), ("head", "V4"), ("buffer", "<i4"), ("offset", "<i4")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines of one table, with the op `I` in front. `rows` and `data` may point into the region from which they were taken.

    A line that is very long stands alone, and `rows` has its values cut, where they are long past all limits.
    `data`: all lines, one behind the other; `lengths` (bytes) of each, its line end included.
    """

    relation: Relation
    null: str
    rows: pl.Series
    data: Any
    lengths: Offsets

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the fields."""
        return ("op", *(f"c{column.attnum}" for column in self.relation.columns))

    def cut(self, count: int) -> list[Lines]:
        """Up to `count` runs of lines of about the same bytes, none of them empty."""
        if count == 1:
            return [self]
        ends = self.lengths.cumsum()
        total = int(ends[-1])
        shares = [total * share // count for share in range(1, count)]
        borders = sorted({0, *map(int, ends.searchsorted(shares, side="right")), len(ends)})
        return [self._part(low, high, int(ends[low - 1]) if low else 0) for low, high in pairwise(borders)]

    def _part(self, low: int, high: int, first: int) -> Lines:
        lengths = self.lengths[low:high]
        return Lines(
            relation=self.relation,
            null=self.null,
            rows=self.rows.slice(low, high - low),
            data=self.data.slice(first, int(lengths.sum())),
            lengths=lengths,
        )


def take_lines(
    region: npt.NDArray[np.uint8], starts: Offsets, lengths: Offsets, relation: Relation, *, null: str
) -> Lines:
    """The lines whose frames begin at `starts`, bodies of `lengths` bytes; 12 bytes behind the last can be read.

    The region is written: the op takes the place of four of a frame's five bytes. Raises DecodeError, which names table,
    row and column, for a line that is not UTF-8.
    """
    if not relation.columns:
        line = b'"I"\n'
        rows = pl.Series([line.decode()] * len(starts), dtype=pl.String)
        data = pa.py_buffer(line * len(starts))
        return Lines(relation=relation, null=null, rows=rows, data=data, lengths=np.full(len(starts), len(line)))
    window = np.ndarray((max(len(region) - 3, 0),), dtype="V4", buffer=region, strides=(1,))
    window[starts + 1] = np.frombuffer(OP, dtype="V4")[0]
    places, lengths = starts + 1, lengths + len(OP)
    if len(places) == 1 and lengths[0] > LONG_BYTES:
        return _take_long(region[int(places[0]) : int(places[0] + lengths[0])], relation, null)
    binary = _as_series(region, places, lengths)
    try:
        rows = binary.cast(pl.String)
    except pl.exceptions.PolarsError:
        raise bad_text(binary, relation) from None
    return Lines(relation=relation, null=null, rows=rows, data=_joined(binary, lengths), lengths=lengths)


def write_lines(lines: Lines, *, compression: Compression) -> tuple[bytes, CsvStats]:
    """The lines as a compressed file, and its statistics."""
    data: bytes = pa.Codec(compression, compression_level=LEVEL).compress(lines.data, asbytes=True)
    return data, CsvStats(
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        rows=len(lines.lengths),
        row_bytes_max=int(lines.lengths.max(initial=0)),
        null=lines.null,
        columns=lines.columns,
        compression=compression,
    )


def read_lines(lines: Lines) -> pl.DataFrame:
    """The values of the lines: String columns named as `lines.columns`."""
    return _read(lines, lines.data, len(lines.lengths))


def count_odd(lines: Lines) -> dict[str, int]:
    """What `dialect.odd_counts` counts. Raises InvariantError when a value is the NULL token."""
    suspects = Looks.of(lines.relation, lines.null).suspects(lines.rows, lines.lengths, lines.data)
    if suspects is None:
        return {}
    found = lines.rows.filter(suspects)
    if found.str.contains(f'"{lines.null}"', literal=True).any():
        raise InvariantError("a value equals the batch's NULL token", remedy="start again: the next token is another")
    return odd_counts(_read(lines, _text(found), len(found)), lines.relation)


def _read(lines: Lines, data: Any, count: int) -> pl.DataFrame:
    schema = dict.fromkeys(lines.columns, pl.String)
    if not count:
        return pl.DataFrame(schema=schema)
    frame = pl.read_csv(
        bytes(data),
        has_header=False,
        schema=schema,
        null_values=lines.null,
        empty_string_is_null=False,
        quote_char='"',
    )
    if frame.height != count:
        raise InvariantError(f"{count} lines of {lines.relation.full_name} were read as {frame.height} rows")
    return frame


def _text(rows: pl.Series) -> bytes:
    data: bytes = rows.str.join("").item().encode()
    return data


def _as_series(region: npt.NDArray[np.uint8], places: Offsets, lengths: Offsets) -> pl.Series:
    """Binary values at these places, in place. https://arrow.apache.org/docs/format/Columnar.html"""
    views = np.zeros(len(places), dtype=_VIEW)
    views["length"], views["offset"] = lengths, places
    views["head"] = np.frombuffer(OP, dtype="V4")[0]
    short = np.flatnonzero(lengths <= _INLINE_BYTES)
    if len(short):
        inline = region[places[short, None] + np.arange(_INLINE_BYTES)]
        inline[np.arange(_INLINE_BYTES) >= lengths[short, None]] = 0
        views.view(np.uint8).reshape(-1, _VIEW.itemsize)[short, 4:] = inline
    buffers = [None, pa.py_buffer(views), pa.py_buffer(region)]
    return as_series("", pa.Array.from_buffers(pa.binary_view(), len(places), buffers))


def _joined(binary: pl.Series, lengths: Offsets) -> Any:
    """The values one behind the other, as a buffer."""
    return binary.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()[2].slice(0, int(lengths.sum()))


def _take_long(line: npt.NDArray[np.uint8], relation: Relation, null: str) -> Lines:
    """A line that is hundreds of megabytes, maybe: it stays where it is, and is judged by its values' beginnings."""
    if not is_utf8(line):
        raise bad_text([line.tobytes()], relation)
    rows = pl.Series([shortened(line)], dtype=pl.String)
    lengths = np.array([len(line)], dtype=np.int64)
    return Lines(relation=relation, null=null, rows=rows, data=pa.py_buffer(line), lengths=lengths)
