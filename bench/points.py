"""Points of a curve: what a pipeline's processes use for one load that waits for it, less what they use for none."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final

from bench.rounds import DifferentWork
from bench.running import Pipeline, moment
from bench.workloads import DATABASE

_BASES: Final = 2


@dataclass(frozen=True, kw_only=True)
class Point:
    """One load. CPU of our processes from the stream's opening on, in all and by whom; wall time to the durable batch."""

    changes: int
    cpu_seconds: float
    backend_cpu_seconds: float
    seconds: float
    start_seconds: float
    batches: int
    peak_pss_bytes: int


@dataclass(kw_only=True)
class Meter:
    """Takes points with pipelines that are at rest while a load is made, then run to its end, one after the other.

    Of several the cheapest run counts: what else the machine does makes a run dearer, never cheaper.
    """

    pipelines: Sequence[Pipeline]
    base_cpu_seconds: float = 0.0
    base_backend_seconds: float = 0.0

    def begin(self) -> None:
        """Copy what is there, then measure runs with nothing to do: later points are freed of what these use."""
        for pipeline in self.pipelines:
            pipeline.begin()
        points = [self._run(pipeline, 0) for _ in range(_BASES) for pipeline in self.pipelines]
        self.base_cpu_seconds = statistics.median(point.cpu_seconds for point in points)
        self.base_backend_seconds = statistics.median(point.backend_cpu_seconds for point in points)

    def take(self, changes: int) -> Point:
        """Run to the end of what was written. Raises DifferentWork when that was not so many changes."""
        return min((self._run(pipeline, changes) for pipeline in self.pipelines), key=lambda point: point.cpu_seconds)

    def _run(self, pipeline: Pipeline, changes: int) -> Point:
        server = pipeline.server
        end = server.execute("select pg_current_wal_insert_lsn()::text", dbname=DATABASE)[0][0]
        server.execute("checkpoint")
        began = time.time()
        side = pipeline.finish("--until-lsn", end)
        events = pipeline.events()
        opened = next(moment(event) for event in events if event["event"] == "streaming")
        sealed = [event for event in events if event["event"] == "sealed"]
        found = sum(event["changes"] for event in sealed)
        if found != changes:
            raise DifferentWork(f"{found} changes are in the journal, {changes} were made")
        return Point(
            changes=changes,
            # A small load may use less than two runs with nothing to do differ by.
            cpu_seconds=max(0.001, side.cpu_seconds["working"] - self.base_cpu_seconds),
            backend_cpu_seconds=max(0.001, side.cpu_seconds["backends"] - self.base_backend_seconds),
            seconds=max((moment(event) for event in sealed), default=opened) - opened,
            start_seconds=opened - began,
            batches=len(sealed),
            peak_pss_bytes=side.peak_pss_bytes,
        )


def steepest(points: Sequence[tuple[float, float]]) -> float:
    """The greatest exponent of a step between neighbours (x, y): 1 is linear growth, 0 none."""
    pairs = itertools.pairwise(points)
    return round(max(log(y2 / y1) / log(x2 / x1) for (x1, y1), (x2, y2) in pairs), 2)
