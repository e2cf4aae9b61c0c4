"""Opening the journal's store by its address."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from re_dms.errors import ConfigurationError
from re_dms.journal.store import Store
from re_dms.settings import JournalSettings

_URL_REMEDY: Final = (
    "write it as file:///absolute/directory, with special characters percent-encoded, or s3://bucket/prefix"
)


def open_store(settings: JournalSettings) -> Store:
    """The store at `settings.url`: file:///absolute/directory or s3://bucket/prefix. Nothing is made before the first
    object is, and nothing is connected to.

    Raises ConfigurationError for any other address. Messages never repeat the address: it may hold a secret.
    """
    try:
        parts = urlsplit(settings.url)
    except ValueError:
        raise ConfigurationError("the journal's address is not a URL", remedy=_URL_REMEDY) from None
    if parts.scheme == "s3":
        from re_dms.journal.s3 import S3Store
        from re_dms.journal.s3_session import Place

        return S3Store(Place.of(settings))
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
