"""Running pipelines for tests: the real command in processes of its own, and the comparison of its two ends.

The comparison shares no code with the product: psycopg reads the source, DuckDB's client the target, Python compares.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import duckdb
import psycopg
import pytest

from fix_postgres import Database

RUN_SECONDS_MAX = 60.0
SETTINGS = {
    "RE_DMS_LOG__LEVEL": "debug",
    "RE_DMS_LOG__FORMAT": "json",
    # A source at rest is confirmed soon: many tests wait for that. The default is in the tests of the settings.
    "RE_DMS_CAPTURE__POSITION_SECONDS": "0.5",
}
SYSTEM_SCHEMAS = ("pg_catalog", "information_schema", "re_dms")


@dataclass
class Finished:
    """A command that has ended."""

    code: int
    out: str
    log: str

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of `--json`."""
        found: dict[str, Any] = json.loads(self.out.strip().splitlines()[-1])
        return found


@dataclass
class Running:
    """A command in a process group of its own."""

    process: subprocess.Popen[str]
    log_path: Path
    _parsed: list[dict[str, Any]] = field(default_factory=list)
    _parsed_bytes: int = 0

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines of this event so far."""
        # Waits ask many times a second: what was read is not read again.
        with self.log_path.open("rb") as log:
            log.seek(self._parsed_bytes)
            whole, newline, _ = log.read().rpartition(b"\n")
        self._parsed_bytes += len(whole + newline)
        self._parsed += [
            json.loads(line) for line in whole.splitlines() if line.startswith(b"{") and line.endswith(b"}")
        ]
        return [line for line in self._parsed if line.get("event") == name]

    def wait_for(self, name: str, count: int = 1, seconds: float = RUN_SECONDS_MAX) -> dict[str, Any]:
        """Wait until the event was logged `count` times; the last of them."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.events(name)
            if len(found) >= count:
                return found[count - 1]
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode} before {name!r}:\n{self.log}")
            time.sleep(0.02)
        raise AssertionError(f"no {name!r} in {seconds} s:\n{self.log}")

    def children(self) -> dict[str, int]:
        """Roles and pids of its processes."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                    parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                except (OSError, IndexError):
                    continue
                if parent == self.process.pid and b"re_dms.pipeline.child" in command:
                    found[command[command.index(b"re_dms.pipeline.child") + 1].decode()] = int(entry.name)
        return found

    def wait_for_stop(self, pid: int, seconds: float = RUN_SECONDS_MAX) -> None:
        """Wait until a process is stopped (SIGSTOP)."""
        deadline = time.monotonic() + seconds
        while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            assert time.monotonic() < deadline, f"process {pid} is not stopped after {seconds} s:\n{self.log}"
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill_group(self) -> None:
        """SIGKILL to all of its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def finish(self, seconds: float = RUN_SECONDS_MAX) -> Finished:
        """Wait for its end."""
        try:
            out, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill_group()
            raise AssertionError(f"still running after {seconds} s:\n{self.log}") from None
        return Finished(code=self.process.returncode, out=out, log=self.log)


@dataclass
class Pipeline:
    """One source database, one DuckDB file, and the commands between them."""

    database: Database
    directory: Path
    started: list[Running] = field(default_factory=list)
    name: str = ""
    tcp: bool = False
    journal_url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def warehouse_path(self) -> Path:
        return self.directory / "warehouse.duckdb"

    @property
    def warehouse(self) -> str:
        return f"duckdb://{self.warehouse_path}"

    @property
    def journal_path(self) -> Path:
        return self.directory / "journal"

    @property
    def journal(self) -> str:
        return self.journal_url or f"file://{self.journal_path}"

    def start(
        self,
        command: str = "run",
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        log_level: str = "debug",
        stdin: IO[Any] | int = subprocess.DEVNULL,
    ) -> Running:
        """Start `re-dms COMMAND` with this pipeline's source, journal and warehouse as far as the command takes them."""
        log_path = self.directory / f"log-{len(self.started)}.jsonl"
        words = [sys.executable, "-m", "re_dms", command]
        if command == "journal":
            words.append(arguments[0])
            arguments = arguments[1:]
        words += ["--journal", self.journal]
        if command != "capture":
            words += ["--warehouse", self.warehouse]
        words += ["--name", self.name]
        dsn = self.database.tcp_dsn if self.tcp else self.database.dsn
        settings = SETTINGS | {"RE_DMS_LOG__LEVEL": log_level}
        if command not in ("apply", "journal"):
            settings["RE_DMS_SOURCE__DSN"] = dsn
        with log_path.open("w") as log:
            process = subprocess.Popen(
                [*words, *arguments],
                env=os.environ | settings | dict(self.environment) | dict(environment or {}),
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=stdin,
                text=True,
                start_new_session=True,
            )
        running = Running(process, log_path)
        self.started.append(running)
        return running

    def end(self) -> None:
        """Kill what still runs."""
        for running in self.started:
            if running.process.poll() is None:
                running.kill_group()
            if running.process.stdout is not None:
                running.process.stdout.close()

    def run(self, command: str = "run", *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
        """Run the command to its end."""
        return self.start(command, *arguments, environment=environment).finish()

    def catch_up(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
        """`run --until-caught-up --json`, which must succeed."""
        finished = self.run("run", "--until-caught-up", "--json", *arguments, environment=environment)
        assert finished.code == 0, f"exit {finished.code}:\n{finished.log}"
        return finished

    # ------------------------------------------------------------------ both ends

    def source_rows(self, table: str) -> Counter[tuple[Any, ...]]:
        """All rows of the source table (quoted as given), as Python values."""
        with psycopg.connect(self.database.dsn) as connection:
            connection.execute("set timezone to 'UTC'")
            return Counter(map(_hashable, connection.execute(f"select * from {table}").fetchall()))

    def target_rows(self, table: str) -> Counter[tuple[Any, ...]]:
        """All rows of the target table, as Python values."""
        with duckdb.connect(str(self.warehouse_path), read_only=True) as connection:
            connection.execute("set timezone to 'UTC'")
            connection.execute("set search_path = 'public'")
            return Counter(map(_hashable, connection.execute(f"select * from {table}").fetchall()))

    def differences(self, tables: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Per table that differs: rows that only the source has, rows that only the target has."""
        found = {}
        for table in tables:
            source, target = self.source_rows(table), self.target_rows(table)
            if source != target:
                found[table] = ((source - target).total(), (target - source).total())
        return found

    def assert_equal(self, *tables: str) -> None:
        """Every row of these tables is the same at both ends."""
        assert self.differences(tables) == {}


def _hashable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value for value in row)


@pytest.fixture
def pipeline(database: Database, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline over the test's database; whatever still runs is killed afterwards."""
    made = Pipeline(database=database, directory=tmp_path, name=database.name[:60])
    yield made
    made.end()
