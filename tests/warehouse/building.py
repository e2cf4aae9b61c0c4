"""Batches made by hand, and a warehouse to load them into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from re_dms.journal.csv import new_null_token, write_csv
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
from re_dms.warehouse.base import LoadReport
from re_dms.warehouse.duckdb.warehouse import DuckDBWarehouse

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
    """Data files in a folder, manifests in memory."""

    folder: Path
    journal_id: str = "journal-1"
    null: str = field(default_factory=new_null_token)
    files: int = 0

    @property
    def root(self) -> Root:
        return Root(
            journal_id=self.journal_id,
            pipeline="shop",
            system_identifier="1",
            timeline=1,
            database="shop",
            slot="re_dms",
            publication="re_dms",
            created_at="2026-01-01T00:00:00Z",
        )

    def file(self, columns: Sequence[str], rows: Sequence[Sequence[str | None]], compression: Any = "zstd") -> DataFile:
        self.files += 1
        frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
        data, stats = write_csv(frame, null=self.null, compression=compression)
        key = f"{self.files}.csv"
        self.folder.mkdir(exist_ok=True)
        (self.folder / key).write_bytes(data)
        return stats.data_file(key=key, odd={})

    def fetch(self, file: DataFile) -> Path:
        return self.folder / file.key

    def changes(self, rel: Relation, *rows: Row, index: int = 0, compression: Any = "zstd") -> Changes:
        """Rows by field name; fields that a row leaves out are NULL."""
        extra = [name for name in ("n", "mask") if any(name in row for row in rows)]
        before = [f"f{attnum}" for attnum in rel.key if any(f"f{attnum}" in row for row in rows)]
        names = ["op", *extra, *before, *(f"c{c.attnum}" for c in rel.columns)]
        ops: dict[str, int] = {}
        for row in rows:
            assert set(row) <= set(names), row
            ops[str(row["op"])] = ops.get(str(row["op"]), 0) + 1
        file = self.file(names, [[row.get(name) for name in names] for row in rows], compression)
        return Changes(relation=index, files=(file,), ops=ops)

    def copy(self, rel: Relation, *rows: Sequence[str | None], index: int = 0, compression: Any = "zstd") -> Copy:
        names = ["op", *(f"c{c.attnum}" for c in rel.columns)]
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

    warehouse: DuckDBWarehouse
    journal: Journal
    epoch: int = 0
    number: int = 0
    owner: str = "owner-1"

    def claim(self) -> None:
        self.epoch = self.warehouse.claim(self.journal.root, self.number > 0, self.owner)

    def load_manifest(self, manifest: Manifest) -> LoadReport:
        return self.warehouse.load(
            manifest,
            journal_id=self.journal.journal_id,
            pipeline="shop",
            epoch=self.epoch,
            owner=self.owner,
            files=self.journal,
        )

    def load(self, *tables: TableChanges, **more: Any) -> LoadReport:
        report = self.load_manifest(self.journal.batch(self.number + 1, *tables, **more))
        self.number += 1
        return report

    def copied(self, rel: Relation, *rows: Sequence[str | None]) -> LoadReport:
        return self.load(table(rel, self.journal.copy(rel, *rows), copied=len(rows)))

    def changed(self, rel: Relation, *rows: Row) -> LoadReport:
        return self.load(table(rel, self.journal.changes(rel, *rows)))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """As another reader of the file, between loads."""
        with duckdb.connect(str(self.warehouse.path)) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, *statements: str) -> None:
        """As a person who alters the file between loads."""
        with duckdb.connect(str(self.warehouse.path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, name: str = "public.orders") -> list[tuple[Any, ...]]:
        return self.query(f"select * from {name} order by all")

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All tables of the file, ours too; times of writing left out."""
        found = {}
        names = self.query(
            "select table_schema, table_name from information_schema.tables order by all",
        )
        for schema, name in names:
            target = f'"{schema}"."{name.replace(chr(34), chr(34) * 2)}"'
            if (schema, name) == ("re_dms", "watermark"):
                target = "(select journal_id, pipeline, batch, lsn, xid from re_dms.watermark)"
            if (schema, name) == ("re_dms", "tables"):
                target = "(select * exclude (last_change_at) from re_dms.tables)"
            found[f"{schema}.{name}"] = sorted(self.query(f"select * from {target}"), key=repr)
        return found


def bench(folder: Path) -> Bench:
    made = Bench(DuckDBWarehouse(f"duckdb://{folder}/shop.duckdb", wait_seconds=0.2), Journal(folder / "data"))
    made.claim()
    return made
