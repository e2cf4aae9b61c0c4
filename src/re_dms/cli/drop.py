"""`re-dms drop`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.confirm import confirmed
from re_dms.cli.options import Command, configured, settings_for


@click.command("drop", cls=Command)
@configured(
    "pipeline.name",
    "source.dsn",
    "source.slot",
    "source.publication",
    "source.plugin",
    "source.ca_file",
    "source.insecure_tls",
    "journal.url",
    "warehouse",
    "log",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(*, yes: bool, **options: Any) -> int:
    """Remove the pipeline: slot, publication (if it made it) and journal go; the tables in the warehouse stay.

    A slot that is forgotten makes the source keep WAL until its disk is full.
    """
    settings = settings_for("drop", options, wants=frozenset({"source", "warehouse"}))
    from re_dms.administration import drop as work

    confirmed(work.plan_drop(settings), yes=yes)
    for line in work.drop(settings):
        click.echo(line)
    return 0
