"""Which messages of the stream are kept: those of transactions that the journal does not have (protocol line 5).

Begin's `final LSN` is where the commit record starts, Commit's `end LSN` where it ends.
Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import struct
from typing import Final

from re_dms.lsn import LSN
from re_dms.pipeline.progress import Progress

TAG: Final = 25  # 'w', start LSN, end LSN, send time come before every pgoutput message
BEGIN: Final = ord("B")
COMMIT: Final = ord("C")
BORDERS: Final = frozenset((BEGIN, COMMIT))
_KEPT_WHILE_SKIPPING: Final = frozenset(b"RY")
_BEGIN: Final = struct.Struct("!QqI")  # final LSN, time, xid
_COMMIT: Final = struct.Struct("!BQQq")  # flags, commit LSN, end LSN, time
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000


class Gate:
    """Follows the transactions of one connection after the other. The loop asks it at borders and while `skipping`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.reset()

    def reset(self) -> None:
        """A new connection: no transaction is open."""
        self.in_transaction = False
        self.skipping = False
        self._xid = 0

    def keeps(self, tag: int, data: memoryview) -> bool:
        """Whether the message is kept. Raises ChangesMissing where the tail's last COMMIT is not what it was."""
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
        """A kept Commit: the transaction is over. Returns its end LSN; raises ChangesMissing as `keeps` does."""
        _, _, end, _ = _COMMIT.unpack_from(data, TAG + 1)
        self._progress.saw_new_commit(LSN(end))
        self.in_transaction = False
        return LSN(end)
