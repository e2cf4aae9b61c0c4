"""Expressions: what they mean on the backend, and what is refused."""

# ruff: noqa: DTZ001 - a TIMESTAMP has no zone
import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from redshift_standin.errors import RedshiftError
from redshift_standin.sql.expressions import read_constant
from redshift_standin.sql.functions import FUNCTIONS
from redshift_standin.sql.grammar import parse
from redshift_standin.sql.reader import Reader

Run = Callable[[str], list[tuple[Any, ...]]]

VALUES: list[tuple[str, Any]] = [
    ("1 + 2 * 3 - 4 / 2 % 3", 5),
    ("7 / 2", 3),
    ("2 ^ 3", 8.0),
    ("- -1", 1),
    ("'a' || 'b' || 1", "ab1"),
    ("|/ 16", 4.0),
    ("~1", -2),
    ("6 & 3", 2),
    ("1 <> 2 and 1 != 2 and not 1 = 2 or false", True),
    ("1 between 0 and 2 and 1 not between 2 and 3", True),
    ("1 in (1, 2) and 3 not in (1, 2) and 1 in (select 1)", True),
    ("(1, 'a') in ((1, 'a  '), (2, 'b'))", True),
    ("(1, 'a') in (select 1, 'a ') and (1, 2) = (1, 2)", True),
    ("1 = any (select 1) and 1 <> all (select 2)", True),
    ("exists (select 1) and not exists (select 1 where false)", True),
    ("null is null and 1 is not null and null isnull and 1 notnull", True),
    ("(1 = 2) is false and true is not unknown", True),
    ("'abc' like 'a%' and 'abc' not like 'A%' and 'abc' ilike 'A%'", True),
    ("'a_b' like 'a!_b' escape '!' and 'axb' not like 'a!_b' escape '!'", True),
    ("'abc' similar to '(a|b)%' and 'abc' ~ '^a' and 'abc' !~ 'z' and 'abc' ~* 'B'", True),
    ("case when 1 > 2 then 'a' when 2 > 1 then 'b' end", "b"),
    ("case 2 when 1 then 'a' else 'z' end", "z"),
    ("nvl(null, 1) + coalesce(null, null, 2) + nvl2(null, 10, 20) + nvl2(1, 10, 20)", 33),
    ("decode(null, null, 'n', 'x')", "n"),
    ("decode(3, 1, 'a', 2, 'b')", None),
    ("greatest(1, 3, 2) - least(1, 3, 2) + nullif(2, 3)", 4),
    ("cast('12' as int) + '3'::bigint + convert(smallint, '4')", 19),
    ("'12.345'::decimal(6, 2)", Decimal("12.35")),
    ("date '2020-02-29' + 1", dt.date(2020, 3, 1)),
    ("timestamp '2020-01-01 00:00:00' + interval '1 day 2 hours'", dt.datetime(2020, 1, 2, 2)),
    ("timestamp without time zone '2020-01-01'", dt.datetime(2020, 1, 1)),
    ("timestamp with time zone '2020-01-01 00:00+02' at time zone 'UTC'", dt.datetime(2019, 12, 31, 22)),
    ("true and 't'::boolean", True),
    ("substring('hello' from 2 for 3) || substring('hello', 2) || substr('hello', 1, 1)", "ellelloh"),
    ("trim('  x ') || trim(both 'x' from 'xax') || trim(leading from ' b') || trim(trailing '.' from 'c..')", "xabc"),
    ("position('l' in 'hello') + charindex('l', 'hello') + strpos('hello', 'o')", 11),
    ("extract(year from date '2020-05-06') + extract('month' from timestamp '2020-05-06')", 2025),
    ("date_part(dow, '2020-01-01') + date_part('doy', date '2020-01-02')", 5),
    ("date_trunc('month', '2020-05-06 07:08:09')", dt.datetime(2020, 5, 1)),
    ("dateadd(month, 1, '2020-01-31')", dt.datetime(2020, 2, 29)),
    ("dateadd('h', -1, date '2020-01-01')", dt.datetime(2019, 12, 31, 23)),
    ("datediff(day, '2020-01-01 23:59', '2020-01-02 00:01')", 1),
    ("datediff(qtr, date '2019-12-31', date '2020-04-01')", 2),
    ("datediff(week, '2020-01-04', '2020-01-05')", 1),
    ("datediff(hour, '2020-01-01 00:59', '2020-01-01 01:00')", 1),
    ("add_months('2020-02-29', 12)", dt.datetime(2021, 2, 28)),
    ("add_months('2021-02-28', 12)", dt.datetime(2022, 2, 28)),
    ("add_months('2020-04-30', 1)", dt.datetime(2020, 5, 31)),
    ("last_day('2020-02-03')", dt.date(2020, 2, 29)),
    ("months_between('1969-03-18', '1969-01-18')", 2.0),
    ("convert_timezone('America/New_York', '2020-01-01 12:00')", dt.datetime(2020, 1, 1, 7)),
    ("convert_timezone('EST', 'UTC', '2020-01-01 12:00')", dt.datetime(2020, 1, 1, 17)),
    ("trunc(timestamp '2020-01-01 10:00')", dt.date(2020, 1, 1)),
    ("trunc(1.59, 1) + round(2.55, 1) + trunc(-1.5)", Decimal("3.1")),
    ("round(1.256::float8, 2)", 1.26),
    ("concat('a', null)", None),
    ("concat('a', 'b') || left('abc', 1) || right('abc', 1) || reverse('xy')", "abacyx"),
    ("len('abc') + char_length('héé') + octet_length('é') + length('abc  ')", 13),
    ("lpad('7', 3, '0') || rpad('a', 2, 'b') || repeat('x', 2) || replicate('y', 2) || initcap('q')", "007abxxyyQ"),
    ("split_part('a,b', ',', 2) || translate('abc', 'b', 'z') || replace('abc', 'b', '')", "bazcac"),
    ("regexp_replace('aXbX', 'X', '-') || regexp_replace('aX', 'X') || regexp_substr('abc', 'b.')", "a-b-abc"),
    ("regexp_count('abab', 'b') + regexp_instr('abc', 'c')", 5),
    ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
    ("sha1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("func_sha1(repeat('a', 56))", "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
    ("sha2('abc', 256)", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("strtol('0xff', 16) + strtol('-10', 2)", 253),
    ("to_char(date '2020-01-02', 'YYYYMMDD')", "20200102"),
    ("to_date('20200102', 'YYYYMMDD')", dt.date(2020, 1, 2)),
    ("to_number('12,454.8-', '99G999D9S')", Decimal("-12454.8")),
    ('json_serialize(json_parse(\'{"a" : [1, "x , y: \\\\" z"], "b": null}\'))', '{"a":[1,"x , y: \\" z"],"b":null}'),
    ("json_size(json_parse('[1, 2]'))", 5),
    ("json_typeof(json_parse('[]')) || get_array_length(json_parse('[1,2]'))", "array2"),
    ("is_object(json_parse('{}')) and is_array(array(1, 'a')) and is_scalar(json_parse('1'))", True),
    ("json_serialize(array()) || json_serialize(object('a', 1))", '[]{"a":1}'),
    ("json_extract_path_text('{\"a\":{\"b\":\"x\"}}', 'a', 'b')", "x"),
    ("json_extract_path_text('{\"a\":1}', 'z')", None),
    ("json_extract_array_element_text('[10,20]', 1)", "20"),
    ("json_array_length('[1,2]')", 2),
    ("is_valid_json('{') or is_valid_json_array('{}') or can_json_parse('{\"a\":1,\"a\":2}')", False),
    ("current_user = user and session_user = current_user", True),
    ("sysdate > getdate() - interval '1 minute' and current_date > '2020-01-01'", True),
    ("current_schema() || '.' || pg_last_copy_count()", "public.0"),
    ("(pg_catalog.current_schemas(true))[1]", "pg_catalog"),
    ("version() like 'PostgreSQL 8.0.2%Redshift 1.0.%'", True),
]


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_an_expression_has_the_value_that_the_guide_gives(run: Run, expression: str, expected: Any) -> None:
    assert run(f"select {expression}") == [(expected,)]


CASTS: list[tuple[str, Any]] = [
    ("'héllo'::varchar(2)", "h"),
    ("'héllo'::varchar(3)", "hé"),
    ("cast(12345 as varchar(3))", "123"),
    ("'abc'::char(2)", "ab"),
    ("json_parse('\"x y\"')::varchar", "x y"),
    ("cast(repeat('é', 200) as varchar) = repeat('é', 128)", True),
    ("len(null::varchar(3))", None),
    ("json_typeof('{\"a\": 1}'::super)", "string"),
    ("json_typeof(1::super)", "number"),
    ("to_hex('abc'::varbyte)", "616263"),
    ("to_hex(5::smallint::varbyte) || to_hex(5::int::varbyte)", "000500000005"),
    ("from_hex('6162')::varchar", "ab"),
]


@pytest.mark.parametrize(("expression", "expected"), CASTS)
def test_rule_35_and_36_casts_cut_by_bytes_and_read_text_as_utf_8(run: Run, expression: str, expected: Any) -> None:
    """Guide, "CAST function", "VARBYTE type"."""
    assert run(f"select {expression}") == [(expected,)]


VARBYTES: list[tuple[str, Any]] = [
    ("to_hex(from_hex('6162')) || to_hex(255)", "6162ff"),
    ("to_hex(from_hex('4'))", "04"),
    ("to_hex(to_varbyte('ab', 'UTF8') ) || to_hex(to_varbyte('6162', 'hex'))", "61626162"),
    ("from_varbyte(bin, 'utf-8') || from_varbyte(bin, 'hex') || from_varbyte(bin, 'base64')", "ab6162YWI="),
    ("len(bin) + octet_length(bin)", 4),
    ("to_hex(substring(bin, 2, 1)) || to_hex(concat(bin, bin)) || to_hex(bin || bin)", "626162616261626162"),
]


@pytest.mark.parametrize(("expression", "expected"), VARBYTES)
def test_rule_36_varbyte_functions_work_on_bytes(run: Run, expression: str, expected: Any) -> None:
    assert run(f"select {expression} from t where id = 1") == [(expected,)]


@pytest.mark.parametrize(
    ("expression", "sqlstate"),
    [
        ('json_parse(\'{"a":1,"a":2}\')', "22P02"),
        ('json_parse(\'{"x":[{"a":1,"a":2}]}\')', "22P02"),
        ("json_parse('{a:1}')", "22P02"),
        ("json_parse('')", "22P02"),
        ("json_parse('\"' || repeat('x', 65536) || '\"')", "22P02"),
        ("json_parse('\"\\\\u0000\"')", "22P05"),
        ("true::varchar", "42846"),
        ("'abc'::varbyte(2)", "22001"),
        ("strtol('9', 8)", "22023"),
    ],
)
def test_rule_35_what_super_cannot_hold_is_an_error(run: Run, expression: str, sqlstate: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        run(f"select {expression}")
    assert caught.value.sqlstate == sqlstate


AGGREGATES: list[tuple[str, Any]] = [
    ("avg(x), avg(x::bigint), avg(x::smallint)", (1, 1, 1)),
    ("avg(x::decimal(10,2)) > 1.6 and avg(x::real) > 1.6, count(*), count(distinct x), sum(x)", (True, 3, 2, 5)),
    ("min(x), max(x), bool_and(x > 0), bool_or(x > 5), stddev(x) > 0", (1, 2, True, False, True)),
    ("listagg(x, ',') within group (order by x desc), listagg(distinct x)", ("2,2,1", "12")),
    ("median(x), percentile_cont(0.5) within group (order by x)", (2.0, 2.0)),
    ("avg(null::int), avg(null::bigint)", (None, None)),
]


@pytest.mark.parametrize(("outputs", "expected"), AGGREGATES)
def test_aggregates_give_the_types_that_the_guide_gives(run: Run, outputs: str, expected: Any) -> None:
    assert run(f"select {outputs} from (select 1 as x union all select 2 union all select 2) q") == [expected]


def test_window_functions_count_within_their_partitions(run: Run) -> None:
    text = """
        select x, row_number() over (order by x), rank() over (order by x), lag(x, 1) over (order by x),
            sum(x) over (partition by x order by x rows between unbounded preceding and current row),
            avg(x) over (), count(*) over (order by x rows 1 preceding)
        from (select 1 as x union all select 2 union all select 2) q order by 2
    """
    assert run(text) == [(1, 1, 1, None, 1, 1, 1), (2, 2, 2, 1, 2, 1, 2), (2, 3, 2, 2, 4, 1, 2)]


SYNTAX = [
    "select (1",
    "select 1 +",
    "select 1 = ",
    "select 1 between 2",
    "select 1 in ()",
    "select 1 is maybe",
    "select case end",
    "select case when 1 then end",
    "select cast(1 int)",
    "select 'a' 'b'",
    "select 1.5.5",
    "select a..b",
    "select a.[1]",
    "select a['x']",
    "select a[b]",
    "select extract(year date '2020-01-01')",
    "select trim(both)",
    "select abs(1",
    "select abs(1,)",
    "select count(distinct)",
    "select json_parse('{}').a",
    "select sum(x) over",
    "select sum(x) over (rows 1)",
    "select select",
    "select from",
    "select tag",
    "select t.a.b(1) from t",
    "select 1 := 2",
    "select :name",
    "select ?",
    "select a->>'b' from t",
    "select a @> b from t",
    "select $a$x$a$",
    "select B'1'",
    "select position('a', 'b')",
]


@pytest.mark.parametrize("text", SYNTAX)
def test_what_is_not_in_the_grammar_is_a_syntax_error(text: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    assert caught.value.sqlstate == "42601"
    assert caught.value.position > 0


ABSENT = """
pg_sleep pg_read_file pg_ls_dir set_config current_setting lo_import lo_export dblink query_to_xml string_agg array_agg
generate_series gen_random_uuid format jsonb_build_object jsonb_set to_jsonb row_to_json jsonb_array_elements unnest
pg_advisory_lock pg_try_advisory_lock txid_current nextval currval inet_server_addr xmlparse regexp_split_to_array
regexp_matches concat_ws make_date clock_timestamp pg_notify num_nulls pg_reload_conf width_bucket encode decode_hex
pg_column_size pg_export_snapshot pg_stat_file to_tsvector uuid_generate_v4 array_length cardinality every check_json cut
"""


@pytest.mark.parametrize("name", ABSENT.split())
def test_functions_that_redshift_lacks_do_not_exist(name: str) -> None:
    for call in (f"{name}(1)", f"pg_catalog.{name}(1)", f'"{name}"(1)', f"redshift_standin.{name}(1)"):
        with pytest.raises(RedshiftError) as caught:
            parse(f"select {call}")
        assert caught.value.sqlstate in ("42883", "42601")


REFUSED = [
    ("select nothing(1)", "42883", "function nothing() does not exist"),
    ("select abs()", "42883", "function abs()"),
    ("select concat('a', 'b', 'c')", "42883", "function concat()"),
    ("select lag(1, 1, 0) over (order by 1)", "42883", "function lag()"),
    ("select nvl2(1, 2)", "42883", "function nvl2()"),
    ("select decode(1, 2)", "42883", "function decode()"),
    ("select a is distinct from b from t", "0A000", "IS DISTINCT FROM"),
    ("select a is not distinct from b from t", "0A000", "IS DISTINCT FROM"),
    ("select (1, 2)", "0A000", "row values"),
    ("select (1, 2) < (3, 4)", "0A000", "row values"),
    ("select a collate x from t", "0A000", "not in the stand-in yet"),
    ("select a = b is null from t", "0A000", "is not known"),
    ("select a < b = c from t", "0A000", "is not known"),
    ("select date 'infinity'", "0A000", "is not known"),
    ("select '0044-03-15 BC'::date", "0A000", "is not known"),
    ("select '12020-01-01'::timestamp", "0A000", "is not known"),
    ("select interval 'P1D'", "0A000", "is not known"),
    ("select checksum(1)", "0A000", "not in the stand-in yet"),
    ("select approximate count(distinct a) from t", "0A000", "not in the stand-in yet"),
    ("select first_value(a ignore nulls) over (order by a) from t", "0A000", "not in the stand-in yet"),
    ("select sum(a) filter (where a > 1) from t", "0A000", "FILTER"),
    ("select sum(a) over (order by a) from t", "0A000", "require a frame clause"),
    ("select sum(a) over (order by a range unbounded preceding) from t", "0A000", "ROWS"),
    ("select rank() from t", "42809", "requires an OVER clause"),
    ("select listagg(a) over () from t", "0A000", "not in the stand-in yet"),
    ("select dateadd(fortnight, 1, now())", "22023", '"fortnight" not recognized'),
    ("select $0", "42P02", "there is no parameter $0"),
    ("select $99999", "42P02", "there is no parameter"),
    ("select 1::json", "0A000", "json"),
    ("select 1::nosuch", "42704", "nosuch"),
    ("select pg_backend_pid() from t", "0A000", "(one per INFO message) not supported on Amazon Redshift tables"),
    ("select current_timestamp from t", "0A000", "not supported on Amazon Redshift tables"),
    ("select t.id from t, pg_class c where c.relname = t.name", "0A000", "not supported on Amazon Redshift tables"),
]


@pytest.mark.parametrize(("text", "sqlstate", "message"), REFUSED)
def test_what_redshift_refuses_or_nobody_knows_is_refused_by_name(text: str, sqlstate: str, message: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    assert (caught.value.sqlstate, message in caught.value.message) == (sqlstate, True), caught.value


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("0", "0"),
        ("'it''s \\\\'", "E'it''s \\\\'"),
        ("getdate()", "redshift_standin.getdate()"),
        ("sysdate", "redshift_standin.sysdate()"),
        ("1 + 2", "(1 + 2)"),
        ("false", "false"),
        ("null", "NULL"),
        ("('a' = 'b')", "((E'a' = E'b'))"),
    ],
)
def test_a_default_is_read_up_to_what_follows_it(text: str, sql: str) -> None:
    for following in (" not null", " encode zstd", ", b int"):
        reader = Reader(text + following)
        assert read_constant(reader) == sql
        assert reader.token.text == following.split()[0]


@pytest.mark.parametrize(
    "text", ["a", "a.b", "(select 1)", "$1", "current_timestamp", "now()", "count(*) over (partition by a)"]
)
def test_a_default_has_no_columns_parameters_and_queries(text: str) -> None:
    with pytest.raises(RedshiftError):
        read_constant(Reader(text))


def test_every_function_of_the_whitelist_is_in_the_backend(backend: "psycopg.Connection[Any]") -> None:
    known = backend.execute(
        "select n.nspname || '.' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
    ).fetchall()
    names = {name for (name,) in known}
    assert [function.backend for function in FUNCTIONS.values() if function.backend not in names] == []


def test_every_function_of_our_own_says_how_volatile_it_is(backend: "psycopg.Connection[Any]") -> None:
    rows = backend.execute(
        "select proname from pg_proc where pronamespace = 'redshift_standin'::regnamespace and provolatile = 'v' "
        "and prokind = 'f' and prorettype <> 'trigger'::regtype"
    ).fetchall()
    # It makes views for a moment, which no other kind of function may.
    assert [name for (name,) in rows] == ["pg_get_late_binding_view_cols"]


LABELS = [
    ("a", "a"),
    ("t.doc.a.b[0]", "b"),
    ("doc.n", "n"),
    ("lower(name)", "lower"),
    ("id::varchar(10)", "id"),
    ("1::int", "int4"),
    ("'a'::varchar", "varchar"),
    ("1::int::bigint", "int8"),
    ("1 + 1", "?column?"),
    ("'x'", "?column?"),
    ("true", "bool"),
    ("case when true then 1 end", "case"),
    ("case when true then 1 else id end", "id"),
    ("nvl(id, 1)", "coalesce"),
    ("(id)", "id"),
    ("count(*)", "count"),
    ('id as "Total"', "total"),
    ("id total", "total"),
]


@pytest.mark.parametrize(("item", "label"), LABELS)
def test_an_output_column_is_named_as_redshift_names_it(item: str, label: str) -> None:
    (parsed,) = parse(f"select {item} from t")
    match = re.search(r' AS ("[^"]*") FROM "t"$', parsed.statement.sql)  # type: ignore[union-attr]
    assert match is not None
    assert match[1] == f'"{label}"'
