"""A source that changes by chance, and the batches that a journal holds of it: for those who load them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from compact.source import BIG, Chance, Row, Source, frame_of
from compact.source import relation as relation_of
from re_dms.compact import fold
from re_dms.journal.csv import new_null_token, write_csv
from re_dms.journal.memory import MemoryStore
from re_dms.journal.store import Store
from re_dms.lsn import LSN
from re_dms.manifest import (
    Altered,
    Changes,
    Commit,
    Copy,
    Counts,
    DataFile,
    Manifest,
    RegistryRef,
    Step,
    TableChanges,
    Truncate,
)
from re_dms.schema import Column, KeyKind, Relation

JOURNAL_ID = "journal-1"


@dataclass
class Told:
    """A source table, and what was told of it: rows change by chance, and so does the table."""

    rnd: random.Random
    relation: Relation
    source: Source
    chance: Chance | None
    seen: int = 0

    def change(self) -> None:
        if self.chance is not None:
            self.chance.step()
            return
        op = self.rnd.choice("IIUD") if self.source.rows else "I"
        row: Row = {c.attnum: self.rnd.choice([None, "", "a", f"{BIG}1"]) for c in self.relation.columns}
        if op == "I":
            self.source.insert(row)
        elif op == "U":
            self.source.update(self.rnd.choice(self.source.rows), row)
        else:
            self.source.delete(self.rnd.choice(self.source.rows))

    def truncate(self) -> None:
        self.source.rows.clear()

    def widen(self) -> None:
        attnum = self.relation.columns[-1].attnum + 1
        added = Column(attnum=attnum, name=f"n{attnum}", type=self.relation.columns[-1].type)
        self.relation = self.source.relation = replace(self.relation, columns=(*self.relation.columns, added))
        if self.chance is not None:
            self.chance.relation = self.relation
        for row in self.source.rows:
            row[attnum] = None

    @property
    def rows(self) -> list[tuple[str | None, ...]]:
        return sorted((tuple(row.values()) for row in self.source.rows), key=repr)


@dataclass
class Story:
    """A source and its journal: every call of `batch` is the next batch of random changes."""

    seed: int
    store: Store = field(default_factory=MemoryStore)
    files: int = 0
    number: int = 0

    def __post_init__(self) -> None:
        self.rnd = random.Random(self.seed)
        shapes = {
            "plain": relation_of(4, (1,)),
            "composite": relation_of(4, (4, 1)),
            "full": relation_of(4, (1,), identity="f"),
            "counted": relation_of(3, (), identity="f", kind=KeyKind.COUNTED),
        }
        self.tables: list[Told] = []
        for oid, (name, shape) in enumerate(shapes.items(), start=100):
            relation = replace(shape, oid=oid, name=name)
            chance = Chance(self.rnd, relation, name) if relation.key else None
            source = Source(relation) if chance is None else chance.source
            self.tables.append(Told(rnd=self.rnd, relation=relation, source=source, chance=chance))

    def file(self, frame: pl.DataFrame) -> DataFile:
        self.files += 1
        data, stats = write_csv(frame, null=new_null_token(), compression="zstd")
        key = f"data/{self.number:012d}/w-{self.files}.csv.zst"
        self.store.create(key, data)
        return stats.data_file(key=key, odd={"3": 1})

    def manifest(self, kind: str, tables: Sequence[TableChanges]) -> Manifest:
        number = self.number
        return Manifest(
            journal_id=JOURNAL_ID, number=number, writer=f"w{number}", kind="copy" if kind == "copy" else "stream",
            start=LSN(number * 256), end=LSN(number * 256 + 256),
            last_commit=Commit(end=LSN(number * 256 + 200), xid=700 + number, time_us=1_700_000_000_000_000 + number),
            transactions=number, changes=sum(table.counts.inserts for table in tables),
            commit_times_us=tuple(1_700_000_000_000_000 + number * 100 + step for step in range(min(number, 21))),
            registry=RegistryRef(key=f"registry/{number}", sha256="0"), tables=tuple(tables),
        )  # fmt: skip

    def copy(self) -> Manifest:
        self.number += 1
        tables = []
        for told in self.tables:
            names = ["op", *(f"c{c.attnum}" for c in told.relation.columns)]
            rows = pl.DataFrame(
                [["I", *row.values()] for row in told.source.rows], schema=dict.fromkeys(names, pl.String), orient="row"
            )
            files = (self.file(rows),) if rows.height else ()
            step = Copy(relation=0, position=LSN(1), files=files)
            counts = Counts(copied=rows.height)
            tables.append(TableChanges(oid=told.relation.oid, relations=(told.relation,), steps=(step,), counts=counts))
            told.seen = len(told.source.events)
        return self.manifest("copy", tables)

    def batch(self) -> Manifest:
        self.number += 1
        tables = [self.changes(told) for told in self.rnd.sample(self.tables, self.rnd.randrange(1, 5))]
        return self.manifest("stream", [table for table in tables if table.steps])

    def changes(self, told: Told) -> TableChanges:
        relations, steps, counts = [told.relation], list[Step](), Counter[str]()
        for _ in range(self.rnd.randrange(1, 4)):
            for _ in range(self.rnd.randrange(6)):
                told.change()
            events, told.seen = told.source.events[told.seen :], len(told.source.events)
            if events:
                folded = fold(told.relation, frame_of(told.relation, events))
                counts.update(folded.counts.model_dump())
                if folded.frame.height:
                    steps.append(Changes(relation=len(relations) - 1, files=(self.file(folded.frame),), ops=folded.ops))
            barrier = self.rnd.random()
            if barrier < 0.1:
                told.truncate()
                counts["truncates"] += 1
                steps.append(Truncate(relation=len(relations) - 1))
            elif barrier < 0.2:
                told.widen()
                relations.append(told.relation)
                if self.rnd.random() < 0.5:
                    steps.append(Altered(relation=len(relations) - 1))
        if len(relations) > 1 and (not steps or steps[-1].relation < len(relations) - 1):
            steps.append(Altered(relation=len(relations) - 1))
        return TableChanges(
            oid=told.relation.oid, relations=tuple(relations), steps=tuple(steps), counts=Counts(**counts)
        )
