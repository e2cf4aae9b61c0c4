"""A place in each of many lines of test_decoding: all move on together, column by column.

Source: contrib/test_decoding/test_decoding.c (tuple_to_stringinfo, print_literal)
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import Bits, Offsets
from re_dms.decode.line_frames import Lines
from re_dms.decode.line_numbers import are_digits, are_numbers
from re_dms.decode.lines import Form, LayoutColumn
from re_dms.decode.quotes import QUOTE, bare_ends
from re_dms.decode.views import Cells, words_before

_BYTE: Final = np.dtype("u1")
_NULL: Final = b"null"
_UNSENT: Final = b"unchanged-toast-datum"
_WHOLE: Final = tuple(f"[{name}]:".encode() for name in ("smallint", "integer", "bigint", "oid"))
_FORMS: Final = {
    Form.BARE: "a bare value",
    Form.BOOL: "true or false",
    Form.BITS: "B'…'",
    Form.QUOTED: "a value in quotes",
}


class LineCursor:
    """`rows` are numbers of lines; `at` is where each stands.

    A step that finds what no server writes raises DecodeError for the first such line. A header that is another one
    than expected is no error: `matches` tells.
    """

    def __init__(self, lines: Lines, rows: Offsets, at: Offsets) -> None:
        self.lines = lines
        self.rows = rows
        self.at = at
        self._quote = lines.quotes.first_at(at)
        self._ends = lines.ends[rows]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def place(self) -> tuple[Offsets, Offsets]:
        """Where all lines stand, to come back to."""
        return self.at, self._quote

    @place.setter
    def place(self, place: tuple[Offsets, Offsets]) -> None:
        self.at, self._quote = place

    def matches(self, text: bytes) -> Bits:
        """Which lines go on with these bytes."""
        return self.lines.matches(self.at, text)

    def skip(self, text: bytes, chosen: Bits | None = None) -> None:
        """Step over bytes that all lines (or the chosen ones) hold here."""
        moved: int | Offsets = len(text) if chosen is None else np.where(chosen, len(text), 0)
        quotes: int | Offsets = text.count(b"'") if chosen is None else np.where(chosen, text.count(b"'"), 0)
        self.at, self._quote = self.at + moved, self._quote + quotes

    @property
    def ended(self) -> Bits:
        """Which lines end here."""
        ended: Bits = self.at == self._ends
        return ended

    def cells(self, column: LayoutColumn, present: Bits | None = None) -> tuple[Cells, bool]:
        """The values of a column, its header already passed; whether any holds doubled apostrophes.

        `present`: which lines have a value here at all (None: each); the others stay where they are.
        """
        if present is not None and not present.all():
            return self._some_cells(column, present)
        first = self.lines.frames.read(np.minimum(self.at, self._ends), _BYTE)
        opening = self.at + 1 if column.form is Form.BITS else self.at
        if column.form is Form.QUOTED and (first == QUOTE).all():
            cells, doubled = self._quoted(opening)
            return cells, doubled
        if column.form in (Form.QUOTED, Form.BITS):
            return self._quoted_or_bare(column, first, opening)
        return self._bare(column, first), False

    def _some_cells(self, column: LayoutColumn, present: Bits) -> tuple[Cells, bool]:
        part = LineCursor.__new__(LineCursor)
        part.lines, part.rows, part.at = self.lines, self.rows[present], self.at[present]
        part._quote, part._ends = self._quote[present], self._ends[present]
        cells, doubled = part.cells(column)
        self.at, self._quote = self.at.copy(), self._quote.copy()
        self.at[present], self._quote[present] = part.at, part._quote
        spread = Cells(
            present=_spread(cells.present, present),
            unsent=None if cells.unsent is None else _spread(cells.unsent, present),
            start=_spread(cells.start, present),
            length=_spread(cells.length, present),
            words=_spread(cells.words, present),
        )
        return spread, doubled

    def _quoted(self, opening: Offsets) -> tuple[Cells, bool]:
        """All lines hold a '…' value at `opening`."""
        quotes, start = self.lines.quotes, opening + 1
        closing, doubled = quotes.closing(self._quote)
        end = quotes.offset(closing)
        self._refuse(end >= self._ends, "a value that does not end")
        self.at, self._quote = end + 1, closing + 1
        everyone = np.ones(len(start), dtype=np.bool_)
        return self._cells(everyone, None, start, end - start), bool(doubled.any())

    def _quoted_or_bare(
        self, column: LayoutColumn, first: npt.NDArray[np.uint8], opening: Offsets
    ) -> tuple[Cells, bool]:
        """A '…' or B'…' value, or null, or what is unsent."""
        quotes = self.lines.quotes
        quoted = first == (QUOTE if column.form is Form.QUOTED else ord("B"))
        if column.form is Form.BITS:
            quoted &= self.lines.matches(self.at, b"B'")
        closing, doubled = quotes.closing(self._quote)
        end_quoted, end_bare = quotes.offset(closing), self._bare_ends()
        null, unsent = self._words(end_bare, first)
        self._refuse(~(quoted | null | unsent), f"something else than {_FORMS[column.form]} or null")
        self._refuse(quoted & (end_quoted >= self._ends), "a value that does not end")
        start = np.where(quoted, opening + 1, self.at)
        length = np.where(quoted, end_quoted - start, 0)
        if column.form is Form.BITS:
            bits = are_digits(self.lines.frames, start, end_quoted, last=ord("1"))
            self._refuse(quoted & (length > 0) & ~bits, "something else than bits")
        self.at = np.where(quoted, end_quoted + 1, end_bare)
        self._quote = np.where(quoted, closing + 1, self._quote)
        cells = self._cells(quoted, unsent if unsent.any() else None, start, length)
        return cells, bool((doubled & quoted).any())

    def _bare(self, column: LayoutColumn, first: npt.NDArray[np.uint8]) -> Cells:
        """A number, true or false, null, or what is unsent."""
        start, end = self.at, self._bare_ends()
        length = end - start
        null, unsent = self._words(end, first)
        present = ~(null | unsent)
        if column.form is Form.BOOL:
            true = self.lines.matches(start, b"true") & (length == 4)
            false = self.lines.matches(start, b"false") & (length == 5)
            self._refuse(present & ~true & ~false, "something else than true, false or null")
            length = np.minimum(length, 1)  # the stream of pgoutput has t and f
        else:
            number = are_numbers(self.lines.frames, start, end, whole=column.header.endswith(_WHOLE))
            self._refuse(present & ~number, "something else than a number or null")
        self._refuse(length == 0, "a value that is missing")
        self.at = end
        return self._cells(present, unsent if unsent.any() else None, start, np.where(present, length, 0))

    def _bare_ends(self) -> Offsets:
        return bare_ends(self.lines.frames, self.at, self._ends)

    def _words(self, end: Offsets, first: npt.NDArray[np.uint8]) -> tuple[Bits, Bits]:
        """Which values are null, and which unsent. Nothing else that is bare begins with n or u."""
        none = np.zeros(len(first), dtype=np.bool_)
        null, unsent = first == ord("n"), first == ord("u")
        if null.any():
            null &= self.lines.matches(self.at, _NULL) & (end - self.at == len(_NULL))
        if unsent.any():
            unsent &= self.lines.matches(self.at, _UNSENT) & (end - self.at == len(_UNSENT))
        else:
            unsent = none
        return null, unsent

    def _cells(self, present: Bits, unsent: Bits | None, start: Offsets, length: Offsets) -> Cells:
        words = words_before(self.lines.frames, start)
        return Cells(present=present, unsent=unsent, start=start, length=length, words=words)

    def _refuse(self, bad: Bits, what: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            raise self.lines.refusal(int(self.rows[row]), int(self.at[row]), what)


def _spread(values: npt.NDArray[Any], chosen: Bits) -> npt.NDArray[Any]:
    spread = np.zeros((len(chosen), *values.shape[1:]), dtype=values.dtype)
    spread[chosen] = values
    return spread
