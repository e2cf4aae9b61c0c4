"""What drivers and loaders ask the catalog (rule 40)."""

from __future__ import annotations

from typing import Any, Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows

_SETUP: Final = (
    (
        "create table t (id bigint not null, name varchar(30) default 'x', fixed char(4), amount numeric(12,3), small smallint,"
        " whole int, share float8, doc super, made timestamp, day date, ok boolean)"
    ),
    "create view v as select id, name from t",
)
_OF_T: Final = "table_schema = '{schema}' and table_name = 't'"


def _ask(name: str, run: str, rows: list[list[Any]], page: str) -> Case:
    return Case(rule=40, name=name, setup=_SETUP, run=run, expect=Rows(rows), page=page)


def _refused(name: str, *run: str, expect: Expected, page: str) -> Case:
    return Case(rule=40, name=name, setup=_SETUP, run=run, expect=expect, page=page)


_COLUMNS: Final = [
    ["id", 1, "bigint", None, 64, 0], ["name", 2, "character varying", 30, None, None], ["fixed", 3, "character", 4, None, None],
    ["amount", 4, "numeric", None, 12, 3], ["small", 5, "smallint", None, 16, 0], ["whole", 6, "integer", None, 32, 0],
]  # fmt: skip
_LIST: Final = "column_name, ordinal_position, data_type, character_maximum_length, numeric_precision, numeric_scale"
_FIRST: Final = "ordinal_position < 7"

CASES: Final[tuple[Case, ...]] = (
    _ask("information_schema.columns has lengths and precisions", f"select {_LIST} from information_schema.columns where {_OF_T} and {_FIRST}",
         _COLUMNS, "c_intro_catalog_views"),
    _ask("svv_columns has lengths and precisions", f"select {_LIST} from svv_columns where {_OF_T} and {_FIRST}", _COLUMNS, "r_SVV_COLUMNS"),
    _ask("svv_all_columns has lengths and precisions",
         f"select {_LIST} from svv_all_columns where schema_name = '{{schema}}' and table_name = 't' and {_FIRST}", _COLUMNS, "r_SVV_ALL_COLUMNS"),
    _ask("svv_redshift_columns has types and places",
         "select column_name, data_type from svv_redshift_columns where schema_name = '{schema}' and table_name = 't' and ordinal_position in (1, 6)",
         [["id", "bigint"], ["whole", "integer"]], "r_SVV_REDSHIFT_COLUMNS"),
    _ask("information_schema.columns knows what may be NULL",
         f"select column_name, is_nullable from information_schema.columns where {_OF_T} and ordinal_position < 3",
         [["id", "NO"], ["name", "YES"]], "c_intro_catalog_views"),
    _ask("information_schema.columns tells a SUPER", f"select data_type from information_schema.columns where {_OF_T} and column_name = 'doc'",
         [["super"]], "c_intro_catalog_views"),
    _ask("information_schema.columns tells times", f"select column_name, data_type from information_schema.columns where {_OF_T} and ordinal_position in (9, 10)",
         [["made", "timestamp without time zone"], ["day", "date"]], "c_intro_catalog_views"),
    _ask("information_schema.columns has views' columns",
         "select column_name from information_schema.columns where table_schema = '{schema}' and table_name = 'v'", [["id"], ["name"]], "c_intro_catalog_views"),
    _ask("information_schema.columns has a default", f"select column_default like '%x%' from information_schema.columns where {_OF_T} and column_name = 'name'",
         [[True]], "c_intro_catalog_views"),
    _ask("information_schema.tables tells tables from views",
         "select table_name, table_type from information_schema.tables where table_schema = '{schema}'", [["t", "BASE TABLE"], ["v", "VIEW"]],
         "c_intro_catalog_views"),
    _ask("information_schema.schemata has the schema", "select count(*) from information_schema.schemata where schema_name = '{schema}'", [[1]],
         "c_intro_catalog_views"),
    _ask("svv_tables tells tables from views", "select table_name, table_type from svv_tables where table_schema = '{schema}'",
         [["t", "BASE TABLE"], ["v", "VIEW"]], "r_SVV_TABLES"),
    _ask("svv_all_tables tells tables from views", "select table_name, table_type from svv_all_tables where schema_name = '{schema}'",
         [["t", "TABLE"], ["v", "VIEW"]], "r_SVV_ALL_TABLES"),
    _ask("svv_all_schemas has the schema", "select schema_type from svv_all_schemas where schema_name = '{schema}'",
         [["local"]], "r_SVV_ALL_SCHEMAS"),
    _ask("pg_tables has the table", "select tablename from pg_tables where schemaname = '{schema}'", [["t"]], "c_intro_catalog_views"),
    _ask("pg_views has the view", "select viewname from pg_views where schemaname = '{schema}'", [["v"]], "c_intro_catalog_views"),
    _ask("pg_class and pg_namespace are there",
         "select c.relname, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = '{schema}'",
         [["t", "r"], ["v", "v"]], "c_intro_catalog_views"),
    _ask("pg_attribute has the columns", "select count(*) from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on"
         " n.oid = c.relnamespace where n.nspname = '{schema}' and c.relname = 't' and a.attnum > 0", [[11]], "c_intro_catalog_views"),
    _ask("pg_user has the current user", "select count(*) from pg_user where usename = current_user", [[1]], "c_intro_catalog_views"),
    _ask("pg_table_def has tables only", "select distinct tablename from pg_table_def where schemaname = '{schema}'", [["t"]], "r_PG_TABLE_DEF"),
    _ask("pg_table_def has a row a column", "select count(*) from pg_table_def where schemaname = '{schema}' and tablename = 't'", [[11]], "r_PG_TABLE_DEF"),
    _refused("pg_table_def shows only the search path", "set search_path to public", "select count(*) from pg_table_def where schemaname = '{schema}'",
             expect=Rows([[0]]), page="r_PG_TABLE_DEF"),
    _refused("svv_columns does not go by the search path", "set search_path to public", f"select count(*) from svv_columns where {_OF_T}",
             expect=Rows([[11]]), page="r_SVV_COLUMNS"),
    _refused("svv_table_info leaves empty tables out", "select count(*) from svv_table_info where \"schema\" = '{schema}'", expect=Rows([[0]]),
             page="r_SVV_TABLE_INFO"),
    _refused("svv_table_info counts rows", "create table u (a int)",
             "insert into u values (1), (2), (3)", "select tbl_rows::int from svv_table_info where \"schema\" = '{schema}' and \"table\" = 'u'",
             expect=Rows([[3]]), page="r_SVV_TABLE_INFO"),
    _refused("a temporary table is described as well", "create temp table mine (a int)", "select \"column\", type from pg_table_def where tablename = 'mine'",
             expect=Rows([["a", "integer"]]), page="r_PG_TABLE_DEF"),
    _ask("the isolation level is told", "select isolation_level in ('Serializable', 'Snapshot Isolation') from stv_db_isolation_level"
         " where db_name = current_database()", [[True]], "r_STV_DB_ISOLATION_LEVEL"),
    _ask("load errors are there to be read", "select count(*) from stl_load_errors where query = -7", [[0]], "r_STL_LOAD_ERRORS"),
    _ask("load errors are there in the newer view", "select count(*) from sys_load_error_detail where query_id = -7", [[0]], "SYS_LOAD_ERROR_DETAIL"),
    _ask("load commits are there to be read", "select count(*) from stl_load_commits where query = -7", [[0]], "r_STL_LOAD_COMMITS"),
    _ask("loads are there in the newer view", "select count(*) from sys_load_detail where query_id = -7", [[0]], "SYS_LOAD_DETAIL"),
    _ask("no COPY yet has no number", "select pg_last_copy_id()", [[-1]], "PG_LAST_COPY_ID"),
    _ask("no COPY yet has no rows", "select pg_last_copy_count()", [[0]], "PG_LAST_COPY_COUNT"),
    _refused("the catalog cannot be changed", "delete from pg_class", expect=Refused("42501"), page="c_intro_catalog_views"),
    _refused("a system view cannot be changed", "delete from stl_load_errors", expect=Refused("42501"), page="c_intro_system_tables"),
    _refused("a missing system view is refused", "select * from stl_no_such", expect=Refused("42P01", "stl_no_such"), page="c_intro_system_tables"),
    _refused("a catalog of newer Postgres is refused", "select * from pg_stat_statements", expect=Refused("42P01", "pg_stat_statements"),
             page="c_intro_catalog_views"),
    _refused("the catalog of publications is refused", "select * from pg_publication", expect=Refused("42P01", "pg_publication"),
             page="c_intro_catalog_views"),
)  # fmt: skip
