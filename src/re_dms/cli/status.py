"""`re-dms status`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.options import Command, configured, settings_for


@click.command("status", cls=Command)
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
@click.option("--json", "as_json", is_flag=True, help="One line of JSON instead of tables.")
def command(*, as_json: bool, **options: Any) -> int:
    """How far behind: slot, journal, watermark and tables, with or without a running service.

    Places that are not configured or cannot be reached are named, and the others shown.
    """
    settings = settings_for("status", options, wants=frozenset({"source", "warehouse"}))
    from re_dms.administration.status import collect

    status = collect(settings)
    if as_json:
        click.echo(status.to_json())
        return 0
    from rich.console import Console

    from re_dms.observe.status_table import show

    show(status, Console(highlight=False))
    return 0
