"""The words of test_decoding's lines, one character at a time: names, types, values.

Source: contrib/test_decoding/test_decoding.c (print_literal), quote_identifier in src/backend/utils/adt/ruleutils.c
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, Literal, NoReturn


class Unsent(Enum):
    """A value that an UPDATE did not send: large, and not changed."""

    TOKEN = auto()


UNSENT: Final = Unsent.TOKEN
Value = bytes | None | Literal[Unsent.TOKEN]

_INTEGERS: Final = ("smallint", "integer", "bigint", "oid")
_NUMBERS: Final = ("real", "double precision", "numeric")
_BITS: Final = ("bit", "bit varying")
_FORMS: Final = (
    {"boolean": rb"true|false"}
    | dict.fromkeys(_INTEGERS, rb"-?[0-9]+")
    | dict.fromkeys(_NUMBERS, rb"-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?|NaN|-?Infinity")
)
_LINES: Final = (b"BEGIN", b"COMMIT", b"table ", b"message: ", b"pg_recvlogical: ")
_MESSAGE_BYTES_MAX: Final = 0x3FFFFFFF
_STREAMED: Final = {
    b"block": rb"(?:opening|closing) a streamed block for transaction(?: TXN ([0-9]+))?",
    b"streaming change": rb"streaming (?:change|truncate) for (?:TXN ([0-9]+)|transaction)",
    b"aborting": rb"aborting streamed \(sub\)transaction(?: TXN ([0-9]+))?",
    b"committing": rb"committing streamed transaction(?: TXN ([0-9]+))?(?: \(at [-+0-9:. BC]*\))?",
}
_NAME_CHARACTERS: Final = b"abcdefghijklmnopqrstuvwxyz_0123456789"


class Refused(Exception):
    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at = at
        self.why = why


class Torn(Exception):
    """The text ends here, and the record does not."""


class Characters:
    """The text from `at` on."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.any_type = False  # of a table that nobody knows

    def peek(self) -> bytes:
        if self.at >= len(self.data):
            raise Torn
        return self.data[self.at : self.at + 1]

    def take(self) -> bytes:
        character = self.peek()
        self.at += 1
        return character

    def comes(self, word: bytes) -> bool:
        rest = self.data[self.at : self.at + len(word)]
        if len(rest) < len(word) and word.startswith(rest):
            raise Torn
        return rest == word

    def accept(self, word: bytes) -> bool:
        found = self.comes(word)
        self.at += len(word) if found else 0
        return found

    def expect(self, word: bytes) -> None:
        for character in word:
            if self.peek() != bytes([character]):
                self.refuse(f"{word!r} is missing")
            self.at += 1

    def refuse(self, why: str) -> NoReturn:
        raise Refused(self.at, why)

    def quoted(self, quote: bytes) -> bytes:
        """What stands between two quotes; the quote is doubled in it."""
        self.expect(quote)
        found = b""
        while True:
            character = self.take()
            if character == quote and not (self.at < len(self.data) and self.peek() == quote):
                return found
            if character == quote:
                self.take()
            found += character

    def number(self) -> int:
        digits = b""
        while self.peek() in b"0123456789":
            digits += self.take()
        if not digits:
            self.refuse("a number is missing")
        return int(digits)

    # ------------------------------------------------------------------ names and types

    def name(self) -> str:
        if self.peek() == b'"':
            return self.utf8(self.quoted(b'"'))
        found = b""
        while self.peek() in _NAME_CHARACTERS:
            found += self.take()
        if not found:
            self.refuse("a name is missing")
        return found.decode()

    def type(self) -> str:
        """Up to the bracket that closes it; numeric[] has brackets of its own."""
        start, depth = self.at, 1
        while depth:
            if self.peek() == b'"':
                self.quoted(b'"')
                continue
            character = self.take()
            if character not in _NAME_CHARACTERS + b" .[]":
                self.refuse("a type that is none")
            depth += (character == b"[") - (character == b"]")
        return self.utf8(self.data[start : self.at - 1])

    def utf8(self, text: bytes) -> str:
        try:
            return text.decode()
        except UnicodeDecodeError:
            self.refuse("not UTF-8")

    # ------------------------------------------------------------------ values

    def value(self, kind: str) -> Value:
        if self.peek() == b"'":
            if kind in (*_FORMS, *_BITS) and not self.any_type:
                self.refuse("a value in quotes")
            found = self.quoted(b"'")
            self.utf8(found)
            return found
        if (kind in _BITS or self.any_type) and self.accept(b"B"):
            found = self.quoted(b"'")
            if not self.any_type and not re.fullmatch(rb"[01]*", found):
                self.refuse("a bit that is none")
            return found
        start, word = self.at, b""
        while self.peek() not in b" \n":
            word += self.take()
        if word == b"null":
            return None
        if word == b"unchanged-toast-datum":
            return UNSENT
        forms = _FORMS.values() if self.any_type else [_FORMS.get(kind, b"(?!)")]
        if not any(re.fullmatch(form, word) for form in forms):
            raise Refused(start, "a value that is none")
        return word

    def row(self) -> list[tuple[str, str, Value]]:
        """(name, type, value) of each column, up to the line's end or ` new-tuple:`."""
        found = []
        while self.peek() == b" " and not self.comes(b" new-tuple:"):
            self.take()
            name = self.name()
            self.expect(b"[")
            kind = self.type()
            self.expect(b":")
            found.append((name, kind, self.value(kind)))
        return found

    def to_end_of_record(self) -> None:
        """Over whatever is there, up to a newline that is in no quotes."""
        while self.peek() != b"\n":
            if self.peek() in b"'\"":
                self.quoted(self.peek())
            else:
                self.take()

    # ------------------------------------------------------------------ messages

    def message(self) -> None:
        """The first reading of prefix and size is right of which the content is followed by a newline.

        A line that begins like a record, before there is such a reading, tells that this one was cut."""
        start = self.at
        self.expect(b"message: transactional: ")
        if self.take() not in b"01":
            self.refuse("an unknown flag")
        self.expect(b" prefix: ")
        at = self.at
        while at < len(self.data):
            if self.data[at : at + 1] == b"\n" and self.data.startswith(_LINES, at + 1):
                raise Refused(at, "a message that does not end")
            found = re.match(rb", sz: (0|[1-9][0-9]{0,9}) content:", self.data[at : at + 40])
            if found is None:
                at += 1
                continue
            at += found.end()
            end = at + int(found[1])
            if end - start > _MESSAGE_BYTES_MAX:
                continue
            if end >= len(self.data):
                break
            if self.data[end : end + 1] == b"\n":
                self.at = end
                return
        raise Torn

    def streamed(self) -> tuple[bytes, int | None]:
        """A line of a transaction that is sent before its end; test_decoding leaves the rows out. What, and of whom."""
        start = self.at
        while self.peek() != b"\n":
            self.take()
        line = self.data[start : self.at]
        for what, form in _STREAMED.items():
            if found := re.fullmatch(form, line):
                return what, int(found[1]) if found[1] else None
        raise Refused(start, "an unknown line")
