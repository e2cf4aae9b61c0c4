"""The catalog watcher: when it looks, and from which position on what it saw counts (protocol line 15).

"Now" in the catalog is not "then" in the stream. A look is judged only once the stream has passed a position that was
taken after it: then every row and every Relation message from before the look was seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from re_dms.errors import RESET, ChangesMissing
from re_dms.lsn import LSN
from re_dms.manifest import PublicationMark
from re_dms.pipeline.relations import Relations, TablesChanged
from re_dms.schema import AddColumn, DropColumn, NotFollowed, Relation, diff
from re_dms.settings import SourceSettings
from re_dms.source.carried import plan_tables, wanted_oids
from re_dms.source.catalog import CatalogTable, describe
from re_dms.source.connection import Connection
from re_dms.source.failures import reported
from re_dms.source.plugins import has_publication
from re_dms.source.publication import PublishedTable
from re_dms.source.relations import relation_from_catalog
from re_dms.source.slot import current_position
from re_dms.source.watched import (
    Seen,
    divergences,
    holds_unsent_rows,
    look,
    new_leaves,
    read_publication,
)

log = structlog.get_logger()

_SHARE_MAX: Final = 0.02
"""Of the time, at most this much is spent looking, however many tables there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a look tells of one table: it `diverged` for a reason, or its columns are `altered` and can be followed."""

    relation: Relation
    diverged: str | None = None
    altered: Relation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What was seen, and the position after it. `relations` are those that were known then: what changes later by a
    Relation message is not compared with what was seen earlier."""

    position: LSN
    seen: Mapping[int, Seen]
    filled: Mapping[int, frozenset[int]]
    described: Mapping[int, CatalogTable]
    relations: Mapping[int, Relation]
    copied_at: Mapping[int, LSN | None]


class Watcher:
    """Looks every `seconds`, at the encoder's leisure, through the encoder's own session."""

    def __init__(
        self, sql: Connection, source: SourceSettings, pipeline: str, relations: Relations, *, seconds: float
    ) -> None:
        self._sql = sql
        self._source = source
        self._pipeline = pipeline
        self._relations = relations
        self._seconds = seconds
        self._pending: _Look | None = None
        self._next = 0.0
        self._ignored: set[int] = set()
        self._published: dict[int, PublishedTable] = {}

    def patience(self, now: float) -> float:
        """Seconds until the next look is due."""
        return max(0.0, self._next - now)

    def look_if_due(self, now: float) -> None:
        """Look when it is time and the last look was judged.

        Raises ChangesMissing when the publication is another one or was altered, TablesChanged when tables came or went.
        """
        if now < self._next:
            return
        if self._pending is None:
            self._look()
        self._next = time.monotonic() + max(self._seconds, (time.monotonic() - now) / _SHARE_MAX)

    def look_first(self) -> LSN:
        """The first look, right after the plan, which knows who is published. Returns the position to pass."""
        self._see_publication()
        self._see()
        self._next = time.monotonic() + self._seconds
        return LSN(0) if self._pending is None else self._pending.position

    def judge(self, passed: LSN) -> Iterator[Found]:
        """What the last look tells, once all before it was streamed (`passed`: up to here). The registry knows it then."""
        pending = self._pending
        if pending is None or passed < pending.position:
            return
        self._pending = None
        for oid, seen in pending.seen.items():
            state = self._relations.tables.get(oid)
            if state is None or state.copied_at != pending.copied_at[oid]:
                continue  # its copy is newer than this look
            if state.watched is None:
                self._relations.watch(oid, seen.watched)
                continue
            reasons = list(
                divergences(
                    state.watched, seen, truncated_by=state.truncated_by, filled=pending.filled.get(oid, frozenset())
                )
            )
            if oid in pending.described and state.relation == pending.relations.get(oid):
                table = pending.described[oid]
                now = self._as_sent(table, state.relation)
                changes = diff(state.relation, now)
                reasons += [change.what for change in changes if isinstance(change, NotFollowed)]
                if not reasons and any(isinstance(change, AddColumn | DropColumn) for change in changes):
                    self._relations.watch(oid, seen.watched, relation=now)
                    yield Found(relation=state.relation, altered=now)
                    continue
            if seen.watched != state.watched or state.truncated_by:
                self._relations.watch(oid, seen.watched)
            if reasons:
                yield Found(relation=state.relation, diverged="; ".join(dict.fromkeys(reasons)))

    # ------------------------------------------------------------------ looking

    def _look(self) -> None:
        self._see_publication()
        self._see_tables()
        self._see()

    def _see(self) -> None:
        tables = self._relations.tables
        with reported("watching the catalog"):
            self._sql.execute("begin isolation level repeatable read read only")
        try:
            seen = look(self._sql, self._source.publication, tables)
            changed = [oid for oid, each in seen.items() if self._may_have_columns_changed(oid, each)]
            described = describe(self._sql, changed) if changed else {}
        finally:
            if not self._sql.closed:
                with reported("watching the catalog"):
                    self._sql.execute("rollback")
        if any(oid not in self._published for oid in described):
            plan = plan_tables(self._sql, self._source, pipeline=self._pipeline, carried=self._relations.tables)
            self._published = {table.oid: table for table in plan.tables}
        self._pending = _Look(
            seen=seen,
            filled={oid: frozenset(self._filled(oid, each)) for oid, each in seen.items() if each.leaves},
            described=described,
            copied_at={oid: tables[oid].copied_at for oid in seen},
            relations={oid: tables[oid].relation for oid in described},
            position=current_position(self._sql),  # last: all that was seen lies before it
        )

    def _may_have_columns_changed(self, oid: int, seen: Seen) -> bool:
        known = self._relations.tables[oid].watched
        if known is None:
            return True
        now = seen.watched
        return (known.name, known.identity, known.key, known.columns) != (now.name, now.identity, now.key, now.columns)

    def _filled(self, oid: int, seen: Seen) -> Iterator[int]:
        known = self._relations.tables[oid].watched
        if known is not None:
            for leaf, told in new_leaves(known, seen):
                late = (leaf.schema, leaf.name) in self._relations.passed_over
                if late or holds_unsent_rows(self._sql, leaf if told else replace(leaf, created_so=False)):
                    yield leaf.oid

    def _as_sent(self, table: CatalogTable, known: Relation) -> Relation:
        published = self._published.get(table.oid)
        if published is None:
            return known
        now = relation_from_catalog(table, columns=published.columns, generated=published.generated)
        # What a type is called may change; the type does not.
        types = {column.attnum: column.type for column in known.columns}
        columns = tuple(
            replace(column, type=types[column.attnum])
            if column.attnum in types
            and (types[column.attnum].oid, types[column.attnum].typmod) == (column.type.oid, column.type.typmod)
            else column
            for column in now.columns
        )
        return replace(now, columns=columns)

    def _see_publication(self) -> None:
        if not has_publication(self._source):
            return
        mark, known = read_publication(self._sql, self._source.publication), self._relations.publication
        name = self._source.publication
        if mark is None:
            raise ChangesMissing(
                f"publication {name!r} has gone; what is written meanwhile cannot be read", remedy=RESET
            )
        if known is not None and mark.oid != known.oid:
            raise ChangesMissing(
                f"publication {name!r} was dropped and made again; what was written meanwhile is missing", remedy=RESET
            )
        if known is not None and mark.writer != known.writer and mark.owner == known.owner:
            raise ChangesMissing(
                f"publication {name!r} was altered; operations that it left out meanwhile are missing", remedy=RESET
            )
        self._know(mark, known)

    def _know(self, mark: PublicationMark, known: PublicationMark | None) -> None:
        if mark != known:
            self._relations.publication = mark
            self._relations.changed = True

    def _see_tables(self) -> None:
        """Tables came into the publication or left it, or (without one) are chosen now or no longer."""
        wanted, carried = wanted_oids(self._sql, self._source), set(self._relations.tables)
        where = "the publication" if has_publication(self._source) else "those that are chosen"
        if gone := carried - wanted:
            names = ", ".join(self._relations.tables[oid].relation.full_name for oid in sorted(gone)[:5])
            raise TablesChanged(f"{len(gone)} tables were dropped or left {where}: {names}; looking again")
        new = wanted - carried - self._ignored
        if not new:
            return
        plan = plan_tables(self._sql, self._source, pipeline=self._pipeline, carried=self._relations.tables)
        if joined := [table.full_name for table in plan.tables if table.oid in new]:
            raise TablesChanged(f"{len(joined)} tables joined {where}: {', '.join(joined[:5])}; starting again")
        self._ignored |= new
