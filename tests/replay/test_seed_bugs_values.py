"""The seed's bugs that rows show: everything that it got wrong or died of, in one recording that is replayed once.

Each docstring says what the seed did. test_seed_bugs_all.py tells where each of B1 to B38 is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from fix_pipeline import Finished, Pipeline
from localpg import LocalPostgres
from replay.rig import Recorder, replay
from replay.seed import piped, source_texts, target_texts, work

SECRET = "hunter2 of a row"
HOSTILE = '"x\'); drop table words; --"'
LARGE = "(select string_agg(random()::text, '') from generate_series(1, 2000))"
DIGITS = "(select string_agg((random() * 1e9)::int::text, '') from generate_series(1, 2000))::numeric"
TYPES = {
    "a": "real", "b": "bytea", "c": "time", "d": "timetz", "e": "mood", "f": "label", "g": "pair", "h": "inet", "i": "cidr",
    "j": "macaddr", "k": "bit(3)", "l": "varbit", "m": "xml", "n": "money", "o": "name", "p": '"char"', "q": "tsvector",
    "r": "point", "s": "regclass", "t": "pg_lsn", "u": "daterange", "v": "interval[]", "w": "numeric",
}  # fmt: skip
TABLES = f"""
    create type mood as enum ('sad', 'it''s'); create domain label as varchar(20); create type pair as (x int, y text);
    create schema a; create schema b;
    create table words (id int primary key, v text, j json, l text[]);
    create table moved (id int primary key, v text);
    create table whole (id int primary key, v text, w text, n int);
    create table emptied (id int primary key, v text);
    create table wide (id int primary key, v varchar(300), c char(20));
    create table a.shared (id int primary key, v text);
    create table b.shared (id int primary key, v text);
    create table pairs (id int primary key, v text);
    create table pairs_insert_staging (id int primary key, v text);
    create table typed (id int primary key, {", ".join(f"{name} {kind}" for name, kind in TYPES.items())});
    create table huge (id int primary key, v text, n numeric);
    create table restarted (id serial primary key, v text);
    create table "odd: name" (id int primary key, "c [x]" text, "a:b" text);
    create table "order" (id int primary key, "Mixed" text, "user" text);
    create table "User" (id uuid primary key, "position" int);
    create table only_id (id int primary key);
    create table {HOSTILE} (id int primary key, "a"" b'; --" text);
    alter table whole replica identity full;
    alter table huge alter v set storage external, alter n set storage external;
"""
WORK = (
    """insert into words values (1, 'it''s', '{"a": "it''s"}', '{it''s,"a b"}'), (2, '''', '"''"', '{''}'),
        (3, '', 'null', '{}'), (4, 'null', '1', null), (5, null, null, '{null,"null"}')""",
    r"insert into words (id, v) values (6, E'a\r\nb\rc\n'), (7, E'\r\n'), (8, E'one\nnull\nnull x')",
    r"insert into words (id, v) values (9, E'x\nunchanged-toast-datum\nunchanged-toast-datum y'), (10, 'unchanged-toast-datum')",
    r"insert into words (id, v) values (11, E'x\ny TRUNCATE: cascade\nz TRUNCATE: (no-flags)'), (12, 'TRUNCATE: cascade')",
    r"select pg_logical_emit_message(true, 'p', E'it''s\nCOMMIT 5'), pg_logical_emit_message(false, 'p', 'table x')",
    f"insert into words (id, v) values (13, '{SECRET}')",
    "insert into moved select g, 'v' || g from generate_series(1, 6) g",
    "update moved set id = id + 10 where id < 4",
    "insert into whole values (1, null, 'w', 1), (2, 'v', null, null), (3, 'v', 'w', 3), (4, null, null, null), (5, 'v', 'w', 5)",
    "update whole set v = 'new' where id = 3; update whole set id = 6 where id = 5",
    "delete from whole where id in (1, 2, 4)",
    "insert into emptied values (1, 'old'), (2, 'old'), (3, 'old')",
    "truncate emptied",
    "insert into emptied values (1, 'new')",
    "insert into wide values (1, repeat('é', 300), 'c')",
    "update wide set v = repeat('ü', 300), c = 'twenty characters...'",
    "alter table wide add w varchar(400)",
    "insert into wide values (2, repeat('x', 299), 'd', repeat('y', 400)); update wide set w = repeat('z', 400) where id = 1",
    "insert into a.shared values (1, 'a'), (2, 'a'); insert into b.shared values (1, 'b'); delete from a.shared where id = 1",
    "insert into pairs_insert_staging values (1, 'a real table'), (2, 'of this name')",
    "insert into pairs values (1, 'x')",
    r"""insert into typed values (1, 1.5, '\xdeadbeef', '24:00:00', '12:00:00+05:30', 'it''s', 'it''s', '(1,it''s)', '10.0.0.1/8',
        '10.0.0.0/8', '08:00:2b:01:02:03', B'101', B'1', '<a>it''s</a>', '12.34', 'nm', 'x', 'a b', '(1,2)', 'words', '16/B374D848',
        '[2020-01-01,)', '{1 day}', 'NaN')""",
    "insert into typed (id, a, w) values (2, 'NaN', 1e30), (3, '-Infinity', 0.000000009), (4, null, -12345678901234567.123456789)",
    f"insert into huge select 1, {LARGE}, {DIGITS}",
    "update huge set id = 2",
    "update huge set id = id",
    "update huge set v = 'small'",
    "insert into restarted (v) values ('a'), ('b')",
    "truncate restarted restart identity cascade",
    "insert into restarted (v) values ('c')",
    """insert into "odd: name" values (1, 'x [y]: z', 'b'); update "odd: name" set "a:b" = null""",
    """insert into "order" values (1, 'a', 'b'); update "order" set "Mixed" = 'c'; insert into "order" values (2, 'd', 'e')""",
    """insert into "User" values ('a510bcf8-42f1-4ab0-8a3c-5b6f5a1b2c3d', 3); update "User" set "position" = 4""",
    "insert into only_id values (1), (2)",
    "update only_id set id = id; update only_id set id = 3 where id = 2",
    f"insert into {HOSTILE} values (1, 'x'); update {HOSTILE} set \"a\"\" b'; --\" = 'y'",
)


@dataclass(frozen=True)
class Replayed:
    """Both ends after the one replay; `recorded` is what pg_recvlogical wrote."""

    pipeline: Pipeline
    finished: Finished
    recorded: bytes

    def assert_recorded(self, *lines: bytes) -> None:
        """The input that the seed could not take is really there."""
        for line in lines:
            assert line in self.recorded, line


@pytest.fixture(scope="module")
def replayed(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """All of WORK, recorded by pg_recvlogical and replayed into DuckDB."""
    directory = tmp_path_factory.mktemp("values")
    with piped(postgres, directory, "seed_bugs_values") as pipeline:
        work(pipeline, TABLES)
        recorder = Recorder(pipeline.database, pipeline.name)
        work(pipeline, *WORK)
        recorded = recorder.record(directory / "data.txt")
        yield Replayed(pipeline, replay(pipeline, directory / "data.txt"), recorded)


def assert_same_texts(pipeline: Pipeline, columns: str, table: str) -> None:
    assert target_texts(pipeline, columns, f"public.{table}") == source_texts(pipeline, columns, table)


def test_b01_apostrophes_arrive_once(replayed: Replayed) -> None:
    """`it's` arrived as `it''s` in every text, json and array column."""
    pipeline = replayed.pipeline
    replayed.assert_recorded(b"v[text]:'it''s'")
    assert_same_texts(pipeline, "id, v", "words")
    arrived = target_texts(pipeline, "id, j, l", "public.words")
    wanted = source_texts(pipeline, "id, j, to_json(l)", "words")
    for (_, *target), (_, *source) in zip(arrived, wanted, strict=True):
        assert [each and json.loads(each) for each in target] == [each and json.loads(each) for each in source]


def test_b05_keys_change_and_whole_rows_identify_their_updates(replayed: Replayed) -> None:
    """`old-key: … new-tuple:` was read as the name of a column: "We have no id column", at every start again."""
    replayed.assert_recorded(b"moved: UPDATE: old-key: ", b"whole: UPDATE: old-key: ")
    replayed.pipeline.assert_equal("moved", "whole")


def test_b08_a_truncate_empties_and_what_comes_after_it_counts(replayed: Replayed) -> None:
    """TRUNCATE was ignored: old rows stayed, and new ones with their ids were thrown away."""
    replayed.assert_recorded(b"table public.emptied: TRUNCATE: (no-flags)\n")
    assert target_texts(replayed.pipeline, "id, v", "public.emptied") == [("1", "new")]


def test_b11_line_ends_of_every_kind_are_kept(replayed: Replayed) -> None:
    r"""`\r\n` in a text became `\n`."""
    replayed.assert_recorded(b"'a\r\nb\rc\n'")
    found = target_texts(replayed.pipeline, "id, v", "public.words")
    assert {("6", "a\r\nb\rc\n"), ("7", "\r\n")} <= set(found)


def test_b13_character_types_keep_their_widths_in_new_and_added_columns_and_in_updates(replayed: Replayed) -> None:
    """`character varying` had 256 bytes and `character` 1 in new tables, added columns and every staging table."""
    replayed.pipeline.assert_equal("wide")


def test_b18_tables_of_one_name_in_two_schemas_stay_apart(replayed: Replayed) -> None:
    """Tables a.t and b.t were one target for two tasks, or one entry in the cache of columns."""
    pipeline = replayed.pipeline
    assert target_texts(pipeline, "id, v", "a.shared") == [("2", "a")]
    assert target_texts(pipeline, "id, v", "b.shared") == [("1", "b")]


def test_b19_a_table_with_the_name_of_a_staging_table_survives(replayed: Replayed) -> None:
    """`drop table if exists pairs_insert_staging` before a load of `pairs` dropped the real table of that name."""
    replayed.pipeline.assert_equal("pairs", "pairs_insert_staging")


def test_b20_every_type_number_name_and_truncate_is_read(replayed: Replayed) -> None:
    """Unknown types, NaN, unsent numerics, restart_seqs, a `:` in a table's and a `[` in a column's name: a panic."""
    pipeline = replayed.pipeline
    replayed.assert_recorded(
        b"w[numeric]:NaN",
        b"n[numeric]:unchanged-toast-datum",
        b"restarted: TRUNCATE: restart_seqs cascade",
        b'table public."odd: name": INSERT: id[integer]:1 "c [x]"[text]:',
    )
    plain = [name for name in TYPES if name not in "abgsv"]
    assert_same_texts(pipeline, ", ".join(["id", *plain]), "typed")
    [first, *rest] = target_texts(pipeline, "id, a, hex(b), g->>'y', s, v->>0", "public.typed")
    assert first == ("1", "1.5", "DEADBEEF", "it's", "public.words", "1 day")
    assert [row[1] for row in rest] == ["nan", "-inf", None]
    pipeline.assert_equal("restarted", '"odd: name"')
    [(_, text, digits)] = target_texts(pipeline, "id, v, n", "public.huge")
    assert (text, Decimal(str(digits))) == ("small", pipeline.database.fetch("select n from huge")[0][0])


def test_b21_messages_and_texts_that_look_like_lines_or_marks_stop_nothing(replayed: Replayed) -> None:
    """`message:` lines, a line of a value that begins with unchanged-toast-datum or ends in TRUNCATE: cascade: a stop."""
    replayed.assert_recorded(
        b"\nmessage: transactional: 1 prefix: p, sz: 13 content:it's\nCOMMIT 5\n",
        b"\nmessage: transactional: 0 ",
        b"\nunchanged-toast-datum y'",
        b"\ny TRUNCATE: cascade\n",
    )
    assert_same_texts(replayed.pipeline, "id, v", "words")


def test_b22_deletes_that_leave_out_nulls_find_their_rows(replayed: Replayed) -> None:
    """REPLICA IDENTITY FULL leaves NULLs out of a DELETE: rows of different lengths, a panic of the CSV writer."""
    replayed.assert_recorded(b"whole: DELETE: id[integer]:2 v[text]:'v'\n", b"whole: DELETE: id[integer]:4\n")
    replayed.pipeline.assert_equal("whole")


def test_b23_names_that_postgres_quotes_are_names(replayed: Replayed) -> None:
    """ "order", "user", mixed case: an assertion; mixed-case columns looked like drop and add after a restart."""
    replayed.assert_recorded(b'table public."order": UPDATE: ', b'table public."User": UPDATE: ')
    replayed.pipeline.assert_equal('"order"', '"User"')


def test_b24_an_update_that_names_nothing_but_the_key_is_none(replayed: Replayed) -> None:
    """An update with `id` alone made `set  from`: a syntax error, and a messy exit for ever."""
    replayed.assert_recorded(
        b"only_id: UPDATE: id[integer]:1\n", b"huge: UPDATE: id[integer]:2 v[text]:unchanged-toast"
    )
    replayed.pipeline.assert_equal("only_id")


def test_b33_one_commit_loads_all_tables(replayed: Replayed) -> None:
    """Commits were as many as tables x (2 + kinds of updates)."""
    assert len(replayed.finished.summary["tables"]) > 15
    assert replayed.finished.summary["batches"] == 1
    assert len(replayed.pipeline.started[0].events("loaded")) == 1


def test_b34_names_are_quoted_and_break_out_of_nothing(replayed: Replayed) -> None:
    """Names went into SQL with their quotes stripped, and were not escaped."""
    replayed.pipeline.assert_equal(HOSTILE)
    assert target_texts(replayed.pipeline, "count(*)", "public.words") == [("13",)]


def test_b35_no_value_of_a_row_is_in_the_log(replayed: Replayed) -> None:
    """Rows were in the log and in error reports."""
    replayed.assert_recorded(SECRET.encode())
    assert '"level": "debug"' in replayed.finished.log
    assert SECRET not in replayed.finished.log + replayed.finished.out
