"""The seed's inputs: recordings of one database for a whole module, cut and spliced as the seed met them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fix_pipeline import Pipeline
from fix_postgres import Database, drop_database
from localpg import LocalPostgres


@contextmanager
def piped(postgres: LocalPostgres, directory: Path, name: str, *, more: str = "") -> Iterator[Pipeline]:
    """A pipeline over a new database, for several tests; `more` goes to CREATE DATABASE."""
    postgres.execute(f"create database {name} {more}")
    made = Pipeline(database=Database(server=postgres, name=name), directory=directory, name=name)
    try:
        yield made
    finally:
        for running in made.started:
            if running.process.poll() is None:
                running.kill_group()
            if running.process.stdout is not None:
                running.process.stdout.close()
        drop_database(postgres, name)


def work(pipeline: Pipeline, *transactions: str) -> None:
    """Run each as a transaction of its own."""
    with pipeline.database.connect() as connection:
        for sql in transactions:
            connection.execute(sql)  # type: ignore[call-overload]


def both(pipeline: Pipeline, columns: str, table: str) -> tuple[list[str], list[str]]:
    """These columns of both ends, as text, row by row in the order of the first column."""
    import duckdb

    source = pipeline.database.fetch(f"select {columns} from {table} order by 1")
    with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as connection:
        target = connection.execute(f"select {columns} from {table} order by 1").fetchall()
    return [str(row) for row in source], [str(row) for row in target]


def transactions(text: bytes) -> Sequence[bytes]:
    """A recording without odd values, cut behind each COMMIT."""
    return re.findall(rb"BEGIN \d+\n.*?\nCOMMIT \d+[^\n]*\n", text, re.DOTALL)
