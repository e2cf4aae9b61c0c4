"""INSERT, UPDATE and DELETE, and what Postgres would take besides (rules 17 and 18)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Succeeds, Unknown

_SETUP: Final = (
    "create table t (id int, name varchar(20) default 'x', n int)",
    "insert into t values (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)",
    "create table s (id int, name varchar(20))",
    "insert into s values (2, 'zwei'), (9, 'neun')",
)
_ALL: Final = "select id, name, n from t"
_IDS: Final = "select id from t"
_SYNTAX: Final = Refused("42601", "syntax error")
_THREE: Final = [[1, "one", 1], [2, "two", 2], [3, "three", 3]]


def _delete(name: str, *run: str, expect: Expected = _SYNTAX) -> Case:
    return Case(rule=17, name=name, setup=_SETUP, run=run, expect=expect, page="r_DELETE")


def _insert(name: str, *run: str, expect: Expected = _SYNTAX) -> Case:
    return Case(rule=17, name=name, setup=_SETUP, run=run, expect=expect, page="r_INSERT_30")


def _update(name: str, *run: str, expect: Expected = _SYNTAX, standin_only: bool = False) -> Case:
    return Case(rule=18, name=name, setup=_SETUP, run=run, expect=expect, page="r_UPDATE", standin_only=standin_only)


_TWICE: Final = "insert into s values (2, 'deux')"
_FROM: Final = "update t set name = s.name from s where t.id = s.id"

_DELETES: Final = (
    _delete("DELETE takes rows that a condition names", "delete from t where id > 1", expect=Rows([[1]], _IDS)),
    _delete("FROM may be left out", "delete t where id > 1", expect=Rows([[1]], _IDS)),
    _delete("DELETE without a condition takes all", "delete from t", expect=Rows([], _IDS)),
    _delete(
        "USING joins another table", "delete from t using s where t.id = s.id", expect=Rows([[1], [3]], _IDS)
    ),
    _delete(
        "a table of USING may have an alias", "delete from t using s x where t.id = x.id", expect=Rows([[1], [3]], _IDS)
    ),
    _delete(
        "USING takes several tables",
        "create table u (id int)", "insert into u values (2), (3)",
        "delete from t using s, u where t.id = s.id and t.id = u.id", expect=Rows([[1], [3]], _IDS),
    ),
    _delete(
        "several matches delete a row once", _TWICE, "delete from t using s where t.id = s.id",
        expect=Rows([[1], [3]], _IDS),
    ),
    _delete(
        "WITH may stand before DELETE", "with q as (select id from s) delete from t where id in (select id from q)",
        expect=Rows([[1], [3]], _IDS),
    ),
    _delete(
        "a key that differs by trailing blanks is deleted",
        "create table words (w varchar(10))", "insert into words values ('a '), ('b')",
        "delete from words where w = 'a'", expect=Rows([["b"]], "select w from words"),
    ),
    _delete("an alias of the target is refused", "delete from t x where x.id = 1"),
    _delete("an alias of the target with AS is refused", "delete from t as x where x.id = 1"),
    _delete("an alias of the target is refused beside USING", "delete from t x using s where x.id = s.id"),
    _delete("ONLY is refused", "delete from only t"),
    _delete("RETURNING is refused after DELETE", "delete from t where id = 1 returning id"),
    _delete("LIMIT is refused", "delete from t limit 1"),
    _delete("JOIN is refused", "delete from t join s on t.id = s.id"),
    _delete("DELETE of a missing table is refused", "delete from nowhere", expect=Refused("42P01", "nowhere")),
    _delete("DELETE by a missing column is refused", "delete from t where z = 1", expect=Refused("42703", "z")),
    _delete(
        "DELETE in a CTE is refused", "with gone as (delete from t) select 1"
    ),
    _delete(
        "DELETE with RETURNING in a CTE is refused", "with gone as (delete from t returning id) select * from gone"
    ),
    _delete(
        "a view cannot be deleted from", "create view v as select id from t", "delete from v",
        expect=Refused("42809", "v"),
    ),
)  # fmt: skip

_INSERTS: Final = (
    _insert("INSERT takes several rows", "insert into s values (3, 'c'), (4, 'd')",
            expect=Rows([[2], [3], [4], [9]], "select id from s")),
    _insert("columns that are left out take their default", "insert into t (id) values (7)",
            expect=Rows([[7, "x", None]], f"{_ALL} where id = 7")),
    _insert("columns behind the last value take their default", "insert into t values (7)",
            expect=Rows([[7, "x", None]], f"{_ALL} where id = 7")),
    _insert("DEFAULT stands for the default", "insert into t values (7, default, 1)",
            expect=Rows([[7, "x", 1]], f"{_ALL} where id = 7")),
    _insert("DEFAULT VALUES makes one row", "insert into t default values",
            expect=Rows([[None, "x", None]], f"{_ALL} where id is null")),
    _insert("NULL stays NULL beside a default", "insert into t (id, name) values (7, null)",
            expect=Rows([[7, None, None]], f"{_ALL} where id = 7")),
    _insert("INSERT takes a query", "insert into t (id, name) select id, name from s",
            expect=Rows([[5]], "select count(*) from t")),
    _insert("INSERT takes a query in parentheses", "insert into t (id, name) (select id, name from s)",
            expect=Rows([[5]], "select count(*) from t")),
    _insert("INSERT takes a query that begins with WITH",
            "insert into t (id) with q as (select id from s) select id from q", expect=Rows([[5]], "select count(*) from t")),
    _insert("columns may be listed in any order", "insert into t (n, id) values (8, 7)",
            expect=Rows([[7, 8]], "select id, n from t where id = 7")),
    _insert("a value too many is refused", "insert into s values (1, 'a', 2)", expect=Refused("42601", "more expressions")),
    _insert("a value too few for the list is refused", "insert into s (id, name) values (1)",
            expect=Refused("42601", "more target columns")),
    _insert("a column listed twice is refused", "insert into s (id, id) values (1, 2)", expect=Refused("42701", "id")),
    _insert("a missing column is refused", "insert into s (id, z) values (1, 2)", expect=Refused("42703", "z")),
    _insert("NULL into NOT NULL is refused", "create table k (id int not null)", "insert into k values (null)",
            expect=Refused("23502", "NULL value")),
    _insert("a NOT NULL column left out is refused", "create table k (id int not null, a int)", "insert into k (a) values (1)",
            expect=Refused("23502", "NULL value")),
    _insert("ON CONFLICT DO NOTHING is refused", "insert into s values (2, 'b') on conflict do nothing"),
    _insert("ON CONFLICT DO UPDATE is refused",
            "insert into s values (2, 'b') on conflict (id) do update set name = excluded.name"),
    _insert("ON DUPLICATE KEY is refused", "insert into s values (2, 'b') on duplicate key update name = 'b'"),
    _insert("RETURNING is refused after INSERT", "insert into s values (3, 'c') returning id"),
    _insert("an alias of INSERT's table is refused", "insert into s as x values (3, 'c')"),
    _insert("OVERRIDING is refused", "insert into s overriding system value values (3, 'c')"),
    _insert("INSERT in a CTE is refused", "with new as (insert into s values (3, 'c') returning id) select * from new"),
    _insert("UPSERT is no word", "upsert into s values (2, 'b')"),
    _insert("REPLACE is no statement", "replace into s values (2, 'b')"),
    _insert("TABLE is no query", "insert into s table s"),
    _insert("an IDENTITY column takes no value", "create table k (id bigint identity(1, 1), a int)",
            "insert into k (id, a) values (1, 2)", expect=Refused("0A000", "identity column")),
    _insert("an IDENTITY column fills itself, each value another", "create table k (id bigint identity(1, 1), a int)",
            "insert into k (a) values (1), (2), (3)", expect=Rows([[3]], "select count(distinct id) from k")),
    _insert("IDENTITY GENERATED BY DEFAULT takes a value",
            "create table k (id bigint generated by default as identity(1, 1), a int)", "insert into k values (77, 2)",
            expect=Rows([[77, 2]], "select id, a from k")),
    _insert("IDENTITY needs an integer", "create table k (id varchar(10) identity(1, 1))", expect=Refused("0A000")),
)  # fmt: skip

_UPDATES: Final = (
    _update("UPDATE changes rows that a condition names", "update t set n = n + 10 where id = 2",
            expect=Rows([[1], [3], [12]], "select n from t")),
    _update("FROM gives values of another table", _FROM, expect=Rows([["one"], ["zwei"], ["three"]], "select name from t")),
    _update("FROM takes a subquery", "update t set name = x.name from (select id, name from s) x where t.id = x.id",
            expect=Rows([["one"], ["zwei"], ["three"]], "select name from t")),
    _update("FROM takes several tables", "create table u (id int, v int)", "insert into u values (2, 77)",
            "update t set name = s.name, n = u.v from s, u where t.id = s.id and u.id = s.id",
            expect=Rows([[1, "one", 1], [2, "zwei", 77], [3, "three", 3]], _ALL)),
    _update("the target may have an alias", "update t x set name = s.name from s where x.id = s.id",
            expect=Rows([["one"], ["zwei"], ["three"]], "select name from t")),
    _update("SET may say DEFAULT", "update t set name = default where id = 2", expect=Rows([["x"]], "select name from t where id = 2")),
    _update("columns swap their values", "update s set name = id, id = len(name)", expect=Rows([[4, "2"], [4, "9"]], "select id, name from s")),
    _update("a condition may be a subquery", "update t set n = 0 where id in (select id from s)",
            expect=Rows([[0], [1], [3]], "select n from t")),
    _update("rows without a match stay", "update t set name = s.name from s where t.id = s.id and s.id = 9", expect=Rows(_THREE, _ALL)),
    _update("what several matches give is not known", _TWICE, _FROM, expect=Unknown("UPDATE")),
    _update("the same match twice is several matches", "insert into s values (2, 'zwei')", _FROM, expect=Unknown("UPDATE")),
    _update("a match of two rows by one source row each is no trap", "insert into t values (2, 'deux', 5)", _FROM,
            expect=Rows([["zwei", 2], ["zwei", 5]], "select name, n from t where id = 2")),
    _update("several matches are an error if asked for", _TWICE, "set error_on_nondeterministic_update to true", _FROM,
            expect=Refused("XX000", "Found multiple matches to update the same tuple.")),
    _update("single matches pass when several are an error", "set error_on_nondeterministic_update to true", _FROM,
            expect=Rows([["one"], ["zwei"], ["three"]], "select name from t")),
    _update("a test may opt in to several matches", _TWICE, "set redshift_standin.nondeterministic_update to on", _FROM,
            expect=Succeeds(), standin_only=True),
    _update("asking for an error beats the opt-in", _TWICE, "set redshift_standin.nondeterministic_update to on",
            "set error_on_nondeterministic_update to true", _FROM, expect=Refused("XX000", "Found multiple matches"), standin_only=True),
    _update("a negated term beside the equijoin is fine",
            "update t set name = s.name from s where not (s.id = 9) and t.id = s.id", expect=Succeeds()),
    _update("a negated equality is no equijoin", "update t set name = s.name from s where not t.id = s.id",
            expect=Refused("0A000", "Target table must be part of an equijoin predicate")),
    _update("an outer join in FROM is refused",
            "update t set name = 'x' from s left join t x on s.id = x.id where x.n = 2",
            expect=Refused("0A000", "Target table must be part of an equijoin predicate")),
    _update("a qualified column in SET is refused", "update t set t.name = 'a'", expect=Refused("42703", "t")),
    _update("an alias in SET is refused", "update t x set x.name = 'a'", expect=Refused("42703", "x")),
    _update("a row of columns in SET is refused", "update t set (name, n) = ('a', 1)"),
    _update("RETURNING is refused after UPDATE", "update t set n = 1 returning id"),
    _update("ONLY is refused after UPDATE", "update only t set n = 1"),
    _update("LIMIT is refused after UPDATE", "update t set n = 1 limit 1"),
    _update("UPDATE in a CTE is refused", "with new as (update t set n = 1 returning id) select * from new"),
    _update("a missing column in SET is refused", "update t set z = 1", expect=Refused("42703", "z")),
    _update("a column set twice is refused", "update t set n = 1, n = 2", expect=Refused("42601", "n")),
    _update("NULL into NOT NULL is refused by UPDATE", "create table k (id int not null)", "insert into k values (1)",
            "update k set id = null", expect=Refused("23502", "NULL value")),
    _update("a value that is too long is refused by UPDATE", "update t set name = 'aaaaabbbbbcccccddddde' where id = 1",
            expect=Refused("22001", "value too long for type character varying(20)")),
    _update("a view cannot be updated", "create view v as select id from t", "update v set id = 1", expect=Refused("42809", "v")),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_DELETES, *_INSERTS, *_UPDATES)
