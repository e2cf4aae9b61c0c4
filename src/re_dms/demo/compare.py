"""Compare tables in Postgres with tables in DuckDB: every row, in SQL on both sides.

Each side writes every row as one canonical text (see `canonical`), takes its md5, and sums the digests' halves: equal
counts and equal sums of 2 x 60 bits mean equal multisets of rows. Where they differ, the rows that only one side has
are counted. Which tables and columns there have to be is asked of Postgres's catalog, not of the warehouse.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import psycopg
from psycopg.abc import Query
from pydantic import TypeAdapter

from re_dms.demo.canonical import quote, source_row, target_row
from re_dms.schema import Relation

_RELATION: Final[TypeAdapter[Relation]] = TypeAdapter(Relation)

# What decides how Postgres prints values; the pipeline forces the same (protocol line 7).
_SESSION: Final = (
    "set timezone to 'UTC'; set datestyle to 'ISO'; set intervalstyle to 'postgres'; set extra_float_digits to 1;"
    " set bytea_output to 'hex'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One table: rows on both sides, how many only one side has, and what else differs (`problem`, in words)."""

    table: str
    source_rows: int
    target_rows: int
    missing: int = 0
    surplus: int = 0
    problem: str = ""

    @property
    def equal(self) -> bool:
        """Whether the target holds exactly the source's rows."""
        return not self.problem and not self.missing and not self.surplus and self.source_rows == self.target_rows


def compare_all(dsn: str, path: str | Path) -> list[Comparison]:
    """Every table that `dsn` has, and every one that is recorded in the DuckDB file at `path`, by name.

    The source must be at rest, and no other process may have the file open.
    """
    with duckdb.connect(str(path), read_only=True) as target, psycopg.connect(dsn) as source:
        source.execute(_SESSION)
        target.execute("set timezone to 'UTC'")
        recorded = {relation.full_name: relation for relation in recorded_relations(target)}
        catalog = _catalog(source)
        return [_compare_named(source, target, name, recorded, catalog) for name in sorted({*recorded, *catalog})]


def compare_table(source: psycopg.Connection[Any], target: duckdb.DuckDBPyConnection, relation: Relation) -> Comparison:
    """Every row of one table that both sides have, by the columns of `relation`. Sessions: see `compare_all`."""
    source_digest = source.execute(_query(_source_digest(relation))).fetchone()
    target_digest = target.execute(_target_digest(relation)).fetchone()
    if source_digest is None or target_digest is None:
        raise RuntimeError("a count gave no row")
    missing = surplus = 0
    if tuple(source_digest) != tuple(target_digest):
        ours = Counter(row[0] for row in source.execute(_query(_source_rows(relation))))
        theirs = Counter(row[0] for row in target.execute(_target_rows(relation)).fetchall())
        missing, surplus = (ours - theirs).total(), (theirs - ours).total()
    return Comparison(
        table=relation.full_name,
        source_rows=source_digest[0],
        target_rows=target_digest[0],
        missing=missing,
        surplus=surplus,
    )


def recorded_relations(target: duckdb.DuckDBPyConnection) -> list[Relation]:
    """The tables that pipelines filled in this file, as re_dms recorded them, by name."""
    rows = target.execute(
        "select relation from re_dms.tables where relation is not null order by schema_name, table_name"
    ).fetchall()
    return [_RELATION.validate_json(row[0]) for row in rows]


# ---------------------------------------------------------------------- names and columns


def _compare_named(
    source: psycopg.Connection[Any],
    target: duckdb.DuckDBPyConnection,
    name: str,
    recorded: dict[str, Relation],
    catalog: dict[str, tuple[str, ...]],
) -> Comparison:
    relation, columns = recorded.get(name), catalog.get(name)
    if relation is None:
        return Comparison(table=name, source_rows=0, target_rows=0, problem="the warehouse does not have it")
    if columns is None:
        return Comparison(table=name, source_rows=0, target_rows=0, problem="the source does not have it")
    if set(columns) != {column.name for column in relation.columns} or set(columns) != _target_columns(
        target, relation
    ):
        return Comparison(table=name, source_rows=0, target_rows=0, problem="its columns differ")
    return compare_table(source, target, relation)


def _catalog(source: psycopg.Connection[Any]) -> dict[str, tuple[str, ...]]:
    """The columns of every ordinary table, by schema.table; generated columns are not replicated."""
    rows = source.execute(
        "select n.nspname || '.' || c.relname, coalesce(array_agg(a.attname::text order by a.attnum)"
        " filter (where a.attname is not null), '{}') from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''"
        " where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
        " group by 1"
    ).fetchall()
    return {name: tuple(columns) for name, columns in rows}


def _target_columns(target: duckdb.DuckDBPyConnection, relation: Relation) -> set[str]:
    rows = target.execute(
        "select column_name from duckdb_columns() where database_name = current_database() and schema_name = ?"
        " and table_name = ?",
        [relation.schema, relation.name],
    ).fetchall()
    return {row[0] for row in rows}


# ---------------------------------------------------------------------- SQL


def _name(relation: Relation) -> str:
    return f"{quote(relation.schema)}.{quote(relation.name)}"


def _source_rows(relation: Relation) -> str:
    # ONLY: the rows of child tables are published under the children's own names.
    return f"select md5({source_row(relation.columns)}) as d from only {_name(relation)}"


def _target_rows(relation: Relation) -> str:
    return f"select md5({target_row(relation.columns)}) as d from {_name(relation)}"


def _source_digest(relation: Relation) -> str:
    halves = [
        f"cast(coalesce(sum(cast(cast('x' || substr(d, {at}, 15) as bit(60)) as bigint)), 0) as text)" for at in (1, 16)
    ]
    return f"select count(*), {', '.join(halves)} from ({_source_rows(relation)}) as digests"


def _target_digest(relation: Relation) -> str:
    halves = [f"cast(coalesce(sum(cast('0x' || substr(d, {at}, 15) as hugeint)), 0) as varchar)" for at in (1, 16)]
    return f"select count(*), {', '.join(halves)} from ({_target_rows(relation)}) as digests"


def _query(text: str) -> Query:
    return text.encode()
