"""`--plugin test_decoding` through the real command: the same tables as with pgoutput, and nothing is made but the slot."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from fix_pipeline import Pipeline
from nightly import nightly
from refusals.rig import assert_refused, manifests, refused, until, until_applied

LINES = ("--plugin", "test_decoding")
ARRIVED = 128 + signal.SIGTERM

SCHEMA = """
create type mood as enum ('sad', 'it''s "fine"');
create domain label as text;
create table plain (id bigint primary key, a text, big text, n numeric(30, 10), m mood, c label, b bytea);
create table moved (k text, n int, a text, big text, primary key (k, n));
create table counted (a int, b text);
create table whole (id int primary key, a text, big text);
create table gen (id int primary key, a int, b int generated always as (a * 2) stored);
create table parted (id int, k int, a text, primary key (id, k)) partition by list (k);
create table parted_1 partition of parted for values in (1);
create table parted_2 (a text, k int not null, id int not null);
alter table parted attach partition parted_2 for values in (2);
create table wiped (id int primary key, a text);
create schema "My Schema";
create table "My Schema"."Weird: Table" (id int primary key, "Col [x]" text, "q""q" text, "null" text);
create table excluded (id int, a text);
alter table plain alter big set storage external;
alter table moved alter big set storage external;
alter table whole alter big set storage external, replica identity full;
alter table counted replica identity full;
insert into plain select i, 'it''s ' || i, repeat(md5(i::text), 100), i / 4.0, 'sad', i::text, '\\x00ff' from generate_series(1, 50) i;
insert into moved select 'k' || i, i, 'first', repeat(md5(i::text), 100) from generate_series(1, 20) i;
insert into counted select i % 3, 'x' from generate_series(1, 9) i;
insert into whole select i, 'a', repeat(md5(i::text), 100) from generate_series(1, 9) i;
insert into gen select i, i from generate_series(1, 5) i;
insert into parted select i, 1 + i % 2, 'first' from generate_series(1, 10) i;
insert into wiped select i, 'first' from generate_series(1, 10) i;
insert into "My Schema"."Weird: Table" values (1, 'a', 'b', 'null');
insert into excluded values (1, 'x')
"""
CHANGES = """
insert into plain values (100, e'line1\\nCOMMIT 123\\ntable public.plain: INSERT: id[bigint]:1\\r\\n''''', 'null', 12345678901234567.25, 'it''s "fine"', 'a''b', '\\xdeadbeef');
update plain set a = 'other', m = null where id between 1 and 10;
update plain set id = id + 1000 where id between 5 and 6;
delete from plain where id between 40 and 45;
update moved set n = n + 100 where n < 5;
update moved set k = 'moved ' || k, a = a || '''' where n between 6 and 8;
update counted set b = null where a = 1;
insert into counted select 7, 'y' from generate_series(1, 3);
delete from counted where ctid in (select ctid from counted where a = 2 limit 1);
update whole set a = null where id < 4;
update whole set id = id + 100 where id = 5;
delete from whole where id = 1;
update gen set a = a + 1;
insert into parted values (100, 1, 'new'), (101, 2, e'it''s\\n');
update parted set k = 3 - k where id = 1;
update parted set a = 'changed' where id > 8;
delete from parted where id = 4;
insert into "My Schema"."Weird: Table" values (2, 'it''s: [x]', '"', null);
update "My Schema"."Weird: Table" set "null" = 'unchanged-toast-datum' where id = 1;
truncate wiped;
insert into wiped values (1, 'after');
insert into excluded values (2, 'y');
select pg_logical_emit_message(true, 'p', e'COMMIT 1\\n''');
select pg_logical_emit_message(false, 'p', 'x')
"""
LATER = """
alter table plain add column added text default 'old row';
update plain set added = 'it''s new' where id = 20;
alter table plain drop column n;
insert into plain (id, a) values (200, 'late');
truncate parted;
insert into parted values (1, 1, 'again'), (2, 2, 'again');
delete from plain where id = 21;
drop table excluded
"""
TABLES = ("plain", "moved", "counted", "whole", "parted", "wiped", '"My Schema"."Weird: Table"')
CHOSEN = ("--exclude", "public.exclu*")

AT_NIGHT = nightly("half a minute; by day test_line_resolver.py and the other kill")


def run(pipeline: Pipeline, *arguments: str) -> None:
    pipeline.catch_up(*LINES, *CHOSEN, *arguments)


def level(pipeline: Pipeline) -> None:
    pipeline.assert_equal(*TABLES)
    assert set(pipeline.target_rows("gen")) == {row[:2] for row in pipeline.source_rows("gen")}


@pytest.fixture
def filled(pipeline: Pipeline) -> Pipeline:
    """A pipeline whose tables have rows to copy."""
    pipeline.database.execute(SCHEMA)
    return pipeline


@nightly("by day the kill, and the decoders' comparison in test_both_plugins.py")
def test_copies_changes_and_alterations_arrive_and_nothing_is_made_but_the_slot(filled: Pipeline) -> None:
    run(filled)
    level(filled)
    filled.database.execute(CHANGES)
    run(filled)
    level(filled)
    filled.database.execute(LATER)
    run(filled)
    level(filled)
    assert filled.database.fetch("select count(*) from pg_publication") == [(0,)]
    [(plugin,)] = filled.database.fetch("select plugin from pg_replication_slots where database = current_database()")
    assert plugin == "test_decoding"
    assert json.loads((filled.journal_path / "root.json").read_text())["plugin"] == "test_decoding"


@nightly("by day the decoders' comparison in test_both_plugins.py")
def test_both_plugins_make_the_same_tables_of_the_same_work(filled: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Pipeline(database=filled.database, directory=tmp_path / "other", name=f"{filled.name}_pgoutput")
    try:
        for work in ("", CHANGES, LATER):
            if work:
                filled.database.execute(work)
            run(filled)
            other.catch_up(*CHOSEN)
            for table in (*TABLES, "gen"):
                assert filled.target_rows(table) == other.target_rows(table), table
    finally:
        for running in other.started:
            running.finish()


@pytest.mark.parametrize(
    "failpoint",
    [
        "capture.data_put:killgroup",
        pytest.param("capture.before_confirm:killgroup@2", marks=AT_NIGHT),
    ],
)
def test_a_kill_within_a_batch_or_before_its_confirmation_loses_and_doubles_nothing(
    filled: Pipeline, failpoint: str
) -> None:
    """Behind the tail every transaction comes again; those that the journal has are passed over."""
    run(filled)
    filled.database.execute("insert into counted values (8, 'a')")
    filled.database.execute(CHANGES)
    quick = {"RE_DMS_CAPTURE__FLUSH_SECONDS": "0.01"}
    killed = filled.run(
        "run", "--until-caught-up", *LINES, *CHOSEN, environment={"RE_DMS_FAILPOINTS": failpoint, **quick}
    )
    assert killed.code == -signal.SIGKILL, killed.log
    filled.database.execute("insert into counted values (8, 'b')")
    run(filled)
    level(filled)


@nightly("by day test_line_resolver.py and the kill")
def test_a_slot_that_was_there_before_is_taken_and_what_its_copies_hold_is_not_doubled(pipeline: Pipeline) -> None:
    """A transaction larger than a region is read before its COMMIT tells that it is in the copy."""
    database, slot = pipeline.database, f"{pipeline.name}_kept"
    database.execute("create table counted (a int, b text); create table plain (id int primary key, a text, gone int)")
    database.execute("alter table counted replica identity full")
    database.execute(f"select pg_create_logical_replication_slot('{slot}', 'test_decoding')")
    database.execute("insert into counted values (1, 'before the copy'), (1, 'before the copy')")
    database.execute(
        "insert into counted select i % 1000, repeat('x', 200) from generate_series(1, 8000) i;"
        "insert into plain select i, repeat('x', 200), i from generate_series(1, 8000) i;"
        "update plain set a = 'y' where id % 2 = 0; delete from plain where id % 3 = 0; truncate counted;"
        "insert into counted select i % 1000, repeat('y', 200) from generate_series(1, 8000) i"
    )
    # Nobody knows this column any more when its rows are read; they are in the copy.
    database.execute("alter table plain drop column gone; insert into plain values (100000, 'also in the copy')")
    chosen = ("--slot", slot, "--flush-mb", "1")
    pipeline.catch_up(*LINES, *chosen)
    pipeline.assert_equal("counted", "plain")
    database.execute("insert into counted values (1, 'after it'); update plain set a = 'after it' where id = 2")
    database.execute("insert into counted select i % 1000, repeat('z', 200) from generate_series(1, 8000) i")
    pipeline.catch_up(*LINES, *chosen)
    pipeline.assert_equal("counted", "plain")


def test_slots_and_journals_of_another_plugin_or_of_two_phases_are_refused_by_name(pipeline: Pipeline) -> None:
    database, name = pipeline.database, pipeline.name
    database.execute("create table t (id int primary key)")
    database.execute(f"select pg_create_logical_replication_slot('{name}', 'pgoutput')")
    refused(pipeline, 2, "a slot of plugin 'pgoutput'", remedy="`plugin` pgoutput", arguments=LINES)
    database.execute(f"select pg_drop_replication_slot('{name}')")
    database.execute(f"select pg_create_logical_replication_slot('{name}', 'test_decoding')")
    refused(pipeline, 2, "a slot of plugin 'test_decoding'", remedy="`plugin` test_decoding")
    database.execute(f"select pg_drop_replication_slot('{name}')")
    if database.server.version >= (14,):
        database.execute(f"select pg_create_logical_replication_slot('{name}', 'test_decoding', false, true)")
        refused(pipeline, 2, f"'{name}' is two_phase", remedy="without two_phase", arguments=LINES)
        database.execute(f"select pg_drop_replication_slot('{name}')")
    # None of these refusals has made the journal anybody's.
    pipeline.catch_up(*LINES)
    database.execute(f"select pg_drop_replication_slot('{name}')")
    refused(pipeline, 2, "the journal belongs to plugin 'test_decoding'", remedy="journal of its own")


def test_a_publication_cannot_be_named_beside_it(pipeline: Pipeline) -> None:
    finished = pipeline.run("run", *LINES, "--publication", "p")
    assert_refused(finished, 2, "source.publication: goes with source.plugin pgoutput")


def test_tables_whose_changes_could_not_be_followed_are_refused(pipeline: Pipeline) -> None:
    pipeline.database.execute("create table keyless (a int)")
    refused(
        pipeline, 2, "could not be followed", "public.keyless: no primary key", "replica identity full",
        remedy="--exclude", arguments=LINES,
    )  # fmt: skip


def test_a_database_whose_encoding_nobody_converts_is_refused(pipeline: Pipeline) -> None:
    name = f"{pipeline.name}_latin"
    server = pipeline.database.server
    server.execute(f"create database {name} encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'")
    try:
        arguments = (*LINES, "--source", server.dsn(name))
        finished = pipeline.run("run", "--until-caught-up", *arguments)
        assert_refused(finished, 2, "the database is LATIN1", "unconverted", remedy="pgoutput")
    finally:
        server.execute(f"drop database {name}")


@nightly("by day test_line_resolver.py")
def test_partitions_come_are_renamed_and_are_emptied(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute(
        "create table parted (id int, k int, primary key (id, k)) partition by list (k);"
        "create table p1 partition of parted for values in (1); insert into parted values (1, 1);"
        "create table other (id int primary key)"
    )
    pipeline.catch_up(*LINES)
    # Read when they have other names.
    database.execute("insert into parted values (2, 1); delete from parted where id = 1; insert into other values (1)")
    database.execute("alter table p1 rename to p_one; create table p2 partition of parted for values in (2)")
    database.execute("insert into parted values (3, 2), (4, 1); update parted set k = 3 - k where id = 3")
    pipeline.catch_up(*LINES)
    pipeline.assert_equal("parted", "other")
    database.execute("truncate parted; insert into parted values (6, 1)")
    pipeline.catch_up(*LINES)
    pipeline.assert_equal("parted")
    database.execute("create table p3 partition of parted for values in (3)")
    database.execute("insert into parted values (5, 3)")
    database.execute("create schema elsewhere; alter table p3 set schema elsewhere")  # before anybody had seen its name
    for work, word in (("", "elsewhere.p3"), ("truncate p_one; insert into parted values (7, 2)", "truncated")):
        database.execute(work or "select")
        assert_refused(pipeline.run("run", "--until-caught-up", *LINES), 5, "parted", word, remedy="reset --table")
        assert pipeline.run("reset", "--yes", "--table", "parted", *LINES).code == 0
        pipeline.catch_up(*LINES)
        pipeline.assert_equal("parted", "other")


@AT_NIGHT
def test_what_cannot_be_told_any_more_stops_its_table_by_name(pipeline: Pipeline) -> None:
    """Without a key nothing names the rows; a table that becomes a partition was passed over before."""
    database = pipeline.database
    database.execute(
        "create table t (id int primary key, a text); insert into t values (1, 'a'), (2, 'b');"
        "create table parted (id int, k int, primary key (id, k)) partition by list (k);"
        "create table p1 partition of parted for values in (1);"
        "create table later (id int not null, k int not null, primary key (id, k))"
    )
    chosen = ("--tables", "public.t", "public.parted")
    running = pipeline.start("run", *LINES, *chosen, environment={"RE_DMS_CAPTURE__CATALOG_SECONDS": "0.2"})
    running.wait_for("streaming")
    database.execute("insert into later values (1, 2); delete from later")
    until_applied(running, database)
    database.execute("alter table parted attach partition later for values in (2)")
    database.execute("insert into parted values (5, 2)")
    assert_refused(running.finish(), 5, "public.parted", "attached with rows", remedy="reset --table")
    assert pipeline.run("reset", "--yes", "--table", "parted", *LINES).code == 0
    pipeline.catch_up(*LINES, *chosen)
    pipeline.assert_equal("t", "parted")

    database.execute("alter table t add column brief int; insert into t values (3, 'c', 3), (4, 'd', 4)")
    database.execute("alter table t drop column brief; insert into t values (5, 'e')")
    captured = pipeline.run("capture", "--until-caught-up", *LINES, *chosen)
    assert captured.code == 0, captured.log  # the journal keeps all the rest
    stopped_and_mended(pipeline, "a version that was changed again", *chosen)

    database.execute("alter table t drop constraint t_pkey")
    database.execute("update t set a = 'c' where id = 1; delete from t where id = 2")
    refused_table = pipeline.run("run", "--until-caught-up", *LINES, *chosen)
    assert_refused(refused_table, 5, "public.t", remedy="reset --table")
    database.execute("alter table t add primary key (id)")
    stopped_and_mended(pipeline, "public.t", *chosen)


def stopped_and_mended(pipeline: Pipeline, word: str, *arguments: str) -> None:
    """Apply stops at the table by name; a copy of it mends that."""
    finished = pipeline.run("run", "--until-caught-up", *LINES, *arguments)
    assert_refused(finished, 5, "public.t", word, remedy="reset --table")
    assert pipeline.run("reset", "--yes", "--table", "t", *LINES).code == 0
    pipeline.catch_up(*LINES, *arguments)
    pipeline.assert_equal("t", "parted")


@nightly("by day with pgoutput, and test_line_resolver.py")
def test_tables_that_are_made_while_it_runs_are_copied_and_followed(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key); create table no_key (id int); insert into t values (1)")
    chosen = ("--tables", "public.t*")
    running = pipeline.start("run", *LINES, *chosen, environment={"RE_DMS_CAPTURE__CATALOG_SECONDS": "0.2"})
    running.wait_for("streaming")
    database.execute("create table t2 (id int primary key, a text); insert into t2 values (1, 'copied')")
    database.execute("insert into no_key values (1); insert into t values (2)")
    until(lambda: pipeline.warehouse_path.exists() and len(running.events("streaming")) > 1)
    database.execute("insert into t2 values (2, 'followed'); insert into t values (3)")
    until_applied(running, database)
    running.signal(signal.SIGTERM)
    assert running.finish().code == ARRIVED
    pipeline.assert_equal("t", "t2")
    database.execute("drop table t2")
    finished = pipeline.run("run", "--until-caught-up", *LINES, *chosen)
    assert_refused(finished, 2, "no longer included", "public.t2", remedy="--forget")
    pipeline.catch_up(*LINES, *chosen, "--forget")


@nightly("by day with pgoutput")
def test_every_command_says_true_words_about_it(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key, a int, b int generated always as (a) stored)")
    lines = {"RE_DMS_SOURCE__PLUGIN": "test_decoding"}
    pipeline.environment = lines
    before = pipeline.run("check")
    assert before.code == 0, before.out
    assert "1 tables are carried; test_decoding needs no publication" in before.out
    assert "generated columns are not carried: public.t (b)" in before.out
    assert "publication_right" not in before.out
    pipeline.catch_up()
    checked, status = pipeline.run("check"), pipeline.run("status", "--json")
    assert (checked.code, status.code) == (0, 0), checked.out + status.log
    assert json.loads(status.out)["problems"] == []
    grants = pipeline.run("check", "--print-grants").out
    assert "No publication: test_decoding sends the changes of every table of the database" in grants
    assert "create publication" not in grants
    pipeline.environment = {}
    other = pipeline.run("status")
    assert "a slot of plugin 'test_decoding'" in other.out + other.log
    pipeline.environment = lines
    assert pipeline.run("reset", "--yes").code == 0
    pipeline.catch_up()
    dropped = pipeline.run("drop", "--yes")
    assert dropped.code == 0, dropped.log
    assert "publication" not in dropped.out
    assert database.fetch("select count(*) from pg_replication_slots where database = current_database()") == [(0,)]
    assert manifests_are_gone(pipeline)


def manifests_are_gone(pipeline: Pipeline) -> bool:
    return not (pipeline.journal_path / "batches").exists() or manifests(pipeline) == []
