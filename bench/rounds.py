"""Two sides in turn: what one run of a side took, and figures of several.

Every comparison of the bench is made of rounds in which each side runs once; the order of the sides alternates, so that
neither has the warmer machine. A ratio is the median of the rounds' own ratios. Where the sides did not do the same work
there is none: DifferentWork.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class DifferentWork(Exception):
    """The two sides did not do the same: there is no ratio."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One run of one side.

    `seconds` of the work itself, `process_seconds` from start to end of the process, both wall time. `cpu_seconds` by
    role; `total` is what the kernel counted of the process and all that it waited for, `working` the part of it after the
    start-up, `backends` that of the server's backends which ended in the run, `server` that of all its processes.
    """

    seconds: float
    process_seconds: float
    cpu_seconds: dict[str, float]
    peak_pss_bytes: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)


def in_turn(rounds: int, sides: Mapping[str, Callable[[int], Side]]) -> dict[str, list[Side]]:
    """Run every side once a round, with the round's number; every other round the other way round."""
    found: dict[str, list[Side]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            found[name].append(sides[name](number))
    return found


def ratio(
    ones: Sequence[Side], others: Sequence[Side], of: Callable[[Side], float] = lambda side: side.seconds
) -> float:
    """How many times as much as the others the ones took: the median of the rounds."""
    return round(statistics.median(of(one) / of(other) for one, other in zip(ones, others, strict=True)), 3)


def spread(values: Iterable[float], digits: int = 2) -> dict[str, float]:
    """Median, min and max."""
    taken = list(values)
    return {
        "median": round(statistics.median(taken), digits),
        "min": round(min(taken), digits),
        "max": round(max(taken), digits),
    }


def cpu_per_million(sides: Sequence[Side], changes: int) -> dict[str, float]:
    """CPU seconds for a million changes by role: medians."""
    roles = sorted({role for side in sides for role in side.cpu_seconds})
    return {
        role: round(statistics.median(side.cpu_seconds.get(role, 0.0) for side in sides) / changes * 1_000_000, 2)
        for role in roles
    }


def peak_pss_mb(sides: Iterable[Side]) -> int:
    """The highest of all rounds, in MB."""
    return round(max(side.peak_pss_bytes for side in sides) / 1_000_000)
