"""The faults: each does what it says, when it is told to, and the data are as they then have to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from redshift_standin.errors import RedshiftError
from redshift_standin.faults import KINDS, Faults
from standin.fix_standin import AUTHORIZATION, Clients

_PATIENCE_SECONDS = 20.0


@pytest.fixture
def table(clients: Clients) -> Iterator[str]:
    schema = clients.schema()
    clients.psycopg().execute(f"create table {schema}.t (id int)")
    yield f"{schema}.t"
    clients.server.faults.order("")


def order(clients: Clients, text: str) -> None:
    connection = clients.psycopg()
    connection.execute(f"set redshift_standin.fault = '{text}'".encode())
    connection.close()


def count(clients: Clients, table: str) -> int:
    row = clients.psycopg().execute(f"select count(*) from {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def commit_once(clients: Clients, table: str) -> psycopg.Connection[Any]:
    connection = clients.psycopg()
    connection.execute("begin")
    connection.execute(f"insert into {table} values (1)".encode())
    connection.execute("commit")
    return connection


def test_killed_before_the_commit_nothing_is_there(clients: Clients, table: str) -> None:
    order(clients, '{kind = "kill-before-commit"}')
    with pytest.raises(psycopg.OperationalError):
        commit_once(clients, table)
    assert count(clients, table) == 0


def test_killed_before_the_reply_all_is_there(clients: Clients, table: str) -> None:
    order(clients, '{kind = "kill-before-reply"}')
    with pytest.raises(psycopg.OperationalError):
        commit_once(clients, table)
    assert count(clients, table) == 1


def test_killed_after_the_reply_the_next_statement_finds_no_server(clients: Clients, table: str) -> None:
    order(clients, '{kind = "kill-after-reply"}')
    connection = commit_once(clients, table)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
    assert count(clients, table) == 1


def test_1023_comes_at_the_nth_commit_and_undoes_it(clients: Clients, table: str) -> None:
    order(clients, '{kind = "serializable", nth = 2}')
    commit_once(clients, table)
    with pytest.raises(psycopg.Error, match="1023"):
        commit_once(clients, table)
    commit_once(clients, table)
    assert count(clients, table) == 2


def test_a_fault_that_is_to_last_lasts(clients: Clients, table: str) -> None:
    order(clients, '{kind = "serializable", times = 0}')
    for _ in range(3):
        with pytest.raises(psycopg.Error, match="1023"):
            commit_once(clients, table)
    order(clients, "")
    commit_once(clients, table)
    assert count(clients, table) == 1


def test_a_slow_commit_takes_its_time(clients: Clients, table: str) -> None:
    order(clients, '{kind = "slow-commit", seconds = 0.3}')
    began = time.monotonic()
    commit_once(clients, table)
    assert time.monotonic() - began >= 0.3


def test_a_copy_fails_at_the_row_and_with_the_code_that_were_ordered(clients: Clients, table: str) -> None:
    url = clients.put(f"{table}.csv", b"1\n2\n3\n")
    order(clients, '{kind = "copy-error", row = 2, code = 1204}')
    connection = clients.psycopg()
    with pytest.raises(psycopg.Error, match="Load into table 't' failed"):
        connection.execute(f"copy {table} from '{url}' {AUTHORIZATION} csv".encode())
    errors = connection.execute(
        "select err_code, line_number from stl_load_errors where query = pg_last_copy_id()"
    ).fetchall()
    assert errors == [(1204, 2)]
    connection.execute(f"copy {table} from '{url}' {AUTHORIZATION} csv".encode())
    assert count(clients, table) == 3


@pytest.mark.parametrize("status", [403, 404])
def test_s3_says_no_and_the_copy_fails_at_once(clients: Clients, table: str, status: int) -> None:
    url = clients.put(f"{table}.csv", b"1\n")
    order(clients, f'{{kind = "s3-status", status = {status}, match = "{table}"}}')
    with pytest.raises(psycopg.Error, match=f"S3ServiceException.*Status {status}"):
        clients.psycopg().execute(f"copy {table} from '{url}' {AUTHORIZATION} csv".encode())
    assert count(clients, table) == 0


@pytest.mark.parametrize("fault", ['s3-status", status = 500', 's3-status", status = 503', 's3-cut", bytes = 3'])
def test_s3_stumbles_and_the_copy_gets_through(clients: Clients, table: str, fault: str) -> None:
    url = clients.put(f"{table}.csv", b"1\n2\n3\n4\n")
    order(clients, f'{{kind = "{fault}, times = 1}}')
    clients.psycopg().execute(f"copy {table} from '{url}' {AUTHORIZATION} csv".encode())
    assert count(clients, table) == 4


def test_s3_that_stays_down_fails_the_copy_whole(clients: Clients, table: str) -> None:
    url = clients.put(f"{table}.csv", b"1\n2\n3\n4\n")
    order(clients, '{kind = "s3-status", status = 503, times = 0}')
    with pytest.raises(psycopg.Error, match="Status 503"):
        clients.psycopg().execute(f"copy {table} from '{url}' {AUTHORIZATION} csv".encode())
    assert count(clients, table) == 0


def test_s3_may_be_slow(clients: Clients, table: str) -> None:
    url = clients.put(f"{table}.csv", b"1\n")
    order(clients, '{kind = "s3-slow", seconds = 0.3}')
    began = time.monotonic()
    clients.psycopg().execute(f"copy {table} from '{url}' {AUTHORIZATION} csv".encode())
    assert time.monotonic() - began >= 0.3


def test_a_statement_times_out(clients: Clients, table: str) -> None:
    order(clients, '{kind = "timeout", match = "Insert"}')
    connection = clients.psycopg()
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(f"insert into {table} values (1)".encode())
    assert count(clients, table) == 0


def test_the_connection_limit_is_reached(clients: Clients, table: str) -> None:
    connection = clients.psycopg()
    order(clients, '{kind = "connection-limit"}')
    with pytest.raises(psycopg.OperationalError, match="connection limit"):
        clients.psycopg()
    clients.psycopg()
    connection.execute("select 1")


def test_a_maintenance_restart_cuts_everybody_and_ends(clients: Clients, standin_factory: Callable[..., Any]) -> None:
    server = standin_factory()
    idle = clients.stack.enter_context(psycopg.connect(server.dsn, autocommit=True))
    busy = clients.stack.enter_context(psycopg.connect(server.dsn, autocommit=True))
    busy.execute("create table t (id int)")
    busy.execute("begin")
    busy.execute("insert into t values (1)")
    server.faults.order('{kind = "restart", seconds = 0.5}')
    with pytest.raises(psycopg.OperationalError):
        idle.execute("select 1")
    with pytest.raises(psycopg.OperationalError):
        busy.execute("select 1")
    refusals = 0
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            again = clients.stack.enter_context(psycopg.connect(server.dsn, autocommit=True))
            break
        except psycopg.OperationalError:
            refusals += 1
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert refusals > 0
    assert again.execute("select count(*) from t").fetchone() == (0,)


def test_only_a_superuser_orders_faults(clients: Clients) -> None:
    admin = clients.psycopg()
    admin.execute("create user plain_one password 'Plain-1-Plain'")
    try:
        plain = clients.connect("psycopg", user="plain_one", password="Plain-1-Plain")
        with pytest.raises(Exception, match="permission denied to set parameter"):
            plain.run("set redshift_standin.fault = '{kind = \"timeout\"}'")
    finally:
        admin.execute("drop user plain_one")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{kind = "earthquake"}', "earthquake"),
        ('{kind = "slow-commit"}', "seconds"),
        ('{kind = "timeout", seconds = 1}', "seconds"),
        ('{kind = "timeout", nth = "one"}', "nth"),
        ('{kind = "timeout", nth = -1}', "nth"),
        ("{kind = ", "no TOML"),
    ],
)
def test_a_mistaken_order_names_its_mistake(text: str, named: str) -> None:
    with pytest.raises(RedshiftError, match=named):
        Faults().order(text)


def test_a_file_of_faults_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text('[[fault]]\nkind = "timeout"\nnth = 2\n[[fault]]\nkind = "s3-cut"\nbytes = 10\n')
    faults = Faults.read(path)
    assert faults.due("statement") == []
    assert [each.kind for each in faults.due("statement")] == ["timeout"]
    assert [each.bytes for each in faults.due("s3")] == [10]


def test_every_kind_of_fault_is_explained_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "standin.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []
