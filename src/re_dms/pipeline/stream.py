"""The reader's loop over the replication stream: receive, lay down, close batches at commits, confirm, keep alive.

Protocol lines 3 to 6. Positions: Begin's `final LSN` is where the commit record starts, Commit's `end LSN` where it ends.
Source: https://www.postgresql.org/docs/current/protocol-replication.html and protocol-logicalrep-message-formats.html.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from re_dms.errors import PipelineHeld
from re_dms.failpoints import failpoint
from re_dms.lsn import LSN
from re_dms.pipeline.cutter import Cutter
from re_dms.pipeline.gate import gate_for
from re_dms.pipeline.intake import Handlers, Intake, StreamCommit
from re_dms.pipeline.pace import socket_pace, tcp_pace
from re_dms.pipeline.progress import Progress
from re_dms.pipeline.ring import Ring
from re_dms.pipeline.surroundings import Surroundings
from re_dms.pipeline.waiting import WaitingTransactions, spill_directory
from re_dms.pipeline.watch import Watch
from re_dms.settings import SourceSettings
from re_dms.source.replication import PartsRefused, ReplicationConnection, parse_keepalive

log = structlog.get_logger()

_ASKED_SECONDS: Final = 0.05
_SLOT_REPORT_SECONDS: Final = 10.0
_HELD_SECONDS_MAX: Final = 5.0
_OURS_SECONDS_MAX: Final = 90.0  # longer than wal_sender_timeout's default
_HELD_POLL_SECONDS: Final = 0.1
_DRAIN_POLL_SECONDS: Final = 0.2
_PAUSE_SECONDS_LIMIT: Final = 60.0
_END_SECONDS_MAX: Final = 3.0


class Paused(Exception):
    """The encoder took longer than the stream may wait: close it, let it finish, open it again."""


class Drained(Exception):
    """The supervisor asked for the end, and all that was committed is durable."""


class Stream:
    """One pipeline's stream, over as many connections as it takes."""

    def __init__(
        self,
        surroundings: Surroundings,
        source: SourceSettings,
        ring: Ring,
        inbox: list[dict[str, Any]],
        order: dict[str, Any],
    ) -> None:
        self.control = surroundings.control
        self.capture = surroundings.settings.capture
        self.source = source
        self.ring = ring
        self.inbox = inbox
        self.progress = Progress(order)
        ring.precedence.begin(order.get("gives_way"))
        self.gate = gate_for(source.plugin, self.progress)
        self.aborted = self.known_again = False
        self.in_parts = self.capture.streaming
        self.backend: int | None = surroundings.options.get("backend")
        self.cutter = Cutter(ring, self.progress, self.capture, self._wait_until)
        self.waiting = WaitingTransactions(self.capture.spill_directory or spill_directory())
        handlers = Handlers(keepalive=self._keepalive, commit=self._committed, stream_commit=self._stream_committed)
        self.intake = Intake(ring, self.gate, self.cutter, self.waiting, handlers, self._wait_until)
        self.pause_seconds_max = self.capture.pause_seconds_max
        self.next_status = 0.0
        self.next_report = 0.0

    # ------------------------------------------------------------------ connections

    def run(self) -> None:
        """Stream until drained. Raises what the classifier knows."""
        self.watch = Watch(self.source)
        self.pace = socket_pace() if self.watch.over_socket else tcp_pace()
        try:
            while True:
                self._open()
                try:
                    self._pump()
                except Paused:
                    self._settle("the journal is slower than the stream; going on when it has caught up")
                except PartsRefused as error:
                    self.in_parts = False
                    self._settle(f"{error.message}; going on without receiving transactions while they run")
                finally:
                    self.connection.close()
        except Drained:
            pass
        finally:
            self.watch.close()

    def _open(self) -> None:
        self.connection = ReplicationConnection.open(self.source)
        at = self._take_slot()
        self._ask_what_is_known()
        self.progress.slot_is_at(at)
        self.backend = self.connection.connection.info.backend_pid
        self.control.send({"event": "streaming", "lsn": str(at), "backend": self.backend})
        self.next_status = 0.0
        self._send_status(time.monotonic())

    def _take_slot(self) -> LSN:
        """Start the stream. The walsender of a reader that was killed may hold the slot for a moment longer; that of a
        broken connection until it notices (tcp_user_timeout, wal_sender_timeout)."""
        began = time.monotonic()
        while True:
            try:
                at = self.connection.start(self.source.slot, self.source.publication, streaming=self.in_parts)
                if at == self.watch.confirmed():
                    return at
                self.connection.close()  # it was moved before we held it: begin again from where it is now
                self.connection = ReplicationConnection.open(self.source)
            except PipelineHeld:
                waited = time.monotonic() - began
                if waited > _OURS_SECONDS_MAX or (
                    waited > _HELD_SECONDS_MAX and self.watch.holder() not in (None, self.backend)
                ):
                    raise
            self._listen(_HELD_POLL_SECONDS)

    def _ask_what_is_known(self) -> None:
        """With the slot held nobody else extends the journal: the slot is compared with what it knows now."""
        self.known_again = False
        self.ring.precedence.insist()
        self.ring.encoder.send({"do": "held"})
        while not self.known_again:
            self._listen(_HELD_POLL_SECONDS)

    def _settle(self, reason: str) -> None:
        """Close the stream, let the encoder finish what it has, forget the rest; it will be sent again."""
        log.warning("stream_closed", reason=reason)
        self.connection.close()
        self.ring.encoder.send({"do": "abort"})
        self.intake.reset()
        if self.gate.in_transaction:
            # All of a large transaction comes again: the store needs more time, or it would never get through.
            self.pause_seconds_max = min(2 * self.pause_seconds_max, _PAUSE_SECONDS_LIMIT)
        self.cutter.reset()
        self.gate.reset()
        # A batch is sealed after its last region was given back: only the encoder's word says that nothing is under way.
        self.aborted = False
        while not self.aborted:
            self._listen(1.0)

    # ------------------------------------------------------------------ the loop

    def _pump(self) -> None:
        with select.epoll() as poll:
            socket = self.connection.fileno()
            for each in (socket, self.watch, self.ring.encoder, self.control):
                poll.register(each, select.EPOLLIN)
            while True:
                size = self.intake.receive(self.connection, until=self.next_status)
                now = time.monotonic()
                self._tick(now)
                if not self.connection.drained:
                    self._listen(0)
                    continue
                ready = {descriptor for descriptor, _ in poll.poll(self._patience(now))}
                if socket in ready:
                    time.sleep(self.pace.seconds(size))
                    ready.discard(socket)
                elif self.progress.asks and not self.gate.in_transaction:
                    self.cutter.close(wait=False)  # somebody waits for all that was committed, and nothing more comes
                if ready:
                    self._listen(0)

    def _committed(self, data: memoryview, messages: int) -> None:
        end = self.gate.committed(data)
        failpoint("capture.received")
        now = time.monotonic()
        self.cutter.committed(end, now, messages)
        self._stay_alive(now)

    def _stream_committed(self, commit: StreamCommit) -> None:
        from re_dms.pipeline.streamed import has_changes  # with numpy, which the reader does without until then

        waiting = self.waiting.take(commit.xid)
        if waiting is None:
            return
        try:
            # One that changes nothing, or no more, is not sent at all when it is small: it must not be the journal's tail.
            if not has_changes(waiting.descriptor, waiting.size, waiting.aborted):
                return
            if not self.gate.keeps_whole(commit.xid, commit.final, commit.end, commit.time_us):
                return
            failpoint("capture.received")
            now = time.monotonic()
            told = {
                "xid": commit.xid,
                "final": str(commit.final),
                "time_us": commit.time_us,
                "size": waiting.size,
                "aborted": sorted(waiting.aborted),
            }
            self.cutter.whole(waiting, told, commit.end, now)
            self._stay_alive(now)
        finally:
            waiting.close()

    def _stay_alive(self, now: float) -> None:
        """What is due while messages come without a pause."""
        if now >= self.next_status:
            self._listen(0)
            self._tick(now)

    # ------------------------------------------------------------------ waiting for the encoder

    def _wait_until(self, is_there: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not is_there():
            self.ring.precedence.insist()
            self._listen(0.2)
            now = time.monotonic()
            if now >= self.next_status:
                self._send_status(now)
            if now - began > self.pause_seconds_max:
                raise Paused

    # ------------------------------------------------------------------ confirming and keeping alive

    def _patience(self, now: float) -> float:
        until = min(self.next_status, self.ring.precedence.due_at or self.next_status)
        due_at = self.cutter.due_at
        if due_at is not None and self.ring.has_free:
            until = min(until, now + _ASKED_SECONDS if self.progress.asks else due_at)
        return max(0.0, until - now)

    def _tick(self, now: float) -> None:
        self.ring.precedence.look(now)
        if self.cutter.is_due(now):
            self.cutter.close(wait=False)
        self._record_position(now)
        if now >= self.next_status:
            self._send_status(now)
        if now >= self.next_report:
            self.next_report = now + _SLOT_REPORT_SECONDS
            report = self.watch.report(self.progress.confirmable)
            if report is not None:
                self.control.send(report)

    def _send_status(self, now: float) -> None:
        self.next_status = now + self.capture.status_seconds
        advances = self.progress.confirmable > self.progress.confirmed
        if advances:
            failpoint("capture.before_confirm")
        self.connection.status_update(
            received=self.progress.received, flushed=self.progress.confirmable, reply_requested=self.progress.asks
        )
        if advances:
            self.progress.confirmed = self.progress.confirmable
            failpoint("capture.after_confirm")
            self.control.send({"event": "confirmed", "lsn": str(self.progress.confirmed), "batch": self.progress.batch})

    def _record_position(self, now: float) -> None:
        # Not with keepalives alone: one that came too early may be the last that a source at rest sends.
        idle = not self.gate.in_transaction and not self.cutter.has_committed
        if self.progress.wants_position(now, self.capture.position_seconds, idle=idle):
            self.ring.encoder.send({"do": "position", "lsn": str(self.progress.position)})

    def _keepalive(self, data: bytes) -> None:
        wal_end, reply = parse_keepalive(data)
        self.progress.keepalive(wal_end, in_transaction=self.gate.in_transaction)
        self._record_position(time.monotonic())
        if reply:
            self._send_status(time.monotonic())

    def _listen(self, timeout_seconds: float) -> None:
        """Take what the encoder and the supervisor say."""
        self._hear_encoder(timeout_seconds)
        self.watch.look()
        order = self.control.receive(0)
        if order is not None and order["do"] == "drain":
            self._drain()
        elif order is not None and order["do"] == "ask":
            self.progress.asks = bool(order["on"])
            self.next_status = 0.0

    def _hear_encoder(self, timeout_seconds: float) -> None:
        self.ring.poll(timeout_seconds)
        for message in self.inbox:
            if "aborted" in message:
                self.aborted = True
            elif "known" in message:
                self.known_again = True
                self.progress.journal_knows(LSN.parse(message["known"]))
            elif self.progress.is_durable(message):
                self.next_status, self.pause_seconds_max = 0.0, self.capture.pause_seconds_max
        self.inbox.clear()

    def _drain(self) -> None:
        """Ship what is committed, receive no more; once all of it is durable and confirmed, leave."""
        self.ring.precedence.insist()
        self._hear_until(lambda: self.ring.has_free)
        self.cutter.close(wait=False)
        self.progress.forget_open_parts()
        self._hear_until(lambda: self.progress.all_durable)
        if self.connection.streaming:  # not after a pause; what is durable is confirmed at the next start then
            self._send_status(time.monotonic())
            self.connection.end(_END_SECONDS_MAX)
        raise Drained

    def _hear_until(self, is_there: Callable[[], bool]) -> None:
        while not is_there():
            self._hear_encoder(_DRAIN_POLL_SECONDS)
            self.watch.look()
