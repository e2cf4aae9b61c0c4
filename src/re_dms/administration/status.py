"""Collecting a `Status`: each place is asked on its own, and one that cannot be reached is a problem, not an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from re_dms.administration.places import connected, followed, require_ours
from re_dms.errors import ReDmsError
from re_dms.journal.journal import Journal
from re_dms.journal.opening import open_store
from re_dms.lsn import LSN
from re_dms.manifest import Manifest, Root, TableState
from re_dms.observe.status import (
    JournalStatus,
    SourceStatus,
    Status,
    TableStatus,
    WarehouseStatus,
    consistency,
)
from re_dms.settings import Settings
from re_dms.source.slot import current_position, read_slot
from re_dms.warehouse import base
from re_dms.warehouse.opening import open_warehouse

_MANIFESTS_READ_MAX: Final = 20
Part = TypeVar("Part")


@dataclass
class _Found:
    """What has been read so far. `answers` counts the places that could be read."""

    problems: list[str] = field(default_factory=list)
    failures: list[ReDmsError] = field(default_factory=list)
    answers: int = 0
    root: Root | None = None
    tail: Manifest | None = None
    registry: dict[int, TableState] = field(default_factory=dict)
    recorded: base.WarehouseStatus | None = None
    rows: dict[int, int] = field(default_factory=dict)
    oldest_waiting_us: int | None = None


def collect(settings: Settings) -> Status:
    """The pipeline's status. Changes nothing, anywhere.

    Places that are not configured are None; so are those that cannot be reached, with a line in `problems`. Raises
    the first error when no place could be read.
    """
    now, found = datetime.now(UTC), _Found()
    # The root says which journal the warehouse is asked about. Then upstream first, so that no part of a running
    # pipeline seems to be ahead of the one before it: the watermark is read before the tail, the slot before both.
    journal = _ask(found, "journal", lambda: _open_journal(settings, found))
    settings = followed(found.root, settings)
    source = _ask(found, "source", lambda: _source(settings))
    warehouse = _ask(found, "warehouse", lambda: _warehouse(settings, found))
    recorded = None if journal is None else _ask(found, "journal", lambda: _journal(journal, found))
    if not found.answers and found.failures:
        raise found.failures[0]
    _compare(found, source, recorded, warehouse)
    lag_bytes = _lag_bytes(source, recorded, warehouse)
    lag_seconds = _lag_seconds(found, recorded, now)
    if warehouse is not None and recorded is not None:
        warehouse = replace(warehouse, lag_seconds=lag_seconds)
    tables = _tables(found)
    # With nothing waiting and nobody capturing, what the source has not sent yet is of unknown age.
    is_followed = source is not None and (source.active or lag_bytes == 0)
    return Status(
        pipeline=settings.name,
        taken_at=now,
        source=source,
        journal=recorded,
        warehouse=warehouse,
        tables=tables,
        consistency=consistency(sum(table.awaiting_copy for table in tables)),
        lag_bytes=lag_bytes,
        lag_seconds=lag_seconds if is_followed or lag_seconds else None,
        problems=tuple(dict.fromkeys(found.problems)),
    )


def _ask(found: _Found, place: str, question: Callable[[], Part | None]) -> Part | None:
    try:
        answer = question()
    except ReDmsError as error:
        found.failures.append(error)
        found.problems.append(f"{place}: {' '.join(error.message.split())}")
        return None
    if answer is not None:
        found.answers += 1
    return answer


def _source(settings: Settings) -> SourceStatus | None:
    if settings.source is None:
        return None
    source = settings.source
    name = source.slot
    with connected(source, "status") as connection:
        slot, server = read_slot(connection, name, source.plugin), current_position(connection)
    if slot is None:
        return SourceStatus(slot=name, exists=False, server=server)
    confirmed = slot.confirmed_flush_lsn
    return SourceStatus(
        slot=name,
        exists=True,
        active=slot.active_pid is not None,
        state="lost" if slot.lost else slot.wal_status,
        server=server,
        confirmed=confirmed,
        restart=slot.restart_lsn,
        retained_bytes=slot.retained_bytes,
        lag_bytes=None if confirmed is None else max(0, server - confirmed),
    )


def _open_journal(settings: Settings, found: _Found) -> Journal:
    journal = Journal(open_store(settings.journal))
    root = journal.root()
    if root is not None:
        require_ours(root, settings)
    found.root = root
    return journal


def _warehouse(settings: Settings, found: _Found) -> WarehouseStatus | None:
    if settings.warehouse is None:
        return None
    warehouse = open_warehouse(settings.warehouse)
    journal_id = None if found.root is None else found.root.journal_id
    if journal_id is None:
        marks = [mark for mark in warehouse.pipelines() if mark.pipeline == settings.name]
        journal_id = marks[-1].journal_id if marks else None
    if journal_id is None:
        return WarehouseStatus(url=settings.warehouse.url, exists=False)
    found.recorded = warehouse.status(journal_id)
    found.rows = warehouse.row_counts(journal_id)
    mark = found.recorded.watermark
    if mark is None:
        return WarehouseStatus(url=settings.warehouse.url, exists=False)
    return WarehouseStatus(
        url=settings.warehouse.url, exists=True, batch=mark.batch, lsn=mark.lsn, applied_at=mark.applied_at
    )


def _journal(journal: Journal, found: _Found) -> JournalStatus:
    url = journal.store.url
    if found.root is None:
        return JournalStatus(url=url, exists=False)
    found.tail = journal.tail()
    if found.tail is not None:
        found.registry = journal.read_registry(found.tail.registry).tables
    tail_batch = 0 if found.tail is None else found.tail.number
    applied = _applied_batch(journal, found)
    waiting = None if applied is None else max(0, tail_batch - applied)
    if applied is not None:
        for number in range(applied + 1, min(tail_batch, applied + _MANIFESTS_READ_MAX) + 1):
            manifest = journal.manifest(number)
            if manifest is not None and manifest.commit_times_us:
                found.oldest_waiting_us = min(manifest.commit_times_us)
                break
    return JournalStatus(
        url=url,
        exists=True,
        journal_id=found.root.journal_id,
        tail_batch=tail_batch,
        tail_lsn=None if found.tail is None else found.tail.end,
        position=journal.newest_position(),
        batches_waiting=waiting,
    )


def _applied_batch(journal: Journal, found: _Found) -> int | None:
    """The watermark; where the warehouse cannot be asked, its mirror in the journal."""
    if found.recorded is not None:
        return 0 if found.recorded.watermark is None else found.recorded.watermark.batch
    mirror = journal.applied()
    return None if mirror is None else mirror.number


def _compare(
    found: _Found, source: SourceStatus | None, journal: JournalStatus | None, warehouse: WarehouseStatus | None
) -> None:
    """What the three places say about each other (protocol lines 1 and 5), as far as it is known."""
    if source is not None and source.state == "lost":
        found.problems.append(f"slot {source.slot} is lost: the source removed WAL that was needed; see `re-dms reset`")
    if journal is None:
        return
    known = _known(journal)
    if source is not None and known is not None:
        if not source.exists:
            found.problems.append(f"slot {source.slot} has gone: changes are missing; see `re-dms reset`")
        elif source.server is not None and source.server < known:
            found.problems.append(f"the source is at {source.server}, behind {known} that the journal holds")
    if journal.exists and warehouse is not None and (warehouse.batch or 0) > (journal.tail_batch or 0):
        found.problems.append(
            f"the warehouse holds batch {warehouse.batch}, the journal ends at {journal.tail_batch}: manifests are missing"
        )


def _known(journal: JournalStatus) -> LSN | None:
    known = [lsn for lsn in (journal.tail_lsn, journal.position) if lsn is not None]
    return max(known) if known else None


def _lag_bytes(
    source: SourceStatus | None, journal: JournalStatus | None, warehouse: WarehouseStatus | None
) -> int | None:
    """WAL between the source's position and the watermark; idle positions of the journal count once all is applied."""
    if source is None or source.server is None:
        return None
    reached = warehouse.lsn if warehouse is not None else None
    if journal is not None and journal.batches_waiting == 0:
        reached = max((lsn for lsn in (reached, _known(journal)) if lsn is not None), default=None)
    return None if reached is None else max(0, source.server - reached)


def _lag_seconds(found: _Found, journal: JournalStatus | None, now: datetime) -> float | None:
    if journal is None or journal.batches_waiting is None:
        return None
    if journal.batches_waiting == 0:
        return 0.0
    if found.oldest_waiting_us is None:
        return None
    return round(max(0.0, now.timestamp() - found.oldest_waiting_us / 1_000_000), 3)


def _tables(found: _Found) -> tuple[TableStatus, ...]:
    """The warehouse's tables, and those that the journal carries and the warehouse has not got yet."""
    recorded = {} if found.recorded is None else {table.oid: table for table in found.recorded.tables}
    tables = [
        TableStatus(
            name=f"{table.schema}.{table.name}",
            rows=found.rows.get(oid),
            inserts=table.inserts,
            updates=table.updates,
            deletes=table.deletes,
            last_change=table.last_change_at,
            awaiting_copy=table.awaiting_copy,
            copied_at=table.copied_at,
            diverged=found.registry[oid].diverged if oid in found.registry else None,
        )
        for oid, table in recorded.items()
    ]
    tables.extend(
        TableStatus(name=state.relation.full_name, awaiting_copy=found.recorded is not None, copied_at=state.copied_at)
        for oid, state in found.registry.items()
        if oid not in recorded
    )
    return tuple(sorted(tables, key=lambda table: table.name))
