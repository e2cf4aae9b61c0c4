"""Random histories in which the catalog changes too: every table ends equal, or was stopped by name and is equal after
the remedy. Never silently different.

Rows and catalog changes come in any order, the watcher looks now and then, capture lags behind as it likes.
`RE_DMS_CATALOG_HISTORIES=1000` draws that many.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from fix_postgres import Database
from histories.in_process import InProcess
from re_dms.errors import RelationChanged
from re_dms.pipeline.relations import TablesChanged
from re_dms.source.slot import current_position

EXAMPLES = int(os.environ.get("RE_DMS_CATALOG_HISTORIES", "12"))
TABLES = ("plain", "mood", "parts")
DDL = """
drop schema if exists {s} cascade; create schema {s};
create table {s}.plain (id int primary key, a text, n int);
create type {s}.feeling as enum ('low', 'high', 'none');
create table {s}.mood (id int primary key, m {s}.feeling, a text, n int);
create table {s}.parts (id int, n int, a text, primary key (id, n)) partition by range (n);
create table {s}.parts_0 partition of {s}.parts for values from (-1000000) to (100);
create table {s}.parts_1 partition of {s}.parts for values from (100) to (1000000);
insert into {s}.plain select i, 'first', i from generate_series(1, 5) i;
insert into {s}.mood select i, 'low', 'first', i from generate_series(1, 5) i;
insert into {s}.parts select i, i * 40, 'first' from generate_series(1, 5) i;
create publication {p} for table {s}.plain, {s}.mood, {s}.parts with (publish_via_partition_root = true)
"""
CHANGES = {
    "plain": (
        "alter table {t} add column if not exists more int default 7",
        "alter table {t} add column if not exists less text",
        "alter table {t} add column if not exists odd double precision default random()",
        "alter table {t} drop column if exists more",
        "alter table {t} drop column if exists less; alter table {t} add column less text",
        "alter table {t} drop column n; alter table {t} add column n int",
        "alter table {t} rename column a to b; alter table {t} rename column b to a",
        "alter table {t} rename column a to z",
        "alter table {t} rename column z to a",
        "alter table {t} alter n type int using n + 1000",
        "alter table {t} alter n type bigint",
        "alter table {t} replica identity full",
        "alter table {t} replica identity default",
        "alter table {t} drop constraint plain_pkey; alter table {t} add constraint plain_pkey primary key (id)",
        "alter publication {p} drop table {t}; insert into {t} (id) values (50) on conflict do nothing;"
        " alter publication {p} add table {t}",
        "alter publication {p} drop table {t}",
        "truncate {t}",
        "analyze {t}; create index on {t} (id)",
        "alter table {t} alter id set statistics 100",
    ),
    "mood": (
        "alter type {s}.feeling rename value 'low' to 'lower'",
        "alter type {s}.feeling rename value 'lower' to 'low'",
        "alter type {s}.feeling add value if not exists 'more'",
        "alter table {t} drop column if exists a; alter table {t} add column a text",
    ),
    "parts": (
        "truncate {s}.parts_0",
        "truncate {t}",
        "alter table {t} detach partition {s}.parts_1;"
        " alter table {t} attach partition {s}.parts_1 for values from (100) to (1000000)",
        "create table if not exists {s}.parts_2 partition of {t} for values from (1000000) to (2000000)",
        "create table {s}.parts_3 (id int not null, n int not null, a text, primary key (id, n));"
        " insert into {s}.parts_3 values (60, 2000001, 'unsent');"
        " alter table {t} attach partition {s}.parts_3 for values from (2000000) to (3000000)",
        "drop table if exists {s}.parts_3",
        "alter table {t} add column if not exists more int default 3",
        "alter table {t} drop column if exists more",
    ),
}
ROWS = (
    "insert into {t} (id, n) values ({i}, {i} * 30) on conflict do nothing",
    "update {t} set n = n + 1 where id = {i}",
    "update {t} set id = {i} + 5 where id = {i}",
    "delete from {t} where id = {i}",
)
_numbers = itertools.count(1)

table = st.sampled_from(TABLES)
row = st.tuples(table, st.sampled_from(ROWS), st.integers(1, 8))
change = table.flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(CHANGES[name]), st.just(0)))
step = st.one_of(row, row, change, st.sampled_from(["look", "capture", "load", "restart"]))


def run(connection: psycopg.Connection[Any], schema: str, name: str, drawn: tuple[str, str, int]) -> None:
    table_name, text, number = drawn
    for statement in text.split(";"):
        try:
            connection.execute(statement.format(t=f"{schema}.{table_name}", s=schema, p=name, i=number))
        except (psycopg.errors.ProgrammingError, psycopg.errors.IntegrityError, psycopg.errors.NotSupportedError):
            return  # what does not fit this history's state; statements are transactions of their own
        except psycopg.errors.InvalidParameterValue:
            return  # a label that is there or is not


def look(stages: InProcess, schema: str) -> None:
    """As a service does: tables that left our publication are added again at the next start, and the watcher judges."""
    try:
        stages.look()
    except TablesChanged:
        published = {row[0] for row in stages.database.fetch(
            "select tablename from pg_publication_tables where pubname = %s", [stages.name])}  # fmt: skip
        for missing in set(TABLES) - published:
            stages.database.execute(f"alter publication {stages.name} add table {schema}.{missing}")
        stages.look()


def capture(stages: InProcess) -> None:
    passed = current_position(stages.sql)
    stages.capture([], [0.5], restart=False)
    stages.judge(passed)


def end(stages: InProcess, schema: str) -> set[str]:
    """Twice: the first look may only add a table again."""
    stopped: set[str] = set()
    for _ in range(2):
        look(stages, schema)
        capture(stages)
        look(stages, schema)
        capture(stages)
        stopped |= stages.load_and_mend()
    return stopped


def differences(stages: InProcess, schema: str) -> dict[str, object]:
    found: dict[str, object] = {}
    with duckdb.connect(str(stages.warehouse_path), read_only=True) as target:
        for name in TABLES:
            columns = [row[0] for row in target.execute(f"describe {schema}.{name}").fetchall()]
            listed = ", ".join(f'"{column}"' for column in columns)
            there = target.execute(f"select {listed} from {schema}.{name}").fetchall()
            try:
                here = stages.database.fetch(f"select {listed} from {schema}.{name}")
            except psycopg.errors.UndefinedColumn:
                found[name] = f"columns {columns}"
                continue
            if sorted(map(str, here)) != sorted(map(str, there)):
                found[name] = (sorted(map(str, set(here) - set(there))), sorted(map(str, set(there) - set(here))))
            count = stages.database.fetch(
                "select count(*) from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
                [f"{schema}.{name}"],
            )
            if count != [(len(columns),)]:
                found[f"{name}'s columns"] = columns
    return found


def test_tables_end_equal_or_stop_by_name_and_are_mended(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=EXAMPLES)
    @given(st.lists(step, min_size=3, max_size=14))
    def history(steps: list[Any]) -> None:
        number = next(_numbers)
        schema, name = f"s{number}", f"c{number}_{database.name}"
        for statement in DDL.format(s=schema, p=name).split(";"):
            database.execute(statement)
        stages = InProcess(database, tmp_path_factory.mktemp("history"), name)
        try:
            with database.connect() as connection:
                stages.copy()
                stages.load()
                for drawn in steps:
                    match drawn:
                        case "look":
                            look(stages, schema)
                        case "capture":
                            capture(stages)
                        case "load":
                            stages.load_and_mend()
                        case "restart":
                            stages.restart()
                        case _:
                            run(connection, schema, name, drawn)
            stopped = end(stages, schema)
            event(f"{len(stopped)} tables stopped at the end")
            assert differences(stages, schema) == {}
        except RelationChanged:
            event("capture stopped")  # by name: changed again before it was read
        finally:
            stages.close()
            database.execute(f"drop publication {name}")
            database.execute(f"drop schema {schema} cascade")

    history()
