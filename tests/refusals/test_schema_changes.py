"""Changes of the source's tables: columns that come and go are followed; every other change stops by name, and is mended.

A stop loses nothing: capture goes on, its journal keeps all changes, and `re-dms reset --table` copies the table again.
"""

from __future__ import annotations

import re

import duckdb

from fix_pipeline import Pipeline
from nightly import nightly
from refusals.rig import assert_refused, stopped_words, until_applied

FOLLOWED = """
insert into t values (10, 'before', 'b');
alter table t add column plain text;
insert into t values (11, 'with plain', 'b', 'p'); update t set plain = 'q' where id = 1;
alter table t add column constant int not null default 7;
insert into t values (12, 'with constant', 'b', 'p', 8); update t set a = 'older row' where id = 2;
alter table t alter constant set default 9; insert into t (id, a) values (13, 'later default');
alter table t add column day date default '2024-02-29', add column raw bytea default '\\x00ff', add column words text[] default '{a,NULL,""}';
alter table t drop column a;
insert into t (id, plain) values (14, 'without a'); delete from t where id = 3;
begin; insert into t (id) values (15); alter table t add column late text default 'x'; update t set late = 'y' where id in (4, 15); insert into t (id) values (16); commit;
begin; alter table t add column never int default 1; update t set never = 2; rollback;
alter table t drop column b; alter table t add column other numeric(10, 2) default 1.50;
update t set other = 2 where id = 5;
truncate t; insert into t (id, plain) values (100, 'after all');
insert into t (id, plain) values (101, 'at the end')
"""


def test_columns_that_come_and_go_are_followed(pipeline: Pipeline) -> None:
    """With and without constants for the rows that are there; several changes within one batch, and one batch each."""
    database = pipeline.database
    statements = [part.strip() for part in FOLLOWED.replace("\n", " ").split(";") if part.strip()]
    for table in ("one", "many"):
        database.execute(f"create table {table} (id int primary key, a text, b text)")
        database.execute(f"insert into {table} select i, 'a' || i, 'b' from generate_series(1, 6) i")
    running = pipeline.start("run", "--flush-seconds", "0.001")
    running.wait_for("streaming")
    with database.connect() as connection:
        for statement in statements:
            connection.execute(re.sub(r"\bt\b", "many", statement))
        until_applied(running, database)
    assert_equal(pipeline, "many")
    running.signal(15)
    assert running.finish().code == 143
    with database.connect() as connection:
        for statement in statements:
            connection.execute(re.sub(r"\bt\b", "one", statement))
    pipeline.catch_up()
    assert_equal(pipeline, "one")
    assert_equal(pipeline, "many")


def assert_equal(pipeline: Pipeline, table: str) -> None:
    """Every row and every column; arrays as the JSON that they are in the target."""
    pipeline.assert_equal(f"(select id, plain, constant, day, raw, late, other from {table}) as rows")
    columns = "select column_name from information_schema.columns where table_name = %s order by ordinal_position"
    with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as connection:
        words = connection.execute(f"select id, words from public.{table} order by id").fetchall()
        names = [row[0] for row in connection.execute(f"describe public.{table}").fetchall()]
    assert words == pipeline.database.fetch(f"select id, array_to_json(words)::text from {table} order by id")
    assert sorted(names) == sorted(name for (name,) in pipeline.database.fetch(columns, [table]))


STOPPING = {
    "volatile": "alter table volatile add column r double precision default random()",
    "column_renamed": "alter table column_renamed rename column a to b",
    "table_renamed": "alter table table_renamed rename to with_another_name",
    "type_changed": "alter table type_changed alter a type varchar(40)",
    "key_changed": "alter table key_changed drop constraint key_changed_pkey, alter a set not null, add primary key (a)",
    "added_again": "alter table added_again drop column a; alter table added_again add column a text default 'again'",
}
RENAMED = {"table_renamed": ("with_another_name", "a"), "column_renamed": ("column_renamed", "b")}
WORDS = {
    "volatile": "older rows",
    "column_renamed": "'a' was renamed to 'b'",
    "table_renamed": "renamed to public.with_another_name",
    "type_changed": "changed its type from text to character varying(40)",
    "key_changed": "its key changed from ('id') to ('a')",
    "added_again": "dropped and added again",
}


def test_row_68_every_other_change_stops_by_name_and_is_mended(pipeline: Pipeline) -> None:
    """Within one transaction with rows before and after it, as a migration does."""
    database = pipeline.database
    for table in STOPPING:
        database.execute(f"create table {table} (id int primary key, a text)")
        database.execute(f"insert into {table} select i, 'a' || i from generate_series(1, 5) i")
    database.execute("create table other (id int primary key)")
    pipeline.catch_up()
    for table, statement in STOPPING.items():
        now, column = RENAMED.get(table, (table, "a"))
        database.execute(
            f"insert into {table} values (6, 'before the change'); insert into other select count(*) from other;"
            f" {statement}; insert into {now} (id, {column}) values (7, 'after the change')"
        )
    finished = pipeline.run("capture", "--until-caught-up", "--flush-seconds", "0.001")
    assert finished.code == 0, finished.log  # the journal keeps all of it

    for table in STOPPING:
        stopped = pipeline.run("apply", "--until-caught-up")
        assert_refused(stopped, 5, f"public.{table}", WORDS[table], remedy="re-dms reset --table public.")
        _, remedy = stopped_words(stopped)
        [named] = re.findall(r"reset --table (\S+?)`", remedy)
        asked = pipeline.run("reset", "--table", named, "--yes")
        assert asked.code == 0, asked.log
    assert pipeline.run("apply", "--until-caught-up").code == 0
    pipeline.assert_equal("other")  # what did not change has gone on
    pipeline.catch_up()
    pipeline.assert_equal("other", *("with_another_name" if table == "table_renamed" else table for table in STOPPING))


@nightly("by day tests/catalog")
def test_tables_join_and_leave_by_the_patterns(pipeline: Pipeline) -> None:
    """What `--tables` newly includes is copied and then followed; what it no longer includes is refused or forgotten."""
    database = pipeline.database
    database.execute("create table a (id int primary key, t text); insert into a values (1, 'a')")
    database.execute(
        "create table b (id int primary key, t text); insert into b values (1, 'written before it was included')"
    )
    pipeline.catch_up("--tables", "public.a")
    database.execute("update b set t = 'still not included'; insert into a values (2, 'meanwhile')")
    joined = pipeline.catch_up("--tables", "public.a", "public.b")
    assert joined.summary["tables"]["public.b"]["copied"] == 1
    database.execute("insert into b values (2, 'followed'); update b set t = 'changed' where id = 1")
    assert pipeline.catch_up("--tables", "public.*").summary["tables"]["public.b"]["copied"] == 0
    pipeline.assert_equal("a", "b")

    database.execute("insert into b values (3, 'not to be applied'); insert into a values (3, 'goes on')")
    refused = pipeline.run("run", "--until-caught-up", "--tables", "public.a")
    assert_refused(refused, 2, "no longer included", "public.b", remedy="--forget")
    pipeline.catch_up("--tables", "public.a", "--forget")
    pipeline.assert_equal("a")
    assert len(pipeline.target_rows("b")) == 2
    pipeline.catch_up("--tables", "public.a")
