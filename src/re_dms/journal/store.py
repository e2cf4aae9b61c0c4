"""Where the journal's objects are kept: the contract of a store, and how one is opened.

A store is a flat map from keys ("batches/000000000001.json") to bytes. The journal rests on two promises: an object is
created by exactly one of all writers that try, and what a writer was told is there survives a power cut.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from re_dms.errors import ConfigurationError, JournalError

_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=-]*(/[A-Za-z0-9_][A-Za-z0-9_.=-]*)*")
_URL_REMEDY: Final = "write it as file:///absolute/directory, with special characters percent-encoded"


class ObjectExists(JournalError):
    """A create-only put found an object of that name. Whose it is, only `get` tells."""


class ObjectMissing(JournalError):
    """There is no object of that name."""


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

    def create(self, key: str, data: bytes) -> None:
        """Create-only put: durable when it returns. Raises ObjectExists, of all racing writers, for all but one."""
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


def open_store(url: str) -> Store:
    """The store at `url`: file:///absolute/directory. Nothing is made before the first object is.

    Raises ConfigurationError for any other address. Messages never repeat the address: it may hold a secret.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError("the journal's address is not a URL", remedy=_URL_REMEDY) from None
    if parts.scheme != "file":
        scheme = f"scheme {parts.scheme!r}" if parts.scheme else "no scheme"
        raise ConfigurationError(f"the journal's address has {scheme}", remedy=_URL_REMEDY)
    path = unquote_to_bytes(parts.path)
    if parts.netloc or parts.query or parts.fragment or not path.startswith(b"/") or b"\x00" in path:
        raise ConfigurationError("the journal's address names no absolute directory", remedy=_URL_REMEDY)
    if not path.strip(b"/."):
        raise ConfigurationError("the journal's address is the root directory", remedy="name a directory of its own")

    from re_dms.journal.local import LocalStore

    return LocalStore(Path(path.decode(errors="surrogateescape")))
