"""`re-dms check`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.options import Command, configured, settings_for


@click.command("check", cls=Command)
@configured("pipeline.name", "source", "journal.url", "warehouse", "log")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON instead of lines for people.")
def command(*, as_json: bool, **options: Any) -> int:
    """Look at source, journal and warehouse before anything begins: ok, warning or error, each with what mends it.

    Changes nothing. The exit code is that of the first error, 0 when there is none.
    """
    settings = settings_for("check", options, wants=frozenset({"source", "warehouse"}))
    from re_dms.administration.check import check, exit_code
    from re_dms.observe.findings import as_json as json_of
    from re_dms.observe.findings import lines

    findings = check(settings)
    for line in (json_of(findings),) if as_json else lines(findings):
        click.echo(line)
    return exit_code(findings)
