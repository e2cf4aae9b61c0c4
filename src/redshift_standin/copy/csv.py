"""The truth about Redshift's CSV and delimited text: a state machine over bytes, plain and slow.

Written from AWS Database Developer Guide, "Data format parameters" (copy-parameters-data-format): fields may be enclosed
in quotes; a quote inside is doubled; blanks between delimiter and quote are ignored; a quoted field may hold delimiters
and line feeds; a backslash is an ordinary character. `scan` is the same in columns and much faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from redshift_standin.copy.outcome import Bad, NotKnown

ROW_BYTES_MAX: Final = 4 * 1024 * 1024
_LF: Final = 0x0A
_BLANKS: Final = b" \t"


@dataclass(frozen=True)
class Dialect:
    """`quote` None: the default text format, in which nothing protects a delimiter."""

    delimiter: int
    quote: int | None

    @cached_property
    def unquoted_end(self) -> re.Pattern[bytes]:
        """What ends a run of ordinary bytes outside quotes, or is refused there."""
        special = bytes((self.delimiter, _LF, 0x0D, 0)) + (b"" if self.quote is None else bytes((self.quote,)))
        return re.compile(b"[" + re.escape(special) + b"]")

    @cached_property
    def quoted_end(self) -> re.Pattern[bytes]:
        return re.compile(b"[" + re.escape(bytes((self.quote or 0, 0))) + b"]")


@dataclass(frozen=True, slots=True)
class Field:
    """The bytes meant, and whether quotes stood around them."""

    data: bytes
    quoted: bool


@dataclass(frozen=True, slots=True)
class Record:
    """`start` and `end` in the buffer, without the line feed. A blank line has no fields."""

    start: int
    end: int
    fields: tuple[Field, ...]


class Broken(Bad):
    """A record after which nobody can say where the next one begins."""

    def __init__(self, code: int, reason: str, start: int, position: int = 0) -> None:
        super().__init__(code, reason, position)
        self.start = start


class Unreadable(NotKnown):
    """A trap of the format; `start` is where its record begins."""

    def __init__(self, what: str, start: int) -> None:
        super().__init__(what)
        self.start = start


def records(data: bytes, dialect: Dialect, *, final: bool) -> Iterator[Record]:
    """The records of a buffer that begins with one. Unless `final`, an unended one at the end is left to the next call.

    A final buffer ends with a line feed (`blocks` sees to it). Raises Broken and Unreadable.
    """
    start = 0
    while start < len(data):
        record = _record(data, start, dialect)
        if record is None:
            if final or len(data) - start > ROW_BYTES_MAX:
                raise _unended(len(data) - start, start)
            return
        yield record
        start = record.end + 1


def _unended(length: int, start: int) -> Broken:
    if length > ROW_BYTES_MAX:
        return Broken(1216, f"Input line is not valid: longer than {ROW_BYTES_MAX} bytes", start)
    return Broken(1214, "Invalid quote formatting for CSV: end of file within quotes", start)


def _record(data: bytes, start: int, dialect: Dialect) -> Record | None:
    """The record at `start`; None when the buffer ends before it does."""
    if data[start] == _LF:
        return Record(start, start, ())
    fields: list[Field] = []
    at = start
    while True:
        found = _field(data, at, start, dialect)
        if found is None:
            return None
        field, end = found
        fields.append(field)
        if data[end] == _LF:
            return Record(start, end, tuple(fields))
        at = end + 1


def _field(data: bytes, at: int, start: int, dialect: Dialect) -> tuple[Field, int] | None:
    """The field at `at` and the place of the delimiter or line feed after it."""
    first = _after_blanks(data, at, dialect)
    if first == len(data):
        return None
    if dialect.quote is not None and data[first] == dialect.quote:
        return _quoted(data, first, start, dialect, dialect.quote)
    match = dialect.unquoted_end.search(data, first)
    if match is None:
        return None
    end = match.start()
    _refuse(data, end, start)
    if data[end] == dialect.quote:
        raise Unreadable("a quote inside a field that does not begin with one", start)
    return Field(data[at:end], quoted=False), end


def _after_blanks(data: bytes, at: int, dialect: Dialect) -> int:
    while at < len(data) and data[at] in _BLANKS and data[at] != dialect.delimiter:
        at += 1
    return at


def _quoted(data: bytes, at: int, start: int, dialect: Dialect, quote: int) -> tuple[Field, int] | None:
    """From the opening quote on."""
    parts: list[bytes] = []
    cursor = at + 1
    while True:
        match = dialect.quoted_end.search(data, cursor)
        if match is None or match.end() == len(data):
            return None
        end = match.start()
        _refuse(data, end, start)
        parts.append(data[cursor:end])
        if data[end + 1] != quote:
            break
        parts.append(data[end : end + 1])
        cursor = end + 2
    after = _after_blanks(data, end + 1, dialect)
    if after == len(data):
        return None
    _refuse(data, after, start)
    if data[after] not in (dialect.delimiter, _LF):
        raise Broken(1214, "Invalid quote formatting for CSV", start, after - at)
    return Field(b"".join(parts), quoted=True), after


def _refuse(data: bytes, at: int, start: int) -> None:
    if data[at] == 0:
        raise Unreadable("a NUL byte", start)
    if data[at] == 0x0D:
        raise Unreadable("a carriage return outside quotes", start)
