"""`re-dms journal ls | show | prune`."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from re_dms.cli.options import Command, configured, settings_for

_PLACE: Final = ("pipeline.name", "journal.url", "log")


@click.group("journal")
def command() -> None:
    """Look into the journal: its batches, one batch, and what can go."""


@command.command("ls", cls=Command)
@configured(*_PLACE, "warehouse.url")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the newest N batches.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each batch instead of a table.")
def ls(*, last: int | None, as_json: bool, **options: Any) -> int:
    """List the batches that are there, the oldest first."""
    settings = settings_for("journal", options, wants=frozenset({"warehouse"}))
    from re_dms.administration.batches import batches

    found = list(batches(settings, last=last))
    if not as_json:
        click.echo(
            f"{'batch':>9} {'kind':6} {'end':>17} {'transactions':>12} {'changes':>11} {'tables':>6} {'bytes':>13}  last commit"
        )
    for line in found:
        if as_json:
            click.echo(json.dumps(line))
        else:
            click.echo(
                f"{line['number']:>9} {line['kind']:6} {line['end']:>17} {line['transactions']:>12,}"
                f" {line['changes']:>11,} {line['tables']:>6,} {line['bytes']:>13,}  {line['last_commit'] or '-'}"
            )
    return 0


@command.command("show", cls=Command)
@configured(*_PLACE, "warehouse.url")
@click.argument("number", type=click.IntRange(min=1), metavar="N")
@click.option("--verify", is_flag=True, help="Read every file and compare it with its checksum.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def show(*, number: int, verify: bool, as_json: bool, **options: Any) -> int:
    """Show batch N: its tables, steps and files.

    With --verify the exit code is 6 when a file is missing or altered.
    """
    settings = settings_for("journal", options, wants=frozenset({"warehouse"}))
    from re_dms.administration.batches import batch, damaged, lines

    found = batch(settings, number, verify=verify)
    click.echo(json.dumps(found) if as_json else "\n".join(lines(found)))
    return damaged(found)


@command.command("prune", cls=Command)
@configured(*_PLACE, "warehouse.url")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def prune(*, dry_run: bool, as_json: bool, **options: Any) -> int:
    """Remove the batches that the warehouse has. A running apply does this by itself.

    The newest batch stays, and nothing goes by age.
    """
    settings = settings_for("journal", options, needs=frozenset({"warehouse"}))
    from re_dms.administration.batches import prune_now

    applied, removed = prune_now(settings, dry_run=dry_run)
    if as_json:
        found = {"applied": applied, "dry_run": dry_run, "objects": removed.objects, "bytes": removed.bytes}
        click.echo(json.dumps(found))
    else:
        what = "would be removed" if dry_run else "removed"
        click.echo(f"the warehouse has batch {applied}: {removed.objects:,} objects, {removed.bytes:,} bytes {what}")
    return 0
