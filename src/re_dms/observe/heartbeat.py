"""The one line that a running pipeline says every ten seconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

EVERY_SECONDS: Final = 10.0
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """How far behind, and how fast. None: not known by this half.

    `lag_seconds`: from commit to visible, of what was applied last. `lag_bytes`: WAL between the source's position and
    what is applied (for `capture`: recorded). `retained_wal_bytes`: WAL that the source keeps for the slot.
    """

    lag_seconds: float | None = None
    lag_bytes: int | None = None
    batch: int | None = None
    rows_per_second: float | None = None
    retained_wal_bytes: int | None = None

    def fields(self) -> dict[str, float | int]:
        """The known figures as log fields: `log.info("heartbeat", **beat.fields())`."""
        rounded = {
            name: round(value, 3 if name == "lag_seconds" else 0) if isinstance(value, float) else value
            for name, value in asdict(self).items()
            if value is not None
        }
        if "rows_per_second" in rounded:
            rounded["rows_per_second"] = int(rounded["rows_per_second"])
        return rounded

    def __str__(self) -> str:
        """For people: "lag 1.2 s, 34 MB · batch 17 · 12,300 rows/s · 64 MB of WAL retained"."""
        lag = [text for text in (seconds_text(self.lag_seconds), bytes_text(self.lag_bytes)) if text]
        parts = [
            f"lag {', '.join(lag)}" if lag else "",
            f"batch {self.batch}" if self.batch is not None else "",
            f"{self.rows_per_second:,.0f} rows/s" if self.rows_per_second is not None else "",
            f"{bytes_text(self.retained_wal_bytes)} of WAL retained" if self.retained_wal_bytes is not None else "",
        ]
        return " · ".join(part for part in parts if part)


def bytes_text(size: int | None) -> str:
    """A size for people, in powers of 1000; empty for None."""
    if size is None:
        return ""
    value, unit = float(size), 0
    while abs(value) >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or abs(value) >= 100 else f"{value:.1f} {_UNITS[unit]}"


def seconds_text(seconds: float | None) -> str:
    """A duration for people; empty for None."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
