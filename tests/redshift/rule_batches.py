"""Batches in which a broken writer shows: what each loads, and what is in the target when the writer is whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from re_dms.journal import dialect
from re_dms.manifest import Changes, Truncate
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation
from warehouse.building import BYTEA, DATE, INT4, RedshiftBench, column, relation, table

JSON = PgType(oid=114, typmod=-1, name="json", kind=Kind.JSON)
JSONB = PgType(oid=3802, typmod=-1, name="jsonb", kind=Kind.JSONB)
TIMESTAMP = PgType(oid=1114, typmod=-1, name="timestamp", kind=Kind.TIMESTAMP)
NUMERIC_19 = PgType(oid=1700, typmod=(19 << 16) + 4, name="numeric(19,0)", kind=Kind.NUMERIC)
NUMERIC = PgType(oid=1700, typmod=-1, name="numeric", kind=Kind.NUMERIC)


def varchar(length: int) -> PgType:
    return PgType(oid=1043, typmod=length + 4, name=f"character varying({length})", kind=Kind.TEXT)


class Place:
    """A table of the test's own, on a bench that tests share."""

    def __init__(self, bench: RedshiftBench, oid: int) -> None:
        self.bench, self.oid = bench, oid
        self.name = f"rule{oid}"

    def relation(self, *columns: Column, key: tuple[int, ...] = (1,)) -> Relation:
        return relation(*columns, key=key, oid=self.oid, schema="rules", name=self.name)

    def append(self, *columns: Column) -> Relation:
        return relation(*columns, kind=KeyKind.APPEND, oid=self.oid, schema="rules", name=self.name)

    def orders(self) -> Relation:
        return self.relation(column(1, "k"), column(2, "v"), column(3, "n", INT4))

    def one(self, type_: PgType, *, key: tuple[int, ...] = (1,)) -> Relation:
        return self.relation(column(1, "k"), column(2, "v", type_), key=key)

    def copied(self, rel: Relation, *rows: Sequence[str | None]) -> None:
        self.bench.copied(rel, *rows)

    def changed(self, rel: Relation, *rows: dict[str, str | None]) -> None:
        self.bench.changed(rel, *rows)

    def rows(self, select: str = "*") -> list[tuple[Any, ...]]:
        return self.bench.query(f"select {select} from rules.{self.name}")

    def copied_again(self, rel: Relation, *rows: Sequence[str | None]) -> None:
        self.bench.warehouse.await_copy(self.bench.journal.journal_id, self.oid)
        self.copied(rel, *rows)


def some_rows(place: Place) -> Any:
    place.copied(place.orders(), ["a", "x", "1"], ["b", None, None])
    place.changed(place.orders(), {"op": "U", "c1": "b", "c2": "", "c3": "2"}, {"op": "D", "c1": "a"})
    return place.rows()


SOME_ROWS = [("b", "", 2)]


def hostile_token(place: Place) -> Any:
    place.copied(place.orders())
    place.bench.journal.null, was = "\\N", place.bench.journal.null
    try:
        place.changed(place.orders(), {"op": "U", "c1": "a", "c2": None})
    finally:
        place.bench.journal.null = was
    return place.rows()


def beside_another_object(place: Place) -> Any:
    """An object whose key begins with the file's key."""
    place.copied(place.orders())
    step = place.bench.journal.changes(place.orders(), {"op": "U", "c1": "a", "c2": "x"})
    store = place.bench.journal.store
    store.put(f"{step.files[0].key}.bak", store.get(step.files[0].key))
    place.bench.load(table(place.orders(), step))
    return place.rows()


def with_a_lost_file(place: Place) -> Any:
    """The second file is gone, and Redshift has to say so: the count alone would tell too, and not which."""
    place.copied(place.orders())
    steps = [place.bench.journal.changes(place.orders(), {"op": "U", "c1": key}) for key in "ab"]
    files = (*steps[0].files, *steps[1].files)
    place.bench.journal.store.delete([files[1].key])
    place.bench.load(table(place.orders(), Changes(relation=0, files=files, ops={"U": 2})))
    return place.rows()


def blank_keys_filled(place: Place) -> Any:
    place.copied(place.orders(), ["a", "x", "1"], ["a ", "y", "2"])
    place.changed(place.orders(), {"op": "P", "mask": "2", "f1": "a", "c1": "a", "c3": "7"})
    return place.rows()


def blank_keys_deleted(place: Place) -> Any:
    place.copied(place.orders(), ["a", "x", "1"], ["a ", "y", "2"])
    place.changed(place.orders(), {"op": "D", "c1": "a"})
    return place.rows()


def emptied(place: Place) -> Any:
    place.copied(place.orders(), ["a", "x", "1"])
    rows = place.bench.journal.changes(place.orders(), {"op": "U", "c1": "b"})
    place.bench.load(table(place.orders(), Truncate(relation=0), rows))
    return place.rows()


def two_masks(place: Place) -> Any:
    place.copied(place.orders(), ["a", "x", "1"], ["b", "y", "2"])
    place.changed(
        place.orders(),
        {"op": "P", "mask": "2", "f1": "a", "c1": "a", "c3": "5"},
        {"op": "P", "mask": "3", "f1": "b", "c1": "b", "c2": "z"},
    )
    return place.rows()


def moved(place: Place) -> Any:
    place.copied(place.orders(), ["a", "x", "1"], ["b", "y", "2"])
    place.changed(
        place.orders(),
        {"op": "P", "mask": "2", "f1": "a", "c1": "b", "c3": "1"},
        {"op": "P", "mask": "2", "f1": "b", "c1": "a", "c3": "2"},
    )
    return place.rows()


def two_added(place: Place) -> Any:
    place.copied(place.orders(), ["a", "x", "1"])
    wider = place.relation(*place.orders().columns, column(4, "d", DATE), column(5, "e", missing="old"))
    place.changed(wider, {"op": "U", "c1": "b"})
    return place.rows()


TWO_ADDED = [("a", "x", 1, None, "old"), ("b", None, None, None, None)]


def added_then_widened(place: Place) -> Any:
    place.copied(place.orders(), ["a", "x", "1"])
    narrow, wide = (
        place.relation(*place.orders().columns, column(4, "e", varchar(length), missing="old")) for length in (3, 9)
    )
    place.changed(narrow, {"op": "U", "c1": "b", "c4": "é" * 3})
    place.copied_again(wide, ["c", None, None, "é" * 9])
    return place.rows("k, e")


ADDED_THEN_WIDENED = [("c", "é" * 9)]


def widened(place: Place) -> Any:
    place.copied(place.relation(column(1, "k", varchar(3))), ["abc"])
    place.copied_again(place.relation(column(1, "k", varchar(9))), ["é" * 9])
    return place.rows()


WIDENED = [("é" * 9,)]


def replaced(place: Place) -> Any:
    place.copied(place.append(column(1, "a")), ["x"])
    place.changed(place.append(column(2, "b")), {"op": "I", "c2": "y"})
    return place.rows()


def viewed(place: Place) -> Any:
    place.copied(place.orders(), ["a", "x", "1"])
    place.bench.execute(f"create view rules.view_{place.name} as select k from rules.{place.name}")
    place.copied_again(place.orders(), ["b", "y", "2"])
    return place.bench.query(f"select * from rules.view_{place.name}")


def empty_keys(place: Place) -> Any:
    place.copied(place.orders(), ["", "", "1"], [" ", " ", "2"])
    return place.rows()


EMPTY_KEYS = [("", "", 1), (" ", " ", 2)]


def empty_values(place: Place) -> Any:
    place.copied(place.orders(), ["a", "", "1"], ["b", " ", "2"], ["c", "x ", "3"], ["d", None, "4"])
    return place.rows("k, v, octet_length(v)")


EMPTY_VALUES = [("a", "", 0), ("b", " ", 1), ("c", "x ", 2), ("d", None, None)]


def value(pg: PgType, said: str | None, *, seen: str = "v") -> Callable[[Place], Any]:
    """A batch of one value, and one of NULL beside it."""

    def batch(place: Place) -> Any:
        place.copied(place.one(pg), ["a", said], ["b", None])
        return place.rows(f"k, {seen}")

    return batch


def names_of(*names: str) -> Callable[[Place], Any]:
    """A table whose columns have these names, the first of which is the key."""

    def batch(place: Place) -> Any:
        rel = place.relation(*(column(number, name) for number, name in enumerate(names, 1)))
        place.copied(rel, [str(number) for number in range(len(names))])
        return place.rows()

    return batch


def bytea_as_postgres_prints_it(place: Place) -> Any:
    rel = place.one(BYTEA)
    frame = pl.DataFrame({"c1": ["a"], "c2": ["\\x00ff"]})
    place.copied(rel, *dialect.encode(frame, rel).rows())
    return place.rows("k, to_hex(v)")


def many_columns(place: Place) -> Any:
    rel = place.relation(*(column(number, f"c{number}", INT4) for number in range(1, 1602)))
    place.copied(rel, ["1", *(None for _ in range(1600))])
    return place.rows("count(*)")


def long_row(place: Place) -> Any:
    columns = [column(number, f"c{number}", JSONB) for number in range(2, 8)]
    said = json.dumps(["x" * 60_000] * 12)
    place.copied(place.relation(column(1, "k"), *columns), ["a", *(said for _ in columns)])
    return place.rows("k")
