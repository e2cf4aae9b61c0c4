"""How a command ends when it fails: `re-dms: <what>` and `  what to do: <remedy>` on standard error, and a code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import click

from re_dms.errors import ConfigurationError, classify

INTERRUPTED: Final = 130  # 128 + SIGINT, as a shell has it


def arguments_of(arguments: Sequence[str] | None) -> list[str]:
    """The words of the command line, without the program's name."""
    return list(sys.argv[1:] if arguments is None else arguments)


def tell(error: BaseException, *, debug: bool) -> int:
    """Say what failed and what to do; the exit code. Never a traceback, unless `debug` asks for the places in code."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        _say("interrupted")
        return INTERRUPTED
    if isinstance(error, click.UsageError):
        _usage(error)
        return ConfigurationError.exit_code
    if isinstance(error, click.ClickException):
        _say(error.format_message())
        return ConfigurationError.exit_code
    verdict = classify(error)
    for line in verdict.message.splitlines() or [verdict.kind]:
        _say(line)
    remedy = verdict.remedy
    if verdict.exit_code == 1 and not debug:
        remedy = f"{remedy}; `--debug` shows it here" if remedy else "this is a bug in re_dms; run again with --debug"
    if remedy:
        click.echo(f"  what to do: {' '.join(remedy.split())}", err=True)
    if debug:
        _places(error)
    return verdict.exit_code


class Misused(click.UsageError):
    """A misuse of the command line in our own words, which repeat no value."""


def _usage(error: click.UsageError) -> None:
    path = error.ctx.command_path if error.ctx is not None else "re-dms"
    _say(_usage_words(error))
    click.echo(f"  what to do: see `{path} --help`", err=True)


def _usage_words(error: click.UsageError) -> str:
    """click's own words repeat what was typed, which may be a DSN in the wrong place: only names are kept."""
    match error:
        case Misused():
            return error.format_message()
        case click.NoSuchOption():
            near = f"; did you mean {error.possibilities[0]}?" if error.possibilities else ""
            return f"no such option: {error.option_name.partition('=')[0]}{near}"
        case click.BadOptionUsage():
            return f"{error.option_name}: needs a value, or takes none"
        case click.MissingParameter():
            return error.format_message()
        case click.BadParameter() if error.param is not None and error.param.opts:
            return f"{error.param.opts[0]}: its value is not as it must be"
        case _:
            return "a word on the command line is out of place"


def _say(text: str) -> None:
    click.echo(f"re-dms: {text}", err=True)


def _places(error: BaseException) -> None:
    from re_dms.observe.log import describe, places

    for place in places(error):
        click.echo(f"  at {place}", err=True)
    click.echo(f"  {' '.join(describe(error).split())}", err=True)
