"""`re-dms run`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.ending import Misused
from re_dms.cli.options import Command, configured, settings_for, until, until_of
from re_dms.cli.replay import STANDARD_INPUT, replay


@click.command("run", cls=Command)
@configured("pipeline", "source", "journal", "warehouse", "capture", "log")
@until
@click.option("--stdin", is_flag=True, help="Read what pg_recvlogical wrote from standard input, as `replay -` does.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: what was done.")
def command(*, until_caught_up: bool, until_lsn: str | None, stdin: bool, as_json: bool, **options: Any) -> int:
    """Keep the warehouse equal to the source: capture and apply, until told to stop.

    The first SIGINT or SIGTERM lets the batch in hand finish, the second stops at once."""
    stop = until_of(caught_up=until_caught_up, lsn=until_lsn)
    if stdin:
        if until_caught_up or until_lsn is not None:
            raise Misused("--stdin ends with its input: it cannot be combined with --until-caught-up and --until-lsn")
        return replay("run", [STANDARD_INPUT], options, as_json=as_json)
    settings = settings_for("run", options, needs=frozenset({"source", "warehouse"}))
    from re_dms import service

    return service.run(settings, halves=frozenset({"capture", "apply"}), json=as_json, **stop)
