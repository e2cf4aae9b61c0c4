"""Where the demo's pipeline writes, and what the demo reads there: words for DuckDB and for the Redshift stand-in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from re_dms.schema import Column, Relation

Digest = tuple[int, str, str]
"""Rows, and two sums over the halves of their MD5s, as decimal text: equal for equal multisets of rows."""


class Side(Protocol):
    """The warehouse's side of the comparison: one session, open."""

    def relations(self) -> list[Relation]:
        """The tables that pipelines filled here, as re_dms recorded them."""
        ...

    def columns(self, relation: Relation) -> set[str]:
        """Which columns the target really has, by the source's names."""
        ...

    def source_row(self, columns: tuple[Column, ...]) -> str:
        """Postgres's SQL for the canonical text of a row; that of this side is the same text for the same values."""
        ...

    def digest(self, relation: Relation) -> Digest:
        """Of the MD5s of all rows' canonical texts."""
        ...

    def rows(self, relation: Relation) -> Iterable[str]:
        """The MD5s themselves, in no order."""
        ...

    def counts(self) -> dict[str, tuple[int, ...]]:
        """Per schema.table of the source what the warehouse counted: rows copied, inserts, updates, deletes, truncates."""
        ...


class Place(Protocol):
    """A warehouse and a journal for one demo. `start` before all else; `close` ends it, whatever had been started.

    `kind` is what `--warehouse` of the demo names it by, `name` what the demo calls it. `body_bytes`: how long the shop's documents may be.
    """

    kind: str
    name: str
    body_bytes: int

    def start(self) -> None:
        """Start what it needs. Raises ConfigurationError and ReDmsError."""
        ...

    def introduce(self) -> list[str]:
        """What the audience should know of it, in sentences."""
        ...

    def arguments(self) -> list[str]:
        """Those of `re-dms run`."""
        ...

    def environment(self) -> Mapping[str, str]:
        """What the pipeline finds in its environment, secrets included."""
        ...

    def watermark(self) -> int:
        """The last batch that the warehouse has committed; 0 for none. Asked while no pipeline runs."""
        ...

    def opened(self) -> AbstractContextManager[Side]:
        """A session that reads. Errors of it become ReDmsErrors, without the texts that may quote a value."""
        ...

    def keep(self) -> list[tuple[str, str]]:
        """Bring what is to stay into the demo's directory; what it is, and where. Asked while no pipeline runs."""
        ...

    def close(self) -> None:
        """End and remove all of it but files in the demo's directory. May be called again."""
        ...
