"""Blocks, what ends them and what a rollback takes back (rules 2, 13 and 14)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Succeeds

_FAILED: Final = Refused("25P02", "current transaction is aborted, commands ignored until end of transaction block")
_TABLES: Final = ("create table t (a int)", "create table other (a int)", "insert into other values (1), (2)")


def _block(name: str, *run: str, expect: Expected, after_error: bool = False) -> Case:
    return Case(
        rule=2, name=name, setup=_TABLES, run=run, expect=expect, after_error=after_error, page="c_serial_isolation"
    )


def _truncate(name: str, *run: str, expect: Expected) -> Case:
    return Case(rule=13, name=name, setup=_TABLES, run=run, expect=expect, page="r_TRUNCATE")


def _undone(name: str, *run: str, query: str, expect: Rows | Refused, page: str = "r_ROLLBACK") -> Case:
    """`run` happens in a block that is rolled back; then the query."""
    return Case(rule=14, name=name, setup=_TABLES, run=("begin", *run, "rollback", query), expect=expect, page=page)


_BLOCKS: Final = (
    _block(
        "after an error nothing but the block's end is taken", "begin", "select 1/0", "select 1",
        expect=_FAILED, after_error=True,
    ),
    _block(
        "a syntax error fails the block as well", "begin", "selec 1", "select 1", expect=_FAILED, after_error=True
    ),
    _block(
        "a missing table fails the block as well", "begin", "select * from nowhere", "insert into t values (1)",
        expect=_FAILED, after_error=True,
    ),
    _block(
        "a statement that Redshift does not have fails the block as well", "begin", "savepoint s", "select 1",
        expect=_FAILED, after_error=True,
    ),
    _block(
        "SET is refused in a failed block", "begin", "select 1/0", "set query_group to 'x'",
        expect=_FAILED, after_error=True,
    ),
    _block("SHOW is refused in a failed block", "begin", "select 1/0", "show timezone", expect=_FAILED, after_error=True),
    _block(
        "COMMIT of a failed block rolls it back", "begin", "insert into t values (1)", "select 1/0", "commit",
        expect=Rows([], "select * from t"), after_error=True,
    ),
    _block(
        "END of a failed block rolls it back", "begin", "insert into t values (1)", "select 1/0", "end",
        expect=Rows([], "select * from t"), after_error=True,
    ),
    _block(
        "ROLLBACK ends a failed block", "begin", "insert into t values (1)", "select 1/0", "rollback",
        expect=Rows([[1], [2]], "select a from other"), after_error=True,
    ),
    _block(
        "an error outside a block leaves no block behind", "select 1/0", "insert into t values (1)",
        expect=Rows([[1]], "select a from t"), after_error=True,
    ),
    _block("ABORT is ROLLBACK", "begin", "insert into t values (1)", "abort", expect=Rows([], "select a from t")),
    _block("END is COMMIT", "begin", "insert into t values (1)", "end", "rollback", expect=Rows([[1]], "select a from t")),
    _block(
        "START TRANSACTION begins a block", "start transaction", "insert into t values (1)", "rollback",
        expect=Rows([], "select a from t"),
    ),
    _block("WORK and TRANSACTION are noise", "begin work", "insert into t values (1)", "commit transaction",
           expect=Rows([[1]], "select a from t")),
    *(
        Case(
            rule=2,
            name=f"BEGIN takes isolation level {level} and goes by the database's own",
            setup=_TABLES,
            run=(f"begin isolation level {level}", "insert into t values (1)", "commit"),
            expect=Rows([[1]], "select a from t"),
            page="r_BEGIN",
        )
        for level in ("serializable", "repeatable read", "read committed", "read uncommitted")
    ),
    _block("a block sees its own rows", "begin", "insert into t values (1)", "select a from t", expect=Rows([[1]])),
)  # fmt: skip

_TRUNCATES: Final = (
    _truncate(
        "TRUNCATE commits what the block did before", "begin", "insert into t values (7)", "truncate other", "rollback",
        expect=Rows([[7]], "select a from t"),
    ),
    _truncate(
        "TRUNCATE cannot be rolled back", "begin", "truncate other", "rollback", expect=Rows([[0]], "select count(*) from other")
    ),
    _truncate(
        "TRUNCATE commits a table that the block made", "begin", "create table made (a int)", "truncate other", "rollback",
        expect=Rows([[0]], "select count(*) from made"),
    ),
    _truncate(
        "TRUNCATE commits a DELETE of the block", "begin", "delete from other where a = 1", "truncate t", "rollback",
        expect=Rows([[2]], "select a from other"),
    ),
    _truncate("TRUNCATE takes the word TABLE", "truncate table other", expect=Rows([], "select a from other")),
    _truncate("TRUNCATE takes one table only", "truncate t, other", expect=Refused("42601", "syntax error")),
    _truncate("TRUNCATE has no CASCADE", "truncate other cascade", expect=Refused("0A000")),
    _truncate(
        "TRUNCATE has no RESTART IDENTITY", "truncate other restart identity", expect=Refused("0A000")
    ),
    _truncate("a missing table cannot be truncated", "truncate nowhere", expect=Refused("42P01", "nowhere")),
    _truncate(
        "a view cannot be truncated", "create view v as select a from other", "truncate v", expect=Refused("42809", "v")
    ),
    _truncate(
        "a table that a foreign key names can be truncated",
        "create table parent (id int primary key)", "create table child (id int references parent (id))",
        "insert into parent values (1)", "insert into child values (1)", "truncate parent",
        expect=Rows([[1]], "select id from child"),
    ),
    _truncate(
        "TRUNCATE of a temporary table commits as well",
        "create temp table mine (a int)", "begin", "insert into t values (3)", "truncate mine", "rollback",
        expect=Rows([[3]], "select a from t"),
    ),
)  # fmt: skip

_MISSING: Final = Refused("42P01", "made")
_ROLLBACKS: Final = (
    _undone("INSERT is undone", "insert into t values (1)", query="select a from t", expect=Rows([])),
    _undone("UPDATE is undone", "update other set a = 9", query="select a from other", expect=Rows([[1], [2]])),
    _undone("DELETE is undone", "delete from other", query="select a from other", expect=Rows([[1], [2]])),
    _undone(
        "MERGE is undone",
        "merge into t using other on t.a = other.a when matched then delete when not matched then insert values (other.a)",
        query="select a from t", expect=Rows([]),
    ),
    _undone("CREATE TABLE is undone", "create table made (a int)", query="select * from made", expect=_MISSING),
    _undone("CREATE TABLE AS is undone", "create table made as select 1 as a", query="select * from made", expect=_MISSING),
    _undone("CREATE TEMP TABLE is undone", "create temp table made (a int)", query="select * from made", expect=_MISSING),
    _undone("CREATE VIEW is undone", "create view made as select a from t", query="select * from made", expect=_MISSING),
    _undone(
        "a late-binding view is undone", "create view made as select a from {schema}.t with no schema binding",
        query="select * from made", expect=_MISSING,
    ),
    _undone("DROP TABLE is undone", "drop table other", query="select a from other", expect=Rows([[1], [2]])),
    _undone(
        "DROP and CREATE of one name are undone", "drop table other", "create table other (z int, a int)",
        query="select * from other", expect=Rows([[1], [2]]),
    ),
    _undone("RENAME TO is undone", "alter table other rename to made", query="select * from made", expect=_MISSING),
    _undone(
        "RENAME COLUMN is undone", "alter table other rename column a to z",
        query="select a from other", expect=Rows([[1], [2]]),
    ),
    _undone(
        "ADD COLUMN is undone", "alter table other add column z int", query="select * from other", expect=Rows([[1], [2]])
    ),
    _undone(
        "DROP COLUMN is undone", "alter table other add column z int", "alter table other drop column a",
        query="select a from other", expect=Rows([[1], [2]]),
    ),
    _undone(
        "a swap of two tables is undone as one",
        "alter table t rename to made", "alter table other rename to t", "alter table made rename to other",
        query="select a from other", expect=Rows([[1], [2]]),
    ),
    _undone(
        "CREATE SCHEMA is undone", "create schema {schema}_more", "create table {schema}_more.made (a int)",
        query="select * from {schema}_more.made", expect=_MISSING,
    ),
    Case(
        rule=14, name="a name is free again after a rollback", run=(
            "begin", "create temp table made (a int)", "rollback", "create temp table made (b int)",
        ),
        expect=Rows([], "select b from made"), page="r_ROLLBACK",
    ),
    Case(
        rule=14, name="COPY is undone", setup=_TABLES, files={"rows.csv": b"1\n2\n"},
        run=("begin", "copy t from '{s3}/rows.csv' {auth} csv", "rollback", "select count(*) from t"),
        expect=Rows([[0]]), page="r_COPY",
    ),
    Case(
        rule=14, name="COPY into a table of the same block is undone with it", files={"rows.csv": b"1\n2\n"},
        run=("begin", "create table made (a int)", "copy made from '{s3}/rows.csv' {auth} csv", "rollback", "select * from made"),
        expect=_MISSING, page="r_COPY",
    ),
    Case(
        rule=14, name="a swap of two tables in one block is seen after COMMIT", setup=_TABLES, run=(
            "begin", "alter table t rename to made", "alter table other rename to t", "drop table made", "commit",
            "select a from t",
        ),
        expect=Rows([[1], [2]]), page="r_ALTER_TABLE",
    ),
    Case(
        rule=14, name="rows of a block are there after COMMIT", setup=_TABLES, block=True,
        run="insert into t values (1)", expect=Rows([[1]], "select a from t"), page="r_COMMIT",
    ),
    Case(rule=14, name="ROLLBACK without a block is no error", run="rollback", expect=Succeeds(), page="r_ROLLBACK"),
    Case(rule=14, name="COMMIT without a block is no error", run="commit", expect=Succeeds(), page="r_COMMIT"),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_BLOCKS, *_TRUNCATES, *_ROLLBACKS)
