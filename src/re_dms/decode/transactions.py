"""Begin and Commit messages of one buffer, all at once: which message belongs to which transaction.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.decoded import Commits
from re_dms.decode.frames import HEADER, Bits, Frames, Offsets
from re_dms.lsn import LSN

_BEGIN: Final = np.dtype([("final_lsn", ">u8"), ("time", ">i8"), ("xid", ">u4")])
_COMMIT: Final = np.dtype([("flags", "u1"), ("lsn", ">u8"), ("end_lsn", ">u8"), ("time", ">i8")])
_EPOCH_US: Final = 946_684_800_000_000  # Postgres counts from 2000-01-01, the journal from 1970-01-01


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """A Begin whose Commit has not come yet."""

    final_lsn: LSN
    xid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transactions:
    """The transactions that a buffer touches.

    `final_lsn` and `xid` have one entry a transaction, with the one that was open at the buffer's start first, if there was one.
    `open` is the transaction that is still open at the buffer's end.
    """

    commits: Commits
    open: OpenTransaction | None
    final_lsn: npt.NDArray[np.uint64]
    xid: npt.NDArray[np.uint32]
    _markers: Offsets
    _carried: int

    def require(self, frames: Frames, messages: Offsets) -> None:
        """Raise DecodeError unless every one of the messages is between a Begin and its Commit."""
        outside = (np.searchsorted(self._markers, messages) + self._carried) % 2 == 0
        frames.refuse(messages, outside, HEADER, "a change outside of a transaction")

    def final_lsns(self, messages: Offsets) -> npt.NDArray[np.uint64]:
        """The final LSN of the transaction of each message; each is inside of one."""
        return self.final_lsn[(np.searchsorted(self._markers, messages) + self._carried - 1) // 2]

    def xids(self, messages: Offsets) -> npt.NDArray[np.uint32]:
        """The transaction of each message; each is inside of one."""
        return self.xid[(np.searchsorted(self._markers, messages) + self._carried - 1) // 2]

    def final_lsns_near(self, messages: Offsets) -> npt.NDArray[np.uint64]:
        """As `final_lsns`; a message between two transactions counts to the one before it in this buffer, else to the one
        after it; 0/0 when the buffer touches none."""
        if not len(self.final_lsn):
            return np.zeros(len(messages), dtype=np.uint64)
        return self.final_lsn[np.maximum((np.searchsorted(self._markers, messages) + self._carried - 1) // 2, 0)]


def read_transactions(frames: Frames, tags: npt.NDArray[np.uint8], carried: OpenTransaction | None) -> Transactions:
    """Pair the buffer's Begins and Commits. `carried` is the transaction that the buffers before left open.

    Raises DecodeError for a Begin inside a transaction, a Commit outside of one or of another one than was begun.
    """
    is_begin = tags == ord("B")
    markers = np.flatnonzero(is_begin | (tags == ord("C")))
    # Begin and Commit take turns; the first is a Commit when a transaction came over.
    turn: Bits = (np.arange(len(markers)) + (carried is not None)) % 2 == 0
    wrong = is_begin[markers] != turn
    wrong &= np.cumsum(wrong) == 1  # the first only: it puts the others out of turn
    frames.refuse(markers, wrong & turn, HEADER, "a Commit without its Begin")
    frames.refuse(markers, wrong, HEADER, "a Begin inside of a transaction")
    begun, ended = markers[turn], markers[~turn]
    begins = _read(frames, begun, _BEGIN)
    commits = _read(frames, ended, _COMMIT)
    frames.refuse(ended, commits["flags"] != 0, HEADER + 1, "an unknown flag of a Commit")
    final_lsn = begins["final_lsn"].astype(np.uint64)
    xid = begins["xid"].astype(np.uint32)
    if carried is not None:
        final_lsn = np.concatenate([np.array([carried.final_lsn], dtype=np.uint64), final_lsn])
        xid = np.concatenate([np.array([carried.xid], dtype=np.uint32), xid])
    # A buffer that got lost on its way shows here.
    frames.refuse(ended, commits["lsn"] != final_lsn[: len(ended)], HEADER + 2, "a Commit of another transaction")
    is_open = len(final_lsn) > len(ended)
    return Transactions(
        commits=Commits(
            end_lsn=commits["end_lsn"].astype(np.uint64),
            xid=xid[: len(ended)],
            time_us=commits["time"].astype(np.int64) + _EPOCH_US,
        ),
        open=OpenTransaction(final_lsn=LSN(int(final_lsn[-1])), xid=int(xid[-1])) if is_open else None,
        final_lsn=final_lsn,
        xid=xid,
        _markers=markers,
        _carried=int(carried is not None),
    )


def _read(frames: Frames, messages: Offsets, dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    at = frames.starts[messages] + HEADER + 1
    frames.refuse(messages, at + dtype.itemsize != frames.ends[messages], HEADER, "a message of the wrong length")
    return frames.read(at, dtype)
