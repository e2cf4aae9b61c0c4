"""What a check found: the word that source, journal and warehouse share when they look before anything begins."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from re_dms.errors import ReDmsError

State = Literal["ok", "warning", "error"]

ROOM_BYTES_MIN: Final = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `re-dms check`. `name` is stable; `mend` the SQL, setting or command that mends it ("" when ok).

    `exit_code` is that of the error that a start would end with; 0 for what lets it begin.
    """

    place: str
    name: str
    state: State
    message: str
    mend: str = ""
    exit_code: int = 0


def ok(place: str, name: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(place=place, name=name, state="ok", message=message)


def warning(place: str, name: str, message: str, mend: str) -> Finding:
    """It works, and somebody should know."""
    return Finding(place=place, name=name, state="warning", message=message, mend=mend)


def error(place: str, name: str, message: str, mend: str, *, exit_code: int = 2) -> Finding:
    """A start would be refused, or would fail later."""
    return Finding(place=place, name=name, state="error", message=message, mend=mend, exit_code=exit_code)


def asked(place: str, name: str, question: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a question; the error that it raises, which is the one that a start would end with, is one too."""
    try:
        yield from question()
    except ReDmsError as failed:
        yield error(place, name, failed.message, failed.remedy, exit_code=failed.exit_code)


def room(place: str, directory: Path) -> Finding:
    """Whether the file system of `directory` (it need not exist yet) has room."""
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    said = f"{free / 1e9:,.1f} GB free where the {place} is"
    if free < ROOM_BYTES_MIN:
        return warning(place, f"{place}_room", said, f"make room on the file system of {directory}")
    return ok(place, f"{place}_room", said)
