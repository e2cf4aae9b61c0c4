"""Nameless shared memory in which the reader lays messages and the encoder reads them.

A region is a memfd passed by descriptor: it has no name, so nothing leaks when a process group is killed. Its layout:

    [int32 lengths x MESSAGES_MAX] [payloads, one after the other] [PAD bytes for unaligned loads]
"""

from __future__ import annotations

import mmap
import os
from array import array
from typing import Final

import re_dms.errors as errors

MESSAGES_MAX: Final = 262_144
PAD: Final = 64
_LENGTHS_BYTES: Final = MESSAGES_MAX * 4
_POISON: Final = 0xEE


class SharedBuffer:
    """One region. `capacity` is the number of payload bytes that it can hold.

    A process that reads a region may hold windows on it (decoded frames); it says when it has let go of them, and only
    then may the writer fill the region again.
    """

    def __init__(self, descriptor: int, capacity: int) -> None:
        self.descriptor = descriptor
        self.capacity = capacity
        self.map = mmap.mmap(descriptor, _LENGTHS_BYTES + capacity + PAD)

    @classmethod
    def create(cls, capacity: int) -> SharedBuffer:
        """A new region, zeroed; pages are taken from memory when they are written."""
        descriptor = os.memfd_create("re_dms", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, _LENGTHS_BYTES + capacity + PAD)
        return cls(descriptor, capacity)

    @property
    def payload(self) -> memoryview:
        """The payload bytes, PAD included."""
        return memoryview(self.map)[_LENGTHS_BYTES:]

    def write_lengths(self, lengths: list[int]) -> None:
        """Note the messages' lengths (bytes), in order."""
        if len(lengths) > MESSAGES_MAX:
            raise errors.InvariantError(f"{len(lengths)} messages in a buffer for {MESSAGES_MAX}")
        data = array("i", lengths).tobytes()
        self.map[: len(data)] = data

    def lengths(self, count: int) -> memoryview:
        """The first `count` lengths as int32."""
        return memoryview(self.map)[: count * 4].cast("i")

    def poison(self) -> None:
        """Overwrite everything: a frame that still reads this region shows it at once (tests)."""
        self.map[:] = bytes([_POISON]) * len(self.map)

    def close(self) -> None:
        """Give the region back. Raises BufferError while a window on it lives."""
        self.map.close()
        os.close(self.descriptor)


class Writer:
    """Appends messages to one region."""

    def __init__(self, buffer: SharedBuffer) -> None:
        self.buffer = buffer
        self.view = buffer.payload
        self._capacity = buffer.capacity
        self.lengths: list[int] = []
        self.position = 0

    def has_room(self, size: int) -> bool:
        """Whether a message of `size` bytes fits behind what is there."""
        return self.position + size <= self._capacity and len(self.lengths) < MESSAGES_MAX

    def append(self, data: bytes | memoryview) -> bool:
        """Lay a message behind the others. False when it has no room; nothing has changed then."""
        size = len(data)
        end = self.position + size
        if end > self._capacity or len(self.lengths) >= MESSAGES_MAX:
            return False
        self.view[self.position : end] = data
        self.position = end
        self.lengths.append(size)
        return True

    def move_tail(self, count: int, target: Writer) -> None:
        """Move the messages from number `count` on to the empty `target`."""
        start = sum(self.lengths[:count])
        size = self.position - start
        target.view[:size] = self.view[start : self.position]
        target.lengths = self.lengths[count:]
        target.position = size
        del self.lengths[count:]
        self.position = start

    def reset(self) -> None:
        """Empty: the encoder has let go of the region."""
        self.lengths = []
        self.position = 0
