"""The words of the warehouse contract.

What every warehouse promises (protocol lines 1, 9 and 10), and `tests/warehouse` asks of each:

- `load(manifest)` returns only when the batch is durable, all of it and its watermark in one transaction;
- loading a batch again changes nothing; a gap, a stale epoch or another pipeline's table stops it by name;
- readers see whole source transactions across all tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from re_dms.lsn import LSN


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """The last batch that the warehouse holds. `lsn` is the batch's end; `xid` and `commit_time` are those of the last
    source transaction (None before the first). Times are aware, in UTC."""

    journal_id: str
    pipeline: str
    batch: int
    lsn: LSN
    xid: int | None
    commit_time: datetime | None
    applied_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """One table as the warehouse records it. Counts are changes as the source made them, summed since the first copy.

    `schema` and `name` are those of the target. `copied_at` is the position of the last copy, None before the first.
    `last_change_at` is the commit time of the last batch that touched the table.
    """

    oid: int
    schema: str
    name: str
    awaiting_copy: bool
    copied_at: LSN | None
    inserts: int
    updates: int
    deletes: int
    truncates: int
    copied: int
    last_change_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseStatus:
    """What the warehouse knows of one journal. `watermark` is None before the first batch."""

    watermark: Watermark | None
    tables: tuple[TableStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load did. `already_done`: the batch was in the warehouse before, and nothing was changed.

    `rows` counts the rows read from data files, `inserted` those written to targets. `skipped` names the tables whose
    changes were left out because they await a copy. `seconds` is the time from opening the warehouse to its closing.
    """

    batch: int
    already_done: bool
    tables: int = 0
    rows: int = 0
    inserted: int = 0
    skipped: tuple[str, ...] = ()
    seconds: float = 0.0
