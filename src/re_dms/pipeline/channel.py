"""Messages between the processes of a pipeline: JSON on Unix sockets, each behind its length, with descriptors where needed."""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from typing import Any, Final

_LENGTH: Final = struct.Struct("!I")
_CHUNK: Final = 256 * 1024
_FDS_MAX: Final = 16


class Closed(Exception):
    """The other end has gone."""


class Channel:
    """One end of a pair. Messages keep their borders and their order. Not safe for several threads."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.descriptors: list[int] = []
        self._received = bytearray()

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two connected ends."""
        first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(first), cls(second)

    @classmethod
    def inherited(cls, descriptor: int) -> Channel:
        """The end that a parent passed to this process by number."""
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """For select. A message may already be waiting in memory: `receive(0)` until it gives None."""
        return self.socket.fileno()

    @property
    def has_room(self) -> bool:
        """Whether a short message can be sent without waiting; most of the queue is free then."""
        return bool(select.select([], [self.socket], [], 0)[1])

    def send(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        """Send one message; waits while the other end's queue is full. Raises Closed."""
        body = json.dumps(message).encode()
        data = _LENGTH.pack(len(body)) + body
        try:
            sent = socket.send_fds(self.socket, [data], descriptors) if descriptors else 0
            self.socket.sendall(data[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def receive(self, timeout_seconds: float | None = None) -> dict[str, Any] | None:
        """The next message, or None after the timeout (None waits for ever). Raises Closed.

        Descriptors that came with it are appended to `descriptors`; the caller owns them.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while (size := self._size()) is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self.socket], [], [], left)[0]:
                return None
            try:
                data, descriptors, _, _ = socket.recv_fds(self.socket, _CHUNK, _FDS_MAX)
            except ConnectionResetError as error:
                raise Closed from error
            if not data:
                raise Closed
            self.descriptors.extend(descriptors)
            self._received += data
        message: dict[str, Any] = json.loads(self._received[_LENGTH.size : size])
        del self._received[:size]
        return message

    def _size(self) -> int | None:
        """Bytes of the first whole message in memory, its length included."""
        if len(self._received) < _LENGTH.size:
            return None
        size = _LENGTH.size + int(_LENGTH.unpack_from(self._received)[0])
        return size if len(self._received) >= size else None

    def close(self) -> None:
        """Close this end; the other end reads Closed."""
        self.socket.close()
