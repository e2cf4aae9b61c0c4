"""`re-dms replay`, and what `re-dms run --stdin` shares with it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from re_dms.cli.options import Command, configured, settings_for
from re_dms.config import Half
from re_dms.errors import ConfigurationError
from re_dms.settings import ReplaySettings

STANDARD_INPUT: Final = "-"
STREAM_CHARACTERS_MAX: Final = 200
_SHOWN_MAX: Final = 200
_SETTING: Final = re.compile(r"://|\b(host|hostaddr|port|dbname|user|password|service) *=")
_NAME_IT: Final = "give the stream a name: --stream NAME, the same each time"
_SOURCE: Final = ("source.dsn", "source.tables", "source.exclude", "source.ca_file", "source.insecure_tls")


@click.command("replay", cls=Command)
@configured("pipeline", *_SOURCE, "journal", "warehouse", "capture", "log")
@click.argument("inputs", nargs=-1, metavar="FILE ... | DIRECTORY | -")
@click.option(
    "--stream",
    metavar="NAME",
    help="The name under which is kept which transactions are done. Default: the file's or directory's name, or stdin.",
)
@click.option(
    "--schema", metavar="FILE", help="What `re-dms schema dump` wrote, in place of the source: it is not connected to."
)
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: what was done.")
def command(*, inputs: tuple[str, ...], stream: str | None, schema: str | None, as_json: bool, **options: Any) -> int:
    """Apply what pg_recvlogical wrote of a test_decoding slot: plain, gzip or zstd; - is standard input.

    A DIRECTORY's .wal files are taken in the order of their names. Transactions that are done already are skipped, so
    that a replay can be repeated. Options that take several words come after the files."""
    return replay("replay", inputs, options, stream=stream, schema=schema, as_json=as_json)


def replay(
    name: str,
    inputs: Sequence[str],
    options: dict[str, Any],
    *,
    stream: str | None = None,
    schema: str | None = None,
    as_json: bool,
) -> int:
    """Replay `inputs` for the command of this name, whose other options are `options`; the exit code.

    Raises ConfigurationError for inputs that cannot be read or put in order.
    """
    if schema is not None and options["source__dsn"] is not None:
        raise ConfigurationError(
            "--source and --schema exclude each other: the tables are told by one of them",
            remedy="leave out --schema while the source has the tables as they were written, else --source",
        )
    chosen = replay_settings(inputs, stream=stream, schema=schema)
    needs: frozenset[Half] = frozenset({"source", "warehouse"} if schema is None else {"warehouse"})
    settings = settings_for(name, options, needs=needs, replay=chosen)
    from re_dms import service

    return service.run(settings, halves=frozenset({"capture", "apply"}), json=as_json)


def replay_settings(inputs: Sequence[str], *, stream: str | None, schema: str | None) -> ReplaySettings:
    """What is replayed, with absolute paths. Raises ConfigurationError that names the input at fault."""
    if not inputs:
        raise ConfigurationError(
            "nothing is named to replay",
            remedy="name FILE ..., a DIRECTORY or - (standard input), before options that take several words",
        )
    if STANDARD_INPUT in inputs:
        if len(inputs) > 1:
            raise ConfigurationError("- is standard input: it goes once, and alone", remedy="name files, or - alone")
        paths = [STANDARD_INPUT]
    else:
        paths = [_readable(each, directory=len(inputs) == 1) for each in inputs]
    return ReplaySettings(
        inputs=tuple(paths),
        stream=_stream(paths) if stream is None else _checked(stream, "--stream"),
        schema=None if schema is None else _readable(schema, directory=False),
    )


def _stream(paths: Sequence[str]) -> str:
    """The name of a stream that was given none."""
    if len(paths) > 1:
        raise ConfigurationError("several files are one stream, which needs a name", remedy=_NAME_IT)
    if paths[0] == STANDARD_INPUT:
        return "stdin"
    return _checked(Path(os.path.normpath(paths[0])).name, "the input's name")


def _checked(name: str, what: str) -> str:
    if not name or not name.isprintable() or len(name) > STREAM_CHARACTERS_MAX:
        raise ConfigurationError(
            f"{what} is no name for a stream: 1 to {STREAM_CHARACTERS_MAX} printable characters", remedy=_NAME_IT
        )
    return name


def _readable(word: str, *, directory: bool) -> str:
    """The absolute path of a file that can be read, or of a directory where one may be."""
    path = Path(word)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as refused:
        reason = refused.strerror if isinstance(refused, OSError) else "it is no name of a file"
        raise ConfigurationError(f"{_shown(word)} cannot be read ({reason})", remedy="check its name") from None
    if stat.S_ISDIR(mode) and not directory:
        raise ConfigurationError(f"{_shown(word)} is a directory", remedy="name files, or one directory alone")
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        # Another process reads it: what is open in this one (/dev/fd/63) is not open there.
        raise ConfigurationError(f"{_shown(word)} is no file", remedy="send a pipe to standard input, which is -")
    if not os.access(path, os.R_OK):
        raise ConfigurationError(f"{_shown(word)} cannot be read", remedy="let this user read it")
    return str(path.absolute())


def _shown(word: str) -> str:
    """The word that was typed, on one line; a connection string in the wrong place is not repeated."""
    if _SETTING.search(word):
        return "an input that looks like a setting"
    shown = word if word.isprintable() else ascii(word)
    return shown if len(shown) <= _SHOWN_MAX else f"{shown[:_SHOWN_MAX]}…"
