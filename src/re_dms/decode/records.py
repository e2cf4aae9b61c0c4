"""Where the records of test_decoding's text begin and end, when it comes as lines, as pg_recvlogical prints it.

A record ends at a newline, and values and names may hold newlines too. So the quotes tell: ' opens and closes a value,
" a name; inside of one the other means nothing, and a doubled quote closes and opens again with nothing between. With
outside = 0, value = 1, name = 2, a ' takes the state x to (1 - x) mod 3 and a " to (2 - x) mod 3. The state behind
quotes c1 … ck is therefore c_k - c_(k-1) + c_(k-2) - …, mod 3: one sum with alternating signs over the quotes.

Two kinds of lines do not obey quotes. `message: ` lines hold what a program gave to pg_logical_emit_message, and tell
the bytes of its content; `pg_recvlogical: ` lines are the program's own words, to the end of the line.

Source: contrib/test_decoding/test_decoding.c (print_literal, pg_decode_message), src/bin/pg_basebackup/pg_recvlogical.c
        quote_identifier in src/backend/utils/adt/ruleutils.c
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import Offsets

_NEWLINE, _QUOTE, _NAME_QUOTE = b"\n'\""
_CHUNK_BYTES: Final = 256 * 1024  # masks of one chunk stay in the processor's cache
_TURN: Final = np.zeros(256, dtype=np.int32)  # c of the formula above
_TURN[[_QUOTE, _NAME_QUOTE]] = 1, 2
_OWN_WORDS: Final = b"pg_recvlogical: "
_MESSAGE: Final = b"message: "
_HEADER: Final = re.compile(rb"message: transactional: [01] prefix: ")
_MESSAGE_BYTES_MAX: Final = 0x3FFFFFFF
"""MaxAllocSize: Postgres builds a record in one piece of memory."""

# Behind the header, in order: a place where a prefix may end, or a line that looks like another record.
_READING_OR_RECORD: Final = re.compile(
    rb", sz: (0|[1-9][0-9]{0,9}) content:|\n(?:BEGIN|COMMIT|table |message: |pg_recvlogical: )"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The whole records of a buffer. Record i is `starts[i]`…`ends[i]`, without its newline.

    `consumed`: bytes up to behind the newline of the last whole record; from there on is a record that is not whole
    yet. `newlines`: the offsets of all newlines, those of values included.
    """

    starts: Offsets
    ends: Offsets
    consumed: int
    newlines: Offsets

    def __len__(self) -> int:
        return len(self.starts)


def split_records(data: npt.NDArray[np.uint8]) -> Split:
    """Find the whole records of `data`, which begins at the start of one. Nothing is copied, nothing is refused.

    Of a message, the first reading `, sz: N content:` of which the content is followed by a newline is taken: the prefix
    may hold anything, readings of its own included. As long as the content of a possible reading is not all there, or
    no reading was found, the message is not whole. A line of a message that is broken (the line behind it begins like
    a record before any reading fits: a file that was cut and written on) is a record of its own, for which
    `is_message` is false: what follows must not vanish in a prefix.
    """
    marks = _marks(data)
    kinds = data[marks]
    is_newline = kinds == _NEWLINE
    # The sum before newline i is 0 mod 3 where the state is outside, counted from the start of `data`. Between two
    # newlines A and B, counted from A on, it is sum(B) - sum(A), but for a sign that does not matter to "is it 0".
    signs = 1 - 2 * (np.cumsum(~is_newline, dtype=np.int32) & 1)
    sums = np.cumsum(_TURN[kinds] * signs, dtype=np.int32)[is_newline]
    # The newline before the first record stands at -1.
    newlines = np.concatenate([[-1], marks[is_newline]])
    sums = np.concatenate([np.zeros(1, dtype=np.int32), sums])
    closing = _closing(data, newlines, sums)
    places = newlines[closing]
    return Split(starts=places[:-1] + 1, ends=places[1:], consumed=int(places[-1]) + 1, newlines=newlines[1:])


def is_message(record: bytes) -> bool:
    """Whether a record that begins with `message: ` is one: some reading of it ends exactly where it ends."""
    header = _HEADER.match(record)
    if header is None:
        return False
    readings = _READING_OR_RECORD.finditer(record, header.end())
    return any(found[1] is not None and found.end() + int(found[1]) == len(record) for found in readings)


def _marks(data: npt.NDArray[np.uint8]) -> Offsets:
    """The offsets of all newlines and quotes, ascending."""
    found = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(data), _CHUNK_BYTES):
        chunk = data[start : start + _CHUNK_BYTES]
        mask = chunk == _QUOTE
        mask |= chunk == _NAME_QUOTE
        mask |= chunk == _NEWLINE
        found.append(np.flatnonzero(mask) + start)
    return np.concatenate(found)


def _closing(data: npt.NDArray[np.uint8], newlines: Offsets, sums: npt.NDArray[np.int32]) -> Offsets:
    """The indices of the newlines that end a record, and before them 0: the newline before the first record."""
    first, last, whole = _unquoted_lines(data, newlines, sums)
    if not len(last):
        return np.flatnonzero(sums[:whole] % 3 == 0)
    count = len(newlines)
    # Behind each of these lines the count begins anew.
    spans = np.diff(np.concatenate([[0], last + 1, [count]]))
    base = np.repeat(np.concatenate([[0], sums[last]]), spans)
    inside = np.zeros(count + 1, dtype=np.int8)
    inside[first + 1] += 1
    inside[last] -= 1
    closes = ((sums - base) % 3 == 0) & (np.cumsum(inside)[:count] == 0)
    closes[last] = True
    return np.flatnonzero(closes[:whole])


def _unquoted_lines(
    data: npt.NDArray[np.uint8], newlines: Offsets, sums: npt.NDArray[np.int32]
) -> tuple[Offsets, Offsets, int]:
    """The lines that do not obey quotes: the indices of the newlines before them, and of those that end them.

    The third is the count of newlines that may end a record: all, or those up to a message that is not whole. A Python
    step for each of these lines, and for lines of values that look so: what programs say is rare among rows.
    """
    candidates = np.sort(np.concatenate([_before(data, newlines, word) for word in (_MESSAGE, _OWN_WORDS)]))
    view = data.data
    first: list[int] = []
    last: list[int] = []
    end = base = 0
    for index, total in zip(candidates.tolist(), sums[candidates].tolist(), strict=True):
        if index < end or (total - base) % 3 != 0:
            continue
        if index + 1 == len(newlines):
            break
        start, closing = int(newlines[index]) + 1, index + 1
        if view[start] == _MESSAGE[0]:
            found = _end_of_message(view, start, int(newlines[closing]))
            if found is None:
                return np.array(first, dtype=np.int64), np.array(last, dtype=np.int64), index + 1
            closing = int(np.searchsorted(newlines, found))
        end, base = closing, int(sums[closing])
        first.append(index)
        last.append(closing)
    return np.array(first, dtype=np.int64), np.array(last, dtype=np.int64), len(newlines)


def _before(data: npt.NDArray[np.uint8], newlines: Offsets, word: bytes) -> Offsets:
    """The indices of the newlines behind which `word` stands."""
    found = np.flatnonzero(newlines + len(word) < len(data))
    for offset, byte in enumerate(word, start=1):
        found = found[data[newlines[found] + offset] == byte]
    return found


def _end_of_message(view: memoryview, start: int, line_end: int) -> int | None:
    """The offset of the newline that ends the message at `start`. None: not whole. `line_end`: of its first newline."""
    header = _HEADER.match(view, start)
    if header is None:
        return line_end
    for found in _READING_OR_RECORD.finditer(view, header.end(), start + _MESSAGE_BYTES_MAX):
        if found[1] is None:
            return line_end
        end = found.end() + int(found[1])
        if end - start > _MESSAGE_BYTES_MAX:
            continue
        if end >= len(view):
            return None
        if view[end] == _NEWLINE:
            return end
    return None
