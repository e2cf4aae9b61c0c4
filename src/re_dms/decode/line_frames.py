"""The lines of one buffer: what kind each is, and comparisons of many places with the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import HEADER, PAD, REMEDY, Bits, Frames, Offsets
from re_dms.decode.quotes import Quotes
from re_dms.decode.records import is_message
from re_dms.errors import DecodeError
from re_dms.lsn import LSN

BEGIN, COMMIT, TABLE, MESSAGE, OTHER = range(5)
KINDS: Final = {BEGIN: b"BEGIN", COMMIT: b"COMMIT", TABLE: b"table ", MESSAGE: b"message: "}
_LSN: Final = np.dtype(">u8")

Place = Callable[[int, int], str]
"""Words for a byte: the number of its line and its offset in the region."""


class Lines:
    """Lines of test_decoding in a region, without what stands around them.

    `starts` and `ends` are offsets of each line's text. `lsn`: for COMMIT lines the end of the transaction; for others a
    position in or before it (0/0: nobody knows). `place` puts a byte's place in words, `remedy` says what
    to do about a line that no server writes.
    """

    def __init__(
        self, frames: Frames, *, starts: Offsets, lsn: npt.NDArray[np.uint64], place: Place, remedy: str = REMEDY
    ) -> None:
        self.frames = frames
        self.starts = starts
        self.ends = frames.ends
        self.lsn = lsn
        self._place = place
        self._remedy = remedy
        self._refuse_short()

    @classmethod
    def of_stream(cls, frames: Frames) -> Lines:
        """The lines of XLogData messages. A COMMIT's header holds the end LSN of its transaction.

        Source: src/backend/replication/logical/logical.c (commit_cb_wrapper: write_location = txn->end_lsn)
        """
        everyone = np.arange(len(frames), dtype=np.int64)
        sizes = frames.ends - frames.starts
        frames.refuse(everyone, sizes <= HEADER, 0, "a message without its header and text")
        frames.refuse(everyone, frames.bytes[frames.starts] != ord("w"), 0, "something else than XLogData")
        lsn = frames.read(frames.starts + 1, _LSN).astype(np.uint64)

        def place(line: int, _offset: int) -> str:
            return f"the line at LSN {LSN(int(lsn[line]))}"

        return cls(frames, starts=frames.starts + HEADER, lsn=lsn, place=place)

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def quotes(self) -> Quotes:
        """The region's apostrophes."""
        return Quotes(self.frames.bytes[: self.frames.size])

    @cached_property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """The kind of each line by how it begins: BEGIN, COMMIT, TABLE, MESSAGE, OTHER."""
        kinds = np.full(len(self), OTHER, dtype=np.uint8)
        for kind, word in KINDS.items():
            kinds[self.matches(self.starts, word)] = kind
        for line in np.flatnonzero(kinds == MESSAGE).tolist():  # a step a message: what they hold is nobody's business
            if not is_message(self.text(line)):
                kinds[line] = OTHER
        return kinds

    def matches(self, at: Offsets, text: bytes) -> Bits:
        """At which offsets these bytes stand. Lines never hold NULs, so what stands behind a line does not match by chance
        where the text ends with anything else; callers see to it that a match lies within its line."""
        if len(text) > PAD:
            first = self.matches(at, text[:PAD])
            some = np.flatnonzero(first)
            within = at[some] + len(text) <= self.frames.size
            first[some] = within
            some = some[within]
            first[some] = self.matches(at[some] + PAD, text[PAD:])
            return first
        found = self.frames.read(np.minimum(at, self.frames.size), np.dtype(f"S{len(text)}"))
        return np.asarray(found == text)

    def text(self, line: int) -> bytes:
        """A copy of a line's text."""
        return self.frames.bytes[self.starts[line] : self.ends[line]].tobytes()

    def place(self, line: int) -> str:
        """Where a line is, in words."""
        return self._place(line, int(self.starts[line]))

    def refusal(self, line: int, at: int, what: str) -> DecodeError:
        """The error for the byte at offset `at` of the region, in this line."""
        offset = at - int(self.starts[line])
        found = f"byte 0x{self.frames.bytes[at]:02x}" if at < self.ends[line] else "its end"
        return DecodeError(
            f"{self._place(line, at)}: {what} ({found} at offset {offset} of the line)", remedy=self._remedy
        )

    def refuse(self, lines: Offsets, bad: Bits, what: str) -> None:
        """Raise DecodeError for the first of these lines that is bad, if any."""
        if bad.any():
            line = int(lines[int(np.argmax(bad))])
            raise self.refusal(line, int(self.starts[line]), what)

    def refuse_nul(self) -> None:
        """Raise DecodeError for the first NUL from the first line to the last. Postgres has none; a file whose blocks were
        lost has many."""
        found = self.frames.bytes[self.starts[0] : self.ends[-1]] if len(self) else self.frames.bytes[:0]
        if found.min(initial=1) == 0:
            at = int(self.starts[0]) + int(np.argmin(found))
            line = int(np.searchsorted(self.starts, at, side="right")) - 1
            raise self.refusal(line, at, "a NUL")

    def _refuse_short(self) -> None:
        everyone = np.arange(len(self), dtype=np.int64)
        self.refuse(everyone, self.starts > self.ends, "a message that is too short")
