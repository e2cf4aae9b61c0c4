"""A file's text in buffers that each begin with a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from redshift_standin.copy.csv import Dialect
from redshift_standin.errors import unknown

BLOCK_BYTES: Final = 8 * 1024 * 1024
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def read_blocks(
    pieces: Iterator[bytes], dialect: Dialect, *, header_lines: int, url: str, take: Callable[[bytes, int, bool], int]
) -> int:
    """Give the text to `take(buffer, lines before it, is it the last)`, which says how much of it was whole records.

    The last buffer ends with a line feed. Returns the file's lines. Raises RedshiftError for a byte-order mark.
    """
    lines = 0
    rest = b""
    for buffer, final in _joined(_without_mark(pieces, url)):
        data = rest + buffer
        if final and data and not data.endswith(b"\n"):
            data += b"\n"
        if lines < header_lines:
            at, lines = _after_header(data, lines, header_lines, dialect, url)
            data = data[at:]
            if lines < header_lines and not final:
                rest = data
                continue
        consumed = take(data, lines, final) if data else 0
        lines += data.count(b"\n", 0, consumed)
        rest = data[consumed:]
    return lines


def _joined(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Pieces put together to blocks; the last one, maybe empty, is marked."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES:
            yield b"".join(held), False
            held, size = [], 0
    yield b"".join(held), True


def _without_mark(pieces: Iterator[bytes], url: str) -> Iterator[bytes]:
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= len(_BYTE_ORDER_MARKS[0]):
            break
    if first.startswith(_BYTE_ORDER_MARKS):
        raise unknown(f"a byte-order mark at the beginning of a file ({url})")
    yield first
    yield from pieces


def _after_header(data: bytes, lines: int, wanted: int, dialect: Dialect, url: str) -> tuple[int, int]:
    """Where the text goes on after the header's lines that are here, and how many lines have then gone by."""
    at = 0
    while lines < wanted and (end := data.find(b"\n", at)) >= 0:
        line = data[at:end]
        if dialect.quote is not None and line.count(bytes((dialect.quote,))) % 2:
            raise unknown(f"a line feed within quotes in a header ({url}, line {lines + 1})")
        at, lines = end + 1, lines + 1
    return at, lines
