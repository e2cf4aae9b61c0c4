"""Transactions that the source sends before their end is known (proto_version 2): their raw messages wait here.

Nothing of them goes to the journal before its commit. They wait in memory, then in files without a name (0600; they end
with the process, however it ends), and are forgotten when the transaction is rolled back or the connection is lost: all
of it is sent again then. What was rolled back inside of a transaction is told with it: subtransactions, by xid.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from re_dms.errors import SourceError

_DISK: Final = "/var/tmp"
MEMORY_BYTES_MAX: Final = 32 * 1024 * 1024
"""All that waits in memory; when it is more, the transaction that grows goes to a file."""


@dataclass(slots=True)
class Waiting:
    """The messages of one transaction, framed as on the wire, in the order of the stream."""

    xid: int
    descriptor: int
    size: int = 0
    aborted: set[int] = field(default_factory=set)
    in_memory: bool = True

    def close(self) -> None:
        """Forget them."""
        os.close(self.descriptor)


class WaitingTransactions:
    """By xid. `directory`: where the files are."""

    def __init__(self, directory: str, memory_bytes_max: int = MEMORY_BYTES_MAX) -> None:
        self._directory = directory
        self._memory_bytes_max = memory_bytes_max
        self._waiting: dict[int, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, xid: int, messages: memoryview) -> None:
        """More messages of a transaction, whole ones. Raises SourceError when the disk has no room."""
        waiting = self._waiting.get(xid)
        if waiting is None:
            waiting = self._waiting[xid] = Waiting(xid=xid, descriptor=os.memfd_create("re_dms", os.MFD_CLOEXEC))
        memory = sum(each.size for each in self._waiting.values() if each.in_memory)
        try:
            if waiting.in_memory and memory + len(messages) > self._memory_bytes_max:
                self._to_file(waiting)
            while messages:
                messages = messages[(written := os.write(waiting.descriptor, messages)) :]
                waiting.size += written
        except OSError as error:
            raise SourceError(
                f"transaction {xid} cannot wait for its end in {self._directory}: {os.strerror(error.errno or 0)}",
                remedy="give `capture.spill_directory` with room for the largest transactions, or set"
                " `capture.streaming` to false: the source keeps them then",
            ) from error

    def aborted(self, xid: int, subxid: int) -> None:
        """A transaction, or one of its subtransactions, was rolled back."""
        if xid == subxid:
            self._forget(xid)
        elif xid in self._waiting:
            self._waiting[xid].aborted.add(subxid)

    def take(self, xid: int) -> Waiting | None:
        """The transaction is over: the caller closes it. None when it changed nothing that is sent to us: the server tells
        of the parts of every large transaction, empty ones too."""
        return self._waiting.pop(xid, None)

    def forget_all(self) -> None:
        """The connection is gone."""
        for xid in list(self._waiting):
            self._forget(xid)

    def _forget(self, xid: int) -> None:
        waiting = self._waiting.pop(xid, None)
        if waiting is not None:
            waiting.close()

    def _to_file(self, waiting: Waiting) -> None:
        descriptor = _nameless_file(self._directory)
        try:
            copied = 0
            while copied < waiting.size:
                copied += os.sendfile(descriptor, waiting.descriptor, copied, waiting.size - copied)
        except OSError:
            os.close(descriptor)
            raise
        os.close(waiting.descriptor)
        waiting.descriptor, waiting.in_memory = descriptor, False


def spill_directory() -> str:
    """Where transactions wait when nothing else was said: a place that is a disk, where there is one."""
    return _DISK if os.access(_DISK, os.W_OK | os.X_OK) else tempfile.gettempdir()


def _nameless_file(directory: str) -> int:
    """A file of ours alone that no directory lists."""
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except (OSError, AttributeError):
        # A file system without such files, or another kernel: one that loses its name at once.
        descriptor, name = tempfile.mkstemp(prefix="re_dms-", dir=directory)
        Path(name).unlink()
        return descriptor
