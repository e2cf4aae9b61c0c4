"""Tables in a real Postgres, their rows as capture writes them, and benches that a module shares."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import polars as pl
import psycopg
import pytest

from fix_postgres import Database, drop_database
from fix_s3 import REGION, S3
from localpg import LocalPostgres
from re_dms.journal.s3 import S3Store
from re_dms.journal.s3_session import Place
from re_dms.schema import Relation
from re_dms.settings import JournalSettings
from re_dms.source.catalog import describe
from re_dms.source.connection import connect
from re_dms.source.relations import relation_from_catalog
from re_dms.warehouse.opening import open_warehouse
from redshift_standin import Server
from source import type_literals
from source.copies import copied_frame
from source.given import settings_for
from warehouse.building import Journal, RedshiftBench, redshift_settings

Rows = list[dict[str, str | None]]
BenchFor = Callable[..., RedshiftBench]
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Source:
    """One Postgres database with the types of `type_literals.SETUP`. `session` is ours, `capture` has the forced settings."""

    session: psycopg.Connection[Any]
    capture: psycopg.Connection[Any]

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.session.execute(statement.encode())

    def ask(self, query: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        return self.session.execute(query.encode(), parameters).fetchall()

    def table(self, name: str, columns: Mapping[str, str], *, key: str = "id") -> Relation:
        """Make `kinds.<name>`. Its relation, as the catalog tells it."""
        defined = [f'"{column}" {type_}' for column, type_ in columns.items()]
        defined += [f"primary key ({key})"] if key else []
        self.run(f"create table kinds.{name} ({', '.join(defined)})")
        oid = self.capture.execute("select %s::regclass::oid::int8", [f"kinds.{name}"]).fetchall()[0][0]
        return relation_from_catalog(describe(self.capture, [oid])[oid])

    def rows(self, relation: Relation, where: str = "true") -> Rows:
        """Rows as a copy reads them and the journal's dialect writes them, by field name."""
        self.capture.execute("begin isolation level repeatable read read only")
        frame = copied_frame(self.capture, relation, row_filter=where)
        self.capture.execute("commit")
        return frame.select(pl.selectors.matches("^c[0-9]+$")).to_dicts()


@pytest.fixture(scope="module", name="source")
def source_fixture(postgres: LocalPostgres) -> Iterator[Source]:
    """A database that the tests of a module share."""
    name = f"redshift_source_{next(_numbers)}"
    postgres.create_database(name)
    database = Database(server=postgres, name=name)
    with database.connect() as session, connect(settings_for(database), purpose="copy") as capture:
        session.execute(type_literals.SETUP)
        session.execute("set search_path = kinds, public; set timezone = 'UTC'")
        yield Source(session, capture)
    drop_database(postgres, name)


@pytest.fixture(scope="module", name="bench_for")
def bench_for_fixture(redshift_backend: str, s3: S3) -> Iterator[BenchFor]:
    """Makes benches over the module's stand-in: each another pipeline, with a journal in a bucket of its own."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        server = stack.enter_context(Server(backend=redshift_backend, s3_endpoint=s3.endpoint, region=REGION))

        def bench_for(driver: str = "redshift_connector", **more: Any) -> RedshiftBench:
            number = next(_numbers)
            url = f"s3://{s3.new_bucket()}/journal"
            store = S3Store(Place.of(JournalSettings(url=url, region=REGION)))
            journal = Journal(store, journal_id=f"journal-{number}", pipeline=f"pipe{number}")
            bench = RedshiftBench(
                open_warehouse(redshift_settings(server, driver, **more)), journal, pipeline=journal.pipeline
            )
            stack.callback(bench.warehouse.close)
            bench.server = server
            bench.warehouse.identity()
            bench.claim()
            return bench

        yield bench_for


def raised(rows: Rows, op: str, *, masked: Sequence[int] = (), key: str = "c1") -> Rows:
    """Rows of one op; a `P` row leaves out what is masked, and was there under its own key before."""
    partial = {"mask": ",".join(map(str, masked))} if op == "P" else {}
    found = []
    for row in rows:
        said = {name: None if int(name[1:]) in masked else text for name, text in row.items()}
        before = {f"f{key[1:]}": row[key]} if op == "P" else {}
        found.append({"op": op, **partial, **before, **said})
    return found
