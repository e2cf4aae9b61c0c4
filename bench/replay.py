"""`bench replay`: the process of `re-dms replay` that makes batches of a file, into a fresh fsynced journal each time.

Measured is that process alone (`re_dms.pipeline.child replay`): reading, unpacking, splitting, decoding, folding,
compressing, writing and syncing the journal's files. No apply runs and no supervisor; the bench itself says "go" when the
process has planned, and "drain" when it tells that all is read. A round counts only when the journal's manifests count
the changes that the load made.

`rows_per_second` is rows by wall time from the process's "streaming" to its "finished", `rows_per_core_second` rows by its
CPU seconds (user and system, all of its threads) between the two: as if one core had done all of it. The names with
`process` have the process from start to end, its imports included.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.machine import SETTINGS, facts
from bench.processes import Sampler, tree_cpu_seconds
from bench.rounds import DifferentWork
from bench.transcripts import TranscriptFile, make
from bench.workloads import DATABASE
from localpg import LocalPostgres
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore
from re_dms.pipeline.child import Child
from re_dms.settings import TEST_DECODING, JournalSettings, LogSettings, ReplaySettings, Settings, SourceSettings

ROWS_PER_CORE_SECOND_WANTED: Final = 200_000
PEAK_BYTES_WANTED: Final = 500_000_000
_WAIT_SECONDS_MAX: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One replay. `peak_pss_bytes` is sampled, `peak_rss_bytes` the kernel's high-water mark; `journal_bytes` of data files."""

    seconds: float
    cpu_seconds: float
    process_seconds: float
    process_cpu_seconds: float
    peak_pss_bytes: int
    peak_rss_bytes: int
    journal_bytes: int
    batches: int


def measure(*, rows: int, small_rows: int, rounds: int, pg_bin: Path | None) -> dict[str, Any]:
    """The figures of one run on a server of its own. Raises DifferentWork."""
    with (
        tempfile.TemporaryDirectory(prefix="re_dms-bench-") as name,
        LocalPostgres(pg_bin=pg_bin, settings=SETTINGS) as server,
    ):
        directory = Path(name)
        files = make(server, directory, rows=rows, small_rows=small_rows)
        server.execute("checkpoint")
        runs: dict[str, list[Run]] = {kind: [] for kind in files}
        for number in range(rounds):
            for kind, file in files.items():
                runs[kind].append(_replay(server, file, directory / f"journal_{kind}_{number}"))
        large = _figures(files["large"], runs["large"])
        return {
            "bench": "replay",
            "rounds": rounds,
            **{kind: _figures(files[kind], runs[kind]) for kind in files},
            "wanted": {
                f"{ROWS_PER_CORE_SECOND_WANTED:,} rows a CPU second (large)": _met(
                    large["rows_per_core_second"]["median"] >= ROWS_PER_CORE_SECOND_WANTED
                ),
                f"{PEAK_BYTES_WANTED // 1_000_000} MB at most (all)": _met(
                    all(run.peak_rss_bytes <= PEAK_BYTES_WANTED for each in runs.values() for run in each)
                ),
            },
            **facts(server),
        }


def _met(condition: bool) -> str:
    return "met" if condition else "not met"


def _replay(server: LocalPostgres, file: TranscriptFile, place: Path) -> Run:
    settings = Settings(
        source=SourceSettings(dsn=server.dsn(DATABASE), slot="", publication="", plugin=TEST_DECODING),
        journal=JournalSettings(url=f"file://{place}"),
        log=LogSettings(level="warning"),
        replay=ReplaySettings(inputs=(str(file.path),), stream=file.path.name),
    )
    before = os.times()
    began = time.monotonic()
    child = Child("replay", settings, {})
    with Sampler(child.pid) as sampler:
        _wait_for(child, "root")
        child.control.send({"do": "go"})
        _wait_for(child, "streaming")
        opened, opened_cpu_seconds = time.monotonic(), tree_cpu_seconds(child.pid)
        _wait_for(child, "finished")
        seconds, cpu_seconds = time.monotonic() - opened, tree_cpu_seconds(child.pid) - opened_cpu_seconds
        peak_rss_bytes = _high_water_bytes(child.pid)
        child.control.send({"do": "drain"})
        code = child.close()
    process_seconds = time.monotonic() - began
    after = os.times()
    if code != 0:
        raise RuntimeError(f"the replay ended with {code}")
    journal_bytes, batches = _require_all(file, place)
    return Run(
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        process_seconds=process_seconds,
        process_cpu_seconds=after.children_user + after.children_system - before.children_user - before.children_system,
        peak_pss_bytes=sampler.peak_pss_bytes,
        peak_rss_bytes=peak_rss_bytes,
        journal_bytes=journal_bytes,
        batches=batches,
    )


def _wait_for(child: Child, event: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        message = child.control.receive(1.0)
        if message is not None and message["event"] == "error":
            raise RuntimeError(f"the replay failed: {message['message']}")
        if message is not None and message["event"] == event:
            return
    child.kill()
    raise RuntimeError(f"the replay did not come to {event!r} within {_WAIT_SECONDS_MAX:.0f} s")


def _high_water_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _require_all(file: TranscriptFile, place: Path) -> tuple[int, int]:
    """The bytes of the journal's data files and its batches. Raises DifferentWork when they hold other changes."""
    journal = Journal(LocalStore(place))
    found = dict.fromkeys(file.done, 0)
    batches = 0
    for number in journal.numbers():
        manifest = journal.manifest(number)
        if manifest is not None:
            batches += 1
            found["transactions"] += manifest.transactions
            for table in manifest.tables:
                for name in ("inserts", "updates", "deletes"):
                    found[name] += getattr(table.counts, name)
    if found != file.done:
        raise DifferentWork(f"the manifests have {found}, the load made {file.done}")
    return sum(each.stat().st_size for each in (place / "data").rglob("*") if each.is_file()), batches


def _figures(file: TranscriptFile, runs: list[Run]) -> dict[str, Any]:
    def spread(values: Iterable[float], digits: int = 0) -> dict[str, float]:
        taken = list(values)
        return {
            "median": round(statistics.median(taken), digits),
            "min": round(min(taken), digits),
            "max": round(max(taken), digits),
        }

    return {
        "rows": file.rows,
        "transactions": file.done["transactions"],
        "megabytes": round(file.size_bytes / 1_000_000, 1),
        "file_megabytes": round(file.path.stat().st_size / 1_000_000, 1),
        "bytes_a_row": round(file.size_bytes / file.rows),
        "rows_per_second": spread(file.rows / run.seconds for run in runs),
        "rows_per_core_second": spread(file.rows / run.cpu_seconds for run in runs),
        "process_rows_per_second": spread(file.rows / run.process_seconds for run in runs),
        "process_rows_per_core_second": spread(file.rows / run.process_cpu_seconds for run in runs),
        "megabytes_per_second": spread((file.size_bytes / 1_000_000 / run.seconds for run in runs), 1),
        "cpu_seconds": spread((run.cpu_seconds for run in runs), 2),
        "peak_pss_mb": round(max(run.peak_pss_bytes for run in runs) / 1_000_000),
        "peak_rss_mb": round(max(run.peak_rss_bytes for run in runs) / 1_000_000),
        "journal_megabytes": round(statistics.median(run.journal_bytes for run in runs) / 1_000_000, 1),
        "batches": round(statistics.median(run.batches for run in runs)),
    }
