"""The reader: a process that lays what Postgres sends into shared buffers, and confirms what the journal holds.

It knows no columns and no types. The encoder, its neighbour, tells it what to do:

    snapshot  make a temporary slot and tell its position and its exported snapshot
    copy      copy a table under that snapshot
    stream    stream the slot, from its own confirmed position on, until told to drain
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from re_dms.errors import InvariantError
from re_dms.failpoints import failpoint
from re_dms.pipeline.ring import Ring
from re_dms.pipeline.stream import Stream
from re_dms.pipeline.surroundings import Surroundings
from re_dms.settings import MIB, SourceSettings
from re_dms.source.replication import ReplicationConnection

if TYPE_CHECKING:
    from re_dms.pipeline.copying import Copying

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
        self.copying: Copying | None = None

    def run(self) -> None:
        """Carry out the encoder's orders until the stream has drained."""
        while True:
            while not self.orders:
                (self.copying or self.ring).poll(1.0)
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
        if self.copying is not None:
            self.copying.close()
            self.copying = None
        if self.snapshot is not None:
            self.snapshot.close()
            self.snapshot = None

    def _copy(self, order: dict[str, Any]) -> None:
        """This order, and those that come while it is carried out."""
        from re_dms.pipeline.copying import Copying

        if self.copying is None:
            self.copying = Copying(
                self.source,
                self.ring.encoder,
                self.orders,
                snapshot=self.snapshot_name,
                capacity=self.ring.capacity,
                connections=self.surroundings.settings.capture.copy_connections,
            )
        self.orders.insert(0, order)
        self.copying.run()


def run(surroundings: Surroundings) -> None:
    """The process's life."""
    source = surroundings.settings.source
    if source is None:
        raise InvariantError("the reader needs a source")
    Reader(surroundings, source).run()
