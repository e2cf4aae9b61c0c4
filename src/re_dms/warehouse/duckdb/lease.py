"""The lease of a warehouse file: at most one live apply process for a file on a machine.

The lock tells two apply processes apart early and politely; it is not what keeps rows right. That is the fence in the
warehouse: a process that is stopped (SIGSTOP, a hung disk) keeps its lock for ever, so a lease whose holder has not
beaten for `STALE_SECONDS` is passed over, and the holder finds its epoch gone when it wakes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from re_dms.errors import PipelineHeld, WarehouseError

STALE_SECONDS: Final = 10.0
_BEAT_SECONDS: Final = 1.0


class Lease:
    """A held lease. It beats by itself, also during a long load; a process that is stopped does not."""

    def __init__(self, handle: int, path: Path, *, locked: bool) -> None:
        self._handle = handle
        self._path = path
        self.locked = locked
        """False when a stale holder still has the lock and only the fence protects us."""

    def beat(self) -> None:
        """Say that we are alive."""
        os.utime(self._handle)


@contextmanager
def held(file: Path) -> Iterator[Lease]:
    """The lease of the warehouse `file`, until the end of the block or the death of the process.

    Raises PipelineHeld, naming the process, while another one holds it and beats.
    """
    path = file.with_name(file.name + ".re_dms.lock")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise WarehouseError(
            f"cannot make the lock file {path}: {errno.errorcode.get(error.errno or 0, 'error')}",
            remedy="let this user write to the folder of the warehouse's file",
        ) from error
    try:
        lease = Lease(handle, path, locked=_lock(handle, file))
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        lease.beat()
        with _beating(lease):
            yield lease
    finally:
        # The file stays: unlinking it would let two processes lock two files of one name.
        os.close(handle)


@contextmanager
def _beating(lease: Lease) -> Iterator[None]:
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT_SECONDS):
            lease.beat()

    thread = threading.Thread(target=beat, daemon=True, name="lease")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _lock(handle: int, file: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if time.time() - os.fstat(handle).st_mtime < STALE_SECONDS:
            pid, _, host = os.pread(handle, 200, 0).decode(errors="replace").strip().partition(" ")
            raise PipelineHeld(
                f"process {pid or '?'} on {host or 'this machine'} already applies to {file}",
                remedy="stop that process, or wait until it ends",
            ) from None
        return False
    return True
