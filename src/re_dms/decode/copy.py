"""Lines of COPY … TO STDOUT (FORMAT csv), each a CopyData message, found in a region as they came from the wire.

Source: https://www.postgresql.org/docs/current/protocol-message-formats.html (CopyData)
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import FRAME_BYTES, Offsets, body_lengths
from re_dms.errors import InvariantError

_FRAME: Final = struct.Struct("!BI")  # type, length; the length counts itself and the body
_COPY_DATA: Final = ord("d")
_OTHERS: Final = b"NSAcCZE"  # notices, settings that changed …: who received the region has dealt with them
_BLOCK_BYTES: Final = 128 * 1024  # what the test makes of it stays in the processor's cache


def find_lines(region: npt.NDArray[np.uint8]) -> tuple[Offsets, Offsets]:
    """Where the frames of the CopyData messages begin, and the lengths of their bodies (bytes).

    The region holds whole messages from its first to its last byte. Raises InvariantError when it does not.
    """
    starts, lengths = _likely(region)
    ends = starts + FRAME_BYTES + lengths
    # Each begins where the one before it ends: then they are all that there is.
    if len(starts) and starts[0] == 0 and ends[-1] == len(region) and (starts[1:] == ends[:-1]).all():
        return starts, lengths
    return _walk(region)


def _likely(region: npt.NDArray[np.uint8]) -> tuple[Offsets, Offsets]:
    """Frames by their look: text holds no zero byte, and the length of a message below 16 MB begins with one."""
    blocks = range(0, len(region), _BLOCK_BYTES)
    found = [np.flatnonzero(region[low : low + _BLOCK_BYTES] == 0) + low for low in blocks]
    zeros = np.concatenate(found) if found else np.empty(0, dtype=np.int64)
    starts: Offsets = zeros[region[zeros - 1] == _COPY_DATA] - 1
    # Further zeros of a length may look like another frame within this one.
    inside = np.flatnonzero(starts[1:] - starts[:-1] < FRAME_BYTES) + 1
    starts = np.delete(starts, inside)
    starts = starts[(starts >= 0) & (starts <= len(region) - FRAME_BYTES)]
    return starts, body_lengths(region.data, starts)


def _walk(region: npt.NDArray[np.uint8]) -> tuple[Offsets, Offsets]:
    """Frame by frame, past messages of other kinds: rare."""
    starts, lengths, at, view = [], [], 0, region.data
    while at + FRAME_BYTES <= len(region):
        kind, length = _FRAME.unpack_from(view, at)
        if length < 4 or (kind != _COPY_DATA and kind not in _OTHERS):
            break
        if kind == _COPY_DATA:
            starts.append(at)
            lengths.append(length - 4)
        at += 1 + length
    if at != len(region):
        raise InvariantError("a part of a copy is no row of messages")
    return np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64)
