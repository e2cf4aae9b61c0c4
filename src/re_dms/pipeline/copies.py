"""The encoder's half of copies: which tables and ranges of blocks are read, and what comes of them into the open batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pydantic import TypeAdapter

from re_dms.decode.copy import find_lines
from re_dms.journal.raw_csv import STRUCTURED, read_lines, take_lines
from re_dms.lsn import LSN
from re_dms.pipeline.batch import Batch
from re_dms.pipeline.buffers import PAD
from re_dms.pipeline.channel import Channel
from re_dms.pipeline.regions import Regions
from re_dms.pipeline.relations import Relations
from re_dms.schema import Relation
from re_dms.settings import CaptureSettings
from re_dms.source.catalog import CatalogTable, describe
from re_dms.source.connection import Connection
from re_dms.source.export import count_pages, under_snapshot
from re_dms.source.publication import PublishedTable
from re_dms.source.relations import relation_from_catalog
from re_dms.source.watched import look

log = structlog.get_logger()
_RELATION: Final = TypeAdapter(Relation)
_RANGE_PAGES_MIN: Final = 1024  # 8 MB: a range costs a few statements
_RANGE_PAGES_MAX: Final = 8192
_RANGES_A_CONNECTION_MIN: Final = 2  # so that no connection works alone for long at a table's end
_AHEAD: Final = 2  # orders a connection that wait with the reader

Pages = tuple[int, int | None]


def split(pages: int, connections: int) -> list[Pages | None]:
    """Ranges of a table's blocks: from the first to before the second, the last one to the end, however the table has
    grown. One of None is the whole table."""
    count = min(pages // _RANGE_PAGES_MIN, max(_RANGES_A_CONNECTION_MIN * connections, -(-pages // _RANGE_PAGES_MAX)))
    if connections == 1 or count < 2:
        return [None]
    borders = [pages * number // count for number in range(count)]
    return list(zip(borders, [*borders[1:], None], strict=True))


@dataclass
class _Table:
    published: PublishedTable
    relation: Relation
    ranges: list[Pages | None]
    left: int  # ranges that have not ended


class Copies:
    """Copies tables into batches, small ones together; a batch never ends within a table.

    `receive` gives the reader's next message, `open_batch` the open batch, `seal` makes it exist.
    """

    def __init__(
        self,
        *,
        sql: Connection,
        publication: str,
        reader: Channel,
        control: Channel,
        regions: Regions,
        relations: Relations,
        capture: CaptureSettings,
        receive: Callable[[], dict[str, Any]],
        open_batch: Callable[[], Batch],
        seal: Callable[[], object],
    ) -> None:
        self._sql = sql
        self._publication = publication
        self._reader = reader
        self._control = control
        self._regions = regions
        self._relations = relations
        self._capture = capture
        self._receive = receive
        self._open_batch = open_batch
        self._seal = seal
        self._under_way: dict[int, _Table] = {}  # in the order in which they were asked for
        self._done: list[int] = []
        self._unsealed = 0  # tables of the open batch

    def run(self, tables: Sequence[PublishedTable]) -> list[int]:
        """Copy these tables under one temporary snapshot (protocol line 16). The OIDs of those that are in batches now:
        all but those that were altered meanwhile."""
        self._reader.send({"do": "snapshot"})
        taken = self._receive()
        self._position = LSN.parse(taken["position"])
        oids = [table.oid for table in tables]
        with under_snapshot(self._sql, taken["snapshot"]):
            described = describe(self._sql, oids)
            self._watched = look(self._sql, self._publication, oids)
            pages = count_pages(self._sql, oids)
        log.info("copy_started", tables=len(tables), snapshot=str(self._position))
        waiting = [self._plan(table, described[table.oid], pages) for table in tables if table.oid in described]
        ahead = _AHEAD * self._capture.copy_connections
        while waiting or self._under_way:
            while waiting and len(self._under_way) < ahead and not self._is_full:
                self._ask(waiting.pop(0))
            self._take(self._receive())
            self._end(len(tables))
            if not self._under_way and self._unsealed and (self._is_full or not waiting):
                self._seal()
                self._unsealed = 0
        return self._done

    @property
    def _is_full(self) -> bool:
        return self._open_batch().bytes >= self._capture.flush_bytes

    def _plan(self, table: PublishedTable, described: CatalogTable, pages: Mapping[int, int]) -> _Table:
        relation = relation_from_catalog(described, columns=table.columns, generated=table.generated)
        ranges = split(pages.get(table.oid, 0), self._capture.copy_connections)
        return _Table(published=table, relation=relation, ranges=ranges, left=len(ranges))

    def _ask(self, table: _Table) -> None:
        self._under_way[table.relation.oid] = table
        order = {
            "do": "copy",
            "relation": _RELATION.dump_python(table.relation, mode="json"),
            "partitioned": table.published.partitioned,
            "row_filter": table.published.row_filter,
            "null": self._open_batch().null,
            "ranges": table.ranges,
        }
        self._reader.send(order)

    def _take(self, message: dict[str, Any]) -> None:
        """What the reader says: lines of a table, or that it was altered; then nothing of it counts."""
        oid = message["oid"]
        table = self._under_way.get(oid)
        if message.get("did") == "altered":
            self._under_way.pop(oid, None)
            self._open_batch().drop_copy(oid)
            return
        if table is not None:
            self._add(table.relation, message)
            table.left -= message["ends"]
        self._regions.give_back(message)

    def _add(self, relation: Relation, part: dict[str, Any]) -> None:
        """The lines of a part into the open batch; nothing refers to their region afterwards."""
        batch, region = self._open_batch(), self._regions.bytes(part)
        starts, lengths = find_lines(region[:-PAD])
        lines = take_lines(region, starts, lengths, relation, null=batch.null)
        if any(column.type.kind in STRUCTURED for column in relation.columns):
            batch.add_copy(relation, read_lines(lines))
        else:
            batch.add_copied_lines(lines)

    def _end(self, count: int) -> None:
        """Tables that are whole become steps, in the order in which they were asked for."""
        for oid, table in list(self._under_way.items()):
            if table.left:
                return
            del self._under_way[oid]
            self._open_batch().end_copy(table.relation, self._position)
            seen = self._watched.get(oid)
            self._relations.copied(table.relation, self._position, None if seen is None else seen.watched)
            self._done.append(oid)
            self._unsealed += 1
            name = table.published.full_name
            self._control.send({"event": "copied", "table": name, "done": len(self._done), "of": count})
