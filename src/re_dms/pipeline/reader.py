"""The reader: a process that lays what Postgres sends into shared buffers, and confirms what the journal holds.

It knows no columns and no types. The encoder, its neighbour, tells it what to do:

    snapshot  make a temporary slot and tell its position and its exported snapshot
    copy      run one COPY statement under that snapshot
    stream    stream the slot, from its own confirmed position on, until told to drain
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog

from re_dms.errors import InvariantError
from re_dms.failpoints import failpoint
from re_dms.pipeline.ring import Ring
from re_dms.pipeline.stream import Stream
from re_dms.pipeline.surroundings import Surroundings
from re_dms.schema import Relation
from re_dms.settings import MIB, SourceSettings
from re_dms.source.connection import Connection, connect
from re_dms.source.export import TableAltered, iter_copy, under_snapshot
from re_dms.source.replication import ReplicationConnection

log = structlog.get_logger()
_BUFFER_BYTES_MAX: Final = 16 * MIB  # the unit of encoding: a batch of more has several parts


class Reader:
    """State of the process: the ring of buffers and what the encoder asked for."""

    def __init__(self, surroundings: Surroundings, source: SourceSettings) -> None:
        self.surroundings = surroundings
        self.source = source
        self.orders: list[dict[str, Any]] = []
        capacity = min(surroundings.settings.capture.flush_bytes, _BUFFER_BYTES_MAX)
        self.ring = Ring(surroundings.channels["encoder"], capacity, self.orders.append)
        self.snapshot: ReplicationConnection | None = None
        self.snapshot_name = ""
        self.copies: Connection | None = None

    def run(self) -> None:
        """Carry out the encoder's orders until the stream has drained."""
        while True:
            while not self.orders:
                self.ring.poll(1.0)
            order = self.orders.pop(0)
            match order["do"]:
                case "snapshot":
                    self._export_snapshot()
                case "copy":
                    self._copy(order)
                case "stream":
                    self._close_snapshot()
                    Stream(self.surroundings, self.source, self.ring, self.orders, order).run()
                    return
                case other:
                    raise InvariantError(f"the reader knows no order {other!r}")

    def _export_snapshot(self) -> None:
        self._close_snapshot()
        self.snapshot = ReplicationConnection.open(self.source)
        exported = self.snapshot.create_temporary_slot()
        self.snapshot_name = exported.snapshot
        failpoint("copy.snapshot")
        self.ring.encoder.send({"did": "snapshot", "position": str(exported.position), "snapshot": exported.snapshot})

    def _close_snapshot(self) -> None:
        if self.copies is not None:
            self.copies.close()
            self.copies = None
        if self.snapshot is not None:
            self.snapshot.close()
            self.snapshot = None

    def _copy(self, order: dict[str, Any]) -> None:
        """One table, as COPY BINARY tuples; the last part says so even when it is empty."""
        from pydantic import TypeAdapter

        relation = TypeAdapter(Relation).validate_python(order["relation"])
        if self.copies is None:
            self.copies = connect(self.source, purpose="copy")
        try:
            self._copy_rows(self.copies, relation, order)
        except TableAltered as error:
            log.warning("copied_later", table=relation.full_name, reason=error.message)
            self.ring.encoder.send({"did": "altered"})
            return
        failpoint("copy.streamed")

    def _copy_rows(self, session: Connection, relation: Relation, order: dict[str, Any]) -> None:
        ring, part = self.ring, {"kind": "copy", "oid": relation.oid}
        with under_snapshot(session, self.snapshot_name):
            rows = iter_copy(session, relation, partitioned=order["partitioned"], row_filter=order["row_filter"])
            for row in rows:
                if not ring.writer.append(row):
                    self._wait_until(lambda: ring.has_free)
                    ring.ship(part | {"ends": False}, len(ring.writer.lengths))
                    ring.writer.append(row)
        self._wait_until(lambda: ring.has_free)
        ring.ship(part | {"ends": True}, len(ring.writer.lengths))

    def _wait_until(self, is_there: Callable[[], bool]) -> None:
        # No replication stream is open during a copy: nothing has to be kept alive while we wait.
        while not is_there():
            self.ring.poll(1.0)


def run(surroundings: Surroundings) -> None:
    """The process's life."""
    source = surroundings.settings.source
    if source is None:
        raise InvariantError("the reader needs a source")
    Reader(surroundings, source).run()
