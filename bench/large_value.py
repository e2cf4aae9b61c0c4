"""`bench large_value`: what one very long value does to the memory of capture, and what is left of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from bench.capture import place
from bench.machine import facts
from bench.processes import Sampler
from bench.running import Pipeline, Service
from bench.workloads import DATABASE, make_database
from localpg import LocalPostgres

_SETTLE_SECONDS: Final = 2.0
_TABLE: Final = "create table long_values (id bigint primary key, body text)"


def measure(*, megabytes: int, pg_bin: Path | None = None) -> dict[str, Any]:
    """Summed PSS at rest before, at most, after a further small change, and after a reconnect; on a server of its own."""
    with place(pg_bin) as (server, directory):
        make_database(server, [_TABLE], ["long_values"])
        pipeline = Pipeline(server=server, directory=directory, name="long")
        pipeline.begin()
        with pipeline.service() as service:
            small = _change(server, service, 1, "'small'")
            before = _settled(service)
            with Sampler(service.process.pid) as sampler:
                seconds = _change(server, service, 2, f"repeat(md5('x'), {megabytes * 1_000_000 // 32})")
            _change(server, service, 3, "'small'")
            after = _settled(service)
            server.execute("select pg_terminate_backend(pid) from pg_stat_replication", dbname=DATABASE)
            service.wait(lambda event: event["event"] == "streaming")
            _change(server, service, 4, "'small'")
            reconnected = _settled(service)
        return {
            "bench": "large_value",
            "megabytes": megabytes,
            "pss_mb": {
                "before": _mb(before),
                "peak": _mb(sampler.peak_pss_bytes),
                "after": _mb(after),
                "after_reconnect": _mb(reconnected),
            },
            "seconds_to_durable": {"small": round(small, 2), "large": round(seconds, 2)},
            **facts(server),
        }


def _change(server: LocalPostgres, service: Service, number: int, expression: str) -> float:
    """Insert one row; seconds from its commit until it is durable in the journal."""
    server.execute(f"insert into long_values values ({number}, {expression})", dbname=DATABASE)
    began = time.monotonic()
    service.wait(lambda event: event["event"] == "sealed" and event["changes"] > 0)
    return time.monotonic() - began


def _settled(service: Service) -> int:
    time.sleep(_SETTLE_SECONDS)
    return service.pss_bytes()


def _mb(size: int) -> int:
    return round(size / 1_000_000)
