"""A backend as the session sees it: to run what the grammar renders."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from localpg import LocalPostgres
from redshift_standin.catalog import install
from redshift_standin.sql.grammar import parse

_TABLES = """
create table public.t (id int, name varchar(20), moment timestamp, day date, doc jsonb, bin bytea);
insert into public.t values
    (1, 'one', '2020-01-31 10:20:30', '2020-01-31', '{"a": {"b": [1, {"c": "x y"}]}, "n": 5}', '\\\\x6162'),
    (2, 'two', null, null, null, null);
create table public.s (id int, name varchar(20));
insert into public.s values (2, 'deux'), (3, 'trois');
"""


@pytest.fixture(scope="module")
def backend(postgres: LocalPostgres, request: pytest.FixtureRequest) -> Iterator["psycopg.Connection[Any]"]:
    name = f"grammar_{abs(hash(request.node.nodeid))}"
    install.create_database(postgres.dsn("postgres"), name)
    install.install(postgres.dsn(name))
    with psycopg.connect(postgres.dsn(name)) as connection:
        connection.execute(
            "set standard_conforming_strings = off; set escape_string_warning = off; set timezone = 'UTC'"
        )
        connection.execute("set search_path = redshift_standin_operators, pg_catalog, public")
        connection.execute(_TABLES)
        connection.commit()
        yield connection
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
def run(backend: "psycopg.Connection[Any]") -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Parse one statement, run what it renders to, give its rows; everything is rolled back after the test."""

    def execute(text: str) -> list[tuple[Any, ...]]:
        (parsed,) = parse(text)
        cursor = backend.execute(parsed.statement.sql)  # type: ignore[union-attr]
        return cursor.fetchall() if cursor.description else []

    yield execute
    backend.rollback()
