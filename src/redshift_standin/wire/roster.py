"""Who is connected: the connection limit, cancel requests, and closing the server for a while."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from redshift_standin.errors import RedshiftError
from redshift_standin.wire.channel import Channel
from redshift_standin.wire.session import Session


class Roster:
    """Safe for all threads. Places are counted from the password to the session's end."""

    def __init__(self, connections_max: int) -> None:
        self._connections_max = connections_max
        self._lock = threading.Lock()
        self._places = 0
        self._sessions: dict[Channel, Session] = {}
        self._closed_until = 0.0

    def check_open(self) -> None:
        """Raises RedshiftError 57P03 while the server is closed."""
        if time.monotonic() < self._closed_until:
            raise RedshiftError("57P03", "the database system is starting up", severity="FATAL")

    def close_for(self, seconds: float) -> None:
        """`check_open` raises from now on for this time."""
        self._closed_until = time.monotonic() + seconds

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Takes one of the places. Raises RedshiftError 53300 when there is none, 57P03 while the server is closed."""
        with self._lock:
            self.check_open()
            if self._places >= self._connections_max:
                message = f'connection limit "{self._connections_max}" exceeded for non-bootstrap users'
                raise RedshiftError("53300", message, severity="FATAL")
            self._places += 1
        try:
            yield
        finally:
            with self._lock:
                self._places -= 1

    @contextlib.contextmanager
    def listed(self, channel: Channel, session: Session) -> Iterator[None]:
        """The session can be found by a cancel request and by `session_of`."""
        with self._lock:
            self._sessions[channel] = session
        try:
            yield
        finally:
            with self._lock:
                del self._sessions[channel]

    def session_of(self, channel: Channel) -> Session | None:
        """The session of a connection; None before it has one and after."""
        with self._lock:
            return self._sessions.get(channel)

    def cancel(self, pid: int, secret: int) -> None:
        """Cancel what that session does, if there is one with this secret; nobody is told whether there was."""
        with self._lock:
            found = [
                session
                for session in self._sessions.values()
                if (session.pid & 0xFFFFFFFF, session.secret & 0xFFFFFFFF) == (pid, secret)
            ]
        for session in found:
            session.cancel()
