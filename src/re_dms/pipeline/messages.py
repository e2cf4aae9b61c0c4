"""Messages in received bytes: where they are, and which of them need a look.

Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
        https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from re_dms.pipeline.buffers import FRAME_BYTES
from re_dms.pipeline.gate import COMMIT
from re_dms.source.copy_stream import COPY_DATA, FRAME
from re_dms.source.replication import XLOG_DATA

_HEAD: Final = struct.Struct("!BIB24xB")  # a CopyData's frame, its first byte, and behind XLogData's header the tag


@dataclass(frozen=True, slots=True)
class Passed:
    """A message that is no row: its kind on the wire, where it begins, and where it ends."""

    kind: int
    at: int
    end: int

    @property
    def body(self) -> slice:
        """Where its body is."""
        return slice(self.at + FRAME_BYTES, self.end)


def note_rows(
    view: memoryview, at: int, end: int, starts: list[int], looked_at: Collection[int]
) -> tuple[int, Passed | None, int]:
    """Note where messages begin, from `at` on, up to the first whole one that needs a look.

    Noted are XLogData whose tag is not in `looked_at`. Returns up to where was read; that message, None when no whole one is
    left before `end`; and how many messages are noted up to the last Commit, 0 when none was found.
    """
    unpack, note, last = _HEAD.unpack_from, starts.append, end - _HEAD.size
    committed = 0
    while at <= last:
        kind, length, first, tag = unpack(view, at)
        after = at + 1 + length
        if after > end:
            return at, None, committed
        if kind != COPY_DATA or first != XLOG_DATA or tag in looked_at:
            return after, Passed(kind, at, after), committed
        note(at)
        if tag == COMMIT:
            committed = len(starts)
        at = after
    if end - at >= FRAME_BYTES:  # a short one, at the end of what is there
        kind, length = FRAME.unpack_from(view, at)
        after = at + 1 + length
        if after <= end:
            return after, Passed(kind, at, after), committed
    return at, None, committed


def note_all(view: memoryview, end: int) -> tuple[list[int], int]:
    """Where each XLogData of a stream's bytes begins, and where the last whole message ends."""
    starts: list[int] = []
    at, passed, _ = note_rows(view, 0, end, starts, ())
    while passed is not None:
        at, passed, _ = note_rows(view, at, end, starts, ())
    return starts, at
