"""Functions and operators that Redshift has of its own, or that mean something else than in Postgres (rule 40)."""

from __future__ import annotations

from typing import Any, Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows

_SETUP: Final = (
    "create table t (id int, name varchar(10), fixed char(6))",
    "insert into t values (1, 'français', 'ab'), (2, 'b  ', 'cd'), (3, null, null)",
)


def _gives(name: str, expression: str, value: Any, page: str) -> Case:
    """An expression without a table."""
    return Case(rule=40, name=name, run=f"select {expression}", expect=Rows([[value]]), page=page)


def _query(name: str, run: str, expect: Expected, page: str) -> Case:
    return Case(rule=40, name=name, setup=_SETUP, run=run, expect=expect, page=page)


_LEADER: Final = Refused(
    "0A000", "Specified types or functions (one per INFO message) not supported on Amazon Redshift tables."
)

_TEXTS: Final = (
    _query("LEN counts letters", "select len(name) from t where id = 1", Rows([[8]]), "r_LEN"),
    _query("OCTET_LENGTH counts bytes", "select octet_length(name) from t where id = 1", Rows([[9]]), "r_OCTET_LENGTH"),
    _query("LEN counts a VARCHAR's trailing blanks", "select len(name) from t where id = 2", Rows([[3]]), "r_LEN"),
    _query("LEN does not count a CHAR's trailing blanks", "select len(fixed) from t where id = 1", Rows([[2]]), "r_LEN"),
    _query("LENGTH and CHAR_LENGTH are LEN", "select length(name), char_length(name), textlen(name) from t where id = 1", Rows([[8, 8, 8]]), "r_LEN"),
    _query("trailing blanks do not matter to =", "select id from t where name = 'b'", Rows([[2]]), "r_Character_types"),
    _query("trailing blanks on the other side do not matter", "select id from t where 'b      ' = name", Rows([[2]]), "r_Character_types"),
    _query("trailing blanks do not matter to <>", "select count(*) from t where name <> 'b'", Rows([[1]]), "r_Character_types"),
    _query("trailing blanks do not matter to IN", "select id from t where name in ('a', 'b')", Rows([[2]]), "r_Character_types"),
    _query("leading blanks matter", "select id from t where name = ' b'", Rows([]), "r_Character_types"),
    _query("a VARCHAR equals a CHAR", "select id from t where fixed = 'cd'::varchar(9)", Rows([[2]]), "r_Character_types"),
    _query("a CHAR column is compared with a VARCHAR column", "select count(*) from t a join t b on a.fixed = b.name", Rows([[0]]), "r_Character_types"),
    _query("a CHAR's trailing blanks do not matter", "select id from t where fixed = 'ab' and fixed = trim('ab  ')", Rows([[1]]), "r_Character_types"),
    _query("a shorter text comes first", "select id from t where fixed < 'cd'::varchar(9)", Rows([[1]]), "r_Character_types"),
    _gives("|| with NULL is NULL", "'a' || null", None, "r_concat_op"),
    _gives("CONCAT with NULL is NULL", "concat('a', null)", None, "r_CONCAT"),
    _gives("CONCAT joins two", "concat('a', 'b')", "ab", "r_CONCAT"),
    _query("CONCAT takes two arguments", "select concat('a', 'b', 'c')", Refused("42883", "concat"), "r_CONCAT"),
    _gives("LEFT and RIGHT take letters", "left('français', 5) || right('français', 3)", "français", "r_LEFT"),
    _gives("CHARINDEX takes the part first", "charindex('c', 'abc')", 3, "r_CHARINDEX"),
    _gives("STRPOS takes the part last", "strpos('abc', 'c')", 3, "r_STRPOS"),
    _gives("POSITION takes IN", "position('c' in 'abc')", 3, "r_POSITION"),
    _gives("SPLIT_PART counts from 1", "split_part('a$b$c', '$', 2)", "b", "SPLIT_PART"),
    _gives("SUBSTRING counts from 1", "substring('abcdef', 2, 3)", "bcd", "r_SUBSTRING"),
    _gives("LPAD fills on the left", "lpad('7', 3, '0')", "007", "r_LPAD"),
    _gives("TRIM takes blanks away", "trim('  a ')", "a", "r_TRIM"),
    _gives("REPLACE replaces all", "replace('abab', 'a', 'x')", "xbxb", "r_REPLACE"),
    _gives("TRANSLATE replaces letter by letter", "translate('mint tea', 'inea', 'osin')", "most tin", "r_TRANSLATE"),
    _gives("INITCAP raises first letters", "initcap('nibh.enim')", "Nibh.Enim", "r_INITCAP"),
    _gives("REGEXP_REPLACE replaces every match", "regexp_replace('a1b2', '[0-9]', 'x')", "axbx", "REGEXP_REPLACE"),
    _gives("REGEXP_SUBSTR gives the match", "regexp_substr('abc123', '[0-9]+')", "123", "REGEXP_SUBSTR"),
    _gives("MD5 is in hex", "md5('Amazon Redshift')", "f7415e33f972c03abd4f3fed36748f7a", "r_MD5"),
    _gives("SHA2 takes a length", "sha2('Amazon Redshift', 256)", "15013dc10bc5b293f1f66ea28d818387f191cafeb26f89639fae0b4acf9c8772", "SHA2"),
    _gives("STRTOL reads another base", "strtol('abcd1234', 16)", 2882343476, "r_STRTOL"),
    _gives("LIKE knows its two signs", "'abc' like 'a_%'", True, "r_patternmatching_condition_like"),
    _gives("ILIKE ignores letters' cases", "'ABC' ilike 'a%'", True, "r_patternmatching_condition_like"),
    _gives("LIKE escapes by a doubled backslash", r"'a_c' like 'a\\_c' and not 'abc' like 'a\\_c'", True, "r_patternmatching_condition_like"),
    _gives("SIMILAR TO takes alternatives", "'abc' similar to '(abc|xyz)'", True, "pattern-matching-conditions-similar-to"),
    _gives("~ takes a POSIX pattern", "'abc' ~ '^a.c$'", True, "pattern-matching-conditions-posix"),
)  # fmt: skip

_CONDITIONS: Final = (
    _gives("NVL is COALESCE", "nvl(null, 'a')", "a", "r_NVL_function"),
    _gives("NVL takes many arguments", "nvl(null, null, 3)", 3, "r_NVL_function"),
    _gives("NVL2 chooses by NULL", "nvl2(null, 1, 2)", 2, "r_NVL2"),
    _gives("NVL2 chooses by a value", "nvl2('a', 1, 2)", 1, "r_NVL2"),
    _gives("NULLIF makes NULL", "nullif(1, 1)", None, "r_NULLIF_function"),
    _gives("DECODE finds its value", "decode(2, 1, 'one', 2, 'two', 'many')", "two", "r_DECODE_expression"),
    _gives("DECODE has a default", "decode(3, 1, 'one', 2, 'two', 'many')", "many", "r_DECODE_expression"),
    _gives("DECODE without a default gives NULL", "decode(3, 1, 'one', 2, 'two')", None, "r_DECODE_expression"),
    _gives("DECODE matches NULL with NULL", "decode(null, null, 'none', 'some')", "none", "r_DECODE_expression"),
    _gives("GREATEST leaves NULL out", "greatest(1, null, 3)", 3, "r_GREATEST_LEAST"),
    _gives("CASE takes the first that holds", "case when false then 1 when true then 2 else 3 end", 2, "r_CASE_function"),
    _gives("CONVERT casts", "convert(integer, '42')", 42, "r_CAST_function"),
    _gives("integers are divided into integers", "7 / 2", 3, "r_OPERATOR_SYMBOLS"),
    _gives("the rest has the dividend's sign", "mod(-7, 2)", -1, "r_MOD"),
    _query("division by zero is refused", "select 1 / 0", Refused("22012"), "r_OPERATOR_SYMBOLS"),
    _gives("ROUND goes away from zero", "(round(2.5) + round(-3.5))::int", -1, "r_ROUND"),
    _gives("TRUNC cuts", "trunc(110.28, 1)::varchar(10)", "110.2", "r_TRUNC"),
    _gives("NULL equals nothing", "null = null", None, "r_logical_condition"),
)  # fmt: skip

_TIMES: Final = (
    _gives("DATEADD adds days", "dateadd(day, 30, '2024-01-31'::date)::varchar(30)", "2024-03-01 00:00:00", "r_DATEADD_function"),
    _gives("DATEADD adds a month to its end", "dateadd(month, 1, '2024-01-31'::timestamp)::varchar(30)", "2024-02-29 00:00:00", "r_DATEADD_function"),
    _gives("DATEADD takes negative numbers", "dateadd(hour, -1, '2024-01-01 00:00:00'::timestamp)::varchar(30)", "2023-12-31 23:00:00",
           "r_DATEADD_function"),
    _gives("DATEADD takes a part in quotes", "dateadd('minute', 5, '2024-01-01'::timestamp)::varchar(30)", "2024-01-01 00:05:00", "r_DATEADD_function"),
    _gives("DATEDIFF counts days", "datediff(day, '2024-02-28'::date, '2024-03-01'::date)", 2, "r_DATEDIFF_function"),
    _gives("DATEDIFF counts boundaries, not years", "datediff(year, '2008-12-31'::date, '2009-01-01'::date)", 1, "r_DATEDIFF_function"),
    _gives("DATEDIFF counts quarters", "datediff(qtr, '1998-07-01'::date, '2008-01-01'::date)", 38, "r_DATEDIFF_function"),
    _gives("DATEDIFF counts boundaries of hours", "datediff(hour, '2024-01-01 00:59:59'::timestamp, '2024-01-01 01:00:00'::timestamp)", 1,
           "r_DATEDIFF_function"),
    _gives("DATEDIFF may be negative", "datediff(month, '2024-03-01'::date, '2024-01-31'::date)", -2, "r_DATEDIFF_function"),
    _gives("DATEDIFF counts seconds", "datediff(seconds, '2024-01-01 00:00:00'::timestamp, '2024-01-01 01:00:00'::timestamp)", 3600,
           "r_DATEDIFF_function"),
    _query("an unknown part of a date is refused", "select dateadd(fortnight, 1, '2024-01-01'::date)", Refused("22023"), "r_Dateparts_for_datetime_functions"),
    _gives("DATE_TRUNC cuts to a part", "date_trunc('month', '2024-02-29 12:34:56'::timestamp)::varchar(30)", "2024-02-01 00:00:00", "r_DATE_TRUNC"),
    _gives("DATE_PART takes a part without quotes", "date_part(dow, '2024-02-29'::date)::int", 4, "r_DATE_PART_function"),
    _gives("EXTRACT takes FROM", "extract(year from '2024-02-29'::date)::int", 2024, "r_EXTRACT_function"),
    _gives("TRUNC of a timestamp is a date", "trunc('2024-02-29 12:34:56'::timestamp)::varchar(30)", "2024-02-29", "r_TRUNC_date"),
    _gives("LAST_DAY gives the month's end", "last_day('2024-02-10'::date)::varchar(30)", "2024-02-29", "r_LAST_DAY"),
    _gives("ADD_MONTHS keeps to the month's end", "add_months('2024-01-31'::date, 1)::varchar(30)", "2024-02-29 00:00:00", "r_ADD_MONTHS"),
    _gives("CONVERT_TIMEZONE takes a zone for another",
           "convert_timezone('US/Pacific', 'UTC', '2024-01-01 00:00:00'::timestamp)::varchar(30)", "2024-01-01 08:00:00", "CONVERT_TIMEZONE"),
    _gives("AT TIME ZONE makes a TIMESTAMPTZ", "('2024-01-01 12:00:00'::timestamp at time zone 'EST')::varchar(40)", "2024-01-01 17:00:00+00",
           "r_AT_TIME_ZONE"),
    _gives("GETDATE() and SYSDATE have no zone", "getdate() < '9999-01-01'::timestamp and sysdate < '9999-01-01'::timestamp", True, "r_GETDATE"),
    _gives("TO_CHAR writes a date", "to_char('2024-02-09 13:00:00'::timestamp, 'YYYY-MM-DD HH24:MI')", "2024-02-09 13:00", "r_TO_CHAR"),
    _gives("TO_DATE reads one", "to_date('02 Oct 2001', 'DD Mon YYYY')::varchar(20)", "2001-10-02", "r_TO_DATE_function"),
    _gives("an interval is added", "('2024-01-01'::date + interval '1 day')::varchar(30)", "2024-01-02 00:00:00", "r_interval_literals"),
    _gives("dates are subtracted into days", "'2024-03-01'::date - '2024-02-28'::date", 2, "r_Datetime_types"),
)  # fmt: skip

_QUERIES: Final = (
    _query("LISTAGG joins in order", "select listagg(id, ',') within group (order by id desc) from t", Rows([["3,2,1"]]), "r_LISTAGG"),
    _query("LISTAGG needs no separator", "select listagg(id) within group (order by id) from t", Rows([["123"]]), "r_LISTAGG"),
    _query("LISTAGG leaves NULL out", "select listagg(trim(name), ',') within group (order by id) from t", Rows([["français,b"]]), "r_LISTAGG"),
    _query("LISTAGG takes DISTINCT", "select listagg(distinct trim(fixed), ',') within group (order by trim(fixed)) from t", Rows([["ab,cd"]]), "r_LISTAGG"),
    _query("TOP limits rows", "select top 2 id from t order by id", Rows([[1], [2]]), "r_SELECT_list"),
    _query("MINUS is EXCEPT", "select id from t minus select 1", Rows([[2], [3]]), "r_UNION"),
    _query("NULLs sort last", "select top 1 id from t order by name desc nulls last, id", Rows([[1]]), "r_ORDER_BY_clause"),
    _query("MEDIAN averages the middle", "select median(id) from t", Rows([["2.0"]]), "r_MEDIAN"),
    _query("AVG of integers is an integer", "select avg(id) from t where id > 1", Rows([[2]]), "r_AVG"),
    _query("SUM of INTEGER is BIGINT", "select sum(id::int) * 3000000000 from t", Rows([[18000000000]]), "r_SUM"),
    _query("a join does not see trailing blanks", "select t.id from t join (select 'b'::varchar(10) as n) x on x.n = t.name", Rows([[2]]), "r_Character_types"),
    _query("current_schema() is for the leader alone", "select current_schema() from t", _LEADER, "c_sql-functions-leader-node"),
    _query("has_table_privilege() is for the leader alone", "select has_table_privilege('t', 'select'), id from t", _LEADER, "c_sql-functions-leader-node"),
    _query("version() is for the leader alone", "select version() from t", _LEADER, "c_sql-functions-leader-node"),
    _query("pg_backend_pid() runs without a table", "select pg_backend_pid() > 0", Rows([[True]]), "PG_BACKEND_PID"),
    _query("generate_series joins no table", "select t.id from t join generate_series(1, 3) g on g = t.id", Refused("0A000"), "c_unsupported-postgresql-functions"),
    _query("generate_series fills no table", "insert into t (id) select * from generate_series(4, 6)", Refused("0A000"), "c_unsupported-postgresql-functions"),
    _query("a missing function is refused", "select no_such(1)", Refused("42883", "no_such"), "c_SQL_functions"),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_TEXTS, *_CONDITIONS, *_TIMES, *_QUERIES)
