"""Our own tables in the warehouse: schema `re_dms`. Every pipeline's rows are keyed by its journal's id.

warehouse   the random id of this file, made once
fence       who may load; two loads are never at it at once, since the file is open for one process alone (protocol line 9)
watermark   the last batch; people may read it
tables      what each target is: the relation it has the shape of, where it was copied, the source's counts
released    empty tables that a reset left behind: ours to replace
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb
from pydantic import TypeAdapter

from re_dms.lsn import LSN
from re_dms.manifest import Counts, Manifest
from re_dms.schema import Relation
from re_dms.warehouse.base import TableStatus, Watermark
from re_dms.warehouse.duckdb.connection import FILE, changed, rows
from re_dms.warehouse.duckdb.sql import Target, folded, quote

SCHEMA: Final = "re_dms"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RELATION: Final[TypeAdapter[Relation]] = TypeAdapter(Relation)

_TABLES: Final = {
    "warehouse": "id varchar not null",
    "fence": "journal_id varchar primary key, epoch bigint not null, owner varchar not null",
    "watermark": (
        "journal_id varchar primary key, pipeline varchar not null, batch bigint not null, lsn varchar not null, "
        "xid bigint, commit_time timestamptz, applied_at timestamptz not null"
    ),
    # No primary key: its rows are replaced, and DuckDB checks a key too eagerly for delete + insert in one transaction.
    "tables": (
        "journal_id varchar not null, oid bigint not null, schema_name varchar not null, table_name varchar not null, "
        "relation json, copied_at varchar, awaiting_copy boolean not null, inserts bigint not null, "
        "updates bigint not null, deletes bigint not null, truncates bigint not null, copied bigint not null, "
        "last_change_at timestamptz"
    ),
    "released": "schema_name varchar not null, table_name varchar not null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The row of one table. `relation` is None when its target was given to another table (names were swapped)."""

    oid: int
    schema: str
    name: str
    relation: Relation | None
    copied_at: LSN | None = None
    awaiting_copy: bool = False
    counts: Counts = field(default_factory=Counts)
    last_change_us: int | None = None

    def counted(self, more: Counts, last_change_us: int | None) -> Record:
        """The record with the source's counts added."""
        names = Counts.model_fields
        total = Counts(**{name: getattr(self.counts, name) + getattr(more, name) for name in names})
        return replace(self, counts=total, last_change_us=last_change_us or self.last_change_us)


class State:
    """Reads and writes our tables, inside the caller's transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.catalog: str = FILE

    def _name(self, table: str) -> str:
        return f"{quote(self.catalog)}.{SCHEMA}.{table}"

    def exists(self) -> bool:
        """Whether this file has our tables."""
        found = rows(
            self.connection,
            "select count(*) from duckdb_tables() where database_name = ? and schema_name = ? and table_name = 'released'",
            [self.catalog, SCHEMA],
        )
        return bool(found[0][0])

    def create(self) -> None:
        """Make our tables, and this file's id, where they are absent."""
        if self.exists():
            return
        self.connection.execute(f"create schema if not exists {quote(self.catalog)}.{SCHEMA}")
        for table, columns in _TABLES.items():
            self.connection.execute(f"create table if not exists {self._name(table)} ({columns})")
        if not rows(self.connection, f"select id from {self._name('warehouse')}"):
            self.connection.execute(f"insert into {self._name('warehouse')} values (?)", [str(uuid.uuid4())])

    def identity(self) -> str:
        """The id of this file."""
        return str(rows(self.connection, f"select id from {self._name('warehouse')}")[0][0])

    # -- fence ---------------------------------------------------------------------------------------------------

    def raise_epoch(self, journal_id: str, owner: str) -> int:
        """Take the fence: loads of earlier epochs are refused from now on. Returns the new epoch."""
        fence = self._name("fence")
        raised = f"update {fence} set epoch = epoch + 1, owner = ? where journal_id = ?"
        if not changed(self.connection, raised, [owner, journal_id]):
            self.connection.execute(f"insert into {fence} values (?, 1, ?)", [journal_id, owner])
        return int(rows(self.connection, f"select epoch from {fence} where journal_id = ?", [journal_id])[0][0])

    def holds_fence(self, journal_id: str, epoch: int, owner: str) -> bool:
        """Whether this epoch of this owner is the newest. False as well for a file without our tables."""
        sql = f"select epoch, owner from {self._name('fence')} where journal_id = ?"
        try:
            return rows(self.connection, sql, [journal_id]) == [(epoch, owner)]
        except duckdb.CatalogException:
            return False

    # -- watermark -----------------------------------------------------------------------------------------------

    def watermarks(self) -> tuple[Watermark, ...]:
        """All watermarks of this file."""
        found = rows(
            self.connection,
            "select journal_id, pipeline, batch, lsn, xid, epoch_us(commit_time), epoch_us(applied_at) "
            f"from {self._name('watermark')} order by pipeline, journal_id",
        )
        return tuple(_watermark(row) for row in found)

    def position(self, journal_id: str) -> tuple[int, LSN | None]:
        """The journal's last batch and its end; 0 and None before its first."""
        found = rows(
            self.connection, f"select batch, lsn from {self._name('watermark')} where journal_id = ?", [journal_id]
        )
        return (found[0][0], LSN.parse(found[0][1])) if found else (0, None)

    def watermark(self, journal_id: str) -> Watermark | None:
        """The journal's watermark; None before its first batch."""
        return next((mark for mark in self.watermarks() if mark.journal_id == journal_id), None)

    def set_watermark(self, manifest: Manifest, journal_id: str, pipeline: str) -> None:
        """The batch is in the warehouse (once the transaction commits)."""
        table, last = self._name("watermark"), manifest.last_commit
        values = [
            pipeline,
            manifest.number,
            str(manifest.end),
            None if last is None else last.xid,
            None if last is None else last.time_us,
            int(datetime.now(UTC).timestamp() * 1_000_000),
            journal_id,
        ]
        set_all = (
            "pipeline = ?, batch = ?, lsn = ?, xid = ?, commit_time = make_timestamptz(?), "
            "applied_at = make_timestamptz(?)"
        )
        if not changed(self.connection, f"update {table} set {set_all} where journal_id = ?", values):
            insert = "(pipeline, batch, lsn, xid, commit_time, applied_at, journal_id) "
            insert += "values (?, ?, ?, ?, make_timestamptz(?), make_timestamptz(?), ?)"
            self.connection.execute(f"insert into {table} {insert}", values)

    # -- tables --------------------------------------------------------------------------------------------------

    _COLUMNS: Final = (
        "oid, schema_name, table_name, relation, copied_at, awaiting_copy, inserts, updates, deletes, truncates, copied, "
        "epoch_us(last_change_at)"
    )

    def records(self, journal_id: str, oids: Collection[int] | None = None) -> dict[int, Record]:
        """The journal's tables by OID: all, or those among `oids`."""
        sql = f"select {self._COLUMNS} from {self._name('tables')} where journal_id = ?"
        if oids is None:
            found = rows(self.connection, f"{sql} order by schema_name, table_name", [journal_id])
        else:
            found = rows(self.connection, f"{sql} and list_contains(?::bigint[], oid)", [journal_id, list(oids)])
        return {row[0]: _record(row) for row in found}

    def same_named(self, target: Target) -> list[tuple[str, int, str, str, bool]]:
        """(journal_id, oid, schema, table, awaiting_copy) of all recorded tables that DuckDB would take for `target`."""
        sql = (
            f"select journal_id, oid, schema_name, table_name, awaiting_copy from {self._name('tables')} "
            "where relation is not null and lower(schema_name) = lower(?) and lower(table_name) = lower(?)"
        )
        found = rows(self.connection, sql, [target.schema, target.table])
        mine = (folded(target.schema), folded(target.table))
        return [(row[0], row[1], row[2], row[3], row[4]) for row in found if (folded(row[2]), folded(row[3])) == mine]

    def save(self, journal_id: str, record: Record, before: Record | None = None) -> None:
        """Write one table's row; `before` is what it holds, where that is known."""
        if before is not None and record == replace(before, counts=record.counts, last_change_us=record.last_change_us):
            self._count(journal_id, record)
            return
        self.forget_table(journal_id, record.oid)
        self.connection.execute(
            f"insert into {self._name('tables')} values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, make_timestamptz(?))",
            [
                journal_id,
                record.oid,
                record.schema,
                record.name,
                None if record.relation is None else _RELATION.dump_json(record.relation).decode(),
                None if record.copied_at is None else str(record.copied_at),
                record.awaiting_copy,
                *_counts(record),
            ],
        )

    def _count(self, journal_id: str, record: Record) -> None:
        counted = (
            "inserts = ?, updates = ?, deletes = ?, truncates = ?, copied = ?, last_change_at = make_timestamptz(?)"
        )
        sql = f"update {self._name('tables')} set {counted} where journal_id = ? and oid = ?"
        self.connection.execute(sql, [*_counts(record), journal_id, record.oid])

    def await_copy(self, journal_id: str, oid: int) -> bool:
        """Mark a table as waiting for a copy. False: no such table."""
        sql = f"update {self._name('tables')} set awaiting_copy = true where journal_id = ? and oid = ?"
        return changed(self.connection, sql, [journal_id, oid]) == 1

    def forget_table(self, journal_id: str, oid: int) -> None:
        """Remove one table's row; the target stays as it is."""
        sql = f"delete from {self._name('tables')} where journal_id = ? and oid = ?"
        self.connection.execute(sql, [journal_id, oid])

    def forget(self, journal_id: str) -> None:
        """Remove all rows of a journal; its targets stay as they are."""
        for table in ("fence", "watermark", "tables"):
            self.connection.execute(f"delete from {self._name(table)} where journal_id = ?", [journal_id])

    def release(self, target: Target) -> None:
        """Remember that this empty table is ours to replace."""
        self.take_released(target)
        self.connection.execute(f"insert into {self._name('released')} values (?, ?)", [target.schema, target.table])

    def is_released(self, target: Target) -> bool:
        """Whether a reset left this table behind."""
        sql = f"select 1 from {self._name('released')} where schema_name = ? and table_name = ?"
        return bool(rows(self.connection, sql, [target.schema, target.table]))

    def take_released(self, target: Target) -> bool:
        """Whether a reset left this table behind; it is no longer remembered afterwards."""
        sql = f"delete from {self._name('released')} where schema_name = ? and table_name = ?"
        return changed(self.connection, sql, [target.schema, target.table]) > 0


def _counts(record: Record) -> tuple[int | None, ...]:
    counts = record.counts
    changes = counts.inserts, counts.updates, counts.deletes, counts.truncates, counts.copied
    return *changes, record.last_change_us


def status_of(record: Record) -> TableStatus:
    """The record in the contract's words."""
    return TableStatus(
        oid=record.oid,
        schema=record.schema,
        name=record.name,
        awaiting_copy=record.awaiting_copy,
        copied_at=record.copied_at,
        last_change_at=None if record.last_change_us is None else _time(record.last_change_us),
        **record.counts.model_dump(),
    )


def _watermark(row: tuple[Any, ...]) -> Watermark:
    journal_id, pipeline, batch, lsn, xid, commit_us, applied_us = row
    return Watermark(
        journal_id=journal_id,
        pipeline=pipeline,
        batch=batch,
        lsn=LSN.parse(lsn),
        xid=xid,
        commit_time=None if commit_us is None else _time(commit_us),
        applied_at=_time(applied_us),
    )


def _record(row: tuple[Any, ...]) -> Record:
    oid, schema, name, relation, copied_at, awaiting, inserts, updates, deletes, truncates, copied, change_us = row
    return Record(
        oid=oid,
        schema=schema,
        name=name,
        relation=None if relation is None else _RELATION.validate_json(relation),
        copied_at=None if copied_at is None else LSN.parse(copied_at),
        awaiting_copy=awaiting,
        counts=Counts(inserts=inserts, updates=updates, deletes=deletes, truncates=truncates, copied=copied),
        last_change_us=change_us,
    )


def _time(epoch_us: int) -> datetime:
    # Fetching a timestamptz would need pytz; microseconds do not.
    return _EPOCH + timedelta(microseconds=epoch_us)
