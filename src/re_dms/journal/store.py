"""Where the journal's objects are kept: the contract of a store.

A store is a flat map from keys ("batches/000000000001.json") to bytes. The journal rests on two promises: an object is
created by exactly one of all writers that try, and what a writer was told is there survives a power cut.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from re_dms.errors import JournalError

_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=-]*(/[A-Za-z0-9_][A-Za-z0-9_.=-]*)*")


class ObjectExists(JournalError):
    """A create-only put found an object of that name. Whose it is, only `get` tells."""


class ObjectMissing(JournalError):
    """There is no object of that name."""


class ObjectAltered(JournalError):
    """The object's bytes are not those that were put there."""


class Store(Protocol):
    """What the journal asks of an object store. One suite (tests/journal/test_stores.py) runs against each.

    Every method raises JournalUnavailable when it may work later (no room, no connection) and JournalError when
    somebody has to mend it first. After either, a put may or may not have happened: `get` tells.
    Methods may be called from several threads.
    """

    @property
    def url(self) -> str:
        """The store's address, without secrets."""
        ...

    @property
    def region(self) -> str | None:
        """The AWS region that was named for it; None where none was, or for a store that is not AWS's."""
        ...

    @property
    def remote(self) -> bool:
        """Whether every call is a request that takes time and costs money: then it is looked into less often."""
        ...

    def create(self, key: str, data: bytes) -> None:
        """Create-only put: durable when it returns. Raises ObjectExists, of all racing writers, for all but one.

        After a lost reply ObjectExists may be raised for what this very call has put: whose it is, `get` tells. It may
        also be raised while another writer's put is under way that may fail yet.
        """
        ...

    def create_many(self, objects: Sequence[tuple[str, bytes]]) -> None:
        """As `create` for each, at less cost. After an error, ObjectExists included, any of them may exist."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Overwrite in one step: a reader sees the old or the new bytes. For advisory objects only."""
        ...

    def get(self, key: str) -> bytes:
        """The object's bytes. What it returns is as durable as if this process had created it. Raises ObjectMissing."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Write the object's bytes into the file `path`, a part at a time. Raises ObjectMissing, ObjectAltered."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an object of that name."""
        ...

    def list(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix` (a prefix of the text, not of directories), sorted."""
        ...

    def sizes(self, prefix: str) -> dict[str, int]:
        """As `list`, with the size of each object in bytes."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove these objects; those that are missing already are fine."""
        ...

    def probe(self) -> None:
        """Prove by trying that create-only puts are refused the second time. Raises JournalError if they are not."""
        ...

    def local_path(self, key: str) -> Path | None:
        """The file that holds the object's bytes, for stores that have one (it need not exist); None for others."""
        ...


def check_key(key: str) -> str:
    """`key` itself. Raises JournalError when it is no relative name of plain characters (a key can come from a file)."""
    if _KEY.fullmatch(key) is None:
        raise JournalError(
            f"{key!r} is not the name of a journal object",
            remedy="the journal was altered: restore it, or start anew with `re-dms reset`",
        )
    return key


def probe_create_only(store: Store) -> None:
    """`Store.probe` for every store: put a random key twice."""
    key = f"probe/{secrets.token_hex(16)}"
    try:
        with suppress(ObjectExists):  # nobody else has this name: it is ours, and its reply was lost
            store.create(key, b"first")
        try:
            store.create(key, b"second")
        except ObjectExists:
            if store.get(key) == b"first":
                return
        raise JournalError(
            f"the store {store.url} lets a second writer overwrite an object that was put create-only",
            remedy="choose a store with conditional puts; without them two captures could write the same batch",
        )
    finally:
        store.delete([key])
