"""`bench latency`: from commit to visible in DuckDB, under pgbench at a steady rate and for single changes at rest.

Visible is when the load's COMMIT has returned (`loaded` has the moment); the commit times are the source's own. A batch
keeps up to 21 of its transactions' commit times, by rank: each counts for as many transactions as it stands for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.capture import place
from bench.machine import facts
from bench.processes import tree_cpu_seconds
from bench.rounds import DifferentWork, spread
from bench.running import Pipeline, Service
from bench.workloads import DATABASE, pgbench, tiny
from localpg import LocalPostgres
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore

_CLIENTS: Final = 8
_REST_SECONDS: Final = 1.5
_SETTLE_SECONDS_MAX: Final = 60.0


def measure(
    *, rate: int, seconds: float, singles: int, flush_seconds: Sequence[float | None], pg_bin: Path | None = None
) -> dict[str, Any]:
    """The figures for each flush (None: the default), on a server of its own. Raises DifferentWork."""
    with place(pg_bin) as (server, directory):
        tiny.make(server)
        figures = {}
        for flush in flush_seconds:
            name = "flush_default" if flush is None else f"flush_{flush:g}"
            settings = {} if flush is None else {"capture.flush_seconds": f"{flush:g}"}
            pipeline = Pipeline(
                server=server,
                directory=directory,
                name=name.replace(".", "_"),
                command="run",
                settings=settings,
            )
            pipeline.begin()
            with pipeline.service() as service:
                figures[name] = _steady(server, service, rate=rate, seconds=seconds)
                figures[name]["data_files_of_a_batch"] = _files(pipeline)
                figures[name]["at_rest_seconds"] = _at_rest(server, service, singles)
            pipeline.drop()
        return {
            "bench": "latency",
            "rate": rate,
            "seconds": seconds,
            "singles": singles,
            **figures,
            **facts(server),
        }


def _steady(server: LocalPostgres, service: Service, *, rate: int, seconds: float) -> dict[str, Any]:
    service.read()
    first = len(service.seen)
    before, server_before = service.cpu_seconds(), tree_cpu_seconds(server.pid)
    began = time.monotonic()
    words = ("-c", str(_CLIENTS), "-j", "1", "-R", str(rate), "-T", str(max(1, round(seconds))))
    said = pgbench(server, {tiny.SCRIPT: 1}, *words, durable=True)
    processed = re.search(r"actually processed: (\d+)", said)
    if processed is None:
        raise RuntimeError(f"pgbench does not say how much it did: {said[-500:]}")
    made = int(processed[1])
    _wait_for(service, first, made)
    took = time.monotonic() - began
    after, server_after = service.cpu_seconds(), tree_cpu_seconds(server.pid)
    loads = [event for event in service.seen[first:] if event["event"] == "loaded"]
    sealed = [event for event in service.seen[first:] if event["event"] == "sealed"]
    lags = _weighted(loads)
    return {
        "transactions": made,
        "transactions_per_second": round(made / seconds),
        "lag_seconds": {"p50": _quantile(lags, 0.5), "p99": _quantile(lags, 0.99), "max": _quantile(lags, 1)},
        "cpu_percent": {role: round((after[role] - before.get(role, 0.0)) / took * 100, 1) for role in sorted(after)}
        | {"server": round((server_after - server_before) / took * 100, 1)},
        "batches": len(sealed),
        "loads": len(loads),
        "load_seconds": spread([event["seconds"] for event in loads], 3),
    }


def _files(pipeline: Pipeline) -> int:
    """Data files of the newest batch; with them come a manifest, and apply's mirror of its position."""
    journal = Journal(LocalStore(pipeline.journal))
    manifest = journal.manifest(max(journal.numbers()))
    steps = [] if manifest is None else [step for table in manifest.tables for step in table.steps]
    return sum(len(getattr(step, "files", ())) for step in steps)


def _wait_for(service: Service, first: int, made: int) -> None:
    """Until as many transactions were loaded as were made."""
    deadline = time.monotonic() + _SETTLE_SECONDS_MAX
    while True:
        service.read()
        found = sum(event["transactions"] for event in service.seen[first:] if event["event"] == "loaded")
        if found == made:
            return
        if found > made or time.monotonic() > deadline:
            raise DifferentWork(f"{found} transactions were loaded, {made} were made")
        time.sleep(0.02)


def _at_rest(server: LocalPostgres, service: Service, singles: int) -> dict[str, float]:
    """Changes that come alone, each after a rest."""
    lags = []
    for number in range(1, singles + 1):
        time.sleep(_REST_SECONDS)
        service.read()
        server.execute(f"update pgbench_accounts set abalance = 0 where aid = {number}", dbname=DATABASE)
        event = service.wait(lambda event: event["event"] == "loaded", _SETTLE_SECONDS_MAX)
        lags += [lag for lag, _ in _weighted([event])]
    return spread(lags, 3) if lags else {}


def _weighted(loads: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Lags in seconds, ascending, each with how many transactions it stands for."""
    found = [
        ((event["applied_us"] - commit) / 1_000_000, event["transactions"] / len(event["commit_times_us"]))
        for event in loads
        for commit in event["commit_times_us"]
    ]
    return sorted(found)


def _quantile(lags: Sequence[tuple[float, float]], part: float) -> float:
    wanted, passed = part * sum(weight for _, weight in lags), 0.0
    for lag, weight in lags:
        passed += weight
        if passed >= wanted:
            return round(lag, 3)
    return round(lags[-1][0], 3)
