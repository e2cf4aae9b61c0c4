"""A TCP relay before a server of Postgres's protocol: what its clients send is counted on its way.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from types import TracebackType
from typing import Final, Self

_RECEIVE_BYTES: Final = 256 * 1024
_ENCRYPTION: Final = frozenset({80877103, 80877104})  # SSLRequest, GSSENCRequest: another start-up packet follows
_WRITES: Final = frozenset({"alter", "copy", "create", "delete", "drop", "insert", "truncate", "update"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What clients sent. `statements`: Parse and Query messages. `round_trips`: how often a client spoke after the
    server had, those of logging in too. `commits`: COMMIT, and writing statements outside of a transaction.
    `sessions`: connections that were opened."""

    statements: int = 0
    round_trips: int = 0
    commits: int = 0
    sessions: int = 0

    def __sub__(self, before: Traffic) -> Traffic:
        values = (now - then for now, then in zip(astuple(self), astuple(before), strict=True))
        return Traffic(**dict(zip(self.__slots__, values, strict=True)))


class Relay:
    """Listens on a free port of this machine and passes on to host and port: a context manager.

    `traffic` is exact whenever the clients have read the answers to all that they sent.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.traffic = Traffic()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            ends = [self._listener, *self._open]
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def count(self, **more: int) -> None:
        """Add to the traffic."""
        with self._lock:
            now = self.traffic
            self.traffic = replace(now, **{name: getattr(now, name) + number for name, number in more.items()})

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return  # the relay ends
            self.count(sessions=1)
            thread = threading.Thread(target=self._pass_on, args=[client], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._server) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            try:
                self._converse(client, server)
            finally:
                with self._lock:
                    self._open -= {client, server}

    def _converse(self, client: socket.socket, server: socket.socket) -> None:
        """Until either side ends. One thread for both ways: what is counted has the order in which it was said."""
        conversation = _Conversation(self)
        while True:
            for end in select.select([client, server], [], [])[0]:
                data = end.recv(_RECEIVE_BYTES)
                if not data:
                    return
                if end is client:
                    conversation.client_says(data)
                    server.sendall(data)
                else:
                    conversation.server_says()
                    client.sendall(data)


class _Conversation:
    """One connection, as far as counting it needs."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._unread = bytearray()
        self._is_started = False
        self._is_in_transaction = False
        self._server_spoke_last = True

    def server_says(self) -> None:
        self._server_spoke_last = True

    def client_says(self, data: bytes) -> None:
        if self._server_spoke_last:
            self._server_spoke_last = False
            self._relay.count(round_trips=1)
        self._unread += data
        for kind, body in self._messages():
            if kind in b"PQ":
                text = body.split(b"\0")[1 if kind == b"P" else 0]
                self._statement(text.decode(errors="replace").split(maxsplit=1)[0].lower() if text.strip() else "")

    def _statement(self, word: str) -> None:
        alone = not self._is_in_transaction and word in _WRITES
        self._relay.count(statements=1, commits=1 if alone or word == "commit" else 0)
        if word in ("begin", "commit", "rollback"):
            self._is_in_transaction = word == "begin"

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        """The whole messages among what has come, taken from it. Start-up packets have no kind."""
        while True:
            at = 1 if self._is_started else 0
            if len(self._unread) < at + 4:
                return
            end = at + int(struct.unpack_from("!i", self._unread, at)[0])
            if len(self._unread) < end:
                return
            kind, body = bytes(self._unread[:at]), bytes(self._unread[at + 4 : end])
            del self._unread[:end]
            if self._is_started:
                yield kind, body
            else:
                self._is_started = struct.unpack_from("!i", body)[0] not in _ENCRYPTION
