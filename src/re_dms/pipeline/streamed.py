"""A transaction that waited for its end, as the buffers that a decoder reads: what was rolled back in it is left out.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html (Stream Start … Stream Abort)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import HEADER, PAD, Frames
from re_dms.errors import InvariantError
from re_dms.lsn import LSN
from re_dms.pipeline.messages import note_all
from re_dms.settings import MIB
from re_dms.source.replication import XLOG_DATA

_PIECE_BYTES: Final = 16 * MIB
_HEADER: Final = struct.Struct("!BQQq")
_BEGIN: Final = struct.Struct("!BQqI")
_COMMIT: Final = struct.Struct("!BBQQq")
_XID: Final = np.dtype(">u4")
_CHANGES: Final = np.frombuffer(b"IUDT", dtype=np.uint8)
_ALWAYS: Final = b"RY"  # a table is told once a transaction, whichever part of it was rolled back since
_NEVER: Final = b"O"  # the one message of a streamed transaction that has no xid, and that says nothing to us


def transaction(descriptor: int, told: dict[str, Any]) -> Iterator[Frames]:
    """Begin, the messages that count, Commit. Each Frames is used up before the next is asked for.

    `told`: size and position of the file's content, xid, final and end LSN, commit time (microseconds since 2000) and the aborted
    subtransactions' xids. Raises InvariantError when the file ends inside of a message.
    """
    final, end, time_us = LSN.parse(told["final"]), LSN.parse(told["lsn"]), int(told["time_us"])
    yield _alone(final, _BEGIN.pack(ord("B"), final, time_us, told["xid"]))
    yield from _pieces(descriptor, told["size"], told["aborted"])
    yield _alone(end, _COMMIT.pack(ord("C"), 0, final, end, time_us))


def has_changes(descriptor: int, size: int, aborted: Collection[int]) -> bool:
    """Whether anything of what waited is a change that counts. Reads up to the first."""
    return any(
        np.isin(frames.bytes[frames.starts + HEADER], _CHANGES).any() for frames in _pieces(descriptor, size, aborted)
    )


def _alone(lsn: LSN, message: bytes) -> Frames:
    data = _HEADER.pack(XLOG_DATA, lsn, lsn, 0) + message
    return Frames(data + bytes(PAD), [len(data)])


def _pieces(descriptor: int, size: int, aborted: Collection[int]) -> Iterator[Frames]:
    gone = np.array(sorted(aborted), dtype=np.uint32)
    buffer, at, left = bytearray(_PIECE_BYTES + PAD), 0, 0
    while at < size or left:
        view = memoryview(buffer)
        read = os.preadv(descriptor, [view[left : len(buffer) - PAD]], at) if at < size else 0
        at, filled = at + read, left + read
        starts, taken = note_all(view, filled)
        if starts:
            yield _those_that_count(buffer, starts, gone)
        view.release()
        left = filled - taken
        if not taken:
            if at >= size:
                raise InvariantError("a transaction that waited for its end ends inside of a message")
            buffer = bytearray(buffer[:filled]) + bytes(len(buffer))  # a message that is larger than the buffer
        elif left:
            buffer[:left] = buffer[taken:filled]


def _those_that_count(buffer: bytearray, starts: list[int], gone: npt.NDArray[np.uint32]) -> Frames:
    frames = Frames.on_the_wire(buffer, np.array(starts, dtype=np.int64), streamed=True)
    first = frames.starts
    tags = frames.bytes[first + HEADER]
    counts = tags != _NEVER[0]
    if gone.size:
        xids = frames.read(first + HEADER + 1, _XID).astype(np.uint32)
        counts &= ~np.isin(xids, gone) | np.isin(tags, np.frombuffer(_ALWAYS, dtype=np.uint8))
    return frames if counts.all() else Frames.at(buffer, frames.starts[counts], frames.ends[counts], streamed=True)
