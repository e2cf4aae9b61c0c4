"""The words of the warehouse contract.

What every warehouse promises (protocol lines 1, 9 and 10), and `tests/warehouse` asks of each:

- `load(manifest)` returns only when the batch is durable, all of it and its watermark in one transaction;
- loading a batch again changes nothing; a gap, a stale epoch or another pipeline's table stops it by name;
- readers see whole source transactions across all tables.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from re_dms.errors import ChangesMissing
from re_dms.finding import Finding
from re_dms.lsn import LSN
from re_dms.manifest import DataFile, Manifest, Root

if TYPE_CHECKING:
    import polars as pl


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
    changes were left out because they await a copy. `altered` counts the values that a policy changed on their way.
    `seconds` is the time from opening the warehouse to its closing.
    """

    batch: int
    already_done: bool
    tables: int = 0
    rows: int = 0
    inserted: int = 0
    skipped: tuple[str, ...] = ()
    altered: int = 0
    seconds: float = 0.0


def progress_of(marks: Collection[Watermark], pipeline: str, journal_id: str | None) -> str:
    """How far a warehouse with these watermarks is with a pipeline, in words.

    Raises ChangesMissing when it was filled from another journal of the pipeline.
    """
    mine = [mark for mark in marks if mark.pipeline == pipeline]
    foreign = [mark for mark in mine if mark.journal_id != journal_id]
    if foreign:
        raise ChangesMissing(
            f"the warehouse was filled up to batch {foreign[0].batch} from another journal of pipeline {pipeline}",
            remedy="name that journal, or run `re-dms reset`: everything is copied again",
        )
    return f"batch {mine[0].batch} of this pipeline" if mine else "nothing of this pipeline yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimits:
    """How much of what waits may be folded into one load: batches, compressed bytes and rows of their files.

    A step with more than `step_rows` rows is not folded with its neighbours: the load applies them in turn.
    """

    batches: int = 20
    bytes: int = 256 * 1024 * 1024
    rows: int = 2_000_000
    step_rows: int = 2_000_000


class Files(Protocol):
    """The data files of one load, and room beside them for files that only this load needs.

    What is written here goes when the load has ended, or with the batch; readers of the journal never see it.
    All raise JournalUnavailable (try again) when the store cannot be reached, ChangesMissing for a missing or altered
    file. Methods may be called from several threads.
    """

    @property
    def region(self) -> str | None:
        """The AWS region of the place that `url` names, where it was named."""
        ...

    def fetch(self, file: DataFile) -> Path:
        """A local file with the data file's bytes, checked."""
        ...

    def url(self, key: str) -> str:
        """The object's address for others (s3://bucket/key). Raises ConfigurationError where it has none."""
        ...

    def read(self, file: DataFile) -> pl.DataFrame:
        """The file's rows: String columns named as `file.columns`."""
        ...

    def write(self, frame: pl.DataFrame, name: str) -> DataFile:
        """Put rows as a data file in the journal's dialect; durable when it returns. All have the same NULL token."""
        ...

    def put(self, name: str, data: bytes) -> str:
        """Put an object of any bytes; its key. Durable when it returns."""
        ...


class Warehouse(Protocol):
    """What every warehouse does. All methods raise WarehouseUnavailable (try again) and WarehouseError (mend it first)."""

    url: str
    group: GroupLimits | None
    """How much to fold together when apply is behind; None: every batch is loaded alone."""

    def close(self) -> None:
        """Close what is open; the next call opens it again."""
        ...

    def hold(self) -> AbstractContextManager[Any]:
        """Held by one apply process, so that a second one is told early; the fence decides. Raises PipelineHeld."""
        ...

    def identity(self) -> str:
        """The warehouse's random id. Makes what is ours in it when that is absent."""
        ...

    def claim(self, root: Root, journal_has_batches: bool, owner: str) -> int:
        """Take the journal's fence: loads with an earlier epoch are refused from now on. Returns the epoch.

        Raises ChangesMissing when the warehouse holds batches that this journal cannot follow.
        """
        ...

    def load(
        self,
        manifest: Manifest,
        *,
        journal_id: str,
        pipeline: str,
        epoch: int,
        owner: str,
        files: Files,
        after: int | None = None,
    ) -> LoadReport:
        """Load a batch, or the fold of the batches behind `after` (default: the number before), and its watermark.

        In one transaction; durable when it returns. Loading it again changes nothing: after an error or a kill at any
        point, load again. Raises PipelineHeld, ChangesMissing for a gap, RelationChanged, ValueDoesNotFit,
        TargetNotOurs naming the table, WarehouseError when counts differ.
        """
        ...

    def watermark(self, journal_id: str) -> Watermark | None:
        """The journal's watermark; None before its first batch."""
        ...

    def status(self, journal_id: str) -> WarehouseStatus:
        """What the warehouse knows of one journal. Makes nothing."""
        ...

    def row_counts(self, journal_id: str) -> dict[int, int]:
        """How many rows each target holds now, by the table's OID; targets that are not there are left out."""
        ...

    def pipelines(self) -> tuple[Watermark, ...]:
        """The watermarks of all pipelines that load into this warehouse. Makes nothing."""
        ...

    def foreign_targets(self, journal_id: str | None, wanted: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of these (schema, table) those that exist with rows and are no targets of this journal. Makes nothing."""
        ...

    def findings(self, pipeline: str, journal_id: str | None) -> Iterator[Finding]:
        """What `re-dms check` says of this warehouse alone. Makes nothing."""
        ...

    def maintain(self, journal_id: str) -> tuple[str, ...]:
        """Do one step of what keeps the targets quick, where the settings ask for it and something is due: it is called
        whenever nothing waits. Returns what was done. Raises WarehouseError, which is no reason to stop."""
        ...

    def await_copy(self, journal_id: str, oid: int, *, cascade: bool = False) -> None:
        """Leave out all changes of the table until its next copy, which may drop dependent views only with `cascade`.

        Raises WarehouseError for an unknown table.
        """
        ...

    def forget(self, journal_id: str) -> None:
        """Remove all that is recorded of a journal; its targets stay as they are and are no longer ours."""
        ...

    def reset_all(self, pipeline: str) -> tuple[str, ...]:
        """Empty the targets of all journals of a pipeline and forget them; the next copies may replace them.

        Returns the names of the emptied tables. Loads that are still running find the fence gone.
        """
        ...
