"""`re-dms apply`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.options import Command, configured, settings_for, until, until_of


@click.command("apply", cls=Command)
@configured("pipeline.name", "journal.url", "warehouse", "log")
@until
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: what was done.")
def command(*, until_caught_up: bool, until_lsn: str | None, as_json: bool, **options: Any) -> int:
    """Only the second half: from the journal into the warehouse."""
    stop = until_of(caught_up=until_caught_up, lsn=until_lsn)
    settings = settings_for("apply", options, needs=frozenset({"warehouse"}))
    from re_dms import service

    return service.run(settings, halves=frozenset({"apply"}), json=as_json, **stop)
