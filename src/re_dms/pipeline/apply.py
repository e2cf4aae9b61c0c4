"""Apply: the process that loads the journal's batches into the warehouse, in order, each or a group in one transaction."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog

from re_dms.errors import (
    RESET,
    ChangesMissing,
    ConfigurationError,
    InvariantError,
    JournalUnavailable,
    PipelineHeld,
    SourceError,
    WarehouseError,
)
from re_dms.failpoints import failpoint
from re_dms.journal.journal import Journal
from re_dms.journal.opening import open_store
from re_dms.journal.retention import prune
from re_dms.lsn import LSN
from re_dms.manifest import Manifest, Root, WarehouseName
from re_dms.pipeline.group import fold_group, take_group
from re_dms.pipeline.surroundings import Surroundings
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.base import Files, LoadReport
from re_dms.warehouse.opening import open_warehouse

log = structlog.get_logger()

_POLL_SECONDS: Final = 0.5
_POLL_REMOTE_SECONDS_MAX: Final = 5.0  # every look is a request; capture's hint wakes us earlier in the same service
_POLL_GROWTH: Final = 1.25
_LOOK_BEYOND_SECONDS: Final = 30.0
_TABLES_A_MESSAGE: Final = 500
_PRUNE_BATCHES: Final = 16
_PRUNE_SECONDS: Final = 10.0
_DRAIN_SECONDS: Final = 10.0


class Apply:
    """State of the process: which batch is next, and under which epoch."""

    def __init__(self, surroundings: Surroundings, target: WarehouseSettings) -> None:
        self.settings = surroundings.settings
        self.control = surroundings.control
        self.journal = Journal(open_store(self.settings.journal))
        self.warehouse = open_warehouse(target)
        self.url = target.url
        self.hinted = bool(surroundings.options.get("hinted"))  # capture runs beside us: its batches are told
        self.owner = uuid.uuid4().hex[:12]
        self.ahead: Manifest | None = None  # read already, and left out of the last group
        self.alone_until = 0  # batches up to this one are loaded one by one, since their group was refused
        self.drain_until: float | None = None
        self.asked = False  # how far the warehouse is, whenever nothing waits
        self.loaded = 0  # batches since the journal was pruned
        self.pruned_at = time.monotonic()
        self.patience = _POLL_SECONDS
        self.looked_beyond_at = float("-inf")

    def run(self) -> None:
        """Claim the pipeline, then load until told to drain."""
        with self.warehouse.hold():
            root = self._wait_for_root()
            if root is None:
                return
            self._claim(root)
            while True:
                known = self.journal.known_lsn() if self.asked else None  # before we look whether a batch waits
                manifest = self._next()
                if manifest is not None and not self._out_of_time():
                    self._load(manifest)
                    self.patience = _POLL_SECONDS
                    self._listen(0)
                elif self.drain_until is not None:
                    self._prune(at_once=True)
                    return
                else:
                    self._tell_level(known)
                    self._maintain()
                    self._listen(self.patience)
                    if self.hinted or self.journal.store.remote:
                        self.patience = min(self.patience * _POLL_GROWTH, _POLL_REMOTE_SECONDS_MAX)
                self._prune()

    def _wait_for_root(self) -> Root | None:
        while (root := self.journal.root()) is None:
            self._listen(_POLL_SECONDS)
            if self.drain_until is not None:
                return None
        return root

    def _claim(self, root: Root) -> None:
        """Journal and warehouse know each other, or nothing is loaded (protocol line 1)."""
        self.root = root
        fresh = self.journal.is_fresh()
        mine = WarehouseName(warehouse_id=self.warehouse.identity(), url=self.url)
        self._require_this_warehouse(self.journal.warehouse() or mine, mine)
        self.epoch = self.warehouse.claim(root, not fresh, self.owner)
        self._require_this_warehouse(self.journal.name_warehouse(mine), mine)
        watermark = self.warehouse.watermark(root.journal_id)
        tail = self.journal.tail()
        self.number = 0 if watermark is None else watermark.batch
        last = 0 if tail is None else tail.number
        if self.number > last:
            raise ChangesMissing(
                f"the warehouse has batch {self.number}, the journal ends at {last}: its last manifests are gone",
                remedy=RESET,
            )
        self._require_no_gap()
        self.control.send({"event": "claimed", "epoch": self.epoch, "number": self.number, "tail": last})

    @staticmethod
    def _require_this_warehouse(recorded: WarehouseName, mine: WarehouseName) -> None:
        if recorded.warehouse_id != mine.warehouse_id:
            raise ChangesMissing(f"the journal feeds another warehouse ({recorded.url}), not this one", remedy=RESET)

    def _require_no_gap(self) -> None:
        """Every batch that waits is there; otherwise nothing is begun, and capture is not let go."""
        waiting = [number for number in self.journal.numbers() if number > self.number]
        for expected, there in enumerate(waiting, start=self.number + 1):
            if expected != there:
                self.journal.manifest(expected)  # raises, unless it has come since
                return

    def _next(self) -> Manifest | None:
        """The next batch; None when nothing waits."""
        if self.ahead is not None:
            manifest, self.ahead = self.ahead, None
            return manifest
        now = time.monotonic()
        look_beyond = not self.journal.store.remote or now - self.looked_beyond_at >= _LOOK_BEYOND_SECONDS
        if look_beyond:
            self.looked_beyond_at = now
        with self._perhaps_pruned():
            return self.journal.manifest(self.number + 1, look_beyond=look_beyond)

    @contextmanager
    def _perhaps_pruned(self) -> Iterator[None]:
        """What is missing may have been applied and pruned by an apply that took over from us."""
        try:
            yield
        except ChangesMissing:
            watermark = self.warehouse.watermark(self.root.journal_id)
            if watermark is not None and watermark.batch > self.number:
                raise PipelineHeld(
                    f"another apply took over: the warehouse has batch {watermark.batch}, this one stood at {self.number}",
                    remedy="run one apply a journal; this one has stopped",
                ) from None
            raise

    def _load(self, first: Manifest) -> None:
        """Load a batch, and those behind it that the warehouse takes together with it."""
        failpoint("apply.found")
        group = self._group(first)
        number = group[-1].number
        self.control.send({"event": "loading", "number": number})
        began = time.monotonic()
        with self.journal.files(number, self.owner) as files:
            try:
                manifest = self._folded(group, files)
                report = self.warehouse.load(
                    manifest,
                    journal_id=self.root.journal_id,
                    pipeline=self.root.pipeline,
                    epoch=self.epoch,
                    owner=self.owner,
                    files=files,
                    after=self.number,
                )
            except (WarehouseError, SourceError, InvariantError, JournalUnavailable) as error:
                passes = error.retry and not isinstance(error, JournalUnavailable)
                if passes or len(group) == 1:
                    raise
                # One of them is to stop at, and those before it are to be loaded: one by one from here. Or the journal
                # has no room for the fold: every batch that is loaded makes some.
                log.warning("group_refused", number=number, batches=len(group), reason=error.message)
                self.alone_until, self.ahead = number, None
                return
        applied_us = time.time_ns() // 1000
        self.number = number
        self.loaded += len(group)
        self._mirror(manifest)
        self._tell(manifest, report, applied_us, seconds=time.monotonic() - began, batches=len(group))

    def _group(self, first: Manifest) -> Sequence[Manifest]:
        """The batches that are loaded at once. Nothing is looked for beyond them: they are there, or they come later."""
        limits = self.warehouse.group
        if limits is None or first.number <= self.alone_until:
            return [first]
        group, self.ahead = take_group(first, limits, lambda number: self.journal.manifest(number, look_beyond=False))
        return group

    def _folded(self, group: Sequence[Manifest], files: Files) -> Manifest:
        """What is loaded for a group: one manifest, its data files durable."""
        limits = self.warehouse.group
        if limits is None:
            return group[0]
        try:
            with self._perhaps_pruned():
                return fold_group(group, files, limits=limits, slices=self.settings.journal.slices)
        except JournalUnavailable as error:
            if len(group) > 1:
                raise
            log.warning("not_folded", number=group[0].number, reason=error.message)
            return group[0]

    def _mirror(self, manifest: Manifest) -> None:
        """Advisory. A full disk does not keep us from loading: what is loaded can be removed."""
        commit = manifest.last_commit
        try:
            self.journal.record_applied(manifest.number, manifest.end, None if commit is None else commit.time_us)
        except JournalUnavailable as error:
            log.warning("not_mirrored", reason=error.message)
            self._prune(at_once=True)
        failpoint("apply.mirrored")

    def _prune(self, *, at_once: bool = False) -> None:
        """Remove what the warehouse has from the journal: every few batches, or seconds after the last one."""
        due = self.loaded >= _PRUNE_BATCHES or time.monotonic() - self.pruned_at >= _PRUNE_SECONDS
        if not self.loaded or not (due or at_once):
            return
        removed = prune(self.journal, self.number)
        self.loaded, self.pruned_at = 0, time.monotonic()
        log.debug("journal_pruned", objects=removed.objects, bytes=removed.bytes)

    def _maintain(self) -> None:
        """Nothing waits: one step of what keeps the targets quick. Its failure is no reason to stop."""
        try:
            done = self.warehouse.maintain(self.root.journal_id)
        except WarehouseError as error:
            log.warning("not_maintained", reason=error.message)
            return
        if done:
            log.info("maintained", done=len(done))

    def _tell(self, manifest: Manifest, report: LoadReport, applied_us: int, *, seconds: float, batches: int) -> None:
        """A group is told as one batch: with the number of its last, and how many it stands for."""
        totals: list[list[Any]] = [
            [f"{table.relations[-1].full_name}", table.counts.model_dump()] for table in manifest.tables
        ]
        for start in range(0, len(totals), _TABLES_A_MESSAGE):
            self.control.send({"event": "tables", "tables": totals[start : start + _TABLES_A_MESSAGE]})
        if report.altered:
            log.warning(
                "values_altered", batch=manifest.number, altered=report.altered, remedy="see re_dms.altered_values"
            )
        self.control.send(
            {
                "event": "loaded",
                "number": manifest.number,
                "batches": batches,
                "lsn": str(manifest.end),
                "transactions": manifest.transactions,
                "changes": manifest.changes,
                "copied": sum(table.counts.copied for table in manifest.tables),
                "altered": report.altered,
                "seconds": round(seconds, 4),
                "applied_us": applied_us,
                "commit_times_us": manifest.commit_times_us,
            }
        )

    def _tell_level(self, known: LSN | None) -> None:
        """Nothing waits: the warehouse has all that was committed before `known`."""
        if known is not None:
            self.control.send({"event": "level", "lsn": str(known)})

    def _listen(self, timeout_seconds: float) -> None:
        order = self.control.receive(timeout_seconds)
        while order is not None:
            if order["do"] == "drain" and self.drain_until is None:  # the supervisor repeats itself
                self.drain_until = time.monotonic() + _DRAIN_SECONDS
            elif order["do"] == "ask":
                self.asked = True
            order = self.control.receive(0)

    def _out_of_time(self) -> bool:
        return self.drain_until is not None and time.monotonic() > self.drain_until


def run(surroundings: Surroundings) -> None:
    """The process's life."""
    target = surroundings.settings.warehouse
    if target is None:
        raise ConfigurationError("apply needs a warehouse", remedy="give --warehouse")
    Apply(surroundings, target).run()
