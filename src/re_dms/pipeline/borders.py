"""Borders of the messages of a COPY in CSV, found near the end of a region without reading what comes before.

Lines are text: no zero byte is in them. So a line's end, the letter d and a zero are the end of one message and the beginning of
the next, unless they stand within a length, where the true border is three bytes before; or within a notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from re_dms.pipeline.buffers import FRAME_BYTES
from re_dms.source.copy_stream import FRAME

_LOOK: Final = b"\nd\0"
_WITHIN_BYTES: Final = 3
_KINDS: Final = b"dcCZNSAE"
_LENGTH_MIN: Final = 4
_TAIL_BYTES: Final = 16 * 1024
_GROWTH: Final = 8


def border(region: memoryview, end: int) -> int:
    """Where a message begins, with few messages behind it before `end`; 0 when none is found: the first begins there."""
    size = _TAIL_BYTES
    while size < end:
        tail = bytes(region[end - size : end])
        at = tail.find(_LOOK)
        if 0 <= at < _WITHIN_BYTES:  # the true border may have been cut off
            at = tail.find(_LOOK, at + _WITHIN_BYTES + 1)
        found = end - size + at + 1
        if at >= 0 and all(_is_message(*FRAME.unpack_from(region, start)) for start in _starts(region, found, end)):
            return found
        size *= _GROWTH
    return 0


def messages(region: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The whole messages from a border on: the kind of each, and where its body begins and ends."""
    for at in _starts(region, start, end):
        kind, length = FRAME.unpack_from(region, at)
        after = at + 1 + length
        if after <= end:
            yield kind, at + FRAME_BYTES, after


def _starts(region: memoryview, at: int, end: int) -> Iterator[int]:
    """Where messages begin whose frame is there."""
    while at + FRAME_BYTES <= end:
        yield at
        _, length = FRAME.unpack_from(region, at)
        at += 1 + max(length, _LENGTH_MIN)


def _is_message(kind: int, length: int) -> bool:
    return kind in _KINDS and length >= _LENGTH_MIN
