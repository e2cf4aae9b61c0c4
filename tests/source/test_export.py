"""Copies: the same bytes as the stream, under the snapshot, whole or not at all."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from fix_postgres import Database
from re_dms.errors import InvariantError, SourceError, SourceUnavailable
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation
from re_dms.settings import SourceSettings
from re_dms.source.catalog import describe
from re_dms.source.connection import connect
from re_dms.source.export import copy_statement, count_pages, open_rows, under_snapshot
from re_dms.source.relations import relation_from_catalog, relation_from_wire
from re_dms.source.replication import ReplicationConnection
from re_dms.source.slot import create_slot
from source import type_literals
from source.copies import NULL, copied_rows
from source.given import settings_for
from source.tiny_pgoutput import Insert
from source.tiny_pgoutput import Relation as Announced

Session = psycopg.Connection[Any]
Row = tuple[bytes | None, ...]


def oid_of(session: Session, name: str) -> int:
    oid: int = session.execute("select %s::regclass::oid::int8", [name]).fetchall()[0][0]
    return oid


def copied(session: Session, snapshot: str, name: str, *, row_filter: str | None = None) -> list[Row]:
    """The table's rows as of the snapshot."""
    with under_snapshot(session, snapshot):
        oid = oid_of(session, name)
        table = describe(session, [oid])[oid]
        relation = relation_from_catalog(table)
        return copied_rows(session, relation, partitioned=table.partitioned, row_filter=row_filter)


@pytest.fixture
def snapshot(settings: SourceSettings) -> Iterator[Callable[[], str]]:
    """Takes snapshots of this moment."""
    with ReplicationConnection.open(settings, purpose="copy") as first, ReplicationConnection.open(settings) as second:
        unused = [first, second]
        yield lambda: unused.pop().create_temporary_slot().snapshot


def literals(session: Session) -> dict[str, list[str]]:
    found = dict(type_literals.LITERALS)
    version = session.info.server_version
    found |= {name: values for name, (since, values) in type_literals.SINCE.items() if version >= since}
    try:
        session.execute("select '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        return found
    return found | type_literals.XML


def test_a_copy_holds_the_bytes_that_the_stream_sends(
    session: Session, settings: SourceSettings, database: Database, peek: Any, snapshot: Callable[[], str]
) -> None:
    types = literals(session)
    columns = ", ".join(f'"c{number}" {name}' for number, name in enumerate(types))
    database.execute(type_literals.SETUP + f"create table kinds.t (id int primary key, {columns})")
    database.execute("create publication pub for table kinds.t")
    create_slot(session, settings.slot)
    longest = max(len(values) for values in types.values())
    for row in range(longest + 1):  # the last row is all NULL
        values = [f"({some[row]})::{name}" if row < len(some) else "null" for name, some in types.items()]
        database.execute(f"set search_path = kinds, public; insert into kinds.t values ({row}, {', '.join(values)})")
    exported = snapshot()
    messages = peek(settings.slot)
    streamed = [message.values for message in messages if isinstance(message, Insert)]
    hexadecimal = list(types).index("bytea") + 1  # the one type that a copy prints otherwise: without \\x
    streamed = [
        tuple(value[2:] if place == hexadecimal and value else value for place, value in enumerate(row))
        for row in streamed
    ]
    found = copied(session, exported, "kinds.t")
    for name, position in ((name, position) for position, name in enumerate(types, start=1)):
        assert [row[position] for row in found] == [row[position] for row in streamed], name
    assert found == streamed
    assert len(found) == longest + 1
    # The wire and the catalog tell the same relation, with every type's kind.
    oid = oid_of(session, "kinds.t")
    table = describe(session, [oid])[oid]
    announced = next(message for message in messages if isinstance(message, Announced))
    assert relation_from_wire(announced, table, None) == relation_from_catalog(table)


def test_settings_of_the_role_do_not_reach_a_copy(
    database: Database, settings: SourceSettings, snapshot: Callable[[], str]
) -> None:
    role = f"role_{database.name}"
    database.execute(f"create role {role} login superuser; alter role {role} set datestyle = German")
    database.execute(f"alter role {role} set bytea_output = escape; alter role {role} set timezone = 'Asia/Tokyo'")
    database.execute("create table t (a date, b bytea, c timestamptz)")
    database.execute(r"insert into t values ('2024-02-03', '\x5cff', '2024-02-03 00:00+00')")
    with connect(settings_for(database, dsn=f"{database.dsn} user={role}"), purpose="copy") as session:
        assert copied(session, snapshot(), "public.t") == [(b"2024-02-03", b"5cff", b"2024-02-03 00:00:00+00")]


def test_row_level_security_stops_a_copy(database: Database, snapshot: Callable[[], str]) -> None:
    role = f"role_{database.name}"
    database.execute(f"create role {role} login; create table t (a int); insert into t values (1), (2)")
    database.execute("alter table t enable row level security; create policy p on t using (a = 1)")
    exported = snapshot()
    with connect(settings_for(database, dsn=f"{database.dsn} user={role}"), purpose="copy") as session:
        with pytest.raises(SourceError, match="42501") as not_granted:
            copied(session, exported, "public.t")
        database.execute(f"grant select on t to {role}")
        with pytest.raises(SourceError, match=r"public\.t may not be read whole"):
            copied(session, exported, "public.t")
        database.execute("alter table t disable row level security")
        assert copied(session, exported, "public.t") == [(b"1",), (b"2",)]
    assert not not_granted.value.retry
    assert "grant select" in not_granted.value.remedy


def test_an_empty_table_and_a_table_without_columns_are_copied(
    session: Session, database: Database, snapshot: Callable[[], str]
) -> None:
    database.execute("create table empty (a int); create table bare ()")
    database.execute("insert into bare default values")
    exported = snapshot()
    assert copied(session, exported, "public.empty") == []
    assert copied(session, exported, "public.bare") == [()]


def test_partitions_come_with_their_root_and_children_by_inheritance_do_not(
    session: Session, database: Database, snapshot: Callable[[], str]
) -> None:
    database.execute(
        """create table root (a int, b text) partition by list (a);
        create table one (b text, a int); alter table root attach partition one for values in (1);
        create table two partition of root for values in (2); insert into root values (1, 'x'), (2, 'y');
        create table parent (a int); create table child (c int) inherits (parent);
        insert into parent values (1); insert into child values (2, 3)"""
    )
    exported = snapshot()
    assert sorted(copied(session, exported, "public.root")) == [(b"1", b"x"), (b"2", b"y")]
    assert copied(session, exported, "public.one") == [(b"x", b"1")]
    assert copied(session, exported, "public.parent") == [(b"1",)]
    assert copied(session, exported, "public.child") == [(b"2", b"3")]


def test_a_row_filter_holds(session: Session, database: Database, snapshot: Callable[[], str]) -> None:
    database.execute("create table t (a int); insert into t select generate_series(1, 5)")
    assert copied(session, snapshot(), "public.t", row_filter="a > 3 or a = 1") == [(b"1",), (b"4",), (b"5",)]


def test_generated_columns_are_left_out(session: Session, database: Database, snapshot: Callable[[], str]) -> None:
    database.execute(
        "create table t (a int, b int generated always as (a * 2) stored, c text); insert into t values (1)"
    )
    assert copied(session, snapshot(), "public.t") == [(b"1", None)]


@pytest.mark.parametrize(
    "name", ["select", "Mixed Case", 'qu"ote', "semi;colon", "per%cent {0} %s", "ünï", "new\nline"]
)
def test_hostile_names_are_copied(session: Session, database: Database, snapshot: Callable[[], str], name: str) -> None:
    quoted = psycopg.sql.Identifier(name)
    session.execute(psycopg.sql.SQL("create schema {0}; create table {0}.{0} ({0} int)").format(quoted))
    session.execute(psycopg.sql.SQL("insert into {0}.{0} values (7)").format(quoted))
    oid = session.execute("select max(oid::int8) from pg_class where relname = %s", [name]).fetchall()[0][0]
    with under_snapshot(session, snapshot()):
        relation = relation_from_catalog(describe(session, [oid])[oid])
        assert copied_rows(session, relation) == [(b"7",)]


@pytest.mark.parametrize(
    "ddl",
    [
        "truncate t",
        "alter table t alter b type bigint",
        "vacuum full t",
        "alter table t drop column b",
        "alter table t rename to u",
        "drop table t",
        "drop table t; create table t (a int, b int)",
    ],
)
def test_a_table_that_is_not_what_the_snapshot_saw_is_copied_again(
    session: Session, database: Database, snapshot: Callable[[], str], ddl: str
) -> None:
    """A rewritten table shows no row to an older snapshot: a copy would be empty, silently."""
    database.execute("create table t (a int, b int); insert into t values (1, 2)")
    exported = snapshot()
    with under_snapshot(session, exported):
        oid = oid_of(session, "public.t")
        relation = relation_from_catalog(describe(session, [oid])[oid])
    for statement in ddl.split(";"):
        database.execute(statement)

    def copy() -> None:
        with under_snapshot(session, exported):
            copied_rows(session, relation)

    with pytest.raises(SourceUnavailable, match="altered, rewritten or truncated"):
        copy()
    assert session.execute("select 1").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "ddl",
    [
        "alter table root detach partition one",
        "alter table root attach partition late for values in (3)",
        "truncate one",
        "drop table one",
    ],
)
def test_a_root_whose_partitions_changed_is_copied_again(
    session: Session, database: Database, snapshot: Callable[[], str], ddl: str
) -> None:
    database.execute(
        """create table root (a int) partition by list (a); create table one partition of root for values in (1);
        create table deep partition of root for values in (2) partition by list (a);
        create table two partition of deep for values in (2); create table late (a int);
        insert into root values (1), (2); insert into late values (3)"""
    )
    exported = snapshot()
    assert sorted(copied(session, exported, "public.root")) == [(b"1",), (b"2",)]
    database.execute(ddl)
    with pytest.raises(SourceUnavailable):
        copied(session, exported, "public.root")


def test_a_snapshot_that_is_none_is_unavailable(session: Session) -> None:
    for name in ("no snapshot", "00000003-0000001B-1", "it's"):
        with pytest.raises(SourceUnavailable, match="snapshot is gone"), under_snapshot(session, name):
            pass
    assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_copy_outside_of_a_snapshot_is_a_bug_of_ours(session: Session) -> None:
    relation = Relation(oid=1, schema="s", name="t", identity="d", key_kind=KeyKind.APPEND, key=(), columns=())
    with pytest.raises(InvariantError):
        open_rows(session, relation, partitioned=False, null=NULL)


def test_a_session_that_dies_in_the_middle_is_unavailable(
    session: Session, database: Database, snapshot: Callable[[], str]
) -> None:
    database.execute("create table t as select g as a, repeat('x', 1000) as b from generate_series(1, 50000) g")
    with pytest.raises(SourceUnavailable):
        copied(session, snapshot(), "public.t", row_filter="a < 40000 or pg_terminate_backend(pg_backend_pid())")
    assert session.closed


def test_a_row_that_cannot_be_computed_ends_the_copy_and_the_session_goes_on(
    session: Session, database: Database, snapshot: Callable[[], str]
) -> None:
    database.execute("create table t as select g as a, repeat('x', 1000) as b from generate_series(1, 5000) g")
    with pytest.raises(SourceError, match=r"copying table public\.t"):
        copied(session, snapshot(), "public.t", row_filter="1 / (a - 4000) is not null")
    assert session.execute("select 1").fetchall() == [(1,)]


def test_ranges_of_blocks_are_the_whole_table(
    session: Session, database: Database, snapshot: Callable[[], str]
) -> None:
    database.execute("create table t as select g as a, repeat('x', 1000) as b from generate_series(1, 500) g")
    database.execute("create table u (a int) partition by list (a); create view v as select 1")
    exported = snapshot()
    with under_snapshot(session, exported):
        oids = [oid_of(session, f"public.{name}") for name in ("t", "u", "v")]
        pages = count_pages(session, [*oids, 4_000_000_000])
        if session.info.server_version < 140_000:
            assert pages == {}
            return
        assert list(pages) == oids[:1]
        count = pages[oids[0]]
        assert count > 50
    ranges = [(0, 10), (10, 11), (11, count - 1), (count - 1, None)]
    parts = []
    for pages_ in ranges:
        with under_snapshot(session, exported):
            relation = relation_from_catalog(describe(session, oids[:1])[oids[0]])
            parts.append(copied_rows(session, relation, pages=pages_, row_filter="a <> 7"))
    assert [len(part) for part in parts][1] < 20
    rows = [row for part in parts for row in part]
    assert sorted(int(a or 0) for a, _ in rows) == [number for number in range(1, 501) if number != 7]


def test_the_statement_is_quoted_in_one_place() -> None:
    def column(attnum: int, name: str, oid: int, kind: Kind) -> Column:
        return Column(attnum=attnum, name=name, type=PgType(oid=oid, typmod=-1, name="?", kind=kind))

    relation = Relation(
        oid=1,
        schema="s",
        name='t"t',
        identity="d",
        key_kind=KeyKind.KEYED,
        key=(1,),
        columns=(column(1, "id", 23, Kind.INT4), column(2, "te xt", 25, Kind.TEXT)),
    )
    assert copy_statement(relation, partitioned=False, null=NULL, row_filter="(id > 1)").as_string(None) == (
        'copy (select "id", "te xt" from only "s"."t""t" where ((id > 1)))'
        f" to stdout (format csv, force_quote *, null '{NULL}')"
    )
    assert ' from "s"."t""t")' in copy_statement(relation, partitioned=True, null=NULL).as_string(None)
    ranged = copy_statement(relation, partitioned=False, null=NULL, row_filter="(id > 1)", pages=(3, 9)).as_string(None)
    assert " where ((id > 1)) and ctid >= '(3,0)' and ctid < '(9,0)')" in ranged
    octets = replace(relation, columns=(column(3, "by", 17, Kind.BYTEA),))
    assert "(select encode(\"by\", 'hex') from" in copy_statement(octets, partitioned=False, null=NULL).as_string(None)
