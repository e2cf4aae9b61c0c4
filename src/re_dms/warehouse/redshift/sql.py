"""SQL text of a load, built by pure functions. Texts depend on names, types and the sort of step alone, never on a
batch's rows, so that Redshift compiles each once.

A staging table's columns have the journal's names (`op`, `mask`, `f<attnum>`, `c<attnum>`). DELETE takes no alias for
its target (https://docs.aws.amazon.com/redshift/latest/dg/r_DELETE.html), so targets are named by their table's name
everywhere, and the staging table's alias is one that no target has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from re_dms.manifest import DataFile
from re_dms.schema import Column, Relation
from re_dms.warehouse.redshift import types
from re_dms.warehouse.redshift.names import Target, literal, quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What one step needs to know: the target with its column names, the staging table, and the columns staged as SUPER."""

    target: Target
    relation: Relation
    names: Mapping[int, str]
    table: str
    odd: frozenset[int] = frozenset()

    @property
    def alias(self) -> str:
        """The staging table's alias."""
        return "staged" if self.target.table != "staged" else "staged_rows"

    @property
    def source(self) -> str:
        """The staging table for FROM and USING."""
        return f"{self.table} as {self.alias}"

    def field(self, name: str) -> str:
        """A column of the staging table."""
        return f"{self.alias}.{name}"

    def column(self, attnum: int) -> str:
        """A column of the target, for comparisons."""
        return f"{quote(self.target.table)}.{quote(self.names[attnum])}"

    def value(self, column: Column) -> str:
        """The target's value of a staged column."""
        return types.value(column.type, self.field(f"c{column.attnum}"), odd=column.attnum in self.odd)

    def same_key(self, left: str, right: str) -> str:
        """Equality of two keys: `t` is the target's, `f` and `c` are fields of the staging table."""
        parts = []
        for attnum in self.relation.key:
            pg = self.relation.column(attnum).type
            sides = [
                self.column(attnum) if side == "t" else types.value(pg, self.field(f"{side}{attnum}"), odd=False)
                for side in (left, right)
            ]
            parts.append(types.same(pg, *sides))
        return " and ".join(parts)


def create_stage(table: str, columns: Sequence[tuple[str, str]]) -> str:
    """A permanent staging table: temporary ones are seen by their own session alone, and rows are staged by several."""
    listed = ", ".join(f"{name} {kind}" for name, kind in columns)
    return f"create table {table} ({listed}) backup no"


def stage_columns(relation: Relation, file: DataFile, odd: frozenset[int]) -> list[tuple[str, str]]:
    """Names and types of the file's fields, in the file's order."""
    fixed = {"op": "character varying(1)", "mask": "character varying(16384)"}
    return [
        (
            name,
            fixed[name]
            if name in fixed
            else types.stage_type(relation.column(int(name[1:])).type, odd=name[0] == "c" and int(name[1:]) in odd),
        )
        for name in file.columns
    ]


def copy(table: str, manifest_url: str, file: DataFile, iam_role: str, region: str | None = None) -> str:
    """COPY of the files in the manifest, all with the token and compression of `file`. Never an option that alters values.

    https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html
    """
    where = "" if region is None else f" region {literal(region)}"
    role = "default" if iam_role == "default" else literal(iam_role)
    compression = {"zstd": "zstd", "gzip": "gzip"}[file.compression]
    return (
        f"copy {table} ({', '.join(file.columns)}) from {literal(manifest_url)} iam_role {role} manifest format as csv "
        f"null as {literal(file.null)} timeformat 'auto' dateformat 'auto' {compression}{where} compupdate off statupdate off"
    )


def count_staged(staged: Staged, *, partial: bool) -> str:
    """Per op (and mask) the rows in the staging table, and how many of the partial ones change their key."""
    if not partial:
        return f"select op, '' as mask, count(*), 0 from {staged.source} group by op"
    moves = f"sum(case when op = 'P' and not ({staged.same_key('f', 'c')}) then 1 else 0 end)"
    return (
        f"select op, coalesce(mask, '') as mask, count(*), {moves} from {staged.source} group by op, coalesce(mask, '')"
    )


def delete_touched(staged: Staged, *, moves: bool) -> str:
    """Delete the target rows of every touched key; with `moves`, not those that rows move away from."""
    delete = f"delete from {staged.target.sql} using {staged.source} where {staged.same_key('t', 'c')}"
    if not moves:
        return f"{delete} and {staged.field('op')} <> 'P'"
    leaving = " and ".join(
        types.same(
            staged.relation.column(attnum).type,
            *(
                types.value(staged.relation.column(attnum).type, field, odd=False)
                for field in (f"leaving.f{attnum}", staged.field(f"c{attnum}"))
            ),
        )
        for attnum in staged.relation.key
    )
    return f"{delete} and not exists (select 1 from {staged.table} as leaving where leaving.op = 'P' and {leaving})"


def move(staged: Staged) -> str:
    """Give the rows whose key changes their new key, all at once: swaps work, since keys are not enforced."""
    return (
        f"update {staged.target.sql} set {_assignments(staged, staged.relation.key)} from {staged.source} "
        f"where {staged.field('op')} = 'P' and not ({staged.same_key('f', 'c')}) and {staged.same_key('t', 'f')}"
    )


def fill(staged: Staged, mask: str) -> str:
    """Set what the partial rows of one mask say, by their new key. A mask of all columns sets the key to itself."""
    unsent = {int(attnum) for attnum in mask.split(",")}
    said = [
        column.attnum
        for column in staged.relation.columns
        if column.attnum not in unsent and column.attnum not in staged.relation.key
    ]
    return (
        f"update {staged.target.sql} set {_assignments(staged, said or staged.relation.key)} from {staged.source} "
        f"where {staged.field('op')} = 'P' and {staged.field('mask')} = {literal(mask)} and {staged.same_key('t', 'c')}"
    )


def insert(staged: Staged, op: str) -> str:
    """Insert the staged rows of one op."""
    names = ", ".join(quote(staged.names[column.attnum]) for column in staged.relation.columns)
    values = ", ".join(staged.value(column) for column in staged.relation.columns)
    return (
        f"insert into {staged.target.sql} ({names}) select {values} from {staged.source} "
        f"where {staged.field('op')} = {literal(op)}"
    )


def delete_all(target: Target) -> str:
    """Empty the target inside the transaction: TRUNCATE would commit it."""
    return f"delete from {target.sql}"


def any_row(target: Target) -> str:
    """A row, where there is one."""
    return f"select 1 from {target.sql} limit 1"


def count_rows(target: Target) -> str:
    """How many rows there are."""
    return f"select count(*) from {target.sql}"


def drop_stages(tables: Sequence[str]) -> str:
    """Drop staging tables."""
    return f"drop table if exists {', '.join(tables)}"


def _assignments(staged: Staged, attnums: Sequence[int]) -> str:
    return ", ".join(
        f"{quote(staged.names[attnum])} = {staged.value(staged.relation.column(attnum))}" for attnum in attnums
    )
