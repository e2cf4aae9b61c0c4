"""INSERT, UPDATE, DELETE and MERGE: what they change, and what is refused."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from redshift_standin.errors import RedshiftError
from redshift_standin.names import TableName
from redshift_standin.sql.grammar import parse
from redshift_standin.sql.statements import Delete, Insert, Merge, Update

Run = Callable[[str], list[tuple[Any, ...]]]

CHANGES: list[tuple[str, Any]] = [
    ("insert into s values (4, 'x'), (5, default)", [(2, "deux"), (3, "trois"), (4, "x"), (5, None)]),
    ("insert into public.s (name, id) values ('y', 1 + 3)", [(2, "deux"), (3, "trois"), (4, "y")]),
    ("insert into s (id) select id + 10 from t", [(2, "deux"), (3, "trois"), (11, None), (12, None)]),
    ("insert into s (with q as (select 9 as a) select a, 'z' from q)", [(2, "deux"), (3, "trois"), (9, "z")]),
    ("insert into s with q as (select 9) select * from q", [(2, "deux"), (3, "trois"), (9, None)]),
    ("insert into s default values", [(2, "deux"), (3, "trois"), (None, None)]),
    ("insert into s (id) (select 7) union select 8", [(2, "deux"), (3, "trois"), (7, None), (8, None)]),
    ("delete from s", []),
    ("delete s where id = 2", [(3, "trois")]),
    ("delete from public.s using t where public.s.id = t.id", [(3, "trois")]),
    ("delete from s using t a, (select 3 as id) b where s.id in (a.id, b.id) and a.id = 1", [(2, "deux")]),
    ("delete from s where (id, name) in (select 2, 'deux  ')", [(3, "trois")]),
    ("with q as (select 2 as a) delete from s where id in (select a from q)", [(3, "trois")]),
    ("update s set name = upper(name), id = default where s.id = 2", [(3, "trois"), (None, "DEUX")]),
    ("update s x set name = x.name || '!' where x.id = 3", [(2, "deux"), (3, "trois!")]),
    ("update s as x set name = t.name from t where t.id = x.id", [(2, "two"), (3, "trois")]),
    ("update s set name = q.n from (select 3 as id, 'n' as n) q where q.id = s.id and 1", [(2, "deux"), (3, "n")]),
    ("with q (a) as (select 3) update s set name = 'w' from q where s.id = q.a", [(2, "deux"), (3, "w")]),
    ("update s set name = (select t.name from t where t.id = s.id)", [(2, "two"), (3, None)]),
]


@pytest.mark.parametrize(("text", "rows"), CHANGES)
def test_a_statement_changes_the_rows_that_it_names(run: Run, text: str, rows: Any) -> None:
    run(text)
    assert run("select id, name from s order by id") == rows


def test_statements_say_what_they_write_and_read() -> None:
    (insert,) = parse("insert into a.b (x, y) values ('v', 1), (2, 'w')")
    assert isinstance(insert.statement, Insert)
    assert insert.statement.table == TableName("a", "b")
    assert insert.statement.columns == ("x", "y")
    assert insert.statement.strings == {0, 1}
    (insert,) = parse("insert into b select * from c where d in (select e from f)")
    assert isinstance(insert.statement, Insert)
    assert insert.statement.reads == {TableName(None, "c"), TableName(None, "f")}
    (delete,) = parse("with q as (select * from c) delete from b using d.e, q where b.x = q.x")
    assert isinstance(delete.statement, Delete)
    assert delete.statement.reads == {TableName(None, "c"), TableName("d", "e")}
    (update,) = parse("update b set x = (select max(y) from c) from d where d.k = b.k")
    assert isinstance(update.statement, Update)
    assert update.statement.reads == {TableName(None, "c"), TableName(None, "d")}


def test_rule_18_update_from_counts_rows_that_match_more_than_once(
    run: Run, backend: "psycopg.Connection[Any]"
) -> None:
    def matches(text: str) -> list[Any]:
        (parsed,) = parse(text)
        assert isinstance(parsed.statement, Update)
        assert parsed.statement.matches is not None
        return backend.execute(parsed.statement.matches).fetchall()

    once = "update s x set name = t.name from t where t.id = x.id"
    twice = (
        "with q as (select 2 as id union all select 2) update public.s set name = 'a' from q where q.id = public.s.id"
    )
    assert (matches(once), matches(twice)) == ([], [(1,)])
    (parsed,) = parse("update s set name = 'a' where id = 1")
    assert isinstance(parsed.statement, Update)
    assert parsed.statement.matches is None


def test_rule_18_the_count_mentions_every_parameter_of_the_update() -> None:
    (parsed,) = parse("update s set name = $1, id = $3 from t where t.id = s.id and t.name = $2")
    assert parsed.parameters == 3
    assert isinstance(parsed.statement, Update)
    assert parsed.statement.matches is not None
    assert all(f"${n}" in parsed.statement.matches for n in (1, 2, 3))


MERGES: list[tuple[str, Any]] = [
    (
        "merge into s using t on s.id = t.id when matched then update set name = t.name "
        "when not matched then insert (id, name) values (t.id, t.name)",
        [(1, "one"), (2, "two"), (3, "trois")],
    ),
    (
        "merge into public.s using public.t as x on public.s.id = x.id and x.name <> 'q' when matched then delete "
        "when not matched then insert values (x.id, x.name)",
        [(1, "one"), (3, "trois")],
    ),
    (
        "merge into s using (select 3 as id, 'm' as name union select 4, 'n') q on q.id = s.id when matched then "
        "update set name = q.name || s.name, id = default when not matched then insert (id) values (q.id)",
        [(2, "deux"), (4, None), (None, "mtrois")],
    ),
]


@pytest.mark.parametrize(("text", "rows"), MERGES)
def test_rule_16_merge_updates_or_deletes_what_matches_and_inserts_the_rest(run: Run, text: str, rows: Any) -> None:
    run(text)
    assert run("select id, name from s order by id") == rows


def test_rule_16_remove_duplicates_comes_with_its_source_and_condition() -> None:
    (parsed,) = parse("merge into a.t using b.s x on a.t.id = x.id and t.k = x.k remove duplicates")
    assert parsed.statement == Merge(
        table=TableName("a", "t"),
        sql="",
        source='"b"."s" AS "x"',
        source_alias="x",
        on='(("a"."t"."id" = "x"."id") AND ("t"."k" = "x"."k"))',
        reads=frozenset({TableName("b", "s")}),
        remove_duplicates=True,
    )


def test_rule_16_two_source_rows_for_one_target_are_an_error(run: Run) -> None:
    with pytest.raises(psycopg.Error) as caught:
        run(
            "merge into s using (select 2 as id union all select 2) q on q.id = s.id when matched then "
            "update set name = 'a' when not matched then insert values (q.id, 'b')"
        )
    assert caught.value.sqlstate == "21000"


MATCHED = "when matched then update set name = q.name"
ABSENT = "when not matched then insert (id) values (q.id)"
MERGE = "merge into s using q on s.id = q.id"
SYNTAX = [
    "insert s values (1)",
    "insert into s as x values (1)",
    "insert into s (id) default values",
    "insert into s (id, ) values (1)",
    "insert into s values",
    "insert into s values ()",
    "insert into s values (1) on conflict do nothing",
    "insert into s select 1 on conflict do nothing",
    "insert into s select id from t on conflict (id) do update set id = 1",
    "insert into s values (1) returning id",
    "insert into s select id from t returning id",
    "insert into s overriding system value values (1)",
    "with q as (select 1) insert into s select * from q",
    "insert into s set id = 1",
    "replace into s values (1)",
    "delete from s x where x.id = 1",
    "delete from s as x",
    "delete from s using t a where a.id = s.id returning s.id",
    "delete from only s",
    "delete from s where current of c",
    "update s set",
    "update s set id",
    "update s set (id, name) = (1, 'a')",
    "update s set id = 1 returning id",
    "update s id = 1",
    "update s set id = 1 where id = 2 limit 1",
    f"merge into s x using q on x.id = q.id {MATCHED} {ABSENT}",
    f"merge into s as x using q on x.id = q.id {MATCHED} {ABSENT}",
    f"with q as (select 1) {MERGE} {MATCHED} {ABSENT}",
    f"{MERGE}",
    f"{MERGE} {MATCHED}",
    f"{MERGE} {ABSENT}",
    f"{MERGE} {ABSENT} {MATCHED}",
    f"{MERGE} {MATCHED} {ABSENT} {MATCHED}",
    f"{MERGE} when matched and q.id > 1 then delete {ABSENT}",
    f"{MERGE} {MATCHED} when not matched and q.id > 1 then insert values (1)",
    f"{MERGE} when matched then do nothing {ABSENT}",
    f"{MERGE} when matched then update set name = 'a' where s.id = 1 {ABSENT}",
    f"{MERGE} {MATCHED} when not matched then insert default values",
    f"{MERGE} {MATCHED} when not matched by source then delete",
    f"{MERGE} remove duplicates {MATCHED}",
    f"merge into s using (select 1 as id) on s.id = id {MATCHED} {ABSENT}",
    f"merge s using q on s.id = q.id {MATCHED} {ABSENT}",
]


@pytest.mark.parametrize("text", SYNTAX)
def test_rule_16_and_17_what_postgres_has_and_redshift_has_not_is_a_syntax_error(text: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    assert caught.value.sqlstate == "42601"


REFUSED = [
    ("insert into s (id, id) values (1, 2)", "42701", "more than once"),
    ("insert into pg_class values (1)", "42501", "system catalog"),
    ("delete from svv_table_info", "42501", "system catalog"),
    ("update pg_nothing set a = 1", "42P01", "does not exist"),
    ("insert into t values (pg_backend_pid())", "0A000", "Amazon Redshift tables"),
    ("delete from t where moment < current_timestamp", "0A000", "Amazon Redshift tables"),
    ("update s set s.id = 1", "42703", 'column "s" of relation "s" does not exist'),
    ("update s set doc[0] = 1", "0A000", "Partial update of SUPER"),
    ("update s set id = 1 from t left join q on t.id = q.id where s.id = t.id", "0A000", "equijoin predicate"),
    ("update s set id = 1 from t", "0A000", "Target table must be part of an equijoin predicate"),
    ("update s set id = 1 from t where t.id > s.id", "0A000", "Target table must be part of an equijoin predicate"),
    (f"merge into s using s on s.id = s.id {MATCHED} {ABSENT}", "0A000", "target"),
    (f"merge into s using (select * from s) q on s.id = q.id {MATCHED} {ABSENT}", "0A000", "target"),
    (f"merge into s using q on s.id > q.id {MATCHED} {ABSENT}", "0A000", "equijoin"),
    (f"merge into s using q on s.id = q.id or true {MATCHED} {ABSENT}", "0A000", "equijoin"),
    (f"merge into s using q on true {MATCHED} {ABSENT}", "0A000", "equijoin"),
    (
        f"merge into s using q on s.id = q.id when matched then update set name = q.doc.a {ABSENT}",
        "0A000",
        "Partial reference of SUPER column is not supported in MERGE statement.",
    ),
    (f"merge into s using q on s.id = q.doc.a {MATCHED} {ABSENT}", "0A000", "Partial reference of SUPER column"),
    (f"merge into pg_class using q on pg_class.oid = q.id {MATCHED} {ABSENT}", "42501", "system catalog"),
]


@pytest.mark.parametrize(("text", "sqlstate", "message"), REFUSED)
def test_rule_16_to_18_what_redshift_refuses_is_refused_by_name(text: str, sqlstate: str, message: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    assert (caught.value.sqlstate, message in caught.value.message) == (sqlstate, True), caught.value
