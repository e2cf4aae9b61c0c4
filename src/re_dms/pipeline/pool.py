"""The reader's regions for copies: several are filled at the same time, one a connection, and all go when the copies are done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from re_dms.pipeline.buffers import SharedBuffer, Writer
from re_dms.pipeline.channel import Channel
from re_dms.pipeline.ring import BUFFERS

_OVERSIZED_CAPACITIES_MAX: Final = 8


class Pool:
    """`count` regions of `capacity` bytes. Their numbers are negative: they are none of the ring's.

    A message larger than a region gets one of its own, which ends with it. `on_message` is called with what the encoder
    says besides "freed".
    """

    def __init__(
        self, encoder: Channel, capacity: int, count: int, on_message: Callable[[dict[str, Any]], None]
    ) -> None:
        self._encoder = encoder
        self._capacity = capacity
        self._on_message = on_message
        self._writers = {-number: Writer(SharedBuffer.create(capacity)) for number in range(1, count + 1)}
        self._free = list(self._writers)
        self._oversized: dict[int, Writer] = {}
        self._next_oversized = BUFFERS
        self._announce(self._writers)

    def _announce(self, writers: dict[int, Writer]) -> None:
        capacity = next(iter(writers.values())).capacity
        descriptors = [writer.buffer.descriptor for writer in writers.values()]
        self._encoder.send({"do": "buffers", "capacity": capacity, "numbers": list(writers)}, descriptors)

    @property
    def has_free(self) -> bool:
        """Whether a region can be taken at once."""
        return bool(self._free)

    @property
    def has_free_oversized(self) -> bool:
        """Whether a message that no region can hold may come in; as for the ring."""
        taken = sum(writer.capacity for writer in self._oversized.values())
        return taken < _OVERSIZED_CAPACITIES_MAX * self._capacity

    def take(self) -> tuple[int, Writer]:
        """An empty region and its number. The caller has made sure that `has_free`."""
        number = self._free.pop(0)
        return number, self._writers[number]

    def take_oversized(self, size: int) -> tuple[int, Writer]:
        """An empty region for one message of `size` bytes. The caller has made sure that `has_free_oversized`."""
        number, self._next_oversized = self._next_oversized, self._next_oversized + 1
        self._oversized[number] = Writer(SharedBuffer.create(size))
        return number, self._oversized[number]

    def put_back(self, number: int) -> None:
        """The region is empty again, and was not handed over, or the encoder has let go of it."""
        if number in self._oversized:
            writer = self._oversized.pop(number)
            writer.view.release()
            writer.buffer.close()
            return
        self._writers[number].reset()
        self._free.append(number)

    def ship(self, number: int, size: int, description: dict[str, Any]) -> None:
        """Hand over the first `size` bytes of a region."""
        if number in self._oversized:
            self._announce({number: self._oversized[number]})
            self._oversized[number].view.release()
        self._encoder.send({"do": "part", "kind": "copy", "buffer": number, "bytes": size} | description)

    def poll(self, timeout_seconds: float) -> None:
        """Read what the encoder says: wait for one message up to the timeout, then take all that is there."""
        message = self._encoder.receive(timeout_seconds)
        while message is not None:
            if "freed" in message:
                self.put_back(message["freed"])
            else:
                self._on_message(message)
            message = self._encoder.receive(0)

    def close(self) -> None:
        """Give all regions back; the encoder has let go of them."""
        self._encoder.send({"do": "forget", "numbers": list(self._writers)})
        for writer in self._writers.values():
            writer.view.release()
            writer.buffer.close()
