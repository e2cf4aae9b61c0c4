"""`bench capture`: pg_recvlogical to a file against our capture to an fsynced journal, A B A B, over the same slots' content.

Every round has two slots that stood at the same position before the load; ours belongs to a journal that was begun then,
so that no copy is measured. A round counts only when both sides did the same work: the file of pg_recvlogical is as long
as the server says that its messages are, and our manifests count the changes that the load made.

`ratio` is rows/s of ours by rows/s of pg_recvlogical, ours from the stream's opening to the last durable batch,
pg_recvlogical from start to end of the process (it starts in milliseconds). `ratio_process` has start and end of both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import workload
from bench.machine import SETTINGS, facts
from bench.processes import Sampler, tree_cpu_seconds
from localpg import LocalPostgres
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore


class DifferentWork(Exception):
    """The two sides did not do the same: there is no ratio."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One run of one side. `seconds` streaming, `process_seconds` from start to end."""

    seconds: float
    process_seconds: float
    cpu_seconds: dict[str, float]
    peak_pss_bytes: int = 0


@dataclass
class Bench:
    """One server, one load, as many rounds as were asked for."""

    server: LocalPostgres
    directory: Path
    rows: int
    rounds: int
    tcp: bool
    ours: list[Side] = field(default_factory=list)
    theirs: list[Side] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        """Prepare, load, measure; the figures. Raises DifferentWork."""
        workload.make(self.server)
        for number in range(self.rounds):
            self.server.execute(
                f"select pg_create_logical_replication_slot('theirs_{number}', 'pgoutput')", dbname=workload.DATABASE
            )
            self._re_dms(number, "--until-caught-up")
        done = workload.load(self.server, self.rows)
        # A last small transaction, so that the end is a commit that both sides see.
        end = self.server.execute("select pg_current_wal_insert_lsn()::text", dbname=workload.DATABASE)[0][0]
        self.server.execute("checkpoint")
        counts, size = workload.sent(self.server, "theirs_0")
        if [counts.get(tag, 0) for tag in "IUDC"] != [
            done[name] for name in ("inserts", "updates", "deletes", "transactions")
        ]:
            raise DifferentWork(f"the slot has {counts}, the load made {done}")
        for number in range(self.rounds):
            for side in ("theirs", "ours") if number % 2 == 0 else ("ours", "theirs"):
                if side == "theirs":
                    self.theirs.append(self._recvlogical(number, end, size + sum(counts.values())))
                else:
                    self.ours.append(self._capture(number, end, done))
        return self._figures(size)

    # ------------------------------------------------------------------ the two sides

    def _recvlogical(self, number: int, end: str, bytes_expected: int) -> Side:
        target = self.directory / f"theirs_{number}"
        options = ["-o", "proto_version=1", "-o", "publication_names=bench"]
        words = [str(self.server.binaries / "pg_recvlogical"), "-d", self._dsn, "--slot", f"theirs_{number}", "--start"]
        with self._measured([*words, *options, "--no-loop", "--endpos", end, "-f", str(target)], None) as measured:
            pass
        size = target.stat().st_size
        target.unlink()
        # Behind each message pg_recvlogical writes a line feed.
        if size != bytes_expected:
            raise DifferentWork(f"pg_recvlogical wrote {size} bytes, the server has {bytes_expected}")
        return measured[0]

    def _capture(self, number: int, end: str, done: dict[str, int]) -> Side:
        log = self.directory / f"ours_{number}.log"
        with self._measured(self._words(number, "--until-lsn", end), log) as measured:
            pass
        events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        opened = next(_moment(event) for event in events if event["event"] == "streaming")
        sealed = max(_moment(event) for event in events if event["event"] == "sealed")
        journal = Journal(LocalStore(self.directory / f"journal_{number}"))
        found = dict.fromkeys(done, 0)
        for batch in journal.numbers():
            manifest = journal.manifest(batch)
            if manifest is not None and manifest.kind == "stream":
                found["transactions"] += manifest.transactions
                for table in manifest.tables:
                    for name in ("inserts", "updates", "deletes"):
                        found[name] += getattr(table.counts, name)
        if found != done:
            raise DifferentWork(f"our manifests have {found}, the load made {done}")
        side = measured[0]
        return Side(
            seconds=sealed - opened,
            process_seconds=side.process_seconds,
            cpu_seconds=side.cpu_seconds,
            peak_pss_bytes=side.peak_pss_bytes,
        )

    def _re_dms(self, number: int, *more: str) -> None:
        subprocess.run(self._words(number, *more), check=True, env=self._environment, capture_output=True)

    def _words(self, number: int, *more: str) -> list[str]:
        place = f"file://{self.directory}/journal_{number}"
        names = ["--name", f"ours_{number}", "--publication", "bench"]
        return [sys.executable, "-m", "re_dms", "capture", "--journal", place, *names, *more]

    @property
    def _dsn(self) -> str:
        return self.server.dsn(workload.DATABASE, tcp=self.tcp)

    @property
    def _environment(self) -> dict[str, str]:
        more = {"RE_DMS_LOG__LEVEL": "debug", "RE_DMS_LOG__FORMAT": "json", "RE_DMS_SOURCE__DSN": self._dsn}
        return os.environ | more

    @contextmanager
    def _measured(self, words: list[str], log: Path | None) -> Iterator[list[Side]]:
        found: list[Side] = []
        server_before = tree_cpu_seconds(self.server.pid)
        before = os.times()
        began = time.monotonic()
        with (log or Path(os.devnull)).open("w") as said:
            process = subprocess.Popen(words, env=self._environment, stdout=subprocess.DEVNULL, stderr=said)
            with Sampler(process.pid) as sampler:
                code = process.wait()
        seconds = time.monotonic() - began
        after = os.times()
        if code != 0:
            raise RuntimeError(f"{words[0]} ended with {code}: {log.read_text()[-2000:] if log else ''}")
        # What the kernel counted of the process and all that it waited for; the samples only say whose it was.
        total = after.children_user + after.children_system - before.children_user - before.children_system
        server = tree_cpu_seconds(self.server.pid) - server_before
        cpu = sampler.cpu_seconds | {"total": total, "server": server}
        found.append(
            Side(seconds=seconds, process_seconds=seconds, cpu_seconds=cpu, peak_pss_bytes=sampler.peak_pss_bytes)
        )
        yield found

    # ------------------------------------------------------------------ figures

    def _figures(self, size: int) -> dict[str, Any]:
        def spread(values: list[float], digits: int = 2) -> dict[str, float]:
            return {
                "median": round(statistics.median(values), digits),
                "min": round(min(values), digits),
                "max": round(max(values), digits),
            }

        pairs = list(zip(self.ours, self.theirs, strict=True))
        roles = sorted({role for side in self.ours for role in side.cpu_seconds})
        millions = self.rows / 1_000_000
        return {
            "bench": "capture",
            "rows": self.rows,
            "rounds": self.rounds,
            "transport": "tcp" if self.tcp else "socket",
            "megabytes": round(size / 1_000_000, 1),
            "ratio": round(statistics.median(theirs.seconds / ours.seconds for ours, theirs in pairs), 3),
            "ratio_process": round(
                statistics.median(theirs.process_seconds / ours.process_seconds for ours, theirs in pairs), 3
            ),
            "rows_per_second": {
                "re_dms": spread([self.rows / side.seconds for side in self.ours], 0),
                "pg_recvlogical": spread([self.rows / side.seconds for side in self.theirs], 0),
            },
            "cpu_seconds_per_million": {
                role: round(statistics.median(side.cpu_seconds.get(role, 0.0) for side in self.ours) / millions, 2)
                for role in roles
            },
            "cpu_seconds_per_million_pg_recvlogical": round(
                statistics.median(side.cpu_seconds["total"] for side in self.theirs) / millions, 2
            ),
            "peak_pss_mb": round(max(side.peak_pss_bytes for side in self.ours) / 1_000_000),
            **facts(self.server),
        }


def _moment(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def measure(*, rows: int, rounds: int, tcp: bool, pg_bin: Path | None) -> dict[str, Any]:
    """The figures of one run on a server of its own. Raises DifferentWork."""
    with (
        tempfile.TemporaryDirectory(prefix="re_dms-bench-") as directory,
        LocalPostgres(pg_bin=pg_bin, settings=SETTINGS) as server,
    ):
        return Bench(server=server, directory=Path(directory), rows=rows, rounds=rounds, tcp=tcp).run()
