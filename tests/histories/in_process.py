"""The pipeline without its processes: the real stages over what a real slot gives, cut wherever a test says.

Reader and supervisor are left out (tests/crash and tests/pipeline run those); everything behind them is the product's code.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fix_postgres import Database
from re_dms.decode.frames import Frames
from re_dms.decode.pgoutput import PgOutputDecoder
from re_dms.errors import RelationChanged
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore
from re_dms.lsn import LSN
from re_dms.manifest import Commit, Manifest, RegistryRef, Root
from re_dms.pipeline.batch import Batch
from re_dms.pipeline.borders import messages
from re_dms.pipeline.relations import Relations
from re_dms.pipeline.watcher import Watcher
from re_dms.settings import SourceSettings, WarehouseSettings
from re_dms.source.catalog import describe
from re_dms.source.connection import connect
from re_dms.source.export import under_snapshot
from re_dms.source.publication import plan_publication
from re_dms.source.relations import relation_from_catalog
from re_dms.source.replication import ReplicationConnection
from re_dms.source.watched import look
from re_dms.warehouse.opening import open_warehouse
from source.copies import copy_region, lines_of

_PAD = bytes(64)
_HEADER = struct.Struct("!cqqq")


def frames_of(messages: Sequence[bytes]) -> Frames:
    """Messages in one region, as the reader lays them."""
    lengths = np.array([len(message) for message in messages], dtype=np.int32)
    return Frames(memoryview(b"".join(messages) + _PAD), lengths)


class InProcess:
    """One journal and one DuckDB file behind one slot of `database`."""

    def __init__(self, database: Database, directory: Path, name: str) -> None:
        self.database = database
        self.name = name
        self.source = SourceSettings(dsn=database.dsn, slot=name, publication=name)
        self.sql = connect(self.source, purpose="test")
        self.sql.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
        self.journal = Journal(LocalStore(directory / "journal"))
        self.warehouse_path = directory / "warehouse.duckdb"
        self.warehouse = open_warehouse(WarehouseSettings(url=f"duckdb://{self.warehouse_path}"))
        self.root = Root(
            journal_id=name, pipeline=name, system_identifier="1", timeline=1, database=database.name,
            slot=name, publication=name, created_at="",
        )  # fmt: skip
        self.journal.create_root(self.root)
        self.epoch = self.warehouse.claim(self.root, False, "test")
        self.relations = Relations(self.sql, self.source, name, {})
        self.watcher = Watcher(self.sql, self.source, name, self.relations, seconds=0)
        self.decoder = PgOutputDecoder(self.relations.resolve)
        self.number, self.end = 0, LSN(0)
        self.registry: RegistryRef | None = None
        self.last_commit: Commit | None = None
        self.loaded = 0
        self.incarnation = 0

    def close(self) -> None:
        """Drop the slot, close the session."""
        self.sql.execute("select pg_drop_replication_slot(%s)", [self.name])
        self.sql.close()

    def restart(self) -> None:
        """Capture starts anew, from what the journal knows."""
        self.incarnation += 1
        known = self.journal.read_registry(self.registry) if self.registry is not None else None
        tables, publication = ({}, None) if known is None else (known.tables, known.publication)
        self.relations = Relations(self.sql, self.source, self.name, tables, publication)
        self.decoder = PgOutputDecoder(self.relations.resolve)
        self.watcher = Watcher(self.sql, self.source, self.name, self.relations, seconds=0)

    def look(self) -> None:
        """The catalog watcher looks, as it does at a start and every few seconds."""
        self.watcher.look_if_due(float("inf"))

    def judge(self, passed: LSN) -> None:
        """Everything up to `passed` was captured: what the last look saw counts."""
        found = list(self.watcher.judge(passed))
        if not found:
            return
        batch = self._batch()
        for each in found:
            if each.altered is not None:
                batch.alter(each.relation, each.altered)
            if each.diverged is not None:
                self.relations.diverged(each.relation.oid, each.diverged)
                batch.diverge(each.relation, each.diverged)
        self._seal(batch, "copy", self.end)

    def _batch(self) -> Batch:
        writer = f"writer{self.incarnation}"
        return Batch(
            self.journal, journal_id=self.root.journal_id, writer=writer, number=self.number + 1, compression="zstd"
        )

    def _seal(self, batch: Batch, kind: str, end: LSN) -> None:
        manifest: Manifest = batch.seal(
            kind=kind, start=self.end, end=end, last_commit=self.last_commit, relations=self.relations,
            registry=self.registry,
        )  # fmt: skip
        self.number, self.end, self.registry = manifest.number, end, manifest.registry

    def copy(self, oids: Sequence[int] | None = None) -> None:
        """Copy these tables (all of the publication) under a snapshot of now, as one batch."""
        plan = plan_publication(self.sql, self.source, pipeline=self.name)
        tables = [table for table in plan.tables if oids is None or table.oid in oids]
        batch = self._batch()
        with ReplicationConnection.open(self.source) as connection:
            taken = connection.create_temporary_slot()
            with connect(self.source, purpose="copy") as session, under_snapshot(session, taken.snapshot):
                described = describe(session, [table.oid for table in tables])
                watched = look(session, self.name, described)
                for table in tables:
                    relation = relation_from_catalog(described[table.oid])
                    region = copy_region(session, relation, partitioned=table.partitioned, null=batch.null)
                    ends = [0, *(end for _, _, end in messages(memoryview(region), 0, len(region)))]
                    middle = ends[len(ends) // 2]
                    for part in (region[:middle], region[middle:]):
                        batch.add_copied_lines(lines_of(part, relation, null=batch.null))
                    batch.end_copy(relation, taken.position)
                    self.relations.copied(relation, taken.position, watched[table.oid].watched)
        self._seal(batch, "copy", self.end)

    def capture(self, cuts: Sequence[float], ends: Sequence[float], *, restart: bool = True) -> int:
        """Take all that the slot has; cut it into buffers at `cuts` and into batches at the commits after `ends`, both
        fractions of the messages. Returns the number of messages."""
        rows = self.sql.execute(
            "select lsn::text, data from pg_logical_slot_get_binary_changes(%s, null, null,"
            " 'proto_version', '1', 'publication_names', %s)",
            [self.name, self.name],
        ).fetchall()
        messages = [_HEADER.pack(b"w", LSN.parse(lsn), LSN.parse(lsn), 0) + data for lsn, data in rows]
        count = len(messages)
        if restart:  # every call is a decoding session of its own: relations are announced again
            self.restart()
        borders = {int(cut * count) for cut in cuts} | {0, count}
        wanted = sorted(int(end * count) for end in ends)
        batch: Batch | None = None
        at = 0
        while at < count:
            stop = min(border for border in borders if border > at)
            commit = next(
                (i for i in range(at, stop) if messages[i][25:26] == b"C" and wanted and i >= wanted[0]), None
            )
            if commit is not None:
                stop = commit + 1
            batch = batch or self._batch()
            decoded = self.decoder.decode(frames_of(messages[at:stop]), self.relations.copied_at)
            commits = decoded.commits
            if len(commits):
                self.last_commit = Commit(
                    end=LSN(int(commits.end_lsn[-1])), xid=int(commits.xid[-1]), time_us=int(commits.time_us[-1])
                )
            self.relations.truncated(decoded.truncated_by)
            batch.add(decoded)
            at = stop
            if self.last_commit is not None and messages[at - 1][25:26] == b"C" and (commit is not None or at == count):
                self._seal(batch, "stream", self.last_commit.end)
                batch = None
                wanted = [want for want in wanted if want >= at]
        return count

    def load_and_mend(self) -> set[str]:
        """Load every batch that waits. A table that stops by name is left out from there on, and copied again, as
        `re-dms reset --table` asks for. Returns the names of those that stopped."""
        stopped: dict[int, str] = {}
        while True:
            try:
                self.load()
            except RelationChanged as error:
                manifest = self.journal.manifest(self.loaded + 1)
                assert manifest is not None
                [(oid, name)] = {
                    (table.oid, relation.full_name)
                    for table in manifest.tables
                    for relation in table.relations
                    if error.message.startswith(f"{relation.full_name}:")
                }
                self.warehouse.await_copy(self.root.journal_id, oid)
                stopped[oid] = name
                continue
            if not stopped:
                return set()
            self.copy(sorted(stopped))
            self.load()
            return set(stopped.values())

    def load(self, *, twice: bool = False) -> None:
        """Load every batch that waits; `twice`: each again, which must change nothing."""
        while (manifest := self.journal.manifest(self.loaded + 1)) is not None:
            for repeated in range(2 if twice else 1):
                with self.journal.files(manifest.number, "test") as files:
                    report = self.warehouse.load(
                        manifest, journal_id=self.root.journal_id, pipeline=self.name, epoch=self.epoch, owner="test",
                        files=files,
                    )  # fmt: skip
                assert report.already_done == (repeated == 1)
            self.loaded = manifest.number
