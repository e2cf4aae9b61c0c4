"""MERGE in its two forms, and what newer Postgres would take besides (rule 16)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Succeeds

_SETUP: Final = (
    "create table t (id int, name varchar(20), n int default 5)",
    "insert into t values (1, 'one', 1), (2, 'two', 2)",
    "create table s (id int, name varchar(20), n int)",
    "insert into s values (2, 'zwei', 22), (3, 'drei', 33)",
)
_BOTH: Final = (
    "when matched then update set name = s.name when not matched then insert (id, name) values (s.id, s.name)"
)
_ALL: Final = "select id, name, n from t"
_SYNTAX: Final = Refused("42601", "syntax error")


def _merge(name: str, *run: str, expect: Expected) -> Case:
    return Case(rule=16, name=name, setup=_SETUP, run=run, expect=expect, page="r_MERGE")


def _not_merge(name: str, run: str) -> Case:
    """What Postgres's MERGE has and Redshift's has not."""
    return _merge(name, run, expect=_SYNTAX)


CASES: Final[tuple[Case, ...]] = (
    _merge(
        "a matched row is updated and an unmatched one inserted, omitted columns by their default",
        f"merge into t using s on t.id = s.id {_BOTH}",
        expect=Rows([[1, "one", 1], [2, "zwei", 2], [3, "drei", 5]], _ALL),
    ),
    _merge(
        "a matched row may be deleted",
        "merge into t using s on t.id = s.id when matched then delete when not matched then insert values (s.id, s.name, s.n)",
        expect=Rows([[1, "one", 1], [3, "drei", 33]], _ALL),
    ),
    _merge(
        "REMOVE DUPLICATES replaces matched rows and inserts the others",
        "merge into t using s on t.id = s.id remove duplicates",
        expect=Rows([[1, "one", 1], [2, "zwei", 22], [3, "drei", 33]], _ALL),
    ),
    _merge(
        "REMOVE DUPLICATES leaves one row of several matched target rows",
        "insert into t values (2, 'deux', 222)",
        "merge into t using s on t.id = s.id remove duplicates",
        expect=Rows([[1, "one", 1], [2, "zwei", 22], [3, "drei", 33]], _ALL),
    ),
    _merge(
        "REMOVE DUPLICATES needs the target's columns, all of them",
        "create table narrow (id int)",
        "merge into t using narrow on t.id = narrow.id remove duplicates",
        expect=Refused("0A000"),
    ),
    _merge(
        "REMOVE DUPLICATES goes by the columns' order",
        "create table turned (name varchar(20), id int, n int)",
        "merge into t using turned on t.id = turned.id remove duplicates",
        expect=Refused("0A000"),
    ),
    _merge(
        "every target row that a source row matches is updated",
        "insert into t values (2, 'deux', 222)",
        f"merge into t using s on t.id = s.id {_BOTH}",
        expect=Rows([[1, "one", 1], [2, "zwei", 2], [2, "zwei", 222], [3, "drei", 5]], _ALL),
    ),
    _merge(
        "two source rows for one target row are refused",
        "insert into s values (2, 'deux', 222)",
        f"merge into t using s on t.id = s.id {_BOTH}",
        expect=Refused("XX000", "Found multiple matches to update the same tuple."),
    ),
    _merge(
        "two source rows that match nothing are both inserted",
        "insert into s values (3, 'trois', 333)",
        f"merge into t using s on t.id = s.id {_BOTH}",
        expect=Rows([[1, "one"], [2, "zwei"], [3, "drei"], [3, "trois"]], "select id, name from t"),
    ),
    _merge(
        "a NULL key matches nothing and is inserted",
        "insert into t values (null, 'none', 0)",
        "insert into s values (null, 'nichts', 0)",
        f"merge into t using s on t.id = s.id {_BOTH}",
        expect=Rows([[2]], "select count(*) from t where id is null"),
    ),
    _merge(
        "keys that differ by trailing blanks match",
        "create table words (w varchar(10), n int)",
        "insert into words values ('a', 1)",
        "merge into words using (select 'a  '::varchar(10) as w, 2 as n) x on words.w = x.w"
        " when matched then update set n = x.n when not matched then insert values (x.w, x.n)",
        expect=Rows([["a", 2]], "select w, n from words"),
    ),
    _merge(
        "the source may have an alias",
        "merge into t using s as x on t.id = x.id when matched then update set name = x.name"
        " when not matched then insert values (x.id, x.name, x.n)",
        expect=Rows([[1, "one", 1], [2, "zwei", 2], [3, "drei", 33]], _ALL),
    ),
    _merge(
        "the source may be a subquery",
        "merge into t using (select id, name from s where id = 3) x on t.id = x.id when matched then update set name = x.name"
        " when not matched then insert (id, name) values (x.id, x.name)",
        expect=Rows([[1, "one", 1], [2, "two", 2], [3, "drei", 5]], _ALL),
    ),
    _merge(
        "the source may be a view",
        "create view v as select id, name from s",
        "merge into t using v on t.id = v.id when matched then delete when not matched then insert (id) values (v.id)",
        expect=Rows([[1, "one", 1], [3, None, 5]], _ALL),
    ),
    _merge(
        "a key may have several columns",
        "merge into t using s on t.id = s.id and t.name = s.name when matched then delete"
        " when not matched then insert values (s.id, s.name, s.n)",
        expect=Rows([[1, "one", 1], [2, "two", 2], [2, "zwei", 22], [3, "drei", 33]], _ALL),
    ),
    _merge(
        "the source must not be the target",
        "merge into t using t as x on t.id = x.id when matched then delete when not matched then insert (id) values (x.id)",
        expect=Refused("0A000"),
    ),
    _merge(
        "the source must not read the target",
        "merge into t using (select id from t) x on t.id = x.id when matched then delete when not matched then insert (id) values (x.id)",
        expect=Refused("0A000"),
    ),
    _merge(
        "a view that reads the target is no source",
        "create view v as select id from t",
        "merge into t using v on t.id = v.id when matched then delete when not matched then insert (id) values (v.id)",
        expect=Refused("0A000"),
    ),
    _merge(
        "a part of a SUPER column is refused",
        "create table w (id int, doc super)",
        "create table x (id int, doc super)",
        "merge into w using x on w.id = x.id when matched then update set doc = x.doc.part when not matched then insert values (x.id, x.doc)",
        expect=Refused("0A000", "Partial reference of SUPER column is not supported in MERGE statement."),
    ),
    _merge(
        "a whole SUPER column is taken",
        "create table w (id int, doc super)",
        "create table x (id int, doc super)",
        "insert into x values (1, json_parse('[1]'))",
        "merge into w using x on w.id = x.id when matched then update set doc = x.doc when not matched then insert values (x.id, x.doc)",
        expect=Rows([[1, "[1]"]], "select id, json_serialize(doc) from w"),
    ),
    _merge(
        "an INSERT of NULL into NOT NULL is refused",
        "create table strict (id int not null, name varchar(5) not null)",
        "merge into strict using s on strict.id = s.id when matched then delete when not matched then insert (id) values (s.id)",
        expect=Refused("23502", "NULL value"),
    ),
    _not_merge("WHEN MATCHED alone is no statement", "merge into t using s on t.id = s.id when matched then delete"),
    _not_merge(
        "WHEN NOT MATCHED alone is no statement",
        "merge into t using s on t.id = s.id when not matched then insert (id) values (s.id)",
    ),
    _not_merge(
        "WHEN NOT MATCHED does not come first",
        "merge into t using s on t.id = s.id when not matched then insert (id) values (s.id) when matched then delete",
    ),
    _not_merge("a third clause is refused", f"merge into t using s on t.id = s.id {_BOTH} when matched then delete"),
    _not_merge(
        "AND after MATCHED is refused",
        "merge into t using s on t.id = s.id when matched and s.n > 0 then delete when not matched then insert (id) values (s.id)",
    ),
    _not_merge(
        "AND after NOT MATCHED is refused",
        "merge into t using s on t.id = s.id when matched then delete when not matched and s.n > 0 then insert (id) values (s.id)",
    ),
    _not_merge(
        "DO NOTHING is refused",
        "merge into t using s on t.id = s.id when matched then do nothing when not matched then insert (id) values (s.id)",
    ),
    _not_merge(
        "NOT MATCHED BY SOURCE is refused",
        "merge into t using s on t.id = s.id when matched then delete when not matched by source then delete",
    ),
    _not_merge(
        "an alias of the target is refused",
        "merge into t as x using s on x.id = s.id when matched then delete when not matched then insert (id) values (s.id)",
    ),
    _not_merge(
        "an alias of the target without AS is refused",
        "merge into t x using s on x.id = s.id when matched then delete when not matched then insert (id) values (s.id)",
    ),
    _not_merge(
        "WITH before MERGE is refused",
        f"with q as (select 1) merge into t using s on t.id = s.id {_BOTH}",
    ),
    _not_merge("INTO is not optional", f"merge t using s on t.id = s.id {_BOTH}"),
    _not_merge("RETURNING is refused", f"merge into t using s on t.id = s.id {_BOTH} returning id"),
    _not_merge(
        "REMOVE DUPLICATES stands alone",
        "merge into t using s on t.id = s.id remove duplicates when matched then delete",
    ),
    _not_merge(
        "INSERT DEFAULT VALUES is refused",
        "merge into t using s on t.id = s.id when matched then delete when not matched then insert default values",
    ),
    _merge(
        "a condition that is no equality is refused",
        "merge into t using s on t.id > s.id when matched then delete when not matched then insert (id) values (s.id)",
        expect=Refused("0A000"),
    ),
    _merge(
        "MERGE needs no rows in its source",
        "truncate s",
        f"merge into t using s on t.id = s.id {_BOTH}",
        expect=Succeeds(),
    ),
)
