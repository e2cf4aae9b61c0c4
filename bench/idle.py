"""`bench idle`: what a pipeline costs that has nothing to do: CPU of all its processes, and memory, before and after work."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, Final

from bench.capture import place
from bench.machine import facts
from bench.running import Pipeline, Service
from bench.workloads import ten

_SETTLE_SECONDS: Final = 3.0
_SAMPLES: Final = 10


def measure(*, seconds: float, rows: int, pg_bin: Path | None = None) -> dict[str, Any]:
    """Of `re-dms capture` and of `re-dms run` into DuckDB, on a server of its own."""
    with place(pg_bin) as (server, directory):
        ten.make(server)
        figures: dict[str, Any] = {}
        first = 1
        for command in ("capture", "run"):
            pipeline = Pipeline(server=server, directory=directory, name=f"idle_{command}", command=command)
            pipeline.begin()
            with pipeline.service() as service:
                fresh = _rest(service, seconds)
                ten.load(server, rows, first=first)
                first += rows
                _wait_for(service, "sealed" if command == "capture" else "loaded", rows)
                figures[command] = {**fresh, "after_work": _rest(service, seconds)}
            pipeline.drop()
        return {"bench": "idle", "seconds": seconds, "rows": rows, **figures, **facts(server)}


def _rest(service: Service, seconds: float) -> dict[str, Any]:
    time.sleep(min(_SETTLE_SECONDS, seconds))
    before, began = service.cpu_seconds(), time.monotonic()
    sizes = []
    for _ in range(_SAMPLES):
        time.sleep(seconds / _SAMPLES)
        sizes.append(service.pss_bytes())
    after, took = service.cpu_seconds(), time.monotonic() - began
    by_role = {role: (after[role] - before.get(role, 0.0)) / took * 100 for role in sorted(after)}
    return {
        "cpu_percent": round(sum(by_role.values()), 2),
        "cpu_percent_by_role": {role: round(value, 2) for role, value in by_role.items()},
        "pss_mb": round(statistics.median(sizes) / 1_000_000),
    }


def _wait_for(service: Service, event: str, changes: int) -> None:
    left = changes
    while left > 0:
        left -= service.wait(lambda found: found["event"] == event)["changes"]
