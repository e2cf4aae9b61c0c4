"""Which tables the pipeline carries: the one answer for everybody, whichever plugin writes the slot's changes.

pgoutput: what the publication sends, as `re_dms.source.publication` plans it. test_decoding sends every table of the
database, and `source.tables` and `source.exclude` alone choose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import psycopg

from re_dms.errors import ConfigurationError
from re_dms.settings import SourceSettings
from re_dms.source.candidates import SourceTable, SourceTables, choose, read_tables, require_publishable
from re_dms.source.patterns import parse_patterns
from re_dms.source.plugins import has_publication, require_readable
from re_dms.source.publication import PublicationPlan, plan_publication, planned, require_matches
from re_dms.source.watched import published_oids


def plan_tables(
    connection: psycopg.Connection[Any], source: SourceSettings, *, pipeline: str, carried: Collection[int] = ()
) -> PublicationPlan:
    """Decide which tables the pipeline carries; `carried` are those that it carries already. Changes nothing.

    Raises ConfigurationError as `plan_publication` does; without a publication for patterns that name no table, for
    tables whose UPDATE or DELETE could not be followed (those that are carried stop by name when it happens), and for
    a database whose encoding nobody would convert.
    """
    if has_publication(source):
        return plan_publication(connection, source, pipeline=pipeline)
    require_readable(connection)
    tables = read_tables(connection)
    require_matches((*parse_patterns(source.tables), *parse_patterns(source.exclude)), tables)
    chosen = _chosen(source, tables)
    if not chosen:
        raise ConfigurationError("there is no table to replicate", remedy="name tables with `tables`")
    new = [table for table in chosen if table.oid not in carried]
    require_publishable(connection, tables, new, published=False)
    return unpublished(chosen)


def unpublished(chosen: Iterable[SourceTable]) -> PublicationPlan:
    """The plan for tables that no publication sends: there is nothing to make, and nothing to add."""
    return PublicationPlan(name="", exists=True, ours=False, tables=tuple(map(planned, chosen)))


def wanted_oids(connection: psycopg.Connection[Any], source: SourceSettings) -> set[int]:
    """The OIDs of all tables that would be carried now, as quickly as that can be told."""
    if has_publication(source):
        return published_oids(connection, source.publication)
    return {table.oid for table in _chosen(source, read_tables(connection))}


def _chosen(source: SourceSettings, tables: SourceTables) -> list[SourceTable]:
    return choose(tables, parse_patterns(source.tables), parse_patterns(source.exclude))
