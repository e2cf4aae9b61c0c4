"""What is watched while pipelines are killed: journal, slot and warehouse, from outside and all the time.

None of it uses the product's code: the journal is read as files, the warehouse through DuckDB's client.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import psycopg

from crash.workload import LOADERS, Load
from fix_pipeline import Pipeline

_STEP_SECONDS = 0.04
_SLOT_SECONDS = 0.25
_WAREHOUSE_SECONDS = 0.5
_SEEN_SECONDS_MAX = 60.0

# Per loader: transactions seen, the greatest number among them, those whose rows are not all in both tables, those that
# were rolled back.
_JUDGE = """
with a as (select loader, tx, count(*) as rows, min(size) as size from public.ops_a group by all),
     b as (select loader, tx, count(*) as rows, min(size) as size from public.ops_b group by all)
select coalesce(a.loader, b.loader), count(*), max(coalesce(a.tx, b.tx)),
       count(*) filter (a.rows is distinct from b.rows or a.rows <> a.size or b.rows <> b.size),
       count(*) filter (coalesce(a.tx, b.tx) < 0)
from a full join b on a.loader = b.loader and a.tx = b.tx group by all
"""
_DOUBLED = """
select count(*) from (select id from public.ops_a group by id having count(*) > 1
                      union all select id from public.ops_b group by id having count(*) > 1)
"""


@dataclass
class Figures:
    """What was seen. All but the samples must stay zero."""

    samples: int = 0
    slot_samples: int = 0
    manifests: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    undone: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"lost {self.lost}, doubled {self.doubled}, torn {self.torn}, rolled back but there {self.undone}; "
            f"{self.manifests} manifests, {self.samples} samples of the warehouse, {self.slot_samples} of the slot"
        )


class Witness:
    """Watches a pipeline until the end of the block, in a thread."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.figures = Figures()
        self.seen = [0] * LOADERS
        self._manifests: dict[int, tuple[int, int, str]] = {}
        self._ends = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def wait_for(self, load: Load) -> None:
        """Wait until every committed transaction of the load was seen in the warehouse."""
        self._wait_until(
            lambda: self.seen == load.committed, lambda: f"committed {load.committed}, arrived {self.seen}"
        )

    def wait_for_progress(self) -> None:
        """Wait until a transaction has arrived that was not there before."""
        before = list(self.seen)
        self._wait_until(lambda: self.seen != before, lambda: "nothing arrives")

    def wait_for_manifest(self, number: int) -> None:
        """Wait until this batch exists."""
        self._wait_until(lambda: number in self._manifests, lambda: f"no batch {number}")

    def _wait_until(self, is_so: Callable[[], bool], what: Callable[[], str]) -> None:
        deadline = time.monotonic() + _SEEN_SECONDS_MAX
        while not is_so():
            running = self.pipeline.started[-1]
            ended = self._failure is not None or all(each.process.poll() is not None for each in self.pipeline.started)
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"{what()} (exit {running.process.poll()}; {self._failure}):\n{tail(running.log)}")
            time.sleep(_STEP_SECONDS)

    def _run(self) -> None:
        slot_at = warehouse_at = 0.0
        try:
            with self.pipeline.database.connect() as connection:
                while not self._ends.wait(_STEP_SECONDS):
                    self._look_at_manifests()
                    if time.monotonic() >= slot_at:
                        self.look_at_slot(connection)
                        slot_at = time.monotonic() + _SLOT_SECONDS
                    if time.monotonic() >= warehouse_at:
                        self._look_at_warehouse()
                        warehouse_at = time.monotonic() + _WAREHOUSE_SECONDS
                self._look_at_manifests()
                self.look_at_slot(connection)
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            self._failure = error

    # ------------------------------------------------------------------ the journal

    def _look_at_manifests(self) -> None:
        """A number never has two contents: neither in place nor by being made again after retention took it."""
        for path in _entries(self.pipeline.journal_path / "batches"):
            try:
                status = path.stat()
                known = self._manifests.get(int(path.stem))
                if known is not None and known[:2] == (status.st_ino, status.st_mtime_ns):
                    continue
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
            except FileNotFoundError:
                continue
            if known is not None and known[2] != digest:
                self.figures.problems.append(f"batch {path.stem} has two contents")
            self._manifests[int(path.stem)] = (status.st_ino, status.st_mtime_ns, digest)
        self.figures.manifests = len(self._manifests)

    def look_at_slot(self, connection: psycopg.Connection[Any]) -> None:
        """The slot is never confirmed beyond the journal. The slot is read first: the journal only grows."""
        row = connection.execute(
            "select (confirmed_flush_lsn - '0/0')::bigint from pg_replication_slots where slot_name = %s",
            [self.pipeline.name],
        ).fetchone()
        known = known_lsn(self.pipeline.journal_path)
        if row is None or row[0] is None or known is None:
            return  # Before the first position is recorded a new slot stands where Postgres put it.
        self.figures.slot_samples += 1
        if row[0] > known:
            self.figures.problems.append(f"slot confirmed up to {row[0]:X}, the journal knows {known:X}")

    # ------------------------------------------------------------------ the warehouse

    def _look_at_warehouse(self) -> None:
        """Between two loads a reader sees whole transactions, each once, without a gap (protocol line 10)."""
        if not self.pipeline.warehouse_path.exists():
            return
        try:
            with duckdb.connect(str(self.pipeline.warehouse_path), read_only=True) as connection:
                if not connection.execute("select 1 from duckdb_tables() where table_name = 'ops_b'").fetchall():
                    return
                judged = connection.execute(_JUDGE).fetchall()
                doubled = connection.execute(_DOUBLED).fetchall()[0][0]
        except duckdb.IOException as error:
            if "Could not set lock" in str(error):
                return  # Apply has it open.
            raise
        figures = self.figures
        figures.samples += 1
        figures.doubled = max(figures.doubled, doubled)
        for loader, transactions, last, torn, undone in judged:
            figures.lost = max(figures.lost, last - transactions + undone)
            figures.torn = max(figures.torn, torn)
            figures.undone = max(figures.undone, undone)
            if last < self.seen[loader]:
                figures.problems.append(f"loader {loader}: transaction {self.seen[loader]} was there, now {last} is")
            self.seen[loader] = last


def tail(log: str) -> str:
    """The log's last lines, as long as a person reads them."""
    return "\n".join(log.splitlines()[-20:])


def known_lsn(journal: Path) -> int | None:
    """The greatest position that the journal's files account for."""
    positions = [int(path.stem, 16) for path in _entries(journal / "positions")]
    while batches := sorted(_entries(journal / "batches")):
        try:
            high, low = json.loads(batches[-1].read_bytes())["end"].split("/")
            positions.append(int(high, 16) << 32 | int(low, 16))
            break
        except FileNotFoundError:
            continue  # Retention took it: there is a newer one.
    return max(positions, default=None)


def check_journal(pipeline: Pipeline) -> None:
    """After the end: no gap, every batch goes on where the one before ended, its files are there, no later leftovers.

    Temporary files of a dead writer are removed by whoever opens the journal next; they are not looked for.
    """
    journal = pipeline.journal_path
    manifests = [json.loads(path.read_bytes()) for path in sorted(_entries(journal / "batches"))]
    numbers = [manifest["number"] for manifest in manifests]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for before, after in pairwise(manifests):
        assert after["start"] == before["end"]
    # Retention may have died between the data of the oldest batch and its manifest.
    for manifest in manifests[1:] or manifests:
        for file in _files(manifest):
            data = (journal / file["key"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"]
    beyond = [path.name for path in _entries(journal / "data") if int(path.name) > numbers[-1]]
    assert beyond == [], "files of writers that died, with numbers that no batch has"


def _files(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    steps = [step for table in manifest["tables"] for step in table["steps"]]
    return [
        file for step in steps for file in (step.get("files") or [step["file"]] if step["step"] != "truncate" else [])
    ]


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []
