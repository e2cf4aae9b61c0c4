"""Nameless shared memory in which the reader lays what it receives and the encoder reads it.

A region is a memfd passed by descriptor: it has no name, so nothing leaks when a process group is killed. Its layout:

    [int32 starts x MESSAGES_MAX] [bytes as they came from the wire] [PAD bytes for unaligned loads]

Starts are those of the messages that count, frames included, in order; what lies between them (messages that nobody wants) is
passed over.
"""

from __future__ import annotations

import mmap
import os
from array import array
from typing import Final

import re_dms.errors as errors
from re_dms.source.copy_stream import FRAME

MESSAGES_MAX: Final = 524_288
PAD: Final = 64
FRAME_BYTES: Final = FRAME.size
_INDEX_BYTES: Final = MESSAGES_MAX * 4
_MESSAGE_BYTES_MIN: Final = FRAME_BYTES + 1
_POISON: Final = 0xEE


class SharedBuffer:
    """One region. `capacity` is the number of payload bytes that it can hold.

    A process that reads a region may hold windows on it (decoded frames); it says when it has let go of them, and only
    then may the writer fill the region again.
    """

    def __init__(self, descriptor: int, capacity: int) -> None:
        self.descriptor = descriptor
        self.capacity = capacity
        self.map = mmap.mmap(descriptor, _INDEX_BYTES + capacity + PAD)

    @classmethod
    def create(cls, capacity: int) -> SharedBuffer:
        """A new region, zeroed; pages are taken from memory when they are written."""
        descriptor = os.memfd_create("re_dms", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, _INDEX_BYTES + capacity + PAD)
        return cls(descriptor, capacity)

    @property
    def payload(self) -> memoryview:
        """The payload bytes, PAD included."""
        return memoryview(self.map)[_INDEX_BYTES:]

    def write_index(self, starts: list[int]) -> None:
        """Note where the messages begin, in order."""
        if len(starts) > MESSAGES_MAX:
            raise errors.InvariantError(f"{len(starts)} messages in a buffer for {MESSAGES_MAX}")
        data = array("i", starts).tobytes()
        self.map[: len(data)] = data

    def index(self, count: int) -> memoryview:
        """The starts of the first `count` messages, as int32."""
        return memoryview(self.map)[: count * 4].cast("i")

    def poison(self) -> None:
        """Overwrite everything: a frame that still reads this region shows it at once (tests)."""
        self.map[:] = bytes([_POISON]) * len(self.map)

    def close(self) -> None:
        """Give the region back. Raises BufferError while a window on it lives."""
        self.map.close()
        os.close(self.descriptor)


class Writer:
    """Fills one region: bytes come to `room`, and are noted with `laid`. Who reads the messages among them notes in
    `starts` where those that count begin, and in `taken` up to where it has read.
    """

    def __init__(self, buffer: SharedBuffer) -> None:
        self.buffer = buffer
        self.capacity = buffer.capacity
        self.view = buffer.payload
        self.starts: list[int] = []
        self.position = 0
        self.taken = 0

    @property
    def room(self) -> memoryview:
        """Where the next bytes go; empty when the region is full."""
        most = (MESSAGES_MAX - len(self.starts)) * _MESSAGE_BYTES_MIN
        return self.view[self.position : min(self.capacity, self.position + most)]

    @property
    def is_full(self) -> bool:
        """Whether neither bytes nor messages have room any more."""
        return self.position >= self.capacity or len(self.starts) >= MESSAGES_MAX

    def laid(self, size: int) -> None:
        """`size` bytes were laid into `room`."""
        self.position += size

    def body(self, number: int) -> memoryview:
        """The body of a message that was noted."""
        at = self.starts[number]
        _, length = FRAME.unpack_from(self.view, at)
        return self.view[at + FRAME_BYTES : at + 1 + length]

    def move_tail(self, count: int, target: Writer) -> None:
        """Move the messages from number `count` on, and the bytes of one that is not whole yet, to the empty `target`."""
        start = self.starts[count] if count < len(self.starts) else self.taken
        size = self.position - start
        target.view[:size] = self.view[start : self.position]
        target.starts = [at - start for at in self.starts[count:]]
        target.position, target.taken = size, self.taken - start
        del self.starts[count:]
        self.position = self.taken = start

    def compact(self) -> None:
        """Forget what was read, when none of it counts."""
        if self.taken and not self.starts:
            left = self.position - self.taken
            self.view[:left] = self.view[self.taken : self.position]
            self.position, self.taken = left, 0

    def close(self) -> None:
        """Give up the region: nothing in it counts."""
        self.view.release()
        self.buffer.close()

    def reset(self) -> None:
        """Empty: the encoder has let go of the region."""
        self.starts = []
        self.position = self.taken = 0
