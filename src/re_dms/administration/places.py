"""The three durable places of a pipeline, as far as they are configured, and whether somebody is at work in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from re_dms.errors import ConfigurationError
from re_dms.journal.journal import Journal
from re_dms.journal.opening import open_store
from re_dms.manifest import Root
from re_dms.settings import Settings, SourceSettings
from re_dms.source.connection import connect
from re_dms.source.failures import reported
from re_dms.source.slot import SlotState, held, read_slot
from re_dms.warehouse.base import Warehouse
from re_dms.warehouse.opening import open_warehouse

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Journal and root (None: nothing there yet) are always known; the other two as far as they are configured."""

    settings: Settings
    journal: Journal
    root: Root | None
    warehouse: Warehouse | None


def open_places(settings: Settings) -> Places:
    """Open journal and warehouse; nothing is made. Raises ConfigurationError if the journal is another pipeline's.

    A journal that replays fill has no slot: the settings of its places have no source.
    """
    journal = Journal(open_store(settings.journal))
    root = journal.root()
    if root is not None:
        require_ours(root, settings)
        settings = followed(root, settings)
    warehouse = None if settings.warehouse is None else open_warehouse(settings.warehouse)
    return Places(settings=settings, journal=journal, root=root, warehouse=warehouse)


def require_ours(root: Root, settings: Settings) -> None:
    """Raise ConfigurationError unless the journal was made by this pipeline, with this slot, plugin and publication."""
    mine = {"pipeline": settings.name}
    if settings.source is not None and not root.is_replayed:
        source = settings.source
        mine |= {"slot": source.slot, "plugin": source.plugin, "publication": source.publication}
    for word, name in mine.items():
        if getattr(root, word) != name:
            raise ConfigurationError(
                f"the journal belongs to {word} {getattr(root, word)!r}, not {name!r}",
                remedy=f"give the {'--name' if word == 'pipeline' else f'--{word}'} of the pipeline that is meant",
            )


def followed(root: Root | None, settings: Settings) -> Settings:
    """The settings without a source where replays fill the journal: none is followed."""
    return replace(settings, source=None) if root is not None and root.is_replayed else settings


@contextmanager
def connected(source: SourceSettings, purpose: str) -> Iterator[Connection]:
    """A session at the source, closed at the end."""
    connection = connect(source, purpose=purpose)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def at_rest(places: Places, connection: Connection | None) -> Iterator[None]:
    """Inside this block nobody captures. `connection`: None without a source, where nobody can. Raises PipelineHeld when the slot is in use or an apply is known to be at work.

    DuckDB tells of an apply and keeps others out meanwhile. Redshift has its fence only: taking the journal's records away
    waits for a load that is under way, and an apply that is still there then finds the fence gone and ends.
    """
    if connection is not None:
        refuse_if_active(places, connection)
    with ExitStack() as stack:
        if places.warehouse is not None:
            stack.enter_context(places.warehouse.hold())
        yield


def refuse_if_active(places: Places, connection: Connection) -> None:
    """Raise PipelineHeld when somebody reads the slot."""
    slot = slot_of(places, connection)
    if slot is not None and slot.active_pid is not None:
        raise held(connection, slot.name)


@contextmanager
def source_at_rest(places: Places, purpose: str) -> Iterator[Connection | None]:
    """A session at the source, with nobody capturing; None where replays fill the journal. Raises as `at_rest` does."""
    source = places.settings.source
    if source is None and (places.root is None or not places.root.is_replayed):
        raise ConfigurationError("this needs the source, whose slot is dropped", remedy="give --source")
    with ExitStack() as stack:
        connection = None if source is None else stack.enter_context(connected(source, purpose))
        stack.enter_context(at_rest(places, connection))
        yield connection


def slot_of(places: Places, connection: Connection) -> SlotState | None:
    """The pipeline's slot; None when there is none."""
    source = places.settings.source
    return None if source is None else read_slot(connection, source.slot, source.plugin)


def owner_of_publication(connection: Connection, name: str) -> str | None:
    """The pipeline that made the publication, "" for one that somebody else made, None when there is none."""
    query = "select coalesce(obj_description(oid, 'pg_publication'), '') from pg_publication where pubname = %s"
    with reported("reading the publication"):
        row = connection.execute(query, [name]).fetchone()
    if row is None:
        return None
    made_by = "made by re_dms "
    return str(row[0]).removeprefix(made_by) if str(row[0]).startswith(made_by) else ""
