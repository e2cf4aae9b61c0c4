"""Relations in the encoder: what the stream's Relation messages mean, beside the catalog and what was known before.

Protocol lines 14 and 15: a version is new only when its content (with attnums) differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import psycopg
import structlog

from re_dms.decode.decoded import Decoded, TableEvents
from re_dms.decode.pgoutput import WireRelation
from re_dms.errors import SourceError
from re_dms.lsn import LSN
from re_dms.manifest import PublicationMark, TableState, Watched
from re_dms.schema import KeyKind, Relation
from re_dms.settings import SourceSettings
from re_dms.source.carried import plan_tables
from re_dms.source.catalog import CatalogTable, describe
from re_dms.source.relations import relation_from_wire

log = structlog.get_logger()

_TRUNCATES_KEPT: Final = 100
_UNKNOWN: Final = "rows came of a version that was changed again before it was read"


class TablesChanged(SourceError):
    """The published tables are not those that capture planned for: plan again."""

    retry = True


def of_unknown_version(relation: Relation) -> Relation:
    """Stands for a version of the table that nobody knows any more: it has no columns, and no row of it can be taken."""
    return replace(relation, identity="n", key_kind=KeyKind.APPEND, key=(), columns=())


def is_of_unknown_version(relation: Relation) -> bool:
    """Whether `of_unknown_version` made it; a table like it is never carried."""
    return relation.identity == "n" and not relation.columns


class KnownTables:
    """All tables that the pipeline carries. `changed` tells that the registry has to be written with the next batch."""

    def __init__(self, tables: dict[int, TableState], publication: PublicationMark | None = None) -> None:
        self.passed_over: set[tuple[str, str]] = set()
        """(schema, name) of tables whose lines nothing was taken of: what becomes a partition later, came late."""
        self.tables = tables
        self.publication = publication
        self.changed = False
        self._copied_at: dict[int, LSN] | None = None
        self.sealed()

    @property
    def copied_at(self) -> dict[int, LSN]:
        """Per table the position of its copy: the stream's rows before it are in the copy."""
        if self._copied_at is None:  # asked for every part, and there may be thousands of tables
            self._copied_at = {
                oid: state.copied_at for oid, state in self.tables.items() if state.copied_at is not None
            }
        return self._copied_at

    def copied(self, relation: Relation, position: LSN, watched: Watched | None = None) -> None:
        """A copy of the table as of `position` is about to be in the journal; `watched` is of the same moment."""
        self.tables[relation.oid] = TableState(relation=relation, copied_at=position, watched=watched)
        self._copied_at = None
        self.changed = True

    def watch(self, oid: int, watched: Watched, *, relation: Relation | None = None) -> None:
        """What the watcher saw of the table is what later looks are compared with."""
        state = self.tables[oid]
        more = {"watched": watched, "truncated_by": (), "relation": relation or state.relation}
        self.tables[oid] = state.model_copy(update=more)
        self.changed = True

    def diverged(self, oid: int, reason: str) -> None:
        """The table's target waits for a copy."""
        log.warning("table_diverged", table=self.tables[oid].relation.full_name, reason=reason)
        self.tables[oid] = self.tables[oid].model_copy(update={"diverged": reason})
        self.changed = True

    def follow(self, decoded: Decoded) -> Decoded:
        """What was decoded is about to be in the open batch: its versions are those that are known now.

        Rows of a version that nobody knows become a divergence; if they turn out to be in the table's copy, they are
        retracted, and it with them. Returns what the batch takes.
        """
        for oid in decoded.retracted:
            # All that was streamed of the table so far is in its copy: its version is the copy's again.
            self.tables[oid] = self.tables[oid].model_copy(update={"relation": self._in_journal[0][oid].relation})
        tables = tuple((oid, tuple(self._followed(oid, events))) for oid, events in decoded.tables)
        self.truncated(decoded.truncated_by)
        return replace(decoded, tables=tables)

    def _followed(self, oid: int, events: Sequence[TableEvents]) -> Iterator[TableEvents]:
        lost = False
        for event in events:
            known = self.tables[oid]
            if is_of_unknown_version(event.relation):
                if not lost:
                    yield replace(event, relation=known.relation, frame=None, truncate=False, diverged=_UNKNOWN)
                lost = True
                continue
            lost = False
            if event.relation != known.relation:
                log.info("relation_changed", table=event.relation.full_name)
                self.tables[oid] = known.model_copy(update={"relation": event.relation})
                self.changed = True
            yield event

    def truncated(self, xids: Mapping[int, tuple[int, ...]]) -> None:
        """These transactions emptied tables, in the stream: their new files are explained."""
        for oid, more in xids.items():
            state = self.tables.get(oid)
            if state is not None:
                kept = (*state.truncated_by, *more)[-_TRUNCATES_KEPT:]
                self.tables[oid] = state.model_copy(update={"truncated_by": kept})
                # A plain table's new file alone says nothing: not worth a registry.
                self.changed = self.changed or bool(state.watched and state.watched.leaves)

    def sealed(self) -> None:
        """What is known is in the journal."""
        self._in_journal = dict(self.tables), self.publication
        self.changed = False

    def revert(self) -> None:
        """Know again what the journal knows: the open batch is given up, the stream is sent again from its start."""
        tables, self.publication = self._in_journal
        self.tables, self._copied_at = dict(tables), None
        self.changed = False


class Relations(KnownTables):
    """The tables of a stream, and what pgoutput's Relation messages mean beside them."""

    def __init__(
        self,
        sql: psycopg.Connection,
        source: SourceSettings,
        pipeline: str,
        tables: dict[int, TableState],
        publication: PublicationMark | None = None,
    ) -> None:
        super().__init__(tables, publication)
        self._sql = sql
        self._source = source
        self._pipeline = pipeline
        self._ignored: set[int] = set()

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
            if table is not None and self.is_wanted(wire.oid):
                raise TablesChanged(
                    f"table {wire.schema}.{wire.name} joined the publication; starting again to copy it"
                )
            self._ignored.add(wire.oid)
            return None
        relation = relation_from_wire(wire, table, known.relation)
        if relation != known.relation:
            log.info("relation_changed", table=relation.full_name, lsn=str(wire.lsn))
            self.tables[wire.oid] = known.model_copy(update={"relation": relation})
            self.changed = True
        return relation

    def is_wanted(self, oid: int) -> bool:
        """Whether a table that is not carried is to be: the pipeline has to start again to copy it."""
        plan = plan_tables(self._sql, self._source, pipeline=self._pipeline, carried=self.tables)
        return any(table.oid == oid for table in plan.tables)
