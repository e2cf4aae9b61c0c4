"""What the model is made of: the durable places, the processes, the rules that a variant may break, the steps' names.

Everything is a tuple, so that states compare, sort and hash. "Nothing" is () or -1, never None, for the same reason.
A position (LSN) is a count of WAL records: record i starts at i and ends at i + 1. A record is the name of a
transaction ("a1": history a, ends at 1) or OTHERS. A transaction writes one row into each of the two tables; rows are
named after their transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

OTHERS: Final = "-"  # WAL of tables that are not published
NONE: Final = -1
FREE: Final = -1  # holder of the slot: nobody
ORPHAN: Final = 9  # holder of the slot: a reader whose supervisor died
NOT_CARRIED: Final = -1  # copied_at of a table that the pipeline does not have yet
SINCE_START: Final = 0  # copied_at of a table that was empty when the slot was made
TABLES: Final = (0, 1)

Rows = tuple[tuple[str, ...], tuple[str, ...]]
EMPTY: Final[Rows] = ((), ())
NO_COMMIT: Final = (0, "")


class Source(NamedTuple):
    """Postgres: WAL, the slot (confirmed in memory and on disk), who streams, and what an earlier disk copy holds."""

    wal: tuple[str, ...]
    confirmed: int  # NONE: there is no slot
    checkpointed: int
    holder: int
    published_at: int  # NONE: there is no publication
    disk_copy: tuple[int, ...]  # (length of the WAL, confirmed) or ()
    abandoned: tuple[str, ...]  # the WAL of the history that a roll-back cut off
    history: str
    slot_moved: bool  # an operator advanced, or dropped and re-created, the slot


class Manifest(NamedTuple):
    """A batch. `copies` lists the tables that it empties and fills; `copied_at` is the registry as of this batch."""

    number: int
    writer: int  # the capture that may still ask "is it mine?", else NONE
    start: int
    end: int
    rows: Rows
    copies: tuple[int, ...]
    copied_at: tuple[int, int]
    last_commit: tuple[int, str]


class Journal(NamedTuple):
    """The object store. `mirrored` is the advisory copy of the watermark."""

    root: bool
    manifests: tuple[Manifest, ...]  # ascending numbers
    data: tuple[tuple[int, Rows], ...]
    position: int  # newest recorded position, NONE when there is none
    mirrored: int
    registry: tuple[int, int]  # copied_at of the tables before batch 1

    def manifest(self, number: int) -> Manifest | tuple[()]:
        return next((m for m in self.manifests if m.number == number), ())

    @property
    def newest(self) -> int:
        return self.manifests[-1].number if self.manifests else 0

    @property
    def tail(self) -> Manifest | tuple[()]:
        return self.manifests[-1] if self.manifests else ()

    @property
    def copied_at(self) -> tuple[int, int]:
        """The newest registry."""
        return self.manifests[-1].copied_at if self.manifests else self.registry

    @property
    def known(self) -> int:
        """The greatest position that the journal accounts for."""
        return max(self.manifests[-1].end if self.manifests else NONE, self.position)

    def forget_writer(self, writer: int) -> Journal:
        """That process has gone: nobody will ask again whether its manifests are its own."""
        if all(m.writer != writer for m in self.manifests):
            return self
        return self._replace(
            manifests=tuple(m._replace(writer=NONE) if m.writer == writer else m for m in self.manifests)
        )


class Warehouse(NamedTuple):
    """The target. The epoch is not a number here: every Apply knows whether its own is the current one."""

    watermark: int
    end: int
    rows: Rows
    copied_at: tuple[int, int]


class Capture(NamedTuple):
    """Reader and encoder of one capture. `buffer`: (end LSN, transaction, tables whose rows are still to be shipped)."""

    phase: Literal["off", "planned", "opening", "streaming"] = "off"
    number: int = 0  # of the next batch
    tail: int = 0
    last_commit: tuple[int, str] = NO_COMMIT
    copied_at: tuple[int, int] = (0, 0)
    known: int = NONE  # the newest recorded position: no transaction of ours ends between the tail and it
    to_copy: tuple[int, ...] = ()
    snapshot: tuple[int, ...] = ()  # (LSN,)
    snapshot_rows: tuple[str, ...] = ()
    slot_seen: int = NONE
    unseen_tail: bool = False  # the tail's last COMMIT has to go by before anything else counts
    to_claim: bool = False  # an empty batch comes first (a rule under discussion)
    at: int = 0
    half: int = 0  # of the open transaction: 1 first row received, 2 first row already shipped (a broken variant)
    buffer: tuple[tuple[int, str, tuple[int, ...]], ...] = ()
    recorded: int = NONE  # an idle position that this process recorded
    batch: Manifest | tuple[()] = ()  # its data is put, its manifest is not known to be
    doubt: bool = False  # the reply to the manifest's PUT was lost


class Apply(NamedTuple):
    """One apply process."""

    phase: Literal["off", "ready", "found", "doubt", "checked", "data", "committed"] = "off"
    current: bool = False  # its epoch is the warehouse's
    seen: int = 0  # the watermark as it knows it
    manifest: Manifest | tuple[()] = ()


class Faults(NamedTuple):
    """How many faults of each kind may still happen, and how many in all."""

    total: int = 0
    kill: int = 0
    cut: int = 0
    postgres_crash: int = 0
    put_reply_lost: int = 0
    commit_reply_lost: int = 0
    slot_moved: int = 0
    rolled_back: int = 0


NO_FAULTS: Final = Faults()


class State(NamedTuple):
    """The whole of a small world at one moment."""

    source: Source
    journal: Journal
    warehouse: Warehouse
    captures: tuple[Capture, ...]
    applies: tuple[Apply, ...]
    faults: Faults
    copy_asked: bool
    alarm: str  # the loud halt that somebody has seen
    broken: str  # a promise that a step broke in a way that the state alone does not show

    def with_capture(self, i: int, me: Capture) -> State:
        return self._replace(captures=(*self.captures[:i], me, *self.captures[i + 1 :]))

    def without_capture(self, i: int, *, alarm: str = "") -> State:
        """Capture `i` has ended: its connections are closed, its memory is gone."""
        source = self.source._replace(holder=FREE) if self.source.holder == i else self.source
        journal = self.journal.forget_writer(i)
        return self.with_capture(i, Capture())._replace(source=source, journal=journal, alarm=self.alarm or alarm)

    def spend(self, kind: str) -> State:
        """A fault of this kind happens: one less is left."""
        left = {"total": self.faults.total - 1, kind: getattr(self.faults, kind) - 1}
        return self._replace(faults=self.faults._replace(**left))

    def may(self, kind: str) -> bool:
        """Whether a fault of this kind may still happen."""
        return self.faults.total > 0 and getattr(self.faults, kind) > 0


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A small world: what happens at the source, how many processes there are, which faults."""

    transactions: int = 2
    others: int = 0  # WAL records of unpublished tables
    written: int = 2  # records already in the WAL at the start (transactions first)
    captures: int = 1
    applies: int = 1
    retention: bool = False
    setup: bool = False  # start with nothing at all: no root, publication, slot; both tables are copied
    copy: bool = False  # the second table joins later, by a copy
    faults: Faults = NO_FAULTS


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Our protocol; each variant of the tests breaks one rule."""

    publication_before_slot: bool = True
    parent_watched: bool = True
    manifests_create_only: bool = True
    data_keys_per_writer: bool = True
    doubtful_put: Literal["read", "exists means won", "exists means lost"] = "read"
    later_manifest_means_lost: bool = True
    confirm_after_manifest: bool = True
    positions_recorded_first: bool = True
    cut_at_commit: bool = True
    slot_checked_while_held: bool = True
    start_puts_empty_batch: bool = False
    tail_must_go_by: bool = True
    tail_known_by_time: bool = True
    nothing_confirmed_before_tail: bool = True
    keepalive_beyond_unseen_tail_refused: bool = True
    position_is_evidence: bool = True
    inherited_positions_confirmed: bool = False
    copy_waits_for_tail: bool = False
    stream_waits_for_copy: bool = True
    copy_drops: Literal["start < S", "start <= S", "end < S", "nothing"] = "start < S"
    epoch_checked: bool = True
    watermark_checked: bool = True
    checked_inside: bool = True
    one_warehouse_transaction: bool = True
    doubtful_commit_reads: bool = True
    absence_rechecked: bool = True
    retention: Literal["below watermark", "up to watermark, newest too", "by age"] = "below watermark"


PROTOCOL: Final = Rules()

STEPS: Final[dict[str, tuple[str, ...]]] = {
    "creates the root": ("root.created",),
    "creates the publication": ("publication.created",),
    "creates the slot": ("slot.created",),
    "records the slot": ("slot.recorded",),
    "reads the journal": (),
    "takes a snapshot": ("copy.snapshot",),
    "streams the copy": ("copy.streamed",),
    "reads the slot": (),
    "takes the slot": (),
    "receives a row": (),
    "receives a commit": ("capture.received",),
    "passes WAL of others": (),
    "seals a batch": ("capture.shipped", "capture.encoded", "capture.data_put"),
    "seals an empty batch": (),
    "puts the manifest": ("capture.before_manifest", "capture.after_manifest"),
    "settles the lost reply": (),
    "confirms": ("capture.before_confirm", "capture.after_confirm"),
    "records a position": ("capture.before_position", "capture.after_position"),
    "opens the stream again": (),
    "restarts": (),
    "claims": (),
    "finds a batch": ("apply.found",),
    "misses a batch": (),
    "checks fence and watermark": (),
    "commits": ("apply.fenced", "apply.staged", "apply.merged", "apply.before_commit", "apply.committed"),
    "is fenced off": (),
    "reads the watermark": (),
    "writes the watermark": (),
    "mirrors": ("apply.mirrored",),
    "removes data": ("retention.data_removed",),
    "removes a manifest": ("retention.manifest_removed",),
    "leaves after its supervisor": (),
}
"""Steps of our processes, and the failpoints that stand right before, in or after them in the code."""

WORLD: Final = frozenset(
    {"commits a transaction", "writes WAL of others", "checkpoints", "has its disk copied", "asks for a copy"}
)
"""What the world does without anything being wrong."""

FAULTS: Final = frozenset(
    {
        "is killed",
        "loses its connection",
        "crashes",
        "has its disk rolled back",
        "moves the slot",
        "puts the manifest, reply lost",
        "commits, reply lost",
    }
)
"""What goes wrong."""


class Step(NamedTuple):
    """Who does what, and the state after it."""

    who: str
    what: str
    state: State
