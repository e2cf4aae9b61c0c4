"""Rules 14, 15, 30, 31, 33: several sessions at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from standin.fix_standin import AUTHORIZATION, Clients

_PATIENCE_SECONDS = 20.0


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.01)


class Later:
    """A statement that runs in a thread of its own; `result` waits for it and gives its rows or raises its error."""

    def __init__(self, connection: psycopg.Connection[Any], statement: str) -> None:
        self._error: BaseException | None = None
        self._connection = connection
        self._statement = statement
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def waits(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> None:
        self._thread.join(_PATIENCE_SECONDS)
        assert not self._thread.is_alive(), f"still running: {self._statement}"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._connection.execute(self._statement)
        except psycopg.Error as error:
            self._error = error


def blocked(clients: Clients, later: Later) -> Callable[[], bool]:
    """Whether the statement waits for a lock, as the backend tells."""
    backend = clients.server._world
    assert backend is not None

    def look() -> bool:
        with psycopg.connect(backend.dsn, autocommit=True) as connection:
            row = connection.execute("select count(*) from pg_locks where not granted").fetchone()
            return later.waits and row is not None and row[0] > 0

    return look


@pytest.fixture
def tables(clients: Clients) -> str:
    """A schema with tables a and b of two rows each."""
    schema = clients.schema()
    connection = clients.psycopg()
    for name in ("a", "b"):
        connection.execute(f"create table {schema}.{name} (id int, v varchar(10))")
        connection.execute(f"insert into {schema}.{name} values (1, 'one'), (2, 'two')")
    return schema


def test_rule_30_writers_of_one_table_wait_for_each_other(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    first.execute("begin")
    first.execute(f"insert into {tables}.a values (3, 'three')")
    later = Later(second, f"insert into {tables}.a values (4, 'four')")
    until(blocked(clients, later), "the second writer waits")
    first.execute("commit")
    later.result()
    assert clients.psycopg().execute(f"select count(*) from {tables}.a").fetchone() == (4,)


def test_rule_30_different_rows_of_one_table_are_one_lock(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    first.execute("begin")
    first.execute(f"update {tables}.a set v = 'x' where id = 1")
    later = Later(second, f"update {tables}.a set v = 'y' where id = 2")
    until(blocked(clients, later), "the second writer waits")
    first.execute("commit")
    later.result()
    assert sorted(clients.psycopg().execute(f"select v from {tables}.a").fetchall()) == [("x",), ("y",)]


def test_rule_30_readers_do_not_wait_for_writers(clients: Clients, tables: str) -> None:
    first = clients.psycopg()
    first.execute("begin")
    first.execute(f"delete from {tables}.a")
    assert clients.psycopg().execute(f"select count(*) from {tables}.a").fetchone() == (2,)
    first.execute("rollback")


def test_rule_30_lock_holds_off_readers(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    first.execute("begin")
    first.execute(f"lock table {tables}.a")
    later = Later(second, f"select * from {tables}.a")
    until(blocked(clients, later), "the reader waits")
    first.execute("rollback")
    later.result()


def test_rule_30_a_deadlock_ends_with_40p01(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    for connection, table in ((first, "a"), (second, "b")):
        connection.execute("begin")
        connection.execute(f"lock {tables}.{table}")
    later = Later(second, f"lock {tables}.a")
    until(blocked(clients, later), "the second waits")
    errors = []
    for connection, attempt in ((first, lambda: first.execute(f"lock {tables}.b")), (second, later.result)):
        try:
            attempt()
        except psycopg.Error as error:
            errors.append(error.sqlstate)
        connection.execute("rollback")
    assert errors == ["40P01"]


def test_rule_31_the_documented_cycle_is_error_1023_in_its_wire_form(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    for connection in (first, second):
        connection.execute("begin")
    first.execute(f"select * from {tables}.a")
    second.execute(f"select * from {tables}.b")
    first.execute(f"insert into {tables}.b values (3, 'x')")
    with pytest.raises(psycopg.Error) as caught:
        second.execute(f"insert into {tables}.a values (3, 'x')")
    error = caught.value.diag
    assert (error.sqlstate, error.severity, error.message_primary) == ("XX000", "ERROR", "1023")
    assert error.message_detail is not None
    assert error.message_detail.startswith("Serializable isolation violation on table - ")
    assert "transactions forming the cycle are: " in error.message_detail
    assert "(pid:" in error.message_detail
    second.execute("rollback")
    first.execute("commit")


def test_rule_31_different_rows_conflict_all_the_same(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    first.execute("begin")
    first.execute(f"select * from {tables}.a where id = 1")
    second.execute(f"update {tables}.a set v = 'x' where id = 2")
    with pytest.raises(psycopg.Error, match="1023"):
        first.execute(f"update {tables}.a set v = 'y' where id = 1")
    first.execute("rollback")


def test_rule_31_in_snapshot_isolation_different_rows_do_not(
    clients: Clients, standin_factory: Callable[..., Any]
) -> None:
    server = standin_factory(isolation="snapshot")
    with psycopg.connect(server.dsn, autocommit=True) as first, psycopg.connect(server.dsn, autocommit=True) as second:
        first.execute("create table t (id int, v int)")
        first.execute("insert into t values (1, 1), (2, 2)")
        first.execute("begin")
        first.execute("select * from t where id = 1")
        second.execute("update t set v = 3 where id = 2")
        first.execute("update t set v = 4 where id = 1")
        first.execute("commit")
        assert sorted(second.execute("select v from t").fetchall()) == [(3,), (4,)]
        first.execute("begin")
        first.execute("select * from t")
        second.execute("update t set v = 5 where id = 1")
        with pytest.raises(psycopg.Error, match="1023"):
            first.execute("update t set v = 6 where id = 1")
        level = second.execute("select isolation_level from stv_db_isolation_level").fetchone()
        assert level == ("Snapshot Isolation",)


def test_rule_31_a_table_made_after_the_snapshot_is_error_1018(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    first.execute("begin")
    first.execute(f"select * from {tables}.a")
    second.execute(f"create table {tables}.late (id int)")
    with pytest.raises(psycopg.Error) as caught:
        first.execute(f"select * from {tables}.late")
    assert (caught.value.sqlstate, caught.value.diag.message_primary) == ("XX000", "1018")
    first.execute("rollback")


def test_rule_31_the_snapshot_is_taken_by_the_first_statement_on_a_user_table(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    first.execute("begin")
    first.execute("select count(*) from pg_class")
    second.execute(f"insert into {tables}.a values (3, 'x')")
    assert first.execute(f"select count(*) from {tables}.a").fetchone() == (3,)
    second.execute(f"insert into {tables}.a values (4, 'x')")
    assert first.execute(f"select count(*) from {tables}.a").fetchone() == (3,)
    first.execute("commit")


def test_rule_31_lock_takes_no_snapshot(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    first.execute("begin")
    first.execute(f"lock {tables}.b")
    second.execute(f"insert into {tables}.a values (3, 'x')")
    assert first.execute(f"select count(*) from {tables}.a").fetchone() == (3,)
    first.execute("commit")


def test_rule_15_a_session_lost_inside_a_block_rolls_back(clients: Clients, tables: str) -> None:
    lost = psycopg.connect(clients.server.dsn, autocommit=True)
    lost.execute("begin")
    lost.execute(f"insert into {tables}.a values (3, 'x')")
    lost.pgconn.finish()
    connection = clients.psycopg()
    until(lambda: clients.server.open_transactions == 0, "the session is gone")
    assert connection.execute(f"select count(*) from {tables}.a").fetchone() == (2,)


def test_rule_15_a_copy_that_has_begun_finishes_after_its_client_is_gone(clients: Clients, tables: str) -> None:
    url = clients.put(f"{tables}/rows.csv", b"".join(b"%d,row\n" % i for i in range(200_000)))
    lost = psycopg.connect(clients.server.dsn, autocommit=True)
    lost.pgconn.send_query(f"copy {tables}.a from '{url}' {AUTHORIZATION} csv".encode())
    lost.pgconn.flush()
    until(lambda: clients.server.open_transactions > 0, "the copy has begun")
    lost.pgconn.finish()
    connection = clients.psycopg()
    until(lambda: connection.execute(f"select count(*) from {tables}.a").fetchone() == (200_002,), "all rows are there")


def test_rule_33_temporary_tables_are_the_sessions_own(clients: Clients, tables: str) -> None:
    first, second = clients.psycopg(), clients.psycopg()
    for connection in (first, second):
        connection.execute(f"set search_path to {tables}")
    first.execute("create temp table a (other int)")
    first.execute("insert into a values (7)")
    assert first.execute("select * from a").fetchall() == [(7,)]
    assert second.execute("select count(*) from a").fetchone() == (2,)
    first.close()
    third = clients.psycopg()
    third.execute(f"set search_path to {tables}")
    assert third.execute("select count(*) from a").fetchone() == (2,)


def test_rule_14_rollback_undoes_copy_and_ddl(clients: Clients, tables: str) -> None:
    url = clients.put(f"{tables}/two.csv", b"8,x\n9,y\n")
    connection = clients.psycopg()
    connection.execute("begin")
    connection.execute(f"copy {tables}.a from '{url}' {AUTHORIZATION} csv")
    connection.execute(f"create table {tables}.made (id int)")
    connection.execute(f"alter table {tables}.b add column w int")
    connection.execute("create temp table staging (id int)")
    assert connection.execute(f"select count(*) from {tables}.a").fetchone() == (4,)
    connection.execute("rollback")
    assert connection.execute(f"select count(*) from {tables}.a").fetchone() == (2,)
    for gone in (f"select * from {tables}.made", f"select w from {tables}.b", "select * from staging"):
        with pytest.raises(psycopg.Error):
            connection.execute(gone)
