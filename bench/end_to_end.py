"""`bench end_to_end`: a backlog through to the warehouse's commit, then the lag at a steady load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import workload
from bench.machine import SETTINGS, facts
from bench.processes import Sampler
from localpg import LocalPostgres

_STEPS_A_SECOND = 10
_START_SECONDS_MAX = 60.0


def measure(*, rows: int, rate: int, seconds: float, pg_bin: Path | None) -> dict[str, Any]:
    """The figures of one run on a server of its own, into a DuckDB file beside its journal."""
    with (
        tempfile.TemporaryDirectory(prefix="re_dms-bench-") as name,
        LocalPostgres(pg_bin=pg_bin, settings=SETTINGS) as server,
    ):
        directory = Path(name)
        workload.make(server)
        _run(server, directory, "--until-caught-up")
        workload.load(server, rows)
        backlog, peak = _backlog(server, directory, rows)
        lags = _steady(server, directory, rate=rate, seconds=seconds, first=rows)
        return {
            "bench": "end_to_end",
            "rows": rows,
            **backlog,
            "peak_pss_mb": round(peak / 1_000_000),
            "rate": rate,
            "seconds": seconds,
            "lag_seconds": {
                "p50": round(lags[len(lags) // 2], 3),
                "p99": round(lags[len(lags) * 99 // 100], 3),
                "transactions": len(lags),
            },
            **facts(server),
        }


def _words(directory: Path, *more: str) -> list[str]:
    place = ["--warehouse", f"duckdb://{directory}/w.duckdb", "--publication", "bench"]
    return [sys.executable, "-m", "re_dms", "run", *place, *more]


def _environment(server: LocalPostgres) -> dict[str, str]:
    more = {"RE_DMS_LOG__LEVEL": "debug", "RE_DMS_LOG__FORMAT": "json"}
    return os.environ | more | {"RE_DMS_SOURCE__DSN": server.dsn(workload.DATABASE)}


def _run(server: LocalPostgres, directory: Path, *more: str) -> None:
    subprocess.run(_words(directory, *more), check=True, env=_environment(server), capture_output=True)


def _backlog(server: LocalPostgres, directory: Path, rows: int) -> tuple[dict[str, Any], int]:
    log = directory / "backlog.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            _words(directory, "--until-caught-up"), env=_environment(server), stdout=subprocess.DEVNULL, stderr=said
        )
        with Sampler(process.pid) as sampler:
            code = process.wait()
    events = _events(log)
    if code != 0:
        raise RuntimeError(f"re-dms run ended with {code}: {log.read_text()[-2000:]}")
    loaded = [event for event in events if event["event"] == "loaded"]
    if sum(event["changes"] for event in loaded) != rows:
        raise RuntimeError(f"{sum(event['changes'] for event in loaded)} changes were loaded, {rows} were made")
    opened = next(_moment(event) for event in events if event["event"] == "streaming")
    took = max(_moment(event) for event in loaded) - opened
    millions = rows / 1_000_000
    cpu = {role: round(spent / millions, 2) for role, spent in sorted(sampler.cpu_seconds.items())}
    return {"rows_per_second": round(rows / took), "cpu_seconds_per_million": cpu}, sampler.peak_pss_bytes


def _steady(server: LocalPostgres, directory: Path, *, rate: int, seconds: float, first: int) -> list[float]:
    """Lags from commit to visible, ascending: of the transactions whose commit times the batches keep."""
    log = directory / "steady.log"
    with log.open("w") as said:
        process = subprocess.Popen(_words(directory), env=_environment(server), stdout=subprocess.DEVNULL, stderr=said)
        try:
            _wait_for_stream(log, process)
            _write(server, rate=rate, seconds=seconds, first=first)
        finally:
            process.terminate()
            process.wait()
    lags = [
        (event["applied_us"] - commit) / 1_000_000
        for event in _events(log)
        if event["event"] == "loaded"
        for commit in event["commit_times_us"]
    ]
    if not lags:
        raise RuntimeError(f"nothing was loaded: {log.read_text()[-2000:]}")
    return sorted(lags)


def _wait_for_stream(log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS_MAX
    while not any(event["event"] == "streaming" for event in _events(log)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"re-dms run does not stream: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def _write(server: LocalPostgres, *, rate: int, seconds: float, first: int) -> None:
    """`rate` rows a second, in ten transactions a second."""
    size, pause, clock = rate // _STEPS_A_SECOND, threading.Event(), time.monotonic()
    for step in range(int(seconds * _STEPS_A_SECOND)):
        start = 10 * first + step * size
        server.execute(
            "insert into measured (id, customer, status, created) select i, 1, 'new', now()"
            f" from generate_series({start}, {start + size - 1}) i",
            dbname=workload.DATABASE,
        )
        pause.wait(max(0.0, clock + (step + 1) / _STEPS_A_SECOND - time.monotonic()))


def _events(log: Path) -> list[dict[str, Any]]:
    found = []
    for line in log.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # the two lines for people, or a line that is being written
    return found


def _moment(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()
