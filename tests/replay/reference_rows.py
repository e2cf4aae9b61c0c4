"""What a table's lines may have, and what one of them says of its row.

Source: contrib/test_decoding/test_decoding.c (pg_decode_change)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from replay.reference_text import UNSENT, Value

Row = dict[str, Value]
Change = tuple[str, str, Row | None, Row | None]
"""Table (`schema.name`), INSERT, UPDATE, DELETE or TRUNCATE, the old columns, the new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A table as its lines have it: (name, type) of its columns, those of the key, pg_class.relreplident."""

    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...] = ()
    identity: str = "d"


Catalog = Mapping[tuple[str, str], tuple[Version, ...]]
"""By (schema, name) the versions that a table's lines may have; none: the table is left out."""


def fit(
    op: bytes, old: list[tuple[str, str, Value]] | None, new: list[tuple[str, str, Value]] | None, version: Version
) -> tuple[Row | None, Row | None] | None:
    """Old and new row of a line as this version of its table has them; None if it is of another version."""
    full = version.identity == "f"
    if new is not None and tuple(column[:2] for column in new) != version.columns:
        return None
    if op != b"INSERT" and (version.identity == "n" or (op == b"DELETE" and old is None)):
        return None  # nothing names the row
    told = None
    if old is not None:
        wanted = [column for column in version.columns if full or column[0] in version.key]
        given = [column[:2] for column in old]
        if given != [column for column in wanted if not full or column in given]:
            return None
        if any(value is None or value is UNSENT for _, _, value in old):
            return None
        told = dict.fromkeys((name for name, _ in wanted)) | {name: value for name, _, value in old}
    row = None if new is None else {name: value for name, _, value in new}
    unsent = [name for name, value in (row or {}).items() if value is UNSENT]
    if unsent and (op == b"INSERT" or (full and any(told is None or told[name] is None for name in unsent))):
        return None
    return told, row
