"""The protocol after start-up: messages in, answers out, until the client says good-bye.

Source: PostgreSQL, "Frontend/Backend Protocol: Message Flow".
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import RedshiftError, refused
from redshift_standin.wire import messages, values
from redshift_standin.wire.channel import Channel
from redshift_standin.wire.extended import Extended
from redshift_standin.wire.messages import Body, violation
from redshift_standin.wire.session import Result, Session

_QUERY: Final = b"Q"
_SYNC: Final = b"S"
_FLUSH: Final = b"H"
_TERMINATE: Final = b"X"
_FUNCTION_CALL: Final = b"F"
# Data for a COPY FROM STDIN that does not exist: a client may still be sending it when it has been refused.
_COPY: Final = frozenset((b"d", b"c", b"f"))


class Conversation:
    """One client with its session. `statuses`: the ParameterStatus values that the client was told so far."""

    def __init__(self, channel: Channel, session: Session, protocol: int, statuses: dict[str, str]) -> None:
        self._channel = channel
        self._session = session
        self._protocol = protocol
        self._statuses = statuses
        self._extended = Extended(channel, session, protocol)
        self._skipping = False

    def run(self) -> None:
        """Answer until the client terminates.

        Raises RedshiftError with severity FATAL when the connection cannot go on, and whatever ends it: Gone,
        SessionEnds.
        """
        self._ready()
        while True:
            kind, raw = self._channel.message()
            if kind == _TERMINATE:
                return
            if kind == _SYNC:
                self._sync()
            elif kind in (_QUERY, _FUNCTION_CALL):
                self._simple(kind, raw)
            elif kind in self._extended.handlers:
                self._batched(kind, raw)
            elif kind == _FLUSH:
                self._channel.flush()
            elif kind not in _COPY:
                raise violation(f"invalid frontend message type {kind[0]}")

    def _batched(self, kind: bytes, raw: bytes) -> None:
        """One extended message; after an error, the rest of the batch is skipped."""
        if self._skipping:
            return
        try:
            self._extended.handlers[kind](Body(raw))
        except RedshiftError as error:
            self._tell(error)
            self._skipping = True

    def _sync(self) -> None:
        self._skipping = False
        try:
            self._session.sync()
        except RedshiftError as error:
            self._tell(error)
        self._ready()

    def _simple(self, kind: bytes, raw: bytes) -> None:
        if self._skipping:
            return
        try:
            if kind == _FUNCTION_CALL:
                raise refused("function calls of the wire protocol are not supported")
            body = Body(raw)
            text = body.string()
            body.end()
            self._extended.forget_unnamed()
            self._query(text)
        except RedshiftError as error:
            self._tell(error)
        self._ready()

    def _query(self, text: str) -> None:
        empty = True
        for result in self._session.run(text):
            empty = empty and not result.tag
            self._result(result)
        if empty:
            self._channel.send(messages.EMPTY_QUERY_RESPONSE)

    def _result(self, result: Result) -> None:
        for notice in result.notices:
            self._channel.send(messages.notice_response(notice))
        if result.columns is not None:
            columns = values.described(result.columns, self._protocol)
            self._channel.send(messages.row_description(columns, [0] * len(columns), self._protocol))
            for row in result.rows:
                self._channel.send(messages.data_row(row))
        if result.tag:
            self._channel.send(messages.command_complete(result.tag))

    def _tell(self, error: RedshiftError) -> None:
        """Answer with an error. Raises it again when it ends the connection."""
        if error.severity != "ERROR":
            raise error
        self._extended.forget_portals()
        self._channel.send(messages.error_response(error))
        self._session.failed(error)
        self._channel.flush()

    def _ready(self) -> None:
        for name, value in self._session.parameter_statuses().items():
            if self._statuses.get(name) != value:
                self._statuses[name] = value
                self._channel.send(messages.parameter_status(name, value))
        status = self._session.status
        if status == b"I":
            self._extended.forget_portals()
        self._channel.send(messages.ready_for_query(status))
        self._channel.flush()
