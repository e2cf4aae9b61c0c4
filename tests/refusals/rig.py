"""What a refusal must leave as it was, and what it must say."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from fix_pipeline import Finished, Pipeline, Running
from fix_postgres import Database

POLL_SECONDS = 0.02
WAIT_SECONDS_MAX = 60.0
SYSTEM = ("information_schema", "pg_catalog", "re_dms")


@dataclass(frozen=True)
class Standing:
    """The durable places: how far each of them is."""

    watermarks: tuple[tuple[Any, ...], ...]
    target_rows: tuple[tuple[str, int], ...]
    slots: tuple[tuple[Any, ...], ...]
    publications: tuple[tuple[Any, ...], ...]
    journal: tuple[str, ...]


def standing(pipeline: Pipeline) -> Standing:
    """Warehouse, slot, publication and journal as they are now."""
    watermarks: list[Any] = []
    targets: list[tuple[str, int]] = []
    if pipeline.warehouse_path.exists():
        with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as connection:
            tables = connection.execute("select schema_name, table_name from duckdb_tables() order by all").fetchall()
            if ("re_dms", "watermark") in tables:
                watermarks = connection.execute(
                    "select journal_id, pipeline, batch, lsn, xid from re_dms.watermark order by all"
                ).fetchall()
            for schema, name in tables:
                if schema not in SYSTEM:
                    [(count,)] = connection.execute(f'select count(*) from "{schema}"."{name}"').fetchall()
                    targets.append((f"{schema}.{name}", count))
    database = pipeline.database
    slots = database.fetch(
        "select slot_name, confirmed_flush_lsn::text from pg_replication_slots"
        " where database = current_database() and not temporary order by 1"
    )
    publications = database.fetch(
        "select pubname, schemaname, tablename from pg_publication left join pg_publication_tables using (pubname)"
        " order by 1, 2, 3"
    )
    journal = [
        str(path.relative_to(pipeline.journal_path))
        for directory in ("batches", "data", "registry", "positions")
        for path in (pipeline.journal_path / directory).rglob("*")
        if path.is_file()
    ]
    return Standing(tuple(watermarks), tuple(targets), tuple(slots), tuple(publications), tuple(sorted(journal)))


def branch(pipeline: Pipeline, name: str) -> Pipeline:
    """The same pipeline over a copy of its journal and its warehouse, to damage."""
    made = Pipeline(
        database=pipeline.database,
        directory=pipeline.directory / name,
        name=pipeline.name,
        tcp=pipeline.tcp,
        environment=pipeline.environment,
    )
    made.directory.mkdir()
    shutil.copytree(pipeline.journal_path, made.journal_path)
    shutil.copy(pipeline.warehouse_path, made.warehouse_path)
    made.started = pipeline.started  # the fixture ends them
    made.directory.mkdir(exist_ok=True)
    return made


def stopped_words(finished: Finished) -> tuple[str, str]:
    """What a command that failed says: what is wrong, and what to do. Both have to be there."""
    lines = [json.loads(line) for line in finished.log.splitlines() if line.startswith("{")]
    for line in lines:
        if line.get("event") == "stopped":
            assert line["remedy"], f"no remedy beside {line['reason']!r}"
            return line["reason"], line["remedy"]
    said = [line for line in finished.log.splitlines() if line.startswith("re-dms: ")]
    todo = [line for line in finished.log.splitlines() if "what to do: " in line]
    assert said, f"it said nothing:\n{finished.log}"
    assert todo, f"it said {said}, not what to do"
    return " ".join(line.removeprefix("re-dms: ") for line in said), todo[0].partition("what to do: ")[2]


def assert_refused(finished: Finished, code: int, *words: str, remedy: str = "") -> None:
    """It ended with this code; its message holds these words, its remedy those. Printed, to be read aloud."""
    reason, todo = stopped_words(finished) if finished.code else ("", "")
    print(f"\nexit {finished.code}: {reason}\n  what to do: {todo}")
    assert finished.code == code, f"exit {finished.code}, not {code}:\n{finished.log}"
    for word in words:
        assert word in reason, f"{word!r} is not in {reason!r}"
    assert remedy in todo, f"{remedy!r} is not in {todo!r}"


def refused(
    pipeline: Pipeline,
    code: int,
    *words: str,
    remedy: str = "reset",
    arguments: tuple[str, ...] = (),
    command: str = "run",
) -> None:
    """The command refuses, and nothing moves in any of the durable places."""
    before = standing(pipeline)
    finished = pipeline.run(command, "--until-caught-up", *arguments)
    assert_refused(finished, code, *words, remedy=remedy)
    assert standing(pipeline) == before
    assert not [line for line in finished.log.splitlines() if '"event": "loaded"' in line]


def reset_and_run(pipeline: Pipeline, *tables: str) -> None:
    """What the remedy says, and then the two ends are equal."""
    finished = pipeline.run("reset", "--yes")
    assert finished.code == 0, finished.log
    pipeline.catch_up()
    pipeline.assert_equal(*tables)


def until(holds: Callable[[], Any], seconds: float = WAIT_SECONDS_MAX) -> Any:
    """Wait until it holds; what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it does not hold after {seconds} s")
        time.sleep(POLL_SECONDS)
    return found


def until_applied(running: Running, database: Database, seconds: float = WAIT_SECONDS_MAX) -> None:
    """Wait until all that is committed at the source is confirmed to the slot and loaded."""
    with database.connect() as connection:
        # The end of a record of its own: a server at rest reaches that, but never the header of a page begun.
        now = connection.execute("select pg_logical_emit_message(true, 're_dms test', '')::text").fetchone()

        def is_there() -> bool:
            if running.process.poll() is not None:
                raise AssertionError(f"ended with {running.process.returncode}:\n{running.log}")
            found = connection.execute(
                "select 1 from pg_replication_slots where confirmed_flush_lsn >= %s::pg_lsn"
                " and database = current_database() and not temporary",
                now,
            )
            return bool(found.fetchone())

        until(is_there, seconds)
    sealed, loaded = running.events("sealed"), running.events("loaded")
    if sealed and (not loaded or loaded[-1]["number"] < sealed[-1]["number"]):
        last = sealed[-1]["number"]
        until(lambda: any(line["number"] >= last for line in running.events("loaded")), seconds)


def manifests(pipeline: Pipeline) -> list[Path]:
    """The journal's manifests, ascending."""
    return sorted((pipeline.journal_path / "batches").iterdir())
