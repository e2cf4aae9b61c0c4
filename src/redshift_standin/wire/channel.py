"""One client's socket: whole messages in, buffered messages out, and a way for other threads to cut it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import Final

from redshift_standin.wire.messages import violation

MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
_RECEIVE_BYTES: Final = 64 * 1024
_SEND_BYTES: Final = 64 * 1024
_CLOSE_SECONDS_MAX: Final = 5.0


class Gone(Exception):
    """The client has vanished, was cut, or took too long to start up."""


class Channel:
    """Everything but `cut` belongs to the connection's own thread.

    A client that stops listening is no error: what is sent to it is dropped, so that the messages that it sent before
    are still carried out (an autocommitted COPY does not fail when its client disconnects). Reading past its last
    message raises Gone.
    """

    def __init__(self, client: socket.socket) -> None:
        self._socket = client
        # A second descriptor of the same connection: the first is replaced when TLS begins.
        self._cutter = client.dup()
        self._received = bytearray()
        self._outgoing = bytearray()
        self._deadline: float | None = None
        self._deaf = False
        self._cut = False

    def expect_within(self, seconds: float | None) -> None:
        """From now on, reading and writing raise Gone when this much time has passed in total; None lifts it."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        with contextlib.suppress(OSError):
            self._socket.settimeout(seconds)

    def exactly(self, length: int) -> bytes:
        """The next bytes, however long they take to come. Memory grows with what arrived, not with what was announced."""
        while len(self._received) < length:
            self._receive()
        taken = bytes(self._received[:length])
        del self._received[:length]
        return taken

    def message(self, bytes_max: int = MESSAGE_BYTES_MAX) -> tuple[bytes, bytes]:
        """The next message: its type and body. Raises RedshiftError 08P01 for an impossible length."""
        if self._cut:
            raise Gone("cut")
        header = self.exactly(5)
        length = int.from_bytes(header[1:], "big", signed=True)
        if length < 4:
            raise violation(f"invalid message length {length}")
        if length > bytes_max:
            raise violation(f"message of {length} bytes is longer than {bytes_max}")
        return header[:1], self.exactly(length - 4)

    def send(self, *messages: bytes) -> None:
        """Queue for the client; sent by `flush` or when much is queued."""
        for message in messages:
            self._outgoing += message
        if len(self._outgoing) >= _SEND_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what is queued; from the first failure on, nothing is sent any more."""
        if not self._deaf and self._outgoing:
            try:
                self._set_timeout()
                self._socket.sendall(self._outgoing)
            except (OSError, Gone):
                self._deaf = True
        self._outgoing.clear()

    def secure(self, context: ssl.SSLContext) -> None:
        """Go on in TLS. Raises Gone when the handshake fails."""
        if self._received:
            # Bytes that came with the request are not from inside the tunnel: somebody else may have put them there.
            raise violation("received unencrypted data after SSL request")
        try:
            self._set_timeout()
            self._socket = context.wrap_socket(self._socket, server_side=True)
        except (OSError, ValueError) as exc:
            raise Gone("the TLS handshake failed") from exc

    def cut(self) -> None:
        """End the connection now, without a word. From any thread, any number of times."""
        self._cut = True
        with contextlib.suppress(OSError):
            self._cutter.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Say good-bye, unless it was cut, and free the socket."""
        if not self._cut:
            # A client that does not read must not keep the thread for ever.
            self.expect_within(_CLOSE_SECONDS_MAX)
            self.flush()
            self._end_tls()
        with contextlib.suppress(OSError):
            self._cutter.shutdown(socket.SHUT_RDWR)
        for each in (self._socket, self._cutter):
            with contextlib.suppress(OSError):
                each.close()

    def _end_tls(self) -> None:
        """The end of a TLS stream is told, so that nobody can cut it short unseen; the answer is not waited for."""
        if isinstance(self._socket, ssl.SSLSocket) and not self._deaf:
            with contextlib.suppress(OSError, ValueError):
                self._socket.settimeout(0)
                self._socket.unwrap()

    def _receive(self) -> None:
        try:
            self._set_timeout()
            chunk = self._socket.recv(_RECEIVE_BYTES)
        except (OSError, ValueError) as exc:
            raise Gone("the connection failed") from exc
        if not chunk:
            raise Gone("the client has closed the connection")
        self._received += chunk

    def _set_timeout(self) -> None:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise Gone("too slow")
            self._socket.settimeout(left)
