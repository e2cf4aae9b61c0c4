"""What the stream sends, laid into the ring's regions: here each message is looked at, once, and no more than has to be.

A region takes the bytes as they come. Of each message its frame and its tag are read: rows only have their place noted;
borders of transactions, keepalives and the little else go to whom they concern.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Final

from re_dms.pipeline.buffers import FRAME_BYTES, Writer
from re_dms.pipeline.cutter import Cutter
from re_dms.pipeline.gate import BORDERS, COMMIT, TAG, Gate
from re_dms.pipeline.ring import Ring
from re_dms.source.copy_stream import COPY_DATA, FRAME
from re_dms.source.replication import XLOG_DATA, ReplicationConnection

_HEAD: Final = struct.Struct("!BIB24xB")  # a CopyData's frame, its first byte, and behind XLogData's header the tag
_LENGTH_BYTES: Final = 4


class Intake:
    """Fills the ring's regions from one connection after the other.

    `on_keepalive(body)`, `on_commit(body)`: in their turn, what was laid down before is noted. `wait_until(is_there)`
    returns once `is_there()` holds, or raises.
    """

    def __init__(
        self,
        ring: Ring,
        gate: Gate,
        cutter: Cutter,
        *,
        on_keepalive: Callable[[bytes], None],
        on_commit: Callable[[memoryview], None],
        wait_until: Callable[[Callable[[], bool]], None],
    ) -> None:
        self._ring = ring
        self._gate = gate
        self._cutter = cutter
        self._on_keepalive = on_keepalive
        self._on_commit = on_commit
        self._wait_until = wait_until
        self._oversized: Writer | None = None  # a region of its own, until its message is whole

    def reset(self) -> None:
        """A new connection: nothing of the one before is laid down."""
        self._ring.discard()
        self._oversized = None

    def receive(self, connection: ReplicationConnection, until: float) -> bool:
        """Take what is there. False when `until` (monotonic seconds) came first. Raises what `connection` does."""
        while True:
            writer = self._oversized or self._ring.writer
            size = connection.receive(writer.room)
            if size == 0:
                return True
            writer.laid(size)
            self._take(connection, writer)
            while self._ring.writer.is_full and self._oversized is None:
                self._make_room()
            if time.monotonic() >= until:
                return False

    def _take(self, connection: ReplicationConnection, writer: Writer) -> None:
        """Read the whole messages that were not read yet."""
        while (passed := self._pass(writer)) is not None:
            self._look(connection, writer, *passed)
            if writer is not (self._oversized or self._ring.writer):
                # The region has been shipped; what was behind this message has moved to the next one.
                writer = self._ring.writer

    def _pass(self, writer: Writer) -> tuple[int, int, int] | None:
        """Note rows up to the next whole message that needs a look: its kind, and where its body is; None when there is none."""
        view, end, at = writer.view, writer.position, writer.taken
        unpack, start, length_of = _HEAD.unpack_from, writer.starts.append, writer.lengths.append
        skipping, borders = self._gate.skipping, BORDERS
        last = end - _HEAD.size
        while at <= last:
            kind, length, first, tag = unpack(view, at)
            after = at + 1 + length
            if after > end:
                break
            if kind != COPY_DATA or first != XLOG_DATA or skipping or tag in borders:
                writer.taken = after
                return kind, at + FRAME_BYTES, after
            start(at + FRAME_BYTES)
            length_of(length - _LENGTH_BYTES)
            at = after
        writer.taken = at
        if end - at >= FRAME_BYTES:
            kind, length = FRAME.unpack_from(view, at)
            after = at + 1 + length
            if after <= end:  # a short one, at the end of what is there
                writer.taken = after
                return kind, at + FRAME_BYTES, after
        return None

    def _look(self, connection: ReplicationConnection, writer: Writer, kind: int, start: int, end: int) -> None:
        """One message that is no row, or one while all are passed over."""
        body = writer.view[start:end]
        if kind != COPY_DATA:
            connection.other(kind, bytes(body))
        elif len(body) <= TAG or body[0] != XLOG_DATA:
            self._on_keepalive(bytes(body))
        elif (body[TAG] not in BORDERS and not self._gate.skipping) or self._gate.keeps(body[TAG], body):
            writer.starts.append(start)
            writer.lengths.append(end - start)
            if writer is self._oversized:
                self._oversized = None
                self._cutter.oversized(writer)
            elif body[TAG] == COMMIT:
                self._on_commit(body)
        elif writer is self._oversized:
            self._oversized = None

    def _make_room(self) -> None:
        """Ship what fills the region; a message that alone fills it gets a region of its own."""
        self._cutter.make_room()
        writer = self._ring.writer
        if writer.is_full:
            _, length = FRAME.unpack_from(writer.view, writer.taken)
            self._wait_until(lambda: self._ring.has_free_oversized)
            self._oversized = self._ring.grow(1 + length)
