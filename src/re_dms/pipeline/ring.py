"""The reader's side of the shared buffers: fill one, ship it, take the next that the encoder has given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from re_dms.failpoints import failpoint
from re_dms.pipeline.buffers import SharedBuffer, Writer
from re_dms.pipeline.channel import Channel
from re_dms.pipeline.precedence import Precedence

BUFFERS: Final = 3
_OVERSIZED_CAPACITIES_MAX: Final = 8


class Ring:
    """`BUFFERS` regions of `capacity` bytes, known to the encoder by number. A message larger than that gets a region
    of its own, which ends with it. `writer` fills the current region.

    `on_message` is called with what the encoder says besides "freed".
    """

    def __init__(self, encoder: Channel, capacity: int, on_message: Callable[[dict[str, Any]], None]) -> None:
        self.encoder = encoder
        self.capacity = capacity
        self.precedence = Precedence()
        self._on_message = on_message
        buffers = [SharedBuffer.create(capacity) for _ in range(BUFFERS)]
        self._writers = [Writer(buffer) for buffer in buffers]
        self._free = list(range(BUFFERS))
        self._oversized: dict[int, SharedBuffer] = {}
        self._next_oversized = BUFFERS
        encoder.send(
            {"do": "buffers", "capacity": capacity, "numbers": list(self._free)}, [b.descriptor for b in buffers]
        )
        self._take_next()

    def _take_next(self) -> None:
        self._current = self._free.pop(0)
        self.writer = self._writers[self._current]

    @property
    def has_free(self) -> bool:
        """Whether another region can be taken at once."""
        return bool(self._free)

    @property
    def has_free_oversized(self) -> bool:
        """Whether a message that no region can hold may be shipped. Any can when no other is under way; more are held
        back, since each takes memory of its own."""
        taken = sum(buffer.capacity for buffer in self._oversized.values())
        return taken < _OVERSIZED_CAPACITIES_MAX * self.capacity

    def poll(self, timeout_seconds: float) -> None:
        """Read what the encoder says: wait for one message up to the timeout, then take all that is there."""
        message = self.encoder.receive(timeout_seconds)
        while message is not None:
            if "freed" in message:
                self._take_back(message["freed"])
            else:
                self._on_message(message)
            message = self.encoder.receive(0)

    def _take_back(self, number: int) -> None:
        self.precedence.given_back(number)
        if number >= BUFFERS:
            self._oversized.pop(number).close()
            return
        self._writers[number].reset()
        self._free.append(number)

    def ship(self, description: dict[str, Any], count: int) -> None:
        """Hand the first `count` messages of the current region to the encoder; the rest moves to the next region.

        The caller has made sure that `has_free`.
        """
        full, number = self.writer, self._current
        self._take_next()
        if full.position > full.taken or count < len(full.starts):
            full.move_tail(count, self.writer)
        full.buffer.write_index(full.starts)
        self._tell(number, full, description)
        failpoint("capture.shipped")

    def _tell(self, number: int, writer: Writer, description: dict[str, Any]) -> None:
        part = {"do": "part", "buffer": number, "messages": len(writer.starts), "bytes": writer.position}
        self.encoder.send(part | description)
        self.precedence.shipped(number)

    def grow(self, size: int) -> Writer:
        """A region of its own for a message of `size` bytes (its frame included) that no region can hold. What of it is
        here is all that the current region holds; it moves there.

        The caller has made sure that `has_free_oversized`.
        """
        writer = Writer(SharedBuffer.create(size))
        self.writer.move_tail(0, writer)
        self.writer.reset()
        return writer

    def ship_oversized(self, description: dict[str, Any], writer: Writer) -> None:
        """Hand over the one message of a region of its own."""
        buffer = writer.buffer
        buffer.write_index(writer.starts)
        number, self._next_oversized = self._next_oversized, self._next_oversized + 1
        self._oversized[number] = buffer
        writer.view.release()
        self.encoder.send({"do": "buffers", "capacity": buffer.capacity, "numbers": [number]}, [buffer.descriptor])
        self._tell(number, writer, description)

    def ship_file(self, description: dict[str, Any], descriptor: int) -> None:
        """Hand over a transaction that waited in a file (or in memory behind a descriptor)."""
        self.encoder.send({"do": "whole", **description}, [descriptor])
        failpoint("capture.shipped")

    def discard(self) -> None:
        """Forget what the current region holds."""
        self.writer.reset()
