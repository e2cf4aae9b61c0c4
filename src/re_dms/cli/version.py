"""`re-dms version`."""

from __future__ import annotations

import click

from re_dms import __version__


@click.command("version")
def command() -> int:
    """Print the version."""
    click.echo(__version__)
    return 0
