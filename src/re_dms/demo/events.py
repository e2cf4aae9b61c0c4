"""What the demo learns from the pipeline's log: JSON lines of its supervisor, at level debug."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

_SPEED_SECONDS: Final = 3.0
_LAST_WORDS_MAX: Final = 8


@dataclass
class Heard:
    """Figures over all starts of the pipeline. Written by the thread that reads the log, read by the one that shows.

    `lags` holds (milliseconds from commit to visible, how many transactions it stands for); `lag_ms` is the last
    batch's median.
    """

    streaming: bool = False
    copied_tables: int = 0
    copied_rows: int = 0
    batches: int = 0
    transactions: int = 0
    changes: int = 0
    loading: int = 0
    restarts: list[str] = field(default_factory=list)
    stopped: dict[str, Any] = field(default_factory=dict)
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_WORDS_MAX))
    lags: list[tuple[float, float]] = field(default_factory=list)
    lag_ms: float | None = None
    visible_us: int | None = None
    _arrivals: deque[tuple[float, int]] = field(default_factory=lambda: deque([(time.monotonic(), 0)], maxlen=1000))

    def line(self, text: str) -> dict[str, Any] | None:
        """Take one line. Returns its event; None for a line that is none."""
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "event" not in event:
            self.last_words.append(text.strip()[:300])
            return None
        match event["event"]:
            case "streaming":
                self.streaming = True
            case "copied":
                self.copied_tables += 1
            case "loading":
                self.loading = event["number"]
            case "loaded":
                self._loaded(event)
            case "restarting":
                self.restarts.append(str(event.get("reason", "")))
            case "stopped":
                self.stopped = event
        return event

    def _loaded(self, event: dict[str, Any]) -> None:
        self.batches += event["batches"]
        self.transactions += event["transactions"]
        self.changes += event["changes"]
        self.copied_rows += event["copied"]
        self._arrivals.append((time.monotonic(), self.rows))
        lags = [max(0.0, (event["applied_us"] - commit_us) / 1000) for commit_us in event["commit_times_us"]]
        if lags:
            self.visible_us = event["commit_times_us"][-1]
            self.lags.extend((lag, event["transactions"] / len(lags)) for lag in lags)
            self.lag_ms = sorted(lags)[len(lags) // 2]

    @property
    def rows(self) -> int:
        """Rows and changes that arrived."""
        return self.copied_rows + self.changes

    def behind_seconds(self) -> float | None:
        """How long ago the newest visible transaction was committed; None before the first."""
        return None if self.visible_us is None else max(0.0, time.time() - self.visible_us / 1e6)

    def rows_per_second(self) -> float:
        """Over the last few seconds."""
        now = time.monotonic()
        since = now - _SPEED_SECONDS
        before = [rows for at, rows in list(self._arrivals) if at <= since]
        started = self._arrivals[0][0]
        return (self.rows - (before[-1] if before else 0)) / max(min(_SPEED_SECONDS, now - started), 0.1)

    def lag_quantile_ms(self, share: float) -> float | None:
        """The lag that this share of the transactions did not exceed; None when there were none."""
        ranked = sorted(self.lags)
        wanted = share * sum(weight for _, weight in ranked)
        for lag, weight in ranked:
            wanted -= weight
            if wanted <= 1e-9:
                return lag
        return ranked[-1][0] if ranked else None
