"""One batch being made: parts become files, files become steps, and the manifest makes it exist."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl

from re_dms.compact import fold
from re_dms.decode.decoded import Decoded, TableEvents
from re_dms.failpoints import failpoint
from re_dms.journal import keys
from re_dms.journal.csv import Compression, CsvStats, data_name, new_null_token, write_csv
from re_dms.journal.dialect import encode, encode_missing, odd_counts
from re_dms.journal.journal import Journal
from re_dms.journal.raw_csv import Lines, count_odd, write_lines
from re_dms.journal.texts import Texts
from re_dms.lsn import LSN
from re_dms.manifest import (
    Altered,
    Changes,
    Commit,
    CompletedRef,
    Copy,
    Counts,
    DataFile,
    Diverged,
    Manifest,
    Registry,
    RegistryRef,
    Step,
    TableChanges,
    Truncate,
)
from re_dms.pipeline.parts import Parts
from re_dms.pipeline.relations import KnownTables
from re_dms.schema import Relation

_QUANTILES: Final = 21
_TOGETHER_BYTES: Final = 16 * 1024 * 1024  # files of a copy: syncs that run at the same time cost little more than one


@dataclass
class _Table:
    relations: list[Relation] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Counts.model_fields, 0))

    def version(self, relation: Relation) -> int:
        """The index of this relation in the manifest's list."""
        if not self.relations or self.relations[-1] != relation:
            self.relations.append(relation)
        return len(self.relations) - 1

    def count(self, **added: int) -> None:
        for name, value in added.items():
            self.counts[name] += value


class Batch:
    """Batch `number` of one writer: add parts, then seal. An unsealed batch leaves files that nobody lists."""

    def __init__(
        self,
        journal: Journal,
        *,
        journal_id: str,
        writer: str,
        number: int,
        compression: str,
        parts: Parts | None = None,
    ) -> None:
        self.journal = journal
        self.journal_id = journal_id
        self.writer = writer
        self.number = number
        self.compression: Compression = "gzip" if compression == "gzip" else "zstd"
        self.parts = parts or Parts()
        self.null = new_null_token()
        self.bytes = 0
        self.transactions = 0
        self._times: list[np.ndarray] = []
        self._tables: dict[int, _Table] = {}
        self._files = 0
        self._copying: dict[int, list[DataFile]] = {}
        self._waiting: list[tuple[str, bytes]] = []

    # ------------------------------------------------------------------ parts

    def add(self, decoded: Decoded) -> None:
        """The changes of one part, folded; its files are durable when this returns."""
        for oid in decoded.retracted:
            # All that this batch has of the table is of the transaction that has just ended, and is in its copy: what
            # came before it is, too. Its files stay, unlisted.
            self._tables.pop(oid, None)
        self.transactions += len(decoded.commits)
        self._times.append(decoded.commits.time_us)
        for oid, events in decoded.tables:
            table = self._tables.setdefault(oid, _Table())
            for segment in events:
                self._add_segment(table, segment)
        failpoint("capture.encoded")
        self._put()

    def _add_segment(self, table: _Table, segment: TableEvents) -> None:
        version = table.version(segment.relation)
        if segment.diverged is not None:
            table.steps.append(Diverged(relation=version, reason=segment.diverged))
            return
        if segment.frame is None:
            table.steps.append(Truncate(relation=version))
            table.count(truncates=1)
            return
        folded = fold(segment.relation, segment.frame)
        counts = folded.counts
        table.count(inserts=counts.inserts, updates=counts.updates, deletes=counts.deletes)
        if folded.frame.height:
            files = self._write(segment.relation, folded.frame)
            table.steps.append(Changes(relation=version, files=files, ops=folded.ops))

    def add_copy(self, relation: Relation, frame: pl.DataFrame) -> None:
        """Rows of a table being copied; `end_copy` makes the step."""
        if frame.height:
            columns = [f"c{column.attnum}" for column in relation.columns]
            rows = frame.select(pl.lit("I").alias("op"), *columns)
            self._copying.setdefault(relation.oid, []).extend(self._write(relation, rows))
            self._tables.setdefault(relation.oid, _Table()).count(copied=frame.height)
        self._put()

    def add_copied_lines(self, lines: Lines) -> None:
        """As `add_copy`, for rows that are lines of CSV already."""
        if rows := len(lines.lengths):
            size = lines.data.size
            files = [self._lines_file(part) for part in lines.cut(self.parts.count(size))]
            self.parts.learn(size, files)
            self._copying.setdefault(lines.relation.oid, []).extend(files)
            self._tables.setdefault(lines.relation.oid, _Table()).count(copied=rows)
        if sum(len(data) for _, data in self._waiting) >= _TOGETHER_BYTES:
            self._put()

    def drop_copy(self, oid: int) -> None:
        """What was copied of the table is no part of the batch: its files stay, unlisted."""
        self._copying.pop(oid, None)
        self._tables.pop(oid, None)

    def end_copy(self, relation: Relation, position: LSN) -> None:
        """The table is whole: its files, durable when this returns, are its rows as of `position`."""
        self._put()
        table = self._tables.setdefault(relation.oid, _Table())
        version = table.version(relation)
        table.steps.append(Copy(relation=version, position=position, files=tuple(self._copying.pop(relation.oid, ()))))

    def alter(self, old: Relation, new: Relation) -> None:
        """The table's columns changed, and no row came with it."""
        table = self._tables.setdefault(new.oid, _Table())
        table.version(old)
        table.steps.append(Altered(relation=table.version(new)))

    def diverge(self, relation: Relation, reason: str) -> None:
        """From here on the table's target cannot be right."""
        table = self._tables.setdefault(relation.oid, _Table())
        table.steps.append(Diverged(relation=table.version(relation), reason=reason))

    # ------------------------------------------------------------------ files

    def _write(self, relation: Relation, frame: pl.DataFrame) -> tuple[DataFile, ...]:
        """Rows in the journal's dialect, as one file or as parts for the warehouse's slices; put by `_put`."""
        return self.parts.write_texts(Texts(encode(frame, relation)), partial(self._file, relation))

    def _file(self, relation: Relation, rows: Texts) -> DataFile:
        data, written = write_csv(rows, null=self.null, compression=self.compression)
        return self._keep(relation, data, written, odd_counts(rows, relation))

    def _lines_file(self, lines: Lines) -> DataFile:
        odd = count_odd(lines)
        return self._keep(lines.relation, *write_lines(lines, compression=self.compression), odd)

    def _keep(self, relation: Relation, data: bytes, written: CsvStats, odd: dict[str, int]) -> DataFile:
        name = data_name(relation.oid, self._files, self.compression)
        self._files += 1
        self.bytes += len(data)
        self._waiting.append((name, data))
        return written.data_file(key=keys.data_key(self.number, self.writer, name), odd=odd)

    def _put(self) -> None:
        if self._waiting:
            self.journal.write_data(self.number, self.writer, self._waiting)
            self._waiting = []
            failpoint("capture.data_put")

    # ------------------------------------------------------------------ seal

    def seal(
        self,
        *,
        kind: str,
        start: LSN,
        end: LSN,
        last_commit: Commit | None,
        relations: KnownTables,
        registry: RegistryRef | None,
        dropped: tuple[int, ...] = (),
        completed: tuple[CompletedRef, ...] = (),
    ) -> Manifest:
        """Write the manifest, last: from here on the batch exists. Raises PipelineHeld when another writer was first."""
        for oid, table in self._tables.items():
            if reasons := [step.reason for step in table.steps if isinstance(step, Diverged)]:
                relations.diverged(oid, reasons[-1])
        if registry is None or relations.changed or dropped:
            state = Registry(number=self.number, tables=relations.tables, publication=relations.publication)
            registry = self.journal.write_registry(state, self.writer)
        tables = tuple(
            TableChanges(
                oid=oid,
                relations=tuple(map(encode_missing, table.relations)),
                steps=tuple(table.steps),
                counts=Counts(**table.counts),
            )
            for oid, table in self._tables.items()
            if table.steps
        )
        manifest = Manifest(
            journal_id=self.journal_id,
            number=self.number,
            writer=self.writer,
            kind="copy" if kind == "copy" else "stream",
            start=start,
            end=end,
            last_commit=last_commit,
            transactions=self.transactions,
            changes=sum(t.counts.inserts + t.counts.updates + t.counts.deletes + t.counts.truncates for t in tables),
            commit_times_us=_quantiles(self._times),
            registry=registry,
            tables=tables,
            dropped_tables=dropped,
            completed=completed,
        )
        self.journal.commit(manifest)
        relations.sealed()
        return manifest

    def told(self, manifest: Manifest) -> dict[str, Any]:
        """What the supervisor hears of it once it is sealed."""
        return {
            "event": "sealed",
            "number": manifest.number,
            "kind": manifest.kind,
            "lsn": str(manifest.end),
            "transactions": manifest.transactions,
            "changes": manifest.changes,
            "bytes": self.bytes,
            "tables": len(manifest.tables),
        }


def new_writer() -> str:
    """A name for who writes: files of two attempts never share a key."""
    return uuid.uuid4().hex[:12]


def _quantiles(times: list[np.ndarray]) -> tuple[int, ...]:
    """Up to 21 commit times by rank, for lag figures."""
    every = np.sort(np.concatenate(times)) if times else np.empty(0, dtype=np.int64)
    if len(every) > _QUANTILES:
        every = every[np.linspace(0, len(every) - 1, _QUANTILES).astype(int)]
    return tuple(int(value) for value in every)
