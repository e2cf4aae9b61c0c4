"""The load of the crash tests: transactions whose fate can be told from the rows that they leave.

Every transaction of a loader writes its operations into two append-only tables, `ops_a` and `ops_b`, with its own number
and the number of operations that it has. Whoever reads these two tables sees whether a transaction is missing, doubled
or torn, at any moment. Beside them it changes tables of every kind: unsent TOAST, moved and swapped keys, rows without
a key, a table that is truncated.
"""

from __future__ import annotations

import random
import threading
import time
from types import TracebackType
from typing import Any

import psycopg

from fix_postgres import Database

LOADERS = 2
TABLES = ("ops_a", "ops_b", "items", "moved", "counted", "wiped")
INCLUDED = tuple(word for table in TABLES for word in ("--tables", f"public.{table}"))

_SCHEMA = """
create table ops_a (id bigint primary key, loader int not null, tx bigint not null, size int not null);
create table ops_b (id bigint primary key, loader int not null, tx bigint not null, size int not null, note text);
create table items (id bigint primary key, a text, big text);
create table moved (k text, n int, a text, big text, primary key (k, n));
create table counted (a int, b text);
create table wiped (id bigint primary key, a text);
create table elsewhere (id bigint);
alter table items alter big set storage external;
alter table moved alter big set storage external;
alter table counted replica identity full;
insert into items select i, 'first', repeat(md5(i::text), 200) from generate_series(1, 200) i;
insert into moved select 'k' || i, i % 2, 'first', repeat(md5(i::text), 200) from generate_series(1, 60) i;
insert into counted select i % 5, 'x' from generate_series(1, 30) i;
insert into wiped select i, 'first' from generate_series(1, 20) i
"""
_BUSY_SECONDS = 0.5
_QUIET_SECONDS = 0.25


def make_schema(database: Database) -> None:
    """The tables, with rows to copy."""
    database.execute(_SCHEMA)


class Load:
    """Sessions that write until the end of the block, each in a thread: bursts, and moments in which only a table that
    nobody publishes changes. Seeded: the statements of a loader are always the same, only their timing is not."""

    def __init__(self, database: Database, seed: int, pause_seconds: float = 0.08) -> None:
        self.database = database
        self.committed = [0] * LOADERS
        self._seed = seed
        self._pause_seconds = pause_seconds
        self._ends = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(loader,)) for loader in range(LOADERS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()
        if self._failures and error is None:
            raise self._failures[0]

    def _run(self, loader: int) -> None:
        try:
            writer = _Writer(loader, random.Random(self._seed * LOADERS + loader))
            with self.database.connect(autocommit=False) as connection:
                number = int(_value(connection, f"select coalesce(max(tx), 0) from ops_a where loader = {loader}"))
                turn = time.monotonic()
                while not self._ends.wait(self._pause_seconds):
                    if (time.monotonic() - turn) % (_BUSY_SECONDS + _QUIET_SECONDS) > _BUSY_SECONDS:
                        connection.execute("insert into elsewhere select generate_series(1, 10)")
                        connection.commit()
                    elif writer.transaction(connection, number + 1):
                        number += 1
                        self.committed[loader] = number
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            self._failures.append(error)


class _Writer:
    """One loader's transactions. Loaders share tables, but no rows that could make them wait for each other in a circle."""

    def __init__(self, loader: int, dice: random.Random) -> None:
        self.loader = loader
        self.dice = dice
        self.fresh = 0

    def transaction(self, connection: psycopg.Connection[Any], number: int) -> bool:
        """One transaction; False when it was rolled back."""
        dice = self.dice
        self.fresh = 1000 + 20 * number + self.loader
        size = dice.randint(1, 4)
        doomed = dice.random() < 0.08
        for at in range(size):
            self._operation(connection, -number if doomed else number, at, size)
        self._change(connection)
        if dice.random() < 0.15:
            connection.execute("savepoint s")
            self._operation(connection, -number, 9, size)
            self._change(connection)
            connection.execute("rollback to s")
        if doomed:
            connection.rollback()
        else:
            connection.commit()
        return not doomed

    def _operation(self, connection: psycopg.Connection[Any], number: int, at: int, size: int) -> None:
        row = (self.loader * 10**12 + number * 10 + at, self.loader, number, size)
        connection.execute("insert into ops_a values (%s, %s, %s, %s)", row)
        connection.execute("insert into ops_b values (%s, %s, %s, %s, 'n')", row)

    def _change(self, connection: psycopg.Connection[Any]) -> None:
        dice, mine = self.dice, f"id % {LOADERS} = {self.loader}"
        self.fresh += LOADERS
        new, old = self.fresh, dice.randrange(2 - self.loader, 201, LOADERS)
        key, other = (f"k{number}" for number in dice.sample(range(2 - self.loader, 61, LOADERS), 2))
        n = self.loader
        statements = dice.choice(
            [
                [f"insert into items values ({new}, 'new', repeat('z', 9000))"],
                [f"insert into items select {new} * 1000 + i, 'many' from generate_series(1, 150) i"],
                [f"update items set a = a || '.' where {mine} and id between {old} and {old + 20}"],
                [f"update items set big = repeat('{new % 10}', 8000) where id = {old}"],
                [f"delete from items where {mine} and id in ({old}, {new - 40})"],
                [f"delete from items where id = {old}", f"insert into items values ({old}, 'again')"],
                [_move(n, key, f"{key}+")],
                [_move(n, f"{key}+", key), f"update moved set a = 'back' where n = {n} and k = '{key}'"],
                [
                    f"update moved set k = 'swap{n}' where n = {n} and k = '{key}'",
                    f"update moved set k = '{key}' where n = {n} and k = '{other}'",
                    f"update moved set k = '{other}' where n = {n} and k = 'swap{n}'",
                ],
                ["insert into counted select 1, 'x' from generate_series(1, 3)"],
                [
                    f"delete from counted where ctid in (select ctid from counted where a = {n} limit 1 for update skip locked)"
                ],
                [f"insert into counted values ({n}, 'y{n}')", f"update counted set b = b || '.' where b like 'y{n}%'"],
                [f"insert into wiped values ({new}, 'w')", f"update wiped set a = 'v' where {mine}"],
                ["truncate wiped"] if n == 0 and dice.random() < 0.05 else [f"insert into wiped values ({new}, null)"],
            ]
        )
        for statement in statements:
            connection.execute(statement)


def _move(n: int, key: str, to: str) -> str:
    taken = f"select from moved where n = {n} and k = '{to}'"
    return f"update moved set k = '{to}' where n = {n} and k = '{key}' and not exists ({taken})"


def _value(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query).fetchone()
    connection.commit()
    return row[0] if row else None
