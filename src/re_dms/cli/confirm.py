"""Asking before something that cannot be undone."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from re_dms.errors import ConfigurationError


def confirmed(plan: Sequence[str], *, yes: bool) -> None:
    """Say what will happen and return if it may. Raises click.Abort for "no", ConfigurationError if nobody can be asked."""
    for line in plan:
        click.echo(line)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "nothing was done: standard input is no terminal to ask on", remedy="add --yes if this is what you want"
        )
    click.confirm("go on?", default=False, abort=True, err=True)
