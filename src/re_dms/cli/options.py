"""The options of commands, made from the keys of the configuration, and the settings that they lead to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from re_dms.cli.ending import Misused
from re_dms.config import Half, load
from re_dms.config.keys import FILE_NAME, Key, keys
from re_dms.lsn import LSN
from re_dms.settings import ReplaySettings, Settings

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(click.Command):
    """A command whose list options take several words: `--tables public.* billing.*`, or the option again, or commas."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        lists = {name for option in self.params if option.multiple for name in option.opts}
        return super().parse_args(ctx, list(_spread(args, lists)))


def _spread(words: Sequence[str], lists: set[str]) -> Sequence[str]:
    """Repeat a list option before each of its words: click has no options with a variable number of values."""
    spread: list[str] = []
    current: str | None = None
    for word in words:
        if word.startswith("-"):
            name = word.partition("=")[0]
            current = name if name in lists else None
            spread.append(word)
        elif current is not None and spread[-1] != current:
            spread.extend((current, word))
        else:
            spread.append(word)
    return spread


def configured(*chosen: str) -> Callable[[Function], Function]:
    """Give a command --config, --debug and the options of these sections ("capture") and keys ("pipeline.name")."""

    def decorate(function: Function) -> Function:
        debug = click.option("--debug", is_flag=True, help="Log everything, and where in the code an error comes from.")
        config = click.option(
            "--config",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help=f"Default: {FILE_NAME} here, if it is there.",
        )
        decorated = config(debug(function))
        wanted = [key for key in keys() if key.name in chosen or key.name.partition(".")[0] in chosen]
        for key in reversed(wanted):
            if key.option is not None:
                decorated = _option(key)(decorated)
        return decorated

    return decorate


def until(function: Function) -> Function:
    """Give a command --until-caught-up and --until-lsn."""
    caught_up = click.option(
        "--until-caught-up", is_flag=True, help="Leave once all that was committed before the start is done."
    )
    lsn = click.option("--until-lsn", metavar="X/Y", help="Leave once all up to this position is done.")
    return caught_up(lsn(function))


def until_of(*, caught_up: bool, lsn: str | None) -> dict[str, Any]:
    """The keyword arguments of `service.run` for the options of `until`."""
    if caught_up and lsn is not None:
        raise Misused("--until-caught-up and --until-lsn cannot be combined")
    try:
        return {"until_caught_up": caught_up, "until_lsn": None if lsn is None else LSN.parse(lsn)}
    except ValueError:
        raise Misused("--until-lsn: must be a position as Postgres prints it, like 16/B374D848") from None


def settings_for(
    command: str,
    options: dict[str, Any],
    *,
    needs: frozenset[Half] = frozenset(),
    wants: frozenset[Half] = frozenset(),
    replay: ReplaySettings | None = None,
    journal: bool = True,
) -> Settings:
    """The settings that file, environment and these options give; the log is set up, and warnings are in it.

    Takes the options of `configured` out of `options`; the rest is as for `load`. Raises ConfigurationError.
    """
    # structlog takes 0.1 s to import: --help does without it.
    import re_dms.observe.lean  # noqa: F401, I001 - before structlog
    import structlog

    from re_dms.observe.log import configure, no_core_dumps

    given = {key.name: options.pop(_parameter(key), None) for key in keys()}
    if options.pop("debug"):
        given["log.level"] = "debug"
    loaded = load(needs=needs, wants=wants, options=given, file=options.pop("config"), replay=replay, journal=journal)
    no_core_dumps()
    configure(loaded.settings.log, command)
    log = structlog.get_logger()
    for warning in loaded.warnings:
        log.warning("configuration", message=warning)
    return loaded.settings


def _parameter(key: Key) -> str:
    return key.name.replace(".", "__")


def _option(key: Key) -> Callable[[Function], Function]:
    if key.option is None:
        raise ValueError(f"{key.name} has no option")
    words = key.description
    if key.kind == "value" and key.default is not None:
        default = f"{key.default:g}" if isinstance(key.default, float) else key.default
        words = f"{words} Default: {default}."
    if key.kind == "flag":
        return click.option(key.option.flag, _parameter(key), is_flag=True, help=words)
    # Values are checked by the configuration, together with those of file and environment.
    return click.option(
        key.option.flag,
        _parameter(key),
        metavar=key.option.metavar,
        multiple=key.kind == "list",
        type=str,
        help=words,
    )
