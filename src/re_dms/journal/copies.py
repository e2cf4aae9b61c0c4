"""Local files with the bytes of data files, for those who read files: the store's own, or copies beside the process."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Final

from re_dms.errors import ChangesMissing, JournalUnavailable
from re_dms.journal import keys
from re_dms.journal.objects import RESET
from re_dms.journal.store import ObjectAltered, ObjectMissing, Store
from re_dms.manifest import DataFile

_READ_BYTES: Final = 1024 * 1024


class LocalCopies:
    """Fetches data files of one store. Copies are readable by this user only and go with `release`, with this object,
    or with the process; those of a process that was killed go with the system's temporary files."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._directory: Path | None = None

    def fetch(self, file: DataFile) -> Path:
        """The file, checked against size and checksum. Raises ChangesMissing, JournalUnavailable."""
        path = self._store.local_path(file.key)
        if path is None:
            path = self._copy(file)
        digest, size = hashlib.sha256(), 0
        try:
            with path.open("rb") as stream:
                while block := stream.read(_READ_BYTES):
                    digest.update(block)
                    size += len(block)
        except FileNotFoundError:
            raise self._missing(file, "is missing") from None
        except OSError as error:
            raise JournalUnavailable(f"{file.key} cannot be read from {self._store.url}") from error
        if (size, digest.hexdigest()) != (file.bytes, file.sha256):
            raise self._missing(file, f"was altered ({size} bytes, {file.bytes} were written)")
        return path

    def release(self) -> None:
        """Remove all copies."""
        if self._directory is not None:
            for path in self._directory.iterdir():
                path.unlink(missing_ok=True)

    def _copy(self, file: DataFile) -> Path:
        path = self._place() / file.key.replace("/", "-")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._store.download(file.key, path)
        except ObjectMissing:
            raise self._missing(file, "is missing") from None
        except ObjectAltered:
            raise self._missing(file, "was altered") from None
        except OSError as error:
            raise _no_room(path, error) from error
        return path

    def _place(self) -> Path:
        if self._directory is None:
            try:
                self._directory = Path(tempfile.mkdtemp(prefix="re_dms-journal-"))
            except OSError as error:
                raise _no_room(Path(tempfile.gettempdir()), error) from error
            weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        return self._directory

    def _missing(self, file: DataFile, what: str) -> ChangesMissing:
        return ChangesMissing(
            f"{file.key} of batch {keys.number_of(file.key)} {what} in the journal {self._store.url}", remedy=RESET
        )


def _no_room(path: Path, error: OSError) -> JournalUnavailable:
    return JournalUnavailable(
        f"no copy of a data file could be written to {path}: {error.strerror or 'input/output error'}",
        remedy="make room there, or name another directory for temporary files in TMPDIR",
    )
