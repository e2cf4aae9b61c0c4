"""The decoder contract: the same workload through pgoutput and through test_decoding gives the same changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from decode.plugins import BothPlugins, told
from fix_postgres import Database
from re_dms.decode.test_decoding import TestDecodingDecoder

BIG = "y" * 3_000

TYPES = """
    create extension if not exists hstore; create extension if not exists citext;
    create type mood as enum ('sad', 'it''s "ok"');
    create type comp as (a int, b text);
    create domain email as text check (value <> '');
    create domain small as int2;
    create schema "My Schema";
    create type "My Schema"."My [Type]" as enum ('x y', '''');
    create table alltypes (id bigint primary key, a smallint, b int, c real, d double precision, e numeric,
        f numeric(10,2), g boolean, h char(5), i varchar(10), j text, k "char", l name, m bytea, n date, o time,
        p timetz, q timestamp(3), r timestamptz, s interval, t uuid, u json, v jsonb, w xml, x bit(3), y bit varying(8),
        z inet, aa cidr, ab macaddr, ac money, ad point, ae int[], af text[], ag int4range, ah tstzrange,
        ai int4multirange, aj tsvector, ak oid, al regclass, am pg_lsn, an mood, ao comp, ap email, aq hstore,
        ar citext, at mood[], au varchar(20)[], av numeric[], aw xid, ax box, ay macaddr8, az jsonpath, ba small,
        bb "My Schema"."My [Type]", bc "My Schema"."My [Type]"[], bd comp[], be boolean[], bf bit(2)[], bg time(2)[]);
"""
STEPS = {
    "all types": [
        r"""insert into alltypes values (1, -1, 2, 'NaN', '-Infinity', 'NaN', 1.50, true, 'ab', 'it''s',
            E'a\\b\tc\r\nd', 'x', 'nm', '\xdeadbeef', '0044-03-15 BC', '24:00', '12:00+05:30', 'infinity',
            '2020-01-01 00:00+00', '1 year 2 days', 'a510bcf8-42f1-4ec2-bcbe-04e0e709e014', '{"a": "it''s"}', '{"a":1}',
            '<a/>', B'101', B'1', '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', 12.34, '(1,2)', '{1,null,3}',
            array['a,b','it''s','"q"',null], '[1,5)', '[2020-01-01,)', '{[1,3),[5,7)}', 'a b', 4294967295, 'pg_class',
            '0/16B3748', 'it''s "ok"', row(1,'x'), 'a@b', 'a=>1,b=>NULL', 'CI', array['sad']::mood[], array['a','b'],
            array[1.5,2], '42', '(1,1),(0,0)', '08:00:2b:01:02:03:04:05', '$.a', 7, 'x y', array['''']::"My Schema"."My [Type]"[],
            array[row(1,'it''s')::comp], '{t,f,null}', array[B'10',B'01'], array['10:00']::time(2)[])""",
        "insert into alltypes (id, e, d, c, j) values (2, 'Infinity', 1e300, 1.5e-10, '')",
        "insert into alltypes (id, e, j, g) values (3, 123456789012345678901234567890.123456789, 'null', false)",
        "insert into alltypes (id, y, x, e) values (4, B'', B'000', -1e-30), (5, null, null, '-Infinity')",
        "update alltypes set j = 'unchanged-toast-datum', g = null where id = 3",
        "update alltypes set id = id + 100; delete from alltypes where id > 101",
    ],
    "texts that look like lines": [
        "create table t (id int primary key, a text, b text)",
        r"""insert into t values (1, E'line1\nCOMMIT 123\ntable public.x: INSERT: id[integer]:1\nit''s\n''\n', E'\n'),
            (2, E'a TRUNCATE: cascade\nb', E'\r\n'), (3, E'x\nunchanged-toast-datum', ''), (4, '''', ''''''),
            (5, ' ', ''' '), (6, null, 'null'), (7, ' new-tuple: id[integer]:9', 'B''1'''), (8, E'é\t€', '"')""",
        "update t set a = b, b = a; update t set id = id + 10 where id < 5; delete from t where id % 2 = 0",
    ],
    "names that need quotes": [
        """create table "My Schema"."Weird: Table" ("id" int primary key, "Col [x]" text, "q""q" text, "it's" text,
            "position" int, "order" int, "a b:c" int, "new-tuple:" int, "null" text, "é" int)""",
        """insert into "My Schema"."Weird: Table" values (1, 'v', 'w', 'x''y', 3, 4, 5, 6, 'null', 7);
           insert into "My Schema"."Weird: Table" values (2)""",
        """update "My Schema"."Weird: Table" set id = 9, "it's" = null where id = 1;
           delete from "My Schema"."Weird: Table"; truncate "My Schema"."Weird: Table" """,
        """create table "a.b" (id int primary key); create table "a"": INSERT: " (id int primary key);
           insert into "a.b" values (1); insert into "a"": INSERT: " values (2); truncate "a.b", "a"": INSERT: " """,
    ],
    "identities": [
        f"""create table d (id int primary key, a text, big text); alter table d alter big set storage external;
            create table x (a text, id int not null, big text); create unique index xi on x (id);
            alter table x replica identity using index xi; alter table x alter big set storage external;
            create table f (id int, a text, big text); alter table f replica identity full;
            alter table f alter big set storage external;
            create table fp (a text, id int primary key, big text); alter table fp replica identity full;
            alter table fp alter big set storage external;
            create table two (x int, y text, v int, primary key (y, x));
            insert into d values (1, 'a', '{BIG}'), (2, null, ''), (3, 'c', null);
            insert into x values ('a', 1, '{BIG}'); insert into f values (1, null, '{BIG}'), (null, null, null);
            insert into fp values (null, 1, '{BIG}'), ('b', 2, null); insert into two values (1, 'a b', 1)""",
        "update d set a = 'b' where id = 1; update d set id = 10 where id = 1; update d set id = 20, big = null where id = 2",
        "update x set a = 'z'; update x set id = 2; update f set a = 'new'; update fp set a = 'n', id = id + 10",
        "update fp set id = id + 20; update two set y = 'c'; update two set v = 2; delete from two",
        "delete from d; delete from x; delete from f; delete from fp",
        "insert into f values (null, null, null); delete from f",
    ],
    "partitions": [
        """create table parent (id int, k int, v text, primary key (id, k)) partition by list (k);
           create table p1 partition of parent for values in (1);
           create table p2 (v text, gone int, k int not null, id int not null); alter table p2 drop gone;
           alter table parent attach partition p2 for values in (2)""",
        "insert into parent values (1, 1, 'a'), (2, 2, 'b'), (3, 1, 'c'), (4, 2, 'd')",
        "update parent set k = 3 - k; update parent set v = v || v; update parent set id = id + 10",
        "begin; delete from parent where id = 11; insert into parent values (11, 2, 'again'); commit; truncate parent",
        "alter table parent add column w int; insert into parent values (1, 1, 'x', 1), (2, 2, 'y', 2)",
    ],
    "schema changes": [
        "create table s (id int primary key, a text); insert into s values (1, 'a')",
        "alter table s add column b int; update s set b = 2; insert into s values (2, 'b', 3)",
        "alter table s drop column a; insert into s values (3, 4)",
        "begin; insert into s values (5, 5); truncate s; insert into s values (5, 6); commit; truncate s",
        "create table g (id int primary key, a int, b int generated always as (a * 2) stored); insert into g values (1, 2)",
        "update g set a = 3; delete from g",
    ],
    "transactions": [
        "create table o (id int primary key)",
        "begin; insert into o values (7); savepoint a; insert into o values (8); rollback to a; commit",
        "begin; commit; select pg_logical_emit_message(true, 'p, sz: 5 content:', E'it''s\n\"COMMIT 1'),"
        " pg_logical_emit_message(false, 'q', 'table public.o: INSERT: id[integer]:1')",
        "truncate o; truncate o restart identity; truncate o restart identity cascade; truncate o cascade",
        "insert into o select generate_series(1, 300); update o set id = id + 1000; delete from o where id % 3 = 0",
    ],
}


@pytest.fixture
def both(database: Database) -> Iterator[BothPlugins]:
    database.execute(TYPES)
    plugins = BothPlugins(database)
    yield plugins
    plugins.close()


@pytest.mark.parametrize("cut", [0, 1, 7], ids=["one buffer", "a message a buffer", "seven messages a buffer"])
@pytest.mark.parametrize("name", STEPS)
def test_the_same_workload_gives_the_same_changes(both: BothPlugins, name: str, cut: int) -> None:
    both.cut = cut
    rows = 0
    for sql in STEPS[name]:
        expected, found = (told(events) for events in both.step(sql))
        assert found == expected, sql
        rows += sum(len(listed) for listed in found.values())
    assert rows > 5


def test_a_table_without_identity_diverges_at_its_first_update_or_delete(both: BothPlugins) -> None:
    both.database.execute("drop publication p; create table n (a int, b text)")
    both.database.execute("create publication p for table n with (publish = 'insert')")
    _, found = both.step(
        "insert into n values (1, 'x'); update n set b = 'y'; insert into n values (2, 'z'); delete from n"
    )
    listed: list[Any] = told(found)["public.n"]
    assert [each if isinstance(each, dict) else each[0] for each in listed] == [
        "version",
        {"op": ord("I"), "c1": "1", "c2": "x"},
        "diverged",
        {"op": ord("I"), "c1": "2", "c2": "z"},
    ]


def test_a_partition_that_is_emptied_alone_diverges(both: BothPlugins) -> None:
    both.step(
        "create table r (k int primary key) partition by list (k); create table r1 partition of r for values in (1)"
    )
    _, found = both.step("insert into r values (1); truncate r1")
    assert [(event.truncate, event.diverged is not None) for event in found["public.r"]] == [
        (False, False),
        (False, True),
    ]


def test_an_identity_that_was_full_then_and_is_the_key_now_is_read_by_its_key(both: BothPlugins) -> None:
    both.step("create table w (id int primary key, a text, b text); alter table w replica identity full")
    both.database.execute(
        "insert into w values (1, null, 'b'), (2, 'x', null); update w set id = id + 10; delete from w where id = 11;"
        "alter table w replica identity default; delete from w"
    )
    _, found = both.step("select 1")
    listed = [each for each in told(found)["public.w"] if isinstance(each, dict)]
    assert [(chr(each["op"]), each.get("k1"), each.get("c1"), each.get("k2")) for each in listed] == [
        ("I", None, "1", None),
        ("I", None, "2", None),
        ("U", "1", "11", None),
        ("U", "2", "12", None),
        ("D", "11", None, None),
        ("D", "12", None, None),
    ]


@pytest.mark.parametrize("first", ["delete from late where id = 1", "truncate late"], ids=["delete", "truncate"])
def test_a_first_line_without_all_columns_is_not_read_by_the_catalog_of_later(both: BothPlugins, first: str) -> None:
    """A decoder that starts behind an ADD COLUMN sees the key alone: the rows that follow are of the old version."""
    both.step(
        "create table late (id int primary key, a text, m mood); insert into late values (1, 'a', 'sad'), (2, 'b', null)"
    )
    both.test_decoding = TestDecodingDecoder(both.text.resolve_lines, both.text.locate)
    both.database.execute(f"{first}; update late set a = 'c' where id = 2; insert into late values (3, 'd', 'sad')")
    both.database.execute("alter table late add column t timestamptz default clock_timestamp()")
    _, found = both.step("insert into late values (4, 'e', null, now())")
    versions = [event.relation for event in found["public.late"]]
    assert [len(relation.columns) for relation in dict.fromkeys(versions)] == [3, 4]
    assert len(versions[0].columns) == 3
