"""`bench all`: every part in turn. Each ends with its line in docs/bench/figures.jsonl, from which the document is written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from bench import (
    capture,
    catalog,
    end_to_end,
    growth,
    guard,
    idle,
    large_transaction,
    large_value,
    latency,
    redshift,
    replay,
    report,
    snapshot,
)

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One command of the bench. `seconds` is about what it takes on two cores; `quick` what is other in a quick run."""

    command: str
    seconds: int
    measure: Callable[..., dict[str, Any]]
    options: Mapping[str, Any]
    quick: Mapping[str, Any]
    by_itself: bool = True


def _capture(command: str, seconds: int, rounds: int, **options: Any) -> Part:
    return Part(
        command=f"{command} --rounds {rounds}",
        seconds=seconds,
        measure=capture.measure,
        options={"rounds": rounds, **options},
        quick={"rounds": 1, "rows": 2_000},
    )


PARTS: Final[dict[str, Part]] = {
    "capture": _capture("capture", 80, 3),
    "wide": _capture("wide", 45, 3, workload="wide"),
    "tiny_transactions": _capture("tiny_transactions", 95, 3, workload="tiny"),
    "documents": _capture("capture --workload documents", 55, 3, workload="documents"),
    "tpcc": _capture("capture --workload tpcc", 40, 3, workload="tpcc"),
    "capture_tcp": _capture("capture --transport tcp", 90, 3, transport="tcp"),
    "wide_tcp": _capture("wide --transport tcp", 45, 3, workload="wide", transport="tcp"),
    "tiny_transactions_tcp": _capture("tiny_transactions --transport tcp", 110, 3, workload="tiny", transport="tcp"),
    "documents_tcp": _capture("capture --workload documents --transport tcp", 50, 3, workload="documents", transport="tcp"),
    "capture_tls": _capture("capture --transport tls", 115, 3, transport="tls"),
    "idle": Part(
        command="idle",
        seconds=105,
        measure=idle.measure,
        options={"seconds": 20.0, "rows": 200_000},
        quick={"seconds": 1.0, "rows": 2_000},
    ),
    "large_transaction": Part(
        command="large_transaction",
        seconds=80,
        measure=large_transaction.measure,
        options={"rows": 1_000_000, "rounds": 2},
        quick={"rows": 5_000, "rounds": 1},
    ),
    "large_transaction_full": Part(
        command="large_transaction --rows 10000000 --rounds 1",
        seconds=600,
        measure=large_transaction.measure,
        options={"rows": 10_000_000, "rounds": 1},
        quick={"rows": 5_000},
        by_itself=False,
    ),
    "large_value": Part(
        command="large_value",
        seconds=20,
        measure=large_value.measure,
        options={"megabytes": 300},
        quick={"megabytes": 2},
    ),
    "snapshot": Part(
        command="snapshot",
        seconds=65,
        measure=snapshot.measure,
        options={"rows": 3_000_000, "tables": 1, "rounds": 3, "connections": (1, 2)},
        quick={"rows": 2_000, "rounds": 1},
    ),
    "end_to_end": Part(
        command="end_to_end",
        seconds=30,
        measure=end_to_end.measure,
        options={"rows": 1_000_000, "rounds": 3},
        quick={"rows": 2_000, "rounds": 1},
    ),
    "latency": Part(
        command="latency",
        seconds=190,
        measure=latency.measure,
        options={"rate": 1_000, "seconds": 60.0, "singles": 20, "flush_seconds": (0.25, None)},
        quick={"rate": 200, "seconds": 1.0, "singles": 1},
    ),
    "growth": Part(
        command="growth --directory docs/bench",
        seconds=280,
        measure=growth.measure,
        options={"tables": 10_000, "changes": 200_000, "values": 16_000_000, "rows_max": 1_000_000},
        quick={"tables": 10, "changes": 200, "values": 2_000, "rows_max": 100},
    ),
    "guard": Part(
        command="guard",
        seconds=170,
        measure=guard.measure,
        options={"rows": None, "rounds": 3},
        quick={"rows": 2_000, "rounds": 1},
        by_itself=False,
    ),
    "redshift": Part(
        command="redshift", seconds=180, measure=redshift.measure, options={"quick": False}, quick={"quick": True}, by_itself=False
    ),
    "replay": Part(
        command="replay",
        seconds=150,
        measure=replay.measure,
        options={"rows": 1_250_000, "small_rows": 220_000, "rounds": 3},
        quick={"rows": 2_000, "small_rows": 100, "rounds": 1},
        by_itself=False,
    ),
    "catalog": Part(
        command="catalog", seconds=60, measure=catalog.measure, options={"tables": 10_000}, quick={"tables": 10}, by_itself=False
    ),
}  # fmt: skip


def budget() -> str:
    """What each part takes, for --help."""
    usual = {name: part for name, part in PARTS.items() if part.by_itself}
    words = ", ".join(f"{name} {part.seconds}" for name, part in usual.items())
    others = ", ".join(f"{name} {part.seconds}" for name, part in PARTS.items() if not part.by_itself)
    minutes = round(sum(part.seconds for part in usual.values()) / 60)
    return f"About {minutes} minutes on two cores, in seconds: {words}. Only with --only: {others}."


def run(names: Sequence[str], *, quick: bool, docs: Path | None, pg_bin: Path | None) -> dict[str, Any]:
    """Run parts (none given: all that run by themselves). With `docs`, its figures, plots and performance.md anew.

    A part that fails leaves its figures as they were; `failed` names it.
    """
    failed, took = {}, {}
    found: dict[str, dict[str, Any]] = {}
    for name in names or [name for name, part in PARTS.items() if part.by_itself]:
        part = PARTS[name]
        options = {**part.options, **(part.quick if quick else {})}
        if name == "growth":
            options["directory"] = None if docs is None else docs / "bench"
        began = time.monotonic()
        try:
            found[name] = {"command": part.command, **part.measure(**options, pg_bin=pg_bin)}
        except Exception as error:  # noqa: BLE001 - whatever keeps one part from its figures does not keep the others
            failed[name] = f"{type(error).__name__}: {error}"
        took[name] = round(time.monotonic() - began, 1)
        click.echo(f"{name}: {took[name]} s{' FAILED: ' + failed[name] if name in failed else ''}", err=True)
        if docs is not None:
            _write(docs, found)
    ratios = {name: figures["ratio"] for name, figures in found.items() if "ratio" in figures}
    return {"bench": "all", "quick": quick, "seconds": took, "ratio": ratios, "failed": failed, "parts": found}


def _write(docs: Path, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Parts that were not run keep their earlier figures."""
    lines = docs / "bench" / "figures.jsonl"
    lines.parent.mkdir(parents=True, exist_ok=True)
    earlier = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    parts = {each.pop("part"): each for each in earlier} | dict(found)
    ordered = {name: parts[name] for name in PARTS if name in parts}
    lines.write_text("".join(json.dumps({"part": name, **figures}) + "\n" for name, figures in ordered.items()))
    document = docs / "performance.md"
    document.write_text(report.write(document.read_text(), ordered))
