"""Copying again: one table while the pipeline goes on, or everything while it is at rest."""

from __future__ import annotations

from dataclasses import dataclass

from re_dms.administration.places import (
    Connection,
    Places,
    open_places,
    slot_of,
    source_at_rest,
)
from re_dms.errors import ConfigurationError
from re_dms.manifest import TableState
from re_dms.observe.heartbeat import bytes_text
from re_dms.settings import Settings
from re_dms.source.patterns import TablePattern
from re_dms.source.slot import drop_slot


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReset:
    """The tables (OID → schema.table) that will be copied again; `plan` says it in lines."""

    tables: dict[int, str]
    plan: tuple[str, ...]


def plan_table_reset(settings: Settings, pattern: str, *, cascade: bool = False) -> TableReset:
    """What copying the tables of `pattern` again would do. Raises ConfigurationError when it names none."""
    places = open_places(settings)
    if places.root is not None and places.root.is_replayed:
        raise ConfigurationError(
            "replays fill the journal: there is no source to copy a table from",
            remedy="`re-dms reset` empties all tables; then replay the files again, without the table if need be",
        )
    tables = _named(places, pattern)
    counts = _counts(places)
    lines = [f"{_tables(len(tables))} of pipeline {settings.name} will be copied again:"]
    lines += [f"  {name}{_rows(counts.get(oid))}" for oid, name in tables.items()]
    lines.append("Until the copy is there, a table stands still. Then its rows are replaced, in one transaction.")
    if cascade:
        lines.append("The table is dropped for it, in Redshift, with all views that depend on it (--cascade).")
    return TableReset(tables=tables, plan=tuple(lines))


def reset_tables(settings: Settings, tables: dict[int, str], *, cascade: bool = False) -> tuple[str, ...]:
    """Ask for new copies; the pipeline may be running. Safe to repeat. Returns what was done, in lines."""
    places = open_places(settings)
    if places.root is None or places.warehouse is None:
        raise ConfigurationError(
            "there is no journal to ask for a copy", remedy="`re-dms run` copies every table first"
        )
    # The request first: a kill in between leaves a table that is copied again without need, never one that waits for ever.
    recorded = {table.oid for table in places.warehouse.status(places.root.journal_id).tables}
    for oid in tables:
        places.journal.request_copy(oid)
        if oid in recorded:
            places.warehouse.await_copy(places.root.journal_id, oid, cascade=cascade)
    return tuple(f"{name}: its copy is asked for: capture makes it at its next start" for name in tables.values())


def plan_reset(settings: Settings) -> tuple[str, ...]:
    """What a whole reset would do, in lines. Raises PipelineHeld while the pipeline runs."""
    places = open_places(settings)
    with source_at_rest(places, "reset") as connection:
        words = slot_words(places, connection)
    counts = _counts(places)
    emptied = f"{_tables(len(counts))}, {sum(counts.values()):,} rows: emptied" if counts else "no tables yet"
    url = settings.warehouse.url if settings.warehouse is not None else "not configured"
    return (
        f"reset of pipeline {settings.name}:",
        f"  source     {words}",
        f"  journal    {settings.journal.url}: {journal_words(places)}",
        f"  warehouse  {url}: {emptied}",
        *(f"             {name}{_rows(counts[oid])}" for oid, name in _target_names(places).items() if oid in counts),
        "The next `re-dms run` copies all tables from the source."
        if connection is not None
        else "Replays begin afresh: what was done counts as not done.",
    )


def reset(settings: Settings) -> tuple[str, ...]:
    """Drop the slot, destroy the journal, empty the targets. Returns what was done, in lines.

    Safe to repeat: after a kill in the middle the pipeline refuses to start (exit 6) until `reset` has finished.
    Raises PipelineHeld while the pipeline runs.
    """
    places = open_places(settings)
    if places.warehouse is None:
        raise ConfigurationError("a reset needs the warehouse", remedy="give --warehouse")
    with source_at_rest(places, "reset") as connection:
        dropped = slot_dropped(places, connection)
        destroyed = destroy_journal(places)
        emptied = places.warehouse.reset_all(settings.name)
    return (
        *dropped,
        f"journal: {'removed' if destroyed else 'was not there'}",
        f"warehouse: {_tables(len(emptied))} emptied",
    )


def destroy_journal(places: Places) -> bool:
    """Remove the journal; False when there is none. Without a root nothing is touched: the directory is not ours."""
    if places.root is None:
        return False
    places.journal.destroy()
    return True


def journal_words(places: Places) -> str:
    """What removing the journal would do."""
    if places.root is None:
        return "nothing there"
    numbers = places.journal.numbers()
    return f"removed (batches {numbers[0]} to {numbers[-1]})" if numbers else "removed (no batches yet)"


def slot_words(places: Places, connection: Connection | None) -> str:
    """What dropping the pipeline's slot would do."""
    if connection is None or places.settings.source is None:
        return "none: replays fill the journal"
    slot, name = slot_of(places, connection), places.settings.source.slot
    if slot is None:
        return f"slot {name} is not there"
    retained = "" if slot.retained_bytes is None else f" ({bytes_text(slot.retained_bytes)} of WAL)"
    return f"slot {name} is dropped{retained}"


def slot_dropped(places: Places, connection: Connection | None) -> tuple[str, ...]:
    """Drop the pipeline's slot if it has one. Returns what was done, in lines."""
    if connection is None or places.settings.source is None:
        return ()
    name = places.settings.source.slot
    return (f"slot {name}: {'dropped' if drop_slot(connection, name) else 'was not there'}",)


def _registry(places: Places) -> dict[int, TableState]:
    tail = places.journal.tail()
    return {} if tail is None else places.journal.read_registry(tail.registry).tables


def _named(places: Places, pattern: str) -> dict[int, str]:
    wanted = TablePattern.parse(pattern)
    tables = {
        oid: state.relation.full_name
        for oid, state in _registry(places).items()
        if wanted.matches(state.relation.schema, state.relation.name)
    }
    if not tables:
        raise ConfigurationError(
            f"pipeline {places.settings.name} carries no table that --table names",
            remedy="write it as `re-dms status` does: schema.table",
        )
    return tables


def _counts(places: Places) -> dict[int, int]:
    if places.warehouse is None or places.root is None:
        return {}
    return places.warehouse.row_counts(places.root.journal_id)


def _target_names(places: Places) -> dict[int, str]:
    if places.warehouse is None or places.root is None:
        return {}
    status = places.warehouse.status(places.root.journal_id)
    return {table.oid: f"{table.schema}.{table.name}" for table in status.tables}


def _tables(count: int) -> str:
    return f"{count} {'table' if count == 1 else 'tables'}"


def _rows(count: int | None) -> str:
    return "" if count is None else f": {count:,} rows"
