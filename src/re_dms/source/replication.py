"""The replication protocol: identify, take a snapshot, stream, confirm.

The reader lays what `receive` gives into its regions; everything that is said on the wire is said here.
Source: https://www.postgresql.org/docs/current/protocol-replication.html
"""

from __future__ import annotations

import secrets
import struct
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg import errors as postgres
from psycopg import pq, sql
from psycopg.rows import TupleRow

from re_dms.errors import (
    ChangesMissing,
    ConfigurationError,
    InvariantError,
    ReDmsError,
    SourceError,
    SourceUnavailable,
)
from re_dms.lsn import LSN
from re_dms.settings import PGOUTPUT, SourceSettings
from re_dms.source.connection import Connection, connection_parameters, open_session, send_as_stored
from re_dms.source.copy_stream import CopyEnded, CopyStream, open_copy
from re_dms.source.failures import reported, translate, undecodable
from re_dms.source.plugins import can_stream, start_query
from re_dms.source.slot import SlotState, held, read_slot, require_logical

KEEPALIVE: Final = ord("k")
XLOG_DATA: Final = ord("w")
_KEEPALIVE: Final = struct.Struct("!cqqB")
_STATUS_UPDATE: Final = struct.Struct("!cqqqqB")
_POSTGRES_EPOCH_SECONDS: Final = 946_684_800
_MISSING: Final = "the changes since then are lost for this pipeline; copy the tables again with `re-dms reset`"
_REMOVED: Final = "58P01"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIdentity:
    """Which server and history this is; `position` is what it had flushed when asked."""

    system_identifier: str
    timeline: int
    position: LSN
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSnapshot:
    """A snapshot that holds all transactions that committed before `position`, and none that commits after it.

    It can be taken over (SET TRANSACTION SNAPSHOT) until the connection that made it says anything else or closes.
    """

    position: LSN
    snapshot: str


class PartsRefused(SourceUnavailable):
    """The server cannot send a transaction while it runs; when it has ended, it may well. Open the stream without parts.

    Postgres 14 to 18 fail so on some transactions that alter a table after a subtransaction that altered it was rolled
    back ("could not map filenode").
    """


class ReplicationConnection:
    """A walsender session. One thread's; closes with its context."""

    def __init__(self, connection: Connection, plugin: str = PGOUTPUT) -> None:
        self.connection = connection
        self._plugin = plugin
        self._copy: CopyStream
        self.in_parts = False
        self._flushed: LSN | None = None
        self._publication_missing = False

    @classmethod
    def open(cls, source: SourceSettings, *, purpose: str = "stream") -> Self:
        """Connect as `re_dms.source.connection.connect` does, for replication."""
        return cls(open_session(connection_parameters(source, purpose=purpose, replication=True)), source.plugin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session; its temporary slots go with it."""
        self.connection.close()

    def fileno(self) -> int:
        """The socket, for select."""
        return self.connection.fileno()

    def receive(self, room: memoryview) -> int:
        """Lay what the server has sent into `room`, framed as on the wire; how many bytes, 0 when nothing is there now.

        Never waits. Raises why the stream ended. `drained` tells whether more may be there.
        """
        try:
            return self._copy.receive(room)
        except (psycopg.Error, CopyEnded) as error:
            raise self._end_of_stream(error) from None

    @property
    def drained(self) -> bool:
        """Whether the last `receive` left nothing: only then does a wait for the socket tell of more."""
        return self._copy.drained

    def other(self, kind: int, body: bytes) -> None:
        """Take a message of the stream that is no CopyData. Raises as `receive` does."""
        try:
            self._copy.other(kind, body)
        except (psycopg.Error, CopyEnded) as error:
            raise self._end_of_stream(error) from None

    @property
    def streaming(self) -> bool:
        """Whether the stream was started and the connection not been closed by us."""
        return self._flushed is not None and not self.connection.closed

    def identify(self) -> SourceIdentity:
        """Which server, timeline and database this is."""
        with reported("identifying the source"):
            row = _only(self.connection.execute("IDENTIFY_SYSTEM"))
        return SourceIdentity(
            system_identifier=row[0], timeline=int(row[1]), position=LSN.parse(row[2]), database=row[3]
        )

    def create_temporary_slot(self) -> ExportedSnapshot:
        """A snapshot with its exact position (protocol line 16); the slot goes with this session.

        Waits until every transaction that runs at this moment has ended: rows written before the table was added
        to the publication are in the snapshot.
        """
        require_logical(self.connection)
        # The spelling that 13 knows and 18 still does.
        query = sql.SQL("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL {} EXPORT_SNAPSHOT").format(
            sql.Identifier(f"re_dms_{secrets.token_hex(8)}"), sql.Identifier(self._plugin)
        )
        with reported("taking a snapshot with a temporary replication slot"):
            row = _only(self.connection.execute(query))
        return ExportedSnapshot(position=LSN.parse(row[1]), snapshot=row[2])

    def start(self, slot: str, publication: str, *, streaming: bool = False) -> LSN:
        """Start the stream where the slot was confirmed, and return that position. test_decoding has no publication.

        `streaming`: large transactions may come in parts while they run, if the server can; `in_parts` tells.

        The connection is then in COPY BOTH mode. Raises PipelineHeld when another process reads the slot,
        ChangesMissing when it is gone or lost, SourceError when the publication is gone.
        """
        state = self._usable(slot)
        if self._plugin == PGOUTPUT:
            self._require_publication(publication)
        self.in_parts = streaming and can_stream(self.connection, self._plugin)
        words = start_query(self.connection, self._plugin, slot, publication, streaming=self.in_parts)
        failure: psycopg.Error
        try:
            send_as_stored(self.connection)
            self.connection.add_notice_handler(
                lambda notice: self._noticed(pq.DiagnosticField.SOURCE_FUNCTION, str(notice.source_function).encode())
            )
            self._copy = open_copy(self.connection.pgconn, self._noticed)
            self._copy.start(words)
        except psycopg.Error as error:
            failure = error
        else:
            self._flushed = state
            return state
        match failure:
            case postgres.ObjectInUse():
                raise held(self.connection, slot)
            case postgres.UndefinedObject():
                raise _slot_gone(slot)
            case postgres.ObjectNotInPrerequisiteState():
                raise _slot_lost(slot, read_slot(self.connection, slot, self._plugin))
        raise translate(failure, "starting the stream")

    def status_update(self, *, received: LSN, flushed: LSN, reply_requested: bool = False) -> None:
        """Tell the server what was received, and confirm the slot up to `flushed`.

        The one place that confirms: WAL before `flushed` may be gone after it, so what it covers must be durable in
        the journal. Raises InvariantError, before anything is sent, when `flushed` goes back behind what was confirmed.
        """
        if self._flushed is None:
            raise InvariantError("a position was confirmed before the stream was started")
        if flushed < self._flushed:
            raise InvariantError(f"the confirmed position went back from {self._flushed} to {flushed}")
        self.require_publication_seen()
        microseconds = time.time_ns() // 1_000 - _POSTGRES_EPOCH_SECONDS * 1_000_000
        message = _STATUS_UPDATE.pack(
            b"r", max(received, flushed), flushed, flushed, microseconds, 1 if reply_requested else 0
        )
        try:
            self._copy.send(message)
        except psycopg.Error as error:
            raise self._end_of_stream(error) from None
        self._flushed = flushed

    def end(self, seconds_max: float) -> None:
        """End the stream in order: when this returns the server has read the last status update, unless it takes
        longer than `seconds_max`. What it still sends is thrown away; it is sent again next time."""
        self._copy.finish(seconds_max)

    def require_publication_seen(self) -> None:
        """Raise SourceError when the server said that it skips changes for want of the publication.

        Postgres 18 goes on with a warning there, where older servers end the stream.
        """
        if self._publication_missing:
            raise _publication_gone()

    def _end_of_stream(self, error: psycopg.Error | CopyEnded) -> ReDmsError:
        """Why the stream ended."""
        if isinstance(error, CopyEnded):
            return SourceUnavailable("the source ended the stream")
        if error.sqlstate is None:
            return SourceUnavailable("the source ended the stream (the connection broke)")
        match error:
            case postgres.UndefinedObject() if self._plugin == PGOUTPUT:
                return _publication_gone()
            case postgres.AdminShutdown() | postgres.CrashShutdown() | postgres.CannotConnectNow():
                return SourceUnavailable(
                    "the source shuts down, or its administrator or the slot's WAL limit ended the stream"
                    f" (SQLSTATE {error.sqlstate})"
                )
        if error.sqlstate == _REMOVED:
            return ChangesMissing("the source has removed WAL that the slot needs", remedy=_MISSING)
        failure = undecodable(error)
        return PartsRefused(failure.message) if self.in_parts and not failure.retry else failure

    def _usable(self, slot: str) -> LSN:
        """The slot's confirmed position. Raises unless the stream can start there."""
        state = read_slot(self.connection, slot, self._plugin)
        if state is None:
            raise _slot_gone(slot)
        if state.active_pid is not None and state.active_pid != self.connection.info.backend_pid:
            raise held(self.connection, slot)
        if state.lost or state.confirmed_flush_lsn is None:
            raise _slot_lost(slot, state)
        return state.confirmed_flush_lsn

    def _require_publication(self, name: str) -> None:
        query = sql.SQL("select 1 from pg_publication where pubname = {}").format(sql.Literal(name))
        with reported("looking for the publication"):
            if self.connection.execute(query).fetchone() is None:
                raise _publication_gone(name)

    def _noticed(self, field: int, value: bytes) -> None:
        # src/backend/replication/pgoutput/pgoutput.c: the function's name is not translated, the text is.
        if field == pq.DiagnosticField.SOURCE_FUNCTION and value == b"LoadPublications":
            self._publication_missing = True


def parse_keepalive(data: bytes | memoryview) -> tuple[LSN, bool]:
    """The end of WAL that the server names in a `k` message, and whether it demands a status update now.

    When nothing is pending, everything before that position is dealt with. Raises SourceError for another message.
    """
    if len(data) != _KEEPALIVE.size or data[0] != KEEPALIVE:
        raise SourceError("the source sent a keepalive that is not one")
    _, end, _, reply = _KEEPALIVE.unpack(data)
    return LSN(end), reply != 0


def _only(cursor: psycopg.Cursor[TupleRow]) -> TupleRow:
    rows = cursor.fetchall()
    if len(rows) != 1:
        raise SourceError(f"the source answered with {len(rows)} rows where one was due")
    return rows[0]


def _slot_gone(slot: str) -> ReDmsError:
    return ChangesMissing(f"replication slot {slot!r} does not exist", remedy=_MISSING)


def _slot_lost(slot: str, state: SlotState | None) -> ReDmsError:
    if state is not None and not state.lost:
        return ConfigurationError(f"replication slot {slot!r} cannot be read by this server now")
    why = "" if state is None or state.invalidation is None else f" ({state.invalidation})"
    return ChangesMissing(
        f"replication slot {slot!r} is lost{why}: the source no longer keeps its WAL", remedy=_MISSING
    )


def _publication_gone(name: str | None = None) -> ReDmsError:
    which = "the publication" if name is None else f"publication {name!r}"
    return SourceError(
        f"{which} does not exist at the position that the slot has reached",
        remedy="making it again does not help, since the slot reads the past: make it, then begin anew with `re-dms reset`",
    )
