"""Removing a pipeline: slot, publication (if it has one) and journal go; the tables in the warehouse stay, and are
nobody's."""

from __future__ import annotations

from collections.abc import Iterator

from re_dms.administration.places import (
    Connection,
    Places,
    open_places,
    owner_of_publication,
    source_at_rest,
)
from re_dms.administration.reset import destroy_journal, journal_words, slot_dropped, slot_words
from re_dms.settings import Settings, SourceSettings
from re_dms.source.plugins import has_publication
from re_dms.source.publication import drop_publication


def plan_drop(settings: Settings) -> tuple[str, ...]:
    """What `drop` would do, in lines. Raises PipelineHeld while the pipeline runs."""
    places = open_places(settings)
    with source_at_rest(places, "drop") as connection:
        slot = slot_words(places, connection)
        publication = list(_publication_words(places.settings, connection))
    return (
        f"drop of pipeline {settings.name}:",
        f"  source     {slot}",
        *(f"             publication {words}" for words in publication),
        f"  journal    {settings.journal.url}: {journal_words(places)}",
        f"  warehouse  {_warehouse_words(places)}",
    )


def drop(settings: Settings) -> tuple[str, ...]:
    """Drop slot and publication, remove the journal and our rows about it. Returns what was done, in lines.

    Parts that are not there are passed over: safe to repeat. Raises PipelineHeld while the pipeline runs.
    """
    places = open_places(settings)
    with source_at_rest(places, "drop") as connection:
        done = list(slot_dropped(places, connection))
        source = places.settings.source
        if connection is not None and source is not None and has_publication(source):
            done.append(f"publication {source.publication}: {_drop_publication(source, settings.name, connection)}")
        # Before the journal goes: its id is the name of our rows.
        done.append(f"warehouse: {_forget(places)}")
        done.append(f"journal: {'removed' if destroy_journal(places) else 'was not there'}")
    return tuple(done)


def _drop_publication(source: SourceSettings, pipeline: str, connection: Connection) -> str:
    name = source.publication
    owner = owner_of_publication(connection, name)
    if owner is None:
        return "was not there"
    if owner != pipeline:
        return "not made by this pipeline, left alone"
    drop_publication(connection, name)
    return "dropped"


def _publication_words(settings: Settings, connection: Connection | None) -> Iterator[str]:
    """What happens to it; nothing for a plugin without one."""
    source = settings.source
    if connection is None or source is None or not has_publication(source):
        return
    owner = owner_of_publication(connection, source.publication)
    if owner is None:
        yield f"{source.publication} is not there"
    else:
        done = "is dropped" if owner == settings.name else "was not made by this pipeline and stays"
        yield f"{source.publication} {done}"


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
