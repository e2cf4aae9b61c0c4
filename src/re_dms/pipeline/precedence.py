"""Who goes first where processors are scarce: the source and the reader, until the encoder falls behind.

A processor that runs nothing but tasks of SCHED_IDLE counts as free to the scheduler: whoever wakes is put there, and goes on
at once. So the walsender and the reader, which take turns by the millisecond, have a processor each, and the encoder
has what they leave. That alone could starve it beside others that never sleep. So the reader watches: when what it has
shipped lies there for too long, or when it waits for a region, the encoder becomes a process like any other, until it has nothing left to do.

Source: https://man7.org/linux/man-pages/man7/sched.7.html
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_PATIENCE_SECONDS: Final = 0.2


def may_give_way() -> bool:
    """Whether this process could come back from SCHED_IDLE: root may, and others whose RLIMIT_NICE allows their nice value.

    A thread of its own tries it, and ends.
    """
    came_back = False

    def attempt() -> None:
        nonlocal came_back
        with suppress(OSError):
            _set_policy(0, os.SCHED_IDLE)
            _set_policy(0, os.SCHED_OTHER)
            came_back = True

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return came_back


class Precedence:
    """Of one encoder, as the reader keeps it. `set_policy(process, policy)` may raise OSError: then it stays as it is."""

    def __init__(
        self,
        set_policy: Callable[[int, int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._set_policy = set_policy or set_process_policy
        self._clock = clock
        self._encoder: int | None = None
        self._gives_way = False
        self._shipped: dict[int, float] = {}

    def begin(self, encoder: int | None) -> None:
        """From now on `encoder` (a process id; None: never) gives way whenever it has done all that it was given."""
        self._encoder = encoder

    def shipped(self, number: int) -> None:
        """Region `number` is the encoder's."""
        self._shipped[number] = self._clock()

    def given_back(self, number: int) -> None:
        """The encoder is done with it."""
        self._shipped.pop(number, None)
        if not self._shipped:
            self._switch(gives_way=True)

    @property
    def due_at(self) -> float | None:
        """When to look again (monotonic seconds); None when there is no need to."""
        if not self._gives_way or not self._shipped:
            return None
        return min(self._shipped.values()) + _PATIENCE_SECONDS

    def look(self, now: float) -> None:
        """Let the encoder insist when something has lain there for too long."""
        due_at = self.due_at
        if due_at is not None and now >= due_at:
            self.insist()

    def insist(self) -> None:
        """Somebody waits for the encoder: until it has nothing left to do it is a process like any other."""
        self._switch(gives_way=False)

    def _switch(self, *, gives_way: bool) -> None:
        if self._encoder is None or gives_way == self._gives_way:
            return
        self._gives_way = gives_way
        with suppress(OSError):
            self._set_policy(self._encoder, os.SCHED_IDLE if gives_way else os.SCHED_OTHER)


def set_process_policy(process: int, policy: int) -> None:
    """Set the policy of all threads of a process; one that has ended meanwhile is passed over."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(ProcessLookupError):
            _set_policy(int(thread.name), policy)


def _set_policy(thread: int, policy: int) -> None:
    os.sched_setscheduler(thread, policy, os.sched_param(0))
