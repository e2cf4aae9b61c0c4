"""Random histories of a real Postgres, through every stage, end in a warehouse that equals the source.

Hypothesis draws transactions over tables of every kind of key (rollbacks, savepoints, key swaps and shifts, unsent TOAST
also in keys, truncates of several tables), where buffers and batches are cut, copies in the middle, and batches that are
loaded twice. The source is asked at the end. `--hypothesis-profile=nightly` draws thousands.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fix_postgres import Database
from histories.in_process import InProcess

EXAMPLES = 15

DDL = """
create table pk (id int primary key, a text, big text);
create table comp (x int, id int, a text, big text, primary key (id, x));
create table toasted (id text primary key, a text, big text);
create table full_key (id int primary key, a text, big text); alter table full_key replica identity full;
create table full_row (id int, a text, big text); alter table full_row replica identity full;
create table by_index (a text, id int not null unique, big text);
alter table by_index replica identity using index by_index_id_key;
create table append_only (id int, a text, big text); alter table append_only replica identity nothing;
"""
TABLES = ("pk", "comp", "toasted", "full_key", "full_row", "by_index", "append_only")
KEYED = ("pk", "comp", "toasted", "full_key", "by_index")
CHANGEABLE = (*KEYED, "full_row")
_numbers = itertools.count(1)


def key(table: str, number: int | str) -> str:
    """A key value: wide enough to be TOASTed out of line for `toasted`."""
    return f"(lpad(({number})::text, 12, '0') || repeat('k', 2300))" if table == "toasted" else f"({number})"


def where(table: str, numbers: list[int]) -> str:
    listed = ", ".join(key(table, number) for number in numbers)
    return f"where id in ({listed})"


numbers = st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True)
value = st.sampled_from(["'x'", "''", "null", "'it''s \"q\"' || chr(10)", "repeat('v', 40)", "md5(random()::text)"])
big = st.sampled_from(["null", "repeat('b', 9000)", "repeat(md5(random()::text), 300)", "'small'", "''"])


@st.composite
def statement(draw: st.DrawFn) -> str:
    """One statement; what would violate a key is rolled back to its savepoint by the runner."""
    kind = draw(st.sampled_from("IIIUUUUBBNKKSTDD"))
    if kind == "I":
        table = draw(st.sampled_from(TABLES))
        extra, values = (", x", ", 7") if table == "comp" else ("", "")
        rows = ", ".join(f"({key(table, n)}, {draw(value)}, {draw(big)}{values})" for n in draw(numbers))
        return f"insert into {table} (id, a, big{extra}) values {rows} on conflict do nothing"
    if kind == "T":
        tables = draw(st.lists(st.sampled_from(TABLES), min_size=1, max_size=3, unique=True))
        return f"truncate {', '.join(tables)}" + draw(st.sampled_from(["", " restart identity", " cascade"]))
    table = draw(st.sampled_from(CHANGEABLE))
    chosen = where(table, draw(numbers))
    match kind:
        case "U":
            return f"update {table} set a = {draw(value)} {chosen}"
        case "B":
            return f"update {table} set big = {draw(big)} {chosen}"
        case "N":
            return f"update {table} set id = id {chosen}"
        case "K":
            return f"update {table} set id = {key(table, draw(st.integers(1, 6)))}, a = {draw(value)} {chosen}"
        case "S":
            if table in ("toasted", "full_row"):
                return f"update {table} set a = a || 's' {chosen}"
            one, other = draw(st.integers(1, 6)), draw(st.integers(1, 6))
            return (
                f"update {table} set id = -1 where id = {one}; update {table} set id = {one} where id = {other};"
                f" update {table} set id = {other} where id = -1"
            )
        case _:
            return f"delete from {table} {chosen}"


transaction = st.tuples(st.lists(statement(), min_size=1, max_size=6), st.sampled_from(["commit"] * 5 + ["rollback"]))
fractions = st.lists(st.floats(0, 1), max_size=4)
phase = st.fixed_dictionaries(
    {
        "transactions": st.lists(transaction, min_size=1, max_size=5),
        "capture": st.booleans(),
        "cuts": fractions,
        "ends": fractions,
        "copy": st.sampled_from([None, None, None, "some", "all"]),
        "twice": st.booleans(),
    }
)


def run_transaction(connection: psycopg.Connection[Any], statements: list[str], end: str) -> None:
    connection.execute("begin")
    for text in statements:
        connection.execute("savepoint s")
        try:
            connection.execute(text)
        except psycopg.errors.UniqueViolation:
            connection.execute("rollback to s")
    connection.execute(end)


def rows_of(fetched: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    return Counter(fetched)


def differences(stages: InProcess) -> dict[str, tuple[int, int]]:
    found = {}
    with duckdb.connect(str(stages.warehouse_path), read_only=True) as target:
        for table in TABLES:
            here = rows_of(stages.database.fetch(f"select * from {table}"))
            there = rows_of(target.execute(f"select * from public.{table}").fetchall())
            if here != there:
                found[table] = ((here - there).total(), (there - here).total())
    return found


def _examples() -> int:
    """The profile's number when it asks for thousands (nightly), else the suite's share."""
    asked = settings.get_current_profile_name()
    return settings.get_profile(asked).max_examples if asked == "nightly" else EXAMPLES


@pytest.fixture
def prepared(database: Database) -> Database:
    database.execute(DDL)
    return database


def test_random_histories_end_equal(prepared: Database, tmp_path_factory: pytest.TempPathFactory) -> None:
    oids = [row[0] for row in prepared.fetch("select oid::int8 from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")]  # fmt: skip

    @settings(max_examples=_examples())
    @given(st.lists(phase, min_size=1, max_size=4))
    def history(phases: list[dict[str, Any]]) -> None:
        name = f"h{next(_numbers)}_{prepared.name}"
        prepared.execute("truncate " + ", ".join(TABLES))
        prepared.execute(f"create publication {name} for table {', '.join(TABLES)}")
        stages = InProcess(prepared, tmp_path_factory.mktemp("history"), name)
        try:
            with prepared.connect() as connection:
                stages.copy()
                for step in phases:
                    for statements, end in step["transactions"]:
                        run_transaction(connection, statements, end)
                    if step["copy"]:
                        stages.copy(oids if step["copy"] == "all" else oids[::2])
                    if step["capture"]:
                        stages.capture(step["cuts"], step["ends"])
                        stages.load(twice=step["twice"])
                stages.capture([], [])
                stages.load()
            assert differences(stages) == {}
        finally:
            stages.close()
            prepared.execute(f"drop publication {name}")

    history()
