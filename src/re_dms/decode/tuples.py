"""Tuples of many messages at once: column j of all rows is one step of numpy, values stay where they are.

pgoutput's TupleData: an int16 count, and per column a kind byte ('t' text, 'n' NULL, 'u' unsent TOAST) and, for text,
int32 length and bytes.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import Bits, Frames, Offsets
from re_dms.decode.views import Cells, Texts, Words, words_before

TEXT, NULL, UNSENT = ord("t"), ord("n"), ord("u")
_COUNT: Final = np.dtype(">i2")
_LENGTH: Final = np.dtype(">i4")
_UNKNOWN: Final = 2**40  # further than any message goes
# By kind: how far the next column is, the text itself left out.
_STEP: Final = np.full(256, _UNKNOWN, dtype=np.int64)
_STEP[[TEXT, NULL, UNSENT]] = (5, 1, 1)
_BLOCK_ROWS: Final = 4096  # with all their columns they stay in the processor's cache


def read_tuples(
    frames: Frames,
    messages: Offsets,
    at: Offsets,
    columns: int,
    *,
    wanted: Sequence[bool] | None = None,
    unsent: bool = False,
) -> tuple[list[Texts | None], Offsets]:
    """The tuples of `columns` columns that begin at the offsets `at`, one in each of the messages: the columns' texts
    (None where not `wanted`), and the offset behind each tuple.

    `unsent`: whether TOAST may be unsent here (never in old tuples). Raises as Cursor does.
    """
    texts = [Texts.empty(len(messages)) if wanted is None or wanted[number] else None for number in range(columns)]
    after = np.empty(len(messages), dtype=np.int64)
    for first in range(0, len(messages), _BLOCK_ROWS):
        rows = slice(first, first + _BLOCK_ROWS)
        cursor = Cursor(frames, messages[rows], at[rows])
        cursor.open(columns)
        for column in texts:
            cells = cursor.cells(unsent=unsent)
            if column is not None:
                column.put(rows, cells)
        after[rows] = cursor.at
    return texts, after


class Cursor:
    """A place in each of many messages; all move on together, field by field.

    A step that would leave a message, or finds a byte that it does not know, raises DecodeError for the first such
    message. `messages` are indices into `frames`.
    """

    def __init__(self, frames: Frames, messages: Offsets, at: Offsets) -> None:
        self.frames = frames
        self.messages = messages
        self.at = at
        self._ends = frames.ends[messages]

    def byte(self) -> npt.NDArray[np.uint8]:
        """The next byte of each message."""
        self._refuse(self.at >= self._ends, "the message ends inside of a tuple")
        found = self.frames.bytes[self.at]
        self.at = self.at + 1
        return found

    def open(self, columns: int) -> None:
        """Step into a tuple, which must have this many columns."""
        self._refuse(self.at + 2 > self._ends, "the message ends inside of a tuple")
        self._refuse(self.frames.read(self.at, _COUNT) != columns, f"a tuple of other than {columns} columns")
        self.at = self.at + 2

    def cells(self, *, unsent: bool) -> Cells:
        """The next column of the tuples. `unsent`: whether TOAST may be unsent here."""
        cells, following, is_wrong = _stream_cells(self.frames, self.at)
        beyond = following > self._ends
        if is_wrong or cells.unsent is not None or np.count_nonzero(beyond):
            self._refuse(self.at >= self._ends, "the message ends inside of a tuple")
            if cells.unsent is not None and not unsent:
                self._refuse(cells.unsent, "unsent TOAST where a value must be")
            unknown = (following - self.at >= _UNKNOWN) | (cells.length < 0)
            self._refuse(unknown, "an unknown kind or a negative length of a value")
            self._refuse(beyond, "a value that is longer than its message")
        self.at = following
        return cells

    def close(self) -> None:
        """Every message must end here."""
        self._refuse(self.at != self._ends, "bytes after the end of the tuple")

    def refuse(self, bad: Bits, what: str) -> None:
        """Raise DecodeError for the first bad message, if any; the byte is the one before the cursor."""
        self._refuse(bad, what, back=1)

    def _refuse(self, bad: Bits, what: str, back: int = 0) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            message = int(self.messages[row])
            offset = int(self.at[row] - self.frames.starts[message])
            raise self.frames.refusal(message, offset - back, what)


def _stream_cells(frames: Frames, at: Offsets) -> tuple[Cells, Offsets, bool]:
    """(cells, offset behind each, whether a length is negative). Behind an unknown kind no message goes on."""
    kind = frames.bytes[at]
    start = at + 5
    words, length = _texts(frames, start)
    present = kind == TEXT
    unsent = None
    if np.count_nonzero(present) == len(present):  # cheaper than all() and any(), as long as rows are few
        following = start + length
    else:
        length *= present
        following = _STEP.take(kind)
        following += length
        following += at
        unsent = kind == UNSENT
    cells = Cells(
        present=present,
        unsent=unsent if unsent is not None and np.count_nonzero(unsent) else None,
        start=start,
        length=length,
        words=words,
    )
    return cells, following, bool(np.minimum.reduce(length, initial=0) < 0)


def _texts(frames: Frames, start: Offsets) -> tuple[Words, Offsets]:
    """Texts with their lengths before them."""
    words = words_before(frames, start)
    return words, words.view(_LENGTH)[:, 0].astype(np.int64)
