"""What every decoder gives: the changes of one buffer, per table and in order, and its COMMITs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.schema import Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class Commits:
    """The COMMITs of a buffer in order: end LSN of the commit record, xid, commit time (microseconds since 1970, UTC)."""

    end_lsn: npt.NDArray[np.uint64]
    xid: npt.NDArray[np.uint32]
    time_us: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.end_lsn)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEvents:
    """One segment of one table, or the TRUNCATE between two.

    `truncate`: the table was emptied here, and `frame` is None. `diverged`: something happened here that cannot be
    followed (in words, without values), and `frame` is None. Otherwise `frame` has the columns that
    `events.event_frame` describes; its texts point into the region that was decoded.
    `tentative`: the rows are of the transaction that is still open at the buffer's end, and may turn out to be in the
    table's copy: see `Decoded.retracted`.
    """

    relation: Relation
    truncate: bool = False
    frame: pl.DataFrame | None
    diverged: str | None = None
    tentative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What one buffer held: per carried table (ascending OIDs) its events in order, and the COMMITs.

    Tables without events are not listed. `messages` counts all messages of the buffer. `truncated_by`: by OID,
    the xids of its TRUNCATEs, those before its copy included. `retracted`: OIDs of tables of which the tentative events
    that earlier buffers gave since the last COMMIT are in the copy, and must be forgotten before this buffer's are taken.
    """

    tables: tuple[tuple[int, tuple[TableEvents, ...]], ...]
    commits: Commits
    messages: int
    truncated_by: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    retracted: frozenset[int] = frozenset()
