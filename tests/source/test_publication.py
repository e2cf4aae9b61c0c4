"""Which tables a pipeline carries, and what is refused before anything is changed."""

from typing import Any

import psycopg
import pytest
from hypothesis import given, strategies

from fix_postgres import Database
from re_dms.errors import ConfigurationError, SourceError
from re_dms.source.patterns import TablePattern
from re_dms.source.publication import (
    PublicationPlan,
    add_tables,
    create_publication,
    drop_publication,
    plan_publication,
)
from source.given import settings_for

Session = psycopg.Connection[Any]
PIPELINE = "shop"


def plan(
    database: Database, session: Session, *, tables: tuple[str, ...] = (), exclude: tuple[str, ...] = ()
) -> PublicationPlan:
    source = settings_for(database, tables=tables, exclude=exclude)
    return plan_publication(session, source, pipeline=PIPELINE)


def names(planned: PublicationPlan) -> list[str]:
    return [table.full_name for table in planned.tables]


def make(session: Session, planned: PublicationPlan) -> None:
    create_publication(session, planned.name, planned.tables, pipeline=PIPELINE)


def since(session: Session, version: int) -> None:
    if session.info.server_version < version * 10_000:
        pytest.skip(f"needs Postgres {version}")


@pytest.mark.parametrize(
    ("pattern", "schema", "name", "matches"),
    [
        ("orders", "public", "orders", True),
        ("orders", "shop", "orders", False),
        ("shop.orders", "shop", "orders", True),
        ("shop.*", "shop", "a.b c", True),
        ("*.*_log", "x", "audit_log", True),
        ("*", "shop", "orders", False),
        ("sh*.or*s", "shop", "orders", True),
        ("Orders", "public", "orders", False),
        ('"Sh op"."a.b"', "Sh op", "a.b", True),
        ('shop."a*"', "shop", "abc", False),
        ('shop."a*"', "shop", "a*", True),
        ('"qu""ote"', "public", 'qu"ote', True),
        ("a+b", "public", "aab", False),
        ("shop.line*", "shop", "line\nfeed", True),
    ],
)
def test_patterns(pattern: str, schema: str, name: str, matches: bool) -> None:
    assert TablePattern.parse(pattern).matches(schema, name) is matches


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a.b.c", 'a"b', '"open', "a b", '""'])
def test_text_that_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        TablePattern.parse(text)


@given(strategies.text(min_size=1).filter(lambda text: "\0" not in text), strategies.text(min_size=1))
def test_a_quoted_pattern_matches_its_name_alone(name: str, other: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    pattern = TablePattern.parse(f"{quoted}.{quoted}")
    assert pattern.explicit
    assert pattern.matches(name, name)
    assert pattern.matches(name, other) is (name == other)


def test_by_default_all_ordinary_tables_are_carried(database: Database, session: Session) -> None:
    database.execute(
        """create schema shop; create table shop.orders (id int primary key); create table items (id int primary key);
        create unlogged table scratch (id int primary key); create view seen as select 1 as a;
        create table days (day date primary key) partition by range (day);
        create table days_1 partition of days for values from ('2024-01-01') to ('2025-01-01')"""
    )
    planned = plan(database, session)
    assert (planned.exists, planned.ours) == (False, True)
    assert names(planned) == ["public.days", "public.items", "shop.orders"]
    assert [table.partitioned for table in planned.tables] == [True, False, False]
    assert names(plan(database, session, exclude=("shop.*", "days"))) == ["public.items"]
    assert names(plan(database, session, tables=("shop.*", "items"))) == ["public.items", "shop.orders"]
    assert names(plan(database, session, tables=("days_1",))) == ["public.days_1"]
    assert names(plan(database, session, tables=("days_1", "days"))) == ["public.days"]


def test_a_publication_is_made_as_ours_with_what_was_planned(database: Database, session: Session) -> None:
    database.execute(
        """create schema "Sh""op"; create table "Sh""op"."Or ders" (id int primary key);
        create table parent (id int primary key); create table child (primary key (id)) inherits (parent);
        create table days (day date primary key) partition by range (day);
        create table days_1 partition of days for values from ('2024-01-01') to ('2025-01-01')"""
    )
    planned = plan(database, session, exclude=("child",))
    make(session, planned)
    again = plan(database, session, exclude=("child",))
    assert (again.exists, again.ours, again.to_add) == (True, True, ())
    assert again.tables == planned.tables
    assert sorted(names(again)) == ['Sh"op.Or ders', "public.days", "public.parent"]
    found = database.fetch("select pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot from pg_publication")
    assert found == [(True,) * 5]
    drop_publication(session, planned.name)
    drop_publication(session, planned.name)
    assert database.fetch("select 1 from pg_publication") == []


def test_making_it_is_one_transaction(database: Database, session: Session) -> None:
    database.execute("create table t (id int primary key)")
    planned = plan(database, session)
    database.execute("drop table t")
    with pytest.raises(SourceError):
        make(session, planned)
    assert database.fetch("select 1 from pg_publication") == []


def test_tables_that_come_later_are_added_to_ours(database: Database, session: Session) -> None:
    database.execute("create table a (id int primary key)")
    make(session, plan(database, session))
    database.execute("create table b (id int primary key)")
    planned = plan(database, session)
    assert names(planned) == ["public.a"]
    assert [table.full_name for table in planned.to_add] == ["public.b"]
    add_tables(session, planned.name, planned.to_add)
    assert names(plan(database, session)) == ["public.a", "public.b"]
    assert names(plan(database, session, exclude=("a",))) == ["public.b"]
    database.execute("create table c (id int)")
    with pytest.raises(ConfigurationError, match=r"public\.c: no primary key"):
        plan(database, session)


def test_somebody_elses_publication_is_left_as_it_is(database: Database, session: Session) -> None:
    database.execute(
        "create table a (id int primary key); create table b (id int primary key); create table c (id int)"
    )
    database.execute("create publication pub for table a, c")
    planned = plan(database, session)
    assert (planned.exists, planned.ours, planned.to_add) == (True, False, ())
    assert names(planned) == ["public.a", "public.c"]
    assert names(plan(database, session, tables=("a", "pub*.b"))) == ["public.a"]
    with pytest.raises(ConfigurationError, match="does not send 'b'") as caught:
        plan(database, session, tables=("a", "b"))
    assert caught.value.remedy == 'alter publication "pub" add table b'
    with pytest.raises(ConfigurationError, match="no table that is wanted"):
        plan(database, session, exclude=("*",))


@pytest.mark.parametrize("kind", ["tables", "exclude"])
def test_a_name_that_is_no_table_is_refused(database: Database, session: Session, kind: str) -> None:
    database.execute("create table orders (id int primary key); create view seen as select 1 as a")
    for name in ("order", "Orders", "shop.orders", "seen"):
        with pytest.raises(ConfigurationError, match="names no table"):
            plan(database, session, **{kind: (name,)})
    assert names(plan(database, session, exclude=("none_of_*",))) == ["public.orders"]


def test_an_empty_choice_is_refused(database: Database, session: Session) -> None:
    with pytest.raises(ConfigurationError, match="no table to replicate"):
        plan(database, session)


@pytest.mark.parametrize(
    ("ddl", "why"),
    [
        ("create table t (a int)", "no primary key"),
        ("create table t (a int primary key deferrable initially immediate)", "deferrable"),
        ("create table t (a int primary key); alter table t replica identity nothing", "NOTHING"),
        (
            (
                "create table t (a int not null); create unique index i on t (a); alter table t replica identity using index i;"
                " drop index i"
            ),
            "index of its replica identity is gone",
        ),
        ("create table t (a int, g int generated always as (a) stored primary key)", "generated column"),
    ],
)
def test_tables_whose_updates_would_fail_are_never_published(
    database: Database, session: Session, ddl: str, why: str
) -> None:
    database.execute("create table fine (a int primary key); create table also (b int)")
    database.execute(ddl)
    with pytest.raises(ConfigurationError, match=why) as caught:
        plan(database, session, exclude=("fine",))
    assert "public.also: no primary key" in caught.value.message
    assert 'alter table "public"."also" replica identity full;' in caught.value.message
    assert "--exclude" in caught.value.remedy
    assert names(plan(database, session, exclude=("also", "t"))) == ["public.fine"]
    if "generated" not in ddl:
        database.execute("alter table t replica identity full; alter table also replica identity full")
        assert names(plan(database, session)) == ["public.also", "public.fine", "public.t"]


def test_what_is_refused_does_fail_and_what_is_let_through_does_not(database: Database, session: Session) -> None:
    """Postgres is the judge: after publishing, an UPDATE works on exactly the tables that we would publish."""
    database.execute(
        """create table pk (a int primary key, b int); create table none (a int, b int);
        create table deferred (a int primary key deferrable, b int);
        create table whole (a int, b int); alter table whole replica identity full;
        create table nothing (a int primary key, b int); alter table nothing replica identity nothing;
        create table indexed (a int not null, b int); create unique index i on indexed (a);
        alter table indexed replica identity using index i;
        create table gone (a int not null, b int); create unique index j on gone (a);
        alter table gone replica identity using index j; drop index j;
        create table computed (a int, b int, g int generated always as (a) stored); alter table computed replica identity full"""
    )
    tables = [
        row[0]
        for row in database.fetch(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
    ]
    accepted = set()
    for name in tables:
        try:
            plan(database, session, tables=(name,))
        except ConfigurationError:
            continue
        accepted.add(name)
    database.execute("create publication every for all tables")
    working = set()
    for name in tables:
        try:
            database.execute(f"insert into {name} (a) values (1); update {name} set b = 2")
        except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.InvalidColumnReference):
            continue
        working.add(name)
    assert accepted == working


def test_partitions_are_judged_with_their_root(database: Database, session: Session) -> None:
    database.execute(
        """create table root (a int, b int) partition by list (a); create table one partition of root for values in (1);
        alter table root replica identity full"""
    )
    with pytest.raises(ConfigurationError, match=r"public\.one: no primary key") as caught:
        plan(database, session)
    assert 'alter table "public"."one" replica identity full;' in caught.value.message
    database.execute("alter table one replica identity full")
    assert names(plan(database, session)) == ["public.root"]
    database.execute("alter table one add primary key (b); alter table one replica identity default")
    with pytest.raises(
        ConfigurationError, match=r"public\.one: its replica identity differs from that of public\.root"
    ):
        plan(database, session)
    with pytest.raises(ConfigurationError, match=r"excludes a partition of public\.root"):
        plan(database, session, exclude=("one",))


def test_somebody_elses_partitions_must_agree_with_their_root(database: Database, session: Session) -> None:
    database.execute(
        """create table root (a int not null, b int) partition by list (a);
        create table one partition of root for values in (1); create table two partition of root for values in (2);
        create publication pub for table root with (publish_via_partition_root = true)"""
    )
    assert names(plan(database, session)) == ["public.root"]  # without identities, only inserts can happen
    for ddl in ("alter table one add primary key (a)", "alter table one replica identity full"):
        database.execute(ddl)
        with pytest.raises(ConfigurationError, match=r"public\.one: its replica identity differs"):
            plan(database, session)
    database.execute("alter table root replica identity full")
    assert names(plan(database, session)) == ["public.root"]
    database.execute("alter table two replica identity full")
    assert names(plan(database, session)) == ["public.root"]


def test_somebody_elses_keys_must_be_sent(database: Database, session: Session) -> None:
    """A key by a generated column: the stream would name old rows by the rest of it."""
    database.execute("create table t (a int, g int generated always as (a) stored, primary key (a, g))")
    database.execute("create publication pub for table t")
    with pytest.raises(ConfigurationError, match=r"replica identity: public\.t \('g'\)"):
        plan(database, session)


def test_a_foreign_partition_is_refused(database: Database, session: Session) -> None:
    database.execute(
        """create table root (a int primary key) partition by list (a); create foreign data wrapper nowhere;
        create server far foreign data wrapper nowhere"""
    )
    database.execute("create table plain (a int primary key)")
    try:
        database.execute("create foreign table leaf partition of root for values in (1) server far")
    except psycopg.Error:  # not below a unique index
        database.execute("alter table root drop constraint root_pkey; alter table root replica identity full")
        database.execute("create foreign table leaf partition of root for values in (1) server far")
    with pytest.raises(ConfigurationError, match=r"public\.leaf: is a foreign table"):
        plan(database, session)


def test_an_unlogged_table_is_refused_by_name(database: Database, session: Session) -> None:
    database.execute("create unlogged table scratch (id int primary key); create table t (id int primary key)")
    with pytest.raises(ConfigurationError, match=r"public\.scratch cannot be published"):
        plan(database, session, tables=("scratch", "t"))
    assert names(plan(database, session, tables=("*.*",))) == ["public.t"]


@pytest.mark.parametrize("lost", ["insert", "update", "delete", "truncate"])
def test_a_publication_without_all_operations_is_refused(database: Database, session: Session, lost: str) -> None:
    database.execute("create table t (id int primary key)")
    kept = [word for word in ("insert", "update", "delete", "truncate") if word != lost]
    database.execute(f"create publication pub for table t with (publish = '{', '.join(kept)}')")
    with pytest.raises(ConfigurationError, match=f"does not send {lost}") as caught:
        plan(database, session)
    database.execute(caught.value.remedy)
    assert names(plan(database, session)) == ["public.t"]


@pytest.fixture
def partitioned(database: Database) -> None:
    database.execute(
        """create table root (a int primary key) partition by list (a);
        create table one partition of root for values in (1); create table plain (a int primary key)"""
    )


@pytest.mark.parametrize(
    ("clause", "via_root", "expected"),
    [
        ("for all tables", True, ["public.plain", "public.root"]),
        ("for all tables", False, ["public.one", "public.plain"]),
        ("for table root, one, plain", True, ["public.plain", "public.root"]),
        ("for table root", False, ["public.one"]),
        ("for table one", True, ["public.one"]),
    ],
)
@pytest.mark.usefixtures("partitioned")
def test_partitions_are_carried_under_the_name_that_the_stream_gives_them(
    database: Database, session: Session, clause: str, via_root: bool, expected: list[str]
) -> None:
    database.execute(f"create publication pub {clause} with (publish_via_partition_root = {via_root})")
    assert names(plan(database, session)) == expected
    if "public.one" in expected:
        assert names(plan(database, session, tables=("root",) if "root" in clause else ("one",))) == ["public.one"]


def test_whole_schemas_are_carried(database: Database, session: Session) -> None:
    since(session, 15)
    database.execute("create schema s; create table s.t (a int primary key, b int); create table u (a int primary key)")
    database.execute("create publication pub for tables in schema s, table s.t where (a > 1)")
    planned = plan(database, session)
    assert names(planned) == ["s.t"]
    assert planned.tables[0].row_filter is None


def test_row_filters_and_column_lists_are_told(database: Database, session: Session) -> None:
    since(session, 15)
    database.execute("create table t (a int primary key, b text, c int); create table u (a int primary key)")
    database.execute("create publication pub for table t (a, c) where (a > 1), u")
    table, other = plan(database, session).tables
    assert (table.row_filter, table.columns) == ("(a > 1)", (1, 3))
    assert (other.row_filter, other.columns) == (None, None)


@pytest.mark.parametrize("identity", ["default", "full", "using index i"])
def test_a_column_list_without_the_key_is_refused(database: Database, session: Session, identity: str) -> None:
    since(session, 15)
    database.execute("create table t (a int primary key, b int not null, c int); create unique index i on t (b)")
    database.execute(f"alter table t replica identity {identity}; create publication pub for table t (c)")
    with pytest.raises(ConfigurationError, match=r"not send all columns of the replica identity: public\.t"):
        plan(database, session)


def test_generated_columns_that_are_sent_are_told(database: Database, session: Session) -> None:
    since(session, 18)
    database.execute("create table t (a int primary key, g int generated always as (a) stored)")
    database.execute("create publication pub for table t with (publish_generated_columns = stored)")
    assert [table.generated for table in plan(database, session).tables] == [True]
