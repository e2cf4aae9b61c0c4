"""Identifiers: how Redshift folds and cuts them, and how they are written for the backend.

Source: AWS Database Developer Guide, "Names and identifiers" (r_names).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

BYTES_MAX: Final = 127
_BACKEND_BYTES_MAX: Final = 63  # Postgres's own NAMEDATALEN - 1
_full_names: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class TableName:
    """A relation as a statement names it; already folded and cut. `schema` is None when none was written."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def quoted(self) -> str:
        """For the backend."""
        return f"{quote(self.schema)}.{quote(self.name)}" if self.schema else quote(self.name)


def fold(name: str, *, case_sensitive: bool = False) -> str:
    """A name as Redshift keeps it: lower case even when quoted, at most 127 bytes, cut at a character's end.

    `case_sensitive`: enable_case_sensitive_identifier is on and the name was quoted.
    """
    kept = name if case_sensitive else name.lower()
    raw = kept.encode()
    return kept if len(raw) <= BYTES_MAX else raw[:BYTES_MAX].decode(errors="ignore")


def quote(name: str) -> str:
    """An identifier for the backend, in double quotes; names that Postgres would cut are kept apart by a digest."""
    return '"' + backend_name(name).replace('"', '""') + '"'


def backend_name(name: str) -> str:
    """The name that the backend knows; `full_name` is its inverse within this process."""
    raw = name.encode()
    if len(raw) <= _BACKEND_BYTES_MAX:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:16]
    short = f"{raw[:44].decode(errors='ignore')}~{digest}"
    _full_names[short] = name
    return short


def full_name(backend: str) -> str:
    """The name that a client knows."""
    return _full_names.get(backend, backend)


def literal(text: str) -> str:
    """A string literal for the backend, which runs with standard_conforming_strings off: E'' with both escapes."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
