"""All targets of a pipeline, or of the warehouse: counted, looked for, emptied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from re_dms.warehouse.redshift import catalog, sql, state
from re_dms.warehouse.redshift.connections import transaction
from re_dms.warehouse.redshift.names import Target, target_of
from re_dms.warehouse.redshift.records import Record
from re_dms.warehouse.redshift.stage import drop, leftovers
from re_dms.warehouse.redshift.state import State

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session


def row_counts(session: Session, records: Sequence[Record]) -> dict[int, int]:
    """How many rows each target holds now, by the table's OID; targets that are not there are left out."""
    there = catalog.actual(session, [record.target for record in records])
    return {
        record.oid: int(session.execute(sql.count_rows(record.target)).rows[0][0])
        for record in records
        if record.target in there
    }


def foreign(session: Session, mine: Collection[Target], wanted: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of these source (schema, table) those whose target exists with rows, and is none of `mine` nor left by a reset."""
    released = {
        record.target for name in state.pipelines(session) for record in State(session, name).records("").values()
    }
    places = {pair: target_of(*pair) for pair in sorted(wanted)}
    there = catalog.actual(session, set(places.values()) - set(mine) - released)
    return [pair for pair, target in places.items() if target in there and session.execute(sql.any_row(target)).rows]


def reset_all(session: Session, pipeline: str) -> list[str]:
    """Empty the targets of all journals of a pipeline and forget them; they are recorded as ours to replace.

    Returns the emptied targets' names.
    """
    if pipeline not in state.pipelines(session):
        return []
    mine = State(session, pipeline)
    emptied: list[Record] = []
    drop(session, leftovers(session, pipeline))
    with transaction(session):
        mine.lock()
        for mark in state.watermarks(session, [pipeline]):
            records = [record for record in mine.records(mark.journal_id).values() if record.relation is not None]
            there = catalog.actual(session, [record.target for record in records])
            for record in records:
                if record.target in there and there[record.target].is_table:
                    session.execute(sql.delete_all(record.target))
                    mine.forget_released(record.target)
                    emptied.append(record)
            mine.forget(mark.journal_id)
        mine.save("", emptied)
    return sorted(record.target.full_name for record in emptied)
