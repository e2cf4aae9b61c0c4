"""BEGIN and COMMIT lines of one buffer, all at once: which line belongs to which transaction, and where each ends.

A BEGIN does not tell where its transaction will end: only the COMMIT does.
Source: contrib/test_decoding/test_decoding.c (pg_output_begin, pg_decode_commit_txn)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.decoded import Commits
from re_dms.decode.frames import Bits, Offsets
from re_dms.decode.line_frames import BEGIN, COMMIT, Lines
from re_dms.decode.views import Cells, Columns, Texts, words_before

UNKNOWN: Final = np.uint64(2**64 - 1)
"""In place of the end LSN of a transaction that is still open."""
_XID_DIGITS_MAX: Final = 10
_BYTE: Final = np.dtype("u1")
_AT: Final = b" (at "
_NO_TIME: Final = "a commit time that is none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTransactions:
    """The transactions that a buffer touches, the one that was open at its start first.

    `end_lsn` (UNKNOWN while open) and `xid` have one entry a transaction. `open_xid`: the one that is open at the
    buffer's end; `open_begin` is the number of its BEGIN line, -1 when that was in an earlier buffer.
    """

    commits: Commits
    end_lsn: npt.NDArray[np.uint64]
    xid: npt.NDArray[np.uint32]
    open_xid: int | None
    open_begin: int
    carried: bool
    _markers: Offsets

    def require(self, lines: Lines, rows: Offsets) -> None:
        """Raise DecodeError unless every one of the lines is between a BEGIN and its COMMIT."""
        outside = (np.searchsorted(self._markers, rows) + self.carried) % 2 == 0
        lines.refuse(rows, outside, "a change outside of a transaction")

    def _owner(self, rows: Offsets) -> Offsets:
        return (np.searchsorted(self._markers, rows) + self.carried - 1) // 2

    def end_lsns(self, rows: Offsets) -> npt.NDArray[np.uint64]:
        """The end LSN of the transaction of each line, UNKNOWN while it is open."""
        return self.end_lsn[self._owner(rows)]

    def xids(self, rows: Offsets) -> npt.NDArray[np.uint32]:
        """The transaction of each line."""
        return self.xid[self._owner(rows)]


def read_line_transactions(lines: Lines, carried_xid: int | None) -> LineTransactions:
    """Pair the buffer's BEGINs and COMMITs. `carried_xid`: of the transaction that the buffers before left open.

    Raises DecodeError for a BEGIN inside a transaction, a COMMIT outside of one or of another one than was begun, and
    for what follows either word that no server writes.
    """
    kinds = lines.kinds
    markers = np.flatnonzero((kinds == BEGIN) | (kinds == COMMIT))
    is_begin = kinds[markers] == BEGIN
    carried = carried_xid is not None
    turn: Bits = (np.arange(len(markers)) + carried) % 2 == 0
    wrong = is_begin != turn
    wrong &= np.cumsum(wrong) == 1
    lines.refuse(markers, wrong & turn, "a COMMIT without its BEGIN")
    lines.refuse(markers, wrong, "a BEGIN inside of a transaction")
    xid, after = read_xids(lines, markers)
    begun, ended = markers[turn], markers[~turn]
    _refuse_rest(lines, begun, after[turn])
    begin_xid = xid[turn]
    if carried_xid is not None:
        begin_xid = np.concatenate([np.array([carried_xid], dtype=np.uint32), begin_xid])
    lines.refuse(ended, xid[~turn] != begin_xid[: len(ended)], "a COMMIT of another transaction")
    end_lsn = np.full(len(begin_xid), UNKNOWN, dtype=np.uint64)
    end_lsn[: len(ended)] = lines.lsn[ended]
    is_open = len(begin_xid) > len(ended)
    return LineTransactions(
        commits=Commits(
            end_lsn=end_lsn[: len(ended)],
            xid=begin_xid[: len(ended)],
            time_us=_commit_times(lines, ended, after[~turn]),
        ),
        end_lsn=end_lsn,
        xid=begin_xid,
        open_xid=int(begin_xid[-1]) if is_open else None,
        open_begin=int(begun[-1]) if is_open and len(begun) else -1,
        carried=carried,
        _markers=markers,
    )


def read_borders(lines: Lines, markers: Offsets) -> tuple[npt.NDArray[np.uint32], Bits]:
    """The xid of each BEGIN and COMMIT, and which have none. Raises DecodeError for what else stands behind the words."""
    xid, after = read_xids(lines, markers)
    is_begin = lines.kinds[markers] == BEGIN
    _refuse_rest(lines, markers[is_begin], after[is_begin])
    _refuse_rest(lines, markers[~is_begin], after[~is_begin], timed=True)
    return xid, after == lines.starts[markers] + np.where(is_begin, len(b"BEGIN"), len(b"COMMIT"))


def _refuse_rest(lines: Lines, markers: Offsets, after: Offsets, *, timed: bool = False) -> None:
    """Behind BEGIN and its xid stands nothing, behind COMMIT and its xid at most the time."""
    good = after == lines.ends[markers]
    if timed:
        good |= lines.matches(after, _AT) & (lines.frames.bytes[lines.ends[markers] - 1] == ord(")"))
    lines.refuse(markers, ~good, f"something behind {'COMMIT' if timed else 'BEGIN'} and its xid")


def read_xids(lines: Lines, markers: Offsets) -> tuple[npt.NDArray[np.uint32], Offsets]:
    """The xid behind each BEGIN or COMMIT (0 where there is none), and where what follows it begins."""
    ends = lines.ends[markers]
    word = np.where(lines.kinds[markers] == BEGIN, len(b"BEGIN"), len(b"COMMIT"))
    at = lines.starts[markers] + word
    value = np.zeros(len(markers), dtype=np.int64)
    first = at + 1
    goes_on = (at < ends) & (lines.frames.read(np.minimum(at, ends), _BYTE) == ord(" "))
    cursor = first.copy()
    for _ in range(_XID_DIGITS_MAX):
        digit = lines.frames.read(np.minimum(cursor, ends), _BYTE).astype(np.int64) - ord("0")
        goes_on &= (cursor < ends) & (digit >= 0) & (digit <= 9)
        if not goes_on.any():
            break
        value = np.where(goes_on, value * 10 + digit, value)
        cursor = cursor + goes_on
    lines.refuse(markers, value >= 2**32, "a number that is no xid")
    # Without xids (include-xids off) the word stands alone, or before the time.
    return value.astype(np.uint32), np.where(cursor > first, cursor, at)


def _commit_times(lines: Lines, ended: Offsets, after: Offsets) -> npt.NDArray[np.int64]:
    """Microseconds since 1970 (UTC) from ` (at 2020-01-01 00:00:00.5+00)`; 0 where a COMMIT does not tell."""
    times = np.zeros(len(ended), dtype=np.int64)
    bare = after == lines.ends[ended]
    told = ~bare & lines.matches(after, _AT)
    lines.refuse(ended, ~bare & ~told, "something behind COMMIT and its xid")
    if told.any():
        which = np.flatnonzero(told)
        start = after[which] + len(_AT)
        length = np.maximum(lines.ends[ended[which]] - start - 1, 0)
        everyone = np.ones(len(which), dtype=np.bool_)
        words = words_before(lines.frames, np.minimum(start, lines.ends[ended[which]]))
        texts = Columns(lines.frames, len(which))
        texts.add_text("at", Texts.of(Cells(present=everyone, unsent=None, start=start, length=length, words=words)))
        parsed = texts.frame(lambda _, row: lines.refusal(int(ended[which[row]]), int(start[row]), _NO_TIME))[
            "at"
        ].str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
        closed = lines.frames.bytes[lines.ends[ended[which]] - 1] == ord(")")
        lines.refuse(ended[which], parsed.is_null().to_numpy() | ~closed, _NO_TIME)
        times[which] = parsed.dt.epoch("us").to_numpy()
    return times
