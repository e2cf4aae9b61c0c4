"""The target that a copy fills: which name it gets, whether it is ours, and how it comes to its relation's shape.

A target is never dropped unless the operator said `--cascade`: it is emptied and altered, so that views on it live on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from re_dms.errors import TargetNotOurs, WarehouseError
from re_dms.schema import Relation
from re_dms.warehouse.redshift import catalog, ddl, sql
from re_dms.warehouse.redshift.catalog import Actual
from re_dms.warehouse.redshift.failures import Refused, failure
from re_dms.warehouse.redshift.names import NAME_BYTES_MAX, Target, column_names, fitting, target_of
from re_dms.warehouse.redshift.records import Record
from re_dms.warehouse.redshift.types import redshift_type

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.design import Design
    from re_dms.warehouse.redshift.drivers import Session
    from re_dms.warehouse.redshift.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An empty target: its names, and the record that gave way to it (None in nearly all cases)."""

    target: Target
    names: dict[int, str]
    gave_way: Record | None = None


class Targets:
    """Finds and shapes the targets of copies, inside the batch's transaction."""

    def __init__(
        self,
        session: Session,
        state: State,
        journal_id: str,
        designs: Sequence[Design],
        records: Mapping[int, Record],
    ) -> None:
        self._session = session
        self._state = state
        self._journal_id = journal_id
        self._designs = designs
        self._records = records  # of this load, as far as it has come

    def prepare(self, relation: Relation, record: Record | None) -> Place:
        """An empty target of the relation's shape. Raises TargetNotOurs when what is there is not ours to empty."""
        ddl.carried(relation)
        target, before, gave_way = self._settle(relation, record)
        known = before.names if before is not None and before.oid == relation.oid else {}
        names = column_names(((column.attnum, column.name) for column in relation.columns), known)
        there = catalog.actual(self._session, [target]).get(target)
        if record is not None and record.relation is not None and record.target != target:
            self._release(record)
        if there is None:
            self._create(target, relation, names)
        elif before is not None and record is not None and record.may_drop:
            self._run(target, relation, ddl.drop_cascade(target))
            self._create(target, relation, names)
        elif before is not None:
            self._empty(target)
            self._shape(target, there, relation, names, before)
        elif (
            not ddl.fits(there, relation, names) or self._has_rows(target) or target in self._state.targets_of_others()
        ):
            raise self._not_ours(target)
        if before is not None and before is not record:
            self._state.forget_released(target)
        return Place(
            target=target, names=names, gave_way=None if gave_way is None else replace(gave_way, relation=None)
        )

    def _settle(self, relation: Relation, record: Record | None) -> tuple[Target, Record | None, Record | None]:
        """The name that the relation's target has or gets, what we know of the table that stands there, and the other
        table that lets go of it, if one does."""
        wanted = target_of(relation.schema, relation.name)
        if record is not None and record.relation is not None:
            same = (record.relation.schema, record.relation.name) == (relation.schema, relation.name)
            if same:
                return record.target, record, None
        number = 1
        target = wanted
        while (holder := self._holder(target)) is not None and holder.oid != relation.oid:
            assert holder.relation is not None
            if (holder.relation.schema, holder.relation.name) != (relation.schema, relation.name) and not (
                holder.awaiting_copy
            ):
                # Two source names that Redshift takes for one: the later gets a number, which is recorded.
                number += 1
                target = Target(schema=wanted.schema, table=fitting(f"{wanted.table[:120]}_{number}", ()))
                continue
            if not holder.awaiting_copy:
                raise WarehouseError(
                    f"{target.full_name} is the target of another source table (OID {holder.oid}) that had this name",
                    remedy=f"run `re-dms reset` so that OID {holder.oid} is forgotten and every table copied again",
                )
            # Names were swapped or passed on: the other waits for a copy, and lets go of this one.
            return target, holder, holder
        return target, holder or self._state.released(target), None

    def _holder(self, target: Target) -> Record | None:
        """The table of this journal whose target this is now."""
        for record in self._records.values():
            if record.relation is not None and record.target == target:
                return record
        recorded = self._state.holder(self._journal_id, target)
        return None if recorded is None or recorded.oid in self._records else recorded

    def _create(self, target: Target, relation: Relation, names: Mapping[int, str]) -> None:
        if target.schema not in catalog.schemas(self._session):
            self._run(target, relation, ddl.create_schema(target))
        self._run(target, relation, ddl.create(target, relation, names, self._designs))

    def _shape(
        self, target: Target, there: Actual, relation: Relation, names: Mapping[int, str], before: Record
    ) -> None:
        """Alter the emptied target. Columns that are neither the relation's nor were ours are the users' own."""
        wanted = {names[column.attnum]: column for column in relation.columns}
        stale = [
            name
            for name, column in there.columns.items()
            if (name in wanted and not ddl.can_stay(column.type, redshift_type(wanted[name].type)))
            or (name not in wanted and name in before.names.values())
        ]
        missing = [name for name in wanted if name not in there.columns]
        # What is new comes before what is old goes: a table has at least one column at any time.
        for name in stale:
            if name in wanted:
                old = f"re_dms_old_{name}"[:NAME_BYTES_MAX]
                self._run(target, relation, ddl.rename_column(target, name, old))
                missing.append(name)
        for name in missing:
            self._run(target, relation, *ddl.add_column(target, replace(wanted[name], missing=None), names))
        for name in stale:
            self._run(
                target,
                relation,
                ddl.drop_column(target, f"re_dms_old_{name}"[:NAME_BYTES_MAX] if name in wanted else name),
            )

    def _empty(self, target: Target) -> None:
        self._session.execute(sql.delete_all(target))

    def _release(self, record: Record) -> None:
        """The source table was renamed: its old target is emptied, and free for whoever has that name next."""
        if record.target in catalog.actual(self._session, [record.target]):
            self._empty(record.target)
            self._state.save("", [record])

    def _not_ours(self, target: Target) -> TargetNotOurs:
        with suppress(Refused):  # another pipeline's tables may not be ours to read
            if target in self._state.targets_of_others():
                return TargetNotOurs(
                    f"{target.full_name} is filled by another pipeline",
                    remedy="exclude the table in one of the two pipelines, or give them two warehouses",
                )
        return TargetNotOurs(
            f"{target.full_name} is already in the warehouse, and this pipeline did not make it",
            remedy=f"rename or drop {target.full_name} in the warehouse, or exclude the source table",
        )

    def _has_rows(self, target: Target) -> bool:
        return bool(self._session.execute(sql.any_row(target)).rows)

    def _run(self, target: Target, relation: Relation, *statements: str) -> None:
        run_ddl(self._session, target, relation, statements)


def run_ddl(session: Session, target: Target, relation: Relation, statements: Sequence[str]) -> None:
    """Run DDL on a target. What depends on a column is named, with what to do about it."""
    for statement in statements:
        try:
            session.execute(statement)
        except Refused as refused:
            if refused.refusal.sqlstate != "2BP01":
                raise failure(refused.refusal, doing=f"altering {target.full_name}") from None
            session.execute("rollback")
            views = ", ".join(catalog.views_on(session, target)) or "something"
            raise WarehouseError(
                f"{target.full_name} cannot be altered as {relation.full_name} was: {views} depends on it",
                remedy=f"alter or drop {views}; or run `re-dms reset --table {relation.full_name} --cascade`, which drops "
                "the table with all that depends on it and copies it again",
            ) from None
