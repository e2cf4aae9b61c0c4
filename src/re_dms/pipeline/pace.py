"""How long to wait for more before the socket is read: each read costs the same, however much it brings."""

from __future__ import annotations

from typing import Final

_PAUSE_SECONDS_MIN: Final = 0.00005
_ENOUGH_BYTES: Final = 96 * 1024  # what a unix socket holds, with room to spare
_LITTLE_BYTES: Final = 32 * 1024


class Pace:
    """The pause between the moment at which the socket can be read and the reading, at most `seconds_max`.

    It grows while reads bring little, so that they are few, and shrinks before the socket is full, so that the server
    never waits for us.
    """

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._seconds = _PAUSE_SECONDS_MIN

    def seconds(self, size: int) -> float:
        """The next pause, after a read that brought `size` bytes."""
        if size > _ENOUGH_BYTES:
            self._seconds = max(_PAUSE_SECONDS_MIN, self._seconds / 2)
        elif size < _LITTLE_BYTES:
            self._seconds = min(self._seconds_max, self._seconds * 1.5)
        return self._seconds
