"""Removing a pipeline: slot, publication (if it has one) and journal go; the tables in the warehouse stay, and are
nobody's."""

from __future__ import annotations

from collections.abc import Iterator

from re_dms.administration.places import (
    Connection,
    Places,
    at_rest,
    connected,
    open_places,
    owner_of_publication,
    slot_of,
)
from re_dms.administration.reset import destroy_journal, journal_words
from re_dms.errors import ConfigurationError
from re_dms.observe.heartbeat import bytes_text
from re_dms.settings import Settings, SourceSettings
from re_dms.source.plugins import has_publication
from re_dms.source.publication import drop_publication
from re_dms.source.slot import drop_slot


def plan_drop(settings: Settings) -> tuple[str, ...]:
    """What `drop` would do, in lines. Raises PipelineHeld while the pipeline runs."""
    places, source = open_places(settings), _source(settings)
    with connected(source, "drop") as connection, at_rest(places, connection):
        slot = slot_of(places, connection)
        retained = "" if slot is None or slot.retained_bytes is None else f" ({bytes_text(slot.retained_bytes)} of WAL)"
        publication = list(_publication_words(settings, connection))
    return (
        f"drop of pipeline {settings.name}:",
        f"  source     {f'slot {source.slot} is dropped{retained}' if slot else f'slot {source.slot} is not there'}",
        *(f"             publication {source.publication} {words}" for words in publication),
        f"  journal    {settings.journal.url}: {journal_words(places)}",
        f"  warehouse  {_warehouse_words(places)}",
    )


def drop(settings: Settings) -> tuple[str, ...]:
    """Drop slot and publication, remove the journal and our rows about it. Returns what was done, in lines.

    Parts that are not there are passed over: safe to repeat. Raises PipelineHeld while the pipeline runs.
    """
    places, source = open_places(settings), _source(settings)
    done = []
    with connected(source, "drop") as connection, at_rest(places, connection):
        dropped = drop_slot(connection, source.slot)
        done.append(f"slot {source.slot}: {'dropped' if dropped else 'was not there'}")
        if has_publication(source):
            done.append(f"publication {source.publication}: {_drop_publication(settings, connection)}")
        # Before the journal goes: its id is the name of our rows.
        done.append(f"warehouse: {_forget(places)}")
        done.append(f"journal: {'removed' if destroy_journal(places) else 'was not there'}")
    return tuple(done)


def _drop_publication(settings: Settings, connection: Connection) -> str:
    name = _source(settings).publication
    owner = owner_of_publication(connection, name)
    if owner is None:
        return "was not there"
    if owner != settings.name:
        return "not made by this pipeline, left alone"
    drop_publication(connection, name)
    return "dropped"


def _publication_words(settings: Settings, connection: Connection) -> Iterator[str]:
    """What happens to it; nothing for a plugin without one."""
    source = _source(settings)
    if not has_publication(source):
        return
    owner = owner_of_publication(connection, source.publication)
    if owner is None:
        yield "is not there"
    else:
        yield "is dropped" if owner == settings.name else "was not made by this pipeline and stays"


def _warehouse_words(places: Places) -> str:
    if places.settings.warehouse is None:
        return "not configured here: what it records of the pipeline stays"
    return f"{places.settings.warehouse.url}: the tables stay as they are; what is recorded of the pipeline goes"


def _forget(places: Places) -> str:
    if places.warehouse is None:
        return "not configured here, left alone"
    journals = {mark.journal_id for mark in places.warehouse.pipelines() if mark.pipeline == places.settings.name}
    if places.root is not None:
        journals.add(places.root.journal_id)
    for journal_id in sorted(journals):
        places.warehouse.forget(journal_id)
    return "the tables stay, the pipeline's records are gone" if journals else "knew nothing of the pipeline"


def _source(settings: Settings) -> SourceSettings:
    if settings.source is None:
        raise ConfigurationError("this needs the source, whose slot is dropped", remedy="give --source")
    return settings.source
