"""Types, objects and clauses of Postgres that Redshift does not have (rule 28)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Refused

_TYPES: Final = (
    "int[]", "int array", "bit", "bit(3)", "bit varying(3)", "bytea", "json", "jsonb", "hstore", "inet", "cidr", "macaddr", "serial",
    "bigserial", "serial8", "money", "oid", "name", '"char"', "uuid", "xml", "tsvector", "tsquery", "txid_snapshot", "regclass", "point",
    "line", "lseg", "box", "path", "polygon", "circle", "int4range", "numrange", "tstzrange", "pg_lsn",
)  # fmt: skip
_OBJECTS: Final = (
    "create index i on t (id)",
    "create unique index i on t (id)",
    "create sequence s",
    "create type mood as enum ('sad', 'ok')",
    "create type pair as (a int, b int)",
    "create domain positive as int",
    "create extension hstore",
    "create trigger g before insert on t for each row execute procedure f()",
    "create rule r as on insert to t do nothing",
    "create aggregate a (int) (sfunc = int4pl, stype = int)",
    "create operator === (procedure = int4eq, leftarg = int, rightarg = int)",
    "create cast (int as varchar) with inout",
    "create tablespace s location '/tmp'",
    "create publication p for all tables",
    "create statistics s on id, name from t",
    "create foreign table f (id int) server s",
    "create policy p on t",
    "create unlogged table u (id int)",
    "create global temp table u (id int)",
    "create recursive view v (n) as select 1",
    "create temp view v as select id from t",
    "drop index i",
    "drop sequence s",
    "reindex table t",
    "cluster t",
    "do 'begin end'",
    "alter sequence s restart",
    "alter table t enable row level security",
    "alter table t inherit u",
    "alter index i rename to j",
    "security label on table t is 'x'",
    "import foreign schema s from server f into public",
)
_TABLES: Final = {
    "CHECK of a column": "create table u (id int check (id > 0))",
    "CHECK of a table": "create table u (id int, check (id > 0))",
    "a named CHECK": "create table u (id int, constraint c check (id > 0))",
    "EXCLUDE": "create table u (id int, exclude using gist (id with =))",
    "INHERITS": "create table u (id int) inherits (t)",
    "PARTITION BY": "create table u (id int) partition by range (id)",
    "PARTITION OF": "create table u partition of t for values from (1) to (2)",
    "TABLESPACE": "create table u (id int) tablespace pg_default",
    "ON COMMIT DROP": "create temp table u (id int) on commit drop",
    "a generated column": "create table u (id int, twice int generated always as (id * 2) stored)",
    "GENERATED ALWAYS AS IDENTITY": "create table u (id int generated always as identity)",
    "an access method": "create table u (id int) using heap",
    "WITH OIDS": "create table u (id int) with oids",
    "COMPRESSION": "create table u (name text compression lz4)",
    "a default that reads a table": "create table u (id int default (select max(id) from t))",
    "a default that reads a column": "create table u (id int, twice int default id * 2)",
}
_QUERIES: Final = {
    "VALUES as a table": "select * from (values (1), (2)) as v (a)",
    "IS DISTINCT FROM": "select id from t where id is distinct from 1",
    "IS NOT DISTINCT FROM": "select id from t where id is not distinct from 1",
    "FOR UPDATE": "select id from t for update",
    "FOR SHARE": "select id from t for share",
    "FETCH FIRST": "select id from t fetch first 1 rows only",
    "TABLESAMPLE": "select id from t tablesample system (10)",
    "LATERAL": "select t.id from t, lateral (select t.id) x",
    "FILTER": "select count(*) filter (where id > 1) from t",
    "ANY of an array": "select id from t where id = any ('{1,2}')",
    "a cast to jsonb": "select '1'::jsonb",
    "a cast to uuid": "select '3b241101-e2bb-4255-8caf-4136c566a962'::uuid",
    "a cast to bytea": "select 'a'::bytea",
    "WITH ORDINALITY": "select * from generate_series(1, 2) with ordinality",
    "a window's GROUPS": "select sum(id) over (order by id groups unbounded preceding) from t",
}
_NO_SYNTAX: Final = {
    "VALUES as a statement": "values (1), (2)",
    "TABLE as a query": "table t",
    "ONLY": "select id from only t",
    "a window's EXCLUDE": "select sum(id) over (order by id rows unbounded preceding exclude current row) from t",
    "a materialized CTE": "with q as materialized (select 1 as a) select a from q",
    "the match operator of JSON": "select json_parse('{}') @> json_parse('{}')",
    "an operator named by OPERATOR()": "select 1 operator(pg_catalog.+) 1",
    "a table OF a type": "create table u of pair",
}
_FUNCTIONS: Final = (
    "gen_random_uuid()", "jsonb_build_object('a', 1)", "to_jsonb(1)", "array_agg(id)", "string_agg(name, ',')",
    "pg_sleep(0)", "pg_read_file('x')", "lo_import('x')", "dblink('x', 'y')", "mode(id)", "nextval('s')", "currval('s')", "format('%s', name)",
    "make_date(2024, 1, 1)", "txid_current()", "pg_try_advisory_lock(1)",
)  # fmt: skip


def _refused(name: str, run: str, sqlstate: str, page: str) -> Case:
    setup = ("create table t (id int, name varchar(20))",)
    return Case(rule=28, name=name, setup=setup, run=run, expect=Refused(sqlstate), page=page)


CASES: Final[tuple[Case, ...]] = (
    *(
        _refused(f"a column of type {kind} is refused", f"create table u (c {kind})", "0A000", "c_unsupported-postgresql-datatypes")
        for kind in _TYPES
    ),
    *(_refused(f"{run} is refused", run, "0A000", "c_unsupported-postgresql-features") for run in _OBJECTS),
    *(
        _refused(f"CREATE TABLE with {what} is refused", run, "0A000", "r_CREATE_TABLE_NEW")
        for what, run in _TABLES.items()
    ),
    *(
        _refused(f"a query with {what} is refused", run, "0A000", "c_unsupported-postgresql-features")
        for what, run in _QUERIES.items()
    ),
    *(
        _refused(f"a statement with {what} is refused", run, "42601", "c_unsupported-postgresql-features")
        for what, run in _NO_SYNTAX.items()
    ),
    *(
        _refused(f"the function {call.partition('(')[0]}() is refused", f"select {call} from t", "42883", "c_unsupported-postgresql-functions")
        for call in _FUNCTIONS
    ),
)  # fmt: skip
