"""Versions of a table: attnums for what the stream names, and the key that it means."""

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from fix_postgres import Database
from re_dms import schema
from re_dms.errors import RelationChanged
from re_dms.schema import KeyKind
from re_dms.settings import SourceSettings
from re_dms.source.catalog import CatalogTable, describe
from re_dms.source.relations import relation_from_catalog, relation_from_wire
from re_dms.source.slot import create_slot
from source.tiny_pgoutput import Column, Relation

Session = psycopg.Connection[Any]
INT, TEXT = 23, 25


def table_of(session: Session, name: str = "public.t") -> CatalogTable:
    oid = session.execute("select %s::regclass::oid::int8", [name]).fetchall()[0][0]
    return describe(session, [oid])[oid]


def wire(table: CatalogTable, columns: Sequence[tuple[str, int, bool]], identity: str = "d") -> Relation:
    sent = tuple(Column(name, oid, -1, key) for name, oid, key in columns)
    return Relation(table.oid, table.schema, table.name, identity, sent)


@pytest.mark.parametrize(
    ("ddl", "kind", "key"),
    [
        ("create table t (a int, b int, c int, primary key (c, a))", KeyKind.KEYED, (3, 1)),
        ("create table t (a int, b int)", KeyKind.APPEND, ()),
        ("create table t (a int, b int); alter table t replica identity full", KeyKind.COUNTED, ()),
        (
            "create table t (a int, b int, primary key (b, a)); alter table t replica identity full",
            KeyKind.KEYED,
            (2, 1),
        ),
        ("create table t (a int primary key deferrable); alter table t replica identity full", KeyKind.COUNTED, ()),
        ("create table t (a int primary key); alter table t replica identity nothing", KeyKind.APPEND, ()),
        (
            (
                "create table t (a int primary key, b int not null, c int not null); create unique index i on t (c, b);"
                " alter table t replica identity using index i"
            ),
            KeyKind.KEYED,
            (3, 2),
        ),
        (
            (
                "create table t (a int, g int generated always as (1) stored, b int, primary key (b, a));"
                " alter table t drop g; alter table t add z int default 3"
            ),
            KeyKind.KEYED,
            (3, 1),
        ),
    ],
)
def test_stream_and_catalog_tell_the_same_relation(
    session: Session,
    database: Database,
    settings: SourceSettings,
    peek: Any,
    ddl: str,
    kind: KeyKind,
    key: tuple[int, ...],
) -> None:
    database.execute(ddl)
    database.execute("create publication pub for all tables")
    create_slot(session, settings.slot)
    columns = [column.name for column in table_of(session).columns]
    database.execute(f"insert into t ({', '.join(columns)}) values ({', '.join(['1'] * len(columns))})")
    announced = next(message for message in peek(settings.slot) if isinstance(message, Relation))
    table = table_of(session)
    relation = relation_from_catalog(table)
    assert (relation.key_kind, relation.key) == (kind, key)
    assert relation_from_wire(announced, table, None) == relation


def test_a_column_list_holds_for_the_copy_and_must_hold_the_key(session: Session, database: Database) -> None:
    database.execute("create table t (a int primary key, b int, c int, g int generated always as (1) stored)")
    table = table_of(session)
    assert [column.attnum for column in relation_from_catalog(table, columns=(1, 3)).columns] == [1, 3]
    assert [column.attnum for column in relation_from_catalog(table).columns] == [1, 2, 3]
    assert [column.attnum for column in relation_from_catalog(table, generated=True).columns] == [1, 2, 3, 4]
    with pytest.raises(RelationChanged, match="does not send"):
        relation_from_catalog(table, columns=(2, 3))


def test_a_column_dropped_since_keeps_the_attnum_that_it_had(session: Session, database: Database) -> None:
    database.execute("create table t (a int primary key, b text, c int)")
    then = table_of(session)
    announced = wire(then, [("a", INT, True), ("b", TEXT, False), ("c", INT, False)])
    previous = relation_from_wire(announced, then, None)
    database.execute("alter table t drop b")
    assert relation_from_wire(announced, table_of(session), previous) == previous
    assert relation_from_wire(announced, None, previous) == previous
    with pytest.raises(RelationChanged, match="column 'b' was changed again") as caught:
        relation_from_wire(announced, table_of(session), None)
    assert "reset --table public.t" in caught.value.remedy


def test_a_column_that_neither_knows_stops_by_name(session: Session, database: Database) -> None:
    database.execute("create table t (a int primary key, b text)")
    table = table_of(session)
    for column in (("was", TEXT, False), ("b", INT, False)):
        with pytest.raises(RelationChanged, match=repr(column[0])):
            relation_from_wire(wire(table, [("a", INT, True), column]), table, relation_from_catalog(table))
    typmod = Relation(table.oid, "public", "t", "d", (Column("a", INT, -1, True), Column("b", TEXT, 14, False)))
    with pytest.raises(RelationChanged):
        relation_from_wire(typmod, table, None)


def test_a_column_dropped_and_added_again_is_another(session: Session, database: Database) -> None:
    """On the wire the two are the same, but for their place."""
    database.execute("create table t (a int primary key, b text)")
    previous = relation_from_catalog(table_of(session))
    database.execute("alter table t drop b; alter table t add b text")
    table = table_of(session)
    now = relation_from_wire(wire(table, [("a", INT, True), ("b", TEXT, False)]), table, previous)
    assert [column.attnum for column in now.columns] == [1, 3]
    assert any(isinstance(change, schema.NotFollowed) for change in schema.diff(previous, now))


def test_columns_that_changed_places_stop_by_name(session: Session, database: Database) -> None:
    database.execute("create table t (a int primary key, b text, c text)")
    table = table_of(session)
    swapped = wire(table, [("a", INT, True), ("c", TEXT, False), ("b", TEXT, False)])
    with pytest.raises(RelationChanged, match="order"):
        relation_from_wire(swapped, table, None)


def test_the_key_is_what_the_stream_flags_in_the_catalogs_order(session: Session, database: Database) -> None:
    database.execute("create table t (a int, b int, c int, primary key (c, a))")
    table = table_of(session)
    agreeing = wire(table, [("a", INT, True), ("b", INT, False), ("c", INT, True)])
    assert relation_from_wire(agreeing, table, None).key == (3, 1)
    earlier = wire(table, [("a", INT, True), ("b", INT, True), ("c", INT, False)])
    assert relation_from_wire(earlier, table, None).key == (1, 2)
    none = wire(table, [("a", INT, False), ("b", INT, False), ("c", INT, False)])
    assert relation_from_wire(none, table, None).key_kind is KeyKind.APPEND
    full = wire(table, [("a", INT, True), ("b", INT, True), ("c", INT, True)], identity="f")
    assert relation_from_wire(full, table, None).key == (3, 1)
    assert relation_from_wire(wire(table, [("a", INT, True)], identity="f"), table, None).key_kind is KeyKind.COUNTED


def test_old_rows_are_told_for_added_columns_but_are_no_part_of_the_version(
    session: Session, database: Database
) -> None:
    database.execute("create table t (a int primary key); insert into t values (1); alter table t add b int default 5")
    relation = relation_from_catalog(table_of(session))
    assert (relation.columns[1].old_rows, relation.columns[1].missing) == (schema.OldRows.VALUE, "5")
    database.execute("vacuum full t")
    assert relation_from_catalog(table_of(session)) == relation
