"""`re-dms demo` behind the command line: what it needs, what it leaves behind, and how it ends."""

from __future__ import annotations

import json as encoder
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click
from rich.console import Console

from localpg import LocalPostgres, PostgresNotFound, PostgresNotStarted
from localpg.account import Account
from localpg.binaries import cached_copy_of
from re_dms.demo.duckdb_place import DuckDBPlace
from re_dms.demo.facts import Facts
from re_dms.demo.place import Place
from re_dms.demo.screen import Screen
from re_dms.demo.story import Story
from re_dms.errors import ConfigurationError

DEFAULT_SECONDS: Final = 20.0
_ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


def run(
    *,
    scale: float = 1.0,
    seconds: float | None = None,
    keep: Path | None = None,
    json: bool = False,
    pg_bin: Path | None = None,
    warehouse: str = DuckDBPlace.kind,
) -> int:
    """Play the demo into a warehouse of this kind, duckdb or redshift-standin. Returns 0 when every row is equal and every change arrived exactly once, else 1.

    `seconds` is how long the load runs. Everything is temporary, unless `keep` names a new directory for it. With
    `json` standard output gets one line of JSON and the story goes to standard error. Raises ConfigurationError
    without a Postgres or a part of the stand-in, or with a used directory, ReDmsError when a step fails. KeyboardInterrupt and the SystemExit of
    SIGTERM leave no process and no directory behind, and neither does SIGKILL; save a cached copy of Postgres's
    programs, made when root has them in a place that only root may enter.
    """
    keep = None if keep is None else _new_directory(keep)
    console = Console(stderr=json, highlight=False, soft_wrap=False)
    with _ending_politely(), Screen(console) as screen:
        facts, server, left = _play(
            screen, warehouse, scale=scale, seconds=seconds or DEFAULT_SECONDS, keep=keep, pg_bin=pg_bin
        )
    for line in _kept_in_words(keep, server, left):
        console.print(line, markup=False, soft_wrap=True)
    if json:
        click.echo(encoder.dumps(facts.as_json()))
    return 0 if facts.good else 1


def _play(
    screen: Screen, warehouse: str, *, scale: float, seconds: float, keep: Path | None, pg_bin: Path | None
) -> tuple[Facts, LocalPostgres, list[tuple[str, str]]]:
    """The story on servers of its own, and what is left of the warehouse; all is ended when this returns or raises."""
    story = place = None
    left: list[tuple[str, str]] = []
    try:
        server = _server(keep, pg_bin)
        try:
            # In the server's directory, which its keeper removes even when we are killed.
            directory = server.directory / "shop" if keep is None else keep
            place = _place(warehouse, directory, pg_bin)
            for line in place.introduce():
                screen.say(line)
            screen.doing("Postgres starts")
            server.start()
            screen.say(f"Postgres {'.'.join(map(str, server.version))} runs, for this demo only.")
            directory.mkdir(exist_ok=True)
            screen.doing("the warehouse starts")
            place.start()
            story = Story(screen, server, place, directory, scale=scale, seconds=seconds)
            facts = story.play(keep)
            screen.findings(facts)
            left = [] if keep is None else place.keep()
        finally:
            # A second Ctrl-C must not leave anything half ended.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            screen.doing("everything is ended" if keep is not None else "everything is ended and removed")
            if story is not None:
                story.close()
            if place is not None:
                place.close()
            server.close()
    except (PostgresNotFound, PostgresNotStarted) as error:
        raise ConfigurationError(
            str(error), remedy="name a directory of Postgres's programs with --pg-bin, or install Postgres"
        ) from error
    return facts, server, left


def _place(warehouse: str, directory: Path, pg_bin: Path | None) -> Place:
    if warehouse == DuckDBPlace.kind:
        return DuckDBPlace(directory)
    # Its drivers and AWS's libraries take their time to import.
    from re_dms.demo.redshift_place import RedshiftStandInPlace

    return RedshiftStandInPlace(directory, pg_bin)


def _server(keep: Path | None, pg_bin: Path | None) -> LocalPostgres:
    if keep is None:
        return LocalPostgres(pg_bin=pg_bin)
    if Account.current().reaches(keep):
        return LocalPostgres(keep / "postgres", pg_bin=pg_bin)
    # For root, Postgres runs as nobody, who may not enter this directory: it gets one of its own, which stays too.
    return LocalPostgres(pg_bin=pg_bin, keep=True)


def _new_directory(path: Path) -> Path:
    path = path.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        is_used = any(path.iterdir())
    except OSError as error:
        raise ConfigurationError(
            f"--keep: cannot make or read the directory {path}", remedy="name a directory that you may write to"
        ) from error
    if is_used:
        raise ConfigurationError(f"--keep: {path} is not empty", remedy="name a new directory, or empty this one")
    return path


def _kept_in_words(keep: Path | None, server: LocalPostgres, left: list[tuple[str, str]]) -> list[str]:
    if keep is None:
        copy = cached_copy_of(server.binaries)
        return [
            "Everything was removed again; --keep DIR leaves it for a look.",
            *([] if copy is None else [f"Only a copy of Postgres's programs stays, for the next time: {copy}"]),
        ]
    account = Account.current()
    runner = "" if account.uid is None else f"runuser -u {account.name} -- "
    start = f"{runner}{server.binaries / 'pg_ctl'} -D {server.data} -o '-k {server.data}' start"
    return [
        "Left for a look:",
        *(f"  the {what:<11}{where}" for what, where in left),
        f"  the log        {keep / 'pipeline.log'}",
        f"  the source     {server.directory}, stopped; to start it:",
        f"                 {start}",
    ]


@contextmanager
def _ending_politely() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does, with 128 + their number."""

    def leave(number: int, _frame: FrameType | None) -> None:
        for each in _ENDING_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    earlier = {number: signal.getsignal(number) for number in (signal.SIGINT, *_ENDING_SIGNALS)}
    for number in _ENDING_SIGNALS:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
