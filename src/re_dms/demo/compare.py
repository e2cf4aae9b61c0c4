"""Compare tables in Postgres with tables in a warehouse: every row, in SQL on both sides.

Each side writes every row as one canonical text (see `canonical` and `redshift_canonical`), takes its md5, and sums the
digests' halves: equal counts and equal sums of 2 x 60 bits mean equal multisets of rows. Where they differ, the rows
that only one side has are counted. Which tables and columns there have to be is asked of Postgres's catalog, not of the
warehouse.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.abc import Query

from re_dms.demo.canonical import quote
from re_dms.demo.place import Digest, Side
from re_dms.schema import Relation

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


def compare_all(dsn: str, side: Side) -> list[Comparison]:
    """Every table that `dsn` has, and every one that is recorded in the warehouse, by name.

    The source must be at rest, and so must the warehouse.
    """
    with psycopg.connect(dsn) as source:
        source.execute(_SESSION)
        recorded = {relation.full_name: relation for relation in side.relations()}
        catalog = _catalog(source)
        return [_compare_named(source, side, name, recorded, catalog) for name in sorted({*recorded, *catalog})]


def compare_table(source: psycopg.Connection[Any], side: Side, relation: Relation) -> Comparison:
    """Every row of one table that both sides have, by the columns of `relation`. The source's session: see _SESSION."""
    source_rows = _source_rows(side, relation)
    source_digest, target_digest = _source_digest(source, source_rows), side.digest(relation)
    missing = surplus = 0
    if source_digest != target_digest:
        ours = Counter(row[0] for row in source.execute(_query(source_rows)))
        theirs = Counter(side.rows(relation))
        missing, surplus = (ours - theirs).total(), (theirs - ours).total()
    return Comparison(
        table=relation.full_name,
        source_rows=source_digest[0],
        target_rows=target_digest[0],
        missing=missing,
        surplus=surplus,
    )


# ---------------------------------------------------------------------- names and columns


def _compare_named(
    source: psycopg.Connection[Any],
    side: Side,
    name: str,
    recorded: dict[str, Relation],
    catalog: dict[str, tuple[str, ...]],
) -> Comparison:
    relation, columns = recorded.get(name), catalog.get(name)
    if relation is None:
        return Comparison(table=name, source_rows=0, target_rows=0, problem="the warehouse does not have it")
    if columns is None:
        return Comparison(table=name, source_rows=0, target_rows=0, problem="the source does not have it")
    if set(columns) != {column.name for column in relation.columns} or set(columns) != side.columns(relation):
        return Comparison(table=name, source_rows=0, target_rows=0, problem="its columns differ")
    return compare_table(source, side, relation)


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


# ---------------------------------------------------------------------- SQL


def _source_rows(side: Side, relation: Relation) -> str:
    # ONLY: the rows of child tables are published under the children's own names.
    name = f"{quote(relation.schema)}.{quote(relation.name)}"
    return f"select md5({side.source_row(relation.columns)}) as d from only {name}"


def _source_digest(source: psycopg.Connection[Any], rows: str) -> Digest:
    halves = [
        f"cast(coalesce(sum(cast(cast('x' || substr(d, {at}, 15) as bit(60)) as bigint)), 0) as text)" for at in (1, 16)
    ]
    found = source.execute(_query(f"select count(*), {', '.join(halves)} from ({rows}) as digests")).fetchone()
    if found is None:
        raise RuntimeError("a count gave no row")
    return found[0], found[1], found[2]


def _query(text: str) -> Query:
    return text.encode()
