"""The errors of one load: what is noted, when it is too much, and how a trap is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

from redshift_standin.copy.csv import Broken
from redshift_standin.copy.outcome import RAW_CHARACTERS_MAX, Bad, LoadError, LoadFailed, NotKnown, TargetColumn
from redshift_standin.errors import RedshiftError, unknown
from redshift_standin.sql.statements import Copy


@dataclass(frozen=True)
class Place:
    """A buffer of a file: `line` is the number of its first line; `start` an offset in it."""

    url: str
    line: int
    buffer: bytes
    start: int = 0

    def at(self, start: int) -> Place:
        return replace(self, start=start)

    @property
    def line_number(self) -> int:
        return self.line + self.buffer.count(b"\n", 0, self.start)

    @property
    def raw_line(self) -> bytes:
        """The record's first line, as far as it is shown."""
        end = self.buffer.find(b"\n", self.start)
        return self.buffer[self.start : end if end >= 0 else None][: RAW_CHARACTERS_MAX * 4]


class Journal:
    """Notes errors in the order of the rows; `note` raises LoadFailed when MAXERROR is reached (0 is 1)."""

    def __init__(self, command: Copy) -> None:
        self.errors: list[LoadError] = []
        self._errors_max = max(1, command.max_error)

    def note(self, bad: Bad, place: Place, column: TargetColumn | None = None, field: bytes = b"") -> None:
        self.errors.append(
            LoadError(
                url=place.url,
                line_number=place.line_number,
                column=column.name if column else "",
                type=column.short_type if column else "",
                length=column.length if column else "",
                position=bad.position,
                raw_line=_shown(place.raw_line),
                raw_field=_shown(field),
                code=bad.code,
                reason=bad.reason,
            )
        )
        if len(self.errors) >= self._errors_max:
            raise LoadFailed(tuple(self.errors))

    def broken(self, bad: Broken, place: Place) -> NoReturn:
        """A record without an end: the last error of any load."""
        self.note(bad, place.at(bad.start))
        raise unknown(f"the rows after a record with misplaced quotes under MAXERROR ({place.url})")

    def unknown(self, what: NotKnown, place: Place, column: TargetColumn | None = None) -> RedshiftError:
        """To be raised: a trap, with the place where it was met."""
        where = f"{place.url}, line {place.line_number}" + (f", column {column.name}" if column else "")
        return unknown(f"{what} ({where})")


def _shown(data: bytes) -> str:
    """For a column of the backend, which holds no NUL."""
    return data[: RAW_CHARACTERS_MAX * 4].decode(errors="replace").replace("\0", "\ufffd")[:RAW_CHARACTERS_MAX]
