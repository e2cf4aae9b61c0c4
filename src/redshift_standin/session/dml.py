"""Queries and changes of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redshift_standin.errors import RedshiftError, refused, unknown
from redshift_standin.names import TableName, quote
from redshift_standin.session.backend import Answer, Backend
from redshift_standin.session.columns import columns_of
from redshift_standin.session.context import Context, Outcome, Relation, missing
from redshift_standin.session.late_views import bind
from redshift_standin.sql.query import Query
from redshift_standin.sql.statements import Close, Declare, Delete, Fetch, Insert, Merge, Update
from redshift_standin.types import BYTEA_OID, JSONB_OID

Change = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class Bound:
    """Values for a statement's parameters, as they came from the client; `oids` as the backend resolved them."""

    values: Sequence[bytes | None] = ()
    oids: Sequence[int] = ()
    formats: Sequence[int] = ()

    def run(self, backend: Backend, sql: str) -> Answer:
        if not self.values:
            return backend.execute(sql)
        return backend.execute(sql, self.values, self.oids, self.formats)


NOTHING = Bound()


def relations(context: Context, names: Sequence[TableName] | frozenset[TableName]) -> list[Relation]:
    """The relations that a statement reads; late-binding views are bound. Raises 42P01."""
    found = []
    for name in sorted(names, key=str):
        relation = context.find(name) or bind(context, name)
        if relation is None:
            raise missing(name)
        found.append(relation)
    return found


def query(context: Context, statement: Query, bound: Bound = NOTHING) -> Outcome:
    """SELECT. A query of system relations alone takes no snapshot."""
    if statement.system:
        return Outcome.of(bound.run(context.backend, statement.sql))
    reads = relations(context, statement.reads)
    with context.transaction.work(reads=sorted({oid for each in reads for oid in each.bases})):
        return Outcome.of(bound.run(context.backend, statement.sql))


def change(context: Context, statement: Change, bound: Bound = NOTHING) -> Outcome:
    """INSERT, UPDATE, DELETE; the table stays locked against other writers until the transaction's end."""
    table = context.relation(statement.table)
    refuse_bare_strings(context, table, statement, bound.oids)
    reads = relations(context, statement.reads - {statement.table})
    reads_target = not isinstance(statement, Insert) or statement.table in statement.reads
    with context.writing(table, reads, reads_target=reads_target):
        if isinstance(statement, Update) and statement.matches:
            _refuse_several_matches(context, statement.matches, bound)
        return Outcome.of(bound.run(context.backend, statement.sql))


def refuse_bare_strings(context: Context, table: Relation, statement: Change | Merge, oids: Sequence[int] = ()) -> None:
    """A string literal or parameter goes into SUPER and VARBYTE only through a function that says how it is meant."""
    hint = "a bare string for a SUPER or VARBYTE column (say JSON_PARSE, TO_VARBYTE or FROM_HEX)"
    if {JSONB_OID, BYTEA_OID} & set(oids):
        raise unknown(hint)
    bare: frozenset[int | str] = frozenset() if isinstance(statement, Delete) else frozenset(statement.strings)
    if not bare:
        return
    columns = columns_of(context, table)
    listed = (
        statement.columns if isinstance(statement, Insert) and statement.columns else [each.name for each in columns]
    )
    names = {
        listed[each] if isinstance(each, int) else each for each in bare if isinstance(each, str) or each < len(listed)
    }
    if any(each.name in names and each.type.name in ("super", "varbyte") for each in columns):
        raise unknown(hint)


def _refuse_several_matches(context: Context, matches: str, bound: Bound) -> None:
    """UPDATE … FROM picks one of several matches without a word, unless told not to."""
    if not bound.run(context.backend, matches).rows:
        return
    if context.settings.is_on("error_on_nondeterministic_update"):
        raise RedshiftError("XX000", "Found multiple matches to update the same tuple.")
    if not context.settings.is_on("redshift_standin.nondeterministic_update"):
        raise unknown("an UPDATE … FROM that matches a row more than once (it would pick one in silence)")


def merge(context: Context, statement: Merge, bound: Bound = NOTHING) -> Outcome:
    """MERGE in both forms."""
    table = context.relation(statement.table)
    reads = relations(context, statement.reads)
    if any(table.oid in each.bases for each in reads):
        raise RedshiftError("0A000", "the source of MERGE cannot be its target or read it")
    refuse_bare_strings(context, table, statement, bound.oids)
    with context.writing(table, reads, reads_target=True):
        if statement.remove_duplicates:
            _remove_duplicates(context, statement, table)
        else:
            bound.run(context.backend, statement.sql)
    return Outcome("MERGE")


def _remove_duplicates(context: Context, statement: Merge, table: Relation) -> None:
    """Target rows that match are replaced by the source's one row; what matches nothing is inserted."""
    source, alias, target = statement.source, quote(statement.source_alias), table.quoted
    columns = f"select attname, atttypid from pg_catalog.pg_attribute where attrelid = {table.oid} and attnum > 0 and not attisdropped"
    wanted = context.backend.fetch(f"{columns} order by attnum")
    given = context.backend.execute(f"select * from {source} limit 0").fields
    if [oid for _, oid in wanted] != [str(each.oid) for each in given]:
        raise RedshiftError(
            "0A000", "MERGE with REMOVE DUPLICATES needs a source with the target's columns, types and order."
        )
    twice = (
        f"select 1 from (select row_number() over () as number, {alias}.* from {source}) {alias} join {target} on {statement.on}"
        f" group by {target.replace(target, quote(table.name))}.ctid having count(distinct {alias}.number) > 1 limit 1"
    )
    if context.backend.execute(twice).rows:
        raise unknown("MERGE … REMOVE DUPLICATES with several source rows for one target row")
    context.backend.run("create temporary table redshift_standin_merged on commit drop as select * from " + source)
    context.backend.run(f"delete from {target} using {source} where {statement.on}")
    context.backend.run(f"insert into {target} select * from pg_temp.redshift_standin_merged")
    context.backend.run("drop table pg_temp.redshift_standin_merged")


def declare(context: Context, statement: Declare) -> Outcome:
    """A cursor, inside a block only."""
    if context.transaction.status == b"I":
        raise RedshiftError("25P01", "DECLARE CURSOR may only be used in transaction blocks")
    if context.backend.fetch("select 1 from pg_catalog.pg_cursors where name <> ''"):
        raise refused("a session can have only one cursor open at a time")
    reads = relations(context, statement.query.reads)
    with context.transaction.work(reads=sorted({oid for each in reads for oid in each.bases})):
        context.backend.run(f"declare {quote(statement.name)} cursor for {statement.query.sql}")
    return Outcome("DECLARE CURSOR")


def fetch(context: Context, statement: Fetch) -> Outcome:
    """The next rows of a cursor."""
    count = "all" if statement.count is None else f"forward {statement.count}"
    return Outcome.of(context.backend.execute(f"fetch {count} from {quote(statement.name)}"))


def close(context: Context, statement: Close) -> Outcome:
    """The end of a cursor."""
    context.backend.run(f"close {quote(statement.name)}")
    return Outcome("CLOSE CURSOR")
