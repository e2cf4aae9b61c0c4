"""A replay: the process that makes batches of what pg_recvlogical wrote, in files or on standard input.

It takes the place of reader and encoder. There is no slot: what is done is known by the xids in the journal
(`re_dms.journal.completed`), which each batch's manifest refers to. A position is a transaction's number in the journal.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog

from re_dms.decode.decoded import Decoded
from re_dms.decode.frames import Frames
from re_dms.decode.line_frames import COMMIT, Lines
from re_dms.decode.test_decoding import TestDecodingDecoder
from re_dms.errors import InvariantError, SourceError
from re_dms.journal.completed import Completed
from re_dms.journal.journal import Journal
from re_dms.journal.opening import open_store
from re_dms.lsn import LSN
from re_dms.manifest import Commit, RegistryRef
from re_dms.pipeline.batch import Batch, new_writer
from re_dms.pipeline.inputs import Block, Input, wal_files
from re_dms.pipeline.parts import Parts
from re_dms.pipeline.relations import KnownTables
from re_dms.pipeline.replay_source import ReplaySource, identify_replay
from re_dms.pipeline.replay_tables import ReplayResolver
from re_dms.pipeline.sifted import Part, Sifted
from re_dms.pipeline.surroundings import Surroundings
from re_dms.pipeline.transcript import Transcript
from re_dms.settings import MIB, ReplaySettings

log = structlog.get_logger()

_BLOCK_BYTES_MAX: Final = 16 * MIB
_WAIT_SECONDS: Final = 0.2
_TOLD_MAX: Final = 5
_REMEDY: Final = (
    "if pg_recvlogical was killed here: cut the file before this line (head -c), then replay the rest from its next BEGIN"
    " on (tail -c) with the same --stream; otherwise report the byte and the place"
)


class Replay:
    """State of the process: the journal's tail, what is done, the open batch."""

    def __init__(self, surroundings: Surroundings, replay: ReplaySettings) -> None:
        self.settings = surroundings.settings
        self.control = surroundings.control
        self.replay = replay
        self.block_bytes = min(_BLOCK_BYTES_MAX, self.settings.capture.flush_bytes)
        self.input = Input(_inputs(replay, surroundings.options), block_bytes=self.block_bytes)
        self.parts = Parts(self.settings.journal.slices)
        self.writer = new_writer()
        self.batch: Batch | None = None
        self.opened = 0.0
        self.received = 0  # bytes in the open batch
        self.alone = False  # the open batch is of one transaction whose end is still to come
        self.draining = False
        self.torn: list[str] = []

    def run(self) -> None:
        """Plan, then read to the end of the input or until told to leave. Raises SourceError for what came torn."""
        store = open_store(self.settings.journal)
        store.probe()
        self.journal = Journal(store)
        with ReplaySource(self.settings, self.replay) as source:
            self._plan(source)
            self._read()
        self.input.close()
        if not self.draining:
            self._finish()

    # ------------------------------------------------------------------ plan

    def _plan(self, source: ReplaySource) -> None:
        root = identify_replay(self.journal, self.settings.name, source.identity)
        self.control.send({"event": "root", "journal": root.journal_id})
        self.control.receive(None)  # the warehouse is asked first whether it takes this journal
        tail = self.journal.tail()
        registry = None if tail is None else self.journal.read_registry(tail.registry)
        self.root = root
        self.number, self.end = (0, LSN(0)) if tail is None else (tail.number, tail.end)
        self.position = int(self.end)
        self.last_commit = None if tail is None else tail.last_commit
        self.registry: RegistryRef | None = None if tail is None else tail.registry
        refs = () if tail is None else tail.completed
        self.completed = Completed.open(self.journal, self.replay.stream, refs)
        names = sorted({ref.stream for ref in refs} - {self.replay.stream})
        self.others = [Completed.open(self.journal, name, refs) for name in names]
        self.relations = KnownTables({} if registry is None else registry.tables)
        self.resolver = ReplayResolver(self.relations, source.catalog, include=source.include, exclude=source.exclude)
        self.dropped = self.resolver.forgotten() if self.settings.forget else ()
        self.transcript = Transcript(self._known, self._known_elsewhere)
        self.decoder = self._new_decoder()
        self.control.send({"event": "planned", "position": str(self.end), "batch": self.number})
        self.control.send({"event": "streaming", "lsn": str(self.end), "backend": None})

    def _new_decoder(self) -> TestDecodingDecoder:
        return TestDecodingDecoder(self.resolver.resolve, self.resolver.locate)

    def _known(self, xids: Sequence[int]) -> dict[int, int]:
        return _done(self.completed, xids)

    def _known_elsewhere(self, xids: Sequence[int]) -> dict[int, frozenset[int]]:
        found: dict[int, frozenset[int]] = {}
        for other in self.others:
            for xid, crc in _done(other, xids).items():
                found[xid] = found.get(xid, frozenset()) | {crc}
        return found

    # ------------------------------------------------------------------ the input

    def _read(self) -> None:
        while True:
            block = self.input.next(_WAIT_SECONDS)
            if block is not None:
                self._take(block)
            self._listen(0)
            if self.draining or (block is not None and block.last):
                break
            self._seal_if_due(time.monotonic())
        if self.alone:
            self._drop()
        self._seal()

    def _take(self, block: Block) -> None:
        lines = _lines(block)
        full = bool(len(lines)) and int(lines.ends[-1]) >= self.block_bytes // 2
        sifted = self.transcript.sift(block.payload, lines, full=full, ends=block.file_ends)
        if sifted.drop:
            self._drop()
        if sifted.alone and not self.alone:
            self._seal()  # what is whole must not wait for one that may never be
        self.alone = sifted.alone
        self._add(block, sifted)
        if sifted.hold is not None:
            self.input.hold(sifted.hold)
        if block.torn is not None:
            self.torn.append(f"{block.torn.size_bytes} bytes from {block.torn.where} on are no whole line")

    def _add(self, block: Block, sifted: Sifted) -> None:
        """The block's transactions into the open batch, and into what is done with it."""
        first, last_us = self.position + 1, 0
        for part in sifted.parts:
            last_us = self._add_part(block, part) or last_us
        count = len(sifted.xids)
        if self.position - first + 1 != count:
            raise InvariantError(f"{count} transactions were sifted, {self.position - first + 1} decoded")
        if count:
            positions = np.arange(first, first + count, dtype=np.uint64)
            self.completed.add(
                np.array(sifted.xids, dtype=np.uint32), np.array(sifted.crcs, dtype=np.uint32), positions
            )
            self.last_commit = Commit(end=LSN(self.position), xid=sifted.xids[-1], time_us=last_us)

    def _add_part(self, block: Block, part: Part) -> int:
        """One part, decoded and written. Returns the time of its last COMMIT."""
        frames = Frames.at(part.payload, part.starts, part.ends)
        lsn = np.zeros(len(part.starts), dtype=np.uint64)
        place = block.where.place

        def words(_line: int, offset: int) -> str:
            return f"the transaction prepared at {part.place}" if part.place else place(offset)

        lines = Lines(frames, starts=part.starts, lsn=lsn, place=words, remedy=_REMEDY)
        ends = np.flatnonzero(lines.kinds == COMMIT)
        lsn[ends] = np.arange(self.position + 1, self.position + 1 + len(ends), dtype=np.uint64)
        self.position += len(ends)
        decoded = _timed(self.decoder.decode(lines, {}))
        batch = self._open_batch()
        self.resolver.begin(decoded, batch, self.end)
        batch.add(self.relations.follow(decoded))
        self.received += frames.size - int(part.starts[0])
        times = decoded.commits.time_us
        return int(times[-1]) if len(times) else 0

    # ------------------------------------------------------------------ batches

    def _open_batch(self) -> Batch:
        if self.batch is None:
            self.opened, self.received = time.monotonic(), 0
            self.batch = Batch(
                self.journal,
                journal_id=self.root.journal_id,
                writer=self.writer,
                number=self.number + 1,
                compression=self.settings.journal.compression,
                parts=self.parts,
            )
        return self.batch

    def _seal_if_due(self, now: float) -> None:
        capture = self.settings.capture
        if self.batch is None or self.alone:
            return
        if now - self.opened >= capture.flush_seconds or self.received >= capture.flush_bytes:
            self._seal()

    def _seal(self) -> None:
        """Make the open batch exist; what is done is told with it."""
        if self.batch is None:
            return
        manifest = self.batch.seal(
            kind="stream",
            start=self.end,
            end=LSN(self.position),
            last_commit=self.last_commit,
            relations=self.relations,
            registry=self.registry,
            dropped=self.dropped,
            completed=self.completed.seal(self.number + 1, self.writer),
        )
        self.number, self.end, self.registry, self.dropped = manifest.number, manifest.end, manifest.registry, ()
        self.control.send(self.batch.told(manifest))
        self.batch = None

    def _drop(self) -> None:
        """Forget the transaction that the open batch is of: it may come again, whole. Its files stay, unlisted."""
        self.batch, self.alone, self.writer = None, False, new_writer()
        self.relations.revert()
        self.resolver.fresh.clear()
        self.decoder = self._new_decoder()

    # ------------------------------------------------------------------ the end

    def _finish(self) -> None:
        """Tell that all was read; leave when the warehouse has it."""
        prepared = self.transcript.prepared()
        for place in prepared[:_TOLD_MAX]:
            log.warning("transaction_prepared", reason=f"{place}, waits for its COMMIT PREPARED")
        torn = self.transcript.torn() + self.torn
        for place in torn[:_TOLD_MAX]:
            log.warning("input_torn", reason=place)
        self.control.send(
            {"event": "finished", "number": self.number, "skipped": self.transcript.skipped, "torn": len(torn)}
        )
        while not self.draining:
            self._listen(None)
        if torn:
            raise SourceError(
                f"the input is not whole: {torn[0]}" + (f", and {len(torn) - 1} more" if len(torn) > 1 else ""),
                remedy="all that is whole is done; replay again when the rest is there, what is done will be skipped",
            )

    def _listen(self, timeout_seconds: float | None) -> None:
        order = self.control.receive(timeout_seconds)
        while order is not None:
            self.draining = self.draining or order["do"] == "drain"
            order = self.control.receive(0)


def _done(completed: Completed, xids: Sequence[int]) -> dict[int, int]:
    asked = np.array(xids, dtype=np.uint32)
    known, crcs = completed.lookup(asked)
    return dict(zip(asked[known].tolist(), crcs[known].tolist(), strict=True))


def _lines(block: Block) -> Lines:
    frames = Frames.at(block.payload, block.starts, block.ends)
    place = block.where.place
    lsn = np.zeros(len(block.starts), dtype=np.uint64)
    return Lines(frames, starts=block.starts, lsn=lsn, place=lambda _, offset: place(offset), remedy=_REMEDY)


def _timed(decoded: Decoded) -> Decoded:
    """Where COMMITs do not tell their time, that of the reading stands for it: lag figures are of the replay then."""
    times = decoded.commits.time_us
    if times.all():
        return decoded
    now = time.time_ns() // 1000
    return replace(decoded, commits=replace(decoded.commits, time_us=np.where(times == 0, now, times)))


def _inputs(replay: ReplaySettings, options: Mapping[str, Any]) -> list[Path] | int:
    if replay.inputs == ("-",):
        return int(options["stdin"])
    paths = [Path(each) for each in replay.inputs]
    return wal_files(paths[0]) if len(paths) == 1 and paths[0].is_dir() else paths


def run(surroundings: Surroundings) -> None:
    """The process's life."""
    replay = surroundings.settings.replay
    if replay is None:
        raise InvariantError("a replay needs its inputs")
    Replay(surroundings, replay).run()
