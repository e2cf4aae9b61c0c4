"""One table's part of a load: its DDL, its copies, its staged changes. Inside the load's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, assert_never

from re_dms.errors import ChangesMissing, InvariantError, RelationChanged, WarehouseError
from re_dms.failpoints import failpoint
from re_dms.manifest import Altered, Changes, Copy, Diverged, Manifest, TableChanges, Truncate
from re_dms.schema import DropColumn, KeyKind, Relation
from re_dms.warehouse.redshift import ddl, sql
from re_dms.warehouse.redshift.names import column_names
from re_dms.warehouse.redshift.records import Record
from re_dms.warehouse.redshift.sql import Staged
from re_dms.warehouse.redshift.stage import Stage
from re_dms.warehouse.redshift.targets import Targets, run_ddl

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session

_OPS: Final = {KeyKind.KEYED: set("UPD"), KeyKind.COUNTED: set("I"), KeyKind.APPEND: set("I")}


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the load has done so far."""

    tables: int = 0
    rows: int = 0
    inserted: int = 0
    skipped: list[str] = field(default_factory=list)


class Merge:
    """Applies the tables of one load, one after the other, in the order of their targets' names."""

    def __init__(
        self,
        session: Session,
        manifest: Manifest,
        records: dict[int, Record],
        stages: Mapping[tuple[int, int], Stage],
        targets: Targets,
        fit: Callable[[Relation], Relation],
    ) -> None:
        self._session = session
        self._manifest = manifest
        self._records = records
        self._stages = stages
        self._targets = targets
        self._fit = fit  # constants of added columns, as Redshift can hold them
        self.changed: dict[int, Record] = {}
        self.tally = Tally()

    def tables(self) -> None:
        """Apply all tables of the load; `changed` has the records to save. Always the same order: no deadlocks."""
        for changes in sorted(self._manifest.tables, key=self._place):
            before = self._records.get(changes.oid)
            after = self._table(changes, before)
            if after is not None and after != before:
                self.changed[changes.oid] = self._records[changes.oid] = after

    def _place(self, changes: TableChanges) -> tuple[str, str]:
        record = self._records.get(changes.oid)
        if record is not None:
            return record.target.schema, record.target.table
        return changes.relations[0].schema, changes.relations[0].name

    def _table(self, changes: TableChanges, record: Record | None) -> Record | None:
        """Apply all steps of one table. Returns its record as it is now; None when there is nothing to record."""
        applied = False
        for number, step in enumerate(changes.steps):
            relation = changes.relations[step.relation]
            stage = self._stages.get((changes.oid, number))
            if isinstance(step, Copy):
                record, applied = self._copy(relation, step, stage, record), True
                continue
            if record is None:
                raise ChangesMissing(
                    f"{relation.full_name}: batch {self._manifest.number} changes it, and the warehouse has no copy of it",
                    remedy=ddl.copy_again(relation),
                )
            if record.awaiting_copy or record.relation is None:
                continue
            record, applied = self._follow(record, relation), True
            match step:
                case Truncate():
                    self._session.execute(sql.delete_all(record.target))
                case Changes():
                    self._changes(record, relation, stage)
                case Altered():
                    pass  # the target has followed
                case Diverged():
                    raise RelationChanged(f"{relation.full_name}: {step.reason}", remedy=ddl.copy_again(relation))
                case _:
                    assert_never(step)
        if record is not None and applied:
            self.tally.tables += 1
            last = self._manifest.last_commit
            return record.counted(changes.counts, None if last is None else last.time_us)
        if record is not None:
            self.tally.skipped.append(record.target.full_name)
        return record

    def _follow(self, record: Record, relation: Relation) -> Record:
        """Give the target the shape of the step's relation."""
        if record.relation is None or record.relation == relation:
            return record
        ddl.carried(relation)
        names = column_names(((column.attnum, column.name) for column in relation.columns), record.names)
        statements: list[str] = []
        for change in ddl.follow(record.relation, self._fit(relation)):
            if isinstance(change, DropColumn):
                statements.append(ddl.drop_column(record.target, record.names[change.column.attnum]))
            else:
                statements += ddl.add_column(record.target, change.column, names)
        run_ddl(self._session, record.target, relation, statements)
        return replace(record, relation=relation, names=names)

    # -- copies ----------------------------------------------------------------------------------------------------

    def _copy(self, relation: Relation, step: Copy, stage: Stage | None, record: Record | None) -> Record:
        place = self._targets.prepare(relation, record)
        if place.gave_way is not None:
            self.changed[place.gave_way.oid] = self._records[place.gave_way.oid] = place.gave_way
        fresh = Record(oid=relation.oid, target=place.target, relation=relation, names=place.names)
        record = replace(
            record or fresh,
            target=place.target,
            names=place.names,
            relation=relation,
            copied_at=step.position,
            awaiting_copy=False,
            may_drop=False,
        )
        if stage is not None:
            staged = self._staged(record, relation, stage)
            self._count(staged, stage, {"I"})
            self._insert(staged, "I", stage.prepared.rows)
        failpoint("apply.merged")
        return record

    # -- changes ---------------------------------------------------------------------------------------------------

    def _changes(self, record: Record, relation: Relation, stage: Stage | None) -> None:
        if stage is None:
            raise InvariantError(f"{relation.full_name}: a step of batch {self._manifest.number} was not staged")
        staged = self._staged(record, relation, stage)
        masks, moves = self._count(staged, stage, _OPS[relation.key_kind])
        ops = stage.prepared.ops
        if relation.key_kind is KeyKind.KEYED:
            partial = sum(masks.values())
            if ops.get("D") or ops.get("U") or moves:
                self._session.execute(sql.delete_touched(staged, moves=bool(moves)))
            if moves:
                self._updated(relation, sql.move(staged), moves)
            for mask, count in masks.items():
                self._updated(relation, sql.fill(staged, mask), count)
            if ops.get("U"):
                self._insert(staged, "U", ops["U"])
            self.tally.inserted += partial
        else:
            self._insert(staged, "I", ops.get("I", 0))
        failpoint("apply.merged")

    def _staged(self, record: Record, relation: Relation, stage: Stage) -> Staged:
        return Staged(
            target=record.target, relation=relation, names=record.names, table=stage.table, odd=stage.prepared.odd
        )

    def _count(self, staged: Staged, stage: Stage, allowed: set[str]) -> tuple[dict[str, int], int]:
        """The staging table holds what the manifest says. Returns the partial rows per mask, and how many move."""
        partial = "mask" in stage.prepared.files[0].columns
        ops: dict[str, int] = {}
        masks: dict[str, int] = {}
        moves = 0
        for op, mask, count, moved in self._session.execute(sql.count_staged(staged, partial=partial)).rows:
            ops[op] = ops.get(op, 0) + int(count)
            if op == "P":
                masks[mask] = int(count)
                moves += int(moved)
        self.tally.rows += sum(ops.values())
        if ops != stage.prepared.ops or not set(ops) <= allowed:
            raise InvariantError(
                f"{staged.relation.full_name}: {stage.prepared.files[0].key} holds ops {ops}, its manifest says "
                f"{stage.prepared.ops}, its identity is {staged.relation.key_kind.value}"
            )
        return dict(sorted(masks.items())), moves

    def _updated(self, relation: Relation, statement: str, expected: int) -> None:
        really = self._session.execute(statement).count
        if really < expected:
            raise WarehouseError(
                f"{relation.full_name}: a partial row whose target row is missing ({expected - really} of {expected}); "
                f"batch {self._manifest.number}",
                remedy=ddl.copy_again(relation),
            )
        self._counted(relation, "rows updated", really, expected)

    def _insert(self, staged: Staged, op: str, expected: int) -> None:
        inserted = self._session.execute(sql.insert(staged, op)).count
        self._counted(staged.relation, "rows inserted", inserted, expected)
        self.tally.inserted += inserted

    def _counted(self, relation: Relation, what: str, really: int, expected: int) -> None:
        if really != expected:
            raise WarehouseError(
                f"{relation.full_name}: {what}: {really} instead of {expected}; batch {self._manifest.number} was rolled "
                "back",
                remedy=f"see whether somebody else writes to the target; then {ddl.copy_again(relation)}",
            )
