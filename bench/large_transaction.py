"""`bench large_transaction`: one transaction of many rows through capture, with streaming and without, in turn.

`live`: capture streams while the transaction is made; seconds from its first row, and from its COMMIT, to the durable batch.
`backlog`: it waits in a slot, as one that was committed while capture was away; seconds from the stream's opening.
A round counts only when the manifests have all rows, in one transaction. `ratio` is that of `live` from COMMIT: how many times
as long it takes without streaming. A re_dms without `capture.streaming` has one side and no ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg

from bench.capture import journal_bytes, journal_counts, place
from bench.machine import facts
from bench.processes import Sampler
from bench.rounds import DifferentWork, Side, in_turn, peak_pss_mb, ratio, spread
from bench.running import Pipeline, has_key, moment
from bench.workloads import DATABASE, ten
from localpg import LocalPostgres

_STREAMING: Final = "capture.streaming"


@dataclass(frozen=True, kw_only=True)
class _Mode:
    """One side: its settings."""

    name: str
    settings: dict[str, str]


def modes() -> list[_Mode]:
    """With and without streaming; one where there is no such key yet."""
    if not has_key(_STREAMING):
        return [_Mode(name="plain", settings={})]
    return [
        _Mode(name="streaming", settings={_STREAMING: "true"}),
        _Mode(name="plain", settings={_STREAMING: "false"}),
    ]


def measure(*, rows: int, rounds: int, pg_bin: Path | None = None) -> dict[str, Any]:
    """The figures of one run on a server of its own. Raises DifferentWork."""
    with place(pg_bin) as (server, directory):
        server.create_database(DATABASE)
        bench = _Bench(server=server, directory=directory, rows=rows)
        live = in_turn(rounds, {mode.name: partial(bench.live, mode) for mode in modes()})
        backlog = bench.backlog(rounds)
        figures: dict[str, Any] = {"bench": "large_transaction", "rows": rows, "rounds": rounds}
        figures["megabytes"] = round(bench.size / 1_000_000, 1)
        if "streaming" in live:
            figures["ratio"] = ratio(live["plain"], live["streaming"])
            figures["ratio_from_first_row"] = ratio(live["plain"], live["streaming"], _from_first)
            figures["ratio_backlog"] = ratio(backlog["plain"], backlog["streaming"])
        for name in live:
            figures[name] = {
                "from_commit_seconds": spread(side.seconds for side in live[name]),
                "from_first_row_seconds": spread(map(_from_first, live[name])),
                "making_it_seconds": spread(_from_first(side) - side.seconds for side in live[name]),
                "backlog_seconds": spread(side.seconds for side in backlog[name]),
                "backlog_cpu_seconds": spread(side.cpu_seconds["working"] for side in backlog[name]),
                "backlog_backend_cpu_seconds": spread(side.cpu_seconds["backends"] for side in backlog[name]),
                "peak_pss_mb": peak_pss_mb(live[name]),
                "backlog_peak_pss_mb": peak_pss_mb(backlog[name]),
                "backlog_server_spilled_mb": _mb(backlog[name][0].more["spilled"]),
                "journal_megabytes": round(live[name][0].more["bytes"] / 1_000_000, 1),
            }
        return {**figures, **facts(server)}


def _mb(size: int | None) -> float | None:
    return None if size is None else round(size / 1_000_000, 1)


def _from_first(side: Side) -> float:
    return float(side.more["from_first"])


@dataclass(kw_only=True)
class _Bench:
    """Every run has a table, a publication, a slot and a journal of its own, which go at its end."""

    server: LocalPostgres
    directory: Path
    rows: int
    size: int = 0

    def live(self, mode: _Mode, number: int) -> Side:
        """Capture streams, then the transaction is made."""
        name = f"live_{mode.name}_{number}"
        pipeline = self._pipeline(name, name, mode)
        with self._table(name):
            pipeline.begin()
            with pipeline.service() as service, Sampler(service.process.pid) as sampler:
                first, commit = self._transaction(name)
                sealed = moment(service.wait(lambda event: event["event"] == "sealed" and event["transactions"] > 0))
            size = self._require_all(pipeline)
            pipeline.drop()
        return Side(
            seconds=sealed - commit,
            process_seconds=sealed - first,
            cpu_seconds=sampler.cpu_seconds,
            peak_pss_bytes=sampler.peak_pss_bytes,
            more={"from_first": sealed - first, "bytes": size},
        )

    def backlog(self, rounds: int) -> dict[str, list[Side]]:
        """The transaction is there, then capture starts."""
        table = "backlog"
        with self._table(table):
            pipelines = {
                (mode.name, number): self._pipeline(f"{mode.name}_{number}", table, mode)
                for mode in modes()
                for number in range(rounds)
            }
            for pipeline in pipelines.values():
                pipeline.begin()
            self._transaction(table)
            self.size = self.server.execute(f"select pg_table_size('{table}')", dbname=DATABASE)[0][0]
            end = self.server.execute("select pg_current_wal_insert_lsn()::text", dbname=DATABASE)[0][0]
            self.server.execute("checkpoint")
            sides: dict[str, Callable[[int], Side]] = {
                mode.name: partial(self._captured, mode, pipelines, end) for mode in modes()
            }
            return in_turn(rounds, sides)

    def _captured(self, mode: _Mode, pipelines: dict[tuple[str, int], Pipeline], end: str, number: int) -> Side:
        pipeline = pipelines[mode.name, number]
        side = pipeline.finish("--until-lsn", end)
        events = pipeline.events()
        opened = next(moment(event) for event in events if event["event"] == "streaming")
        sealed = max(moment(event) for event in events if event["event"] == "sealed")
        self._require_all(pipeline)
        spilled = self._spilled_bytes(pipeline.name)
        pipeline.drop()
        return replace(side, seconds=sealed - opened, more={"spilled": spilled})

    def _spilled_bytes(self, slot: str) -> int | None:
        """What the server wrote to its own disk of the transaction before it sent it; None where it does not tell."""
        if self.server.version < (14, 0):
            return None
        query = f"select spill_bytes from pg_stat_replication_slots where slot_name = '{slot}'"
        found = self.server.execute(query, dbname=DATABASE)
        return int(found[0][0]) if found else None

    def _pipeline(self, name: str, table: str, mode: _Mode) -> Pipeline:
        return Pipeline(
            server=self.server, directory=self.directory, name=name, publication=table, settings=mode.settings
        )

    def _table(self, name: str) -> _Table:
        return _Table(self.server, name)

    def _transaction(self, table: str) -> tuple[float, float]:
        """Make it. The moments of its first row and of its COMMIT (seconds since 1970)."""
        with psycopg.connect(self.server.dsn(DATABASE)) as session:
            first = time.time()
            session.execute(f"insert into {table} select {ten.ROW} from generate_series(1, {self.rows}) i".encode())
            commit = time.time()
            session.commit()
        return first, commit

    def _require_all(self, pipeline: Pipeline) -> int:
        """The bytes of the journal's files. Raises DifferentWork."""
        found, _ = journal_counts(pipeline.journal)
        if found != {"inserts": self.rows, "updates": 0, "deletes": 0, "transactions": 1}:
            raise DifferentWork(f"our manifests have {found}, the transaction {self.rows} inserts")
        return journal_bytes(pipeline.journal)


@dataclass
class _Table:
    """An empty table of ten columns with a publication of its own; both go at the end."""

    server: LocalPostgres
    name: str

    def __enter__(self) -> None:
        table = ten.TABLE.replace("create table measured", f"create table {self.name}")
        self.server.execute(f"{table}; create publication {self.name} for table {self.name}", dbname=DATABASE)

    def __exit__(self, *_: object) -> None:
        self.server.execute(f"drop publication {self.name}; drop table {self.name}", dbname=DATABASE)
