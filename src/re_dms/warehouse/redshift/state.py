"""Our own tables in the warehouse: schema `re_dms`. Redshift locks whole tables, so every pipeline has its own.

warehouse             the random id of this warehouse, made once
fence_<pipeline>      who may load; locked first in every load (protocol line 9)
watermark_<pipeline>  the last batch; people may read it
tables_<pipeline>     what each target is; rows with an empty journal_id are what a reset left behind, ours to replace
altered_values        every value that a policy changed, of all pipelines
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from re_dms.manifest import Manifest
from re_dms.warehouse.base import Watermark
from re_dms.warehouse.redshift import catalog
from re_dms.warehouse.redshift.ddl import SCHEMA, STAGE_SCHEMA
from re_dms.warehouse.redshift.names import Target, literal, quote
from re_dms.warehouse.redshift.records import Record, records_of, rows_of, timestamp_text, watermark_of

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session

_ROWS_A_STATEMENT: Final = 200

ALTERED: Final = Target(schema=SCHEMA, table="altered_values")
ALTERED_COLUMNS: Final = (
    "pipeline character varying(64), batch bigint, lsn character varying(24), schema_name character varying(127), "
    "table_name character varying(127), column_name character varying(127), key_values character varying(65535), "
    "reason character varying(256), policy character varying(16)"
)
_SHARED: Final = {"warehouse": "id character varying(36) not null", ALTERED.table: ALTERED_COLUMNS}
_OWN: Final = {
    "fence": "journal_id character varying(64) not null, epoch bigint not null, owner character varying(64) not null",
    "watermark": (
        "journal_id character varying(64) not null, pipeline character varying(64) not null, batch bigint not null, "
        "lsn character varying(24) not null, xid bigint, commit_us bigint, applied_us bigint not null, "
        "commit_time timestamp without time zone, applied_at timestamp without time zone not null"
    ),
    # `relation` is JSON; what is longer than a VARCHAR goes on in rows with higher parts.
    "tables": (
        "journal_id character varying(64) not null, table_oid bigint not null, part integer not null, "
        "schema_name character varying(127) not null, table_name character varying(127) not null, "
        "relation character varying(65535), copied_at character varying(24), awaiting_copy boolean not null, "
        "may_drop boolean not null, inserts bigint, updates bigint, deletes bigint, truncates bigint, copied bigint, "
        "last_change_us bigint"
    ),
}
_TABLE_COLUMNS: Final = (
    "journal_id, table_oid, part, schema_name, table_name, relation, copied_at, awaiting_copy, may_drop, inserts, updates, "
    "deletes, truncates, copied, last_change_us"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Fence and watermark of one journal, as one statement reads them. `epoch` is None without a fence."""

    epoch: int | None
    owner: str | None
    watermark: Watermark | None


class State:
    """Reads and writes the tables of one pipeline, inside the caller's transaction where there is one."""

    def __init__(self, session: Session, pipeline: str) -> None:
        self.session = session
        self.pipeline = pipeline

    def name(self, table: str) -> str:
        """One of this pipeline's tables, for SQL."""
        return f"{SCHEMA}.{quote(f'{table}_{self.pipeline}')}"

    # -- fence and watermark ---------------------------------------------------------------------------------------

    def lock(self) -> None:
        """Keep every other load and claim of this pipeline out until the transaction's end. Takes no snapshot."""
        self.session.execute(f"lock {self.name('fence')}")

    def standing(self, journal_id: str) -> Standing:
        """Fence and watermark."""
        rows = self.session.execute(
            "select f.epoch, f.owner, w.journal_id, w.pipeline, w.batch, w.lsn, w.xid, w.commit_us, w.applied_us "
            f"from {self.name('fence')} f left join {self.name('watermark')} w on w.journal_id = f.journal_id "
            f"where f.journal_id = {literal(journal_id)}"
        ).rows
        if not rows:
            return Standing(epoch=None, owner=None, watermark=None)
        epoch, owner, *mark = rows[0]
        return Standing(epoch=epoch, owner=owner, watermark=None if mark[0] is None else watermark_of(mark))

    def raise_epoch(self, journal_id: str, owner: str) -> int:
        """Take the fence (locked): loads of earlier epochs are refused from now on. Returns the new epoch."""
        epoch = (self.standing(journal_id).epoch or 0) + 1
        self.session.execute(f"delete from {self.name('fence')} where journal_id = {literal(journal_id)}")
        self.session.execute(f"insert into {self.name('fence')} values (%s, %s, %s)", [journal_id, epoch, owner])
        return epoch

    def set_watermark(self, manifest: Manifest, journal_id: str, *, first: bool) -> None:
        """The batch is in the warehouse (once the transaction commits)."""
        last, now = manifest.last_commit, datetime.now(UTC)
        commit_us = None if last is None else last.time_us
        applied_us = int(now.timestamp() * 1_000_000)
        times = [None if commit_us is None else timestamp_text(commit_us), timestamp_text(applied_us)]
        values = [manifest.number, str(manifest.end), None if last is None else last.xid, commit_us, applied_us, *times]
        if first:
            self.session.execute(
                f"insert into {self.name('watermark')} (batch, lsn, xid, commit_us, applied_us, commit_time, applied_at, "
                "journal_id, pipeline) values (%s, %s, %s, %s, %s, cast(%s as timestamp), cast(%s as timestamp), %s, %s)",
                [*values, journal_id, self.pipeline],
            )
            return
        self.session.execute(
            f"update {self.name('watermark')} set batch = %s, lsn = %s, xid = %s, commit_us = %s, applied_us = %s, "
            "commit_time = cast(%s as timestamp), applied_at = cast(%s as timestamp) where journal_id = %s",
            [*values, journal_id],
        )

    # -- tables ----------------------------------------------------------------------------------------------------

    def records(self, journal_id: str, oids: Collection[int] | None = None) -> dict[int, Record]:
        """The journal's tables by OID: all, or those among `oids`."""
        if oids is not None and not oids:
            return {}
        among = "" if oids is None else f" and table_oid in ({', '.join(map(str, sorted(oids)))})"
        return records_of(self._rows(f"journal_id = {literal(journal_id)}{among}"))

    def released(self, target: Target) -> Record | None:
        """What a reset left behind under this name."""
        return next(iter(records_of(self._rows(f"journal_id = '' and {_named(target)}")).values()), None)

    def holder(self, journal_id: str, target: Target) -> Record | None:
        """The table of the journal whose target this is."""
        rows = self._rows(f"journal_id = {literal(journal_id)} and relation is not null and {_named(target)}")
        return next(iter(records_of(rows).values()), None)

    def targets_of_others(self) -> set[Target]:
        """What the other pipelines of this warehouse fill."""
        names = [name for name in pipelines(self.session) if name != self.pipeline]
        parts = [
            f"select schema_name, table_name from {State(self.session, name).name('tables')} where relation is not null"
            for name in names
        ]
        rows = self.session.execute(" union all ".join(parts)).rows if parts else []
        return {Target(schema=schema, table=table) for schema, table in rows}

    def _rows(self, where: str) -> list[tuple[Any, ...]]:
        return self.session.execute(
            f"select {_TABLE_COLUMNS} from {self.name('tables')} where {where} order by table_oid, part"
        ).rows

    def save(self, journal_id: str, records: Sequence[Record]) -> None:
        """Write these tables' rows anew, however many, in few statements."""
        self.forget_tables(journal_id, [record.oid for record in records])
        rows = [row for record in records for row in rows_of(journal_id, record)]
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            some = rows[start : start + _ROWS_A_STATEMENT]
            marks = ", ".join([f"({', '.join(['%s'] * len(some[0]))})"] * len(some))
            self.session.execute(
                f"insert into {self.name('tables')} ({_TABLE_COLUMNS}) values {marks}",
                [value for row in some for value in row],
            )

    def forget_tables(self, journal_id: str, oids: Collection[int]) -> None:
        """Remove these tables' rows; the targets stay as they are."""
        if oids:
            among = ", ".join(map(str, sorted(oids)))
            self.session.execute(
                f"delete from {self.name('tables')} where journal_id = {literal(journal_id)} and table_oid in ({among})"
            )

    def forget_released(self, target: Target) -> None:
        """What a reset left behind under this name is a target again."""
        self.session.execute(f"delete from {self.name('tables')} where journal_id = '' and {_named(target)}")

    def await_copy(self, journal_id: str, oid: int, *, cascade: bool) -> bool:
        """Mark a table as waiting for a copy. False: no such table."""
        done = self.session.execute(
            f"update {self.name('tables')} set awaiting_copy = true, may_drop = {str(cascade).lower()} "
            f"where journal_id = {literal(journal_id)} and table_oid = {oid:d}"
        )
        return done.count > 0

    def forget(self, journal_id: str) -> None:
        """Remove all rows of a journal; its targets stay as they are."""
        for table in _OWN:
            self.session.execute(f"delete from {self.name(table)} where journal_id = {literal(journal_id)}")


# -- all pipelines -------------------------------------------------------------------------------------------------


def pipelines(session: Session) -> list[str]:
    """The pipelines that have tables here."""
    prefix = "fence_"
    return [name.removeprefix(prefix) for name in catalog.tables(session, SCHEMA) if name.startswith(prefix)]


def create_shared(session: Session) -> None:
    """Make our schemas and the tables that all pipelines share."""
    have = catalog.schemas(session)
    for schema in (SCHEMA, STAGE_SCHEMA):
        if schema not in have:
            session.execute(f"create schema if not exists {schema}")
    _create(session, _SHARED)


def create_own(session: Session, pipeline: str) -> None:
    """Make the tables of one pipeline."""
    _create(session, {f"{table}_{pipeline}": columns for table, columns in _OWN.items()})


def _create(session: Session, wanted: dict[str, str]) -> None:
    have = set(catalog.tables(session, SCHEMA))
    for table, columns in wanted.items():
        if table not in have:
            session.execute(f"create table if not exists {SCHEMA}.{quote(table)} ({columns})")


def identity(session: Session) -> str:
    """This warehouse's id; made when there is none, by one of all that ask."""
    table = f"{SCHEMA}.warehouse"
    session.execute(f"lock {table}")
    rows = session.execute(f"select id from {table}").rows
    if rows:
        return str(rows[0][0])
    made = str(uuid.uuid4())
    session.execute(f"insert into {table} values (%s)", [made])
    return made


def watermarks(session: Session, names: Iterable[str]) -> tuple[Watermark, ...]:
    """The watermarks of these pipelines, in one statement."""
    parts = [
        "select journal_id, pipeline, batch, lsn, xid, commit_us, applied_us "
        f"from {State(session, name).name('watermark')}"
        for name in names
    ]
    if not parts:
        return ()
    found = [watermark_of(row) for row in session.execute(" union all ".join(parts)).rows]
    return tuple(sorted(found, key=lambda mark: (mark.pipeline, mark.journal_id)))


def _named(target: Target) -> str:
    return f"schema_name = {literal(target.schema)} and table_name = {literal(target.table)}"
