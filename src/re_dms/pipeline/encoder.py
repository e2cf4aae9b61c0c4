"""The encoder: the process that plans capture, turns buffers into files, and makes batches exist in the journal.

It tells its neighbour, the reader, what to read, and what is durable. One encoder works strictly in order: relation
versions and open transactions are its state.
"""

from __future__ import annotations

import os
import time
from typing import Any

import structlog

from re_dms.decode.frames import Frames
from re_dms.errors import ConfigurationError, InvariantError, JournalUnavailable
from re_dms.failpoints import failpoint
from re_dms.journal.journal import Journal
from re_dms.journal.opening import open_store
from re_dms.lsn import LSN
from re_dms.manifest import Commit, Manifest, RegistryRef
from re_dms.pipeline.batch import Batch, new_writer
from re_dms.pipeline.copies import Copies
from re_dms.pipeline.decoders import Decode, new_decoder
from re_dms.pipeline.parts import Parts
from re_dms.pipeline.plan import Plan, identify_journal, identify_source, plan_capture
from re_dms.pipeline.precedence import may_give_way
from re_dms.pipeline.regions import Regions
from re_dms.pipeline.relations import Relations, TablesChanged
from re_dms.pipeline.streamed import transaction
from re_dms.pipeline.surroundings import Surroundings
from re_dms.pipeline.watcher import Watcher
from re_dms.settings import SourceSettings
from re_dms.source.connection import connect
from re_dms.source.publication import PublishedTable
from re_dms.source.slot import read_slot

log = structlog.get_logger()


class JournalMoved(JournalUnavailable):
    """The journal's tail is not the one that was planned from: plan again."""


class Encoder:
    """State of the process: the journal's tail, the relations, the open batch, the regions of the reader."""

    def __init__(self, surroundings: Surroundings, source: SourceSettings) -> None:
        self.settings = surroundings.settings
        self.source = source
        self.control = surroundings.control
        self.reader = surroundings.channels["reader"]
        self.regions = Regions(self.reader)
        self.writer = new_writer()
        self.batch: Batch | None = None
        self.parts = Parts(self.settings.journal.slices)
        self.positions_recorded = 0
        self.registry: RegistryRef | None = None
        self.watching = False

    def run(self) -> None:
        """Plan, copy, then encode what the reader streams until it leaves."""
        store = open_store(self.settings.journal)
        store.probe()
        self.journal = Journal(store)
        plan = self._plan()
        self.number, self.end, self.last_commit = plan.number, plan.end, plan.last_commit
        self.dropped = plan.dropped
        self.registry = plan.registry
        self.relations = Relations(self.sql, self.source, self.settings.name, plan.tables, plan.publication)
        self.durable = max(plan.known, self.end)
        seconds = self.settings.capture.catalog_seconds
        self.watcher = Watcher(self.sql, self.source, self.settings.name, self.relations, seconds=seconds)
        # Who waits for what was committed before the start waits for this look's judgement too.
        position = max(plan.position_at_start, self.watcher.look_first())
        self.control.send({"event": "planned", "position": str(position), "batch": plan.number})
        if plan.to_copy:
            self._copy(plan.to_copy, plan.requests)
        if self.dropped:
            self._seal("copy", self.end)  # what is forgotten stays forgotten though nothing changes
        self._stream()

    def _plan(self) -> Plan:
        identity = identify_source(self.source)
        self.sql = connect(self.source, purpose="catalog")
        read_slot(self.sql, self.source.slot, self.source.plugin)  # refuses others before the journal is anybody's
        root = identify_journal(self.journal, self.source, self.settings.name, identity)
        self.control.send({"event": "root", "journal": root.journal_id})
        # The warehouse is asked first whether it takes this journal: a refusal leaves the source untouched.
        self.control.receive(None)
        self.root = root
        return plan_capture(self.journal, self.source, root, self.sql, forget=self.settings.forget)

    # ------------------------------------------------------------------ what the reader says

    def _next(self) -> dict[str, Any]:
        """The reader's next message; the catalog is looked at while none comes."""
        while True:
            message = self.regions.receive(self.watcher.patience(time.monotonic()) if self.watching else None)
            if self.watching:
                self.watcher.look_if_due(time.monotonic())
                self._judge()
            if message is not None:
                return message

    # ------------------------------------------------------------------ batches

    def _open_batch(self) -> Batch:
        if self.batch is None:
            self.batch = Batch(
                self.journal,
                journal_id=self.root.journal_id,
                writer=self.writer,
                number=self.number + 1,
                compression=self.settings.journal.compression,
                parts=self.parts,
            )
        return self.batch

    def _seal(self, kind: str, end: LSN) -> Manifest:
        batch = self._open_batch()
        manifest = batch.seal(
            kind=kind,
            start=self.end,
            end=end,
            last_commit=self.last_commit,
            relations=self.relations,
            registry=self.registry,
            dropped=self.dropped,
        )
        self.number, self.end, self.registry, self.dropped = manifest.number, end, manifest.registry, ()
        self.batch = None
        self.control.send(batch.told(manifest))
        return manifest

    # ------------------------------------------------------------------ copies

    def _copy(self, tables: tuple[PublishedTable, ...], requests: dict[int, list[str]]) -> None:
        """Copy tables, and copy again later those that were altered meanwhile."""
        copies = Copies(
            sql=self.sql,
            publication=self.source.publication,
            reader=self.reader,
            control=self.control,
            regions=self.regions,
            relations=self.relations,
            capture=self.settings.capture,
            receive=self._next,
            open_batch=self._open_batch,
            seal=lambda: self._seal("copy", self.end),
        )
        done = copies.run(tables)
        self.journal.clear_copy_requests([key for oid in done for key in requests.get(oid, ())])
        if len(done) < len(tables):
            names = ", ".join(table.full_name for table in tables if table.oid not in done)
            raise TablesChanged(f"changed while they were about to be copied: {names}; starting again to copy them")

    # ------------------------------------------------------------------ the stream

    def _stream(self) -> None:
        decode = self._decoder()
        order = {"do": "stream", "known": str(self.durable), "batch": self.number, "tail": _tail(self.last_commit)}
        self.reader.send(order | {"gives_way": os.getpid() if may_give_way() else None})
        self.watching = True
        while True:
            message = self._next()
            match message["do"]:
                case "part":
                    self._part(decode, message)
                case "whole":
                    self._whole(decode, message)
                case "position":
                    self._position(LSN.parse(message["lsn"]))
                case "held":
                    self._look_again()
                case "abort":
                    decode = self._abort()
                    # What was shipped before is sealed, and told: the reader may open the stream again.
                    self.reader.send({"aborted": True})
                case other:
                    raise InvariantError(f"the encoder knows no message {other!r}")

    def _judge(self) -> None:
        """What the catalog says and the stream does not goes into the open batch, or into one of its own."""
        found = list(self.watcher.judge(self.durable))
        if not found:
            return
        is_open = self.batch is not None
        batch = self._open_batch()
        for each in found:
            if each.altered is not None:
                batch.alter(each.relation, each.altered)
            if each.diverged is not None:
                batch.diverge(each.relation, each.diverged)
        if not is_open:
            self._seal("copy", self.end)

    def _look_again(self) -> None:
        """The reader holds the slot: whatever another capture wrote before is in the journal now (protocol line 5)."""
        newest = max(self.journal.numbers(), default=0)
        if newest != self.number:
            raise JournalMoved(f"another capture wrote batch {newest}; starting again from there")
        self.durable = max(self.durable, self.journal.known_lsn() or LSN(0))
        self.reader.send({"known": str(self.durable)})

    def _decoder(self) -> Decode:
        return new_decoder(self.sql, self.source, self.relations)

    def _abort(self) -> Decode:
        """Forget the open batch: its transaction is sent again. Returns the decoder of the new stream."""
        self.batch = None
        # The files that are there stay, unlisted; those of the next attempt must not share their names.
        self.writer = new_writer()
        self.relations.revert()
        return self._decoder()

    def _part(self, decode: Decode, part: dict[str, Any]) -> None:
        if part["messages"]:
            self._add(decode, self.regions.frames(part))
        self.regions.give_back(part)
        if part["ends"]:
            end = LSN.parse(part["end"])
            if self.last_commit is None or self.last_commit.end != end:
                raise InvariantError(f"a batch ends at {end}, its last commit elsewhere")
            manifest = self._seal("stream", end)
            self._tell_durable(end, tail=_tail(manifest.last_commit))

    def _whole(self, decode: Decode, told: dict[str, Any]) -> None:
        """A transaction that waited for its end into the open batch."""
        descriptor = self.reader.descriptors.pop(0)
        try:
            for frames in transaction(descriptor, told):
                self._add(decode, frames)
        finally:
            os.close(descriptor)

    def _add(self, decode: Decode, frames: Frames) -> None:
        """Messages into the open batch; nothing refers to them afterwards."""
        decoded = decode(frames, self.relations.copied_at)
        commits = decoded.commits
        if len(commits):
            if commits.end_lsn[0] <= self.end:
                raise InvariantError(f"a transaction that ends before {self.end}, the journal's end, was sent as new")
            self.last_commit = Commit(
                end=LSN(int(commits.end_lsn[-1])), xid=int(commits.xid[-1]), time_us=int(commits.time_us[-1])
            )
        self._open_batch().add(self.relations.follow(decoded))

    def _position(self, lsn: LSN) -> None:
        """An idle position: in the journal first, then it may be confirmed (protocol line 4)."""
        failpoint("capture.before_position")
        self.journal.record_position(lsn)
        failpoint("capture.after_position")
        self.positions_recorded += 1
        if self.positions_recorded % 10 == 1:  # at the first, too: many runs are short
            self.journal.prune_positions()
        self._tell_durable(lsn, tail=None)

    def _tell_durable(self, lsn: LSN, tail: dict[str, Any] | None) -> None:
        self.durable = max(self.durable, lsn)
        self._judge()
        self.reader.send({"durable": str(self.durable), "batch": self.number, "tail": tail, "at": time.time()})


def _tail(commit: Commit | None) -> dict[str, Any] | None:
    return None if commit is None else {"end": str(commit.end), "xid": commit.xid, "time_us": commit.time_us}


def run(surroundings: Surroundings) -> None:
    """The process's life."""
    source = surroundings.settings.source
    if source is None:
        raise ConfigurationError("capture needs a source", remedy="give --source")
    Encoder(surroundings, source).run()
