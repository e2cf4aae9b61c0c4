"""How long to wait for more before the socket is read: each read costs the same, however much it brings."""

from __future__ import annotations

from typing import Final

_PAUSE_SECONDS_MIN: Final = 0.00005


class Pace:
    """The pause between the moment at which the socket can be read and the reading, at most `seconds_max`.

    It grows while reads bring less than half of `enough_bytes`, so that they are few, and shrinks when they bring more than
    that, so that the socket is never full and the server never waits for us.
    """

    def __init__(self, *, seconds_max: float, enough_bytes: int) -> None:
        self._seconds_max = seconds_max
        self._enough_bytes = enough_bytes
        self._seconds = _PAUSE_SECONDS_MIN

    def seconds(self, size: int) -> float:
        """The next pause, after a read that brought `size` bytes."""
        if size > self._enough_bytes:
            self._seconds = max(_PAUSE_SECONDS_MIN, self._seconds / 2)
        elif size < self._enough_bytes // 2:
            self._seconds = min(self._seconds_max, self._seconds * 1.5)
        return self._seconds


def socket_pace() -> Pace:
    """For a unix socket: it holds some 70 kB, less than a millisecond of messages at full speed."""
    return Pace(seconds_max=0.0003, enough_bytes=32 * 1024)


def tcp_pace() -> Pace:
    """For TCP, which holds megabytes."""
    return Pace(seconds_max=0.003, enough_bytes=256 * 1024)
