"""The command `scripts/bench`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from bench import capture as captures
from bench import catalog as catalogs
from bench import end_to_end as ends
from bench import every
from bench import growth as growths
from bench import guard as guards
from bench import idle as idles
from bench import large_transaction as large_transactions
from bench import large_value as large_values
from bench import latency as latencies
from bench import many_tables as many
from bench import redshift as redshifts
from bench import replay as replays
from bench import snapshot as snapshots
from bench import standin_copy as standin_copies
from bench.rounds import DifferentWork
from bench.workloads import WORKLOADS

_PG_BIN = click.option("--pg-bin", type=click.Path(path_type=Path), help="The directory of Postgres's programs.")
_ROWS = click.option("--rows", type=int, help="Changes, about. Default: as many as take some seconds.")
_ROUNDS = click.option("--rounds", default=5, show_default=True, help="How often each side runs, in turn.")
_TRANSPORT = click.option(
    "--transport",
    type=click.Choice(captures.TRANSPORTS),
    default="socket",
    show_default=True,
    help="For both sides; tls is TCP with a certificate made for the run.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Only the line of JSON.")


@click.group()
def main() -> None:
    """Measure re_dms on a throwaway Postgres of its own. The last line is always one line of JSON."""


@main.command()
@click.option("--workload", type=click.Choice(list(WORKLOADS)), default="ten", show_default=True, help="What is sent.")
@_ROWS
@_ROUNDS
@_TRANSPORT
@_PG_BIN
@_JSON
def capture(*, as_json: bool, **options: Any) -> None:
    """Our capture to an fsynced journal against pg_recvlogical to a file."""
    compare(captures.measure, options, as_json=as_json)


@main.command()
@_ROWS
@_ROUNDS
@_TRANSPORT
@_PG_BIN
@_JSON
def wide(*, as_json: bool, **options: Any) -> None:
    """As capture, with a hundred columns."""
    compare(captures.measure, options | {"workload": "wide"}, as_json=as_json)


@main.command("tiny_transactions")
@_ROWS
@_ROUNDS
@_TRANSPORT
@_PG_BIN
@_JSON
def tiny_transactions(*, as_json: bool, **options: Any) -> None:
    """As capture, with transactions of one row as pgbench makes them."""
    compare(captures.measure, options | {"workload": "tiny"}, as_json=as_json)


@main.command("end_to_end")
@click.option("--rows", default=1_000_000, show_default=True, help="Changes of the backlog.")
@click.option("--rounds", default=3, show_default=True, help="How often it runs.")
@_PG_BIN
@_JSON
def end_to_end(*, as_json: bool, **options: Any) -> None:
    """Into DuckDB: rows/s of a backlog until all is visible."""
    compare(ends.measure, options, as_json=as_json)


@main.command()
@click.option("--rows", default=3_000_000, show_default=True, help="Rows, inserted before the copy.")
@click.option("--tables", default=1, show_default=True, help="Over how many tables they are spread.")
@click.option("--rounds", default=3, show_default=True, help="How often each side runs, in turn.")
@click.option("--connections", type=int, multiple=True, default=(1, 2), show_default=True, help="Of ours; repeatable.")
@_PG_BIN
@_JSON
def snapshot(*, as_json: bool, **options: Any) -> None:
    """Our initial copy to an fsynced journal against psql's COPY through zstd -1 to a file."""
    compare(snapshots.measure, options, as_json=as_json)


@main.command()
@click.option("--rate", default=1_000, show_default=True, help="Transactions a second, by pgbench.")
@click.option("--seconds", default=60.0, show_default=True, help="How long, for each flush.")
@click.option("--singles", default=20, show_default=True, help="Changes that come alone, afterwards.")
@click.option("--flush-seconds", type=float, multiple=True, default=(0.25,), show_default=True, help="Repeatable.")
@click.option(
    "--default-flush/--no-default-flush", default=True, show_default=True, help="With the default flush, too."
)
@_PG_BIN
@_JSON
def latency(*, flush_seconds: tuple[float, ...], default_flush: bool, as_json: bool, **options: Any) -> None:
    """From commit to visible in DuckDB, at a steady rate and at rest."""
    flushes = (*flush_seconds, *((None,) if default_flush else ()))
    compare(latencies.measure, options | {"flush_seconds": flushes}, as_json=as_json)


@main.command("large_transaction")
@click.option("--rows", default=1_000_000, show_default=True, help="Rows of the transaction.")
@click.option("--rounds", default=2, show_default=True, help="How often each side runs, in turn.")
@_PG_BIN
@_JSON
def large_transaction(*, as_json: bool, **options: Any) -> None:
    """One transaction, with streaming and without: live, and as a backlog."""
    compare(large_transactions.measure, options, as_json=as_json)


@main.command("large_value")
@click.option("--megabytes", default=300, show_default=True, help="Of one text value.")
@_PG_BIN
@_JSON
def large_value(*, as_json: bool, **options: Any) -> None:
    """Memory of capture beside one very long value: before, at most, after, and after a reconnect."""
    compare(large_values.measure, options, as_json=as_json)


@main.command()
@click.option("--seconds", default=20.0, show_default=True, help="How long each rest is watched.")
@click.option("--rows", default=200_000, show_default=True, help="Changes of the work between two rests.")
@_PG_BIN
@_JSON
def idle(*, as_json: bool, **options: Any) -> None:
    """CPU and memory of a pipeline that has nothing to do."""
    compare(idles.measure, options, as_json=as_json)


@main.command("standin_copy")
@click.option("--rows", default=standin_copies.ROWS, show_default=True, help="Rows of ten mixed columns, gzip CSV.")
@_PG_BIN
@_JSON
def standin_copy(*, rows: int, pg_bin: Path | None, as_json: bool) -> None:
    """COPY of one file into the stand-in for Redshift."""
    tell(standin_copies.measure(rows=rows, pg_bin=pg_bin), as_json=as_json)


@main.command()
@click.option("--rows", default=1_250_000, show_default=True, help="Changes of the large file: about 500 MB.")
@click.option("--small-rows", default=220_000, show_default=True, help="Transactions of one change: about 100 MB.")
@click.option("--rounds", default=3, show_default=True, help="How often each file is replayed, in turn.")
@_PG_BIN
@_JSON
def replay(*, rows: int, small_rows: int, rounds: int, pg_bin: Path | None, as_json: bool) -> None:
    """What pg_recvlogical wrote of a test_decoding slot, to an fsynced journal; no apply."""
    try:
        tell(replays.measure(rows=rows, small_rows=small_rows, rounds=rounds, pg_bin=pg_bin), as_json=as_json)
    except DifferentWork as error:
        raise click.ClickException(f"no figures: the journal does not hold what the load made: {error}") from None


@main.command()
@click.option("--quick", is_flag=True, help="Few tables and rows, once: whether it works, not how fast.")
@_PG_BIN
@_JSON
def redshift(*, quick: bool, pg_bin: Path | None, as_json: bool) -> None:
    """Batches on the stand-in for Redshift: 1 to 100 tables, a larger target, groups, and the seed's shape beside them."""
    try:
        tell(redshifts.measure(quick=quick, pg_bin=pg_bin), as_json=as_json)
    except redshifts.DifferentRows as error:
        raise click.ClickException(f"no figures: the sides did not end with the same rows: {error}") from None


@main.command("many_tables")
@click.option("--tables", default=10_000, show_default=True, help="Tables in the publication, of ten columns each.")
@click.option("--rounds", default=3, show_default=True, help="How often each number below a thousand is touched.")
@_PG_BIN
@_JSON
def many_tables(*, as_json: bool, **options: Any) -> None:
    """One row in each of 1 to 10,000 tables, and the start with so many."""
    compare(many.measure, options, as_json=as_json)


@main.command()
@click.option("--tables", default=10_000, show_default=True, help="The most tables.")
@click.option("--changes", default=200_000, show_default=True, help="Of each point over tables and rows (at least).")
@click.option("--values", default=16_000_000, show_default=True, help="Of each point over columns.")
@click.option("--rows-max", default=1_000_000, show_default=True, help="The most rows of a transaction.")
@click.option("--full", is_flag=True, help="A transaction of 10,000,000 rows as well.")
@click.option("--directory", type=click.Path(path_type=Path), help="For growth.jsonl and the plots: docs/bench.")
@_PG_BIN
@_JSON
def growth(*, as_json: bool, **options: Any) -> None:
    """The cost of a change over tables, columns and rows of a transaction."""
    compare(growths.measure, options, as_json=as_json)


@main.command()
@click.option("--tables", default=10_000, show_default=True, help="Tables in the publication, of ten columns each.")
@_PG_BIN
@_JSON
def catalog(*, tables: int, pg_bin: Path | None, as_json: bool) -> None:
    """One look of the catalog watcher."""
    tell(catalogs.measure(tables=tables, pg_bin=pg_bin), as_json=as_json)


@main.command()
@_ROWS
@click.option("--rounds", default=3, show_default=True, help="How often each side runs, in turn.")
@click.option(
    "--limits", type=click.Path(path_type=Path), default=guards.LIMITS, help="Default: limits.toml of the bench."
)
@_PG_BIN
@_JSON
def guard(*, as_json: bool, **options: Any) -> None:
    """Whether capture costs more CPU than it did, by what pg_recvlogical costs in the same run. Exit code 1 when it does."""
    try:
        figures = guards.measure(**options)
    except DifferentWork as error:
        raise click.ClickException(f"no ratio: the sides did not do the same work: {error}") from None
    tell(figures, as_json=as_json)
    words = [
        f"{name}: {figures[name]['cpu_ratio']:g} times the CPU of pg_recvlogical, at most {figures[name]['cpu_ratio_max']:g}"
        for name in figures["beyond"]
    ]
    if words:
        raise click.ClickException(f"beyond the limit by more than {figures['margin']:.0%}: {'; '.join(words)}")


@main.command("all", epilog=every.budget())
@click.option("--quick", is_flag=True, help="Tiny sizes, one round: whether it works, not how fast.")
@click.option("--only", multiple=True, type=click.Choice(list(every.PARTS)), help="Only this part; repeatable.")
@click.option("--markdown", is_flag=True, help="Write the section of performance.md, figures.jsonl and the plots.")
@click.option(
    "--docs", type=click.Path(path_type=Path), default=every.DOCS, help="Where performance.md is. Default: docs."
)
@_PG_BIN
@_JSON
def all_parts(
    *, quick: bool, only: tuple[str, ...], markdown: bool, docs: Path, pg_bin: Path | None, as_json: bool
) -> None:
    """All measurements, one after the other; with --markdown, the tables of docs/performance.md."""
    figures = every.run(only, quick=quick, docs=docs if markdown else None, pg_bin=pg_bin)
    tell(figures, as_json=as_json)
    if figures["failed"]:
        raise click.ClickException(f"no figures of {', '.join(figures['failed'])}")


def compare(measure: Callable[..., dict[str, Any]], options: dict[str, Any], *, as_json: bool) -> None:
    """Measure and tell. Without a ratio where the sides did not do the same work."""
    try:
        tell(measure(**options), as_json=as_json)
    except DifferentWork as error:
        raise click.ClickException(f"no ratio: the sides did not do the same work: {error}") from None


def tell(figures: dict[str, Any], *, as_json: bool) -> None:
    """Lines for people, then one of JSON."""
    if not as_json:
        for name, value in flat(figures):
            click.echo(f"{name:45} {value}")
    click.echo(json.dumps(figures))


def flat(figures: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The figures with the names of nested ones joined."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name} ")
        else:
            yield before + name, value


if __name__ == "__main__":
    main()
