"""COPY inside a session: the rows go to the backend, what was refused to the load-error views.

Source: AWS Database Developer Guide, "COPY" (r_COPY) and "STL_LOAD_ERRORS".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from redshift_standin.copy.load import Loaded, LoadFailed, TargetColumn, load
from redshift_standin.copy.target import file_columns
from redshift_standin.errors import RedshiftError, not_yet
from redshift_standin.names import quote
from redshift_standin.session.columns import columns_of
from redshift_standin.session.context import Context, Outcome, Relation, Told
from redshift_standin.sql.statements import Copy


def copy(context: Context, statement: Copy) -> Outcome:
    """COPY … FROM 's3://…': all of it or nothing."""
    table = context.relation(statement.table)
    targets = file_columns(statement, [each.target for each in columns_of(context, table)])
    if context.settings["timezone"].upper() not in ("UTC", "GMT") and any(
        "with time zone" in t.type.name for t in targets
    ):
        raise not_yet("COPY of times with a zone while the session's TimeZone is not UTC")
    number = context.world.next_query()
    context.last_copy_count, context.last_copy_id = 0, number
    with context.writing(table):
        try:
            loaded = _load(context, statement, table, targets)
        except LoadFailed as failed:
            context.world.record_errors(number, context.backend.pid, table.oid, failed.errors)
            raise RedshiftError(
                "XX000", f"Load into table '{table.name}' failed.  Check 'stl_load_errors' system table for details."
            ) from None
    context.world.record_errors(number, context.backend.pid, table.oid, loaded.errors)
    context.world.record_files(number, loaded.files)
    context.last_copy_count = 0 if statement.no_load else loaded.rows
    return Outcome("COPY", told=tuple(_told(table.name, loaded)))


def _told(name: str, loaded: Loaded) -> list[Told]:
    told = [Told("INFO", f"Load into table '{name}' completed, {loaded.rows} record(s) loaded successfully.")]
    if loaded.errors:
        text = f"{len(loaded.errors)} record(s) could not be loaded.  Check 'stl_load_errors' system table for details."
        told.append(Told("INFO", f"Load into table '{name}' completed, {text}"))
    return told


def _load(context: Context, statement: Copy, table: Relation, targets: Sequence[TargetColumn]) -> Loaded:
    source = context.world.source
    names = ", ".join(quote(each.name) for each in targets)
    # COPY keeps identities as they are given; the check constraints stay, though the rows have passed narrower ones.
    sql = f"copy {table.quoted} ({names}) from stdin"
    fault = _fault(context, table.name)
    if statement.no_load:
        return load(statement, targets, source, lambda _chunk: None, fault=fault, evaluate=_evaluate(context))
    evaluate = _evaluate(context)
    known = {each.default: evaluate(each.default) for each in targets if each.default is not None and each.not_null}
    with context.backend.copy_in(sql) as sink:
        return load(statement, targets, source, sink, fault=fault, evaluate=lambda default: known[default])


def _evaluate(context: Context) -> Callable[[str], str | None]:
    def evaluate(default: str) -> str | None:
        return context.backend.fetch(f"select ({default})::text")[0][0]

    return evaluate


def _fault(context: Context, table: str) -> Callable[[int], int | None] | None:
    due = context.world.faults.due("copy", table)
    return {order.row: order.code for order in due}.get if due else None
