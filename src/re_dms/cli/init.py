"""`re-dms init`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init")
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="Where to write. Default: re_dms.toml.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--debug", is_flag=True, help="Show where in the code an error comes from.")
def command(*, config: Path | None, force: bool, debug: bool) -> int:  # noqa: ARG001 - read by the group
    """Write a commented re_dms.toml with every key, readable by its owner only."""
    from re_dms.config.keys import FILE_NAME
    from re_dms.config.template import write_template

    path = config or Path(FILE_NAME)
    write_template(path, force=force)
    click.echo(f"wrote {path}")
    return 0
