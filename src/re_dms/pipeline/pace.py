"""How long to wait for more before the socket is read: each read costs the same, however much it brings."""

from __future__ import annotations

from typing import Final

_GROWTH: Final = 1.5


class Pace:
    """The pause between the moment at which the socket can be read and the reading.

    It grows while reads bring less than half of `enough_bytes`, so that they are few, and shrinks when they bring more than
    that, so that the socket is never full and the server never waits for us.
    """

    def __init__(self, *, seconds_min: float, seconds_max: float, enough_bytes: int) -> None:
        self._seconds_min, self._seconds_max = seconds_min, seconds_max
        self._enough_bytes = enough_bytes
        self._seconds = seconds_min

    def seconds(self, size: int) -> float:
        """The next pause, after a read that brought `size` bytes."""
        if size > self._enough_bytes:
            self._seconds = max(self._seconds_min, self._seconds / 2)
        elif size < self._enough_bytes // 2:
            self._seconds = min(self._seconds_max, self._seconds * _GROWTH)
        return self._seconds


def socket_pace() -> Pace:
    """For a unix socket: it holds some 50 kB, half a millisecond of messages at full speed. More than the shortest pause
    the system knows would let it fill up."""
    return Pace(seconds_min=0.00003, seconds_max=0.00003, enough_bytes=32 * 1024)


def tcp_pace() -> Pace:
    """For TCP, which holds megabytes."""
    return Pace(seconds_min=0.00003, seconds_max=0.003, enough_bytes=256 * 1024)
