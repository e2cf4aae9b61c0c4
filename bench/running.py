"""How the bench runs programs: to their end and measured, or as a service that is watched while it lives."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bench.processes import (
    Sampler,
    backends,
    children_cpu_seconds,
    cpu_seconds_by_role,
    pss_bytes,
    tree_cpu_seconds,
)
from bench.rounds import Side
from bench.workloads import DATABASE
from localpg import LocalPostgres
from re_dms.config.keys import keys

_STEP_SECONDS: Final = 0.01
_WAIT_SECONDS_MAX: Final = 600.0
_LEAVE_SECONDS_MAX: Final = 10.0


def program(server: LocalPostgres, name: str) -> str:
    """A program of Postgres: beside the server's, or on PATH. Raises RuntimeError where there is none."""
    beside = server.binaries / name
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        raise RuntimeError(f"there is no {name} beside the server's programs nor on PATH: install Postgres's own")
    return found


def has_key(name: str) -> bool:
    """Whether this re_dms has a configuration key."""
    return any(key.name == name for key in keys())


def events_of(log: Path) -> list[dict[str, Any]]:
    """The JSON lines of a log; what is not one (the lines for people, one that is being written) is passed over."""
    found = []
    for line in log.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def moment(event: Mapping[str, Any]) -> float:
    """When it was logged, in seconds since 1970."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def measured(
    words: list[str], *, server: LocalPostgres, environment: Mapping[str, str], log: Path, mark: str | None = None
) -> Side:
    """Run a program to its end. `mark`: the event after which it works. Raises RuntimeError with the log's end."""
    _wait_until_gone(server)
    backends_before = children_cpu_seconds(server.pid)
    server_before = tree_cpu_seconds(server.pid)
    ours_before = _waited_for_seconds()
    began = time.monotonic()
    with log.open("w") as said:
        process = subprocess.Popen(words, env=dict(environment), stdout=subprocess.DEVNULL, stderr=said)
        with Sampler(process.pid) as sampler:
            until_work = 0.0 if mark is None else _cpu_at(mark, process, log)
            code = process.wait()
    seconds = time.monotonic() - began
    if code != 0:
        raise RuntimeError(f"{words[0]} ended with {code}: {log.read_text()[-2000:]}")
    total = _waited_for_seconds() - ours_before
    _wait_until_gone(server)
    cpu = sampler.cpu_seconds | {
        # What the kernel counted; the samples only say whose it was, and miss a process's last moments.
        "total": total,
        "working": total - until_work,
        "backends": children_cpu_seconds(server.pid) - backends_before,
        "server": tree_cpu_seconds(server.pid) - server_before,
    }
    return Side(seconds=seconds, process_seconds=seconds, cpu_seconds=cpu, peak_pss_bytes=sampler.peak_pss_bytes)


def _waited_for_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_at(mark: str, process: subprocess.Popen[bytes], log: Path) -> float:
    while process.poll() is None:
        if f'"{mark}"' in log.read_text():
            return tree_cpu_seconds(process.pid)
        time.sleep(_STEP_SECONDS)
    return 0.0


def _wait_until_gone(server: LocalPostgres) -> None:
    """Until the server has reaped its backends: only then it has their CPU time."""
    deadline = time.monotonic() + _LEAVE_SECONDS_MAX
    while backends(server.pid) and time.monotonic() < deadline:
        time.sleep(_STEP_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """How re-dms is called: one journal, one slot, and a DuckDB file where the command is `run`."""

    server: LocalPostgres
    directory: Path
    name: str
    command: str = "capture"
    tcp: bool = False
    database: str = DATABASE
    publication: str = "bench"
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        """The journal's directory."""
        return self.directory / f"journal_{self.name}"

    @property
    def log(self) -> Path:
        """What the last run logged."""
        return self.directory / f"{self.name}.log"

    def words(self, *more: str) -> list[str]:
        """The command line."""
        words = [sys.executable, "-m", "re_dms", self.command, "--journal", f"file://{self.journal}"]
        words += ["--name", self.name, "--publication", self.publication]
        if self.command == "run":
            words += ["--warehouse", f"duckdb://{self.directory}/{self.name}.duckdb"]
        return [*words, *more]

    @property
    def environment(self) -> dict[str, str]:
        """Ours, with the source and `settings`: keys as `capture.streaming`."""
        keys = {f"RE_DMS_{name.upper().replace('.', '__')}": value for name, value in self.settings.items()}
        source = self.server.dsn(self.database, tcp=self.tcp)
        more = {"RE_DMS_LOG__LEVEL": "debug", "RE_DMS_LOG__FORMAT": "json", "RE_DMS_SOURCE__DSN": source}
        return {**os.environ, **more, **keys}

    def begin(self) -> None:
        """Make publication, slot and journal, and copy what is there; not measured."""
        self.finish("--until-caught-up")

    def finish(self, *more: str, mark: str = "streaming") -> Side:
        """Run to the end, measured."""
        return measured(self.words(*more), server=self.server, environment=self.environment, log=self.log, mark=mark)

    def events(self) -> list[dict[str, Any]]:
        """What the last run told."""
        return events_of(self.log)

    def drop(self) -> None:
        """The slot and the files go: a slot holds WAL, and makes the next walsender's work no less."""
        self.server.execute(f"select pg_drop_replication_slot('{self.name}')", dbname=self.database)
        shutil.rmtree(self.journal)

    @contextmanager
    def service(self) -> Iterator[Service]:
        """Run until the end of the block; streaming when it begins."""
        with self.log.open("w") as said:
            process = subprocess.Popen(self.words(), env=self.environment, stdout=subprocess.DEVNULL, stderr=said)
            try:
                with closing(Service(process, self.log)) as service:
                    service.wait(lambda event: event["event"] == "streaming")
                    yield service
            finally:
                process.terminate()
                process.wait()


class Service:
    """A pipeline that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self._file = log.open()
        self._rest = ""
        self._unread: deque[dict[str, Any]] = deque()
        self.seen: list[dict[str, Any]] = []

    def close(self) -> None:
        """Read no more; the pipeline goes on."""
        self._file.close()

    def read(self) -> list[dict[str, Any]]:
        """What it has logged, of that which was neither read nor waited for yet; `seen` has all."""
        unread = [*self._unread, *self._logged()]
        self._unread.clear()
        return unread

    def _logged(self) -> list[dict[str, Any]]:
        text = self._rest + self._file.read()
        *lines, self._rest = text.split("\n")
        found = [json.loads(line) for line in lines if line.startswith("{")]
        self.seen += found
        return found

    def wait(self, wanted: Callable[[dict[str, Any]], bool], seconds_max: float = _WAIT_SECONDS_MAX) -> dict[str, Any]:
        """The next event that is wanted, of those not read yet. Raises RuntimeError when it does not come."""
        deadline = time.monotonic() + seconds_max
        while True:
            self._unread.extend(self._logged())
            while self._unread:
                if wanted(event := self._unread.popleft()):
                    return event
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"re-dms ended or does not come to it: {self._log.read_text()[-2000:]}")
            time.sleep(_STEP_SECONDS)

    def cpu_seconds(self) -> dict[str, float]:
        """Until now, by role."""
        return cpu_seconds_by_role(self.process.pid)

    def pss_bytes(self) -> int:
        """Of all its processes, now."""
        return pss_bytes(self.process.pid)
