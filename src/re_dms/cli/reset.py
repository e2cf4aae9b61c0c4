"""`re-dms reset`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.confirm import confirmed
from re_dms.cli.ending import Misused
from re_dms.cli.options import Command, configured, settings_for


@click.command("reset", cls=Command)
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
@click.option(
    "--table", metavar="SCHEMA.TABLE", help="Only this table; the pipeline may be running. * for any characters."
)
@click.option(
    "--cascade",
    is_flag=True,
    help="With --table: views in Redshift that stand in the way of the new copy may be dropped with the table.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(*, table: str | None, cascade: bool, yes: bool, **options: Any) -> int:
    """Copy one table again, or all of them, after saying what that does.

    Without --table the pipeline must not be running: its slot is dropped, its journal removed and its tables are
    emptied; the next `re-dms run` starts afresh.
    """
    if cascade and table is None:
        raise Misused("--cascade goes with --table")
    if table is not None:
        settings = settings_for("reset", options, needs=frozenset({"warehouse"}))
        from re_dms.administration import reset as work

        asked = work.plan_table_reset(settings, table, cascade=cascade)
        confirmed(asked.plan, yes=yes)
        done = work.reset_tables(settings, asked.tables, cascade=cascade)
    else:
        settings = settings_for("reset", options, needs=frozenset({"warehouse"}), wants=frozenset({"source"}))
        from re_dms.administration import reset as work

        confirmed(work.plan_reset(settings), yes=yes)
        done = work.reset(settings)
    for line in done:
        click.echo(line)
    return 0
