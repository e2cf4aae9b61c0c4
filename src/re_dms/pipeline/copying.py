"""The reader's half of copies: several sessions under one snapshot, each with a range of a table's blocks, laid into regions.

The regions hold the bytes of the wire. Lines are not looked at one by one: where a region is full, the border of its last
line is found from the end; what stands before it is the encoder's to find.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import psycopg
import structlog
from pydantic import TypeAdapter

from re_dms.errors import InvariantError
from re_dms.failpoints import failpoint
from re_dms.pipeline.borders import border, messages
from re_dms.pipeline.buffers import Writer
from re_dms.pipeline.channel import Channel
from re_dms.pipeline.pool import Pool
from re_dms.schema import Relation
from re_dms.settings import SourceSettings
from re_dms.source.connection import Connection, connect
from re_dms.source.copy_stream import COPY_DATA, FRAME, CopyEnded, CopyStream
from re_dms.source.export import TableAltered, open_rows, refused, under_snapshot

log = structlog.get_logger()

_REGIONS_BESIDE: Final = 2  # with the encoder, while each session fills one
_TURN_BYTES: Final = 4 * 1024 * 1024
_READY: Final = b"Z\0\0\0\5"
_READY_BYTES: Final = len(_READY) + 1
_RELATION: Final = TypeAdapter(Relation)

Pages = tuple[int, int | None]


@dataclass
class _Table:
    """An order of the encoder: one table, in ranges of blocks that are handed out one after the other."""

    relation: Relation
    order: dict[str, Any]
    ranges: list[Pages | None]
    under_way: int = 0
    altered: bool = False


class _Wait(Enum):
    """What a session needs to go on."""

    NOTHING = auto()
    ROWS = auto()
    REGION = auto()
    OVERSIZED = auto()


class Copying:
    """Carries out the encoder's orders to copy, with up to `connections` sessions at the same time.

    `orders` is where the encoder's messages wait, and more come while copies run.
    """

    def __init__(
        self,
        source: SourceSettings,
        encoder: Channel,
        orders: list[dict[str, Any]],
        *,
        snapshot: str,
        capacity: int,
        connections: int,
    ) -> None:
        self._encoder = encoder
        self._orders = orders
        self._pool = Pool(encoder, capacity, connections + _REGIONS_BESIDE, orders.append)
        self._sessions = [_Session(source, snapshot, self._pool) for _ in range(connections)]
        self._tables: list[_Table] = []

    def run(self) -> None:
        """Copy until no order to copy is left."""
        while self._hand_out():
            for session in self._wait():
                self._go(session)

    def poll(self, timeout_seconds: float) -> None:
        """Read what the encoder says, up to the timeout, while nothing is copied."""
        self._pool.poll(timeout_seconds)

    def close(self) -> None:
        """End the sessions and give the regions back: the encoder has let go of them."""
        for session in self._sessions:
            session.close()
        self._pool.close()

    def _hand_out(self) -> bool:
        """Give every session something to do. False when all is done."""
        while self._orders and self._orders[0]["do"] == "copy":
            order = self._orders.pop(0)
            ranges = [None if pages is None else (pages[0], pages[1]) for pages in order["ranges"]]
            relation = _RELATION.validate_python(order["relation"])
            self._tables.append(_Table(relation=relation, order=order, ranges=ranges))
        for session in self._sessions:
            while session.table is None and (table := self._next()) is not None:
                table.under_way += 1
                session.begin(table, table.ranges.pop(0))
                self._go(session)
        return any(session.table is not None for session in self._sessions)

    def _next(self) -> _Table | None:
        return next((table for table in self._tables if table.ranges), None)

    def _wait(self) -> list[_Session]:
        """The sessions that can go on; waits until there are some, or the encoder says something."""
        able = [session for session in self._sessions if session.table is not None and session.is_able]
        waiting = [session for session in self._sessions if session.waits_for is _Wait.ROWS]
        sockets: list[_Session | Channel] = [*waiting, self._encoder]
        readable, _, _ = select.select(sockets, [], [], 0 if able else None)
        if self._encoder in readable:
            self._pool.poll(0)
        return able + [session for session in waiting if session in readable]

    def _go(self, session: _Session) -> None:
        """Let a session go on. A table that was altered meanwhile is given up, and the encoder told."""
        table = session.table
        if table is None:
            return
        try:
            session.go()
        except TableAltered as error:
            if not table.altered:
                log.warning("copied_later", table=table.relation.full_name, reason=error.message)
                self._encoder.send({"did": "altered", "oid": table.relation.oid})
            table.altered, table.ranges = True, []
            session.leave()
        if session.table is not None:
            return
        table.under_way -= 1
        if not table.under_way and not table.ranges:
            self._tables.remove(table)
            if not table.altered:
                failpoint("copy.streamed")


class _Session:
    """One connection, and the range of a table that it copies."""

    def __init__(self, source: SourceSettings, snapshot: str, pool: Pool) -> None:
        self._source = source
        self._snapshot = snapshot
        self._pool = pool
        self._connection: Connection | None = None
        self._region: tuple[int, Writer] | None = None
        self._work: Iterator[_Wait] = iter(())
        self._ended = self._is_oversized = False
        self.table: _Table | None = None
        self.waits_for = _Wait.NOTHING

    def fileno(self) -> int:
        """For select."""
        return -1 if self._connection is None else self._connection.fileno()

    @property
    def is_able(self) -> bool:
        """Whether it can go on, whatever has come."""
        match self.waits_for:
            case _Wait.NOTHING:
                return True
            case _Wait.REGION:
                return self._pool.has_free
            case _Wait.OVERSIZED:
                return self._pool.has_free_oversized
            case _Wait.ROWS:
                return False

    def begin(self, table: _Table, pages: Pages | None) -> None:
        """Take a range of a table, to be copied by `go`."""
        self.table = table
        self._work = self._copy(table, pages)

    def go(self) -> None:
        """Go on until it has to wait, or is done: then it has no table. Raises TableAltered and SourceError."""
        try:
            self.waits_for = next(self._work)
        except StopIteration:
            self.leave()

    def leave(self) -> None:
        """Let go of the table."""
        self._put_back()
        self.table, self.waits_for = None, _Wait.NOTHING

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()

    def _copy(self, table: _Table, pages: Pages | None) -> Iterator[_Wait]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._source, purpose="copy")
        order = table.order
        with under_snapshot(self._connection, self._snapshot):
            stream = open_rows(
                self._connection,
                table.relation,
                partitioned=order["partitioned"],
                null=order["null"],
                row_filter=order["row_filter"],
                pages=pages,
            )
            try:
                yield from self._lay(stream, table.relation.oid)
            except psycopg.Error as error:
                raise refused(error, table.relation) from None
            finally:
                if not stream.ended:  # no statement can be sent: the transaction ends with the session
                    self._connection.close()

    def _lay(self, stream: CopyStream, oid: int) -> Iterator[_Wait]:
        """Lay all that comes into regions, and hand them over."""
        self._ended = False
        yield from self._take(None)
        while not self._ended:
            laid = 0
            while laid < _TURN_BYTES and not self._ended:
                writer = self._writer
                try:
                    size = stream.receive(writer.room)
                except CopyEnded:
                    self._ended = True
                    break
                writer.laid(size)
                laid += size
                if writer.is_full:
                    yield from self._change(stream, oid)
                elif stream.drained:
                    if bytes(writer.view[max(0, writer.position - _READY_BYTES) : writer.position - 1]) == _READY:
                        self._settle(stream)
                    else:
                        yield _Wait.ROWS
            yield _Wait.NOTHING  # more may be here already: others have their turn first
        self._ship(oid, self._writer.position, ends=True)

    @property
    def _writer(self) -> Writer:
        if self._region is None:
            raise InvariantError("a session that copies has no region")
        return self._region[1]

    def _settle(self, stream: CopyStream) -> tuple[int, int]:
        """Where the region's last line ends, and its last whole message; the stream is told of what is no line."""
        writer = self._writer
        start = lines = whole = border(writer.view, writer.position)
        for kind, body, end in messages(writer.view, start, writer.position):
            whole = end
            if kind == COPY_DATA:
                lines = whole
                continue
            try:
                stream.other(kind, bytes(writer.view[body:end]))
            except CopyEnded:
                self._ended = True
                writer.position = lines
                break
        return lines, whole

    def _change(self, stream: CopyStream, oid: int) -> Iterator[_Wait]:
        """The region is full: hand its lines over. What is not whole yet goes on in the next one."""
        full = self._writer
        if self._is_oversized:
            lines = whole = full.position
        else:
            lines, whole = self._settle(stream)
        if self._ended:
            return
        rest = bytes(full.view[whole : full.position])
        if whole:
            self._ship(oid, lines, ends=False)
            yield from self._take(None)
        else:  # a line that is larger than a region gets one of its own
            _, length = FRAME.unpack_from(full.view)
            self._put_back()
            yield from self._take(1 + length)
        self._writer.view[: len(rest)] = rest
        self._writer.laid(len(rest))

    def _take(self, oversized: int | None) -> Iterator[_Wait]:
        """Have an empty region: one of the pool's, or one for a message of `oversized` bytes."""
        while not (self._pool.has_free if oversized is None else self._pool.has_free_oversized):
            yield _Wait.REGION if oversized is None else _Wait.OVERSIZED
        self._region = self._pool.take() if oversized is None else self._pool.take_oversized(oversized)
        self._is_oversized = oversized is not None

    def _ship(self, oid: int, size: int, *, ends: bool) -> None:
        if self._region is not None:
            number, _ = self._region
            self._region = None
            self._pool.ship(number, size, {"oid": oid, "ends": ends})

    def _put_back(self) -> None:
        if self._region is not None:
            number, _ = self._region
            self._region = None
            self._pool.put_back(number)
