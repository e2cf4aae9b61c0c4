"""`re-dms capture`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.options import Command, configured, settings_for, until, until_of


@click.command("capture", cls=Command)
@configured("pipeline", "source", "journal", "capture", "log")
@until
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: what was done.")
def command(*, until_caught_up: bool, until_lsn: str | None, as_json: bool, **options: Any) -> int:
    """Only the first half: from the source into the journal. `apply` is the other, on this machine or another."""
    stop = until_of(caught_up=until_caught_up, lsn=until_lsn)
    settings = settings_for("capture", options, needs=frozenset({"source"}))
    from re_dms import service

    return service.run(settings, halves=frozenset({"capture"}), json=as_json, **stop)
