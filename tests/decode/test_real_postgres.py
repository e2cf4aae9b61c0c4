"""The bytes that a real Postgres makes, for every replica identity, decoded to what was done."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from decode import messages as m
from fix_postgres import Database
from re_dms.decode.decoded import Decoded, TableEvents
from re_dms.decode.pgoutput import PgOutputDecoder, WireRelation
from re_dms.lsn import LSN
from re_dms.schema import Relation

BIG = "y" * 10_000  # stored out of line, uncompressed


class Stream:
    """A publication of all tables with a slot; `decode` gives what happened since the slot was made."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.wires: list[WireRelation] = []
        database.execute("create publication p for all tables")
        database.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")

    def messages(self) -> list[bytes]:
        rows = self.database.fetch(
            "select lsn::text, data from pg_logical_slot_peek_binary_changes('s', null, null, "
            "'proto_version', '1', 'publication_names', 'p', 'messages', 'true')"
        )
        return [m.w(bytes(data), LSN.parse(lsn)) for lsn, data in rows]

    def decode(self, cuts: int = 1) -> dict[str, list[TableEvents]]:
        """By table name, its events; the stream comes in buffers of `len // cuts` messages."""
        decoder, messages = PgOutputDecoder(self.resolve), self.messages()
        size = max(1, len(messages) // cuts)
        found: dict[str, list[TableEvents]] = {}
        for at in range(0, len(messages), size):
            decoded: Decoded = decoder.decode(m.frames(messages[at : at + size]), {})
            for _, events in decoded.tables:
                found.setdefault(events[0].relation.name, []).extend(events)
        return found

    def resolve(self, wires: Sequence[WireRelation]) -> list[Relation | None]:
        """Columns are numbered by their names: the tests drop none. The key is what the wire says, but not under FULL."""
        self.wires += wires
        return [
            m.table(
                wire.oid,
                len(wire.columns),
                key=[at for at, column in enumerate(wire.columns, 1) if column.key and wire.identity != "f"],
                identity=wire.identity,
                name=wire.name,
                columns_named=[column.name for column in wire.columns],
            )
            for wire in wires
        ]


@pytest.fixture
def stream(database: Database) -> Stream:
    database.execute("""
        create table d (id int primary key, small text, big text);
        create table x (small text, id int not null, big text);
        create unique index x_id on x (id);
        alter table x replica identity using index x_id;
        create table f (id int, small text, big text);
        alter table f replica identity full;
        create table n (id int primary key, small text, big text);
        alter table n replica identity nothing;
        alter table d alter big set storage external;
        alter table x alter big set storage external;
        alter table f alter big set storage external;
    """)
    return Stream(database)


def rows(event: TableEvents) -> list[dict[str, object]]:
    """The events as dicts without nulls, zeros and False; `seq` is left out."""
    assert event.frame is not None
    listed = (
        event.frame.drop("seq").with_columns(op=event.frame["op"].map_elements(chr, return_dtype=pl.String)).to_dicts()
    )
    return [{name: value for name, value in row.items() if value} for row in listed]


@pytest.mark.parametrize("cuts", [1, 3, 1000])
def test_a_primary_key_table(stream: Stream, cuts: int) -> None:
    stream.database.execute(f"""
        insert into d values (1, 'a', '{BIG}'), (2, null, ''), (3, 'c', null);
        update d set small = 'b' where id = 1;
        update d set id = 10 where id = 1;
        update d set id = 20, small = 'moved', big = null where id = 2;
        delete from d where id = 3;
    """)
    found = [row for event in stream.decode(cuts)["d"] for row in rows(event)]
    K = ord("K")  # noqa: N806
    assert found == [
        {"op": "I", "c1": "1", "c2": "a", "c3": BIG},
        {"op": "I", "c1": "2"},
        {"op": "I", "c1": "3", "c2": "c"},
        {"op": "U", "c1": "1", "c2": "b", "u3": True},
        {"op": "U", "old": K, "k1": "1", "c1": "10", "c2": "b", "u3": True},
        {"op": "U", "old": K, "k1": "2", "c1": "20", "c2": "moved"},
        {"op": "D", "old": K, "k1": "3"},
    ]


def test_an_identity_index_that_is_not_the_first_column(stream: Stream) -> None:
    stream.database.execute(f"""
        insert into x values ('a', 1, '{BIG}');
        update x set small = null;
        update x set id = 2, small = 'b';
        delete from x;
    """)
    (event,) = stream.decode()["x"]
    assert (event.relation.identity, event.relation.key) == ("i", (2,))
    K = ord("K")  # noqa: N806
    assert rows(event) == [
        {"op": "I", "c1": "a", "c2": "1", "c3": BIG},
        {"op": "U", "c2": "1", "u3": True},
        {"op": "U", "old": K, "k2": "1", "c1": "b", "c2": "2", "u3": True},
        {"op": "D", "old": K, "k2": "2"},
    ]


def test_a_full_identity_sends_whole_old_rows_and_leaves_new_toast_out(stream: Stream) -> None:
    stream.database.execute(f"""
        insert into f values (1, 'a', '{BIG}'), (null, null, null);
        update f set small = 'b' where id = 1;
        update f set id = 7 where id is null;
        delete from f;
    """)
    (event,) = stream.decode()["f"]
    O = ord("O")  # noqa: E741, N806
    assert rows(event) == [
        {"op": "I", "c1": "1", "c2": "a", "c3": BIG},
        {"op": "I"},
        {"op": "U", "old": O, "k1": "1", "k2": "a", "k3": BIG, "c1": "1", "c2": "b", "u3": True},
        {"op": "U", "old": O, "c1": "7"},
        {"op": "D", "old": O, "k1": "1", "k2": "b", "k3": BIG},
        {"op": "D", "old": O, "k1": "7"},
    ]


def test_a_table_without_identity_has_inserts(stream: Stream) -> None:
    stream.database.execute("insert into n values (1, 'a', 'b'), (2, '', null)")
    (event,) = stream.decode()["n"]
    assert (event.relation.identity, event.relation.key) == ("n", ())
    assert event.frame is not None
    assert event.frame.select("c1", "c2", "c3").rows() == [("1", "a", "b"), ("2", "", None)]


def test_a_truncate_between_changes_is_a_barrier_of_the_tables_it_names(stream: Stream) -> None:
    stream.database.execute("create table child (id int primary key, d int references d)")
    stream.database.execute("""
        insert into d values (1, 'a', 'b');
        insert into child values (1, 1);
        insert into f values (1, 'a', 'b');
        truncate d, x restart identity cascade;
        insert into d values (1, 'c', 'd');
        insert into f values (2, 'a', 'b');
    """)
    found = stream.decode()
    assert [(e.truncate, e.frame is None or len(e.frame)) for e in found["d"]] == [(False, 1), (True, True), (False, 1)]
    assert [e.truncate for e in found["child"]] == [False, True]
    assert [e.truncate for e in found["x"]] == [True]
    assert [e.truncate for e in found["f"]] == [False]


def test_ddl_between_changes_of_one_transaction_ends_the_segment(stream: Stream) -> None:
    stream.database.execute("""
        insert into d values (1, 'a', 'b');
        alter table d add extra text default 'e';
        insert into d values (2, 'c', 'd');
        alter table d rename small to little;
        insert into d values (3, 'f', 'g');
    """)
    names = [[c.name for c in e.relation.columns] for e in stream.decode()["d"]]
    assert names == [
        ["id", "small", "big"],
        ["id", "small", "big", "extra"],
        ["id", "little", "big", "extra"],
    ]


def test_statistics_and_grants_make_no_barrier(stream: Stream) -> None:
    stream.database.execute("insert into d values (1, 'a', 'b')")
    stream.database.execute("analyze d")
    stream.database.execute("create index on d (small)")
    stream.database.execute("insert into d values (2, 'a', 'b')")
    (event,) = stream.decode()["d"]
    assert event.frame is not None
    assert len(event.frame) == 2
    assert len(stream.wires) == 2


def test_commits_and_relations_name_positions_of_the_log(stream: Stream) -> None:
    database = stream.database
    for number in (1, 2):
        database.execute(f"insert into d values ({number}, 'a', 'b')")
    decoded = PgOutputDecoder(stream.resolve).decode(m.frames(stream.messages()), {})
    ends = decoded.commits.end_lsn.tolist()
    assert len(ends) == 2
    assert ends == sorted(ends)
    (tail,) = database.fetch("select pg_current_wal_insert_lsn()::text")
    assert stream.wires[0].lsn < ends[0] <= LSN.parse(tail[0])
    ((now, xid),) = database.fetch("select extract(epoch from clock_timestamp()) * 1e6, max(xmin::text::bigint) from d")
    assert decoded.commits.xid.tolist()[-1] == xid
    assert 0 <= now - decoded.commits.time_us.tolist()[-1] < 600e6

    kept = PgOutputDecoder(stream.resolve).decode(
        m.frames(stream.messages()), {stream.wires[0].oid: LSN(ends[0])}
    )  # the first transaction's final LSN is before its end
    frame = kept.tables[0][1][0].frame
    assert frame is not None
    assert frame["c1"].to_list() == ["2"]


def test_types_messages_and_names_of_all_kinds_pass_through(stream: Stream) -> None:
    database = stream.database
    database.execute("create type mood as enum ('sad', 'très')")
    database.execute('create schema "S π"')
    database.execute('create table "S π"."T "" x" ("K k" mood primary key, "select" text)')
    database.execute("select pg_logical_emit_message(false, 'other', 'outside')")
    database.execute("""
        select pg_logical_emit_message(true, 'other', 'inside');
        insert into "S π"."T "" x" values ('très', '🐘');
        delete from "S π"."T "" x";
    """)
    messages = stream.messages()
    assert {bytes(message[25:26]) for message in messages} >= {b"M", b"Y"}
    (event,) = stream.decode()['T " x']
    assert [c.name for c in event.relation.columns] == ["K k", "select"]
    assert rows(event) == [{"op": "I", "c1": "très", "c2": "🐘"}, {"op": "D", "old": ord("K"), "k1": "très"}]
    assert stream.wires[0].schema == "S π"


def test_values_of_all_types_are_the_text_that_postgres_prints(stream: Stream) -> None:
    values = {
        "n": ("numeric", ["NaN", "-Infinity", "1e130", "0.0000000001", "-0.00"]),
        "e": ("float8", ["NaN", "Infinity", "1e300", "0.1", "-0"]),
        "d": ("date", ["infinity", "0044-03-15 BC", "5874897-12-31", "2024-02-29", "0001-01-01"]),
        "s": ("timestamptz", ["-infinity", "4713-01-01 00:00:00+00 BC", "294276-12-31 23:59:59+00", "now", "epoch"]),
        "t": ("time", ["24:00", "00:00", "23:59:59.999999", "12:00", "01:02:03.4"]),
        "i": ("interval", ["1 year -3 days", "-1 month", "0", "178000000 years", "00:00:00.000001"]),
        "b": ("bytea", ["\\x", "\\x00ff", "\\x" + "ab" * 7, "\\x" + "00" * 3000, "a\\\\b"]),
        "a": ("text[]", ["{}", "{NULL,\"NULL\",\"\"}", "{{a},{b}}", "[0:1]={x,y}", '{"a\\"b,c"}']),
        "j": ("jsonb", ["null", '"\\u00e9"', "{}", "[1, 2.50]", '{"a": "\\n"}']),
        "c": ("char(5)", ["", "a", "abcde", "é", "  x"]),
        "v": ("text", ["", "NULL", "\\N", "a\r\n\t\"'", "\ufeff"]),
    }  # fmt: skip
    database = stream.database
    database.execute(
        "create table v (id int primary key, " + ", ".join(f"{n} {t}" for n, (t, _) in values.items()) + ")"
    )
    with database.connect() as connection:
        for number in range(5):
            row = [number, *(listed[number] for _, listed in values.values())]
            connection.execute(
                "insert into v values (" + ", ".join(["%s", *(f"%s::{t}" for t, _ in values.values())]) + ")", row
            )
    printed = database.fetch("select id::text, " + ", ".join(f"{n}::text" for n in values if n != "c") + " from v")
    padded = database.fetch(
        "select rpad(c, 5) from v"
    )  # a cast of char(n) to text drops its padding, the stream does not
    (event,) = stream.decode()["v"]
    assert event.frame is not None
    names = {column.name: f"c{column.attnum}" for column in event.relation.columns}
    assert event.frame.select(names[n] for n in ["id", *values] if n != "c").rows() == printed
    assert event.frame.select(names["c"]).rows() == padded
