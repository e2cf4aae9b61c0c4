"""What the seed met: databases for whole modules of tests, and both ends as text."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from fix_pipeline import Pipeline
from fix_postgres import Database, drop_database
from localpg import LocalPostgres
from replay.rig import OPTIONS, SESSION, Recorder


@contextmanager
def piped(postgres: LocalPostgres, directory: Path, name: str, *, options: str = "") -> Iterator[Pipeline]:
    """A pipeline over a new database, which several tests may share; `options` go to CREATE DATABASE.

    Slots belong to the server: one that outlives a test needs a name of its own, as `pipeline.name`.
    """
    postgres.execute(f"create database {name} {options}")
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
            connection.execute(sql)


def source_texts(pipeline: Pipeline, columns: str, table: str) -> list[tuple[str | None, ...]]:
    """These columns of the source's table as Postgres prints them, in the order of the first one."""
    texts = ", ".join(f"({column})::text" for column in columns.split(", "))
    found: list[tuple[str | None, ...]] = pipeline.database.fetch(f"select {texts} from {table} order by 1")
    return found


def target_texts(pipeline: Pipeline, columns: str, table: str) -> list[tuple[str | None, ...]]:
    """These columns of the target as DuckDB prints them, in the order of the first one."""
    texts = ", ".join(f"({column})::text" for column in columns.split(", "))
    with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as connection:
        return connection.execute(f"select {texts} from {table} order by 1").fetchall()


def kill_recorder(recorder: Recorder, mark: bytes) -> bytes:
    """What pg_recvlogical had written to a pipe when it was killed behind a line with `mark`: whole lines."""
    database = recorder.database
    words: list[str | Path] = [database.server.binaries / "pg_recvlogical", "-d", database.dsn, "--slot", recorder.slot]
    words += ["--start", "--no-loop", "--file", "-", "--fsync-interval=0"]
    for option in OPTIONS:
        words += ["-o", option]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | {"PGOPTIONS": SESSION})
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if mark in line:
            break
    process.kill()
    process.stdout.close()
    process.wait()
    return b"".join(lines)
