"""SQL text for DuckDB, built by pure functions; `quote` and `literal` are the only places that quote.

A target is always named in three parts: with two, DuckDB takes a schema that is named like the file for the file
("Ambiguous reference to catalog or schema").
The staging table's columns have the journal's names (`op`, `n`, `mask`, `f<attnum>`, `c<attnum>`), its values have the
target's types already, so that a value that does not fit stops the batch before anything is merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from re_dms.manifest import DataFile
from re_dms.schema import Column, Relation
from re_dms.warehouse.duckdb import types

STAGE: Final = "temp.main.re_dms_stage"
MATCHES: Final = "temp.main.re_dms_matches"

# DuckDB allocates read_csv's buffers from max_line_size; its own default keeps small files cheap.
LINE_BYTES_MIN: Final = 2_097_152


def quote(name: str) -> str:
    """`name` as an identifier; any character is allowed. DuckDB compares identifiers without ASCII case."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a string constant. DuckDB knows no backslash escapes in it."""
    return "'" + text.replace("'", "''") + "'"


def folded(name: str) -> str:
    """`name` as DuckDB compares it: two names are one when they differ by ASCII case alone."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A table of the warehouse; `catalog` is DuckDB's name of the open file."""

    catalog: str
    schema: str
    table: str

    @property
    def sql(self) -> str:
        """The name for SQL."""
        return f"{quote(self.catalog)}.{quote(self.schema)}.{quote(self.table)}"

    @property
    def schema_sql(self) -> str:
        """The schema's name for SQL."""
        return f"{quote(self.catalog)}.{quote(self.schema)}"

    @property
    def full_name(self) -> str:
        """schema.table, for messages only."""
        return f"{self.schema}.{self.table}"


def read_file(path: Path, file: DataFile) -> str:
    """`read_csv(…)` of a data file, all columns VARCHAR, nothing guessed.

    Exact for every text that Postgres can hold: quoted line breaks, a BOM, the NULL token as a quoted value. Not
    parallel: then DuckDB need not guess where a row starts behind a quoted line break. Globs and `key=value` folders in
    the path mean nothing.
    """
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in file.columns)
    exact = "".join(f"[{c}]" if c in "[*?" else c for c in str(path))
    return (
        f"read_csv({literal(exact)}, columns = {{{columns}}}, auto_detect = false, header = false, delim = ',', "
        f"""quote = '"', escape = '"', new_line = '\\n', nullstr = {literal(file.null)}, allow_quoted_nulls = false, """
        f"compression = {literal(file.compression)}, max_line_size = {max(LINE_BYTES_MIN, file.row_bytes_max + 1024)}, "
        "parallel = false, strict_mode = true, null_padding = false, ignore_errors = false, comment = '', skip = 0, "
        "encoding = 'utf-8', hive_partitioning = false, union_by_name = false, filename = false)"
    )


def values(relation: Relation, file: DataFile) -> dict[str, str]:
    """Per field of the file the SQL of its value: keys and columns in their target's types."""
    expressions = {"op": "op", "n": "cast(n as bigint)", "mask": "mask"}
    by_attnum = {str(column.attnum): column.type for column in relation.columns}
    for name in file.columns:
        if name not in expressions:
            expressions[name] = types.value(by_attnum[name[1:]], name)
    return {name: expressions[name] for name in file.columns}


def stage(source: str, expressions: Mapping[str, str]) -> str:
    """Fill the staging table from `source`, a `read_file`."""
    selected = ", ".join(f"{expression} as {name}" for name, expression in expressions.items())
    return f"create temporary table re_dms_stage as select {selected} from {source}"


def stage_more(source: str, expressions: Mapping[str, str]) -> str:
    """Add another file of the same step to the staging table."""
    return f"insert into {STAGE} select {', '.join(expressions.values())} from {source}"


def unstage() -> str:
    """Drop the staging table."""
    return f"drop table {STAGE}"


def count_ops() -> str:
    """Rows per op in the staging table."""
    return f"select op, count(*) from {STAGE} group by op"


def masks() -> str:
    """The distinct sets of columns that partial rows lack."""
    return f"select mask from {STAGE} where op = 'P' group by mask order by mask"


def complete(target: Target, relation: Relation, mask: str) -> str:
    """Give the partial rows of one mask their unsent values, from the target row whose key is `f…`."""
    lacking = [relation.column(int(attnum)) for attnum in mask.split(",")]
    taken = ", ".join(f"c{column.attnum} = target.{quote(column.name)}" for column in lacking)
    return (
        f"update {STAGE} as stage set {taken} from {target.sql} as target "
        f"where stage.op = 'P' and stage.mask = {literal(mask)} and {_same_key(relation, 'f')}"
    )


def delete_touched(target: Target, relation: Relation) -> str:
    """Delete the target rows of every key that the staged changes touch."""
    return f"delete from {target.sql} as target using {STAGE} as stage where {_same_key(relation, 'c')}"


def insert_staged(target: Target, relation: Relation, ops: Sequence[str]) -> str:
    """Insert the staged rows with these ops."""
    return (
        f"insert into {target.sql} ({_names(relation)}) "
        f"select {_fields(relation)} from {STAGE} where op in ({', '.join(map(literal, ops))})"
    )


def insert_file(target: Target, relation: Relation, source: str, expressions: Mapping[str, str]) -> str:
    """Insert all rows of a copy's file."""
    selected = ", ".join(expressions[f"c{column.attnum}"] for column in relation.columns)
    return f"insert into {target.sql} ({_names(relation)}) select {selected} from {source}"


def match_counted(target: Target, relation: Relation) -> str:
    """For every staged counted delete how many equal rows the target holds (`found`); none: no row."""
    return (
        f"create temporary table re_dms_matches as select stage.rowid as staged, any_value(stage.n) as n, "
        f"count(*) as found from {STAGE} as stage join {target.sql} as target on {_same_row(relation)} "
        "where stage.op = 'X' group by stage.rowid"
    )


def count_matches() -> str:
    """Staged counted deletes of which the target holds enough rows; rows found; rows to keep."""
    return f"select count(*), coalesce(sum(found), 0), coalesce(sum(found - n), 0) from {MATCHES} where found >= n"


def delete_counted(target: Target, relation: Relation) -> str:
    """Delete all rows that equal a staged counted delete; `insert_kept` puts the surplus back."""
    return f"delete from {target.sql} as target using {STAGE} as stage where stage.op = 'X' and {_same_row(relation)}"


def insert_kept(target: Target, relation: Relation) -> str:
    """Insert again what `delete_counted` took beyond `n` copies. Not by rowid: a source column may have that name."""
    return (
        f"insert into {target.sql} ({_names(relation)}) select {_fields(relation)} from (select stage.*, "
        f"unnest(range(matches.found - matches.n)) from {STAGE} as stage "
        f"join {MATCHES} as matches on matches.staged = stage.rowid)"
    )


def insert_counted(target: Target, relation: Relation) -> str:
    """Insert `n` copies of every staged counted insert."""
    return (
        f"insert into {target.sql} ({_names(relation)}) select {_fields(relation)} "
        f"from (select *, unnest(range(n)) from {STAGE} where op = 'I')"
    )


def sum_copies(op: str) -> str:
    """How many copies the staged rows of an op stand for."""
    return f"select coalesce(sum(n), 0) from {STAGE} where op = {literal(op)}"


def delete_all(target: Target) -> str:
    """Empty the target, inside the transaction."""
    return f"delete from {target.sql}"


def _same_key(relation: Relation, prefix: str) -> str:
    key = [relation.column(attnum) for attnum in relation.key]
    return " and ".join(f"target.{quote(column.name)} = stage.{prefix}{column.attnum}" for column in key)


def _same_row(relation: Relation) -> str:
    return " and ".join(_same_value(column) for column in relation.columns)


def _same_value(column: Column) -> str:
    ours, theirs = f"target.{quote(column.name)}", f"stage.c{column.attnum}"
    same = f"{ours} is not distinct from {theirs}"
    if types.equal_is_same(column.type):
        return same
    return f"{same} and signbit({ours}) is not distinct from signbit({theirs})"


def _names(relation: Relation) -> str:
    return ", ".join(quote(column.name) for column in relation.columns)


def _fields(relation: Relation) -> str:
    return ", ".join(f"c{column.attnum}" for column in relation.columns)
