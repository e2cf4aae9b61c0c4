"""Waiting for one descriptor."""

from __future__ import annotations

import select


def ready(descriptor: int, event: int, seconds: float | None = None) -> bool:
    """Wait until `event` (select.POLLIN or POLLOUT) is there, for so long at most. select() knows no descriptors above 1,023."""
    waiting = select.poll()
    waiting.register(descriptor, event)
    return bool(waiting.poll(None if seconds is None else seconds * 1000))
