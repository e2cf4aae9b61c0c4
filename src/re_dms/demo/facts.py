"""The demo's findings, and what follows from them: were all rows equal, did every change arrive exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from re_dms.demo.compare import Comparison
from re_dms.demo.customers import Done

KINDS: Final = ("inserts", "updates", "deletes", "truncates")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """One table. `arrived`: changes that the warehouse counted, in the order of KINDS; `committed`: those of the load."""

    comparison: Comparison
    copied: int
    arrived: tuple[int, ...]
    committed: tuple[int, ...]

    @property
    def name(self) -> str:
        """schema.table."""
        return self.comparison.table

    @property
    def counted_once(self) -> bool:
        """Whether the warehouse counted exactly what was committed."""
        return self.arrived == self.committed

    @property
    def good(self) -> bool:
        """Whether nothing is amiss."""
        return self.comparison.equal and self.counted_once

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        comparison = self.comparison
        return {
            "copied": self.copied,
            **dict(zip(KINDS, self.arrived, strict=True)),
            "committed": dict(zip(KINDS, self.committed, strict=True)),
            "source_rows": comparison.source_rows,
            "target_rows": comparison.target_rows,
            "missing": comparison.missing,
            "surplus": comparison.surplus,
            "problem": comparison.problem,
            "equal": comparison.equal,
            "counted_once": self.counted_once,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """The SIGKILL: while `batch` was being loaded; the warehouse's watermark stood at `watermark` right after it."""

    batch: int
    watermark: int
    seconds_until_streaming: float

    @property
    def was_inside(self) -> bool:
        """Whether the batch was not yet committed."""
        return self.watermark < self.batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the end of the demo tells. `warehouse` is its kind, `warehouse_name` what the demo calls it."""

    tables: tuple[TableFacts, ...]
    kills: tuple[Kill, ...]
    batches: int
    transactions: int
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    postgres: str
    warehouse: str
    warehouse_name: str
    seconds: float
    kept: Path | None

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of tables with something amiss."""
        return tuple(table.name for table in self.tables if not table.good)

    @property
    def good(self) -> bool:
        """Whether all is as promised."""
        return bool(self.tables) and not self.differing

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "equal": self.good,
            "differing": list(self.differing),
            "tables": {table.name: table.as_json() for table in self.tables},
            "kills": [
                {
                    "batch": kill.batch,
                    "watermark": kill.watermark,
                    "inside_a_batch": kill.was_inside,
                    "seconds_until_streaming": round(kill.seconds_until_streaming, 2),
                }
                for kill in self.kills
            ],
            "batches": self.batches,
            "transactions": self.transactions,
            "lag_ms": {"p50": _rounded(self.lag_p50_ms), "p99": _rounded(self.lag_p99_ms)},
            "postgres": self.postgres,
            "warehouse": self.warehouse,
            "seconds": round(self.seconds, 1),
            "kept": None if self.kept is None else str(self.kept),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def gather(
    counts: Mapping[str, tuple[int, ...]], comparisons: Iterable[Comparison], committed: Done
) -> tuple[TableFacts, ...]:
    """Join the comparisons with the warehouse's counts (see `Side.counts`) and with what the load committed in `public`."""
    nothing = (0,) * (1 + len(KINDS))
    return tuple(
        TableFacts(
            comparison=comparison,
            copied=counts.get(comparison.table, nothing)[0],
            arrived=counts.get(comparison.table, nothing)[1:],
            committed=tuple(committed[comparison.table.removeprefix("public."), kind] for kind in KINDS),
        )
        for comparison in comparisons
    )
