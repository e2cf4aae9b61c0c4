"""The log: structlog on standard error, human on a terminal, JSON lines elsewhere. Never a value of a row.

    configure(settings.log, command="run")
    log = structlog.get_logger()
    log.info("batch applied", batch=17, lsn=LSN(...), rows=1200)

An event is a constant text; what varies goes into fields. Only the fields of `FIELDS` are written, and of those only
short values: anything else is left out and its name listed under `refused`, so that a careless line can leak no more
than a name. Standard output belongs to results and is never written to.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import traceback
from collections.abc import MutableMapping
from numbers import Integral
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from re_dms.errors import ReDmsError
from re_dms.lsn import LSN
from re_dms.observe.fields import FIELDS, WORDS
from re_dms.settings import LogSettings

VALUE_CHARACTERS_MAX: Final = 300
SENTENCE_CHARACTERS_MAX: Final = 1000
ITEMS_MAX: Final = 50
FRAMES_MAX: Final = 40

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_OWN: Final = frozenset({"event", "level", "timestamp", "command", "refused", "error", "traceback"})

Event = MutableMapping[str, Any]


def configure(settings: LogSettings, command: str, *, stream: TextIO | None = None) -> None:
    """Set up structlog for this process; call once, before the first line. Children call it again.

    `command` is said on every line ("run", "capture", "reader" …). `stream` is standard error unless a test asks.
    """
    target = sys.stderr if stream is None else stream
    human = is_human(settings, target)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(command=command)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _error_without_values,
            _allowed_only,
            *([_no_traceback] if human and settings.level != "debug" else []),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _in_order,
            _renderer(target) if human else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=lambda *_: _Lines(target),
        cache_logger_on_first_use=False,
    )
    _bridge_libraries()


def is_human(settings: LogSettings, stream: TextIO | None = None) -> bool:
    """Whether lines are written for people: asked for, or standard error is a terminal."""
    target = sys.stderr if stream is None else stream
    return settings.format == "human" or (settings.format == "auto" and target.isatty())


def no_core_dumps() -> None:
    """A core file would hold rows and passwords: this process and its children write none."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _Lines:
    """Whole lines, one write each. A log that cannot be written never stops a pipeline."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, message: str) -> None:
        try:
            self._stream.write(f"{message}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass

    debug = info = warning = error = critical = msg


def _renderer(stream: TextIO) -> structlog.typing.Processor:
    colors = stream.isatty() and "NO_COLOR" not in os.environ
    return structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0, sort_keys=False)


def _allowed_only(_: Any, __: str, event: Event) -> Event:
    """Keep the fields of the allow-list that hold short, plain values; list the names of the others."""
    refused = []
    for name in [name for name in event if name not in _OWN]:
        if name in WORDS and isinstance(event[name], str):
            event[name] = _one_line(event[name], SENTENCE_CHARACTERS_MAX)
            continue
        plain = _plain(event[name]) if name in FIELDS else None
        if plain is None and event[name] is not None:
            refused.append(name[:60])
            del event[name]
        else:
            event[name] = plain
    event["event"] = _one_line(str(event["event"]))
    if refused:
        event["refused"] = refused
    return event


def _in_order(_: Any, __: str, event: Event) -> Event:
    """What every line has comes first, in one order."""
    first = {name: event[name] for name in ("timestamp", "level", "event", "command") if name in event}
    return first | {name: value for name, value in event.items() if name not in first}


def _no_traceback(_: Any, __: str, event: Event) -> Event:
    """People get places in code only when they ask for them (level debug); machines keep them always."""
    event.pop("traceback", None)
    return event


def _plain(value: object) -> object:
    """The value as the log writes it; None if it may not be written."""
    match value:
        case LSN():
            return str(value)
        case bool():
            return value
        case Integral():  # numpy's integers too
            return int(value)
        case float():
            return float(value)
        case str() if len(value) <= VALUE_CHARACTERS_MAX:
            return value
        case tuple() | list() if len(value) <= ITEMS_MAX:
            items = [_plain(item) for item in value]
            return None if None in items else items
        case _:
            return None


def _one_line(text: str, length_max: int = VALUE_CHARACTERS_MAX) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length_max else line[:length_max] + "…"


def _error_without_values(_: Any, __: str, event: Event) -> Event:
    """`exc_info` becomes `error` (type, and our own message) and `traceback` (places in code only)."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = " < ".join(_one_line(describe(each), SENTENCE_CHARACTERS_MAX) for each in _chain(error))
        event["traceback"] = places(error)
    return event


def describe(error: BaseException) -> str:
    """An error in words that hold no value: our own message, or for others the type and, where it has one, SQLSTATE."""
    name = type(error).__name__
    if isinstance(error, ReDmsError):
        return f"{name}: {error.message}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name}: {os.strerror(error.errno)}"
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__module__}.{name}" + (f" {state}" if isinstance(state, str) else "")


def places(error: BaseException) -> list[str]:
    """Where the error came from: file:line function, the innermost last. No source lines, locals or texts."""
    frames: list[str] = []
    for each in reversed(_chain(error)):
        frames.extend(_frames(each.__traceback__))
    return frames[-FRAMES_MAX:]


def _chain(error: BaseException) -> list[BaseException]:
    """The error, its cause, the cause's cause …"""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain and len(chain) < 10:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def _frames(trace: TracebackType | None) -> list[str]:
    return [
        f"{'/'.join(frame.f_code.co_filename.rsplit('/', 3)[1:])}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(trace)
    ]


class _Bridge(logging.Handler):
    """What libraries log through `logging`: their name, and their text where its arguments are apart from it."""

    def emit(self, record: logging.LogRecord) -> None:
        template = str(record.msg)[:VALUE_CHARACTERS_MAX] if record.args else ""
        structlog.get_logger().warning("library_message", library=record.name, template=template)


def _bridge_libraries() -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge(level=logging.WARNING))
