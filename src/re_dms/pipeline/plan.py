"""The start of capture: whose journal, which source, which slot, which tables (protocol lines 1, 2, 5 and 8).

Refuses before anything is written wherever identity, slot and journal do not meet.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import structlog

from re_dms.errors import RESET, ChangesMissing, ConfigurationError, SourceError
from re_dms.failpoints import failpoint
from re_dms.journal.journal import Journal
from re_dms.lsn import LSN
from re_dms.manifest import Commit, PublicationMark, RegistryRef, Root, TableState
from re_dms.settings import SourceSettings
from re_dms.source import publication as publications
from re_dms.source.carried import plan_tables
from re_dms.source.failures import reported
from re_dms.source.preflight.tables import notes
from re_dms.source.replication import ReplicationConnection, SourceIdentity
from re_dms.source.slot import SlotState, create_slot, current_position, held, read_slot, require_logical

log = structlog.get_logger()


@dataclass(kw_only=True)
class Plan:
    """What capture starts from. `number` and `end` are the journal's tail (0 and the slot's start when there is none).

    `to_copy` are published tables whose rows are not in the journal yet, or that an operator asked for (`requests`:
    by OID, the requests' keys); `dropped` are tables that the pipeline no longer carries.
    """

    root: Root
    number: int
    end: LSN
    known: LSN
    last_commit: Commit | None
    registry: RegistryRef | None
    tables: dict[int, TableState]
    publication: PublicationMark | None
    to_copy: tuple[publications.PublishedTable, ...]
    dropped: tuple[int, ...]
    requests: dict[int, list[str]]
    position_at_start: LSN


def identify_journal(journal: Journal, source: SourceSettings, pipeline: str, identity: SourceIdentity) -> Root:
    """The journal's root: made when there is none. Raises ChangesMissing when it belongs to another source."""
    mine = Root(
        journal_id=uuid.uuid4().hex,
        pipeline=pipeline,
        system_identifier=identity.system_identifier,
        timeline=identity.timeline,
        database=identity.database,
        slot=source.slot,
        publication=source.publication,
        plugin=source.plugin,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    root = journal.create_root(mine)
    failpoint("root.created")
    same = ("pipeline", "slot", "plugin", "publication", "database")
    for name in same:
        if getattr(root, name) != getattr(mine, name):
            raise ConfigurationError(
                f"the journal belongs to {name} {getattr(root, name)!r}, not {getattr(mine, name)!r}",
                remedy="give this pipeline a journal of its own",
            )
    for name, word in (("system_identifier", "system identifier"), ("timeline", "timeline")):
        if getattr(root, name) != getattr(mine, name):
            raise ChangesMissing(
                f"the source has {word} {getattr(mine, name)}, the journal was filled from {getattr(root, name)}:"
                " another server, or a restored or promoted one",
                remedy=RESET,
            )
    return root


def plan_capture(
    journal: Journal, source: SourceSettings, root: Root, sql: psycopg.Connection, *, forget: bool
) -> Plan:
    """Publication (where the plugin has one), slot and tables: all is checked, then what is missing is made, in this
    order (protocol line 8).

    A refusal leaves the source as it was.
    """
    # The slot first: another capture that goes on meanwhile must not make it look as if it were beyond the journal.
    slot = read_slot(sql, source.slot, source.plugin)
    tail = journal.tail()
    known = journal.known_lsn()
    refuse_other_history(source, sql, slot, known)
    registry = None if tail is None else journal.read_registry(tail.registry)
    state = {} if registry is None else registry.tables
    publication = plan_tables(sql, source, pipeline=root.pipeline, carried=state)
    for note in notes(sql, publication):
        log.warning("preflight", what=note.name, message=note.message, remedy=note.mend)
    if known is not None and not publication.exists:
        raise ChangesMissing(
            f"publication {source.publication!r} has gone; what was written meanwhile cannot be read", remedy=RESET
        )
    _refuse_behind_copies(sql, state)
    wanted = {table.oid for table in (*publication.tables, *publication.to_add)}
    gone = tuple(oid for oid in state if oid not in wanted)
    if gone and not forget:
        names = ", ".join(state[oid].relation.full_name for oid in gone[:5])
        raise ConfigurationError(
            f"{len(gone)} tables that this pipeline carries are no longer included: {names}",
            remedy="include them again, or give --forget (their target tables stay as they are)",
        )
    published = _make_publication(source, sql, root, publication)
    start = _make_slot(source, sql, journal, slot, known)
    requested = journal.copy_requests()
    to_copy = tuple(table for table in published if table.oid not in state or table.oid in requested)
    return Plan(
        root=root,
        number=0 if tail is None else tail.number,
        end=start if tail is None else tail.end,
        known=start if known is None else known,
        last_commit=None if tail is None else tail.last_commit,
        registry=None if tail is None else tail.registry,
        tables={oid: table for oid, table in state.items() if oid in wanted},
        publication=None if registry is None else registry.publication,
        to_copy=to_copy,
        dropped=gone,
        requests=requested,
        position_at_start=max(_committed_by_now(sql), start),
    )


def refuse_other_history(
    source: SourceSettings, sql: psycopg.Connection, slot: SlotState | None, known: LSN | None
) -> None:
    """Slot and server continue what the journal knows, or nothing is begun (protocol line 5). `known`: None if it is fresh."""
    if slot is not None and slot.lost:
        raise ChangesMissing(
            f"slot {source.slot!r} is lost: the source removed WAL that it needed (max_slot_wal_keep_size)",
            remedy=RESET,
        )
    if known is None:
        # No stream of ours can linger beside a fresh journal: the slot belongs to another one, which is at work.
        if slot is not None and slot.active_pid is not None:
            raise held(sql, slot.name)
        require_logical(sql)
        return
    position = current_position(sql)
    if position < known:
        raise ChangesMissing(
            f"the source is at {position}, behind {known} that the journal holds: it was put back to an earlier state",
            remedy=RESET,
        )
    if slot is None:
        raise ChangesMissing(f"slot {source.slot!r} has gone, the journal goes on from {known}", remedy=RESET)
    if slot.confirmed_flush_lsn is not None and slot.confirmed_flush_lsn > known:
        raise ChangesMissing(
            f"slot {source.slot!r} is confirmed up to {slot.confirmed_flush_lsn}, beyond {known} that the journal"
            " knows: it was advanced or made again",
            remedy=RESET,
        )


def _refuse_behind_copies(sql: psycopg.Connection, state: dict[int, TableState]) -> None:
    """A copy may be newer than all that was streamed: the server must not be behind it either."""
    position = current_position(sql)
    newest = max((table.copied_at for table in state.values() if table.copied_at is not None), default=LSN(0))
    if position < newest:
        raise ChangesMissing(
            f"the source is at {position}, behind {newest}, of which the journal has a copy: it was put back to an"
            " earlier state",
            remedy=RESET,
        )


def _make_publication(
    source: SourceSettings, sql: psycopg.Connection, root: Root, plan: publications.PublicationPlan
) -> tuple[publications.PublishedTable, ...]:
    """The tables that the pipeline carries; the publication, if there is one, sends them when this returns."""
    if plan.exists:
        publications.add_tables(sql, source.publication, plan.to_add)
        return (*plan.tables, *plan.to_add)
    publications.create_publication(sql, source.publication, plan.tables, pipeline=root.pipeline)
    failpoint("publication.created")
    log.info("publication_created", publication=source.publication, tables=len(plan.tables))
    return plan.tables


def _make_slot(
    source: SourceSettings, sql: psycopg.Connection, journal: Journal, slot: SlotState | None, known: LSN | None
) -> LSN:
    """The slot's confirmed position, which the journal knows when this returns."""
    if slot is None:
        create_slot(sql, source.slot, source.plugin)
        failpoint("slot.created")
        log.info("slot_created", slot=source.slot)
        slot = read_slot(sql, source.slot, source.plugin)
    if slot is None or slot.confirmed_flush_lsn is None:
        raise SourceError(f"slot {source.slot!r} has no confirmed position", remedy="run `re-dms reset`")
    if known is None:
        journal.record_position(slot.confirmed_flush_lsn)
        failpoint("slot.recorded")
    return slot.confirmed_flush_lsn


def identify_source(source: SourceSettings) -> SourceIdentity:
    """IDENTIFY_SYSTEM over a replication connection of its own."""
    connection = ReplicationConnection.open(source)
    try:
        return connection.identify()
    finally:
        connection.close()


def _committed_by_now(sql: psycopg.Connection) -> LSN:
    """A position at or beyond the end of every transaction that is committed now.

    Assigning a transaction id makes the server flush what precedes it, asynchronous commits included; without it a
    server at rest may reach the position only seconds later.
    """
    position = current_position(sql)
    with reported("assigning a transaction id"):
        sql.execute("select case when not pg_is_in_recovery() then pg_current_xact_id() end")
    return position
