"""The journal's CSV files: no header, every string quoted, NULL as a bare token that no value equals.

`quote_style="non_numeric"` with only String columns quotes every value ('' as "") and leaves the token bare; every
other style of Polars loses NULL against a value or writes broken lines.
"""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import polars as pl

from re_dms.errors import InvariantError
from re_dms.journal.long_rows import LEVEL, LONG_BYTES, compressing, write_row
from re_dms.journal.texts import FIELD_BYTES, Texts
from re_dms.manifest import DataFile

Compression = Literal["zstd", "gzip"]

_SUFFIXES: Final[dict[Compression, str]] = {"zstd": "csv.zst", "gzip": "csv.gz"}
_ROW_BYTES_CHEAP_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvStats:
    """What the manifest says about a file. `bytes` and `sha256` are of the compressed bytes.

    `row_bytes_max` bounds the longest line: doubled quotes, delimiters and line end included.
    """

    bytes: int
    sha256: str
    rows: int
    row_bytes_max: int
    null: str
    columns: tuple[str, ...]
    compression: Compression

    def data_file(self, *, key: str, odd: Mapping[str, int]) -> DataFile:
        """The manifest's entry for this file."""
        return DataFile(
            key=key,
            bytes=self.bytes,
            sha256=self.sha256,
            rows=self.rows,
            row_bytes_max=self.row_bytes_max,
            null=self.null,
            columns=self.columns,
            compression=self.compression,
            odd=dict(odd),
        )


def data_name(oid: int, seq: int, compression: Compression) -> str:
    """The file's name in its batch, without the writer: <oid>-<seq>.csv.zst."""
    return f"{oid}-{seq}.{_SUFFIXES[compression]}"


def new_null_token() -> str:
    """A random NULL token: letters and digits, no backslash (Redshift's NULL AS), never a number."""
    return f"n{secrets.token_hex(12)}"


def assert_token_unused(frame: pl.DataFrame, token: str) -> None:
    """Raise InvariantError when a value equals the token. Nobody can know the token before it is used: this is luck."""
    strings = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    if strings and frame.select(pl.any_horizontal((pl.col(name) == token).any() for name in strings)).item():
        raise InvariantError("a value equals the batch's NULL token", remedy="start again: the next token is another")


def write_csv(rows: pl.DataFrame | Texts, *, null: str, compression: Compression) -> tuple[bytes, CsvStats]:
    """Rows as a compressed CSV file, and its statistics. Columns that are no strings are written as strings.

    Refuses a frame that holds the token as a value (InvariantError). Needs a column at least: a line of none is lost.
    """
    texts = rows if isinstance(rows, Texts) else Texts(_as_strings(rows))
    frame = texts.frame
    if texts.may_hold(null):
        assert_token_unused(frame, null)
    long = texts.longest_row(null, enough=LONG_BYTES) > LONG_BYTES
    data, row_bytes_max = (_compress_long if long else _compress)(texts, null, compression)
    return data, CsvStats(
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        rows=frame.height,
        row_bytes_max=row_bytes_max,
        null=null,
        columns=tuple(frame.columns),
        compression=compression,
    )


def read_csv(data: bytes, file: DataFile) -> pl.DataFrame:
    """The rows of a data file, from its (compressed) bytes: String columns named as `file.columns`."""
    if not file.rows:
        return pl.DataFrame(schema=dict.fromkeys(file.columns, pl.String))
    frame = pl.read_csv(
        data,
        has_header=False,
        schema=dict.fromkeys(file.columns, pl.String),
        null_values=file.null,
        empty_string_is_null=False,
        quote_char='"',
    )
    if frame.height != file.rows:
        raise InvariantError(f"{file.key} has {frame.height} rows, and was written with {file.rows}")
    return frame


def _as_strings(frame: pl.DataFrame) -> pl.DataFrame:
    others = [name for name, dtype in frame.schema.items() if dtype != pl.String]
    return frame.with_columns(pl.col(others).cast(pl.String)) if others else frame


def _compress(texts: Texts, null: str, compression: Compression) -> tuple[bytes, int]:
    """The rows as a file, and a bound of its longest line."""
    return _written(texts, null, compression), _row_bytes_max(texts, null)


def _compress_long(texts: Texts, null: str, compression: Compression) -> tuple[bytes, int]:
    """As `_compress`, for rows some of which are long: Polars writes what lies between those."""
    rows = np.flatnonzero(texts.row_bytes > LONG_BYTES).tolist()
    longest = 0
    buffer = io.BytesIO()
    with compressing(buffer, compression) as sink:
        for before, row in pairwise((-1, *rows, texts.frame.height)):
            if row - before > 1:  # no slice of nothing: a slice of a frame of one row copies its values
                between = Texts(texts.frame.slice(before + 1, row - before - 1))
                sink.write(_written(between, null, "uncompressed"))
                longest = max(longest, _row_bytes_max(between, null))
            if row < texts.frame.height:
                longest = max(longest, write_row(sink, texts, row, null))
    return buffer.getvalue(), longest


def _written(texts: Texts, null: str, compression: Literal["uncompressed", "zstd", "gzip"]) -> bytes:
    buffer = io.BytesIO()
    texts.frame.write_csv(
        buffer,
        include_header=False,
        quote_style="non_numeric",
        null_value=null,
        compression=compression,
        compression_level=None if compression == "uncompressed" else LEVEL,
    )
    return buffer.getvalue()


def _row_bytes_max(texts: Texts, null: str) -> int:
    """A bound of the longest line: as if all were quotes while that is short, exact when it is not."""
    # A bare NULL token takes its own length; counted with quotes it is a bound too.
    around = texts.frame.width * FIELD_BYTES
    bound = 2 * texts.longest_row(null, enough=(_ROW_BYTES_CHEAP_MAX - around) // 2) + around
    if bound <= _ROW_BYTES_CHEAP_MAX:
        return bound
    columns = [pl.col(name) for name in texts.names]
    doubled = [
        column.str.len_bytes().cast(pl.UInt64) + column.str.count_matches('"', literal=True) for column in columns
    ]
    longest = pl.sum_horizontal(size.fill_null(len(null)) for size in doubled).max()
    return int(texts.frame.select(longest).item() or 0) + around
