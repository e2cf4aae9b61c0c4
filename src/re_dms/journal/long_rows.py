"""Long lines of a data file, written block by block: Polars holds a value several times while it quotes and compresses it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, Protocol

import pyarrow as pa

from re_dms.journal.texts import Texts

LONG_BYTES: Final = 16 * 1024 * 1024
"""A line above is never copied as a whole."""
_BLOCK_BYTES: Final = 1024 * 1024
LEVEL: Final = 1  # of compression, in every data file


class Sink(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes, /) -> int:
        """All of them; how many they were."""


@contextmanager
def compressing(target: IO[bytes], compression: str) -> Iterator[Sink]:
    """A file that compresses what is written to it; `target` has all of it at the block's end."""
    if compression == "gzip":
        with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=LEVEL, mtime=0) as sink:
            yield sink
    else:
        packed = pa.BufferOutputStream()
        with pa.CompressedOutputStream(packed, compression) as sink:  # level 1, too
            yield sink
        target.write(packed.getvalue())


def write_row(sink: Sink, texts: Texts, row: int, null: str) -> int:
    """Write one row as `csv.write_csv` does: every value quoted, NULL as the bare token. Returns the line's bytes."""
    size = 0
    for place in range(texts.frame.width):
        if place:
            size += sink.write(b",")
        value = texts.value(place, row)
        size += sink.write(null.encode()) if value is None else _write_quoted(sink, value)
    return size + sink.write(b"\n")


def _write_quoted(sink: Sink, value: memoryview) -> int:
    size = sink.write(b'"')
    for low in range(0, len(value), _BLOCK_BYTES):
        size += sink.write(bytes(value[low : low + _BLOCK_BYTES]).replace(b'"', b'""'))
    return size + sink.write(b'"')
