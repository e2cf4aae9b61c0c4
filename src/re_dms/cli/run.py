"""`re-dms run`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.options import Command, configured, settings_for, until, until_of


@click.command("run", cls=Command)
@configured("pipeline", "source", "journal", "warehouse", "capture", "log")
@until
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: what was done.")
def command(*, until_caught_up: bool, until_lsn: str | None, as_json: bool, **options: Any) -> int:
    """Keep the warehouse equal to the source: capture and apply, until told to stop.

    The first SIGINT or SIGTERM lets the batch in hand finish, the second stops at once."""
    stop = until_of(caught_up=until_caught_up, lsn=until_lsn)
    settings = settings_for("run", options, needs=frozenset({"source", "warehouse"}))
    from re_dms import service

    return service.run(settings, halves=frozenset({"capture", "apply"}), json=as_json, **stop)
