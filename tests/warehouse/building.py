"""Batches made by hand, and a warehouse to load them into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
import polars as pl
import psycopg

from re_dms.journal.csv import new_null_token, write_csv
from re_dms.journal.dialect import odd_counts
from re_dms.journal.local import LocalStore
from re_dms.journal.store import Store
from re_dms.journal.workspace import Workspace
from re_dms.lsn import LSN
from re_dms.manifest import (
    Changes,
    Commit,
    Copy,
    Counts,
    DataFile,
    Manifest,
    RegistryRef,
    Root,
    Step,
    TableChanges,
)
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, OldRows, Relation
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.base import Files, LoadReport
from re_dms.warehouse.duckdb.warehouse import DuckDBWarehouse
from re_dms.warehouse.opening import open_warehouse
from redshift_standin import Server

INT4 = PgType(oid=23, typmod=-1, name="integer", kind=Kind.INT4)
INT2 = PgType(oid=21, typmod=-1, name="smallint", kind=Kind.INT2)
TEXT = PgType(oid=25, typmod=-1, name="text", kind=Kind.TEXT)
FLOAT8 = PgType(oid=701, typmod=-1, name="double precision", kind=Kind.FLOAT8)
BYTEA = PgType(oid=17, typmod=-1, name="bytea", kind=Kind.BYTEA)
DATE = PgType(oid=1082, typmod=-1, name="date", kind=Kind.DATE)

Row = Mapping[str, str | None]


def column(attnum: int, name: str, type_: PgType = TEXT, missing: str | None = None) -> Column:
    return Column(
        attnum=attnum,
        name=name,
        type=type_,
        old_rows=OldRows.NULL if missing is None else OldRows.VALUE,
        missing=missing,
    )


def relation(
    *columns: Column,
    key: tuple[int, ...] = (1,),
    kind: KeyKind = KeyKind.KEYED,
    oid: int = 100,
    schema: str = "public",
    name: str = "orders",
) -> Relation:
    return Relation(
        oid=oid,
        schema=schema,
        name=name,
        identity="d",
        key_kind=kind,
        key=key if kind is KeyKind.KEYED else (),
        columns=columns,
    )


ORDERS = relation(column(1, "id", INT4), column(2, "note"), column(3, "amount", INT4))


@dataclass
class Journal:
    """Data files in a store, manifests in memory."""

    store: Store
    journal_id: str = "journal-1"
    null: str = field(default_factory=new_null_token)
    count: int = 0
    pipeline: str = "shop"

    @property
    def root(self) -> Root:
        return Root(
            journal_id=self.journal_id,
            pipeline=self.pipeline,
            system_identifier="1",
            timeline=1,
            database="shop",
            slot="re_dms",
            publication="re_dms",
            created_at="2026-01-01T00:00:00Z",
        )

    def file(self, columns: Sequence[str], rows: Sequence[Sequence[str | None]], compression: Any = "zstd") -> DataFile:
        self.count += 1
        frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
        data, stats = write_csv(frame, null=self.null, compression=compression)
        file = stats.data_file(key=f"data/{self.journal_id}/{self.count}.csv", odd={})
        self.store.put(file.key, data)
        return file.model_copy(update={"odd": odd_counts(frame, self.relation)}) if self.relation else file

    relation: Relation | None = None
    """What the next files are of: tells which values are odd."""

    def replace(self, file: DataFile, data: bytes) -> None:
        """Other bytes under the file's key."""
        self.store.put(file.key, data)

    def files(self, number: int, owner: str) -> Workspace:
        return Workspace(self.store, number, owner)

    def changes(self, rel: Relation, *rows: Row, index: int = 0, compression: Any = "zstd") -> Changes:
        """Rows by field name; fields that a row leaves out are NULL."""
        extra = [name for name in ("n", "mask") if any(name in row for row in rows)]
        before = [f"f{attnum}" for attnum in rel.key if any(f"f{attnum}" in row for row in rows)]
        names = ["op", *extra, *before, *(f"c{c.attnum}" for c in rel.columns)]
        ops: dict[str, int] = {}
        for row in rows:
            assert set(row) <= set(names), row
            ops[str(row["op"])] = ops.get(str(row["op"]), 0) + 1
        self.relation = rel
        file = self.file(names, [[row.get(name) for name in names] for row in rows], compression)
        return Changes(relation=index, files=(file,), ops=ops)

    def copy(self, rel: Relation, *rows: Sequence[str | None], index: int = 0, compression: Any = "zstd") -> Copy:
        names = ["op", *(f"c{c.attnum}" for c in rel.columns)]
        self.relation = rel
        file = self.file(names, [["I", *row] for row in rows], compression)
        return Copy(relation=index, position=LSN(1), files=(file,) if rows else ())

    def batch(self, number: int, *tables: TableChanges, dropped: tuple[int, ...] = (), **more: Any) -> Manifest:
        return Manifest(
            **{
                "journal_id": self.journal_id,
                "number": number,
                "writer": "w",
                "kind": "stream",
                "start": LSN(number * 256),
                "end": LSN(number * 256 + 256),
                "last_commit": Commit(end=LSN(number * 256 + 200), xid=700 + number, time_us=1_700_000_000_123_456),
                "transactions": 1,
                "changes": 1,
                "registry": RegistryRef(key="registry/1", sha256="0"),
                "tables": tables,
                "dropped_tables": dropped,
                **more,
            }
        )


def table(rel: Relation | Sequence[Relation], *steps: Step, **counts: int) -> TableChanges:
    relations = (rel,) if isinstance(rel, Relation) else tuple(rel)
    return TableChanges(oid=relations[0].oid, relations=relations, steps=steps, counts=Counts(**counts))


@dataclass
class Bench:
    """A warehouse with a claimed journal. `load` loads the next batch of these tables."""

    warehouse: Any
    journal: Journal
    epoch: int = 0
    number: int = 0
    owner: str = "owner-1"
    pipeline: str = "shop"

    def other(self, pipeline: str = "shop") -> Self:
        """The same warehouse, for another journal."""
        made = copy(self)
        made.journal = Journal(self.journal.store, journal_id="journal-2", pipeline=pipeline)
        made.pipeline, made.epoch, made.number = pipeline, 0, 0
        return made

    def claim(self) -> None:
        self.epoch = self.warehouse.claim(self.journal.root, self.number > 0, self.owner)

    def load_manifest(self, manifest: Manifest, files: Files | None = None, after: int | None = None) -> LoadReport:
        with self.journal.files(manifest.number, self.owner) as workspace:
            report: LoadReport = self.warehouse.load(
                manifest,
                journal_id=self.journal.journal_id,
                pipeline=self.pipeline,
                epoch=self.epoch,
                owner=self.owner,
                files=files or workspace,
                after=after,
            )
            return report

    def load(self, *tables: TableChanges, **more: Any) -> LoadReport:
        report = self.load_manifest(self.journal.batch(self.number + 1, *tables, **more))
        self.number += 1
        return report

    def copied(self, rel: Relation, *rows: Sequence[str | None]) -> LoadReport:
        return self.load(table(rel, self.journal.copy(rel, *rows), copied=len(rows)))

    def changed(self, rel: Relation, *rows: Row) -> LoadReport:
        return self.load(table(rel, self.journal.changes(rel, *rows)))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """As another reader of the warehouse, between loads."""
        raise NotImplementedError

    def execute(self, *statements: str) -> None:
        """As a person who alters the warehouse between loads."""
        raise NotImplementedError

    def tables(self) -> list[tuple[str, str]]:
        """All tables, ours too."""
        raise NotImplementedError

    def rows(self, name: str = "public.orders") -> list[tuple[Any, ...]]:
        """All rows of a table, NULLs last."""
        return sorted(
            self.query(f"select * from {name}"),
            key=lambda row: [(v is None, 0 if v is None else v) for v in row],
        )

    watermark = "(select journal_id, pipeline, batch, lsn, xid from re_dms.watermark)"
    records = "(select * exclude (last_change_at) from re_dms.tables)"

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All tables, ours too; times of writing left out."""
        found = {}
        for schema, name in self.tables():
            target = f'"{schema}"."{name.replace(chr(34), chr(34) * 2)}"'
            if schema == "re_dms" and name.startswith("watermark"):
                target = self.watermark
            if schema == "re_dms" and name.startswith("tables"):
                target = self.records
            found[f"{schema}.{name}"] = sorted(self.query(f"select * from {target} t"), key=repr)
        return found


class DuckDBBench(Bench):
    """Over a file. Another process that is given it opens the file anew."""

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"warehouse": self.warehouse.url}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, warehouse=DuckDBWarehouse(state["warehouse"], wait_seconds=0.2))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse.path)) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, *statements: str) -> None:
        with duckdb.connect(str(self.warehouse.path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def tables(self) -> list[tuple[str, str]]:
        return self.query("select table_schema, table_name from information_schema.tables order by all")


class RedshiftBench(Bench):
    """Over a stand-in and a bucket."""

    server: Server
    watermark = "(select journal_id, pipeline, batch, lsn, xid from re_dms.watermark_shop)"
    records = (
        "(select journal_id, table_oid, part, schema_name, table_name, relation, copied_at, awaiting_copy, inserts, updates, "
        "deletes, truncates, copied from re_dms.tables_shop)"
    )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.dsn, autocommit=True, prepare_threshold=None) as connection:
            return connection.execute(sql.encode()).fetchall()

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.server.dsn, autocommit=True, prepare_threshold=None) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def tables(self) -> list[tuple[str, str]]:
        found = self.query("select schemaname, tablename from pg_tables order by 1, 2")
        ours = ("information_schema", "pg_catalog", "re_dms_stage", "pg_internal", "redshift_standin")
        return [(schema, name) for schema, name in found if schema not in ours]


def bench(folder: Path) -> DuckDBBench:
    made = DuckDBBench(
        DuckDBWarehouse(f"duckdb://{folder}/shop.duckdb", wait_seconds=0.2), Journal(LocalStore(folder / "data"))
    )
    made.claim()
    return made


def redshift_settings(server: Server, driver: str, **more: Any) -> WarehouseSettings:
    url = f"redshift://{server.user}@{server.host}:{server.port}/{server.options.database}?driver={driver}"
    role = "arn:aws:iam::123456789012:role/loader"
    return WarehouseSettings(url=url, password=server.password, iam_role=role, copy_sessions=2, **more)


def redshift_bench(server: Server, store: Store, driver: str, **more: Any) -> RedshiftBench:
    made = RedshiftBench(open_warehouse(redshift_settings(server, driver, **more)), Journal(store))
    made.server = server
    made.warehouse.identity()
    made.claim()
    return made
