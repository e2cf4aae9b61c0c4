"""Five hundred hostile names through every builder of SQL, parsed and bound by the real engines: none of them escapes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import duckdb
from psycopg import sql

from fix_postgres import Database
from nightly import NIGHTLY
from re_dms.journal import keys
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation
from re_dms.settings import SourceSettings
from re_dms.source.catalog import describe
from re_dms.source.connection import connect
from re_dms.source.export import copy_statement
from re_dms.source.failures import printable
from re_dms.source.patterns import TablePattern
from re_dms.source.preflight.asking import quoted
from re_dms.source.publication import PublishedTable, add_tables, create_publication, drop_publication
from re_dms.source.relations import relation_from_catalog
from re_dms.warehouse.duckdb import ddl
from re_dms.warehouse.duckdb import sql as builders
from re_dms.warehouse.duckdb.sql import Target, folded, quote

BYTES_MAX = 63
PIECES = (
    '"', '""', "'", "''", "`", "\\", "\\\"", ";", "--", "/*", "*/", "$$", "$1", "%s", "%(x)s", "?", ":x", "{x}", "{{", "\n", "\r\n",
    "\t", "\x01", "\x1b[31m", "\x7f", " ", "  ", ".", "..", "../", "/", ",", "(", ")", "[0]", "*", "@", "#", "&", "|", "=", "<",
    ">", "!", "~", "^", "+", "-", "é", "É", "ß", "İ", "日本", "😀", "\u200b", "\u202e", "\u2028", "\ufeff", "e\u0301", "\u00a0",
)  # fmt: skip
WORDS = (
    "select", "from", "table", "order", "group", "user", "all", "null", "true", "default", "column", "values", "primary",
    "timestamp", "tag", "percent", "system", "snapshot", "open", "explicit", "end", "begin", "commit", "op", "n", "mask", "c1",
    "f1", "c2", "rowid", "oid", "ctid", "xmin", "tableoid", "re_dms", "main", "temp", "memory", "pg_catalog", "information_schema",
)  # fmt: skip
ATTACKS = (
    'x"; drop table public.victim; --', "x'; drop table public.victim; --", 'x" (id int); drop table public.victim; --',
    "x\"\"; delete from public.victim; --", "'); drop table public.victim; --", "x\\'; drop table public.victim; --",
    "$$; drop table public.victim; $$", "x\"\n; drop table public.victim\n--", "\u201d; drop table public.victim; --",
)  # fmt: skip


def names() -> list[str]:
    found = [*ATTACKS, *WORDS, *(word.upper() for word in WORDS[:20])]
    found += [made for piece in PIECES for made in (piece, f"a{piece}b", f"{piece}a", f"a{piece}", piece * 3)]
    found += [a + b for a, b in itertools.product(PIECES[:14], PIECES[:14])]
    found += ["x" * BYTES_MAX, "é" * 31, "A", "a", "Aa", "aA"]
    fitting = dict.fromkeys(name for name in found if 0 < len(name.encode()) <= BYTES_MAX)
    return list(fitting)


def by_day() -> list[str]:
    """All attacks and words, and every eighth of the rest."""
    found = names()
    few = len(ATTACKS) + len(WORDS)
    return found if NIGHTLY else found[:few] + found[few::8]


def test_there_are_five_hundred() -> None:
    assert len(names()) >= 500


def relation_named(name: str, kind: KeyKind) -> Relation:
    number = PgType(oid=23, typmod=-1, name="integer", kind=Kind.INT4)
    text = PgType(oid=25, typmod=-1, name="text", kind=Kind.TEXT)
    columns = (Column(attnum=1, name=name, type=number), Column(attnum=2, name=f"{name[:20]}_2", type=text))
    key = (1,) if kind is KeyKind.KEYED else ()
    return Relation(oid=1, schema=name, name=name, identity="d", key_kind=kind, key=key, columns=columns)


def duckdb_statements(target: Target, relation: Relation) -> Iterator[str]:
    """Every builder that names a target or a column of it."""
    yield builders.complete(target, relation, "2")
    yield builders.delete_touched(target, relation)
    yield builders.insert_staged(target, relation, "U")
    yield builders.insert_file(target, relation, "(select '1' as c1, 'a' as c2)", {"c1": "c1::int", "c2": "c2"})
    yield builders.match_counted(target, relation)
    yield builders.insert_counted(target, relation)
    yield builders.delete_all(target)


def test_row_80_duckdb_takes_every_name_for_what_it_is() -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute("create table main.victim (id int); insert into main.victim values (1)")
        connection.execute(
            f"create temp table {builders.STAGE} (op varchar, n bigint, mask varchar, f1 int, c1 int, c2 varchar)"
        )
        for number, name in enumerate(names()):
            assert connection.execute(f"select 1 as {quote(name)}").description[0][0] == name
            assert connection.execute(f"select {builders.literal(name)}").fetchall() == [(name,)]
            relation = relation_named(name, KeyKind.KEYED)
            if folded(name) in ("main", "temp", "information_schema", "pg_catalog", "re_dms"):
                relation = dataclasses.replace(relation, schema=f"s{number}")  # schemas of DuckDB's or of ours
            target = Target(catalog="memory", schema=relation.schema, table=name)
            later = Column(attnum=3, name=f"{name[:20]}_3", type=relation.columns[1].type, missing=name)
            wider = dataclasses.replace(relation, columns=(*relation.columns, later))
            for statement in (*ddl.create(target, relation), *ddl.statements(target, relation, wider)):
                connection.execute(statement)
            for statement in ddl.statements(target, wider, relation):
                connection.execute(statement)
            for statement in duckdb_statements(target, relation):
                connection.execute(f"explain {statement}" if not statement.startswith("create") else statement)
                connection.execute("drop table if exists temp.main.re_dms_matches")
            assert ddl.shape(connection, target) == ddl.shape_of(relation)
            assert ddl.kind_of(connection, target) == "BASE TABLE"
            connection.execute(ddl.drop(target))
            assert ddl.kind_of(connection, target) is None
        assert connection.execute("select * from main.victim").fetchall() == [(1,)]


def test_row_80_postgres_takes_every_name_for_what_it_is(database: Database) -> None:
    database.execute("create table public.victim (id int primary key); insert into victim values (1)")
    with connect(SourceSettings(dsn=database.dsn, slot="s", publication="p"), purpose="test") as connection:
        for name in by_day():
            if name in ("oid", "ctid", "xmin", "tableoid", "pg_catalog", "information_schema"):
                continue  # no names for columns or schemas in Postgres itself
            connection.execute("begin")
            named, schema = sql.Identifier(name), sql.Identifier(f"s {name}"[:20] if len(name) < 20 else "s")
            connection.execute(sql.SQL("create schema {}").format(schema))
            connection.execute(sql.SQL("create table {}.{} ({} int primary key, b text)").format(schema, named, named))
            [[oid, schema_name, table_name]] = connection.execute(
                "select c.oid::int8, n.nspname, relname from pg_class c join pg_namespace n on n.oid = relnamespace"
                " where relname = %s and relkind = 'r' and n.nspname not like 'pg\\_%%'", [name],
            ).fetchall()  # fmt: skip
            assert table_name == name
            table = PublishedTable(oid=oid, schema=schema_name, name=name, partitioned=False)
            relation = relation_from_catalog(describe(connection, [oid])[oid])
            create_publication(connection, name, [table], pipeline=name)
            connection.execute(sql.SQL("alter publication {} drop table {}.{}").format(named, schema, named))
            add_tables(connection, name, [table])
            with connection.cursor().copy(copy_statement(relation, partitioned=False, null="n")) as copy:
                assert b"".join(copy) == b""
            connection.execute(f"grant select on table {quoted([table])} to public".encode())
            assert TablePattern.parse(f"{_quoted(schema_name)}.{_quoted(name)}").matches(schema_name, name)
            drop_publication(connection, name)
            connection.execute("rollback")
    assert database.fetch("select * from victim") == [(1,)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_row_80_no_name_reaches_a_key_of_the_journal_or_breaks_a_line() -> None:
    assert keys.data_key(1, "w", "16400-0.csv.zst") == "data/000000000001/w-16400-0.csv.zst"  # OIDs, never names
    for name in names():
        assert printable(name).isprintable()
        assert len(printable(name).splitlines()) <= 1
