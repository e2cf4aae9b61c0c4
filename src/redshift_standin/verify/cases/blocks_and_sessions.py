"""What runs outside a block only, what no session can do, and temporary tables (rules 29, 32 and 33)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Succeeds

_SETUP: Final = ("create table t (a int, b int)", "insert into t values (1, 2)")
_OUTSIDE: Final = Refused("25001", "cannot run inside a transaction block")


def _alone(name: str, *run: str, expect: Expected, block: bool = False, page: str = "r_VACUUM_command") -> Case:
    return Case(rule=29, name=name, setup=_SETUP, run=run, expect=expect, block=block, page=page)


def _never(statement: str, sqlstate: str = "0A000") -> Case:
    """A statement of Postgres's that Redshift's sessions do not have."""
    return Case(
        rule=32,
        name=f"{statement} is refused",
        setup=_SETUP,
        run=statement,
        expect=Refused(sqlstate),
        page="c_redshift-sql",
    )


def _temporary(name: str, *run: str, expect: Expected) -> Case:
    return Case(rule=33, name=name, setup=_SETUP, run=run, expect=expect, page="r_CREATE_TABLE_NEW")


_VACUUMS: Final = ("vacuum", "vacuum t", "vacuum full t", "vacuum sort only t", "vacuum delete only t", "vacuum delete only t to 75 percent",
                   "vacuum reindex t", "vacuum t to 100 percent boost")  # fmt: skip
_ALONE: Final = (
    *(_alone(f"{run} runs alone", run, expect=Succeeds()) for run in _VACUUMS),
    *(_alone(f"{run} is refused in a block", "begin", run, expect=_OUTSIDE) for run in _VACUUMS[:5]),
    _alone("VACUUM runs after a block", "begin", "insert into t values (3, 4)", "commit", "vacuum t",
           expect=Rows([[2]], "select count(*) from t")),
    _alone("VACUUM of a missing table is refused", "vacuum nowhere", expect=Refused("42P01", "nowhere")),
    _alone("VACUUM ANALYZE is refused", "vacuum analyze t", expect=Refused("0A000")),
    _alone("VACUUM in parentheses is refused", "vacuum (full) t", expect=Refused("0A000")),
    _alone("VACUUM takes one table", "vacuum t, t", expect=Refused("42601", "syntax error")),
    _alone("a threshold of 101 percent is refused", "vacuum t to 101 percent", expect=Refused("22023")),
    _alone("ANALYZE runs in a block", "analyze t", expect=Succeeds(), block=True, page="r_ANALYZE"),
    _alone("ANALYZE takes columns", "analyze t (a, b)", expect=Succeeds(), page="r_ANALYZE"),
    _alone("ANALYZE takes PREDICATE COLUMNS", "analyze t predicate columns", expect=Succeeds(), page="r_ANALYZE"),
    _alone("ANALYZE of everything runs", "analyze", expect=Succeeds(), page="r_ANALYZE"),
    _alone("ANALYZE of a missing column is refused", "analyze t (z)", expect=Refused("42703", "z"), page="r_ANALYZE"),
    *(
        _alone(f"{what} is refused in a block", "begin", run, expect=_OUTSIDE, page="r_SVL_MULTI_STATEMENT_VIOLATIONS")
        for what, run in {
            "CREATE DATABASE": "create database verify_other",
            "DROP DATABASE": "drop database verify_other",
            "ALTER TABLE APPEND": "alter table t append from u",
            "ALTER COLUMN TYPE": "alter table t alter column a type varchar(10)",
            "ALTER DATABASE ISOLATION LEVEL": "alter database dev isolation level snapshot",
        }.items()
    ),
    *(
        _alone(f"{what} runs in a block", run, expect=Succeeds(), block=True, page="c_serial_isolation")
        for what, run in {
            "CREATE TABLE": "create table u (a int)", "DROP TABLE": "drop table t", "ADD COLUMN": "alter table t add column z int",
            "RENAME": "alter table t rename to u", "CREATE VIEW": "create view v as select a from t", "GRANT": "grant select on t to public",
            "COMMENT": "comment on table t is 'x'", "LOCK": "lock t", "LOCK TABLE": "lock table t",
        }.items()
    ),
    _alone("LOCK takes several tables", "create table u (a int)", "lock t, u", expect=Succeeds(), block=True, page="r_LOCK"),
    _alone("LOCK has no modes", "lock table t in share mode", expect=Refused("0A000"), block=True, page="r_LOCK"),
    _alone("LOCK has no NOWAIT", "lock table t nowait", expect=Refused("0A000"), block=True, page="r_LOCK"),
    _alone("LOCK of a missing table is refused", "lock nowhere", expect=Refused("42P01", "nowhere"), block=True, page="r_LOCK"),
)  # fmt: skip

_SESSION: Final = (
    *(
        _never(statement)
        for statement in (
            "savepoint s", "release savepoint s", "release s", "rollback to savepoint s", "rollback to s", "deallocate all", "listen c",
            "notify c", "unlisten *", "discard all", "prepare transaction 'x'", "commit prepared 'x'", "rollback prepared 'x'",
            "commit and chain", "checkpoint", "load 'x'", "set constraints all deferred", "set transaction snapshot 'x'",
        )
    ),
    *(_never(f"select {call}", "42883") for call in ("pg_advisory_lock(1)", "pg_advisory_xact_lock(1)", "pg_notify('c', 'x')")),
    Case(rule=32, name="SAVEPOINT in a block is refused and fails it", setup=_SETUP, after_error=True,
         run=("begin", "insert into t values (3, 4)", "savepoint s", "commit"), expect=Rows([[1]], "select count(*) from t"),
         page="c_redshift-sql"),
    Case(rule=32, name="two statements in one are refused in the second's place", setup=_SETUP, run="select 1 select 2",
         expect=Refused("42601", "syntax error"), page="c_redshift-sql"),
)  # fmt: skip

_TEMPORARY: Final = (
    _temporary("a temporary table shadows a permanent one", "create temp table t (a int)", "insert into t values (9)",
               "select a from t", expect=Rows([[9]])),
    _temporary("a permanent table is reached by its schema", "create temp table t (a int)", "insert into t values (9)",
               "select a from {schema}.t", expect=Rows([[1]])),
    _temporary("changes go to the temporary table", "create temp table t (a int)", "insert into t values (9)", "delete from t",
               expect=Rows([[1]], "select a from {schema}.t")),
    _temporary("DROP takes the temporary table first", "create temp table t (a int)", "drop table t", "select a from t", expect=Rows([[1]])),
    _temporary("a temporary table takes no schema", "create temp table {schema}.u (a int)", expect=Refused("42P16", "temporary")),
    _temporary("a temporary table is not made twice", "create temp table u (a int)", "create temp table u (a int)", expect=Refused("42P07", "u")),
    _temporary("IF NOT EXISTS leaves a temporary table that is there", "create temp table u (a int)", "insert into u values (5)",
               "create temp table if not exists u (z int)", expect=Rows([[5]], "select a from u")),
    _temporary("IF NOT EXISTS makes a temporary table beside a permanent one", "create temp table if not exists t (z int)",
               expect=Rows([], "select z from t")),
    _temporary("TEMPORARY and LOCAL are taken", "create local temporary table u (a int)", expect=Rows([], "select a from u")),
    _temporary("a name that begins with # is temporary", "create table #u (a int)", "insert into #u values (6)", "select a from #u",
               expect=Rows([[6]])),
    _temporary("a name with # is not in the schema", "create table #u (a int)",
               "select a from {schema}.#u", expect=Refused("42P01")),
    _temporary("BACKUP NO and keys are taken", "create temp table u (a int, b int) distkey(a) sortkey(b)", expect=Succeeds()),
    _temporary("rows stay after COMMIT", "begin", "create temp table u (a int)", "insert into u values (1)", "commit", "select a from u",
               expect=Rows([[1]])),
    _temporary("a temporary table joins a permanent one", "create temp table u (a int)", "insert into u values (1)",
               "select t.b from t join u on t.a = u.a", expect=Rows([[2]])),
    _temporary("a permanent table comes from a temporary one", "create temp table u (a int)", "insert into u values (4)",
               "create table p as select a from u", "select a from {schema}.p", expect=Rows([[4]])),
    Case(rule=33, name="COPY loads a temporary table", run=("create temp table u (a int)", "copy u from '{s3}/rows.csv' {auth} csv"),
         files={"rows.csv": b"1\n2\n"}, expect=Rows([[1], [2]], "select a from u"), page="r_COPY"),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_ALONE, *_SESSION, *_TEMPORARY)
