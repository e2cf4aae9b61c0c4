"""What the journal's JSON objects say. A batch exists when its manifest exists (protocol line 3)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from re_dms.lsn import LSN
from re_dms.schema import Relation
from re_dms.settings import PGOUTPUT

FORMAT: Final = 1
DIALECT: Final = 1


class _Object(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Root(_Object):
    """Create-only `root.json`: whose journal this is (protocol line 1). `publication` is "" for a plugin without one."""

    format: int = FORMAT
    journal_id: str
    pipeline: str
    system_identifier: str
    timeline: int
    database: str
    slot: str
    publication: str
    plugin: str = PGOUTPUT
    created_at: str

    @property
    def is_replayed(self) -> bool:
        """Whether replays fill it, and no slot: there is no source to ask, or to copy from."""
        return not self.slot


class WarehouseName(_Object):
    """Create-only `warehouse.json`: the one warehouse that this journal feeds."""

    warehouse_id: str
    url: str


class DataFile(_Object):
    """A compressed CSV file in the journal's dialect: no header, every string quoted, the NULL token bare.

    `columns` name the fields in order: `op`, then where the file has them `n` (count), `mask`, `f<attnum>` (the key
    before a move), then `c<attnum>`. `null` is the file's NULL token. `row_bytes_max` bounds the longest line, uncompressed.
    """

    key: str
    bytes: int
    sha256: str
    rows: int
    row_bytes_max: int
    null: str
    columns: tuple[str, ...]
    compression: Literal["zstd", "gzip"] = "zstd"
    odd: dict[str, int] = Field(default_factory=dict)
    """Per attnum (as text) how many values a warehouse may not hold (NaN, infinity, BC, over 65,535 bytes); zeros are left out."""


class Changes(_Object):
    """Folded changes of one segment (or part) of a table, in files with the same columns (one, unless it was split).

    Ops in the files, each key once in all of them:

    `U` full row: delete the key, insert the row     `D` delete the key (only key columns are filled)
    `P` partial row: columns listed in `mask` (attnums joined by commas) keep the value of the target row whose key is
    `f…`; then as `U`     `I` insert (APPEND; COUNTED: `n` copies)     `X` delete `n` copies of the whole row (COUNTED)
    """

    step: Literal["changes"] = "changes"
    relation: int
    files: tuple[DataFile, ...]
    ops: dict[str, int]


class Truncate(_Object):
    """The table was emptied here."""

    step: Literal["truncate"] = "truncate"
    relation: int


class Copy(_Object):
    """The target is emptied, then holds exactly these files' rows (op `I`): the table as of `position`."""

    step: Literal["copy"] = "copy"
    relation: int
    position: LSN
    files: tuple[DataFile, ...]


class Altered(_Object):
    """The table's columns changed here, and no row came with it: the target follows."""

    step: Literal["altered"] = "altered"
    relation: int


class Diverged(_Object):
    """From here on the target cannot be right: the source changed in a way that the stream does not tell.

    Apply stops by name; a copy mends it. `reason` is in words: names, never values.
    """

    step: Literal["diverged"] = "diverged"
    relation: int
    reason: str


Step = Annotated[Changes | Truncate | Copy | Altered | Diverged, Field(discriminator="step")]


class Counts(_Object):
    """Changes as the source made them, before folding (`copied`: rows of a copy)."""

    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    truncates: int = 0
    copied: int = 0


class TableChanges(_Object):
    """All that a batch does to one table, in order. Steps refer to `relations` by index."""

    oid: int
    relations: tuple[Relation, ...]
    steps: tuple[Step, ...]
    counts: Counts


class Commit(_Object):
    """A source transaction's end: end LSN of its commit record, xid, commit time (microseconds since 1970, UTC)."""

    end: LSN
    xid: int
    time_us: int


class Watched(_Object):
    """What the catalog watcher compares of one table (`source.watched` says how each is read).

    `columns`: per attnum the xid that wrote its catalog row last, 0 where that says nothing. `key`: OID of the key's
    constraint or index. `memberships`: OIDs of the rows that publish it. `labels` of enums by their OIDs. `composites`:
    what each composite type consists of. `leaves`: partitions with their filenodes (0: has partitions itself);
    `leaf_names` their schemas and names, where the stream names tables instead of OIDs.
    """

    name: str
    identity: str
    filenode: int
    columns: dict[int, int] = Field(default_factory=dict)
    key: int | None = None
    memberships: tuple[int, ...] = ()
    labels: dict[int, str] = Field(default_factory=dict)
    composites: dict[int, str] = Field(default_factory=dict)
    leaves: dict[int, int] = Field(default_factory=dict)
    leaf_names: dict[int, tuple[str, str]] = Field(default_factory=dict)


class PublicationMark(_Object):
    """The publication's row in the catalog: another `oid` is another publication, another `writer` an alteration."""

    oid: int
    writer: int
    owner: int


class TableState(_Object):
    """What capture knows of one table. Rows of the stream committed before `copied_at` are in the copy.

    `truncated_by`: xids of TRUNCATEs that were streamed since `watched` was read. `diverged`: why the target waits for a
    copy.
    """

    relation: Relation
    copied_at: LSN | None = None
    watched: Watched | None = None
    truncated_by: tuple[int, ...] = ()
    diverged: str | None = None


class Registry(_Object):
    """All tables that the pipeline carries, as of batch `number`. Written anew only when it changes."""

    number: int
    tables: dict[int, TableState]
    publication: PublicationMark | None = None


class RegistryRef(_Object):
    """Where the registry as of a batch is."""

    key: str
    sha256: str


class CompletedRef(_Object):
    """Where a segment of a replayed stream's completed transactions is, and how many it holds (`re_dms.journal.completed`)."""

    stream: str
    key: str
    sha256: str
    count: int


class Manifest(_Object):
    """Batch `number`: whole transactions in commit order, covering (start, end]. `kind` "copy" covers nothing: start = end.

    `last_commit` is the tail's last COMMIT, carried over by batches without transactions. `commit_times_us` holds up to
    21 quantiles of the commit times, for lag figures.
    """

    format: int = FORMAT
    dialect: int = DIALECT
    journal_id: str
    number: int
    writer: str
    kind: Literal["stream", "copy"]
    start: LSN
    end: LSN
    last_commit: Commit | None
    transactions: int
    changes: int
    commit_times_us: tuple[int, ...] = ()
    registry: RegistryRef
    tables: tuple[TableChanges, ...]
    dropped_tables: tuple[int, ...] = ()
    """OIDs that the pipeline no longer carries (`--forget`)."""
    completed: tuple[CompletedRef, ...] = ()
    """All segments of all replayed streams as of this batch, each stream's in the order they were made."""
