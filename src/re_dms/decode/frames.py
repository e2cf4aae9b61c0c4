"""Received messages in one region of memory, and vectorised reads at any byte offset of it."""

from __future__ import annotations

import mmap
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from re_dms.errors import DecodeError, InvariantError
from re_dms.lsn import LSN

PAD: Final = 32
"""Readable bytes behind the last message: a read at a value's offset may run past the value, never past the region."""

HEADER: Final = 25
"""'w', start LSN, end LSN, send time: before every pgoutput message."""

BODY: Final = HEADER + 1
"""What comes before the fields of a message: the header and its tag."""

XID: Final = 4
"""Bytes of the xid between tag and fields of a message that was sent before its transaction ended."""

SIZE_MAX: Final = 2**31 - 1 - PAD
"""Bytes of all messages together: the offsets of Arrow's views have 31 bits."""

REMEDY: Final = (
    "Postgres sent what this version of re_dms does not know: keep the slot and report the byte and the place"
)

FRAME_BYTES: Final = 5
"""Kind and length of a message, before its body. https://www.postgresql.org/docs/current/protocol-message-formats.html"""

_LENGTH: Final = np.dtype(">u4")

Payload = bytes | bytearray | memoryview | mmap.mmap
Offsets = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]


def body_lengths(region: Payload, starts: Offsets) -> Offsets:
    """Of the messages whose frames begin at these places, the bytes of their bodies: the length counts itself as well."""
    window = np.ndarray((max(memoryview(region).nbytes - 3, 0),), dtype="V4", buffer=region, strides=(1,))
    lengths: Offsets = window[starts + 1].view(_LENGTH).astype(np.int64) - _LENGTH.itemsize
    return lengths


class Frames:
    """The CopyData payloads of one buffer, one after the other, exactly as they were received.

    `payload` begins with the first message and has at least PAD readable bytes behind the last one; `lengths` holds the
    bytes of each message, in order: an XLogData ('w', 25 bytes of header, one pgoutput message).

    `body` is the offset of a stream message's fields.

    Frames is a window: it holds an export of `payload` (an mmap cannot be closed and a bytearray cannot grow while the
    Frames lives: BufferError), and so does everything decoded from it. Data frames of the decoders point into the same
    bytes, also after filter, unique, sort or concat: the region may be written again only when all of them have been
    used up (their CSV bytes exist).

    Source: https://www.postgresql.org/docs/current/protocol-replication.html
    """

    def __init__(self, payload: Payload, lengths: npt.ArrayLike) -> None:
        sizes = np.asarray(lengths)
        if sizes.ndim != 1 or not (sizes.dtype.kind in "iu" or sizes.size == 0) or (sizes < 0).any():
            raise InvariantError("message lengths are not a list of non-negative whole numbers")
        ends: Offsets = np.cumsum(sizes, dtype=np.int64)
        self._take(payload, ends - sizes.astype(np.int64), ends)

    @classmethod
    def at(cls, payload: Payload, starts: Offsets, ends: Offsets, *, streamed: bool = False) -> Self:
        """Messages at these places of a region, ascending; what lies between them is left out.

        `streamed`: they were sent before their transaction ended, and each has an xid behind its tag.
        """
        if len(starts) != len(ends) or (ends < starts).any() or (starts[1:] < ends[:-1]).any():
            raise InvariantError("messages that overlap or go back")
        frames = cls.__new__(cls)
        frames._take(payload, starts, ends)
        frames.body = BODY + XID if streamed else BODY
        return frames

    @classmethod
    def on_the_wire(cls, payload: Payload, starts: Offsets, *, streamed: bool = False) -> Self:
        """Messages whose frames begin at these places, ascending."""
        bodies = starts + FRAME_BYTES
        return cls.at(payload, bodies, bodies + body_lengths(payload, starts), streamed=streamed)

    def _take(self, payload: Payload, starts: Offsets, ends: Offsets) -> None:
        self.body = BODY
        self.starts, self.ends = starts, ends
        self.size = int(ends[-1]) if ends.size else 0
        if self.size > SIZE_MAX:
            raise InvariantError(f"{self.size} bytes of messages in one buffer, {SIZE_MAX} are the most")
        available = memoryview(payload).nbytes
        if available < self.size + PAD:
            raise InvariantError(f"{self.size} bytes of messages and {PAD} of padding in a region of {available} bytes")
        # Views are built on this array, not on the payload: np.ndarray(buffer=…) alone would hold no export of it.
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(payload, dtype=np.uint8, count=self.size + PAD)
        self._windows: dict[int, npt.NDArray[np.void]] = {}

    def __len__(self) -> int:
        return len(self.ends)

    def read(self, at: Offsets, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """One `dtype` at each byte offset. The caller keeps `at` within 0…size and `dtype` within PAD bytes.

        What was read is meaningful only where the caller finds that it lies inside of its message.
        """
        width = dtype.itemsize
        window = self._windows.get(width)
        if window is None:
            # Stride 1: any offset. Opaque bytes: numpy gathers up to 17 of them as fast as one word.
            window = np.ndarray((self.size + PAD - width + 1,), dtype=f"V{width}", buffer=self.bytes, strides=(1,))
            self._windows[width] = window
        return window[at].view(dtype)

    def message(self, index: int, skip: int = 0) -> bytes:
        """A copy of message `index` without its first `skip` bytes."""
        return self.bytes[self.starts[index] + skip : self.ends[index]].tobytes()

    def fields(self, index: int) -> bytes:
        """A copy of stream message `index` as it is sent after its transaction's end: tag and fields."""
        message = self.message(index, HEADER)
        return message[:1] + message[1 + self.body - BODY :]

    def lsn(self, index: int) -> LSN:
        """The start LSN in the header of stream message `index`.

        Postgres sends 0/0 for messages that are not the last of their change (Relation before a row, for one): then
        the nearest earlier message tells. 0/0 when none does, or when the message has no whole header.
        """
        for earlier in range(index, -1, -1):
            header = self.message(earlier)[1:9]
            if len(header) == 8 and any(header):
                return LSN(int.from_bytes(header, "big"))
        return LSN(0)

    def place(self, index: int) -> str:
        """Where stream message `index` is, in words."""
        return f"the message at LSN {self.lsn(index)}"

    def refusal(self, index: int, at: int, what: str) -> DecodeError:
        """The error for the byte at offset `at` of message `index`."""
        offset = int(self.starts[index]) + at
        found = f"byte 0x{self.bytes[offset]:02x}" if offset < self.ends[index] else "its end"
        return DecodeError(
            f"{self.place(index)}: {what} ({found} at offset {at} of {self.ends[index] - self.starts[index]})",
            remedy=REMEDY,
        )

    def refuse(self, messages: Offsets, bad: Bits, at: int, what: str) -> None:
        """Raise DecodeError for the first of the stream messages that is bad, if any; its byte is at offset `at`."""
        if bad.any():
            raise self.refusal(int(messages[int(np.argmax(bad))]), at, what)
