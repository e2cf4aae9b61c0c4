"""Where batches end: at a commit, by bytes, rows or age; and where a transaction larger than a buffer is cut into parts.

Protocol line 3: a batch holds whole transactions in commit order.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from re_dms.lsn import LSN
from re_dms.pipeline.buffers import Writer
from re_dms.pipeline.progress import Progress
from re_dms.pipeline.ring import Ring
from re_dms.pipeline.waiting import Waiting
from re_dms.settings import CaptureSettings

_GATHER_SECONDS: Final = 0.005
"""After a time without batches the first commit waits this long for others that come with it."""


class Cutter:
    """Ships what the ring's current region holds. `wait_until(is_there)` returns once `is_there()` holds, or raises.

    Batches close at most every `flush_seconds` by age: a commit that comes when none was closed for that long does not
    wait. A region that is full goes to the encoder as a part of the open batch, up to the last commit in it, so that
    the encoder works while the batch grows. Only a transaction that is larger than a region is cut inside.
    """

    def __init__(
        self,
        ring: Ring,
        progress: Progress,
        capture: CaptureSettings,
        wait_until: Callable[[Callable[[], bool]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ring = ring
        self.progress = progress
        self.capture = capture
        self._wait_until = wait_until
        self._clock = clock
        self._closed_at = float("-inf")  # when the last batch was closed, whatever closed it
        self.reset()

    def reset(self) -> None:
        """No batch is open."""
        self._bytes_shipped = self._rows_shipped = 0
        self._since: float | None = None
        self._committed = 0  # messages of the current region up to its last commit
        self._end = LSN(0)
        self._at_commit = False  # parts of the batch were shipped, and end with a commit

    @property
    def has_committed(self) -> bool:
        """Whether a batch is open that may end where its last commit is."""
        return self._committed > 0 or self._at_commit

    @property
    def due_at(self) -> float | None:
        """When the open batch may be closed (monotonic seconds); None when nothing waits.

        `flush_seconds` after the batch before; a few milliseconds after its first commit where that was longer ago.
        """
        if self._since is None:
            return None
        seconds = self.capture.flush_seconds
        return max(self._since + min(seconds, _GATHER_SECONDS), self._closed_at + seconds)

    def is_due(self, now: float) -> bool:
        """Whether it is time to close the open batch."""
        due_at = self.due_at
        return due_at is not None and now >= due_at

    @property
    def is_full(self) -> bool:
        """Whether the batch closes at the next commit, for its bytes or rows."""
        writer = self.ring.writer
        return (
            self._bytes_shipped + writer.position >= self.capture.flush_bytes
            or self._rows_shipped + len(writer.starts) >= self.capture.flush_rows
        )

    def committed(self, end: LSN, now: float, messages: int | None = None) -> None:
        """The last of the region's messages (or of its first `messages`) is a Commit that ends at `end`: close the batch
        here if it is time."""
        self._committed, self._end = len(self.ring.writer.starts) if messages is None else messages, end
        if self._since is None:
            self._since = now
        full = self.is_full
        if full or self.is_due(now):
            self.close(wait=full)

    def close(self, *, wait: bool) -> None:
        """Ship what is committed as the end of a batch. Without `wait`, only when a free region is there: while the
        encoder is busy the batch may as well grow."""
        if not self.has_committed:
            return
        if not self.ring.has_free:
            self.ring.poll(0)
        if not self.ring.has_free:
            if not wait:
                return
            self._wait_for_region()
        self.ring.ship({"kind": "stream", "ends": True, "end": str(self._end)}, self._committed)
        self.progress.shipped(self._end)
        self._closed_at = self._clock()
        self.reset()

    def make_room(self) -> None:
        """After this the current region has room, unless a message that is not whole yet fills it alone."""
        writer = self.ring.writer
        if self._bytes_shipped + writer.position >= self.capture.flush_bytes:
            self.close(wait=True)
        elif self._committed:
            self._ship_part(self._committed, at_commit=True)
        writer = self.ring.writer
        if writer.is_full and writer.starts:
            self._ship_part(len(writer.starts), at_commit=False)
        writer.compact()

    def oversized(self, writer: Writer) -> None:
        """Ship a message that is larger than any region, in a region of its own, as a part of its own."""
        self._bytes_shipped += writer.position
        self._rows_shipped += 1
        self.ring.ship_oversized({"kind": "stream", "ends": False}, writer)
        self.progress.shipped_part()
        self._at_commit = False

    def whole(self, waiting: Waiting, told: dict[str, Any], end: LSN, now: float) -> None:
        """Ship a transaction that waited for its end (`end`): a part of its own, and the last of its batch."""
        if self._committed:
            self._ship_part(self._committed, at_commit=True)
        self._wait_for_region()  # the encoder has caught up: it does not wait for two of them
        self._bytes_shipped += waiting.size
        self.ring.ship_file({"kind": "stream", "ends": False, "lsn": str(end), **told}, waiting.descriptor)
        self.progress.shipped_part()
        self._at_commit, self._end = True, end
        self._since = now if self._since is None else self._since
        self.close(wait=True)

    def _ship_part(self, count: int, *, at_commit: bool) -> None:
        self._wait_for_region()
        before = self.ring.writer
        self._bytes_shipped += before.position
        self._rows_shipped += count
        self.ring.ship({"kind": "stream", "ends": False}, count)
        self._bytes_shipped -= self.ring.writer.position  # the tail has moved to the next region
        self.progress.shipped_part()
        self._committed, self._at_commit = 0, at_commit

    def _wait_for_region(self) -> None:
        self._wait_until(lambda: self.ring.has_free)
