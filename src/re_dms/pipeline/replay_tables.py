"""The tables of a replay: carried from their first line on, as the catalog (of the source, or of a schema file) has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from re_dms.decode.decoded import Decoded
from re_dms.errors import RelationChanged
from re_dms.lsn import LSN
from re_dms.manifest import TableState
from re_dms.pipeline.batch import Batch
from re_dms.pipeline.line_resolver import LineResolver, Name
from re_dms.source.patterns import TablePattern
from re_dms.source.relations import relation_from_catalog

_UNKNOWN_REMEDY: Final = (
    "check --source (or give the catalog of that time with --schema), or leave the table out with --exclude"
)


@dataclass
class ReplayResolver(LineResolver):
    """Takes in the tables that `include` and `exclude` choose as their lines come. `fresh`: those that no batch has yet."""

    include: Sequence[TablePattern] = ()
    exclude: Sequence[TablePattern] = ()
    fresh: set[int] = field(default_factory=set)

    def locate(self, names: Sequence[Name]) -> list[int | None]:
        """As for a stream, but that a table which is new is taken in, and a name that nobody knows is refused.

        Raises RelationChanged for a table that is chosen and in no catalog: its rows would be dropped in silence.
        """
        tables = self.catalog.tables()
        now = {(table.schema, table.name): table.oid for table in tables.values()}
        then = self._remembered()
        wanted: set[int] | None = None
        new: set[int] = set()
        for name in names:
            if name not in now and name not in then and self._is_chosen(name):
                raise RelationChanged(
                    f"table {'.'.join(name)} has rows in the stream and is not in the catalog", remedy=_UNKNOWN_REMEDY
                )
            line = [] if name not in now else [table.oid for table in tables.line(now[name])]
            if line and not any(oid in self.relations.tables for oid in line):
                wanted = self.catalog.wanted() if wanted is None else wanted
                new |= wanted.intersection(line)
        for oid, table in self.catalog.describe(sorted(new)).items():
            self.relations.tables[oid] = TableState(relation=relation_from_catalog(table))
            self.fresh.add(oid)
        return super().locate(names)

    def _is_chosen(self, name: Name) -> bool:
        if any(pattern.matches(*name) for pattern in self.exclude):
            return False
        return not self.include or any(pattern.matches(*name) for pattern in self.include)

    def begin(self, decoded: Decoded, batch: Batch, position: LSN) -> None:
        """Targets of tables whose first lines these are begin empty, as of `position`."""
        for oid, events in decoded.tables:
            if oid in self.fresh:
                self.fresh.discard(oid)
                relation = events[0].relation
                self.relations.copied(relation, LSN(0))
                batch.end_copy(relation, position)
