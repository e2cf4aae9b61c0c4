"""Which table each line is of, and what it does to it: all lines of a buffer at once.

Source: contrib/test_decoding/test_decoding.c (pg_decode_change, pg_decode_truncate)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import Bits, Offsets
from re_dms.decode.line_frames import Lines

INSERT, UPDATE, DELETE, TRUNCATE = b"IUDT"
OPS: Final = {INSERT: b": INSERT:", UPDATE: b": UPDATE:", DELETE: b": DELETE:", TRUNCATE: b": TRUNCATE:"}
_NAME_AT: Final = len(b"table ")
_WORD: Final = np.dtype("<u8")
_MASKS: Final = np.array([(1 << 8 * n) - 1 for n in range(8)] + [2**64 - 1], dtype=np.uint64)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_ONE_BY_ONE: Final = 8
_COLON: Final = ord(":")
_DOUBLE: Final = ord('"')


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesOfTable:
    """The lines of one table (for TRUNCATE: of one list of tables), ascending. `name`: its bytes as they are written.

    `op` and `after` (the offset behind the word and its colon) have one entry a line.
    """

    name: bytes
    rows: Offsets
    op: npt.NDArray[np.uint8]
    after: Offsets

    def only(self, chosen: Bits) -> LinesOfTable:
        """Some of its lines."""
        if chosen.all():
            return self
        return LinesOfTable(name=self.name, rows=self.rows[chosen], op=self.op[chosen], after=self.after[chosen])


def lines_of_tables(lines: Lines, rows: Offsets) -> list[LinesOfTable]:
    """Group table lines by the bytes of their table's name. Raises DecodeError for a line without one, or without an op."""
    found: list[LinesOfTable] = []
    left = rows
    # Most buffers are of few tables: the first line that is left tells one, and all that begin like it are of it.
    for _ in range(_ONE_BY_ONE):
        if not len(left):
            return found
        start = int(lines.starts[left[0]]) + _NAME_AT
        name = lines.frames.bytes[start : int(_name_ends(lines, left[:1], left[:1] * 0 + start)[0])].tobytes()
        same = lines.matches(lines.starts[left] + _NAME_AT, name + b":")
        found.append(_of_table(lines, name, left[same]))
        left = left[~same]
    return found + _by_hash(lines, left)


def _by_hash(lines: Lines, rows: Offsets) -> list[LinesOfTable]:
    if not len(rows):
        return []
    start = lines.starts[rows] + _NAME_AT
    end = _name_ends(lines, rows, start)
    hashes = _hashes(lines, start, end - start)
    order = np.argsort(hashes, kind="stable")
    cuts = np.flatnonzero(np.diff(hashes[order])) + 1
    found: list[LinesOfTable] = []
    for part in np.split(order, cuts):
        # Lines of one hash are of one table, unless hashes collide: the bytes decide.
        left = part
        while len(left):
            name = lines.frames.bytes[start[left[0]] : end[left[0]]].tobytes()
            same = (end[left] - start[left] == len(name)) & lines.matches(start[left], name)
            found.append(_of_table(lines, name, rows[left[same]]))
            left = left[~same]
    return found


def _of_table(lines: Lines, name: bytes, rows: Offsets) -> LinesOfTable:
    end = lines.starts[rows] + _NAME_AT + len(name)
    op = np.zeros(len(rows), dtype=np.uint8)
    after = end.copy()
    for code, word in OPS.items():
        here = lines.matches(end, word) & (end + len(word) <= lines.ends[rows])
        if here.all():
            return LinesOfTable(name=name, rows=rows, op=op + np.uint8(code), after=end + len(word))
        op[here] = code
        after[here] += len(word)
    lines.refuse(rows, op == 0, "a change of an unknown kind")
    return LinesOfTable(name=name, rows=rows, op=op, after=after)


def _name_ends(lines: Lines, rows: Offsets, start: Offsets) -> Offsets:
    """The first colon of each line that is in no "…"."""
    last = int(lines.ends[rows].max())
    first = int(start[0])
    data = lines.frames.bytes[first:last]
    colons = np.append(np.flatnonzero(data == _COLON) + first, last)
    doubles = np.flatnonzero(data == _DOUBLE) + first
    number = np.searchsorted(colons, start)
    end = colons[number]
    before = np.searchsorted(doubles, start)
    while True:  # once more for each colon within a name
        inside = (np.searchsorted(doubles, end) - before) % 2 == 1
        inside &= end < lines.ends[rows]
        if not inside.any():
            break
        number = number + inside
        end = colons[number]
    lines.refuse(rows, end >= lines.ends[rows], "a change without its table")
    return end


def _hashes(lines: Lines, start: Offsets, length: Offsets) -> npt.NDArray[np.uint64]:
    hashes = length.astype(np.uint64)
    for step in range(0, int(length.max(initial=0)), 8):
        left = np.clip(length - step, 0, 8)
        at = np.minimum(start + step, lines.frames.size)
        word = lines.frames.read(at, _WORD).astype(np.uint64) & _MASKS[left]
        hashes = (hashes ^ word) * _MIX
        hashes ^= hashes >> np.uint64(29)
    return hashes
