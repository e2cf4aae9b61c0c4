"""What the supervisor has heard: totals for the last line, positions for `--until-…`, figures for the heartbeat."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from re_dms.lsn import LSN
from re_dms.observe.heartbeat import Heartbeat

_NOWHERE: Final = LSN(0)


@dataclass
class Heard:
    """Totals and positions since the start of the service."""

    transactions: int = 0
    changes: int = 0
    batches: int = 0
    lsn: LSN = _NOWHERE
    tables: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    sealed: int = 0
    applied: int = -1
    confirmed: LSN = _NOWHERE
    confirmed_batch: int = -1
    level: LSN = _NOWHERE
    target: LSN | None = None
    tail_at_start: int | None = None
    retained_bytes: int | None = None
    lag_bytes: int | None = None
    last_commit_us: int = 0
    finished: int | None = None
    skipped: int = 0
    rows_since: int = 0
    since: float = field(default_factory=time.monotonic)

    def hear(self, message: dict[str, Any], *, totals_of: str) -> None:
        """Take in what a process says. `totals_of`: the half whose batches count for the totals."""
        match message["event"]:
            case "planned":
                # The first answer counts: a later start of capture does not move the goal.
                self.target = self.target or LSN.parse(message["position"])
                self.sealed = max(self.sealed, message["batch"])
            case "claimed":
                self.applied = message["number"]
                if self.tail_at_start is None:
                    self.tail_at_start = message["tail"]
            case "sealed":
                self.sealed = message["number"]
                if totals_of == "capture":
                    self._total(message)
            case "confirmed":
                self.confirmed, self.confirmed_batch = LSN.parse(message["lsn"]), message["batch"]
            case "loaded":
                self.applied = message["number"]
                if message["commit_times_us"]:
                    self.last_commit_us = message["commit_times_us"][-1]
                self._total(message)
            case "tables":
                self._count(message)
            case _:
                self._hear_rare(message)

    def _hear_rare(self, message: dict[str, Any]) -> None:
        match message["event"]:
            case "level":
                self.level = LSN.parse(message["lsn"])
            case "slot":
                self.retained_bytes, self.lag_bytes = message["retained_bytes"], message["lag_bytes"]
            case "finished":
                self.finished, self.skipped = message["number"], message["skipped"]

    def _total(self, message: dict[str, Any]) -> None:
        self.transactions += message["transactions"]
        self.changes += message["changes"]
        self.batches += message.get("batches", 1)
        self.lsn = LSN.parse(message["lsn"])
        self.rows_since += message["changes"] + message.get("copied", 0)

    def _count(self, message: dict[str, Any]) -> None:
        for name, counts in message["tables"]:
            for what, number in counts.items():
                self.tables[name][what] += number

    def heartbeat(self) -> Heartbeat:
        """The figures of the last interval; a new interval begins."""
        now = time.monotonic()
        beat = Heartbeat(
            lag_seconds=self._lag_seconds(),
            lag_bytes=self.lag_bytes,
            batch=self.applied if self.applied >= 0 else self.sealed,
            rows_per_second=self.rows_since / max(now - self.since, 1e-9),
            retained_wal_bytes=self.retained_bytes,
        )
        self.rows_since, self.since = 0, now
        return beat

    def _lag_seconds(self) -> float:
        """Age of what is visible while batches wait, 0 when none does."""
        waits = self.sealed > max(self.applied, 0) and self.applied >= 0
        return time.time() - self.last_commit_us / 1e6 if waits and self.last_commit_us else 0.0

    def ending(self) -> dict[str, Any]:
        """The fields of the last log line."""
        if self.finished is None:
            return {"lsn": str(self.lsn), "batches": self.batches}
        return {
            "batches": self.batches,
            "transactions": self.transactions,
            "changes": self.changes,
            "skipped": self.skipped,
        }

    def summary(self) -> dict[str, Any]:
        """The line of `--json`."""
        return {
            "transactions": self.transactions,
            "changes": self.changes,
            "batches": self.batches,
            "lsn": str(self.lsn),
            **({} if self.finished is None else {"skipped": self.skipped}),
            "tables": {name: dict(counts) for name, counts in sorted(self.tables.items())},
        }
