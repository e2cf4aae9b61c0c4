"""Rows in the text format of the backend's own COPY, which reads nothing into them: every special byte is escaped."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import polars as pl

NULL: Final = "\\N"
_ESCAPES: Final = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_TABLE = str.maketrans(_ESCAPES)


def line(values: Sequence[str | None]) -> bytes:
    """One row."""
    return "\t".join(NULL if value is None else value.translate(_TABLE) for value in values).encode() + b"\n"


def escaped(series: pl.Series) -> pl.Series:
    """A column of texts, to be given to `lines`."""
    for character, escape in _ESCAPES.items():
        series = series.str.replace_all(character, escape, literal=True)
    return series


def lines(columns: Sequence[pl.Series]) -> bytes:
    """Columns of texts that need no escape any more."""
    buffer = io.BytesIO()
    frame = pl.DataFrame([series.alias(str(number)) for number, series in enumerate(columns)])
    frame.write_csv(buffer, include_header=False, separator="\t", quote_style="never", null_value=NULL)
    return buffer.getvalue()
