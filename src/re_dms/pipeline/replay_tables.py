"""The tables of a replay: carried from their first line on, as the catalog (of the source, or of a schema file) has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from re_dms.decode.decoded import Decoded
from re_dms.decode.lines import Layout, LineTable
from re_dms.errors import ConfigurationError, RelationChanged
from re_dms.lsn import LSN
from re_dms.manifest import TableState
from re_dms.pipeline.batch import Batch
from re_dms.pipeline.line_resolver import LineResolver, Name
from re_dms.pipeline.relations import TablesChanged
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
            names_of = [(table.schema, table.name) for table in tables.line(now[name])] if line else [name]
            carried = any(oid in self.relations.tables for oid in line) or (not line and name in then)
            if carried and not self._is_chosen(*names_of):
                raise ConfigurationError(
                    f"table {'.'.join(name)} has rows in the stream, is carried, and is left out now",
                    remedy="include it again, or give --forget (its target stays as it is)",
                )
            if line and not any(oid in self.relations.tables for oid in line):
                wanted = self.catalog.wanted() if wanted is None else wanted
                new |= wanted.intersection(line)
        for oid, table in self.catalog.describe(sorted(new)).items():
            self.relations.tables[oid] = TableState(relation=relation_from_catalog(table))
            self.fresh.add(oid)
        return super().locate(names)

    def resolve(self, asked: Sequence[LineTable]) -> list[Layout | None]:
        """As for a stream; but there is no source to copy a table from, and nothing to wait for.

        Raises RelationChanged for lines that the catalog does not know (any more).
        """
        try:
            return super().resolve(asked)
        except (RelationChanged, TablesChanged) as error:
            raise RelationChanged(error.message, remedy=_UNKNOWN_REMEDY) from None

    def _is_chosen(self, *names: Name) -> bool:
        """Whether a table is, by its own name or that of what it is a partition of."""
        if any(pattern.matches(*name) for pattern in self.exclude for name in names):
            return False
        return not self.include or any(pattern.matches(*name) for pattern in self.include for name in names)

    def forgotten(self) -> tuple[int, ...]:
        """Tables that are carried and left out now: they are carried no more."""
        gone = [
            oid
            for oid, state in self.relations.tables.items()
            if not self._is_chosen((state.relation.schema, state.relation.name))
        ]
        for oid in gone:
            del self.relations.tables[oid]
        self.relations.sealed()  # a batch that is given up does not bring them back
        return tuple(gone)

    def begin(self, decoded: Decoded, batch: Batch, position: LSN) -> None:
        """Targets of tables whose first lines these are begin empty, as of `position`.

        Raises RelationChanged for what cannot be followed: a stream stops there and copies the table, which nobody can
        do here, so that nothing of it may come into the journal.
        """
        for oid, events in decoded.tables:
            for event in events:
                if event.diverged is not None:
                    raise RelationChanged(
                        f"table {event.relation.full_name} cannot be followed: {event.diverged}",
                        remedy="leave it out with --exclude (and --forget, if it is carried already), or record again with"
                        " a replica identity",
                    )
            if oid in self.fresh:
                self.fresh.discard(oid)
                relation = events[0].relation
                self.relations.copied(relation, LSN(0))
                batch.end_copy(relation, position)
