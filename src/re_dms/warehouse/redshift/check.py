"""What `re-dms check` says of a Redshift warehouse: reached, its settings and rights, and advice. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from re_dms.finding import Finding, error, ok, warning
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.base import progress_of
from re_dms.warehouse.redshift import catalog, state
from re_dms.warehouse.redshift.ddl import SCHEMA, STAGE_SCHEMA
from re_dms.warehouse.redshift.failures import Refused, failure
from re_dms.warehouse.redshift.maintenance import advice
from re_dms.warehouse.redshift.names import literal
from re_dms.warehouse.redshift.state import State

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session

PLACE: Final = "warehouse"
_OWNED: Final = f"let the user that made the tables of {SCHEMA} be the one of warehouse.url, or make it their owner"
_ADVICE_SHOWN_MAX: Final = 20


def findings(
    session: Session, settings: WarehouseSettings, url: str, pipeline: str, journal_id: str | None
) -> Iterator[Finding]:
    """All findings of the warehouse alone. Raises ChangesMissing when another journal filled it."""
    pipelines = state.pipelines(session)
    yield _rights(session)
    yield _role(settings)
    try:
        marks = state.watermarks(session, [pipeline] if pipeline in pipelines else [])
    except Refused as refused:
        yield error(
            PLACE,
            "warehouse",
            failure(refused.refusal, doing=f"{url}: reading its watermark").message,
            _OWNED,
            exit_code=5,
        )
        return
    yield ok(PLACE, "warehouse", f"{url}: {progress_of(marks, pipeline, journal_id)}")
    yield _isolation(session)
    yield _load_errors(session)
    if pipeline in pipelines and journal_id is not None:
        yield _advice(session, State(session, pipeline), journal_id)


def _rights(session: Session) -> Finding:
    """Our schemas are there and ours to use, or may be made; those of new targets are made as well."""
    database = bool(session.execute("select has_database_privilege(current_database(), 'create')").rows[0][0])
    missing = []
    for schema in (SCHEMA, STAGE_SCHEMA):
        if schema not in catalog.schemas(session):
            if not database:
                missing.append(schema)
        elif not session.execute(f"select has_schema_privilege({literal(schema)}, 'create')").rows[0][0]:
            missing.append(schema)
    if missing:
        return error(
            PLACE,
            "warehouse_rights",
            f"this user may not make tables in {' and '.join(missing)}, or the schemas themselves",
            "; ".join(f"create schema {schema} authorization <this user>" for schema in missing),
            exit_code=5,
        )
    if not database:
        return warning(
            PLACE,
            "warehouse_rights",
            "this user may not make schemas: a source schema that the warehouse has not got will stop the copy",
            "make the schemas of the targets for this user, or grant create on database … to this user",
        )
    return ok(PLACE, "warehouse_rights", "this user may make schemas and tables")


def _role(settings: WarehouseSettings) -> Finding:
    if settings.iam_role == "default":
        return warning(
            PLACE,
            "iam_role",
            "COPY will use the warehouse's default IAM role; there may be none",
            "set warehouse.iam_role to the ARN of a role that is attached to the warehouse and may read the journal",
        )
    return ok(
        PLACE, "iam_role", "COPY reads the journal with the IAM role that is configured; whether it may shows at a load"
    )


def _isolation(session: Session) -> Finding:
    try:
        rows = session.execute(
            "select isolation_level from stv_db_isolation_level where db_name = current_database()"
        ).rows
    except Refused:
        rows = []
    level = str(rows[0][0]).strip().lower() if rows else "unknown"
    return ok(
        PLACE, "isolation", f"isolation level {level}: loads are right under either; serializable may ask for retries"
    )


def _load_errors(session: Session) -> Finding:
    try:
        session.execute("select 1 from sys_load_error_detail limit 1")
    except Refused:
        return warning(
            PLACE,
            "load_errors",
            "this user cannot read sys_load_error_detail: a value that COPY refuses could not be named",
            "grant select on sys_load_error_detail to this user, or grant role sys:monitor to it",
        )
    return ok(PLACE, "load_errors", "why a COPY is refused can be read")


def _advice(session: Session, mine: State, journal_id: str) -> Finding:
    targets = [record.target for record in mine.records(journal_id).values() if record.relation is not None]
    try:
        found = advice(session, targets)
    except Refused:
        return ok(PLACE, "maintenance", "svv_table_info cannot be read: no advice about VACUUM and ANALYZE")
    if not found:
        return ok(PLACE, "maintenance", f"nothing to vacuum or analyze among {len(targets)} targets")
    reasons = ", ".join(f"{each.target.full_name}: {each.reason}" for each in found[:_ADVICE_SHOWN_MAX])
    more = "" if len(found) <= _ADVICE_SHOWN_MAX else f", and {len(found) - _ADVICE_SHOWN_MAX} more"
    return warning(
        PLACE,
        "maintenance",
        f"{reasons}{more}",
        "; ".join(each.statement for each in found[:_ADVICE_SHOWN_MAX]) + "; or set warehouse.maintain",
    )
