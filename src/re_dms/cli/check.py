"""`re-dms check`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.ending import Misused
from re_dms.cli.options import Command, configured, settings_for


@click.command("check", cls=Command)
@configured("pipeline.name", "source", "journal.url", "warehouse", "log")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON instead of lines for people.")
@click.option(
    "--print-grants",
    is_flag=True,
    help="Only print the rights that are needed, as SQL and IAM policies; nothing is connected to.",
)
def command(*, as_json: bool, print_grants: bool, **options: Any) -> int:
    """Look at source, journal and warehouse before anything begins: ok, warning or error, each with what mends it.

    Changes nothing. The exit code is that of the first error, 0 when there is none.
    """
    if as_json and print_grants:
        raise Misused("--print-grants prints SQL and policies: it cannot be combined with --json")
    settings = settings_for("check", options, wants=frozenset({"source", "warehouse"}))
    if print_grants:
        from re_dms.administration.grants import grants

        for line in grants(settings):
            click.echo(line)
        return 0
    from re_dms.administration.check import check, exit_code
    from re_dms.observe.findings import as_json as json_of
    from re_dms.observe.findings import lines

    findings = check(settings)
    for line in (json_of(findings),) if as_json else lines(findings):
        click.echo(line)
    return exit_code(findings)
