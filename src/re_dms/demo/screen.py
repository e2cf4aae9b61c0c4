"""What the demo shows: a story in lines, a live view of the figures below it, and a table at the end."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from re_dms.demo.events import Heard
from re_dms.demo.facts import KINDS, Facts, Kill, TableFacts

_REFRESHES_PER_SECOND: Final = 4
_PLAIN_LINE_SECONDS: Final = 5.0
_PLAIN_WIDTH: Final = 120
_TIME_WIDTH: Final = 7


class Screen:
    """Lines that stay, and below them, on a terminal, a line of figures that moves; elsewhere a plain line at times."""

    def __init__(self, console: Console) -> None:
        if not console.is_terminal:
            console.width = _PLAIN_WIDTH
        self.console = console
        self.heard = Heard()
        self._began = time.monotonic()
        self._doing = ""
        self._until: float | None = None
        self._next_plain = 0.0
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            console=console, get_renderable=self._view, refresh_per_second=_REFRESHES_PER_SECOND, transient=True
        )

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def say(self, text: str, *, style: str = "") -> None:
        """A line that stays, behind the time."""
        moment = f"{self.seconds:5.1f} s"
        if not self.console.is_terminal:
            self.console.print(f"{moment}  {text}", markup=False, soft_wrap=True)
            return
        grid = Table.grid(padding=(0, 1))
        grid.add_column(style="dim", no_wrap=True, width=_TIME_WIDTH)
        grid.add_column(style=style)
        grid.add_row(moment, escape(text))
        self.console.print(grid)

    def doing(self, text: str, *, seconds: float | None = None) -> None:
        """What goes on now, for `seconds` if that is known; shown by the moving line."""
        self._doing = text
        self._until = None if seconds is None else time.monotonic() + seconds
        self._next_plain = time.monotonic() + _PLAIN_LINE_SECONDS

    def tick(self) -> None:
        """To be called a few times a second: elsewhere than on a terminal, the plain line when it is time."""
        if not self.console.is_terminal and time.monotonic() >= self._next_plain:
            self._next_plain = time.monotonic() + _PLAIN_LINE_SECONDS
            self.say(f"{self._doing}{self._left()}: {self._figures()}")

    def _view(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(justify="right", width=_TIME_WIDTH)
        grid.add_column()
        grid.add_row(self._spinner, Text(f"{self._doing}{self._left()}", style="cyan"))
        if self.heard.batches:
            grid.add_row("", Text(self._figures(), style="bold"))
        return grid

    def _left(self) -> str:
        if self._until is None:
            return ""
        return f" ({max(0.0, self._until - time.monotonic()):.0f} s to go)"

    def _figures(self) -> str:
        heard = self.heard
        # While customers are busy there always is a newer commit: the warehouse is as far behind as what it shows is old.
        seconds = heard.behind_seconds() if self._until is not None else (heard.lag_ms or 0) / 1000
        lag = "-" if seconds is None else f"{seconds:.1f} s"
        return (
            f"{heard.rows:,} rows, {heard.rows_per_second():,.0f} rows/s, lag {lag}, "
            f"{heard.batches:,} {_plural(heard.batches, 'batch', 'batches')}"
        )

    # ------------------------------------------------------------------ the end

    def findings(self, facts: Facts) -> None:
        """The table, and what it means."""
        self.console.print()
        self.console.print(_table(facts))
        for text, style in _sentences(facts):
            self.console.print(Text(text, style=style))


def _table(facts: Facts) -> Table:
    table = Table(
        title=f"What arrived in {facts.warehouse_name}, and how many rows both sides have",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,  # narrow enough for 80 columns
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("table", no_wrap=True)
    for heading in ("copied", *KINDS[:-1], "trunc.", "source", "target"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("equal")
    for each in facts.tables:
        comparison = each.comparison
        table.add_row(
            escape(each.name.removeprefix("public.")),
            f"{each.copied:,}",
            *(_count(arrived, committed) for arrived, committed in zip(each.arrived, each.committed, strict=True)),
            f"{comparison.source_rows:,}",
            f"{comparison.target_rows:,}",
            _verdict(each),
        )
    return table


def _count(arrived: int, committed: int) -> str:
    if arrived == committed:
        return f"{arrived:,}"
    return f"[bold red]{arrived:,} of {committed:,}[/]"


def _verdict(table: TableFacts) -> str:
    comparison = table.comparison
    if comparison.problem:
        return f"[bold red]{escape(comparison.problem)}[/]"
    if not comparison.equal:
        return f"[bold red]{comparison.missing:,} missing, {comparison.surplus:,} surplus[/]"
    return "[green]yes[/]" if table.good else "[bold red]counts differ[/]"


def _sentences(facts: Facts) -> list[tuple[str, str]]:
    rows = sum(table.comparison.source_rows for table in facts.tables)
    changes = sum(sum(table.arrived) for table in facts.tables)
    said = []
    if facts.good:
        equal = f"Equal: {len(facts.tables)} tables, {rows:,} rows, every one compared."
        said.append((f"{equal} Exactly once: {changes:,} changes committed, {changes:,} arrived.", "bold green"))
    else:
        said.append((f"NOT as it must be: {', '.join(facts.differing) or 'no table arrived'}.", "bold red"))
    if facts.lag_p50_ms is not None and facts.lag_p99_ms is not None:
        lag = f"p50 {facts.lag_p50_ms / 1000:.2f} s, p99 {facts.lag_p99_ms / 1000:.2f} s, the crash included"
        of = f"{facts.transactions:,} transactions in {facts.batches:,} batches"
        why = "a batch closes after 1 s, see `re-dms run --flush-seconds`"
        said.append((f"Lag from commit in Postgres to visible in {facts.warehouse_name}: {lag} ({of}; {why}).", ""))
    said.extend((f"The crash: {kill_in_words(kill)}", "") for kill in facts.kills)
    return said


def kill_in_words(kill: Kill) -> str:
    """What the kill did, and why nothing is lost."""
    if kill.was_inside:
        first = kill.watermark + 1
        loading = f"batch {kill.batch} was" if first == kill.batch else f"batches {first} to {kill.batch} were"
        return (
            f"every process of the pipeline was killed (SIGKILL) while {loading} being loaded. The warehouse still stood "
            f"at batch {kill.watermark}: rows and watermark are written in one transaction. Started again, the pipeline "
            f"went on from its journal and streamed on {kill.seconds_until_streaming:.1f} s later."
        )
    return (
        f"every process of the pipeline was killed (SIGKILL) as batch {kill.batch} had just been committed together with "
        f"its watermark; started again, it went on with the next one."
    )


def _plural(number: int, one: str, many: str) -> str:
    return one if number == 1 else many
