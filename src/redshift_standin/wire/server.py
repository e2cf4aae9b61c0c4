"""The listening socket and the threads behind it."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final

from redshift_standin.wire.authentication import Method
from redshift_standin.wire.channel import Channel
from redshift_standin.wire.connection import Terms, serve
from redshift_standin.wire.roster import Roster
from redshift_standin.wire.session import Session
from redshift_standin.wire.startup import Startup

_log = logging.getLogger(__name__)

_BACKLOG: Final = 128
# Connections that have not shown a password yet, on top of those that have.
_UNKNOWN_MAX: Final = 64
_STOP_SECONDS_MAX: Final = 10.0
_CANCEL_AGAIN_SECONDS: Final = 0.2
_NO_DESCRIPTOR_SECONDS: Final = 0.1


class Listener:
    """Accepts clients, each in a thread of its own. `stop` ends all of them; a stopped one is not started again.

    `users` gives a user's password, or None for one that does not exist. `open_session` is called once a client, in
    its thread, after the password was right; what it raises ends the connection as FATAL (3D000 for an unknown
    database). `connections_max` counts open sessions; above it clients are told 53300.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        users: Callable[[str], str | None],
        open_session: Callable[[Startup], Session],
        tls: ssl.SSLContext | None = None,
        connections_max: int = 500,
        auth: Method = "digest",
    ) -> None:
        self._address = (host, port)
        self._terms = Terms(users=users, open_session=open_session, tls=tls, auth=auth)
        self._threads_max = connections_max + _UNKNOWN_MAX
        self._roster = Roster(connections_max)
        self._lock = threading.Lock()
        self._connections: dict[Channel, threading.Thread] = {}
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; the one that the system chose when 0 was asked for."""
        return self._address[1]

    def start(self) -> None:
        """Listen and return. Raises OSError when the address is taken."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._socket = socket.create_server(self._address, family=family, backlog=_BACKLOG)
        self._address = (self._address[0], self._socket.getsockname()[1])
        arguments = (self._socket,)
        self._acceptor = threading.Thread(target=self._accept, args=arguments, name="redshift-accept", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Cut all connections, close their sessions and end their threads; returns within 10 seconds. Idempotent."""
        self._stopping.set()
        deadline = time.monotonic() + _STOP_SECONDS_MAX
        if self._socket is not None and self._acceptor is not None:
            # Shutting it down wakes the thread that accepts; closing it alone would not.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._acceptor.join(_STOP_SECONDS_MAX)
        self._cut_all()
        while (threads := self._threads()) and time.monotonic() < deadline:
            threads[0].join(_CANCEL_AGAIN_SECONDS)
            # A session that was about to begin its statement when it was cancelled must be told once more.
            self._cut_all()
        if threads := self._threads():
            _log.error("%d connections did not end within %s seconds", len(threads), _STOP_SECONDS_MAX)

    def refuse(self, seconds: float) -> None:
        """A maintenance restart: cut all connections, and tell new ones 57P03 for this time."""
        self._roster.close_for(seconds)
        self._cut_all()

    def _threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._connections.values())

    def _cut_all(self) -> None:
        with self._lock:
            channels = list(self._connections)
        for channel in channels:
            channel.cut()
        for channel in channels:
            if session := self._roster.session_of(channel):
                session.cancel()

    def _accept(self, listening: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = listening.accept()
            except OSError:
                # Stopped, or out of descriptors: those come back when a connection ends.
                self._stopping.wait(_NO_DESCRIPTOR_SECONDS)
                continue
            try:
                self._begin(client)
            except (OSError, RuntimeError):
                _log.exception("a connection could not begin")
                client.close()

    def _begin(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel = Channel(client)
        thread = threading.Thread(target=self._lead, args=(channel,), name="redshift-client", daemon=True)
        with self._lock:
            # Under the lock, so that the thread cannot end before it is listed.
            welcome = not self._stopping.is_set() and len(self._connections) < self._threads_max
            try:
                if welcome:
                    thread.start()
                    self._connections[channel] = thread
            finally:
                if channel not in self._connections:
                    channel.cut()
                    channel.close()

    def _lead(self, channel: Channel) -> None:
        try:
            serve(channel, self._terms, self._roster)
        finally:
            with self._lock:
                del self._connections[channel]
