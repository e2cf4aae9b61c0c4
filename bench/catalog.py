"""`bench catalog`: what one look of the catalog watcher costs at a number of tables."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

from bench.machine import SETTINGS, facts
from bench.many_tables import make_tables
from localpg import LocalPostgres
from re_dms.settings import SourceSettings
from re_dms.source.connection import Connection, connect
from re_dms.source.watched import look, published_oids

_LOOKS = 5


def measure(*, tables: int, pg_bin: Path | None) -> dict[str, Any]:
    """The figures of one run on a server of its own."""
    with LocalPostgres(pg_bin=pg_bin, settings=SETTINGS) as server:
        make_tables(server, tables, "postgres")
        server.execute("create publication bench for all tables")
        names = ", ".join(f"t_{number}" for number in range(1, tables + 1))
        server.execute(f"create publication listed for table {names}")
        server.execute("analyze")
        with connect(
            SourceSettings(dsn=server.dsn("postgres"), slot="bench", publication="bench"), purpose="bench"
        ) as session:
            seconds = {name: _looks(session, name, tables) for name in ("bench", "listed")}
        return {
            "bench": "catalog",
            "tables": tables,
            "look_seconds": {"for_all_tables": seconds["bench"], "for_listed_tables": seconds["listed"]},
            **facts(server),
        }


def _looks(session: Connection, publication: str, tables: int) -> dict[str, float]:
    """Seconds of the first look in a session, and the median of several."""
    seconds = []
    for _ in range(_LOOKS):
        began = time.monotonic()
        seen = look(session, publication, published_oids(session, publication))
        seconds.append(time.monotonic() - began)
        if len(seen) != tables:
            raise RuntimeError(f"{len(seen)} tables were seen of {tables}")
    return {"first": round(seconds[0], 3), "median": round(statistics.median(seconds), 3)}
