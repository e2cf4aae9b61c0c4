"""The demo's story, step by step: fill, copy, stream, crash, go on, drain, catch up, compare."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psycopg

from localpg import LocalPostgres
from re_dms.demo.compare import compare_all
from re_dms.demo.customers import Done
from re_dms.demo.facts import Facts, Kill, gather
from re_dms.demo.load import Load
from re_dms.demo.place import Place
from re_dms.demo.runner import Pipeline
from re_dms.demo.screen import Screen
from re_dms.demo.shop import TABLES, Sizes, create
from re_dms.errors import ReDmsError

_THREADS: Final = 2
_PAUSE_SECONDS: Final = 0.01
_POLL_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 120.0
_DRAIN_SECONDS_MAX: Final = 60.0
_TRUNCATE_AT: Final = 0.4
_KILL_AT: Final = 0.5
_KILLS_MAX: Final = 3
_DRAINED: Final = 143  # 128 + SIGTERM


class Story:
    """Plays over a running, empty server. `close` ends what runs, wherever the story stands."""

    def __init__(
        self, screen: Screen, server: LocalPostgres, place: Place, directory: Path, *, scale: float, seconds: float
    ) -> None:
        self.screen = screen
        self.server = server
        self.place = place
        self.sizes = Sizes.at(scale, body_bytes=place.body_bytes)
        self.seconds = seconds
        self.patience = _PATIENCE_SECONDS * max(1.0, scale)
        self.pipeline = Pipeline(server.dsn(), place, directory)
        self.load = Load(server.dsn(), self.sizes, threads=_THREADS, pause_seconds=_PAUSE_SECONDS)
        self.kills: list[Kill] = []
        screen.heard = self.pipeline.heard

    def play(self, kept: Path | None) -> Facts:
        """Everything, in order. Raises ReDmsError when a step fails; rows that differ are no error but a finding."""
        with _refusals_in_words():
            self._fill()
            self._copy()
            self._busy_hours()
            committed = self._close_shop()
            self._drain()
            self._catch_up()
            return self._compare(committed, kept)

    def close(self) -> None:
        """End load and pipeline at once."""
        with contextlib.suppress(Exception):
            self.load.stop()
        self.pipeline.kill()

    # ------------------------------------------------------------------ the steps

    def _fill(self) -> None:
        self.screen.doing("a shop is made and filled")
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            create(connection, self.sizes)
            counts = " + ".join(f'(select count(*) from "{table}")' for table in TABLES)
            row = connection.execute(f"select {counts}".encode()).fetchone()
        self.screen.say(
            f"A shop is in it: {len(TABLES)} tables, {row[0] if row else 0:,} rows; composite and uuid keys, "
            f'documents of {self.sizes.body_bytes // 1000} kB, a table called "Order" with a column called "select".'
        )

    def _copy(self) -> None:
        self.screen.say(
            "`re-dms run` starts: it makes a publication and a replication slot, and copies every table as it was at "
            "one moment. Customers need not wait for that."
        )
        self.screen.doing("tables are copied")
        self.pipeline.start()
        self._wait(lambda: self.pipeline.heard.streaming, "the first copy")
        self.screen.say(
            "Copied. Now it streams: Postgres sends every commit, the pipeline writes batches into its journal and loads "
            f"each into {self.place.name} in one transaction. Only what is in the journal may go from Postgres's own log."
        )

    def _busy_hours(self) -> None:
        self.screen.say(
            f"Customers come in: {_THREADS} connections insert, update, delete, change and swap keys, roll back, "
            f"for {self.seconds:g} s."
        )
        self.screen.doing("customers are busy", seconds=self.seconds)
        began = time.monotonic()
        self.load.start()
        self._wait_until(began + self.seconds * _TRUNCATE_AT)
        self.load.truncate_soon()
        self.screen.say("TRUNCATE carts: it keeps its place between the other changes.")
        self._wait_until(began + self.seconds * _KILL_AT)
        while not any(kill.was_inside for kill in self.kills) and len(self.kills) < _KILLS_MAX:
            self._crash()
        self._wait_until(began + self.seconds)

    def _crash(self) -> None:
        """SIGKILL inside a batch, and a new start."""
        pipeline = self.pipeline
        killed = pipeline.kill_in_next_batch()
        self._wait(killed.done, "the next batch", may_end=True)
        began = time.monotonic()
        pipeline.wait_until_gone()
        batch, batches = killed.result(), pipeline.heard.batches
        watermark = self.place.watermark()
        self.screen.say(
            f"SIGKILL! All processes of the pipeline are gone, in the middle of loading batch {batch}. "
            "The customers do not notice, and go on.",
            style="bold yellow",
        )
        self.screen.say(
            f"Nothing is lost: the warehouse stands at batch {watermark}, whole; the journal has the batches after it, "
            "and Postgres keeps everything after those. It is simply started again."
        )
        pipeline.start()
        self._wait(lambda: pipeline.heard.streaming, "the new start")
        seconds = time.monotonic() - began
        self.kills.append(Kill(batch=batch, watermark=watermark, seconds_until_streaming=seconds))
        self.screen.say(f"It streams again, {seconds:.1f} s after the crash.")
        self._wait(lambda: pipeline.heard.batches > batches, "the first batch after the crash")

    def _close_shop(self) -> Done:
        committed = self.load.stop()
        deadlocks = f", {self.load.conflicts} of them ended by a deadlock" if self.load.conflicts else ""
        self.screen.say(
            f"The customers have left: {self.load.transactions:,} transactions{deadlocks}; "
            f"{committed.total():,} changes were committed."
        )
        return committed

    def _drain(self) -> None:
        self.screen.say("SIGTERM asks the pipeline to leave; it loads what it has received first.")
        self.screen.doing("the pipeline drains")
        self.pipeline.ask_to_drain()
        self._wait(lambda: self.pipeline.exit_code is not None, "the drain", may_end=True, seconds=_DRAIN_SECONDS_MAX)
        self.pipeline.wait_until_gone()
        if self.pipeline.exit_code != _DRAINED:
            raise self.pipeline.failure()

    def _catch_up(self) -> None:
        self.screen.doing("the last changes arrive")
        self.pipeline.start("--until-caught-up", "--json")
        self._wait(lambda: self.pipeline.exit_code is not None, "catching up", may_end=True)
        self.pipeline.wait_until_gone()
        if self.pipeline.exit_code != 0:
            raise self.pipeline.failure()
        self.screen.say(
            "`re-dms run --until-caught-up` ended with 0: all that Postgres had committed when it started is in the "
            "warehouse."
        )

    def _compare(self, committed: Done, kept: Path | None) -> Facts:
        self.screen.doing("every row is compared, in SQL on both sides")
        with self.place.opened() as side:
            comparisons, counts = compare_all(self.server.dsn(), side), side.counts()
        heard = self.pipeline.heard
        return Facts(
            tables=gather(counts, comparisons, committed),
            kills=tuple(self.kills),
            batches=heard.batches,
            transactions=heard.transactions,
            lag_p50_ms=heard.lag_quantile_ms(0.5),
            lag_p99_ms=heard.lag_quantile_ms(0.99),
            postgres=".".join(map(str, self.server.version)),
            warehouse=self.place.kind,
            warehouse_name=self.place.name,
            seconds=self.screen.seconds,
            kept=kept,
        )

    # ------------------------------------------------------------------ waiting

    def _wait_until(self, moment: float) -> None:
        self._wait(lambda: time.monotonic() >= moment, "the load", seconds=self.seconds + _PATIENCE_SECONDS)

    def _wait(
        self, is_done: Callable[[], bool], what: str, *, may_end: bool = False, seconds: float | None = None
    ) -> None:
        """Until it is done. Raises when the pipeline ends before (unless it `may_end`), the load fails, or time is up."""
        deadline = time.monotonic() + (self.patience if seconds is None else seconds)
        told = len(self.pipeline.heard.restarts)
        while not is_done():
            if self.load.failure is not None:
                raise self.load.failure
            if self.pipeline.exit_code is not None and not is_done() and not (may_end and _settles(is_done)):
                raise self.pipeline.failure()
            if time.monotonic() > deadline:
                raise ReDmsError(
                    f"{what} takes longer than the demo waits", remedy="is the machine very busy? try again"
                )
            for reason in self.pipeline.heard.restarts[told:]:
                told += 1
                self.screen.say(f"The pipeline starts a part of itself again: {reason}", style="yellow")
            self.screen.tick()
            time.sleep(_POLL_SECONDS)


def _settles(is_done: Callable[[], bool]) -> bool:
    """Whether the end of the process leads to what is waited for: the thread that reads its log may come later."""
    deadline = time.monotonic() + 1.0
    while not is_done() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return is_done()


@contextlib.contextmanager
def _refusals_in_words() -> Iterator[None]:
    """Errors of the demo's own sessions, without the texts that may quote a value."""
    try:
        yield
    except psycopg.Error as error:
        state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        raise ReDmsError(
            f"the demo's own Postgres refused a statement of the demo: {type(error).__name__}{state}",
            remedy="run it again with --keep DIR and read postgres/server.log there",
        ) from error
