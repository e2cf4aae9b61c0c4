"""The DuckDB warehouse: the contract of `re_dms.warehouse.base`, over one file that is open only while it is used."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial

from re_dms.errors import ChangesMissing, WarehouseError, WarehouseUnavailable
from re_dms.finding import Finding, ok, room
from re_dms.manifest import Manifest, Root
from re_dms.settings import MIB
from re_dms.warehouse.base import Files, GroupLimits, LoadReport, WarehouseStatus, Watermark, progress_of
from re_dms.warehouse.duckdb import ddl, lease, sql
from re_dms.warehouse.duckdb.connection import WAIT_SECONDS, File, path_of, rows
from re_dms.warehouse.duckdb.load import load_batch
from re_dms.warehouse.duckdb.sql import Target
from re_dms.warehouse.duckdb.state import State, status_of


class DuckDBWarehouse:
    """Every method opens the file, does its work in one transaction, and closes the file.

    All raise WarehouseUnavailable (try again) when another process has the file open for longer than `wait_seconds`,
    and WarehouseError when it is no DuckDB file, damaged, or not to be opened by this user.
    """

    # A load costs 30 ms whatever is in it, a step of one 10 ms; to fold a row costs as much as to load it. A group is
    # loaded in about half a second, so that readers of the file get their turn.
    group: GroupLimits | None = GroupLimits(batches=50, bytes=64 * MIB, rows=250_000, step_rows=4_000)

    def __init__(self, url: str, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.url = url
        self.path = path_of(url)
        self._file = File(self.path, wait_seconds)

    def close(self) -> None:
        """Give back DuckDB's memory; the file is open only while it is used."""
        self._file.close()

    def hold(self) -> AbstractContextManager[lease.Lease]:
        """The lease of the file for one apply process; it beats by itself (see `lease`)."""
        return lease.held(self.path)

    def identity(self) -> str:
        """This file's random id. Makes the file and our schema when they are absent."""
        with self._transaction() as state:
            state.create()
            return state.identity()

    def claim(self, root: Root, journal_has_batches: bool, owner: str) -> int:
        """Take the journal's fence; loads with an earlier epoch are refused from now on. Returns the epoch.

        Raises ChangesMissing when the warehouse holds batches that this journal cannot follow: those of another
        journal of the same pipeline, or its own while the journal is empty.
        """
        with self._transaction() as state:
            state.create()
            for mark in state.watermarks():
                if mark.pipeline == root.pipeline and mark.journal_id != root.journal_id:
                    raise ChangesMissing(
                        f"the warehouse was filled up to batch {mark.batch} from another journal of pipeline "
                        f"{root.pipeline} ({mark.journal_id})",
                        remedy="run `re-dms reset`: everything is copied again",
                    )
                if mark.journal_id == root.journal_id and not journal_has_batches:
                    raise ChangesMissing(
                        f"the journal is empty, and the warehouse holds its batches up to {mark.batch}",
                        remedy="restore the journal, or run `re-dms reset`: everything is copied again",
                    )
            return state.raise_epoch(root.journal_id, owner)

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
        """As the contract says; WarehouseUnavailable (try again) for a conflict or a lost reply."""
        started = time.monotonic()
        load = partial(
            load_batch,
            manifest=manifest,
            journal_id=journal_id,
            pipeline=pipeline,
            epoch=epoch,
            owner=owner,
            files=files,
            after=manifest.number - 1 if after is None else after,
        )
        try:
            report = self._file.run(load)
        except OSError as error:
            raise WarehouseUnavailable(
                f"the load of batch {manifest.number} was cut short ({type(error).__name__})",
                remedy="nothing to do: re-dms reads the watermark and tries again",
            ) from error
        return replace(report, seconds=time.monotonic() - started)

    def watermark(self, journal_id: str) -> Watermark | None:
        """The journal's watermark; None before its first batch. Makes no file."""
        return self.status(journal_id).watermark

    def status(self, journal_id: str) -> WarehouseStatus:
        """What the warehouse knows of one journal. Makes no file."""
        if not self.path.exists():
            return WarehouseStatus(watermark=None, tables=())
        with self._transaction() as state:
            if not state.exists():
                return WarehouseStatus(watermark=None, tables=())
            tables = tuple(status_of(record) for record in state.records(journal_id).values())
            return WarehouseStatus(watermark=state.watermark(journal_id), tables=tables)

    def pipelines(self) -> tuple[Watermark, ...]:
        """The watermarks of all pipelines that load into this file. Makes no file."""
        if not self.path.exists():
            return ()
        with self._transaction() as state:
            return state.watermarks() if state.exists() else ()

    def foreign_targets(self, journal_id: str | None, wanted: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of these (schema, table) those that exist with rows and are no targets of this journal. Makes no file."""
        if not self.path.exists():
            return []
        with self._transaction() as state:
            exists = state.exists()
            records = state.records(journal_id).values() if exists and journal_id is not None else ()
            mine = {(record.schema, record.name) for record in records}
            found = []
            for schema, name in sorted(set(wanted) - mine):
                target = Target(catalog=state.catalog, schema=schema, table=name)
                if ddl.kind_of(state.connection, target) is None or (exists and state.is_released(target)):
                    continue
                if rows(state.connection, f"select 1 from {target.sql} limit 1"):
                    found.append((schema, name))
            return found

    def row_counts(self, journal_id: str) -> dict[int, int]:
        """How many rows each target holds now, by the table's OID. Makes no file."""
        if not self.path.exists():
            return {}
        with self._transaction() as state:
            counts: dict[int, int] = {}
            for record in state.records(journal_id).values() if state.exists() else ():
                target = Target(catalog=state.catalog, schema=record.schema, table=record.name)
                if ddl.kind_of(state.connection, target) is not None:
                    counts[record.oid] = int(rows(state.connection, f"select count(*) from {target.sql}")[0][0])
            return counts

    def findings(self, pipeline: str, journal_id: str | None) -> Iterator[Finding]:
        """Folder, room, and how far the file is. Raises ChangesMissing when another journal filled it."""
        directory = self.path.parent
        if not directory.is_dir():
            raise WarehouseError(f"the folder of {self.path} does not exist", remedy=f"mkdir -p {directory}")
        if not os.access(directory, os.W_OK | os.X_OK):
            raise WarehouseError(f"no permission to write into {directory}", remedy="let this user write there")
        there = progress_of(self.pipelines(), pipeline, journal_id)
        yield ok("warehouse", "warehouse", f"{self.url}: {there if self.path.exists() else 'will be made'}")
        yield room("warehouse", directory)

    def maintain(self, journal_id: str) -> tuple[str, ...]:  # noqa: ARG002 the file needs nothing
        """Nothing: DuckDB's file needs none."""
        return ()

    def await_copy(self, journal_id: str, oid: int, *, cascade: bool = False) -> None:  # noqa: ARG002 views follow by name
        """Leave out all changes of the table until its next copy. Raises WarehouseError for an unknown table."""
        with self._transaction() as state:
            if not state.exists() or not state.await_copy(journal_id, oid):
                raise WarehouseError(
                    f"the warehouse has no table with OID {oid} of this journal",
                    remedy="see `re-dms status` for the tables that it has",
                )

    def forget(self, journal_id: str) -> None:
        """Remove all that is recorded of a journal; its targets stay as they are and are no longer ours."""
        if not self.path.exists():
            return
        with self._transaction() as state:
            if state.exists():
                state.forget(journal_id)

    def reset_all(self, pipeline: str) -> tuple[str, ...]:
        """Empty the targets of all journals of a pipeline and forget them; the next copies may replace them.

        Returns the names of the emptied tables. Loads that are still running find the fence gone.
        """
        if not self.path.exists():
            return ()
        emptied: list[str] = []
        with self._transaction() as state:
            journals = (
                [mark.journal_id for mark in state.watermarks() if mark.pipeline == pipeline] if state.exists() else []
            )
            for journal_id in journals:
                for record in state.records(journal_id).values():
                    target = Target(catalog=state.catalog, schema=record.schema, table=record.name)
                    if record.relation is not None and ddl.kind_of(state.connection, target) == "BASE TABLE":
                        state.connection.execute(sql.delete_all(target))
                        state.release(target)
                        emptied.append(target.full_name)
                state.forget(journal_id)
        return tuple(emptied)

    @contextmanager
    def _transaction(self) -> Iterator[State]:
        """A transaction over our tables: committed at the end of the block, rolled back by an error."""
        with self._file.opened() as connection:
            connection.execute("begin transaction")
            yield State(connection)
            connection.execute("commit")
