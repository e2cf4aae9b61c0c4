"""`re-dms demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="N",
    help="How many rows, as a multiple of the default.",
)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="How long the load runs.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Work in this directory and leave everything there, to look at afterwards.",
)
@click.option(
    "--pg-bin",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The directory of Postgres's programs. Default: those of this machine, else the installed package.",
)
@click.option(
    "--warehouse",
    type=click.Choice(["duckdb", "redshift-standin"]),
    default="duckdb",
    show_default=True,
    help="A DuckDB file, or our strict look-alike of Redshift over an S3 of moto's; all on this machine.",
)
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: what was seen.")
@click.option("--debug", is_flag=True, help="Show where in the code an error comes from.")
def command(
    *,
    scale: float,
    seconds: float | None,
    keep: Path | None,
    pg_bin: Path | None,
    warehouse: str,
    as_json: bool,
    debug: bool,  # noqa: ARG001 - read by the group
) -> int:
    """Try re_dms: a throwaway Postgres, a running load, a crash in the middle, and a comparison of every row."""
    from re_dms.demo import command as demo

    return demo.run(scale=scale, seconds=seconds, keep=keep, json=as_json, pg_bin=pg_bin, warehouse=warehouse)
