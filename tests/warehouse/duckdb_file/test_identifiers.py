"""Names of tables and columns may be anything that Postgres allows; every statement runs with them for real."""

import dataclasses

import duckdb

from nightly import NIGHTLY
from re_dms.manifest import TableChanges, Truncate
from re_dms.schema import KeyKind, Relation
from warehouse.building import INT4, Bench, Row, column, relation, table

NAMES = [
    *("select", "from", "table", "order", "group by", "values", "null", "true", "default", "all", "distinct", "column"),
    *("stage", "target", "matches", "op", "n", "mask", "c1", "c2", "f1", "rowid", "staged", "found", "range", "unnest"),
    *("re_dms_stage", "temp", "main", "system", "public", "shop", "memory"),
    *(
        "a b",
        " ",
        "  lead",
        "trail ",
        "a.b",
        "a,b",
        "a;b",
        "a--b",
        "a/*b",
        "*",
        "(",
        ")",
        "[x]",
        "{x}",
        "%s",
        "?",
        "$1",
        ":x",
    ),
    *('"', '""', 'a"b', '"a"', "'", "a'b", "''", "\\", "a\\", "`", "$$", "@", "#"),
    *("\n", "a\r\nb", "\t", "\x01", "\u00a0", "é", "É", "ß", "日本語", "😀", "\u202e", "e\u0301", "0", "1a", "-", "A"),
    *("x" * 63, "é" * 31, "drop table public.orders; --", "x'); drop table public.orders; --", "NaN", "Where"),
]


def shaped(name: str, kind: KeyKind, oid: int) -> Relation:
    """A table, its schema and its columns by this name; `other` is a name beside it."""
    columns = (column(1, name, INT4), column(2, f"{name[:50]}2"), column(3, "other"))
    return relation(*columns, kind=kind, oid=oid, schema=name, name=f"{kind.value} {name[:40]}")


def copies(bench: Bench, name: str, oid: int) -> list[TableChanges]:
    keyed, counted, append = (shaped(name, kind, oid + i) for i, kind in enumerate(KeyKind))
    return [
        table(keyed, bench.journal.copy(keyed, ["1", "a", "x"], ["2", "b", "y"])),
        table(counted, bench.journal.copy(counted, ["1", "a", None], ["1", "a", None])),
        table(append, bench.journal.copy(append)),
    ]


def changes(bench: Bench, name: str, oid: int) -> list[TableChanges]:
    """Every step and every statement that the merge knows."""
    keyed, counted, append = (shaped(name, kind, oid + i) for i, kind in enumerate(KeyKind))
    wider = dataclasses.replace(keyed, columns=(*keyed.columns[:2], column(4, f"{name[:50]}4", missing="it's")))
    partial: Row = {"op": "P", "mask": "2,3", "f1": "1", "c1": "5"}
    taken: Row = {"op": "X", "n": "1", "c1": "1", "c2": "a"}
    return [
        table(
            (keyed, wider),
            bench.journal.changes(keyed, partial, {"op": "D", "c1": "1"}),
            bench.journal.changes(wider, {"op": "U", "c1": "6"}, index=1),
        ),
        table(counted, bench.journal.changes(counted, taken, {"op": "I", "n": "1"})),
        table(append, bench.journal.changes(append, {"op": "I", "c1": "3"}), Truncate(relation=0)),
    ]


def test_every_statement_runs_with_hostile_names(bench: Bench) -> None:
    names = NAMES if NIGHTLY else NAMES[::3]
    oids = {name: 1000 + 10 * i for i, name in enumerate(names)}
    bench.load(*(part for name, oid in oids.items() for part in copies(bench, name, oid)))
    bench.load(*(part for name, oid in oids.items() for part in changes(bench, name, oid)))
    with duckdb.connect(str(bench.warehouse.path)) as connection:
        for name in names:
            keyed, counted, append = (f"shop.{quoted(name)}.{quoted(shaped(name, kind, 0).name)}" for kind in KeyKind)
            described = connection.execute(f"select * from {keyed} order by 1")
            assert [field[0] for field in described.description or []] == [name, f"{name[:50]}2", f"{name[:50]}4"]
            assert described.fetchall() == [(2, "b", "it's"), (5, "a", "it's"), (6, None, None)]
            assert connection.execute(f"from {counted} order by all").fetchall() == [(1, "a", None), (None, None, None)]
            assert connection.execute(f"from {append}").fetchall() == []
    assert len(bench.warehouse.reset_all("shop")) == 3 * len(names)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
