"""`Status`: what is known of a pipeline at one moment, from slot, journal and watermark. Never values of rows.

A part that could not be read is None, and `problems` says why; one that is not configured here is None too. JSON: `to_json`, whose field names are a contract.
For people: `re_dms.observe.status_table`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from re_dms.lsn import LSN


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """The slot, as the source tells. Positions are None when the slot is not there.

    `retained_bytes`: WAL kept for the slot. `lag_bytes`: from what we confirmed to the server's position.
    `state`: pg_replication_slots.wal_status ("reserved", "extended", "unreserved", "lost").
    """

    slot: str
    exists: bool
    active: bool = False
    state: str | None = None
    server: LSN | None = None
    confirmed: LSN | None = None
    restart: LSN | None = None
    retained_bytes: int | None = None
    lag_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatus:
    """The journal's tail: its newest batch and the newest position that it knows. `batches_waiting`: recorded and not
    applied; None when the watermark is not known."""

    url: str
    exists: bool
    journal_id: str | None = None
    tail_batch: int | None = None
    tail_lsn: LSN | None = None
    position: LSN | None = None
    batches_waiting: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseStatus:
    """The watermark. `lag_seconds`: age of the oldest change that is recorded and not applied; 0 when all is applied."""

    url: str
    exists: bool
    batch: int | None = None
    lsn: LSN | None = None
    applied_at: datetime | None = None
    lag_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """One table. Counts are of changes applied since the pipeline began, as the source made them; `rows` is None when
    the warehouse could not be asked. `awaiting_copy`: apply passes over its changes until it is copied. `diverged`: why
    its target cannot be right until then, in words."""

    name: str
    rows: int | None = None
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    last_change: datetime | None = None
    awaiting_copy: bool = False
    copied_at: LSN | None = None
    diverged: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A pipeline at one moment.

    `consistency`: "transaction" (readers see whole transactions of all tables) or "copying: N tables".
    `lag_bytes`: WAL between the source's position and the watermark. `problems`: one line each.
    """

    pipeline: str
    taken_at: datetime
    source: SourceStatus | None = None
    journal: JournalStatus | None = None
    warehouse: WarehouseStatus | None = None
    tables: tuple[TableStatus, ...] = ()
    consistency: str = "transaction"
    lag_bytes: int | None = None
    lag_seconds: float | None = None
    problems: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line of JSON: positions as Postgres prints them, times in ISO 8601 with their zone."""
        return json.dumps(_plain(asdict(self)), ensure_ascii=False)


def consistency(awaiting_copy: int) -> str:
    """The word for it, from how many tables wait for their copy."""
    if awaiting_copy == 0:
        return "transaction"
    return f"copying: {awaiting_copy} {'table' if awaiting_copy == 1 else 'tables'}"


def _plain(value: Any) -> Any:
    match value:
        case LSN():
            return str(value)
        case datetime():
            return value.isoformat()
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value
