"""The group of commands, and how each of them ends: an exit code, and for an error two lines on standard error."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from typing import Final

import click

from re_dms import __version__
from re_dms.cli import ending

COMMANDS: Final = {
    "run": "Keep the warehouse equal to the source: capture and apply.",
    "capture": "Only the first half: from the source into the journal.",
    "apply": "Only the second half: from the journal into the warehouse.",
    "replay": "Apply what pg_recvlogical wrote: from files or standard input.",
    "check": "Preflight: what would stop a start, and what mends it.",
    "status": "How far behind: slot, journal, watermark and tables.",
    "journal": "Look into the journal: ls, show, prune.",
    "schema": "Write down the source's tables for a replay without it: dump.",
    "reset": "Copy one table, or all of them, again.",
    "drop": "Remove slot, publication and journal; the tables stay.",
    "init": "Write a commented re_dms.toml with every key.",
    "demo": "Try it: a throwaway Postgres, a load, a crash, a comparison.",
    "version": "Print the version.",
}
"""The commands in the order of the help; each is `command` in the module of its name."""


class _LateGroup(click.Group):
    """Imports a command's module when it is called or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"re_dms.cli.{cmd_name}")
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(f"re_dms.cli.{cmd_name}.command is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            words = f"no such command{f'; did you mean {near[0]}?' if near else ''}"
            raise ending.Misused(words, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LateGroup, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False)
@click.version_option(__version__, message="%(version)s")
def group() -> None:
    """Keep warehouse tables equal to Postgres tables, exactly once, through logical replication.

    Every option is also a key of re_dms.toml and an environment variable: see `re-dms init`.
    """


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code. Nothing but the results of commands goes to standard output."""
    words = ending.arguments_of(arguments)
    try:
        if not words:
            raise ending.Misused("no command given")
        code = group.main(args=words, prog_name="re-dms", standalone_mode=False)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1
    except BaseException as error:  # noqa: BLE001 - whatever happens ends as one line and an exit code
        return ending.tell(error, debug="--debug" in words)
    return code if isinstance(code, int) else 0
