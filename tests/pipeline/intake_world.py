"""The reader's intake and the encoder's ends of its regions in one process, fed with bytes of the wire."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from typing import Any, cast

from re_dms.decode.frames import HEADER
from re_dms.lsn import LSN
from re_dms.pipeline.channel import Channel
from re_dms.pipeline.cutter import Cutter
from re_dms.pipeline.gate import MessageGate
from re_dms.pipeline.intake import Handlers, Intake, StreamCommit
from re_dms.pipeline.progress import Progress
from re_dms.pipeline.regions import Regions
from re_dms.pipeline.ring import Ring
from re_dms.pipeline.streamed import transaction
from re_dms.pipeline.waiting import WaitingTransactions
from re_dms.settings import CaptureSettings
from re_dms.source.replication import ReplicationConnection


def framed(body: bytes) -> bytes:
    """A CopyData message."""
    return b"d" + struct.pack("!I", len(body) + 4) + body


def xlog(message: bytes, lsn: int = 1) -> bytes:
    """A message of the plugin, on the wire."""
    return framed(b"w" + struct.pack("!QQq", lsn, lsn, 0) + message)


def keepalive(lsn: int = 1) -> bytes:
    """A keepalive that demands nothing, on the wire."""
    return framed(b"k" + struct.pack("!qqB", lsn, 0, 0))


class Fed:
    """A connection that has received `data`, and hands it over in pieces of `sizes` bytes, the last one again and again."""

    in_parts = True

    def __init__(self, data: bytes, sizes: Iterable[int]) -> None:
        self._left = memoryview(data)
        self._sizes = iter(sizes)
        self._size = 1
        self.others: list[int] = []

    @property
    def drained(self) -> bool:
        return not self._left

    def receive(self, room: memoryview) -> int:
        self._size = next(self._sizes, self._size)
        size = min(len(room), self._size, len(self._left))
        room[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def other(self, kind: int, body: bytes) -> None:
        assert body is not None
        self.others.append(kind)


class World:
    """What the encoder sees of the bytes: `messages` (without their headers), with `None` where a batch ended."""

    def __init__(
        self, capacity: int, capture: CaptureSettings, directory: str, memory_bytes_max: int = 1 << 20
    ) -> None:
        ours, self.theirs = Channel.pair()
        self.messages: list[bytes | None] = []
        self.keepalives = 0
        self.held = 0
        self.held_max = 0
        self.progress = Progress({"known": "0/0", "batch": 0})
        self.gate = MessageGate(self.progress)
        self.progress.slot_is_at(LSN(0))
        self.ring = Ring(ours, capacity, lambda message: None)
        self.regions = Regions(self.theirs)
        self.cutter = Cutter(self.ring, self.progress, capture, self._wait_until)
        self.waiting = WaitingTransactions(directory, memory_bytes_max)
        handlers = Handlers(keepalive=self._keepalive, commit=self._commit, stream_commit=self._stream_commit)
        self.intake = Intake(self.ring, self.gate, self.cutter, self.waiting, handlers, self._wait_until)

    def feed(self, connection: Fed) -> None:
        """Take everything, and close the batch."""
        self.intake.receive(cast(ReplicationConnection, connection), until=float("inf"))
        self.cutter.close(wait=True)
        self.encode()
        assert self.ring.writer.starts == []

    def close(self) -> None:
        """Give up both ends, and the regions: a process has them for life, a test makes hundreds."""
        self.waiting.forget_all()
        for writer in self.ring._writers:
            writer.close()
        for buffer in self.regions._buffers.values():
            buffer.close()
        self.ring.encoder.close()
        self.theirs.close()

    def encode(self) -> None:
        """The encoder takes all that was shipped, and gives every region back."""
        parts: list[dict[str, Any]] = []
        while (message := self.regions.receive(0)) is not None:
            if message["do"] == "whole":
                descriptor = self.theirs.descriptors.pop(0)
                for frames in transaction(descriptor, message):
                    self.messages += [frames.fields(index) for index in range(len(frames))]
                os.close(descriptor)
                continue
            parts.append(message)
            self.held_max = max(self.held_max, len(parts))
            frames = self.regions.frames(message)
            self.messages += [frames.message(index, HEADER) for index in range(len(frames))]
            del frames
            if message["ends"]:
                self.messages.append(None)
        for part in parts:
            self.regions.give_back(part)
        self.ring.poll(0)

    def _wait_until(self, is_there: Callable[[], bool]) -> None:
        while not is_there():
            self.encode()

    def _keepalive(self, body: bytes) -> None:
        assert body[0] == ord("k")
        self.keepalives += 1

    def _commit(self, body: memoryview, messages: int) -> None:
        self.cutter.committed(self.gate.committed(body), 0.0, messages)

    def _stream_commit(self, commit: StreamCommit) -> None:
        waiting = self.waiting.take(commit.xid)
        if waiting is None:
            return
        if self.gate.keeps_whole(commit.xid, commit.final, commit.end, commit.time_us):
            told = {
                "xid": commit.xid,
                "final": str(commit.final),
                "time_us": commit.time_us,
                "size": waiting.size,
                "aborted": sorted(waiting.aborted),
            }
            self.cutter.whole(waiting, told, commit.end, 0.0)
        waiting.close()
