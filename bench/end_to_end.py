"""`bench end_to_end`: a backlog through to the warehouse's commit, into DuckDB files of as many pipelines as rounds.

The lag from commit to visible is `bench latency`'s.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.capture import place
from bench.machine import facts
from bench.rounds import DifferentWork, Side, cpu_per_million, peak_pss_mb, spread
from bench.running import Pipeline, moment
from bench.workloads import DATABASE, ten


def measure(*, rows: int, rounds: int, pg_bin: Path | None = None) -> dict[str, Any]:
    """The figures of one run on a server of its own. Raises DifferentWork when not all was loaded."""
    with place(pg_bin) as (server, directory):
        ten.make(server)
        pipelines = [
            Pipeline(server=server, directory=directory, name=f"round_{number}", command="run")
            for number in range(rounds)
        ]
        for pipeline in pipelines:
            pipeline.begin()
        done = ten.load(server, rows)
        end = server.execute("select pg_current_wal_insert_lsn()::text", dbname=DATABASE)[0][0]
        server.execute("checkpoint")
        sides = [_through(pipeline, end, rows, done["transactions"]) for pipeline in pipelines]
        return {
            "bench": "end_to_end",
            "rows": rows,
            "rounds": rounds,
            "rows_per_second": spread([rows / side.seconds for side in sides], 0),
            "cpu_seconds_per_million": cpu_per_million(sides, rows),
            "loads": spread([side.more["loads"] for side in sides], 0),
            "peak_pss_mb": peak_pss_mb(sides),
            **facts(server),
        }


def _through(pipeline: Pipeline, end: str, rows: int, transactions: int) -> Side:
    side = pipeline.finish("--until-lsn", end)
    events = pipeline.events()
    loaded = [event for event in events if event["event"] == "loaded"]
    found = [sum(event[name] for event in loaded) for name in ("changes", "transactions")]
    if found != [rows, transactions]:
        raise DifferentWork(f"{found[0]} changes of {found[1]} transactions were loaded, not {rows} of {transactions}")
    opened = next(moment(event) for event in events if event["event"] == "streaming")
    return replace(side, seconds=max(map(moment, loaded)) - opened, more={"loads": len(loaded)})
