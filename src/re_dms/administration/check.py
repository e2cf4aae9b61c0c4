"""`re-dms check`: source, journal and warehouse, each alone and then together, before anything begins. Changes nothing.

A journal is probed: a random object is put and removed, as at every start.
"""

from __future__ import annotations

from collections.abc import Iterator

from re_dms.administration.places import Connection, connected, require_ours
from re_dms.administration.status import collect
from re_dms.errors import ChangesMissing, ConfigurationError, TargetNotOurs
from re_dms.finding import Finding, asked, error, ok, room
from re_dms.journal.journal import Journal
from re_dms.journal.opening import open_store
from re_dms.manifest import Root
from re_dms.pipeline.plan import refuse_other_history
from re_dms.settings import Settings, SourceSettings, WarehouseSettings
from re_dms.source.preflight.server import check_server, check_slot
from re_dms.source.preflight.tables import check_role, check_tables
from re_dms.source.publication import PublicationPlan
from re_dms.source.slot import read_slot
from re_dms.warehouse.base import Warehouse
from re_dms.warehouse.opening import open_warehouse


def check(settings: Settings) -> list[Finding]:
    """All findings, place by place, in the order in which a start would meet them."""
    plan: list[PublicationPlan] = []
    findings: list[Finding] = []
    if settings.source is not None:
        source = settings.source
        findings += asked("source", "connection", lambda: _source(source, settings.name, plan))
    journal: list[Journal] = []
    findings += asked("journal", "journal", lambda: _journal(settings, journal))
    if settings.warehouse is not None:
        target = settings.warehouse
        findings += asked("warehouse", "warehouse", lambda: _warehouse(target, settings, journal, plan))
    reached = any(finding.name == "version" for finding in findings)
    if settings.source is not None and journal and reached:
        source = settings.source
        findings += asked("together", "history", lambda: _together(source, settings, journal[0]))
    return findings


def exit_code(findings: list[Finding]) -> int:
    """That of the first error; 0 without one."""
    return next((finding.exit_code for finding in findings if finding.state == "error"), 0)


def _source(source: SourceSettings, pipeline: str, plan: list[PublicationPlan]) -> Iterator[Finding]:
    with connected(source, "check") as connection:
        yield from check_server(connection)
        planned, findings = check_tables(connection, source, pipeline)
        yield from check_role(connection, planned)
        yield from findings
        yield from check_slot(connection, source)
    if planned is not None:
        plan.append(planned)


# ---------------------------------------------------------------------------------------------------- the journal


def _journal(settings: Settings, opened: list[Journal]) -> Iterator[Finding]:
    store = open_store(settings.journal)
    journal = Journal(store)
    root = journal.root()
    if root is not None:
        require_ours(root, settings)
        if root.is_replayed and settings.source is not None:
            raise ConfigurationError(
                "replays fill the journal: no slot can",
                remedy="give this pipeline a journal of its own, or leave out --source",
            )
    store.probe()
    opened.append(journal)
    yield ok("journal", "journal", f"{store.url}: {_holds(journal, root)}; create-only puts are honoured")
    path = store.local_path("root.json")
    if path is not None:
        yield room("journal", path.parent)


def _holds(journal: Journal, root: Root | None) -> str:
    if root is None:
        return "nothing there yet"
    numbers = journal.numbers()
    return f"batches {numbers[0]} to {numbers[-1]}" if numbers else "no batch yet"


# ---------------------------------------------------------------------------------------------------- the warehouse


def _warehouse(
    target: WarehouseSettings, settings: Settings, journals: list[Journal], plans: list[PublicationPlan]
) -> Iterator[Finding]:
    warehouse = open_warehouse(target)
    root = journals[0].root() if journals else None
    journal_id = None if root is None else root.journal_id
    yield from warehouse.findings(settings.name, journal_id)
    if plans:
        yield from _targets(warehouse, journal_id, plans[0])


def _targets(warehouse: Warehouse, journal_id: str | None, plan: PublicationPlan) -> Iterator[Finding]:
    """Tables that are there, with rows, and not ours would stop the first load."""
    wanted = {(table.schema, table.name) for table in (*plan.tables, *plan.to_add)}
    taken = warehouse.foreign_targets(journal_id, wanted)
    if taken:
        names = ", ".join(f"{schema}.{name}" for schema, name in taken[:5])
        yield error(
            "warehouse",
            "targets",
            f"{len(taken)} target tables exist with rows, and this pipeline did not make them: {names}",
            "rename or drop them in the warehouse, or exclude the source tables",
            exit_code=TargetNotOurs.exit_code,
        )
    else:
        yield ok("warehouse", "targets", f"no target of the {len(wanted)} tables is somebody else's")


# ---------------------------------------------------------------------------------------------------- together


def _together(source: SourceSettings, settings: Settings, journal: Journal) -> Iterator[Finding]:
    """What a start compares: slot, journal and watermark continue each other."""
    known = journal.known_lsn()
    with connected(source, "check") as connection:
        _refuse(connection, source, journal)
    problems = [] if settings.warehouse is None else list(collect(settings).problems)
    for problem in problems:
        yield error("together", "history", problem, "see `re-dms reset`", exit_code=ChangesMissing.exit_code)
    if not problems:
        yield ok(
            "together",
            "history",
            "slot, journal and warehouse continue each other" if known else "nothing was begun yet",
        )


def _refuse(connection: Connection, source: SourceSettings, journal: Journal) -> None:
    slot, known = read_slot(connection, source.slot, source.plugin), journal.known_lsn()
    if slot is not None and slot.active_pid is not None and known is not None:
        return  # a capture is at work, and has compared them
    refuse_other_history(source, connection, slot, known)
