"""Streams of CopyData as the bytes of the wire: they are laid where the caller wants them, in pieces of any size.

A message is a type byte, an int32 length that counts itself, and a body. libpq hands over each message as a copy of its
own, which costs more than all that we do with it. So on a connection that is not encrypted the socket is read directly,
query and answer included: libpq is idle before and after. On an encrypted one libpq decrypts, and its messages get their
frame back: who reads knows one form.

Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
        https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, Protocol

import psycopg
from psycopg import errors as postgres
from psycopg import pq

from re_dms.source.server_messages import notice_fields, server_error

FRAME: Final = struct.Struct("!BI")  # type, length; the length counts itself and the body
COPY_DATA: Final = ord("d")
_ERROR, _NOTICE, _STATUS, _NOTIFICATION = ord("E"), ord("N"), ord("S"), ord("A")
_COPY_DONE, _COMMAND_COMPLETE, _READY = ord("c"), ord("C"), ord("Z")
_COPY_BOTH: Final = ord("W")
_COPY_BEGINS: Final = (_COPY_BOTH, ord("H"))
_COPYING: Final = (pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)
_READY_MESSAGE: Final = b"Z\0\0\0\5I"
_LENGTH: Final = struct.Struct("!I")
_FRAME_BYTES: Final = FRAME.size
_LENGTH_BYTES: Final = 4
_ANSWER_BYTES: Final = 64 * 1024
_AT_ONCE_BYTES: Final = 256 * 1024


class CopyEnded(Exception):
    """All messages have been received."""


class CopyStream(Protocol):
    """One COPY OUT or replication stream of a connection. Nothing here waits, but `start` and `finish`."""

    @property
    def ended(self) -> bool:
        """Whether the server has said its last word: the session, if it lives, can be used for other statements."""

    def start(self, statement: bytes) -> None:
        """Send the statement, and wait until the stream begins. Raises psycopg.Error, after which the session can be used."""

    drained: bool
    """Whether the last `receive` left nothing that was there: only then does a wait for the socket tell of more."""

    def receive(self, room: memoryview) -> int:
        """Lay what has come into `room`, framed as on the wire; how many bytes, 0 when nothing is there now.

        Raises psycopg.Error when the stream or the connection broke, CopyEnded at the end.
        """

    def other(self, kind: int, body: bytes) -> None:
        """Take a message that is no CopyData, in its turn. Raises as `receive` does."""

    def send(self, body: bytes) -> None:
        """Send a CopyData message, as far as it goes without waiting; the rest goes with the next."""

    def finish(self, seconds_max: float) -> None:
        """End a replication stream in order, throwing away what still comes; returns when the server has said so."""


def open_copy(pgconn: pq.abc.PGconn, on_notice: Callable[[int, bytes], None] | None = None) -> CopyStream:
    """A stream on an idle connection. `on_notice` gets field and value of the notices that come within it."""
    return PlainCopy(pgconn, on_notice) if _is_readable(pgconn) else SealedCopy(pgconn)


def _is_readable(pgconn: pq.abc.PGconn) -> bool:
    """Whether the wire is neither TLS nor GSS: the answer to a query is looked at before libpq takes it."""
    if pgconn.ssl_in_use:
        return False
    pgconn.send_query(b"select 1")
    while pgconn.flush() == 1:
        select.select([], [pgconn.socket], [])
    select.select([pgconn.socket], [], [])
    wire = socket.socket(fileno=pgconn.socket)
    try:
        first = wire.recv(1, socket.MSG_PEEK)
    except OSError:
        first = b""
    finally:
        wire.detach()
    while pgconn.get_result() is not None:
        pass
    return first == b"T"


class PlainCopy:
    """See CopyStream. Reads and writes the socket."""

    def __init__(self, pgconn: pq.abc.PGconn, on_notice: Callable[[int, bytes], None] | None = None) -> None:
        self._pgconn = pgconn
        self._on_notice = on_notice
        self._unsent = b""
        self._early = b""
        self._both = False
        self.drained = True
        self._failure: psycopg.Error | None = None
        self.ended = True

    def start(self, statement: bytes) -> None:
        """See CopyStream."""
        self.ended = False
        self._put(b"Q", statement + b"\0")
        self._flush(wait=True)
        answer = bytearray()
        while True:
            while (message := _first(answer)) is not None:
                kind, body = message
                del answer[: _FRAME_BYTES + len(body)]
                if kind in _COPY_BEGINS:
                    self._early, self._both = bytes(answer), kind == _COPY_BOTH
                    return
                self.other(kind, body)
            select.select([self._pgconn.socket], [], [])
            piece = bytearray(_ANSWER_BYTES)
            answer += piece[: self.receive(memoryview(piece))]

    def receive(self, room: memoryview) -> int:
        """See CopyStream."""
        if self._early:
            size = min(len(room), len(self._early))
            room[:size] = self._early[:size]
            self._early = self._early[size:]
            self.drained = False
            return size
        self.drained = True
        try:
            size = os.readv(self._pgconn.socket, [room])
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise self._broken() from error
        if size == 0:
            raise self._broken()
        self.drained = size < len(room)
        return size

    def other(self, kind: int, body: bytes) -> None:
        """See CopyStream."""
        match kind:
            case _ if kind == _ERROR:
                self._failure = server_error(body)
                # A walsender that stopped streaming says no more; other sessions go on, and say so.
                if self._both or self._failure.diag.severity_nonlocalized in ("FATAL", "PANIC"):
                    raise self._failure
            case _ if kind == _READY:
                failure, self._failure, self.ended = self._failure, None, True
                raise failure or CopyEnded
            case _ if kind == _NOTICE and self._on_notice is not None:
                for field, value in notice_fields(body):
                    self._on_notice(field, value)
            case _ if kind in (_NOTICE, _STATUS, _NOTIFICATION, _COPY_DONE, _COMMAND_COMPLETE):
                pass
            case _:
                raise psycopg.OperationalError("the server sent a message that does not belong into a COPY")

    def send(self, body: bytes) -> None:
        """See CopyStream."""
        self._put(b"d", body)
        self._flush(wait=False)

    def finish(self, seconds_max: float) -> None:
        """See CopyStream."""
        deadline = time.monotonic() + seconds_max
        piece, tail = memoryview(bytearray(_ANSWER_BYTES)), b""
        try:
            self._put(b"c", b"")
            self._flush(wait=False)
            while not tail.endswith(_READY_MESSAGE) and (left := deadline - time.monotonic()) > 0:
                size = self.receive(piece)
                tail = (tail + bytes(piece[:size]))[-len(_READY_MESSAGE) :]
                if size == 0:
                    self._flush(wait=False)
                    select.select([self._pgconn.socket], [], [], left)
        except psycopg.Error:
            return  # the server has gone: it sends again what it did not read

    def _put(self, kind: bytes, body: bytes) -> None:
        self._unsent += kind + _LENGTH.pack(_LENGTH_BYTES + len(body)) + body

    def _flush(self, *, wait: bool) -> None:
        try:
            while self._unsent:
                try:
                    self._unsent = self._unsent[os.write(self._pgconn.socket, self._unsent) :]
                except (BlockingIOError, InterruptedError):
                    if not wait:
                        return
                    select.select([], [self._pgconn.socket], [])
        except OSError as error:
            raise self._broken() from error

    def _broken(self) -> psycopg.Error:
        """What the server said before it went, or that it went."""
        return self._failure or psycopg.OperationalError("the connection broke")


class SealedCopy:
    """See CopyStream. libpq reads, writes and decrypts."""

    def __init__(self, pgconn: pq.abc.PGconn) -> None:
        self._pgconn = pgconn
        self._over = False
        self._rest = memoryview(b"")
        self.drained = True

    @property
    def ended(self) -> bool:
        """See CopyStream."""
        return self._pgconn.transaction_status != pq.TransactionStatus.ACTIVE

    def start(self, statement: bytes) -> None:
        """See CopyStream."""
        self._over = False
        self._pgconn.send_query(statement)
        result = self._result()
        if result is not None and result.status in _COPYING:
            return
        while self._result() is not None:  # so that the session can go on
            pass
        self._raise(result)

    def receive(self, room: memoryview) -> int:
        """See CopyStream."""
        laid = self._lay(room, 0)
        self.drained = asked = False
        while not self._over and laid < min(len(room), _AT_ONCE_BYTES):
            size, data = self._pgconn.get_copy_data(1)
            if size > 0:
                self._rest = memoryview(FRAME.pack(COPY_DATA, size + _LENGTH_BYTES) + bytes(data))
                laid = self._lay(room, laid)
                asked = False
            elif size < 0:
                self._over = True  # libpq says so once
            elif asked:
                self.drained = True
                break
            else:
                self._pgconn.consume_input()
                asked = True
        if self._over and laid == 0:
            self._end()
        return laid

    def other(self, kind: int, body: bytes) -> None:
        """See CopyStream. Never called: libpq keeps all other messages to itself."""
        raise psycopg.OperationalError(f"a message of kind {kind} and {len(body)} bytes that libpq did not take")

    def send(self, body: bytes) -> None:
        """See CopyStream."""
        self._pgconn.put_copy_data(body)
        self._pgconn.flush()

    def finish(self, seconds_max: float) -> None:
        """See CopyStream."""
        deadline = time.monotonic() + seconds_max
        try:
            self._pgconn.put_copy_end()
            while (left := deadline - time.monotonic()) > 0:
                self._pgconn.flush()
                size, _ = self._pgconn.get_copy_data(1)
                if size < 0:
                    return
                if size == 0 and select.select([self._pgconn.socket], [], [], left)[0]:
                    self._pgconn.consume_input()
        except psycopg.Error:
            return  # as above

    def _lay(self, room: memoryview, laid: int) -> int:
        """Lay what is left of the last message behind `laid` bytes."""
        size = min(len(self._rest), len(room) - laid)
        room[laid : laid + size] = self._rest[:size]
        self._rest = self._rest[size:]
        return laid + size

    def _end(self) -> None:
        """Raise what ended the stream."""
        failure = None
        while (result := self._result()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                failure = result
        if failure is None:
            raise CopyEnded
        self._raise(failure)

    def _raise(self, result: pq.abc.PGresult | None) -> None:
        if result is None:
            raise psycopg.OperationalError("the connection broke")
        raise postgres.error_from_result(result, encoding="utf-8")

    def _result(self) -> pq.abc.PGresult | None:
        while self._pgconn.flush() == 1:
            select.select([], [self._pgconn.socket], [])
        while self._pgconn.is_busy():
            select.select([self._pgconn.socket], [], [])
            self._pgconn.consume_input()
        return self._pgconn.get_result()


def _first(data: bytearray) -> tuple[int, bytes] | None:
    """Type and body of the first message, when it is whole."""
    if len(data) < _FRAME_BYTES:
        return None
    kind, length = FRAME.unpack_from(data)
    return (kind, bytes(data[_FRAME_BYTES : 1 + length])) if len(data) >= 1 + length else None
