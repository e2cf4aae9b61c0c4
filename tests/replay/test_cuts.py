"""A recording that ends at any byte: what is complete there is given, all of it and no more, and the rest is told."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import pytest

from fix_postgres import Database
from re_dms.journal.completed import Completed
from replay.in_process import Product, Tables, give
from replay.learned import learn
from replay.reference import Reader
from replay.reference_rows import Catalog, Change
from replay.rig import Recorder

TABLES = """
    create extension if not exists hstore; create extension if not exists citext;
    create type mood as enum ('sad', 'it''s "ok"'); create type comp as (a int, b text);
    create domain email as text check (value <> ''); create domain small as int2; create schema "My Schema";
    create type "My Schema"."My [Type]" as enum ('x y', '''');
    create table alltypes (id bigint primary key, a smallint, b int, c real, d double precision, e numeric,
        f numeric(10,2), g boolean, h char(5), i varchar(10), j text, k "char", l name, m bytea, n date, o time,
        p timetz, q timestamp(3), r timestamptz, s interval, t uuid, u json, v jsonb, w xml, x bit(3), y bit varying(8),
        z inet, aa cidr, ab macaddr, ac money, ad point, ae int[], af text[], ag int4range, ah tstzrange,
        ai int4multirange, aj tsvector, ak oid, al regclass, am pg_lsn, an mood, ao comp, ap email, aq hstore,
        ar citext, at mood[], av numeric[], aw xid, ax box, ay macaddr8, az jsonpath, ba small,
        bb "My Schema"."My [Type]", bc "My Schema"."My [Type]"[], bf bit(2)[]);
    create table "My Schema"."Weird: Table" ("id" int primary key, "Col [x]" text, "q""q" text, "position" int, "it's
        " text);
    create table keyless (a int, b text);
    create table fullri (id int, a text, b text); alter table fullri replica identity full;
    create table pk (id int primary key, a text, big text);
    alter table pk alter column big set storage external;
    create table two (x int, y text, v int, primary key (x, y));
    create table parent (id int, k int, primary key (id, k)) partition by list (k);
    create table parent_p1 partition of parent for values in (1);
    create table parent_p2 partition of parent for values in (2);
    create table gen (id int primary key, a int, b int generated always as (a * 2) stored);
    create table onlyid (id int primary key);
"""
WORK = r"""
    insert into alltypes values (1, -1, 2, 'NaN', '-Infinity', 'NaN', 1.50, true, 'ab', 'it''s', E'a\\b\tc\r\nd', 'x',
        'nm', '\xdeadbeef', '0044-03-15 BC', '24:00', '12:00+05:30', 'infinity', '2020-01-01 00:00+00', '1 year 2 days',
        'a510bcf8-42f1-4ec2-bcbe-04e0e709e014', '{"a": "it''s"}', '{"a":1}', '<a/>', B'101', B'1', '10.0.0.1',
        '10.0.0.0/8', '08:00:2b:01:02:03', 12.34, '(1,2)', '{1,null,3}', array['a,b','it''s','"q"',null], '[1,5)',
        '[2020-01-01,)', '{[1,3),[5,7)}', 'a b', 4294967295, 'pg_class', '0/16B3748', 'it''s "ok"', row(1,'x'), 'a@b',
        'a=>1,b=>NULL', 'CI', array['sad']::mood[], array[1.5,2], '42', '(1,1),(0,0)', '08:00:2b:01:02:03:04:05', '$.a',
        7, 'x y', array['''']::"My Schema"."My [Type]"[], array[B'10',B'01']);
    insert into alltypes (id, e, d, c, j) values (3, 'Infinity', 1e300, 1.5e-10, 'null');
    insert into "My Schema"."Weird: Table" values (1, 'v', 'w', 3, E'\n');
    insert into keyless values (1, 'x'), (null, null);
    insert into fullri values (1, 'a', null); update fullri set b = 'it''s old'; delete from fullri;
    insert into pk values (1, 'a', 'x'); update pk set id = 2; update pk set a = 'z'; delete from pk;
    insert into pk values (9, 'a', repeat('x', 2100)); update pk set a = 'changed'; update pk set id = 10;
    insert into two values (1, 'a b', 1); update two set y = 'c'; delete from two;
    insert into parent values (1, 1); update parent set k = 2; truncate parent;
    insert into gen (id, a) values (1, 2);
    truncate onlyid; truncate pk, onlyid; truncate onlyid restart identity cascade; truncate "My Schema"."Weird: Table";
    begin; insert into onlyid values (7); savepoint a; insert into onlyid values (8); rollback to a; commit;
    create table newt (id int);
    select pg_logical_emit_message(true, 'p, sz: 3 content:', E'it''s\n"COMMIT 7\n'), pg_logical_emit_message(false, 'p', 'x''');
    begin; insert into onlyid values (70); prepare transaction 'gid''1'; insert into onlyid values (71); commit prepared 'gid''1';
    begin; insert into onlyid values (72); prepare transaction E'g\\2'; rollback prepared E'g\\2';
    insert into pk values (20, E'line1\nCOMMIT 123\ntable public.x: INSERT: id[integer]:1\nit''s\n''\n', E'\n'),
        (21, E'a TRUNCATE: cascade\nb', E'\r\n'), (22, E'x\nunchanged-toast-datum', '');
    alter table pk add column c int default 5; update pk set big = 'q' where id = 20; alter table pk drop column a;
    update pk set c = 6 where id = 21;
"""


class _Spots(Reader):
    """Remembers where each record begins, and of what transaction it leaves the text in the middle."""

    def __init__(self, data: bytes, catalog: Catalog) -> None:
        super().__init__(data, catalog)
        self.starts: list[int] = []
        self.inside: list[int | None] = [None]

    def _record(self) -> None:
        self.starts.append(self.text.at)
        super()._record()
        self.inside.append(None if self.open is None else self.open.start)


@dataclass
class Recording:
    """What the server wrote, and how the reference reads it: record starts, the transaction before each, and their ends."""

    data: bytes
    catalog: Catalog
    transactions: list[list[Change]]
    ends: list[int]
    starts: list[int]
    inside: list[int | None]

    def complete(self, cut: int) -> list[list[Change]]:
        return self.transactions[: bisect_right(self.ends, cut)]

    def told(self, cut: int) -> list[int]:
        """The transaction and the record that are not whole there."""
        number = bisect_right(self.starts, cut) - 1
        start, begun = self.starts[number], self.inside[number]
        return sorted(({begun} if begun is not None else set()) | ({start} if start < cut else set()))


@pytest.fixture
def recording(database: Database, tmp_path: Path) -> Recording:
    database.execute(TABLES)
    recorder = Recorder(database, two_phase=True)
    with database.connect() as connection:
        for statement in re.split(r";\s", WORK):
            if statement.strip():
                connection.execute(statement)
    data = recorder.record(tmp_path / "data.txt")
    catalog = learn(data, full=[("public", "fullri")])
    reader = _Spots(data, catalog)
    reading = reader.read()
    assert (reading.refused, reading.torn, reading.missing) == (None, None, [])
    return Recording(
        data=data,
        catalog=catalog,
        transactions=reading.transactions,
        ends=reading.ends,
        starts=[*reader.starts, len(data)],
        inside=reader.inside,
    )


def byte_of(told: str) -> int:
    found = re.search(r", byte (\d+)", told)
    assert found, told
    return int(found[1])


def test_a_file_cut_at_any_byte_gives_what_is_complete_and_tells_the_rest(recording: Recording) -> None:
    """The file grows byte by byte, and is replayed each time; progress is kept as the journal keeps it."""
    data = recording.data
    assert 5_000 < len(data) < 12_000
    assert len(recording.transactions) > 30
    completed = Completed.open(None, "stream", ())  # type: ignore[arg-type]
    given: list[list[Change]] = []
    tables = Tables(recording.catalog)
    for cut in range(len(data) + 1):
        product = Product(tables, block_bytes=1 << 16, completed=completed)
        outcome = product.outcome(data[:cut])
        given += outcome.transactions
        assert outcome.error is None
        assert given == recording.complete(cut), f"cut at byte {cut}"
        assert sorted(map(byte_of, outcome.told)) == recording.told(cut), f"cut at byte {cut}"


@pytest.mark.parametrize("block_bytes", [300, 1 << 20])
def test_the_first_replay_of_a_cut_file_gives_what_is_complete(recording: Recording, block_bytes: int) -> None:
    data = recording.data
    for cut in sorted({cut for end in recording.ends[::3] for cut in (end - 1, end)} | set(range(0, len(data), 397))):
        outcome = give(data[:cut], recording.catalog, block_bytes=block_bytes)
        assert outcome.error is None
        assert outcome.transactions == recording.complete(cut), f"cut at byte {cut}"
        assert sorted(map(byte_of, outcome.told)) == recording.told(cut), f"cut at byte {cut}"
