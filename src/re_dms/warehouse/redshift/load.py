"""Protocol line 9: one load, one transaction, with everything staged before it begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from re_dms.errors import ChangesMissing, InvariantError, PipelineHeld, WarehouseError
from re_dms.failpoints import failpoint
from re_dms.manifest import Changes, Copy, Manifest
from re_dms.schema import Relation
from re_dms.warehouse.base import Files, LoadReport
from re_dms.warehouse.redshift import catalog, ddl, sql
from re_dms.warehouse.redshift.failures import Refused
from re_dms.warehouse.redshift.merge import Merge
from re_dms.warehouse.redshift.names import column_names
from re_dms.warehouse.redshift.records import Record
from re_dms.warehouse.redshift.stage import Job, Stage, Staging, drop, leftovers
from re_dms.warehouse.redshift.state import ALTERED, Standing, State
from re_dms.warehouse.redshift.targets import Targets

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.design import Design
    from re_dms.warehouse.redshift.drivers import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load of a manifest: check, stage, merge, commit, clean up."""

    session: Session
    state: State
    manifest: Manifest
    journal_id: str
    epoch: int
    owner: str
    files: Files
    after: int
    staging: Staging
    designs: Sequence[Design]
    is_first: bool
    """Whether staging tables of this epoch may be left over from a load that failed."""

    def run(self) -> tuple[LoadReport, bool]:
        """Load it, or change nothing. See `Warehouse.load` for what is raised; after an error the session has to be closed,
        which rolls back. The second value tells whether no staging table of this epoch is left behind."""
        if self.manifest.journal_id != self.journal_id:
            raise InvariantError(f"batch {self.manifest.number} is of another journal")
        if self._is_done(self._standing()):
            return LoadReport(batch=self.manifest.number, already_done=True), not self.is_first
        if self.is_first:
            # Never those of a later epoch: it may be at work already.
            drop(self.session, leftovers(self.session, self.state.pipeline, epoch_below=self.epoch + 1))
        records = self.state.records(self.journal_id, self._oids())
        self._check_targets(records)
        try:
            stages = self.staging.stage(self._jobs(records))
        except WarehouseError as error:
            if not error.retry:
                self._standing()  # another apply's claim drops our staging tables: then that is what to tell
            raise
        return self._apply(stages)

    # -- before the transaction ------------------------------------------------------------------------------------

    def _oids(self) -> list[int]:
        return [changes.oid for changes in self.manifest.tables]

    def _jobs(self, records: dict[int, Record]) -> list[Job]:
        """The steps that have files, less those that a table which awaits its copy leaves out."""
        jobs = []
        for changes in self.manifest.tables:
            record = records.get(changes.oid)
            waits = record is not None and (record.awaiting_copy or record.relation is None)
            for number, step in enumerate(changes.steps):
                waits = waits and not isinstance(step, Copy)
                if isinstance(step, Changes | Copy) and step.files and not waits:
                    ddl.carried(changes.relations[step.relation])
                    self._check_fields(changes.relations[step.relation], step)
                    jobs.append(Job(relation=changes.relations[step.relation], step=step, number=number))
        return jobs

    @staticmethod
    def _check_fields(relation: Relation, step: Changes | Copy) -> None:
        """The files' fields are the relation's."""
        known = {f"c{column.attnum}" for column in relation.columns}
        more = {f"f{attnum}" for attnum in relation.key} | {"op", "n", "mask"}
        for file in step.files:
            have = set(file.columns)
            if {name for name in have if name[0] == "c"} != known or not have - known <= more:
                raise InvariantError(f"{relation.full_name}: {file.key} does not have the columns of its relation")

    def _check_targets(self, records: dict[int, Record]) -> None:
        """Nobody altered them; VARCHARs that are too narrow are widened, which Redshift does outside of transactions."""
        changed = {changes.oid: changes for changes in self.manifest.tables}
        used = {oid: record for oid, record in records.items() if record.relation is not None}
        there = catalog.actual(self.session, [record.target for record in used.values()])
        for oid, record in used.items():
            assert record.relation is not None
            actual = there.get(record.target)
            if not record.awaiting_copy and not isinstance(changed[oid].steps[0], Copy):
                ddl.compare(record.target, actual, record.relation, record.names)
            if actual is not None:
                last = changed[oid].relations[-1]
                names = column_names(((column.attnum, column.name) for column in last.columns), record.names)
                for statement in ddl.widenings(record.target, actual, last, names):
                    with suppress_same_size():
                        self.session.execute(statement)

    # -- the transaction -------------------------------------------------------------------------------------------

    def _apply(self, stages: dict[tuple[int, int], Stage]) -> tuple[LoadReport, bool]:
        altered = self._altered(stages)
        self.session.execute("begin")
        self.state.lock()
        failpoint("apply.fenced")
        standing = self._standing()
        if self._is_done(standing):
            self.session.execute("rollback")
            return LoadReport(batch=self.manifest.number, already_done=True), False
        self.state.forget_tables(self.journal_id, self.manifest.dropped_tables)
        records = self.state.records(self.journal_id, self._oids())
        targets = Targets(self.session, self.state, self.journal_id, self.designs, records)
        merge = Merge(self.session, self.manifest, records, stages, targets, self._fit)
        merge.tables()
        if merge.changed:
            self.state.save(self.journal_id, list(merge.changed.values()))
        for statement in altered:
            self.session.execute(statement)
        self.state.set_watermark(self.manifest, self.journal_id, first=standing.watermark is None)
        failpoint("apply.before_commit")
        self.session.execute("commit")
        failpoint("apply.committed")
        report = LoadReport(
            batch=self.manifest.number,
            already_done=False,
            tables=merge.tally.tables,
            rows=merge.tally.rows,
            inserted=merge.tally.inserted,
            skipped=tuple(merge.tally.skipped),
            altered=sum(
                0 if stage.prepared.altered is None else stage.prepared.altered.height for stage in stages.values()
            ),
        )
        return report, self._clean_up(stages)

    def _fit(self, relation: Relation) -> Relation:
        """The relation with constants of added columns that its targets can hold. Raises ValueDoesNotFit."""
        from re_dms.warehouse.redshift.adapt import constants

        return constants(relation, self.staging.policies, batch_words=self.staging.batch_words)

    def _clean_up(self, stages: dict[tuple[int, int], Stage]) -> bool:
        """Drop the staging tables. Whether that was done: a refusal is no failure of the load, the next one comes by again."""
        try:
            drop(self.session, [stage.table for stage in stages.values()])
        except Refused:
            return False
        return True

    def _standing(self) -> Standing:
        """Fence and watermark. Raises PipelineHeld when the fence is another's."""
        standing = self.state.standing(self.journal_id)
        if (standing.epoch, standing.owner) != (self.epoch, self.owner):
            raise held(self.state.pipeline)
        return standing

    def _is_done(self, standing: Standing) -> bool:
        """Whether the warehouse has the batch. Raises ChangesMissing for a gap."""
        done = 0 if standing.watermark is None else standing.watermark.batch
        if done >= self.manifest.number:
            return True
        reset = "run `re-dms reset`: everything is copied again"
        if done != self.after:
            raise ChangesMissing(
                f"batches {done + 1} to {self.after} are missing between the warehouse and batch {self.after + 1}",
                remedy=reset,
            )
        if standing.watermark is not None and standing.watermark.lsn != self.manifest.start:
            raise ChangesMissing(
                f"batch {self.after + 1} begins at {self.manifest.start}, the warehouse stands at "
                f"{standing.watermark.lsn}: the journal has batches of two histories",
                remedy=reset,
            )
        return False

    def _altered(self, stages: dict[tuple[int, int], Stage]) -> list[str]:
        """COPY of what policies changed into `altered_values`: a file of its own, put before the transaction."""
        tables = {changes.oid: changes for changes in self.manifest.tables}
        frames = [
            (tables[oid].relations[0], stage.prepared.altered)
            for (oid, _), stage in stages.items()
            if stage.prepared.altered is not None
        ]
        if not frames:
            return []
        import json

        import polars as pl

        common = {"pipeline": self.state.pipeline, "batch": str(self.manifest.number), "lsn": str(self.manifest.end)}
        rows = pl.concat(
            frame.select(
                *(pl.lit(value).alias(name) for name, value in common.items()),
                pl.lit(relation.schema).alias("schema_name"),
                pl.lit(relation.name).alias("table_name"),
                pl.col("column").alias("column_name"),
                pl.col("key").alias("key_values"),
                "reason",
                "policy",
            )
            for relation, frame in frames
        )
        file = self.files.write(rows, "altered")
        entries = [{"url": self.files.url(file.key), "mandatory": True}]
        key = self.files.put("altered.manifest", json.dumps({"entries": entries}).encode())
        return [sql.copy(ALTERED.sql, self.files.url(key), file, self.staging.iam_role, self.files.region)]


@contextmanager
def suppress_same_size() -> Iterator[None]:
    """Widening a column that is wide already, by a load before us, is no error."""
    try:
        yield
    except Refused as refused:
        if "target column size should be different" not in (refused.refusal.message or ""):
            raise


def held(pipeline: str) -> PipelineHeld:
    """Another apply has taken the fence."""
    return PipelineHeld(
        f"another apply took over the pipeline {pipeline}", remedy="nothing to do, unless two are running: stop one"
    )
