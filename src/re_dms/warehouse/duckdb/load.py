"""Protocol line 9: one batch, one warehouse transaction."""

from __future__ import annotations

import duckdb

from re_dms.errors import ChangesMissing, InvariantError, PipelineHeld
from re_dms.failpoints import failpoint
from re_dms.manifest import Manifest
from re_dms.warehouse.base import Files, LoadReport
from re_dms.warehouse.duckdb.merge import Merge
from re_dms.warehouse.duckdb.state import State


def load_batch(
    connection: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    *,
    journal_id: str,
    pipeline: str,
    epoch: int,
    owner: str,
    files: Files,
    after: int,
) -> LoadReport:
    """Load the batch and its watermark, or change nothing. See DuckDBWarehouse.load for what is raised."""
    if manifest.journal_id != journal_id:
        raise InvariantError(f"batch {manifest.number} is of another journal")
    connection.execute("begin transaction")
    state = State(connection)
    # Nobody takes the fence while we hold the file: it is open for one process, and in it for one thread.
    if not state.holds_fence(journal_id, epoch, owner):
        raise PipelineHeld(
            f"another apply took over the pipeline {pipeline}", remedy="nothing to do, unless two are running: stop one"
        )
    failpoint("apply.fenced")
    done, stands_at = state.position(journal_id)
    if done >= manifest.number:
        connection.execute("rollback")
        return LoadReport(batch=manifest.number, already_done=True)
    if done != after:
        raise ChangesMissing(
            f"batches {done + 1} to {after} are missing between the warehouse and batch {after + 1}",
            remedy="run `re-dms reset`: everything is copied again",
        )
    if stands_at is not None and stands_at != manifest.start:
        raise ChangesMissing(
            f"batch {after + 1} begins at {manifest.start}, the warehouse stands at {stands_at}: the journal"
            " has batches of two histories",
            remedy="run `re-dms reset`: everything is copied again",
        )
    merge = Merge(connection, state, manifest, journal_id, files)
    merge.tables()
    state.set_watermark(manifest, journal_id, pipeline)
    failpoint("apply.before_commit")
    connection.execute("commit")
    failpoint("apply.committed")
    return LoadReport(
        batch=manifest.number,
        already_done=False,
        tables=merge.tally.tables,
        rows=merge.tally.rows,
        inserted=merge.tally.inserted,
        skipped=tuple(merge.tally.skipped),
    )
