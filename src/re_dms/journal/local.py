"""A store in a local directory that keeps its word through a power cut.

An object is written to a temporary file, synced, linked to its name (the one create-only step that file systems have
in common), and the directory is synced. See fsync(2): syncing a file does not sync the name by which it is found.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from re_dms.errors import JournalError, JournalUnavailable
from re_dms.journal.store import ObjectExists, ObjectMissing, check_key, probe_create_only

_TEMPORARIES: Final = ".tmp"  # no key begins with a dot
_LEFTOVER_SECONDS: Final = 3600.0
_SYNC_THREADS_MAX: Final = 8
_SETTLED_NS: Final = 1_000_000_000  # far above the tick by which file systems stamp times

_REFUSED: Final = {
    errno.EROFS: "mount it writable",
    errno.EACCES: "let the user of re_dms read, write and search it",
    errno.EPERM: "let the user of re_dms write it, on a file system that has hard links",
    errno.EOPNOTSUPP: "choose a file system that has hard links",
    errno.EXDEV: "keep the whole journal on one file system",
    errno.ENOTDIR: "name a directory, with nothing in it but the journal",
    errno.EISDIR: "name a directory with nothing in it but the journal",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "name a directory without a loop of links",
}
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class LocalStore:
    """Objects as files (mode 0600) under `root` (directories 0700), which is made with the first object."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.normpath(root))
        self._settled: dict[Path, int] = {}
        self._named: dict[Path, int] = {}
        self._temporary_prefix = f"{socket.gethostname()}-{os.getpid()}-"
        self._remove_leftovers()

    @property
    def url(self) -> str:
        return self._root.as_uri()

    @property
    def region(self) -> str | None:
        return None

    @property
    def remote(self) -> bool:
        return False

    def create(self, key: str, data: bytes) -> None:
        self.create_many([(key, data)])

    def create_many(self, objects: Sequence[tuple[str, bytes]]) -> None:
        """One sync a file, several at a time, and one a directory."""
        paths = [self._path(key) for key, _ in objects]
        directories = sorted({path.parent for path in paths})
        with _told(self._root):
            for directory in (self._root / _TEMPORARIES, *directories):
                self._make_directory(directory)
            with self._written([data for _, data in objects]) as temporaries:
                for (key, _), path, temporary in zip(objects, paths, temporaries, strict=True):
                    self._link(temporary, path, key)
                for directory in directories:
                    _sync_directory(directory)

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with _told(path):
            for directory in (self._root / _TEMPORARIES, path.parent):
                self._make_directory(directory)
            with self._written([data]) as (temporary,):
                # Synced before it is renamed: else a power cut could leave an empty object under the name.
                Path(temporary).replace(path)

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with _told(path):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                raise ObjectMissing(f"{key} is missing in {self._root}") from None
            # Its writer may have died between link and sync: who acts on what he sees needs it to stay.
            self._settle_down_to(path.parent)
            return data

    def download(self, key: str, path: Path) -> None:
        source = self._path(key)
        with _told(source):
            try:
                shutil.copyfile(source, path)
            except FileNotFoundError:
                raise ObjectMissing(f"{key} is missing in {self._root}") from None

    def exists(self, key: str) -> bool:
        path = self._path(key)
        with _told(path):
            return path.is_file()

    def list(self, prefix: str) -> list[str]:
        return sorted(key for key, _ in self._found(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        with _told(self._root):
            found = {}
            for key, entry in self._found(prefix):
                with suppress(FileNotFoundError):
                    found[key] = entry.stat().st_size
        return dict(sorted(found.items()))

    def _found(self, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Key and entry of each object that begins with `prefix`, in no order. There may be very many."""
        directory, slash, _ = prefix.rpartition("/")
        with _told(self._root / directory):
            for key, entry in _files(str(self._root / directory), directory + slash):
                if key.startswith(prefix) and not key.startswith(f"{_TEMPORARIES}/"):
                    yield key, entry

    def delete(self, keys: Iterable[str]) -> None:
        paths = [self._path(key) for key in keys]
        with _told(self._root):
            for path in paths:
                path.unlink(missing_ok=True)
            for directory in {path.parent for path in paths}:
                # data/<number>/ goes with its last file; the directories above it are there to stay.
                if directory.parent not in (self._root, self._root.parent):
                    with suppress(OSError):
                        directory.rmdir()

    def probe(self) -> None:
        probe_create_only(self)

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    @contextmanager
    def _written(self, contents: Sequence[bytes]) -> Iterator[Sequence[str]]:
        """Temporary files that hold `contents`, synced; removed at the end."""
        prefix = f"{self._root / _TEMPORARIES}/{self._temporary_prefix}{os.urandom(12).hex()}"
        files = [(f"{prefix}{number}", data) for number, data in enumerate(contents)]
        try:
            if len(files) <= 1:
                _write_synced(files)
            else:
                # Syncs that run at the same time share a commit of the file system's own journal.
                threads = min(_SYNC_THREADS_MAX, len(files))
                with ThreadPoolExecutor(max_workers=threads) as pool:
                    for _ in pool.map(_write_synced, [files[share::threads] for share in range(threads)]):
                        pass
            yield [path for path, _ in files]
        finally:
            for path, _ in files:
                with suppress(OSError):
                    Path(path).unlink()

    def _link(self, temporary: str, path: Path, key: str) -> None:
        try:
            try:
                os.link(temporary, path)
            except FileNotFoundError:
                # The directory was empty and somebody's `delete` took it in the meantime.
                self._make_directory(path.parent)
                os.link(temporary, path)
        except FileExistsError:
            raise ObjectExists(f"{key} exists in {self._root}") from None

    def _make_directory(self, directory: Path) -> None:
        """Make `directory` and what is missing above it, each durable before the next, whoever made them."""
        for level in (*reversed(directory.parents), directory):
            if not level.is_dir():
                with suppress(FileExistsError):
                    level.mkdir(mode=0o700)
                _sync_directory(level.parent)
            elif self._root in (level, level.parent):
                self._settle_name(level)
            elif self._root in level.parents:
                self._settle(level.parent)

    def _settle_name(self, directory: Path) -> None:
        """Make the name of the root, or of a directory in it, durable; once, for they are there to stay."""
        inode = directory.stat().st_ino
        if self._named.get(directory) == inode:
            return
        # Above the journal we may have no rights, nor did we make it.
        with suppress(PermissionError) if directory == self._root else nullcontext():
            _sync_directory(directory.parent)
        self._named[directory] = inode

    def _settle_down_to(self, directory: Path) -> None:
        """Make durable every name from the root's own down to those in `directory`, whoever made them."""
        self._settle_name(self._root)
        for level in (*reversed(directory.parents), directory):
            if level == self._root or self._root in level.parents:
                self._settle(level)

    def _settle(self, directory: Path) -> None:
        """Sync `directory` unless it has not changed since it was last synced."""
        changed_ns = directory.stat().st_mtime_ns
        if self._settled.get(directory) == changed_ns:
            return
        _sync_directory(directory)
        if time.time_ns() - changed_ns > _SETTLED_NS:  # a later change is sure to bear another time
            self._settled[directory] = changed_ns

    def _remove_leftovers(self) -> None:
        """Remove temporary files of writers that died: of a dead process of this host, or an hour old."""
        with suppress(OSError):
            for path in (self._root / _TEMPORARIES).iterdir():
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS or _writer_is_dead(path.name):
                        path.unlink()


def _files(directory: str, key: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files below `directory`, whose keys begin with `key`; what vanishes while we look is not there."""
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, f"{key}{entry.name}/")
        else:
            yield f"{key}{entry.name}", entry


def _write_synced(files: Sequence[tuple[str, bytes]]) -> None:
    for path, data in files:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(data)
            while rest:  # the operating system takes 2 GB at most at once
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _writer_is_dead(name: str) -> bool:
    """A wrong guess (two hosts of one name) costs the writer a retry: its link fails, nothing is lost."""
    host, _, rest = name.rpartition("-")[0].rpartition("-")
    if host != socket.gethostname() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell the operating system's refusals as errors of the journal that name the path."""
    try:
        yield
    except OSError as error:
        named = error.filename if isinstance(error.filename, str) else str(path)
        what = f"the journal's {named}: {os.strerror(error.errno) if error.errno else 'input/output error'}"
        if error.errno in _REFUSED:
            raise JournalError(what, remedy=_REFUSED[error.errno]) from error
        if error.errno in _NO_ROOM:
            raise JournalUnavailable(what, remedy="make room on the journal's file system") from error
        raise JournalUnavailable(what, remedy="check the journal's disk and mount") from error
