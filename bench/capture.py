"""`bench capture`: pg_recvlogical to a file against our capture to an fsynced journal, A B A B, over the same slots' content.

Every round has two slots that stood at the same position before the load; ours belongs to a journal that was begun then,
so that no copy is measured. A round counts only when both sides did the same work: the file of pg_recvlogical is as long
as the server says that its messages are, and our manifests count the changes that the slot has and the load made.

`ratio` is rows/s of ours by rows/s of pg_recvlogical, ours from the stream's opening to the last durable batch,
pg_recvlogical from start to end of the process (it starts in milliseconds). `ratio_process` has start and end of both;
`cpu_ratio` is the CPU seconds of our processes after their start by those of pg_recvlogical.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.machine import SETTINGS, facts
from bench.rounds import DifferentWork, Side, cpu_per_million, in_turn, peak_pss_mb, ratio, spread
from bench.running import Pipeline, measured, moment, program
from bench.workloads import DATABASE, WORKLOADS, Workload, sent
from localpg import LocalPostgres, serve_tls
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore

TRANSPORTS = ("socket", "tcp", "tls")
_KINDS = ("inserts", "updates", "deletes")


@dataclass(frozen=True, kw_only=True)
class Content:
    """What every slot has to send: by kind and transactions, messages and their bytes, and where it ends."""

    done: dict[str, int]
    messages: int
    size: int
    end: str

    @property
    def changes(self) -> int:
        """Inserts, updates and deletes."""
        return sum(self.done[name] for name in _KINDS)


@dataclass(kw_only=True)
class Bench:
    """One server, one load, as many rounds as were asked for. `settings`: keys of ours, as `capture.streaming`."""

    server: LocalPostgres
    directory: Path
    workload: Workload
    rows: int
    rounds: int
    transport: str
    settings: Mapping[str, str]

    @property
    def tcp(self) -> bool:
        """Whether both sides connect over TCP, encrypted or not."""
        return self.transport != "socket"

    def run(self) -> dict[str, Any]:
        """Prepare, load, measure; the figures. Raises DifferentWork."""
        self.workload.make(self.server)
        for number in range(self.rounds):
            new_slot(self.server, f"theirs_{number}")
            self._pipeline(number).begin()
        content = loaded(self.server, self.workload, self.rows, "theirs_0")
        sides = in_turn(
            self.rounds,
            {
                "pg_recvlogical": lambda number: self._recvlogical(number, content),
                "re_dms": lambda number: captured(self._pipeline(number), content),
            },
        )
        return self._figures(content, sides["re_dms"], sides["pg_recvlogical"])

    def _pipeline(self, number: int) -> Pipeline:
        return Pipeline(
            server=self.server,
            directory=self.directory,
            name=f"ours_{number}",
            tcp=self.tcp,
            settings=self.settings,
        )

    def _recvlogical(self, number: int, content: Content) -> Side:
        return received(self.server, f"theirs_{number}", self.directory, content, tcp=self.tcp)

    def _figures(self, content: Content, ours: list[Side], theirs: list[Side]) -> dict[str, Any]:
        changes = content.changes
        return {
            "bench": "capture",
            "workload": self.workload.name,
            "rows": changes,
            "transactions": content.done["transactions"],
            "rounds": self.rounds,
            "transport": self.transport,
            "megabytes": round(content.size / 1_000_000, 1),
            "ratio": ratio(theirs, ours),
            "ratio_process": ratio(theirs, ours, lambda side: side.process_seconds),
            "cpu_ratio": ratio(ours, theirs, lambda side: side.cpu_seconds["working"]),
            "rows_per_second": {
                "re_dms": spread([changes / side.seconds for side in ours], 0),
                "pg_recvlogical": spread([changes / side.seconds for side in theirs], 0),
            },
            "cpu_seconds_per_million": cpu_per_million(ours, changes),
            "cpu_seconds_per_million_pg_recvlogical": cpu_per_million(theirs, changes),
            "batches": round(statistics.median(side.more["batches"] for side in ours)),
            "journal_megabytes": round(statistics.median(side.more["journal_bytes"] for side in ours) / 1_000_000, 1),
            "peak_pss_mb": peak_pss_mb(ours),
            "processors": len(os.sched_getaffinity(0)),
            **facts(self.server),
        }


# ---------------------------------------------------------------------- what others measure with, too


def new_slot(server: LocalPostgres, name: str) -> None:
    """A slot for pgoutput that begins here."""
    server.execute(f"select pg_create_logical_replication_slot('{name}', 'pgoutput')", dbname=DATABASE)


def loaded(server: LocalPostgres, workload: Workload, rows: int, slot: str) -> Content:
    """Load, and ask the server what the slot has of it. Raises DifferentWork where the load says otherwise."""
    said = workload.load(server, rows)
    end = server.execute("select pg_current_wal_insert_lsn()::text", dbname=DATABASE)[0][0]
    # Dirty pages are not written during one side's round, and the WAL of an unsynced load is there.
    server.execute("checkpoint")
    done, messages, size = sent(server, slot)
    if any(done[name] != count for name, count in said.items()):
        raise DifferentWork(f"the slot has {done}, the load made {said}")
    return Content(done=done, messages=messages, size=size, end=end)


def received(server: LocalPostgres, slot: str, directory: Path, content: Content, *, tcp: bool = False) -> Side:
    """pg_recvlogical to a file, which is removed. Raises DifferentWork when it is not as long as it has to be."""
    target = directory / slot
    words = [program(server, "pg_recvlogical"), "-d", server.dsn(DATABASE, tcp=tcp), "--slot", slot, "--start"]
    words += ["-o", "proto_version=1", "-o", "publication_names=bench", "--no-loop", "--endpos", content.end]
    side = measured([*words, "-f", str(target)], server=server, environment=os.environ, log=directory / f"{slot}.log")
    size = target.stat().st_size
    target.unlink()
    # Behind each message pg_recvlogical writes a line feed.
    if size != content.size + content.messages:
        raise DifferentWork(f"pg_recvlogical wrote {size} bytes, the server has {content.size + content.messages}")
    return side


def captured(pipeline: Pipeline, content: Content) -> Side:
    """Our capture of what waits. Raises DifferentWork when the journal has other changes."""
    side = pipeline.finish("--until-lsn", content.end)
    events = pipeline.events()
    opened = next(moment(event) for event in events if event["event"] == "streaming")
    sealed = max(moment(event) for event in events if event["event"] == "sealed")
    found, batches = journal_counts(pipeline.journal)
    if found != content.done:
        raise DifferentWork(f"our manifests have {found}, the slot has {content.done}")
    more = {"batches": batches, "journal_bytes": journal_bytes(pipeline.journal)}
    return replace(side, seconds=sealed - opened, more=more)


def journal_counts(place: Path) -> tuple[dict[str, int], int]:
    """What the stream's batches of a journal say that they have, by kind and transactions, and how many they are."""
    journal = Journal(LocalStore(place))
    found = dict.fromkeys((*_KINDS, "transactions"), 0)
    batches = 0
    for number in journal.numbers():
        manifest = journal.manifest(number)
        if manifest is not None and manifest.kind == "stream":
            batches += 1
            found["transactions"] += manifest.transactions
            for table in manifest.tables:
                for name in _KINDS:
                    found[name] += getattr(table.counts, name)
    return found, batches


def journal_bytes(place: Path) -> int:
    """The bytes of a journal's data files."""
    return sum(each.stat().st_size for each in (place / "data").rglob("*") if each.is_file())


@contextmanager
def place(pg_bin: Path | None, *, tls: bool = False) -> Iterator[tuple[LocalPostgres, Path]]:
    """A server with the bench's settings, and a directory; both go at the end. With `tls` libpq takes it over TCP by itself."""
    with (
        tempfile.TemporaryDirectory(prefix="re_dms-bench-") as directory,
        LocalPostgres(pg_bin=pg_bin, settings=SETTINGS) as server,
    ):
        if tls:
            serve_tls(server)
        yield server, Path(directory)


def measure(
    *,
    rounds: int,
    workload: str = "ten",
    rows: int | None = None,
    transport: str = "socket",
    pg_bin: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The figures of one run on a server of its own. Raises DifferentWork."""
    load = WORKLOADS[workload]
    with place(pg_bin, tls=transport == "tls") as (server, directory):
        return Bench(
            server=server,
            directory=directory,
            workload=load,
            rows=rows or load.changes,
            rounds=rounds,
            transport=transport,
            settings=settings or {},
        ).run()
