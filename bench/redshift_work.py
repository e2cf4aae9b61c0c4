"""The load of `bench redshift`: tables of ten columns, and batches of inserts, updates and deletes for each of them.

The same rows go two ways: as re_dms's journal holds them, and as the seed's files (one a kind).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from re_dms.journal.csv import new_null_token, write_csv
from re_dms.journal.store import Store
from re_dms.lsn import LSN
from re_dms.manifest import Changes, Commit, Copy, Counts, DataFile, Manifest, RegistryRef, Root, Step, TableChanges
from re_dms.pgtypes import KIND_BY_OID, PgType
from re_dms.schema import Column, KeyKind, Relation

NULL: Final = "re_dms_bench_null"
"""The NULL token of the seed's files; its own, a NUL byte, is one that nobody knows to be read as NULL."""

_COLUMNS: Final = {
    "id": (20, "bigint", -1),
    "customer": (23, "integer", -1),
    "status": (25, "text", -1),
    "amount": (1700, "numeric(12,2)", (12 << 16 | 2) + 4),
    "created": (1184, "timestamp with time zone", -1),
    "updated": (1114, "timestamp without time zone", -1),
    "note": (25, "text", -1),
    "code": (2950, "uuid", -1),
    "flag": (16, "boolean", -1),
    "ratio": (701, "double precision", -1),
}
NAMES: Final = tuple(_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much: `changes` of every table in a batch (60 % inserts, 30 % updates, 10 % deletes), rows in it before."""

    tables: int
    changes: int
    target_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one batch does to every table: full rows of NAMES, all String, and the ids that go."""

    number: int
    inserts: pl.DataFrame
    updates: pl.DataFrame
    deletes: pl.DataFrame

    @property
    def changes(self) -> int:
        """Of one table."""
        return self.inserts.height + self.updates.height + self.deletes.height


def rows(ids: pl.Series, version: int) -> pl.DataFrame:
    """Rows of these ids as batch `version` left them; a fifth of the notes is NULL."""
    number = pl.col("id")
    second = (number * 7 + version) % 86_400
    moment = (pl.datetime(2026, 1, 1) + pl.duration(seconds=second)).dt.strftime("%Y-%m-%d %H:%M:%S")
    digits = number.cast(pl.String).str.zfill(12)
    return ids.to_frame("id").select(
        number.cast(pl.String),
        customer=(number % 100_000).cast(pl.String),
        status=pl.lit(f"version {version}"),
        amount=(number % 100_000).cast(pl.String) + pl.lit(f".{version % 90 + 10}"),
        created=moment + pl.lit("+00"),
        updated=moment,
        note=pl.when(number % 5 > 0).then(pl.concat_str(pl.lit('a note, "of some length", about '), *[digits] * 5)),
        code=pl.lit("12345678-1234-1234-1234-") + digits,
        flag=pl.when(number % 3 == 0).then(pl.lit("t")).otherwise(pl.lit("f")),
        ratio=(number % 1000).cast(pl.String) + pl.lit(".5"),
    )


def first_rows(size: Size) -> pl.DataFrame:
    """What every table holds before the first batch."""
    return rows(pl.int_range(size.target_rows, eager=True), version=0)


def batches(size: Size) -> Iterator[Batch]:
    """Endless batches. Updates are spread over the whole target, deletes take the oldest rows: every one finds its row."""
    inserts, updates = size.changes * 6 // 10, size.changes * 3 // 10
    deletes = size.changes - inserts - updates
    low, high, number = 0, size.target_rows, 2
    while True:
        step = (high - low - deletes) // updates
        touched = low + deletes + pl.int_range(updates, eager=True) * step
        yield Batch(
            number=number,
            inserts=rows(pl.int_range(high, high + inserts, eager=True), number),
            updates=rows(touched, number),
            deletes=pl.int_range(low, low + deletes, eager=True).cast(pl.String).to_frame("id"),
        )
        low, high, number = low + deletes, high + inserts, number + 1


class Journal:
    """Batches as capture makes them: data files in a store, and manifests, for tables t1, t2, … of a schema."""

    def __init__(self, store: Store, schema: str, tables: int) -> None:
        self._store = store
        self.root = Root(
            journal_id=f"journal-of-{schema}",
            pipeline=schema,
            system_identifier="1",
            timeline=1,
            database="bench",
            slot=schema,
            publication=schema,
            created_at="2026-01-01T00:00:00Z",
        )
        self.relations = tuple(_relation(schema, number) for number in range(1, tables + 1))

    def copy(self, first: pl.DataFrame) -> Manifest:
        """Batch 1: the tables' first rows."""
        frame = _fields(first, "I")
        files = self._files(1, frame)
        steps = [Copy(relation=0, position=LSN(1), files=(file,)) for file in files]
        return self._manifest(1, steps, Counts(copied=frame.height))

    def changes(self, batch: Batch) -> Manifest:
        """A batch of changes, each table's in one file."""
        full = pl.concat([batch.inserts, batch.updates])
        frame = pl.concat([_fields(full, "U"), _fields(batch.deletes, "D")], how="diagonal")
        ops = {"U": full.height, "D": batch.deletes.height}
        steps = [Changes(relation=0, files=(file,), ops=ops) for file in self._files(batch.number, frame)]
        return self._manifest(
            batch.number,
            steps,
            Counts(inserts=batch.inserts.height, updates=batch.updates.height, deletes=batch.deletes.height),
        )

    def _files(self, number: int, frame: pl.DataFrame) -> Iterator[DataFile]:
        """The same rows for every table, in an object of its own."""
        data, written = write_csv(frame, null=new_null_token(), compression="zstd")
        for relation in self.relations:
            file = written.data_file(key=f"data/{number}/{relation.oid}.csv.zst", odd={})
            self._store.put(file.key, data)
            yield file

    def _manifest(self, number: int, steps: list[Changes] | list[Copy], counts: Counts) -> Manifest:
        start, end = LSN(number * 256), LSN(number * 256 + 256)
        by_table: list[tuple[Relation, Step]] = list(zip(self.relations, steps, strict=True))
        return Manifest(
            journal_id=self.root.journal_id,
            number=number,
            writer="bench",
            kind="stream",
            start=start,
            end=end,
            last_commit=Commit(end=end, xid=700 + number, time_us=1_767_225_600_000_000 + number),
            transactions=1,
            changes=sum(counts.model_dump().values()) * len(steps),
            registry=RegistryRef(key="registry/1", sha256="0"),
            tables=tuple(
                TableChanges(oid=relation.oid, relations=(relation,), steps=(step,), counts=counts)
                for relation, step in by_table
            ),
        )


def _fields(frame: pl.DataFrame, op: str) -> pl.DataFrame:
    """The columns as the journal names them, with their op first."""
    names = {name: f"c{NAMES.index(name) + 1}" for name in frame.columns}
    return frame.rename(names).select(pl.lit(op).alias("op"), pl.all())


def _relation(schema: str, number: int) -> Relation:
    columns = tuple(
        Column(attnum=attnum, name=name, type=PgType(oid=oid, typmod=typmod, name=text, kind=KIND_BY_OID[oid]))
        for attnum, (name, (oid, text, typmod)) in enumerate(_COLUMNS.items(), 1)
    )
    return Relation(
        oid=10_000 + number,
        schema=schema,
        name=f"t{number}",
        identity="d",
        key_kind=KeyKind.KEYED,
        key=(1,),
        columns=columns,
    )


def seed_file(frame: pl.DataFrame) -> bytes:
    """A file of the seed: gzip, a header line, quotes only where they are needed."""
    text: str = frame.write_csv(null_value=NULL)
    return gzip.compress(text.encode(), 6)
