"""One line of test_decoding at a time: its table and its columns, for lines whose layout is not known, and for TRUNCATE.

Source: contrib/test_decoding/test_decoding.c and quote_identifier in src/backend/utils/adt/ruleutils.c
"""

from __future__ import annotations

import re
from typing import Final

from re_dms.decode.lines import LineColumn, LineTable
from re_dms.decode.wire import BadMessage
from re_dms.lsn import LSN

NO_TUPLE: Final = b" (no-tuple-data)"
OLD: Final = b" old-key:"
NEW: Final = b" new-tuple:"
_TRUNCATE_FLAGS: Final = frozenset((b" (no-flags)", b" restart_seqs", b" cascade", b" restart_seqs cascade"))

_BARE: Final = re.compile(rb"-?[0-9][-+.e0-9]*|-?Infinity|NaN|true|false|null|unchanged-toast-datum")
_PLAIN_NAME: Final = re.compile(rb"[a-z0-9_]+")
_TYPE_BYTES: Final = b"abcdefghijklmnopqrstuvwxyz0123456789_ .[]"


class LineReader:
    """Reads a line's bytes in order from `at` on. Every method raises BadMessage at what no server writes.

    `strict`: also where the columns that are expected, and their types, tell it otherwise."""

    def __init__(self, data: bytes, at: int = 0, *, strict: bool = False) -> None:
        self.data = data
        self.at = at
        self._strict = strict

    def _expect(self, text: bytes, what: str) -> None:
        if not self.data.startswith(text, self.at):
            raise BadMessage(what, self.at)
        self.at += len(text)

    def identifier(self, stops: bytes) -> str:
        """A name up to one of these bytes, or "…" with doubled quotes."""
        data, start = self.data, self.at
        if data[start : start + 1] == b'"':
            end = self._quoted(b'"')
            text = data[start + 1 : end - 1].replace(b'""', b'"')
        else:
            end = min((found for stop in stops if (found := data.find(stop, start)) >= 0), default=-1)
            if end <= start:
                raise BadMessage("a name that is missing or does not end", start)
            text = data[start:end]
            if self._strict and not _PLAIN_NAME.fullmatch(text):
                raise BadMessage("a name without the quotes that it needs", start)
        self.at = end
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise BadMessage("a name that is not UTF-8", start) from None

    def table(self) -> tuple[str, str]:
        """schema.name, as quote_qualified_identifier writes it."""
        schema = self.identifier(b".")
        self._expect(b".", "a table without its schema")
        return schema, self.identifier(b":,")

    def truncate_flags(self) -> None:
        """The end of a TRUNCATE line, behind its tables."""
        self._expect(b": TRUNCATE:", "a list of tables without TRUNCATE")
        if self.data[self.at :] not in _TRUNCATE_FLAGS:
            raise BadMessage("an unknown flag of TRUNCATE", self.at)

    def columns(self) -> tuple[LineColumn, ...]:
        """The columns of a tuple, up to the line's end or ` new-tuple:`; values are stepped over."""
        found: list[LineColumn] = []
        while self.at < len(self.data) and not self.data.startswith(NEW, self.at):
            start = self.at
            self._expect(b" ", "something else than a space between two values")
            name = self.identifier(b"[")
            self._expect(b"[", "a column without its type")
            kind = self._type()
            self._expect(b":", "a column without its value")
            found.append(LineColumn(name=name, type=kind, header=self.data[start : self.at]))
            self._value()
        return tuple(found)

    def _type(self) -> str:
        """Up to the bracket that closes the type; numeric[] has brackets of its own, and names may hold any."""
        start, depth = self.at, 1
        while depth:
            byte = self.data[self.at : self.at + 1]
            if byte == b'"':
                self.at = self._quoted(b'"')
                continue
            if not byte:
                raise BadMessage("a type that does not end", start)
            depth += (byte == b"[") - (byte == b"]")
            if self._strict and byte not in _TYPE_BYTES:
                raise BadMessage("a type that is none", self.at)
            self.at += 1
        try:
            return self.data[start : self.at - 1].decode()
        except UnicodeDecodeError:
            raise BadMessage("a type that is not UTF-8", start) from None

    def _value(self) -> None:
        if self.data.startswith(b"B'", self.at):
            self.at += 1
        if self.data.startswith(b"'", self.at):
            self.at = self._quoted(b"'")
            return
        end = self.data.find(b" ", self.at)
        end = len(self.data) if end < 0 else end
        if end == self.at:
            raise BadMessage("a value that is missing", self.at)
        if self._strict and not _BARE.fullmatch(self.data, self.at, end):
            raise BadMessage("a value that is none", self.at)
        self.at = end

    def _quoted(self, quote: bytes) -> int:
        """Behind the quote that ends what begins here."""
        at = self.at + 1
        while (end := self.data.find(quote, at)) >= 0:
            if self.data[end + 1 : end + 2] != quote:
                return end + 1
            at = end + 2
        raise BadMessage("a quote that nothing ends", self.at)


def read_line_table(
    text: bytes, after: int, *, schema: str, name: str, delete: bool, lsn: LSN, strict: bool = False
) -> LineTable:
    """What a row's line says of its table. `after`: the offset behind the op and its colon. Raises BadMessage."""
    reader = LineReader(text, after, strict=strict)
    if text[after:] == NO_TUPLE:
        return LineTable(schema=schema, name=name, columns=(), whole=False, lsn=lsn)
    if not delete and text.startswith(OLD, after):
        reader.at += len(OLD)
        reader.columns()
        if not text.startswith(NEW, reader.at):
            raise BadMessage("an old key without its new tuple", reader.at)
        reader.at += len(NEW)
    columns = reader.columns()
    if reader.at != len(text):
        raise BadMessage("something behind the last column", reader.at)
    return LineTable(schema=schema, name=name, columns=columns, whole=not delete, lsn=lsn)
