"""The files of one load: the batch's data, and objects beside it that only this load needs (adapted or folded files,
COPY's manifests). They are named by batch and owner, so that nothing of another process is ever overwritten."""

from __future__ import annotations

import itertools
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from re_dms.errors import ConfigurationError, JournalUnavailable
from re_dms.journal import keys
from re_dms.journal.copies import LocalCopies
from re_dms.journal.store import Store
from re_dms.manifest import DataFile

if TYPE_CHECKING:
    import polars as pl


class Workspace:
    """`re_dms.warehouse.base.Files` over a journal's store. What it put is removed at the end of the block, and by
    retention when that did not happen."""

    def __init__(self, store: Store, number: int, owner: str) -> None:
        self._store = store
        self._number = number
        self._owner = owner
        self._copies = LocalCopies(store)
        self._lock = threading.Lock()
        self._sequence = itertools.count(1)
        self._written: list[str] = []
        self._null: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._copies.release()
        if self._written:
            with suppress(JournalUnavailable):  # retention comes by again
                self._store.delete(self._written)

    @property
    def region(self) -> str | None:
        """The region of the bucket, where it was named."""
        return self._store.region

    def fetch(self, file: DataFile) -> Path:
        """A local file with the data file's bytes, checked. Raises ChangesMissing, JournalUnavailable."""
        with self._lock:
            return self._copies.fetch(file)

    def url(self, key: str) -> str:
        """s3://bucket/key. Raises ConfigurationError for a journal on a local disk."""
        if not self._store.url.startswith("s3://"):
            raise ConfigurationError(
                f"Redshift cannot read the journal {self._store.url}",
                remedy="keep the journal in a bucket: --journal s3://bucket/prefix",
            )
        return f"{self._store.url.rstrip('/')}/{key}"

    def read(self, file: DataFile) -> pl.DataFrame:
        """The file's rows: String columns named as `file.columns`."""
        from re_dms.journal.csv import read_csv

        return read_csv(self.fetch(file).read_bytes(), file)

    def write(self, frame: pl.DataFrame, name: str) -> DataFile:
        """Put rows as a data file of the journal's dialect; durable when it returns. All have the same NULL token."""
        from re_dms.journal.csv import new_null_token, write_csv

        with self._lock:
            self._null = self._null or new_null_token()
        data, stats = write_csv(frame, null=self._null, compression="zstd")
        return stats.data_file(key=self.put(f"{name}.csv.zst", data), odd={})

    def put(self, name: str, data: bytes) -> str:
        """Put an object of any bytes under a name of its own; its key."""
        with self._lock:
            key = keys.load_key(self._number, self._owner, f"{next(self._sequence)}-{name}")
            self._written.append(key)
        self._store.put(key, data)
        return key
