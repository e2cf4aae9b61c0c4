"""`bench growth`: how the cost of a change grows with tables, columns, and rows a transaction: curves, as lines and plots.

The cost is CPU time of all our processes from the stream's opening on, less what they use when nothing waits; beside it
what the server's backends use for the same. `steepest` is the greatest exponent between two neighbours of a curve: of the
cost of the same changes over tables, of a change over columns, of a transaction over its rows. 1 is linear.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.capture import place
from bench.machine import facts
from bench.many_tables import World, touched
from bench.plot import plot
from bench.points import Meter, Point, steepest
from bench.running import Pipeline
from bench.workloads import DATABASE, make_database, ten
from localpg import LocalPostgres

_COLUMNS: Final = (10, 25, 100, 400, 1_000, 1_600)
_ROWS: Final = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
_ROWS_FULL: Final = 10_000_000
_RUNS: Final = 2  # of each point over columns and rows: the cheaper one counts
# Of four types, together short enough for 1,600 of them in a page of 8 kB.
_KINDS: Final = (
    ("int", "i + {n}"),
    ("text", "left(md5(i::text), 3)"),
    ("smallint", "(i + {n}) % 30000"),
    ("boolean", "(i + {n}) % 3 = 0"),
)
_BY_TRANSACTION: Final = """
    do $$ begin
        perform set_config('synchronous_commit', 'off', false);
        for n in 0 .. {transactions} - 1 loop
            insert into measured select {row} from generate_series({first} + n * {rows}, {first} + (n + 1) * {rows} - 1) i;
            commit;
        end loop;
    end $$
"""

Curve = list[tuple[int, Point]]


def measure(
    *,
    tables: int,
    changes: int,
    values: int,
    rows_max: int,
    directory: Path | None,
    full: bool = False,
    pg_bin: Path | None = None,
) -> dict[str, Any]:
    """The figures; with `directory`, lines and plots in it. `changes`: of each point over tables and (at least) over rows;
    `values`: of each point over columns. Raises DifferentWork."""
    with place(pg_bin) as (server, work):
        world = World(server, work, tables)
        many = touched(world, rounds=2)
        by_tables = [(size, world.touch(size, max(1, changes // size))) for size in world.sizes]
    with place(pg_bin) as (server, work):
        by_columns = _by_columns(server, work, values)
    with place(pg_bin) as (server, work):
        by_rows = _by_rows(server, work, changes, [size for size in _ROWS if size <= rows_max], full)
        machine = facts(server)
    figures = {
        "tables": _curve(by_tables),
        "columns": _curve(by_columns),
        "rows_of_a_transaction": _curve(by_rows),
    }
    for name, exponent in (
        ("tables", steepest([(size, point.cpu_seconds / point.changes) for size, point in by_tables])),
        ("columns", steepest([(size, point.cpu_seconds / point.changes) for size, point in by_columns])),
        (
            "rows_of_a_transaction",
            steepest([(size, point.cpu_seconds / point.changes * size) for size, point in by_rows]),
        ),
    ):
        figures[name]["steepest"] = exponent
    figures["columns"]["cpu_us_of_a_value"] = {
        size: round(cost / int(size), 4) for size, cost in figures["columns"]["cpu_us_of_a_change"].items()
    }
    if directory is not None:
        _write(directory, figures, machine)
    return {"bench": "growth", "changes": changes, "values": values, **figures, "many_tables": many, **machine}


def _by_columns(server: LocalPostgres, work: Path, values: int) -> Curve:
    """One transaction each of as many rows as make the same number of values."""
    kinds = [_KINDS[number % len(_KINDS)] for number in range(max(_COLUMNS))]
    tables = [
        f"create table c_{count} (id int primary key, "
        + ", ".join(f"c{number} {kinds[number][0]}" for number in range(1, count))
        + ")"
        for count in _COLUMNS
    ]
    make_database(server, tables, [f"c_{count}" for count in _COLUMNS])
    meter = _meter(server, work, "columns")
    found = []
    for count in _COLUMNS:
        rows = max(1, values // count)
        expressions = ", ".join(kinds[number][1].format(n=number) for number in range(1, count))
        insert = f"insert into c_{count} select i, {expressions} from generate_series(1, {rows}) i"
        server.execute(insert, dbname=DATABASE)
        found.append((count, meter.take(rows)))
    return found


def _by_rows(server: LocalPostgres, work: Path, changes: int, sizes: Sequence[int], full: bool) -> Curve:
    """As many transactions as make `changes`, at least one."""
    ten.make(server)
    meter = _meter(server, work, "rows")
    found, first = [], 1
    for size in [*sizes, _ROWS_FULL] if full else sizes:
        transactions = max(1, changes // size)
        server.execute(
            _BY_TRANSACTION.format(transactions=transactions, row=ten.ROW, first=first, rows=size), dbname=DATABASE
        )
        first += transactions * size
        found.append((size, meter.take(transactions * size)))
    return found


def _meter(server: LocalPostgres, work: Path, name: str) -> Meter:
    settings = {"capture.catalog_seconds": "3600"}
    meter = Meter(
        pipelines=[
            Pipeline(server=server, directory=work, name=f"{name}_{number}", settings=settings)
            for number in range(_RUNS)
        ]
    )
    meter.begin()
    return meter


def _curve(points: Curve) -> dict[str, Any]:
    return {
        "cpu_us_of_a_change": {str(size): _us(point.cpu_seconds, point.changes) for size, point in points},
        "backend_cpu_us_of_a_change": {
            str(size): _us(point.backend_cpu_seconds, point.changes) for size, point in points
        },
        "changes": {str(size): point.changes for size, point in points},
        "peak_pss_mb": {str(size): round(point.peak_pss_bytes / 1_000_000) for size, point in points},
    }


def _us(seconds: float, changes: int) -> float:
    return round(seconds / changes * 1_000_000, 3)


def _write(directory: Path, figures: dict[str, Any], machine: dict[str, Any]) -> None:
    """growth.jsonl and a plot of each curve."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = [
        {"curve": name, "x": int(size), **{key: curve[key][size] for key in curve if key != "steepest"}, **machine}
        for name, curve in figures.items()
        for size in curve["changes"]
    ]
    (directory / "growth.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, curve in figures.items():
        changes = max(curve["changes"].values())
        words = {"tables": "touched tables", "columns": "columns", "rows_of_a_transaction": "rows of a transaction"}[
            name
        ]
        titles = {
            "tables": f"CPU of a change: {changes:,} changes over so many tables of 10 columns",
            "columns": "CPU of a change, by the table's columns",
            "rows_of_a_transaction": "CPU of a change, by the transaction's size (10 columns)",
        }
        curves = {
            label: [(float(size), value) for size, value in curve[key].items()]
            for label, key in (
                ("re_dms, all processes", "cpu_us_of_a_change"),
                ("Postgres's backends", "backend_cpu_us_of_a_change"),
            )
        }
        (directory / f"growth_{name}.svg").write_text(plot(titles[name], words, "CPU µs of a change", curves))
