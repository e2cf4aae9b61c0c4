"""What the stream sends, laid into the ring's regions: here each message is looked at, once, and no more than has to be.

A region takes the bytes as they come. Of each message its frame and its tag are read: rows only have their place noted;
borders of transactions, keepalives and the little else go to whom they concern. The parts of transactions that are sent
before their end (between Stream Start and Stream Stop) leave the region again, to wait for it.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from re_dms.lsn import LSN
from re_dms.pipeline.buffers import Writer
from re_dms.pipeline.cutter import Cutter
from re_dms.pipeline.gate import BORDERS, COMMIT, TAG, Gate
from re_dms.pipeline.messages import Passed, note_rows
from re_dms.pipeline.ring import Ring
from re_dms.pipeline.waiting import WaitingTransactions
from re_dms.source.copy_stream import COPY_DATA, FRAME
from re_dms.source.replication import XLOG_DATA, ReplicationConnection

_STREAM_START, _STREAM_STOP, _STREAM_COMMIT, _STREAM_ABORT = b"SEcA"
_PARTS: Final = frozenset((_STREAM_START, _STREAM_STOP, _STREAM_COMMIT, _STREAM_ABORT))
_EVERYTHING: Final = range(256)
_MESSAGES: Final = frozenset(b"Mm")  # of applications, in both plugins: they come outside of transactions too
_XID: Final = struct.Struct("!I")
_COMMIT: Final = struct.Struct("!IBQQq")  # xid, flags, commit LSN, end LSN, time
_ABORT: Final = struct.Struct("!II")  # xid, xid of the subtransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCommit:
    """The end of a transaction that was sent in parts. `time_us` counts from 2000-01-01."""

    xid: int
    final: LSN
    end: LSN
    time_us: int


@dataclass(slots=True)
class _Block:
    """Where the messages of the transaction that is being sent in parts begin, in the region that is being read."""

    xid: int
    start: int
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """Who is told of what needs a look, in its turn: what was laid down before is noted by then."""

    keepalive: Callable[[bytes], None]
    commit: Callable[[memoryview, int], None]  # and how many messages of the region are noted up to it
    stream_commit: Callable[[StreamCommit], None]


class Intake:
    """Fills the ring's regions from one connection after the other.

    `wait_until(is_there)` returns once `is_there()` holds, or raises.
    """

    def __init__(
        self,
        ring: Ring,
        gate: Gate,
        cutter: Cutter,
        waiting: WaitingTransactions,
        handlers: Handlers,
        wait_until: Callable[[Callable[[], bool]], None],
    ) -> None:
        self._ring = ring
        self._gate = gate
        self._cutter = cutter
        self._waiting = waiting
        self._handlers = handlers
        self._wait_until = wait_until
        self._oversized: Writer | None = None  # a region of its own, until its message is whole
        self._block: _Block | None = None

    def reset(self) -> None:
        """A new connection: nothing of the one before is laid down."""
        self._ring.discard()
        self._waiting.forget_all()
        self._oversized = self._block = None

    def receive(self, connection: ReplicationConnection, until: float) -> int:
        """Take what is there; how many bytes. Not all of it when `until` (monotonic seconds) came first: see
        `connection.drained`. Raises what `connection` does."""
        taken = 0
        while True:
            writer = self._oversized or self._ring.writer
            size = connection.receive(writer.room)
            if size:
                taken += size
                writer.laid(size)
                self._take(connection, writer)
                if self._oversized is None:
                    self._make_room()
                elif writer.is_full:
                    self._end_oversized(writer)
            if connection.drained or time.monotonic() >= until:
                return taken

    # ------------------------------------------------------------------ messages

    def _take(self, connection: ReplicationConnection, writer: Writer) -> None:
        """Read the whole messages that were not read yet."""
        if self._block is not None:
            self._block.start, self._block.messages = writer.taken, len(writer.starts)
        one_by_one = not self._gate.is_open
        while True:
            at, before = writer.taken, len(writer.starts)
            looked_at = self._looked_at(connection, one_by_one=one_by_one)
            writer.taken, passed, committed = note_rows(writer.view, at, writer.position, writer.starts, looked_at)
            if committed and self._cutter.is_full:
                # The batch closes at one of these commits, and not at the last.
                writer.taken, one_by_one = at, True
                del writer.starts[before:]
                continue
            if committed:
                if passed is not None:
                    writer.taken = passed.at  # in its turn
                self._commit(writer, committed)
                writer = self._ring.writer  # it may have been shipped; what was behind has moved
                continue
            if self._block is None and len(writer.starts) > before:
                self._gate.in_transaction = True
            if passed is None:
                break
            if passed.kind != COPY_DATA:
                connection.other(passed.kind, bytes(writer.view[passed.body]))
            else:
                self._look(writer, passed)
            if writer is not self._oversized:
                writer = self._ring.writer  # as above
        if self._block is not None:
            self._divert(writer, writer.taken)

    def _looked_at(self, connection: ReplicationConnection, *, one_by_one: bool) -> Collection[int]:
        if self._gate.skipping:
            return _EVERYTHING
        borders = BORDERS if one_by_one else _MESSAGES
        return borders | _PARTS if connection.in_parts else borders

    def _commit(self, writer: Writer, committed: int) -> None:
        """All transactions up to the message before number `committed` are over."""
        goes_on = len(writer.starts) > committed
        self._handlers.commit(writer.body(committed - 1), committed)
        self._gate.in_transaction = goes_on

    def _look(self, writer: Writer, passed: Passed) -> None:
        """One CopyData that is no row, or one while all are passed over."""
        body = writer.view[passed.body]
        if len(body) <= TAG or body[0] != XLOG_DATA:
            self._handlers.keepalive(bytes(body))
            return
        tag = body[TAG]
        if tag in _PARTS and not self._gate.in_transaction:
            self._part(tag, writer, passed)
        elif self._gate.keeps(tag, body):
            writer.starts.append(passed.at)
            if tag == COMMIT:
                self._handlers.commit(body, len(writer.starts))

    # ------------------------------------------------------------------ transactions in parts

    def _part(self, tag: int, writer: Writer, passed: Passed) -> None:
        """A border of a part, or the end of a transaction that was sent in parts."""
        fields = writer.view[passed.body][TAG + 1 :]
        if tag == _STREAM_START:
            (xid,) = _XID.unpack_from(fields)
            self._block = _Block(xid, writer.taken, len(writer.starts))
        elif tag == _STREAM_STOP:
            self._divert(writer, passed.at)
            self._block = None
        elif tag == _STREAM_ABORT:
            self._waiting.aborted(*_ABORT.unpack_from(fields))
        else:
            xid, _, final, end, time_us = _COMMIT.unpack_from(fields)
            self._handlers.stream_commit(StreamCommit(xid=xid, final=LSN(final), end=LSN(end), time_us=time_us))

    def _divert(self, writer: Writer, end: int) -> None:
        """What the block has received waits for its end; the region has never had it."""
        block = self._block
        if block is None or end <= block.start:
            return
        self._waiting.append(block.xid, writer.view[block.start : end])
        del writer.starts[block.messages :]
        block.start = end

    # ------------------------------------------------------------------ room

    def _make_room(self) -> None:
        """Ship what fills the region; a message that alone fills it gets a region of its own."""
        while self._ring.writer.is_full:
            self._cutter.make_room()
            writer = self._ring.writer
            if writer.is_full and not writer.starts:
                _, length = FRAME.unpack_from(writer.view, writer.taken)
                self._wait_until(lambda: self._ring.has_free_oversized)
                self._oversized = self._ring.grow(1 + length)

    def _end_oversized(self, writer: Writer) -> None:
        """A message of its own region is whole: ship it, unless nothing of it counts (any more)."""
        self._oversized = None
        if writer.starts:
            self._cutter.oversized(writer)
        else:
            writer.close()
