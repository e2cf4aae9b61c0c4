"""A source that does only what Postgres allows, and tells it as pgoutput does: events, and frames as the decoder gives.

A value that starts with BIG is stored out of line: an UPDATE that does not assign it leaves it out ("unsent").
Under the identities `d` and `i` an update carries the old key (`K`) when the key changes and also when a key column is
out of line; under `f` it carries the whole old row (`O`), which never has unsent values.
Source: ExtractReplicaIdentity in src/backend/access/heap/heapam.c; logicalrep_write_tuple in replication/logical/proto.c.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation

BIG = "big:"
TEXT = PgType(oid=25, typmod=-1, name="text", kind=Kind.TEXT)

Row = dict[int, str | None]
Key = tuple[str | None, ...]


def relation(columns: int, key: tuple[int, ...], identity: str = "d", kind: KeyKind = KeyKind.KEYED) -> Relation:
    """A table with the columns n1 … n<columns>; attnum 2 was dropped long ago."""
    attnums = [1, *range(3, columns + 2)]
    return Relation(
        oid=16384,
        schema="public",
        name="orders",
        identity=identity,
        key_kind=kind,
        key=key,
        columns=tuple(Column(attnum=a, name=f"n{a}", type=TEXT) for a in attnums),
    )


@dataclass(frozen=True, kw_only=True)
class Event:
    """One pgoutput message. `new` lacks the columns that were not sent; `old` holds what the old tuple holds."""

    op: str
    new: Row = field(default_factory=dict)
    kind: str = ""
    old: Row = field(default_factory=dict)


def frame_of(relation: Relation, events: Sequence[Event], first_seq: int = 0) -> pl.DataFrame:
    """The event frame that the decoder gives for these events."""
    data: dict[str, pl.Series] = {
        "seq": pl.Series(range(first_seq, first_seq + len(events)), dtype=pl.Int64),
        "op": pl.Series([ord(event.op) for event in events], dtype=pl.UInt8),
        "old": pl.Series([ord(event.kind) if event.kind else 0 for event in events], dtype=pl.UInt8),
    }
    kinds = {event.kind for event in events}
    for attnum in (column.attnum for column in relation.columns):
        data[f"c{attnum}"] = pl.Series([event.new.get(attnum) for event in events], dtype=pl.String)
        unsent = [event.op != "D" and attnum not in event.new for event in events]
        if any(unsent):
            data[f"u{attnum}"] = pl.Series(unsent)
        if "O" in kinds or ("K" in kinds and attnum in relation.key):
            data[f"k{attnum}"] = pl.Series([event.old.get(attnum) for event in events], dtype=pl.String)
    return pl.DataFrame(data)


class Source:
    """One table of a source. Every method is one statement on one row, and appends its event to `events`."""

    def __init__(self, relation: Relation, rows: Sequence[Row] = ()) -> None:
        self.relation = relation
        self.rows: list[Row] = [dict(row) for row in rows]
        self.events: list[Event] = []
        self.statements: list[tuple[Row, Row]] = []
        """Per event the row before (empty for an insert) and what was assigned."""

    def key(self, row: Row) -> Key:
        return tuple(row[attnum] for attnum in self.relation.key)

    @property
    def keyed(self) -> dict[Key, Row]:
        """The table by key; the key is unique at every moment."""
        by_key = {self.key(row): row for row in self.rows}
        assert len(by_key) == len(self.rows), "Postgres would have refused a duplicate key"
        return by_key

    def insert(self, row: Row) -> Row:
        row = dict(row)
        self.rows.append(row)
        self.statements.append(({}, dict(row)))
        self.events.append(Event(op="I", new=dict(row)))
        return row

    def update(self, row: Row, assigned: Row) -> None:
        before = dict(row)
        self.statements.append((before, dict(assigned)))
        row.update(assigned)
        new = {a: v for a, v in row.items() if a in assigned or not (v or "").startswith(BIG)}
        kind, old = "", {}
        if self.relation.identity == "f":
            kind, old = "O", before
        elif self.key(before) != self.key(row) or any((v or "").startswith(BIG) for v in self.key(before)):
            kind, old = "K", {a: before[a] for a in self.relation.key}
        self.events.append(Event(op="U", new=new, kind=kind, old=old))

    def delete(self, row: Row) -> None:
        self.rows = [other for other in self.rows if other is not row]
        self.statements.append((dict(row), {}))
        whole = self.relation.identity == "f"
        old = dict(row) if whole else {a: row[a] for a in self.relation.key}
        self.events.append(Event(op="D", kind="O" if whole else "K", old=old))


class Chance:
    """Random statements on a keyed source. `label` goes into every key, so that many sources fit in one frame."""

    def __init__(self, rnd: random.Random, relation: Relation, label: str) -> None:
        self.rnd = rnd
        self.label = label
        self.relation = relation
        self.ticks = 0
        keys = rnd.sample(range(8), rnd.randrange(6))
        self.source = Source(relation, [self.row(self.some_key(n)) for n in keys])

    def some_key(self, number: int) -> Row:
        first, *others = self.relation.key
        key: Row = {a: self.rnd.choice(["x", f"{BIG}z"]) for a in others}
        return {first: f"{self.label}.{number}"} | key

    def free_key(self) -> Row | None:
        taken = {row[self.relation.key[0]] for row in self.source.rows}
        free = [n for n in range(8) if f"{self.label}.{n}" not in taken]
        return self.some_key(self.rnd.choice(free)) if free else None

    def value(self) -> str | None:
        self.ticks += 1
        return self.rnd.choice([None, "", f"small {self.ticks}", f"{BIG}{self.ticks}", f"{BIG}{self.ticks}"])

    def row(self, key: Row) -> Row:
        return {c.attnum: key[c.attnum] if c.attnum in key else self.value() for c in self.relation.columns}

    def some_values(self) -> Row:
        others = [c.attnum for c in self.relation.columns if c.attnum not in self.relation.key]
        return {a: self.value() for a in others if self.rnd.random() < 0.3}

    def step(self) -> None:
        """One statement, or a few that belong together."""
        source, rnd = self.source, self.rnd
        statement = rnd.choice(
            [
                self.inserting,
                self.inserting,
                self.updating,
                self.updating,
                self.updating,
                self.moving,
                self.moving,
                self.deleting,
                self.replacing,
                self.swapping,
                self.shifting,
                self.fleeting,
            ]
        )
        if source.rows or statement in (self.inserting, self.fleeting):
            statement()

    def inserting(self) -> None:
        key = self.free_key()
        if key:
            self.source.insert(self.row(key))

    def updating(self) -> None:
        self.source.update(self.rnd.choice(self.source.rows), self.some_values())

    def moving(self) -> None:
        """a → b, and sometimes on to c; sometimes only the last key column changes."""
        row = self.rnd.choice(self.source.rows)
        for _ in range(self.rnd.randrange(1, 4)):
            key = self.free_key()
            if self.rnd.random() < 0.2:
                last = self.relation.key[-1]
                key = {last: self.rnd.choice(["x", f"{BIG}z"])} if len(self.relation.key) > 1 else None
            if key:
                self.source.update(row, key | self.some_values())

    def deleting(self) -> None:
        self.source.delete(self.rnd.choice(self.source.rows))

    def replacing(self) -> None:
        row = self.rnd.choice(self.source.rows)
        self.source.delete(row)
        row = self.source.insert(self.row({a: row[a] or "" for a in self.relation.key}))
        if self.rnd.random() < 0.5:
            self.source.update(row, self.some_values())

    def fleeting(self) -> None:
        key = self.free_key()
        if key:
            self.source.delete(self.source.insert(self.row(key)))

    def swapping(self) -> None:
        key = self.free_key()
        if key and len(self.source.rows) > 1:
            one, two = self.rnd.sample(self.source.rows, 2)
            first, second = ({a: row[a] for a in self.relation.key} for row in (one, two))
            self.source.update(one, key)
            self.source.update(two, first | self.some_values())
            self.source.update(one, second)

    def shifting(self) -> None:
        """id = id + 1 over all rows, in the order in which Postgres can do it."""
        first = self.relation.key[0]
        for row in sorted(self.source.rows, key=lambda row: row[first] or "", reverse=True):
            number = int((row[first] or "").rpartition(".")[2]) + 1
            if number < 8 and f"{self.label}.{number}" not in {other[first] for other in self.source.rows}:
                self.source.update(row, {first: f"{self.label}.{number}"})
