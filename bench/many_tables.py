"""`bench many_tables`: transactions that touch many tables, one row in each, and the start with many tables.

All tables are in the publication and were copied before. A load waits in the slot; CPU is that of all our processes from
the stream's opening on, less what they use when nothing waits. The catalog watcher's looks are not in it (`bench catalog`).
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, Final

from bench.capture import place
from bench.machine import facts
from bench.points import Meter, Point
from bench.running import Pipeline
from bench.workloads import DATABASE
from localpg import LocalPostgres

_AT_ONCE: Final = 1_000
_SIZES: Final = (1, 10, 100, 1_000, 10_000)
_TABLE: Final = (
    "(id bigint primary key, a text, b int, c numeric, d timestamptz, e text[], f jsonb, g date, h uuid, i bool)"
)
_ROW: Final = (
    "g, ''text '' || g, g, g / 7.0, now(), array[''a'', ''b''], ''{\"k\": 1}'', date ''2024-01-01'', null, true"
)


def make_tables(server: LocalPostgres, tables: int, dbname: str) -> None:
    """t_1, t_2, …, of ten columns, empty."""
    for first in range(1, tables + 1, _AT_ONCE):
        last = min(first + _AT_ONCE - 1, tables)
        server.execute(
            f"do $$ begin for n in {first}..{last} loop execute format('create table t_%s {_TABLE}', n); end loop; end $$",
            dbname=dbname,
        )


class World:
    """A database with many tables, and a pipeline that has copied them."""

    def __init__(self, server: LocalPostgres, directory: Path, tables: int) -> None:
        self.server = server
        self.tables = tables
        self._next = 1
        server.create_database(DATABASE)
        make_tables(server, tables, DATABASE)
        server.execute("create publication bench for all tables", dbname=DATABASE)
        server.execute("analyze", dbname=DATABASE)
        settings = {"capture.catalog_seconds": "3600"}
        pipeline = Pipeline(server=server, directory=directory, name="many", settings=settings)
        began = time.monotonic()
        pipeline.begin()
        self.first_start_seconds = time.monotonic() - began
        self.meter = Meter(pipelines=[pipeline])
        self.meter.begin()

    @property
    def sizes(self) -> list[int]:
        """1, 10, 100 … tables, as far as there are so many."""
        return [size for size in _SIZES if size <= self.tables]

    def touch(self, tables: int, rows: int = 1) -> Point:
        """One transaction that inserts so many rows into each of so many tables, through capture."""
        first, self._next = self._next, self._next + rows
        insert = f"insert into t_%s select {_ROW} from generate_series({first}, {self._next - 1}) g"
        self.server.execute(
            f"do $$ begin for n in 1..{tables} loop execute format('{insert}', n); end loop; end $$", dbname=DATABASE
        )
        return self.meter.take(tables * rows)


def measure(*, tables: int, rounds: int, pg_bin: Path | None = None) -> dict[str, Any]:
    """The figures of one run on a server of its own. Raises DifferentWork."""
    with place(pg_bin) as (server, directory):
        world = World(server, directory, tables)
        return {"bench": "many_tables", "tables": tables, **touched(world, rounds), **facts(server)}


def touched(world: World, rounds: int) -> dict[str, Any]:
    """By touched tables. The largest size once, the others as often as `rounds`: medians."""
    found = {size: [world.touch(size) for _ in range(1 if size >= _AT_ONCE else rounds)] for size in world.sizes}
    largest = found[world.sizes[-1]][0]
    every = [point for points in found.values() for point in points]
    return {
        "first_start_seconds": round(world.first_start_seconds, 2),
        "start_seconds": round(statistics.median(point.start_seconds for point in every), 2),
        "cpu_seconds_per_10_000_tables": round(largest.cpu_seconds / world.sizes[-1] * 10_000, 2),
        "by_touched_tables": {
            str(size): {
                "cpu_seconds": _median([point.cpu_seconds for point in points]),
                "backend_cpu_seconds": _median([point.backend_cpu_seconds for point in points]),
                "seconds": _median([point.seconds for point in points]),
            }
            for size, points in found.items()
        },
        "peak_pss_mb": round(max(point.peak_pss_bytes for point in every) / 1_000_000),
    }


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 3)
