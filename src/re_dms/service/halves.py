"""The two halves of a pipeline as the supervisor sees them: processes that start, speak, end, and start again."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from re_dms.pipeline.channel import Channel, Closed
from re_dms.pipeline.child import Child
from re_dms.settings import Settings

_BACKOFF_SECONDS_MIN: Final = 0.2
_BACKOFF_SECONDS_MAX: Final = 30.0
_DOUBLINGS_MAX: Final = 8  # more lead past the longest wait; without a limit the number outgrows a float in hours
_CALM_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A half has ended: by its own verdict, by a signal (`signal` is its number), or because it was told to."""

    verdict: Mapping[str, Any] | None
    signal: int | None
    role: str


class Half:
    """One half: `capture` (reader and encoder, or a replay) or `apply`. They share only the journal (architecture §1)."""

    def __init__(self, name: str, settings: Settings, *, hinted: bool = False) -> None:
        """`hinted`: apply is told of every batch, and need not look for them by itself as often."""
        self.name = name
        self.hinted = hinted
        self.settings = settings
        self.children: list[Child] = []
        self.verdict: Mapping[str, Any] | None = None
        self.was_ready = False
        self.streaming = False
        self.backend: int | None = None
        self.restart_at: float | None = None
        # Standard input of ours is for the replay alone: children have pipes of their own there.
        self._input: int | None = None
        self._attempts = 0
        self._started = 0.0

    @property
    def running(self) -> bool:
        """Whether its processes live."""
        return bool(self.children)

    @property
    def reads_standard_input(self) -> bool:
        """Whether what it has read cannot be read again."""
        return self.name == "capture" and self.settings.replay is not None and self.settings.replay.inputs == ("-",)

    @property
    def drains(self) -> str:
        """The role that is told to come to an end."""
        if self.name == "apply":
            return "apply"
        return "reader" if self.settings.replay is None else "replay"

    @property
    def plans(self) -> str:
        """The role of capture that asks the warehouse before it begins."""
        return "encoder" if self.settings.replay is None else "replay"

    def start(self) -> None:
        """Start its processes."""
        self.verdict, self.restart_at, self._started = None, None, time.monotonic()
        self.streaming = False
        if self.name == "apply":
            self.children = [Child("apply", self.settings, {}, {"hinted": self.hinted})]
            return
        if self.settings.replay is not None:
            if self.reads_standard_input and self._input is None:
                self._input = os.dup(0)
            self.children = [
                Child("replay", self.settings, {}, files={} if self._input is None else {"stdin": self._input})
            ]
            return
        reader_end, encoder_end = Channel.pair()
        self.children = [
            Child("encoder", self.settings, {"reader": reader_end}),
            Child("reader", self.settings, {"encoder": encoder_end}, {"backend": self.backend}),
        ]
        reader_end.close()
        encoder_end.close()

    def tell(self, role: str, message: dict[str, Any]) -> None:
        """Send to one of its processes; silence when it has gone."""
        for child in self.children:
            if child.role == role:
                with contextlib.suppress(Closed):
                    child.control.send(message)

    def hint(self, role: str, message: dict[str, Any]) -> None:
        """As `tell`, but dropped while the process is too busy to read: for what it would find out by itself.

        A child in a long load must never make the supervisor wait, and with it the reader's stream.
        """
        for child in self.children:
            if child.role == role and child.control.has_room:
                self.tell(role, message)

    def hear(self) -> Iterator[dict[str, Any] | Ended]:
        """What its processes say; `Ended`, once, when one of them has gone (the others are ended then)."""
        for child in self.children:
            try:
                while (message := child.control.receive(0)) is not None:
                    if message["event"] == "error" and self.verdict is None:
                        self.verdict = message
                    else:
                        yield message
            except Closed:
                yield self._end(child)
                return

    def _end(self, first: Child) -> Ended:
        # An error travels on the control line of the one that failed; its neighbour may have been heard first.
        status = {child.role: child.process.wait() if child is first else None for child in self.children}
        for child in self.children:
            if child is not first:
                self._last_words(child)
                status[child.role] = child.process.poll()
        for child in self.children:
            child.kill()
        self.children = []
        killed = next((role for role, code in status.items() if code is not None and code < 0), None)
        return Ended(
            verdict=self.verdict,
            signal=None if killed is None else -(status[killed] or 0),
            role=killed or first.role,
        )

    def _last_words(self, child: Child) -> None:
        try:
            while (message := child.control.receive(1.0)) is not None:
                if message["event"] == "error" and self.verdict is None:
                    self.verdict = message
        except Closed:
            child.process.wait()

    def back_off(self) -> float:
        """Plan the next start; returns the seconds until then. Calm running forgets earlier attempts."""
        if time.monotonic() - self._started > _CALM_SECONDS:
            self._attempts = 0
        seconds: float = min(_BACKOFF_SECONDS_MAX, _BACKOFF_SECONDS_MIN * 2.0**self._attempts) * random.uniform(
            0.5, 1.0
        )
        self._attempts = min(_DOUBLINGS_MAX, self._attempts + 1)
        self.restart_at = time.monotonic() + seconds
        return seconds

    def kill(self) -> None:
        """SIGKILL to all of it."""
        for child in self.children:
            child.kill()
        self.children = []
        self.restart_at = None
