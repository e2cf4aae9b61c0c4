"""Relations in the encoder: what the stream's Relation messages mean, beside the catalog and what was known before.

Protocol lines 14 and 15: a version is new only when its content (with attnums) differs.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import structlog

from re_dms.decode.pgoutput import WireRelation
from re_dms.errors import SourceError
from re_dms.lsn import LSN
from re_dms.manifest import TableState
from re_dms.schema import Relation
from re_dms.settings import SourceSettings
from re_dms.source.catalog import CatalogTable, describe
from re_dms.source.publication import plan_publication
from re_dms.source.relations import relation_from_wire

log = structlog.get_logger()


class TablesChanged(SourceError):
    """The published tables are not those that capture planned for: plan again."""

    retry = True


class Relations:
    """All tables that the pipeline carries. `changed` tells that the registry has to be written with the next batch."""

    def __init__(
        self, sql: psycopg.Connection, source: SourceSettings, pipeline: str, tables: dict[int, TableState]
    ) -> None:
        self._sql = sql
        self._source = source
        self._pipeline = pipeline
        self._ignored: set[int] = set()
        self.tables = tables
        self.changed = False
        self.sealed()

    @property
    def copied_at(self) -> dict[int, LSN]:
        """Per table the position of its copy: the stream's rows before it are in the copy."""
        return {oid: state.copied_at for oid, state in self.tables.items() if state.copied_at is not None}

    def copied(self, relation: Relation, position: LSN) -> None:
        """A copy of the table as of `position` is about to be in the journal."""
        self.tables[relation.oid] = TableState(relation=relation, copied_at=position)
        self.changed = True

    def sealed(self) -> None:
        """What is known is in the journal."""
        self._in_journal = dict(self.tables)
        self.changed = False

    def revert(self) -> None:
        """Know again what the journal knows: the open batch is given up, the stream is sent again from its start."""
        self.tables = dict(self._in_journal)
        self.changed = False

    def resolve(self, wires: Sequence[WireRelation]) -> list[Relation | None]:
        """The relation of each message, None for tables that are not carried. Reads the catalog once.

        Raises RelationChanged (what cannot be told apart), TablesChanged (a new table), SourceUnavailable.
        """
        carried = [wire for wire in wires if wire.oid not in self._ignored]
        if not carried:
            return [None] * len(wires)
        described = describe(self._sql, sorted({wire.oid for wire in carried}))
        return [self._resolve(wire, described) for wire in wires]

    def _resolve(self, wire: WireRelation, described: dict[int, CatalogTable]) -> Relation | None:
        if wire.oid in self._ignored:
            return None
        known = self.tables.get(wire.oid)
        table = described.get(wire.oid)
        if known is None:
            # What was made, published, filled and dropped again while we lagged has left nothing to carry.
            if table is not None and self._is_wanted(wire.oid):
                raise TablesChanged(
                    f"table {wire.schema}.{wire.name} joined the publication; starting again to copy it"
                )
            self._ignored.add(wire.oid)
            return None
        relation = relation_from_wire(wire, table, known.relation)
        if relation != known.relation:
            log.info("relation_changed", table=relation.full_name, lsn=str(wire.lsn))
            self.tables[wire.oid] = TableState(relation=relation, copied_at=known.copied_at)
            self.changed = True
        return relation

    def _is_wanted(self, oid: int) -> bool:
        plan = plan_publication(self._sql, self._source, pipeline=self._pipeline)
        return any(table.oid == oid for table in plan.tables)
