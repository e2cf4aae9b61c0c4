"""`re-dms schema dump`."""

from __future__ import annotations

from typing import Any

import click

from re_dms.cli.options import Command, configured, settings_for


@click.group("schema")
def command() -> None:
    """Write down the tables of the source, so that a replay can do without it."""


@command.command("dump", cls=Command)
@configured("source.dsn", "source.tables", "source.exclude", "source.ca_file", "source.insecure_tls", "log")
def dump_command(**options: Any) -> int:
    """Print the schema file for `re-dms replay --schema FILE`: tables, columns, types and keys as they are now.

    No rows are read but the constants that ADD COLUMN left in the catalog.
    """
    source = settings_for("schema", options, needs=frozenset({"source"}), journal=False).source
    from re_dms.errors import InvariantError
    from re_dms.source.connection import connect
    from re_dms.source.patterns import parse_patterns
    from re_dms.source.schema_file import dump

    if source is None:
        raise InvariantError("a source was needed, and its settings are missing")
    include, exclude = parse_patterns(source.tables), parse_patterns(source.exclude)
    with connect(source, purpose="schema") as connection:
        click.echo(dump(connection, include, exclude))
    return 0
