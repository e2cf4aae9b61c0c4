"""`bench guard`: whether capture costs more CPU than it did, told by a ratio that a busy machine moves little.

CPU seconds of all our processes (after their start) by those of pg_recvlogical for the same bytes, in the same run; wall
time is not looked at. The limits are in `limits.toml`. Virtual machines rarely have counters of instructions, which
would be steadier still. Run by hand or nightly: it is no test of the suite.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from bench.capture import measure as capture

LIMITS: Final = Path(__file__).parent / "limits.toml"


def measure(*, rows: int | None, rounds: int, limits: Path = LIMITS, pg_bin: Path | None = None) -> dict[str, Any]:
    """The ratio of every load that has a limit, and `beyond`: the names of those above it. Raises DifferentWork."""
    held = tomllib.loads(limits.read_text())
    figures: dict[str, Any] = {"bench": "guard", "margin": held["margin"]}
    beyond = []
    machine: dict[str, Any] = {}
    for name, limit in held["cpu_ratio_max"].items():
        found = capture(rounds=rounds, workload=name, rows=rows, pg_bin=pg_bin)
        figures[name] = {
            "cpu_ratio": found["cpu_ratio"],
            "cpu_ratio_max": limit,
            "cpu_seconds_per_million": found["cpu_seconds_per_million"]["working"],
            "cpu_seconds_per_million_pg_recvlogical": found["cpu_seconds_per_million_pg_recvlogical"]["working"],
        }
        machine = {key: found[key] for key in ("machine", "postgres", "re_dms", "date")}
        if found["cpu_ratio"] > limit * (1 + held["margin"]):
            beyond.append(name)
    return {**figures, "ratio": figures["ten"]["cpu_ratio"], "beyond": beyond, **machine}
