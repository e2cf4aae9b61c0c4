"""GZIP and ZSTD, piece by piece. A stream that is cut, corrupted or of another kind is an error, never a short load.

Source: AWS Database Developer Guide, "File compression parameters" (the name of a file says nothing).
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Final, Literal

import pyarrow as pa

from redshift_standin.copy.s3 import s3_error

PIECE_BYTES: Final = 4 * 1024 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


class _Damaged(Exception):
    """Not a whole stream of its kind."""


def decompressed(chunks: Iterator[bytes], compression: Literal["", "gzip", "zstd"], url: str) -> Iterator[bytes]:
    """The text's pieces, of bounded size. Raises RedshiftError XX000 that names the file."""
    if not compression:
        yield from chunks
        return
    try:
        yield from _gzip(chunks) if compression == "gzip" else _zstd(chunks)
    except (_Damaged, zlib.error):
        raise s3_error(
            f"Failed to decompress the file as {compression.upper()}: {url}", f"S3 key being read : {url}"
        ) from None


def _gzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Any number of members, one after the other."""
    stream = zlib.decompressobj(_GZIP)
    begun = ended = False
    for chunk in chunks:
        data = chunk
        while data:
            if stream.eof:
                stream = zlib.decompressobj(_GZIP)
            begun = True
            piece = stream.decompress(data, PIECE_BYTES)
            data = stream.unused_data if stream.eof else stream.unconsumed_tail
            if piece:
                yield piece
        # What the decompressor still holds would come with the next chunk; at the very end it is asked for below.
        ended = stream.eof
    while begun and not ended:
        piece = stream.decompress(b"", PIECE_BYTES)
        ended = stream.eof
        if piece:
            yield piece
        elif not ended:
            raise _Damaged
    if not begun:
        raise _Damaged


class _Chunks(io.RawIOBase):
    """Chunks as a file that pyarrow reads. Its own failures are kept, because Arrow would rename them."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = b""
        self.failure: Exception | None = None
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._rest:
                self._rest = next(self._chunks)
        except StopIteration:
            return b""
        except Exception as error:
            self.failure = error
            raise
        size = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:size], self._rest[size:]
        self.read_bytes += len(data)
        return data


def _zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    file = _Chunks(chunks)
    try:
        with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as stream:
            while piece := stream.read(PIECE_BYTES):
                yield piece
    except (OSError, pa.ArrowException):
        raise file.failure or _Damaged from None
    if not file.read_bytes:
        raise _Damaged
