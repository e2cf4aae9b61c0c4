"""A `Status` for people: a few lines and a table, with rich."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from re_dms.observe.heartbeat import bytes_text, seconds_text
from re_dms.observe.status import JournalStatus, SourceStatus, Status, TableStatus, WarehouseStatus

_WIDE: Final = 1000


def show(status: Status, console: Console) -> None:
    """Print the status. On no terminal nothing is wrapped, cut or coloured: lines are what `grep` expects."""
    if console.is_terminal:
        console.print(status_table(status))
        return
    wide = Console(file=StringIO(), width=_WIDE, highlight=False, color_system=None)
    with wide.capture() as captured:
        wide.print(status_table(status))
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def status_table(status: Status) -> RenderableType:
    """The three durable places, the tables, and what is wrong."""
    places = Table(box=None, show_header=False, pad_edge=False)
    places.add_column(style="bold", no_wrap=True)
    places.add_column()
    places.add_row("pipeline", escape(_pipeline(status)))
    places.add_row("source", escape(_source(status.source)))
    places.add_row("journal", escape(_journal(status.journal)))
    places.add_row("warehouse", escape(_warehouse(status.warehouse, status.taken_at)))
    parts: list[RenderableType] = [places]
    if status.tables:
        parts.extend(("", _tables(status)))
    parts.extend(f"[bold red]problem[/]    {escape(problem)}" for problem in status.problems)
    return Group(*parts)


def _pipeline(status: Status) -> str:
    lag = [text for text in (seconds_text(status.lag_seconds), bytes_text(status.lag_bytes)) if text]
    behind = f"lag {', '.join(lag)}" if lag else "lag not known"
    return f"{status.pipeline}: {behind}; consistency {status.consistency}"


def _source(source: SourceStatus | None) -> str:
    if source is None:
        return "not known here"
    if not source.exists:
        return f"slot {source.slot} does not exist"
    state = "" if source.state in (None, "reserved") else f", {source.state}"
    words = [
        f"slot {source.slot} ({'in use' if source.active else 'not in use'}{state})",
        f"confirmed {source.confirmed} of {source.server}" if source.confirmed is not None else "",
        f"{bytes_text(source.lag_bytes)} behind" if source.lag_bytes is not None else "",
        f"{bytes_text(source.retained_bytes)} of WAL retained" if source.retained_bytes is not None else "",
    ]
    return ", ".join(word for word in words if word)


def _journal(journal: JournalStatus | None) -> str:
    if journal is None:
        return "not known here"
    if not journal.exists:
        return f"{journal.url}: nothing there yet"
    tail = f"batch {journal.tail_batch} up to {journal.tail_lsn}" if journal.tail_batch else "no batch yet"
    waiting = f", {journal.batches_waiting:,} waiting" if journal.batches_waiting is not None else ""
    return f"{journal.url}: {tail}{waiting}"


def _warehouse(warehouse: WarehouseStatus | None, now: datetime) -> str:
    if warehouse is None:
        return "not known here"
    if not warehouse.exists:
        return f"{warehouse.url}: nothing applied yet"
    applied = f"batch {warehouse.batch} up to {warehouse.lsn}"
    return f"{warehouse.url}: {applied}{_ago(warehouse.applied_at, now, before=', applied ')}"


def _tables(status: Status) -> Table:
    table = Table(pad_edge=False, box=None, header_style="bold")
    table.add_column("table", overflow="fold")
    for name in ("rows", "inserts", "updates", "deletes"):
        table.add_column(name, justify="right")
    table.add_column("last change", justify="right")
    table.add_column("")
    for entry in status.tables:
        table.add_row(*_cells(entry, status.taken_at))
    return table


def _cells(entry: TableStatus, now: datetime) -> Iterator[str]:
    yield escape(entry.name)
    yield "?" if entry.rows is None else f"{entry.rows:,}"
    yield from (f"{count:,}" for count in (entry.inserts, entry.updates, entry.deletes))
    yield _ago(entry.last_change, now)
    yield (
        "awaiting its copy" if entry.awaiting_copy else f"diverged: {escape(entry.diverged)}" if entry.diverged else ""
    )


def _ago(moment: datetime | None, now: datetime, *, before: str = "") -> str:
    if moment is None:
        return ""
    return f"{before}{seconds_text(max(0.0, (now - moment).total_seconds()))} ago"
