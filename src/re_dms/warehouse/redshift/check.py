"""What `re-dms check` says of a Redshift warehouse: reached, its settings and rights, and advice. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from re_dms.finding import Finding, error, ok, warning
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.base import progress_of
from re_dms.warehouse.redshift import catalog, state
from re_dms.warehouse.redshift.ddl import SCHEMA, STAGE_SCHEMA
from re_dms.warehouse.redshift.failures import Refused, failure, printable
from re_dms.warehouse.redshift.maintenance import advice
from re_dms.warehouse.redshift.names import Target, literal, quote
from re_dms.warehouse.redshift.state import State

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session

PLACE: Final = "warehouse"
_OWNED: Final = f"let the user that made the tables of {SCHEMA} be the one of warehouse.url, or make it their owner"
_ADVICE_SHOWN_MAX: Final = 20
_VERSION: Final = re.compile(r"\bRedshift (\S+)")


def findings(
    session: Session, settings: WarehouseSettings, url: str, pipeline: str, journal_id: str | None
) -> Iterator[Finding]:
    """All findings of the warehouse alone. Raises ChangesMissing when another journal filled it."""
    pipelines = state.pipelines(session)
    user = str(session.execute("select current_user").rows[0][0])
    yield _server(session, user)
    yield _rights(session, user)
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
    yield _load_errors(session, user)
    if pipeline in pipelines and journal_id is not None:
        records = State(session, pipeline).records(journal_id).values()
        targets = [record.target for record in records if record.relation is not None]
        yield _ownership(session, user, targets)
        yield _advice(session, user, targets)


def _server(session: Session, user: str) -> Finding:
    version = _VERSION.search(str(session.execute("select version()").rows[0][0]))
    who = f"connected as {printable(user)}"
    if version is None:
        mend = "correct host and port of warehouse.url"
        return error(PLACE, "redshift", f"{who}; the server does not say that it is Redshift", mend, exit_code=5)
    return ok(PLACE, "redshift", f"{who}; Redshift {printable(version[1])}")


def _rights(session: Session, user: str) -> Finding:
    """Our schemas are there and ours to use, or may be made; those of new targets are made as well."""
    database = bool(session.execute("select has_database_privilege(current_database(), 'create')").rows[0][0])
    have = catalog.schemas(session)
    missing, mend = [], []
    for schema in (SCHEMA, STAGE_SCHEMA):
        if _is_usable(session, schema) if schema in have else database:
            continue
        missing.append(schema)
        if schema not in have:
            mend.append(f"create schema {schema};")
        mend.append(f"grant usage, create on schema {schema} to {quote(user)};")
    if missing:
        return error(
            PLACE,
            "warehouse_rights",
            f"this user may not make tables in {' and '.join(missing)}, or the schemas themselves",
            " ".join(mend),
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


def _is_usable(session: Session, schema: str) -> bool:
    name = literal(schema)
    rows = session.execute(f"select has_schema_privilege({name}, 'usage'), has_schema_privilege({name}, 'create')").rows
    return all(rows[0])


def _ownership(session: Session, user: str, targets: Collection[Target]) -> Finding:
    """ALTER, VACUUM and ANALYZE are the owner's, or a superuser's."""
    rows = session.execute(f"select usesuper from pg_user where usename = {literal(user)}").rows
    fine = ok(PLACE, "target_ownership", f"{len(targets)} targets are there, and this user may alter them")
    if not targets or (rows and rows[0][0]):
        return fine
    schemas = ", ".join(literal(schema) for schema in sorted({target.schema for target in targets}))
    tables = session.execute(
        f"select schemaname, tablename, tableowner from pg_tables where schemaname in ({schemas})"
    ).rows
    owners = {Target(schema=schema, table=table): owner for schema, table, owner in tables}
    others = [target for target in sorted(targets) if owners.get(target, user) != user]
    if not others:
        return fine
    shown = others[:_ADVICE_SHOWN_MAX]
    return error(
        PLACE,
        "target_ownership",
        f"{len(others)} targets are not this user's: {printable(', '.join(target.full_name for target in shown))}",
        " ".join(f"alter table {target.sql} owner to {quote(user)};" for target in shown),
        exit_code=5,
    )


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


def _load_errors(session: Session, user: str) -> Finding:
    try:
        session.execute("select 1 from sys_load_error_detail limit 1")
    except Refused:
        return warning(
            PLACE,
            "load_errors",
            "this user cannot read sys_load_error_detail: a value that COPY refuses could not be named",
            f"grant select on sys_load_error_detail to {quote(user)};",
        )
    return ok(PLACE, "load_errors", "why a COPY is refused can be read")


def _advice(session: Session, user: str, targets: Collection[Target]) -> Finding:
    try:
        found = advice(session, targets)
    except Refused:
        return warning(
            PLACE,
            "maintenance",
            "svv_table_info cannot be read: no advice about VACUUM and ANALYZE, and no warehouse.maintain",
            f"grant select on svv_table_info to {quote(user)};",
        )
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
