"""Many tables, wide tables, large targets: what a batch costs is told by the tables that it touches, and by nothing else.

`-rP` prints the figures. No test here looks at a clock to pass: what is promised are statements and round trips.
RE_DMS_NIGHTLY=1 takes more tables, and both drivers.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fix_redshift import Benches
from nightly import NIGHTLY, nightly
from re_dms.manifest import Changes, TableChanges
from re_dms.schema import Relation
from re_dms.warehouse.opening import open_warehouse
from warehouse.building import INT4, TEXT, RedshiftBench, Row, column, redshift_settings, relation, table

if TYPE_CHECKING:
    from bench.relay import Relay, Traffic

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = ("redshift_connector", "psycopg")[: 2 if NIGHTLY else 1]
ALL, TOUCHED = (120, 42) if NIGHTLY else (20, 8)
AT_ONCE = 300 if NIGHTLY else 60
COLUMNS = 1_500
Watched = Callable[[str], tuple[RedshiftBench, "Relay"]]


@pytest.fixture
def watched(redshift_benches: Benches, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Make a bench whose warehouse is reached through a relay, with one session for COPY: counts are exact."""
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.relay import Relay

    with ExitStack() as stack:

        def make(driver: str) -> tuple[RedshiftBench, Relay]:
            bench = redshift_benches(driver)
            relay = stack.enter_context(Relay(bench.server.host, bench.server.port))
            settings = redshift_settings(bench.server, driver)
            url = settings.url.replace(f":{bench.server.port}/", f":{relay.port}/")
            bench.warehouse.close()
            bench.warehouse = open_warehouse(dataclasses.replace(settings, url=url, copy_sessions=1))
            stack.callback(bench.warehouse.close)
            bench.claim()
            return bench, relay

        yield make


def numbered(count: int, first: int = 0) -> list[Relation]:
    columns = (column(1, "id", INT4), column(2, "note"), column(3, "amount", INT4))
    return [relation(*columns, oid=1_000 + number, name=f"t{number}") for number in range(first, first + count)]


def copies(bench: RedshiftBench, relations: Sequence[Relation], rows: int) -> list[TableChanges]:
    some = [[str(number), "a", "1"] for number in range(rows)]
    return [table(each, bench.journal.copy(each, *some), copied=rows) for each in relations]


def changes(bench: RedshiftBench, relations: Sequence[Relation], rows: int = 1) -> list[TableChanges]:
    """Of every table: `rows` full rows with new keys, a partial row and a delete; the target has the same rows after."""
    full: list[Row] = [{"op": "U", "c1": str(1_000_000 + number), "c2": "n", "c3": "2"} for number in range(rows)]
    few: list[Row] = [{"op": "P", "mask": "2", "f1": "0", "c1": "0", "c3": "7"}, {"op": "D", "c1": "-1"}]
    counts = {"inserts": rows, "updates": 1, "deletes": 1}
    return [table(each, bench.journal.changes(each, *full, *few), **counts) for each in relations]


def in_parts(bench: RedshiftBench, rel: Relation, rows: int, parts: int) -> TableChanges:
    """As `changes`, in files of the same columns."""
    steps = []
    for part in range(parts):
        full = [{"op": "U", "c1": str(1_000_000 + n), "c2": "n", "c3": "2"} for n in range(part, rows, parts)]
        few: list[Row] = [{"op": "P", "mask": "2", "f1": "0", "c1": "0", "c3": "7"}] if part == 0 else []
        filler: Row = {"op": "D", "mask": None, "f1": None, "c1": str(-1 - part)}
        steps.append(bench.journal.changes(rel, *full, *few, filler))
    ops = {op: sum(step.ops.get(op, 0) for step in steps) for op in "UPD"}
    return table(
        rel, Changes(relation=0, files=tuple(file for step in steps for file in step.files), ops=ops), inserts=rows
    )


@pytest.mark.parametrize("driver", DRIVERS)
def test_only_the_touched_tables_make_a_batch_dearer(watched: Watched, driver: str) -> None:
    bench, relay = watched(driver)
    figures: dict[str, Traffic] = {}
    tables = numbered(3)

    def measure(name: str, *touched: TableChanges) -> Traffic:
        before, started = relay.traffic, time.monotonic()
        report = bench.load(*touched)
        figures[name] = relay.traffic - before
        assert report.tables == len(touched)
        print(
            f"{driver}: {name}: {figures[name].statements} statements, {figures[name].round_trips} round trips,"
            f" {time.monotonic() - started:.2f} s"
        )
        return figures[name]

    bench.load(*copies(bench, tables, rows=10))
    bench.load(*changes(bench, tables[:1]))  # opens what stays open
    one = measure("1 of 3 tables, 10 rows in it", *changes(bench, tables[:1]))
    assert one.sessions == 0
    measure("20,000 rows in 4 files into it", in_parts(bench, tables[0], rows=20_000, parts=4))
    measure("1 of 3 tables, 20,010 rows in it", *changes(bench, tables[:1]))
    tables += numbered(ALL - 3, first=3)
    bench.load(*copies(bench, tables[3:], rows=1))
    measure(f"1 of {ALL} tables", *changes(bench, tables[:1]))
    assert set(figures.values()) == {one}
    two = measure(f"2 of {ALL} tables", *changes(bench, tables[:2]))
    many = measure(f"{TOUCHED} of {ALL} tables", *changes(bench, tables[:TOUCHED]))
    a_table = two - one
    print(
        f"{driver}: {a_table.statements} statements and {a_table.round_trips} round trips per touched table,"
        f" {one.statements - a_table.statements} and {one.round_trips - a_table.round_trips} per batch"
    )
    assert (many.statements - one.statements, many.round_trips - one.round_trips) == (
        (TOUCHED - 1) * a_table.statements,
        (TOUCHED - 1) * a_table.round_trips,
    )
    assert bench.query("select count(*), max(amount) from public.t0") == [(20_010, 7)]
    assert bench.query(f"select count(*), max(amount) from public.t{TOUCHED - 1}") == [(2, 7)]


@nightly("by day a few tables")
def test_a_batch_that_touches_very_many_tables_is_loaded_as_any_other(redshift_benches: Benches) -> None:
    bench = redshift_benches()
    tables = numbered(AT_ONCE)
    started = time.monotonic()
    assert bench.load(*copies(bench, tables, rows=0)).tables == AT_ONCE
    copied = time.monotonic()
    rows: list[Row] = [{"op": "U", "c1": "1", "c2": "a"}, {"op": "U", "c1": "2", "c3": "3"}, {"op": "D", "c1": "0"}]
    report = bench.load(*[table(each, bench.journal.changes(each, *rows)) for each in tables])
    print(f"{AT_ONCE} tables: made in {copied - started:.1f} s, changed in {time.monotonic() - copied:.1f} s")
    assert (report.tables, report.rows, report.inserted, report.skipped) == (AT_ONCE, 3 * AT_ONCE, 2 * AT_ONCE, ())
    selects = [f"select id, note, amount from public.{each.name}" for each in tables]
    found = bench.query(f"select id, note, amount, count(*) from ({' union all '.join(selects)}) a group by 1, 2, 3")
    assert sorted(found) == [(1, "a", None, AT_ONCE), (2, None, 3, AT_ONCE)]
    status = bench.warehouse.status("journal-1")
    assert status.watermark is not None
    assert (status.watermark.batch, len(status.tables)) == (2, AT_ONCE)
    assert bench.query("select tablename from pg_tables where schemaname = 're_dms_stage'") == []


def test_a_table_of_1500_columns_is_copied_inserted_updated_and_filled(redshift_benches: Benches) -> None:
    """Small values: Postgres, which is behind the stand-in too, keeps no wider rows in so many columns."""
    bench = redshift_benches()
    columns = [column(n, f"column_{n}", TEXT if n % 100 == 0 else INT4) for n in range(2, COLUMNS + 1)]
    wide = relation(column(1, "id", INT4), *columns, name="wide")
    unsent = ",".join(str(n) for n in range(2, COLUMNS))

    def full(key: str, value: str | None) -> list[str | None]:
        return [key, *[value] * (COLUMNS - 1)]

    def update(key: str, value: str) -> Row:
        return {"op": "U", **{f"c{n}": each for n, each in enumerate(full(key, value), 1)}}

    def partial(before: str, after: str, value: str) -> Row:
        return {"op": "P", "mask": unsent, "f1": before, "c1": after, f"c{COLUMNS}": value}

    bench.copied(wide, full("1", "10"), full("2", "20"), full("3", "30"), full("4", None))
    report = bench.changed(
        wide,
        *(update("1", "11"), update("5", "50"), {"op": "D", "c1": "2"}),
        # All but the last column stay, under the same key and under another one.
        *(partial("3", "3", "31"), partial("4", "40", "41")),
    )
    assert (report.rows, report.inserted) == (5, 4)
    rows = bench.query("select * from public.wide order by id")
    text = {n for n in range(2, COLUMNS + 1) if n % 100 == 0}
    assert [[str(value) if value is not None else None for value in row] for row in rows] == [
        full("1", "11"),
        [*full("3", "30")[:-1], "31"],
        full("5", "50"),
        [*full("40", None)[:-1], "41"],
    ]
    assert {n for n, value in enumerate(rows[0], 1) if isinstance(value, str)} == text
