"""Lines that nobody reads, of tables that are left out: they must not hold other lines.

A line of which the end was lost (pg_recvlogical was killed, and began again in the same file) goes on with what was
written behind it; with a quote lost, it goes on for many lines. What is read is refused for that. What is left out is read
only where it holds what another line would begin with: one by one, for few do.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import Offsets
from re_dms.decode.line_frames import Lines
from re_dms.decode.line_reader import read_line_table
from re_dms.decode.line_tables import DELETE, OPS, LinesOfTable
from re_dms.decode.wire import BadMessage
from re_dms.lsn import LSN

_WORDS: Final = (b"BEGIN", b"COMMIT", b"PREPARE", b"TXN ", *OPS.values())


def refuse_strays(lines: Lines, group: LinesOfTable) -> None:
    """Raise DecodeError for the first of these lines that is none, and has something of another line in it."""
    first, last = int(group.after[0]), int(lines.ends[group.rows[-1]])
    data = lines.frames.bytes[first:last]
    found = np.concatenate([_occurrences(data, word) for word in _WORDS]) + first
    number = np.searchsorted(group.after, found, side="right") - 1
    suspects = np.unique(number[found < lines.ends[group.rows[number]]])
    for each in suspects.tolist():
        line = int(group.rows[each])
        text, after = lines.text(line), int(group.after[each] - lines.starts[line])
        delete = bool(group.op[each] == DELETE)
        try:
            read_line_table(text, after, schema="", name="", delete=delete, lsn=LSN(0), strict=True)
        except BadMessage as bad:
            what = f"a line that is cut, or has another line in it: {bad.what}"
            raise lines.refusal(line, int(lines.starts[line]) + bad.offset, what) from None


def _occurrences(data: npt.NDArray[np.uint8], word: bytes) -> Offsets:
    """Where a word stands: its capital letter first, which is rare."""
    at = next(index for index, byte in enumerate(word) if byte != ord(":") and byte != ord(" "))
    found = np.flatnonzero(data == word[at]) - at
    found = found[(found >= 0) & (found + len(word) <= len(data))]
    for index, byte in enumerate(word):
        found = found[data[found + index] == byte]
    return found
