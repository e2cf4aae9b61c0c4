"""One table's part of a batch: its DDL, its copies, its folded changes. Inside the batch's transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, assert_never

import duckdb

from re_dms.errors import ChangesMissing, InvariantError, RelationChanged, TargetNotOurs, WarehouseError
from re_dms.failpoints import failpoint
from re_dms.manifest import Altered, Changes, Copy, DataFile, Diverged, Manifest, TableChanges, Truncate
from re_dms.schema import KeyKind, Relation
from re_dms.warehouse.base import Files
from re_dms.warehouse.duckdb import ddl, sql
from re_dms.warehouse.duckdb.connection import BAD_VALUE, changed, rows
from re_dms.warehouse.duckdb.diagnose import bad_value
from re_dms.warehouse.duckdb.sql import Target
from re_dms.warehouse.duckdb.state import Record, State

_OPS: Final = {KeyKind.KEYED: set("UPD"), KeyKind.COUNTED: set("IX"), KeyKind.APPEND: set("I")}


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the load has done so far."""

    tables: int = 0
    rows: int = 0
    inserted: int = 0
    skipped: list[str] = field(default_factory=list)


class Merge:
    """Applies the tables of one batch, one after the other."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, state: State, manifest: Manifest, journal_id: str, files: Files
    ) -> None:
        self._connection = connection
        self._state = state
        self._manifest = manifest
        self._journal_id = journal_id
        self._files = files
        for oid in manifest.dropped_tables:
            state.forget_table(journal_id, oid)
        self._records = state.records(journal_id, [changes.oid for changes in manifest.tables])
        self.tally = Tally()

    def tables(self) -> None:
        """Apply all tables of the batch, and record what they are now."""
        for changes in self._manifest.tables:
            before = self._records.get(changes.oid)
            after = self._table(changes, before)
            if after is not None and after != before:
                self._state.save(self._journal_id, after, before)

    def _table(self, changes: TableChanges, record: Record | None) -> Record | None:
        """Apply all steps of one table. Returns its record as it is now; None when there is nothing to record."""
        applied, compared = False, False
        for step in changes.steps:
            relation = changes.relations[step.relation]
            if isinstance(step, Copy):
                record = self._copy(relation, changes.oid, step, record)
                compared = applied = True
                continue
            if record is None:
                raise ChangesMissing(
                    f"{relation.full_name}: batch {self._manifest.number} changes it, and the warehouse has no copy of it",
                    remedy=ddl.copy_again(relation),
                )
            if record.awaiting_copy or record.relation is None:
                continue
            if not compared:
                ddl.compare(self._connection, self._target(record.relation), record.relation)
                compared = True
            record = self._follow(record, relation)
            applied = True
            match step:
                case Truncate():
                    changed(self._connection, sql.delete_all(self._target(relation)))
                case Changes():
                    self._changes(relation, step)
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
            self.tally.skipped.append(f"{record.schema}.{record.name}")
        return record

    def _target(self, relation: Relation) -> Target:
        return Target(catalog=self._state.catalog, schema=relation.schema, table=relation.name)

    def _follow(self, record: Record, relation: Relation) -> Record:
        """Give the target the shape of the step's relation."""
        if record.relation is None or record.relation == relation:
            return record
        ddl.carried(relation)
        target = self._target(record.relation)
        for statement in ddl.statements(target, record.relation, relation):
            try:
                self._connection.execute(statement)
            except BAD_VALUE:
                raise WarehouseError(
                    f"{relation.full_name}: the constant that older rows hold in a new column does not fit its type",
                    remedy=ddl.copy_again(relation),
                ) from None
        return replace(record, relation=relation)

    # -- copies --------------------------------------------------------------------------------------------------

    def _copy(self, relation: Relation, oid: int, step: Copy, record: Record | None) -> Record:
        target = self._prepare(relation, oid, record)
        for file in step.files:
            path = self._files.fetch(file)
            source, expressions = sql.read_file(path, file), self._values(relation, file)
            try:
                inserted = changed(self._connection, sql.insert_file(target, relation, source, expressions))
            except BAD_VALUE:
                raise bad_value(self._manifest, relation, file, path) from None
            self._counted(relation, f"rows of {file.key}", inserted, file.rows)
            self.tally.rows += inserted
            self.tally.inserted += inserted
            failpoint("apply.staged")
        failpoint("apply.merged")
        fresh = Record(oid=oid, schema=relation.schema, name=relation.name, relation=relation)
        return replace(
            record or fresh,
            relation=relation,
            schema=relation.schema,
            name=relation.name,
            copied_at=step.position,
            awaiting_copy=False,
        )

    def _prepare(self, relation: Relation, oid: int, record: Record | None) -> Target:
        """An empty target of the relation's shape. Raises TargetNotOurs when what is there is not ours to empty."""
        ddl.carried(relation)
        target = self._target(relation)
        self._settle_name(target, oid)
        ours = self._state.take_released(target)
        if record is not None and record.relation is not None:
            before = self._target(record.relation)
            if before.sql == target.sql:
                ours = True
            else:
                self._connection.execute(ddl.drop(before))
        kind = ddl.kind_of(self._connection, target)
        if kind is not None and self._fits(kind, target, relation):
            if ours:
                changed(self._connection, sql.delete_all(target))
                return target
            if not rows(self._connection, f"select 1 from {target.sql} limit 1"):
                return target
        if kind is not None and not ours:
            raise TargetNotOurs(
                f"{target.full_name} is already in the warehouse, and this pipeline did not make it",
                remedy=f"rename or drop {target.full_name} in the warehouse, or exclude the source table",
            )
        self._connection.execute(ddl.drop(target))
        for statement in ddl.create(target, relation):
            self._connection.execute(statement)
        return target

    def _fits(self, kind: str, target: Target, relation: Relation) -> bool:
        return kind == "BASE TABLE" and ddl.shape(self._connection, target) == ddl.shape_of(relation)

    def _settle_name(self, target: Target, oid: int) -> None:
        """No two source tables may share a target: neither by case nor between pipelines."""
        for journal_id, other, schema, table, awaiting in self._state.same_named(target):
            if journal_id != self._journal_id:
                raise TargetNotOurs(
                    f"{target.full_name} is filled by another pipeline",
                    remedy="exclude the table in one of the two pipelines, or give them two warehouses",
                )
            if other == oid:
                continue
            if (schema, table) != (target.schema, target.table):
                raise WarehouseError(
                    f"source tables {schema}.{table} and {target.full_name} differ only by case, "
                    "and DuckDB takes them for one",
                    remedy="exclude one of the two tables, or rename it in the source",
                )
            if not awaiting:
                raise WarehouseError(
                    f"{target.full_name} is the target of another source table (OID {other}) that had this name",
                    remedy=f"run `re-dms reset` so that OID {other} is forgotten and every table copied again",
                )
            # Names were swapped or passed on: the other table waits for a copy of its own and lets go of this target.
            owner = self._state.records(journal_id, [other])[other]
            self._records[other] = replace(owner, relation=None)
            self._state.save(journal_id, self._records[other])
            self._connection.execute(ddl.drop(target))

    # -- changes -------------------------------------------------------------------------------------------------

    def _changes(self, relation: Relation, step: Changes) -> None:
        self._stage(relation, step)
        target = self._target(relation)
        match relation.key_kind:
            case KeyKind.KEYED:
                self._merge_keyed(target, relation, step)
            case KeyKind.COUNTED:
                self._merge_counted(target, relation, step)
            case KeyKind.APPEND:
                self._insert(relation, sql.insert_staged(target, relation, ["I"]), step.ops.get("I", 0))
            case _:
                assert_never(relation.key_kind)
        self._connection.execute(sql.unstage())
        failpoint("apply.merged")

    def _stage(self, relation: Relation, step: Changes) -> None:
        for number, file in enumerate(step.files):
            path = self._files.fetch(file)
            source, fill = sql.read_file(path, file), sql.stage_more if number else sql.stage
            try:
                staged = changed(self._connection, fill(source, self._values(relation, file)))
            except BAD_VALUE:
                raise bad_value(self._manifest, relation, file, path) from None
            self._counted(relation, f"rows of {file.key}", staged, file.rows)
            self.tally.rows += staged
        ops = dict(rows(self._connection, sql.count_ops()))
        expected = {op: count for op, count in step.ops.items() if count}
        if ops != expected or not set(ops) <= _OPS[relation.key_kind]:
            raise InvariantError(
                f"{relation.full_name}: {step.files[0].key} holds ops {ops}, its manifest says {expected}, "
                f"its identity is {relation.key_kind.value}"
            )
        failpoint("apply.staged")

    def _merge_keyed(self, target: Target, relation: Relation, step: Changes) -> None:
        partials = step.ops.get("P", 0)
        if partials:
            completed = 0
            for (mask,) in rows(self._connection, sql.masks()):
                completed += changed(self._connection, sql.complete(target, relation, mask))
            if completed != partials:
                raise WarehouseError(
                    f"{relation.full_name}: a partial row whose target row is missing ({partials - completed} of "
                    f"{partials}); batch {self._manifest.number}",
                    remedy=ddl.copy_again(relation),
                )
        self._connection.execute(sql.delete_touched(target, relation))
        self._insert(relation, sql.insert_staged(target, relation, ["U", "P"]), step.ops.get("U", 0) + partials)

    def _merge_counted(self, target: Target, relation: Relation, step: Changes) -> None:
        if step.ops.get("X"):
            self._connection.execute(sql.match_counted(target, relation))
            enough, found, kept = rows(self._connection, sql.count_matches())[0]
            if enough != step.ops["X"]:
                raise WarehouseError(
                    f"{relation.full_name}: {step.ops['X'] - enough} rows to delete are missing in the target; "
                    f"batch {self._manifest.number}",
                    remedy=ddl.copy_again(relation),
                )
            deleted = changed(self._connection, sql.delete_counted(target, relation))
            self._counted(relation, "rows deleted", deleted, int(found))
            self._counted(
                relation, "rows kept", changed(self._connection, sql.insert_kept(target, relation)), int(kept)
            )
            self._connection.execute(f"drop table {sql.MATCHES}")
        copies = int(rows(self._connection, sql.sum_copies("I"))[0][0])
        self._insert(relation, sql.insert_counted(target, relation), copies)

    def _insert(self, relation: Relation, statement: str, expected: int) -> None:
        inserted = changed(self._connection, statement)
        self._counted(relation, "rows inserted", inserted, expected)
        self.tally.inserted += inserted

    def _values(self, relation: Relation, file: DataFile) -> dict[str, str]:
        """The file's fields as SQL, once it is certain that they are the relation's."""
        have = {name for name in file.columns if name[0] == "c"}
        known = {f"c{column.attnum}" for column in relation.columns}
        keys = {f"f{attnum}" for attnum in relation.key}
        if have != known or not set(file.columns) - have - keys <= {"op", "n", "mask"}:
            raise InvariantError(f"{relation.full_name}: {file.key} does not have the columns of its relation")
        return sql.values(relation, file)

    def _counted(self, relation: Relation, what: str, really: int, expected: int) -> None:
        if really != expected:
            raise WarehouseError(
                f"{relation.full_name}: {what}: {really} instead of {expected}; batch {self._manifest.number} was rolled back",
                remedy="see whether the journal's data files are whole",
            )
