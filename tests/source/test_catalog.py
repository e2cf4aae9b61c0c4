"""What the catalog says: kinds through domains, keys in their order, what older rows hold."""

from typing import Any

import psycopg
import pytest

from fix_postgres import Database
from re_dms.pgtypes import Kind
from re_dms.schema import OldRows
from re_dms.source.catalog import CatalogTable, describe
from source import type_literals

Session = psycopg.Connection[Any]

KINDS = {
    "boolean": Kind.BOOL,
    "numeric(20,5)": Kind.NUMERIC,
    "varchar(20)": Kind.TEXT,
    "char(7)": Kind.BPCHAR,
    '"char"': Kind.TEXT,
    "name": Kind.TEXT,
    "money": Kind.OTHER,
    "tsvector": Kind.OTHER,
    "int4range": Kind.OTHER,
    "int2vector": Kind.OTHER,
    "hstore": Kind.HSTORE,
    "citext": Kind.TEXT,
    "mood": Kind.ENUM,
    "posint": Kind.INT4,
    "posint2": Kind.INT4,
    "pair": Kind.COMPOSITE,
    "box": Kind.OTHER,
    "box[]": Kind.OTHER,  # its delimiter is a semicolon
    "int[]": (Kind.ARRAY, Kind.INT4),
    "char(3)[]": (Kind.ARRAY, Kind.BPCHAR),
    "mood[]": (Kind.ARRAY, Kind.ENUM),
    "citext[]": (Kind.ARRAY, Kind.TEXT),
    "posint2[]": (Kind.ARRAY, Kind.INT4),
    "pair[]": (Kind.ARRAY, Kind.COMPOSITE),
    "hstore[]": (Kind.ARRAY, Kind.HSTORE),
    "tags": (Kind.ARRAY, Kind.TEXT),
    "tags[]": (Kind.ARRAY, Kind.ARRAY),
}


def table_of(session: Session, name: str) -> CatalogTable:
    oid = session.execute("select %s::regclass::oid::int8", [name]).fetchall()[0][0]
    return describe(session, [oid])[oid]


def test_kinds_are_found_through_domains_and_arrays(session: Session, database: Database) -> None:
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(KINDS))
    database.execute(type_literals.SETUP + f"create table kinds.t ({columns})")
    table = table_of(session, "kinds.t")
    found = {
        name: column.type.kind if column.type.element is None else (column.type.kind, column.type.element)
        for name, column in zip(KINDS, table.columns, strict=True)
    }
    assert found == KINDS
    numeric = table.columns[list(KINDS).index("numeric(20,5)")].type
    assert (numeric.name, numeric.precision_scale) == ("numeric(20,5)", (20, 5))
    assert table.columns[list(KINDS).index("posint2")].type.name == "kinds.posint2"


def test_types_are_known_as_test_decoding_prints_them(session: Session, database: Database) -> None:
    database.execute(
        """create extension if not exists hstore schema public;
        create schema "My ""Schema"; set search_path = public;
        create type mood as enum ('a'); create domain posint as int; create domain tags as text[];
        create type "My ""Schema"."My.Type[]" as (x int); create type "My ""Schema".integer as enum ('b');
        create type public."public.mood" as enum ('c')"""
    )
    printed = {
        "varchar(20)": ("character varying", "character varying"),
        "char(7)": ("character", "character"),
        "bpchar": ("character", "character"),
        '"char"': ('"char"', '"char"'),
        "numeric(5,2)[]": ("numeric[]", "numeric[]"),
        "timestamp(3) with time zone": ("timestamp with time zone", "timestamp with time zone"),
        "bit(3)": ("bit", "bit"),
        "interval day to second": ("interval", "interval"),
        "int2vector": ("int2vector", "int2vector"),
        "oidvector[]": ("oidvector[]", "oidvector[]"),
        "name[][]": ("name[]", "name[]"),
        "mood": ("public.mood", "mood"),
        "mood[]": ("public.mood[]", "mood[]"),
        "hstore": ("public.hstore", "hstore"),
        "posint": ("public.posint", "posint"),
        "tags": ("public.tags", "tags"),
        "tags[]": ("public.tags[]", "tags[]"),
        "int4range[]": ("int4range[]", "int4range[]"),
        '"My ""Schema"."My.Type[]"': ('"My ""Schema"."My.Type[]"', '"My.Type[]"'),
        '"My ""Schema"."My.Type[]"[]': ('"My ""Schema"."My.Type[]"[]', '"My.Type[]"[]'),
        '"My ""Schema".integer': ('"My ""Schema"."integer"', '"integer"'),
        'public."public.mood"[]': ('public."public.mood"[]', '"public.mood"[]'),
    }
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(printed))
    database.execute(f"set search_path = public; create table t ({columns})")
    columns_now = table_of(session, "public.t").columns
    assert {name: (c.printed, c.bare) for name, c in zip(printed, columns_now, strict=True)} == printed

    slot = f"printed_{database.name}"
    session.execute("select pg_create_logical_replication_slot(%s, 'test_decoding')", [slot])
    try:
        database.execute("insert into public.t default values")
        peek = "select data from pg_logical_slot_peek_changes(%s, null, null) where data like 'table%%'"
        for path, words in (("pg_catalog", "printed"), ('public, "My ""Schema"', "bare")):
            session.execute(f"set search_path = {path}")
            ((line,),) = session.execute(peek, [slot]).fetchall()
            tuples = "".join(f" {c.quoted}[{getattr(c, words)}]:null" for c in columns_now)
            assert line == f"table public.t: INSERT:{tuples}"
    finally:
        session.execute("select pg_drop_replication_slot(%s)", [slot])


def test_fields_of_composites_are_known_through_domains(session: Session, database: Database) -> None:
    database.execute(
        type_literals.SETUP
        + """create type wide as ("A b" posint2, gone int, t tags, h hstore, p pair, m mood, r refers, b box[], n numeric(5,2));
        alter type wide drop attribute gone;
        create domain wide2 as wide;
        create type empty as ();
        create table kinds.t (a wide2, b pair, c int, d wide[], e empty, f refers)"""
    )
    types = [column.type for column in table_of(session, "kinds.t").columns]
    assert types[0].fields == (
        ("A b", Kind.INT4),
        ("t", Kind.ARRAY),
        ("h", Kind.HSTORE),
        ("p", Kind.COMPOSITE),
        ("m", Kind.ENUM),
        ("r", Kind.COMPOSITE),
        ("b", Kind.ARRAY),
        ("n", Kind.NUMERIC),
    )
    assert types[1].fields == (("a", Kind.INT4), ("b", Kind.TEXT), ("c", Kind.BOOL))
    assert [(each.kind, each.fields) for each in types[2:5]] == [
        (Kind.INT4, ()),
        (Kind.ARRAY, ()),
        (Kind.COMPOSITE, ()),
    ]
    assert types[5].fields == (("id", Kind.INT4),)


def test_many_tables_are_described_at_once_and_missing_ones_are_left_out(session: Session, database: Database) -> None:
    database.execute("create schema s; create table s.a (x int); create table s.b (y int, z text); create table s.c ()")
    oids = [row[0] for row in session.execute("select oid::int8 from pg_class where relnamespace = 's'::regnamespace")]
    tables = describe(session, [*oids, 1, 4_294_967_295])
    assert sorted((table.full_name, len(table.columns)) for table in tables.values()) == [
        ("s.a", 1),
        ("s.b", 2),
        ("s.c", 0),
    ]
    assert describe(session, []) == {}


def test_dropped_columns_leave_gaps(session: Session, database: Database) -> None:
    database.execute("create table t (a int, b int, c int not null); alter table t drop b; alter table t add b int")
    columns = table_of(session, "public.t").columns
    assert [(column.attnum, column.name, column.not_null) for column in columns] == [
        (1, "a", False),
        (3, "c", True),
        (4, "b", False),
    ]


def test_keys_are_in_their_own_order(session: Session, database: Database) -> None:
    database.execute(
        """create table t (a int, b int not null, c int not null, d int, primary key (c, a) include (d));
        create unique index other on t (b, c) include (d); alter table t replica identity using index other"""
    )
    table = table_of(session, "public.t")
    assert (table.identity, table.primary_key, table.identity_index) == ("i", (3, 1), (2, 3))
    assert table.identity_key == (2, 3)
    database.execute("drop index other")
    assert table_of(session, "public.t").identity_key == ()
    database.execute("alter table t replica identity default")
    assert table_of(session, "public.t").identity_key == (3, 1)


def test_a_deferrable_primary_key_is_no_identity(session: Session, database: Database) -> None:
    database.execute("create table t (a int primary key deferrable)")
    table = table_of(session, "public.t")
    assert (table.primary_key, table.primary_key_immediate, table.identity_key) == ((1,), False, ())


def test_generated_columns_are_marked(session: Session, database: Database) -> None:
    database.execute(
        "create table t (a int, b int generated always as (a + 1) stored, c int generated by default as identity)"
    )
    table = table_of(session, "public.t")
    assert [(column.generated, column.has_default) for column in table.columns] == [
        ("", False),
        ("s", False),
        ("", True),
    ]
    assert table.generated_attnums == {2}


@pytest.mark.parametrize(
    ("definition", "missing"),
    [
        ("int default 7", "7"),
        ("text default 'it''s {\"a\", NULL}\\n'", 'it\'s {"a", NULL}\\n'),
        ("text default ''", ""),
        ("text default 'NULL'", "NULL"),
        ("bool default true", "t"),
        ("char(4) default 'a'", "a   "),
        ("float8 default 0.1::float8 + 0.2::float8", "0.30000000000000004"),
        ("date default '2024-02-03'", "2024-02-03"),
        ("timestamptz default '2024-02-03 04:00+02'", "2024-02-03 02:00:00+00"),
        ("interval default '1 year -2 days'", "1 year -2 days"),
        ("bytea default '\\x005c'", "\\x005c"),
        ('jsonb default \'{"a": [1, "b c"]}\'', '{"a": [1, "b c"]}'),
        ("int[] default '{1,NULL,3}'", "{1,NULL,3}"),
        ("int[] default '{{1,2},{3,4}}'", "{{1,2},{3,4}}"),
        ("text[] default array['a,b', 'q\"q', '', 'NULL', null]", '{"a,b","q\\"q","","NULL",NULL}'),
        ("box default '(3,4),(1,2)'", "(3,4),(1,2)"),
        ("box[] default '{(3,4),(1,2);(5,6),(0,0)}'", "{(3,4),(1,2);(5,6),(0,0)}"),
    ],
)
def test_constants_of_older_rows_are_told_as_the_stream_would_print_them(
    session: Session, database: Database, definition: str, missing: str
) -> None:
    database.execute("create table t (id int primary key); insert into t values (1)")
    database.execute(f"alter table t add column c {definition}")
    column = table_of(session, "public.t").columns[1]
    assert (column.old_rows, column.missing) == (OldRows.VALUE, missing)
    assert session.execute("select case when true then concat(c) end from public.t").fetchall() == [(missing,)]
    database.execute("alter table t alter c drop default")
    column = table_of(session, "public.t").columns[1]
    assert (column.old_rows, column.missing) == (OldRows.VALUE, missing)


@pytest.mark.parametrize(
    "definition",
    [
        "float8 default random()",
        "serial",
        "int generated always as identity",
        "stamped",
        "uuid default gen_random_uuid()",
    ],
)
def test_what_a_rewrite_put_into_older_rows_is_unknown(session: Session, database: Database, definition: str) -> None:
    database.execute("create domain stamped as timestamptz default clock_timestamp() check (value is not null)")
    database.execute("create table t (id int primary key); insert into t values (1)")
    before = table_of(session, "public.t").filenode
    database.execute(f"alter table t add column c {definition}")
    table = table_of(session, "public.t")
    assert table.columns[1].old_rows is OldRows.UNKNOWN
    assert table.columns[1].missing is None
    assert table.filenode != before


def test_without_a_default_older_rows_are_null(session: Session, database: Database) -> None:
    database.execute("create table t (id int primary key); insert into t values (1); alter table t add column c text")
    assert table_of(session, "public.t").columns[1].old_rows is OldRows.NULL


def test_a_default_that_came_after_its_column_is_unknown(session: Session, database: Database) -> None:
    database.execute(
        "create table t (id int primary key); alter table t add column c text; alter table t alter c set default 'x'"
    )
    assert table_of(session, "public.t").columns[1].old_rows is OldRows.UNKNOWN
