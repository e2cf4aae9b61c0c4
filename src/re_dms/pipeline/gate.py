"""Which messages of the stream are kept: those of transactions that the journal does not have (protocol line 5).

Both plugins' borders begin with the same bytes: B(egin) and C(ommit). pgoutput's Begin tells where the commit record
starts (`final LSN`), its Commit where that ends (`end LSN`). A line of test_decoding has a position in its header alone:
that of a COMMIT is the end LSN of its transaction, so only there is it known which one it was.
Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
        contrib/test_decoding/test_decoding.c, src/backend/replication/logical/logical.c (commit_cb_wrapper)
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from re_dms.errors import DecodeError, InvariantError
from re_dms.lsn import LSN
from re_dms.pipeline.progress import Progress
from re_dms.settings import TEST_DECODING

TAG: Final = 25  # 'w', start LSN, end LSN, send time come before every message of a plugin
BEGIN: Final = ord("B")
COMMIT: Final = ord("C")
BORDERS: Final = frozenset((BEGIN, COMMIT))
_KEPT_WHILE_SKIPPING: Final = frozenset(b"RY")
_BEGIN: Final = struct.Struct("!QqI")  # final LSN, time, xid
_COMMIT: Final = struct.Struct("!BQQq")  # flags, commit LSN, end LSN, time
_START: Final = struct.Struct("!xQ")  # 'w', start LSN
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COMMIT_LINE: Final = re.compile(rb"COMMIT ([0-9]+) \(at ([^)]+\+00)\)")


class Gate(Protocol):
    """Follows the transactions of one connection after the other. The loop asks it at borders and while `skipping`."""

    in_transaction: bool
    skipping: bool

    @property
    def is_open(self) -> bool:
        """Whether every transaction from here on is kept: only their ends have to be told, and of many the last alone."""

    def reset(self) -> None:
        """A new connection: no transaction is open."""

    def keeps(self, tag: int, data: memoryview) -> bool:
        """Whether the message is kept. Raises ChangesMissing where the tail's last COMMIT is not what it was."""

    def committed(self, data: memoryview) -> LSN:
        """A kept Commit: the transaction is over. Returns its end LSN; raises ChangesMissing as `keeps` does."""

    def keeps_whole(self, xid: int, final: LSN, end: LSN, time_us: int) -> bool:
        """Whether a transaction that was sent in parts is kept, of which only the end goes by here. `time_us` as in Commit.

        Raises ChangesMissing as `keeps` does.
        """


def gate_for(plugin: str, progress: Progress) -> Gate:
    """The gate for what this plugin writes."""
    return LineGate(progress) if plugin == TEST_DECODING else MessageGate(progress)


class MessageGate:
    """For pgoutput: a Begin tells whether the journal has its transaction."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.reset()

    @property
    def is_open(self) -> bool:
        """See Gate."""
        return self._progress.is_beyond

    def reset(self) -> None:
        """See Gate."""
        self.in_transaction = False
        self.skipping = False
        self._xid = 0

    def keeps(self, tag: int, data: memoryview) -> bool:
        """See Gate."""
        if tag == BEGIN:
            final, _, self._xid = _BEGIN.unpack_from(data, TAG + 1)
            self.in_transaction = True
            self.skipping = self._progress.is_known(LSN(final))
            return not self.skipping
        if not self.skipping:
            return True
        if tag == COMMIT:
            _, _, end, time_us = _COMMIT.unpack_from(data, TAG + 1)
            self._progress.saw_known_commit(LSN(end), self._xid, time_us + _POSTGRES_EPOCH_US)
            self.in_transaction = self.skipping = False
            return False
        # Relations are sent once a session: those of skipped transactions describe the rows to come.
        return tag in _KEPT_WHILE_SKIPPING

    def committed(self, data: memoryview) -> LSN:
        """See Gate."""
        _, _, end, _ = _COMMIT.unpack_from(data, TAG + 1)
        self._progress.saw_new_commit(LSN(end))
        self.in_transaction = False
        return LSN(end)

    def keeps_whole(self, xid: int, final: LSN, end: LSN, time_us: int) -> bool:
        """See Gate."""
        if self._progress.is_known(final):
            self._progress.saw_known_commit(end, xid, time_us + _POSTGRES_EPOCH_US)
            return False
        self._progress.saw_new_commit(end)
        return True


class LineGate:
    """For test_decoding: transactions come in the order of their commits, so all before the tail's last is known."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.reset()

    @property
    def is_open(self) -> bool:
        """See Gate."""
        return self._progress.is_beyond

    def reset(self) -> None:
        """See Gate."""
        self.in_transaction = False
        self.skipping = False

    def keeps(self, tag: int, data: memoryview) -> bool:
        """See Gate."""
        if tag == BEGIN:
            self.in_transaction = True
            self.skipping = self._progress.awaits_tail
            return not self.skipping
        if not self.skipping:
            return True
        if tag == COMMIT:
            (end,) = _START.unpack_from(data)
            if end <= self._progress.tail_end:
                self._progress.saw_known_commit(LSN(end), *_read_commit(data))
            else:
                self._progress.saw_new_commit(LSN(end))  # refuses: the tail's last COMMIT did not come
            self.in_transaction = self.skipping = False
        return False

    def committed(self, data: memoryview) -> LSN:
        """See Gate."""
        (end,) = _START.unpack_from(data)
        self._progress.saw_new_commit(LSN(end))
        self.in_transaction = False
        return LSN(end)

    def keeps_whole(self, xid: int, final: LSN, end: LSN, time_us: int) -> bool:
        """See Gate. This plugin is never asked for parts."""
        raise InvariantError(f"transaction {xid} came in parts ({final}, {end}, {time_us}), and none were asked for")


def _read_commit(data: memoryview) -> tuple[int, int]:
    """The xid and the time (microseconds since 1970) of `COMMIT 745 (at 2026-11-28 07:30:53.123456+00)`."""
    line = _COMMIT_LINE.fullmatch(data, TAG)
    try:
        if line is not None:
            at = datetime.fromisoformat(line[2].decode())
            return int(line[1]), (at - _EPOCH) // timedelta(microseconds=1)
    except ValueError:
        pass
    (end,) = _START.unpack_from(data)
    raise DecodeError(
        f"the COMMIT that ends at {LSN(end)} does not tell its xid and time as test_decoding writes them",
        remedy="keep the slot, and report the Postgres version",
    )
