"""Queries: what is read, what it gives, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from redshift_standin.catalog import install
from redshift_standin.errors import RedshiftError
from redshift_standin.names import TableName
from redshift_standin.sql.ddl import CreateTableAs
from redshift_standin.sql.grammar import parse
from redshift_standin.sql.queries import read_query
from redshift_standin.sql.query import Query
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.relations import CATALOGS, INFORMATION_SCHEMA, LOOK_ALIKES

Run = Callable[[str], list[tuple[Any, ...]]]


def query(text: str) -> Query:
    (parsed,) = parse(text)
    assert isinstance(parsed.statement, Query)
    return parsed.statement


ROWS: list[tuple[str, Any]] = [
    ("select id, name from t order by id", [(1, "one"), (2, "two")]),
    ("select n + 1 from (select id as n from t) where n = 2", [(3,)]),
    ("select * from t where 1 and id = 1 and name = 'one  '", None),
    ("select t.*, s.* from t join s on t.id = s.id", None),
    ("select public.t.id from public.t where public.t.id = 1", [(1,)]),
    ("select public.t.id from t order by public.t.id desc", [(2,), (1,)]),
    ("select a.id, b.name from t a, s as b where a.id = b.id", [(2, "deux")]),
    ("select id, s.name from t left outer join s using (id) order by 1", [(1, None), (2, "deux")]),
    ("select count(*) from t full join s on t.id = s.id", [(3,)]),
    ("select count(*) from t cross join s", [(4,)]),
    ("select id from t natural join (select id from s) x", [(2,)]),
    ("select count(*) from (t join s on t.id = s.id) join s x on x.id = s.id", [(1,)]),
    ("select x.a, x.b from (select 1, 2) as x (a, b)", [(1, 2)]),
    ("select c from (select 1 as c limit all offset 0) as y", [(1,)]),
    ("select 1 union select 1", [(1,)]),
    ("select 1 union all select 1", [(1,), (1,)]),
    ("select 1 minus select 2", [(1,)]),
    ("select 1 except select 1", []),
    ("(select 1 union select 2) intersect select 2 order by 1", [(2,)]),
    ("select id from t union select id from s order by id desc limit 2", [(3,), (2,)]),
    ("select top 1 id from t order by id desc", [(2,)]),
    ("(select top 1 id from t order by id desc) union all select 9", [(2,), (9,)]),
    ("select distinct 1 from t", [(1,)]),
    ("select all id from t order by id limit 1 offset 1", [(2,)]),
    ("select id from t order by id offset 1 limit 1", [(2,)]),
    ("select length(name) as n, count(*) from t group by n having count(*) > 1 order by n desc nulls last", [(3, 2)]),
    ("select length(name), count(*) from t group by 1", [(3, 2)]),
    ("with a as (select 1 as x), b (y) as (select x + 1 from a) select x, y from a, b", [(1, 2)]),
    ("select (with a as (select 7 as x) select x from a)", [(7,)]),
    ("select id from t where exists (select 1 from s where s.id = t.id)", [(2,)]),
    ("select id, (select name from s where s.id = t.id) from t order by 1", [(1, None), (2, "deux")]),
    ("select id from t where id not in (select id from s)", [(1,)]),
    ("select (select max(id) from (select id from s) x) from t where id = 1", [(3,)]),
    ("select id as t from t order by t", [(1,), (2,)]),
    ("select doc.a.b[0], t.doc.a.b[1].c, public.t.doc.n from t where id = 1", [(1, "x y", 5)]),
    ("select doc.a.b[1].c::varchar || doc.n::int from t where doc.n::int = 5", [("x y5",)]),
    ("select doc.missing.path[3] from t where id = 1", [(None,)]),
    ("select json_typeof(doc.a) from t group by doc.a order by doc.a", None),
    ("select tablename from pg_catalog.pg_tables where tablename = 's'", [("s",)]),
    ("select relname from pg_class where relname = 's' and oid = 's'::regclass::oid", [("s",)]),
    ("select n.oid > 0 from pg_namespace n where nspname = 'public'", [(True,)]),
    ("select column_name from information_schema.columns where table_name = 's' order by ordinal_position", None),
    ("select pg_table_def.tablename from pg_table_def where tablename = 's' and \"column\" = 'id'", [("s",)]),
    ("select array[1::smallint], array_to_string(array[1, 2], ',')", [([1], "1,2")]),
    (
        "select a.attname from pg_attribute a join pg_class c on (a.attrelid, 1) = (c.oid, a.attnum) where relname = 's'",
        None,
    ),
    ("select 1 from pg_get_late_binding_view_cols() cols(a name, b name, c name, d varchar, e int) where 1", []),
]


@pytest.mark.parametrize(("text", "rows"), ROWS)
def test_a_query_gives_its_rows(run: Run, text: str, rows: Any) -> None:
    found = run(text)
    if rows is not None:
        assert found == rows


READS = [
    ("select 1", set()),
    ("select * from a, b.c as d join e on true", {"a", "b.c", "e"}),
    ("select * from (select * from a where x in (select y from b)) z", {"a", "b"}),
    ("with a as (select * from b) select * from a", {"b"}),
    ("with a as (select * from a) select * from a", {"a"}),
    ("with a as (select 1) select * from x.a", {"x.a"}),
    ("select * from (with q as (select * from b) select * from q) z, q", {"b", "q"}),
    ("select * from pg_class, information_schema.tables, stl_load_errors", set()),
    ("select 1 from t, stl_load_errors", {"t"}),
    ("select * from a union select * from b intersect select * from c", {"a", "b", "c"}),
    ('select * from "Mixed"."Case"', {"mixed.case"}),
]


@pytest.mark.parametrize(("text", "names"), READS)
def test_reads_holds_the_user_relations_only(text: str, names: set[str]) -> None:
    found = query(text)
    assert {str(name) for name in found.reads} == names
    assert found.system == (not names)


def test_rule_20_names_are_folded_even_in_quotes_and_kept_only_with_the_case_sensitive_setting() -> None:
    text = 'select "Id", Name from "Tab"'
    assert query(text).sql == 'SELECT "id" AS "id", "name" AS "name" FROM "tab"'
    (parsed,) = parse(text, case_sensitive=True)
    assert parsed.statement == Query(
        sql='SELECT "Id" AS "Id", "name" AS "name" FROM "Tab"', reads=frozenset({TableName(None, "Tab")})
    )


@pytest.mark.parametrize(
    ("text", "name", "temporary"),
    [
        ("select 1 as a into x", "x", False),
        ("select 1 as a into table y.x", "y.x", False),
        ("select 1 as a into temp x from t", "x", True),
        ("select 1 as a into temporary table x from t", "x", True),
        ("with q as (select 1 as a) select a into #x from q", "#x", True),
    ],
)
def test_select_into_makes_a_table(text: str, name: str, temporary: bool) -> None:
    (parsed,) = parse(text)
    assert isinstance(parsed.statement, CreateTableAs)
    assert (str(parsed.statement.name), parsed.statement.temporary) == (name, temporary)
    assert "INTO" not in parsed.statement.query.sql


def test_explain_is_a_query_with_a_plan(run: Run) -> None:
    assert query("explain select * from t").explain
    assert query("explain verbose select 1").sql.startswith("EXPLAIN VERBOSE SELECT")
    assert run("explain select * from t")


def test_a_query_is_read_up_to_what_follows_it() -> None:
    reader = Reader("select * from x.t with no schema binding")
    assert read_query(reader).reads == {TableName("x", "t")}
    assert reader.token.text == "with"


SYNTAX = [
    "values (1)",
    "select 1 limit",
    "select 1 limit 1 + 1",
    "select 1 limit 1 limit 2",
    "select top 1 2 limit 3",
    "select * from",
    "select * from t where",
    "select * from t join s",
    "select * from t on true",
    "select * from t group by",
    "select * from t order by",
    "select * from t as",
    "select * from t tag",
    "select * from only t",
    "select (select 1 into x)",
    "with a as (insert into t values (1)) select 1",
    "with a as (delete from t) select 1",
    "with a as (update t set id = 1) select 1",
    "with a select 1",
    "with a as (select 1)",
    "select 1 union",
    "select 1 select 2",
    "select * from t returning id",
    "select a, from t",
    "explain analyze select 1",
    "explain",
    "table t",
    "upsert into t values (1)",
    "select * from t order by id using <",
    "select 1 union distinct select 1",
]


@pytest.mark.parametrize("text", SYNTAX)
def test_what_is_not_in_the_grammar_is_a_syntax_error(text: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    assert caught.value.sqlstate == "42601"


REFUSED = [
    ("with recursive a as (select 1) select 1", "0A000", "not in the stand-in yet"),
    ("select distinct on (a) a from t", "0A000", "DISTINCT ON"),
    ("select * from t for update", "0A000", "FOR UPDATE"),
    ("select * from t fetch first 1 rows only", "0A000", "FETCH"),
    ("select * from t window w as (order by a)", "0A000", "WINDOW"),
    ("select * from generate_series(1, 2)", "0A000", "table functions"),
    ("select * from (values (1)) x", "0A000", "table functions"),
    ("select * from t, lateral (select 1) x", "0A000", "table functions"),
    ("select * from t intersect all select * from t", "0A000", "INTERSECT ALL"),
    ("select * from t minus all select * from t", "0A000", "MINUS ALL"),
    ("select a from t qualify row_number() over () = 1", "0A000", "not in the stand-in yet"),
    ("select a from t group by rollup (a)", "0A000", "not in the stand-in yet"),
    ("select * from t, t.arr as x", "0A000", "unnesting"),
    ("select * from t a, a.arr x", "0A000", "unnesting"),
    ("select * from db.public.t", "0A000", "database"),
    ("select * from t pivot (count(*) for a in (1, 2))", "0A000", "PIVOT"),
    ("select * from t start with a = 1 connect by prior a = b", "0A000", "CONNECT BY"),
    ("explain insert into t values (1)", "0A000", "EXPLAIN INSERT"),
    ("with a as (select 1), a as (select 2) select 1", "42712", "more than once"),
    ("select t from t, s", "0A000", "is not known"),
    ("select ctid from t", "42703", 'column "ctid" does not exist'),
    ("select t.xmin from t", "42703", 'column "xmin" does not exist'),
    ("select t.to_jsonb from t", "42703", "to_jsonb"),
    ("select z.* from t", "42P01", 'missing FROM-clause entry for table "z"'),
    ("select * from t join s using (id, id)", "42701", "more than once"),
]


@pytest.mark.parametrize(("text", "sqlstate", "message"), REFUSED)
def test_what_redshift_refuses_or_the_stand_in_lacks_is_refused_by_name(text: str, sqlstate: str, message: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    assert (caught.value.sqlstate, message in caught.value.message) == (sqlstate, True), caught.value


@pytest.mark.parametrize(
    "name",
    [
        "pg_shadow",
        "pg_authid",
        "pg_roles",
        "pg_catalog.pg_roles",
        "pg_file_settings",
        "stl_nothing",
        "svv_nothing",
        "svl_nothing",
        "stv_nothing",
        "sys_nothing",
        "svcs_nothing",
        "information_schema.role_table_grants",
        "pg_catalog.t",
        "pg_catalog.load_error",
    ],
)
def test_rule_40_a_system_relation_outside_the_whitelist_does_not_exist(name: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(f"select * from {name}")
    assert (caught.value.sqlstate, caught.value.message) == ("42P01", f'relation "{name}" does not exist')


@pytest.mark.parametrize("schema", ["redshift_standin", "pg_toast", "pg_temp_3", "Redshift_Standin"])
def test_schemas_of_the_backend_do_not_exist(schema: str) -> None:
    for text in (f'select * from "{schema}".load_error', f"delete from {schema}.load_error"):
        with pytest.raises(RedshiftError) as caught:
            parse(text)
        assert caught.value.sqlstate == "3F000"


def test_rule_40_every_system_relation_of_the_whitelist_is_in_the_backend(backend: Any) -> None:
    rows = backend.execute(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    ).fetchall()
    known = {name for (name,) in rows}
    wanted = {f"pg_catalog.{name}" for name in CATALOGS} | {f"information_schema.{name}" for name in INFORMATION_SCHEMA}
    wanted |= {f"{install.SCHEMA}.{name}" for name in LOOK_ALIKES if not name.startswith("svv_external")}
    assert wanted - known == set()
