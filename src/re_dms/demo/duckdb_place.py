"""The demo's warehouse as a DuckDB file, its journal as a directory beside it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote as percent_encoded

import duckdb
from pydantic import TypeAdapter

from re_dms.demo.canonical import quote, source_row, target_row
from re_dms.demo.place import Digest
from re_dms.errors import ReDmsError
from re_dms.schema import Column, Relation

_RELATION: Final[TypeAdapter[Relation]] = TypeAdapter(Relation)
_LOCK_SECONDS_MAX: Final = 5.0
_POLL_SECONDS: Final = 0.05


class DuckDBPlace:
    """`shop.duckdb` in a directory."""

    kind = "duckdb"
    name = "DuckDB"
    body_bytes = 100_000

    def __init__(self, directory: Path) -> None:
        self.file = directory / "shop.duckdb"
        self._journal = directory / "shop.duckdb.journal"

    def start(self) -> None:
        """The pipeline makes the file."""

    def introduce(self) -> list[str]:
        """What the audience should know of it."""
        return ["Nothing of yours is touched: the demo has a Postgres, a warehouse file and a directory of its own."]

    def arguments(self) -> list[str]:
        """Those of `re-dms run`."""
        return ["--warehouse", f"duckdb://{percent_encoded(str(self.file))}"]

    def environment(self) -> dict[str, str]:
        """Nothing."""
        return {}

    def watermark(self) -> int:
        """The last batch that the warehouse has committed."""
        with self._connected() as target:
            row = target.execute("select coalesce(max(batch), 0) from re_dms.watermark").fetchone()
        return 0 if row is None else int(row[0])

    @contextmanager
    def opened(self) -> Iterator[DuckDBSide]:
        """A session that reads."""
        with self._connected() as target:
            yield DuckDBSide(target)

    def keep(self) -> list[tuple[str, str]]:
        """All of it is in the directory."""
        return [("warehouse", str(self.file)), ("journal", str(self._journal))]

    def close(self) -> None:
        """Nothing runs."""

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with self._unlocked() as target:
                yield target
        except duckdb.Error as error:
            raise ReDmsError(
                f"the demo cannot read its own warehouse: {type(error).__name__}", remedy="run it again with --keep DIR"
            ) from error

    def _unlocked(self) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + _LOCK_SECONDS_MAX
        while True:
            try:
                return duckdb.connect(str(self.file), read_only=True)
            except duckdb.IOException:  # the killed process may still be on its way out
                if time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_SECONDS)


class DuckDBSide:
    """Reads over a connection, which the caller closes."""

    def __init__(self, target: duckdb.DuckDBPyConnection) -> None:
        self._target = target
        target.execute("set timezone to 'UTC'")

    def relations(self) -> list[Relation]:
        """The tables that pipelines filled in this file, as re_dms recorded them."""
        rows = self._target.execute("select relation from re_dms.tables where relation is not null").fetchall()
        return [_RELATION.validate_json(row[0]) for row in rows]

    def columns(self, relation: Relation) -> set[str]:
        """Which columns the target really has."""
        rows = self._target.execute(
            "select column_name from duckdb_columns() where database_name = current_database() and schema_name = ?"
            " and table_name = ?",
            [relation.schema, relation.name],
        ).fetchall()
        return {row[0] for row in rows}

    def source_row(self, columns: tuple[Column, ...]) -> str:
        """Postgres's SQL for the canonical text of a row."""
        return source_row(columns)

    def digest(self, relation: Relation) -> Digest:
        """Of the MD5s of all rows' canonical texts."""
        halves = [f"cast(coalesce(sum(cast('0x' || substr(d, {at}, 15) as hugeint)), 0) as varchar)" for at in (1, 16)]
        row = self._target.execute(
            f"select count(*), {', '.join(halves)} from ({_rows(relation)}) as digests"
        ).fetchone()
        if row is None:
            raise RuntimeError("a count gave no row")
        return row[0], row[1], row[2]

    def rows(self, relation: Relation) -> Iterable[str]:
        """The MD5s themselves."""
        return [row[0] for row in self._target.execute(_rows(relation)).fetchall()]

    def counts(self) -> dict[str, tuple[int, ...]]:
        """What the warehouse counted."""
        rows = self._target.execute(
            "select schema_name || '.' || table_name, copied, inserts, updates, deletes, truncates from re_dms.tables"
        ).fetchall()
        return {name: tuple(counts) for name, *counts in rows}


def _rows(relation: Relation) -> str:
    name = f"{quote(relation.schema)}.{quote(relation.name)}"
    return f"select md5({target_row(relation.columns)}) as d from {name}"
