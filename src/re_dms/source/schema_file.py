"""The schema file: what the catalog says, as JSON, for a replay that cannot ask the source any more.

Source: https://www.postgresql.org/docs/current/catalogs.html
        https://www.postgresql.org/docs/current/functions-info.html (pg_control_system)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import pq
from pydantic import BaseModel, ConfigDict, ValidationError

from re_dms.errors import ConfigurationError
from re_dms.source.candidates import SourceTable, SourceTables, choose, read_tables
from re_dms.source.catalog import CatalogTable, describe
from re_dms.source.failures import printable, reported
from re_dms.source.patterns import TablePattern
from re_dms.source.publication import require_matches

FORMAT: Final = 1
FILE_BYTES_MAX: Final = 1024 * 1024 * 1024
_AGAIN: Final = "write it anew: re-dms schema dump --source DSN > FILE"
_WHERE: Final = "select system_identifier::text, current_database() from pg_control_system()"


class _Table(BaseModel):
    """A table or partition; `parent` is the OID of what it is a partition of, in the file or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    persistence: str
    parent: int | None
    table: CatalogTable


class _Document(BaseModel):
    """The file. `re_dms_schema` is its format, `postgres` the server's version as a number (150004)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    re_dms_schema: int
    postgres: int
    system_identifier: str
    database: str
    tables: tuple[_Table, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFile:
    """What `load` read: the answers that the live functions gave when the file was written.

    `tables` is as from `candidates.read_tables`, `describe` as `catalog.describe`. `server_version` is a number (150004).
    """

    server_version: int
    system_identifier: str
    database: str
    tables: SourceTables
    described: Mapping[int, CatalogTable] = field(repr=False)

    def describe(self, oids: Iterable[int]) -> dict[int, CatalogTable]:
        """The tables of these OIDs that are in the file."""
        return {oid: self.described[oid] for oid in oids if oid in self.described}


def dump(
    connection: psycopg.Connection[Any], include: Sequence[TablePattern] = (), exclude: Sequence[TablePattern] = ()
) -> str:
    """The file's text: all tables as of one snapshot, or those that the patterns choose, with their partitions.

    For sessions made by `connect`, outside of a transaction. Raises ConfigurationError for patterns that name no table
    or one whose changes are not in the WAL, and when nothing is chosen.
    """
    with _one_snapshot(connection):
        system_identifier, database = identify(connection)
        tables = read_tables(connection)
        require_matches((*include, *exclude), tables)
        kept = _chosen(tables, include, exclude)
        described = describe(connection, kept)
    document = _Document(
        re_dms_schema=FORMAT,
        postgres=connection.info.server_version,
        system_identifier=system_identifier,
        database=database,
        tables=tuple(
            _Table(persistence=tables[oid].persistence, parent=tables[oid].parent, table=described[oid])
            for oid in kept
            if oid in described
        ),
    )
    return document.model_dump_json(indent=1)


def identify(connection: psycopg.Connection[Any]) -> tuple[str, str]:
    """The server's system identifier, and the name of the database."""
    with reported("identifying the source"):
        system_identifier, database = connection.execute(_WHERE).fetchall()[0]
    return system_identifier, database


def load(path: Path) -> SchemaFile:
    """The schema file at `path`. Raises ConfigurationError that names it: not there, not one, of a newer format, broken."""
    name = printable(str(path))
    document = _parsed(name, _read(name, path))
    described = {each.table.oid: each.table for each in document.tables}
    if len(described) < len(document.tables):
        raise ConfigurationError(f"{name} is broken: it has two tables with one OID", remedy=_AGAIN)
    tables = SourceTables(
        SourceTable(
            oid=each.table.oid,
            schema=each.table.schema,
            name=each.table.name,
            kind=each.table.kind,
            persistence=each.persistence,
            parent=each.parent,
        )
        for each in document.tables
    )
    _require_roots(name, tables)
    return SchemaFile(
        server_version=document.postgres,
        system_identifier=document.system_identifier,
        database=document.database,
        tables=tables,
        described=described,
    )


@contextmanager
def _one_snapshot(connection: psycopg.Connection[Any]) -> Iterator[None]:
    with reported("reading the catalog"):
        connection.execute("begin isolation level repeatable read read only")
        try:
            yield
        finally:
            if connection.info.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR):
                connection.execute("rollback")


def _chosen(tables: SourceTables, include: Sequence[TablePattern], exclude: Sequence[TablePattern]) -> list[int]:
    """OIDs in the order of `tables`. Without patterns all; else what a replay could carry, and the partitions below.

    What lies above is left out: it would be chosen in place of the partition when the file is used without patterns.
    """
    if not include and not exclude:
        kept = list(tables)
    else:
        roots = {table.oid for table in choose(tables, include, exclude)}
        kept = [oid for oid in tables if any(up.oid in roots for up in tables.line(oid))]
    if not kept:
        raise ConfigurationError("there is no table to describe", remedy="name tables with `tables`")
    return kept


def _read(name: str, path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except OSError as refused:
        raise ConfigurationError(
            f"the schema file {name} cannot be read ({refused.strerror})", remedy="check --schema"
        ) from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigurationError(f"{name} is larger than {FILE_BYTES_MAX} bytes: not a schema file", remedy=_AGAIN)
    return data


def _parsed(name: str, data: bytes) -> _Document:
    """The document. Messages name the place of a mistake, never what was found there."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        said = None
    version = said.get("re_dms_schema") if isinstance(said, dict) else None
    if not isinstance(version, int):
        raise ConfigurationError(f"{name} is not a schema file, or was cut", remedy=_AGAIN)
    if version != FORMAT:
        raise ConfigurationError(
            f"{name} is a schema file of format {version}; this re_dms reads {FORMAT}",
            remedy="use the version of re_dms that wrote it, or a newer one",
        )
    try:
        return _Document.model_validate(said)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False, include_url=False)[0]["loc"])
        raise ConfigurationError(f"{name} is broken (at {printable(place)})", remedy=_AGAIN) from None


def _require_roots(name: str, tables: SourceTables) -> None:
    """Refuse partitions that are partitions of themselves: `SourceTables.line` would never end."""
    ends: set[int | None] = {None}
    for oid in tables:
        line: set[int | None] = set()
        at: int | None = oid
        while at not in ends and at not in line:
            line.add(at)
            above = tables.get(at) if at is not None else None
            at = None if above is None else above.parent
        if at in line:
            raise ConfigurationError(f"{name} is broken: a table is a partition of itself", remedy=_AGAIN)
        ends |= line
