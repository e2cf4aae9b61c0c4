"""Exit codes 2, 3, 4, 5, 130 and 143: every message names the thing and says what to do; no secret is in any log."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import duckdb
import pytest
from psycopg.conninfo import make_conninfo

from fix_pipeline import Pipeline
from fix_postgres import Database, PostgresFactory
from nightly import nightly
from refusals.rig import assert_refused, standing, until_applied

PASSWORD = "canary-of-the-dsn"
VALUE = "canary-of-a-row"


def test_what_the_source_cannot_do_is_told_before_anything_is_made(
    pipeline: Pipeline, postgres_factory: PostgresFactory
) -> None:
    database = pipeline.database
    server = postgres_factory(settings={"wal_level": "replica"})
    low = Pipeline(Database(server=server, name="postgres"), pipeline.directory / "low", name="low")
    low.directory.mkdir()
    low.database.execute("create table t (id int primary key)")
    low.started = pipeline.started
    database.execute("create table keyed (id int primary key); create table keyless (id int)")

    started = [
        (low.start("run"), ("wal_level is replica",), "wal_level"),
        (
            pipeline.start("capture", "--tables", "public.keyless"),
            ("public.keyless: no primary key", "replica identity full"),
            "--exclude",
        ),
        (pipeline.start("capture", "--tables", "public.absent"), ("'public.absent' names no table",), "written"),
        (pipeline.start("capture", "--flush-seconds", "soon"), ("flush_seconds",), "nothing was started"),
    ]
    for running, words, remedy in started:
        assert_refused(running.finish(), 2, *words, remedy=remedy)
    for untouched in (pipeline, low):
        assert standing(untouched).slots == ()
        assert standing(untouched).publications == ()
    assert standing(low).target_rows == ()


def test_a_source_that_cannot_be_reached_at_the_start(pipeline: Pipeline) -> None:
    nowhere = {"RE_DMS_SOURCE__DSN": make_conninfo("", host="127.0.0.1", port=1, dbname="x", password=PASSWORD)}
    started = pipeline.start("run", environment=nowhere)
    database = make_conninfo(pipeline.database.dsn, dbname="absent", password=PASSWORD)
    absent = pipeline.start("capture", environment={"RE_DMS_SOURCE__DSN": database})
    assert_refused(started.finish(), 3, "127.0.0.1:1", remedy="start the source")
    assert_refused(absent.finish(), 3, "absent", remedy="check host, database")
    assert not any(PASSWORD in running.log for running in pipeline.started)


def test_a_journal_that_is_no_directory(pipeline: Pipeline) -> None:
    pipeline.database.execute("create table t (id int primary key)")
    pipeline.journal_path.write_text("a file in the directory's place")
    assert_refused(pipeline.run("run", "--until-caught-up"), 4, str(pipeline.journal_path))
    assert standing(pipeline).slots == ()


def test_a_warehouse_that_is_no_duckdb_file(pipeline: Pipeline) -> None:
    pipeline.database.execute("create table t (id int primary key)")
    pipeline.warehouse_path.write_bytes(b"this is no DuckDB file, whatever its name says" * 1000)
    finished = pipeline.run("run", "--until-caught-up")
    assert_refused(finished, 5, str(pipeline.warehouse_path))
    assert pipeline.database.fetch("select 1 from pg_replication_slots where database = current_database()") == []


def test_targets_that_are_not_ours_or_no_longer_as_we_left_them(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key, a text); insert into t values (1, 'copied')")
    with duckdb.connect(str(pipeline.warehouse_path)) as connection:
        connection.execute("create schema public; create table public.t (id int, a varchar)")
        connection.execute("insert into public.t values (7, 'theirs')")
    assert_refused(pipeline.run("run", "--until-caught-up"), 5, "public.t")
    with duckdb.connect(str(pipeline.warehouse_path)) as connection:
        assert connection.execute("select * from public.t").fetchall() == [(7, "theirs")]
        connection.execute("drop table public.t")
    pipeline.catch_up()
    pipeline.assert_equal("t")

    with duckdb.connect(str(pipeline.warehouse_path)) as connection:
        connection.execute("alter table public.t rename column a to b")
    database.execute("insert into t values (2, 'second')")
    assert_refused(
        pipeline.run("run", "--until-caught-up"), 5, "public.t", "'a'", remedy="re-dms reset --table public.t"
    )
    assert pipeline.run("reset", "--table", "public.t", "--yes").code == 0
    pipeline.catch_up()
    pipeline.assert_equal("t")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=nightly("by day Ctrl-C"))])
def test_two_signals_stop_at_once(pipeline: Pipeline, number: signal.Signals) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    running = pipeline.start("run", environment={"RE_DMS_FAILPOINTS": "apply.merged:stop"})
    running.wait_for("loading")  # apply stops in its first batch: the drain alone would wait for it
    running.signal(number)
    running.wait_for("draining")
    running.signal(number)
    assert running.finish(10).code == 128 + number
    assert not running.children()
    pipeline.catch_up()
    pipeline.assert_equal("t")


def test_no_log_holds_a_password_or_a_value(pipeline: Pipeline) -> None:
    """At debug level: a copy, changes, a target that was altered, a value that does not fit, a killed child, a bug."""
    database = pipeline.database
    database.execute(
        "create table t (id int primary key, a text, n numeric); create table u (k text primary key, d date)"
    )
    database.execute(f"insert into t values (1, '{VALUE}-1', 1); insert into u values ('{VALUE}-2', '2024-02-29')")
    dsn = {"RE_DMS_SOURCE__DSN": make_conninfo(database.dsn, password=PASSWORD)}
    running = pipeline.start("run", environment=dsn)
    running.wait_for("streaming")
    database.execute(f"update t set a = '{VALUE}-3'; insert into u values ('{VALUE}-4', null)")
    until_applied(running, database)
    with database.connect() as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 're_dms%'"
                           " and datname = current_database()")  # fmt: skip
    running.wait_for("streaming", 2)
    running.signal(15)
    assert running.finish().code == 143
    once = pipeline.directory / "once"
    once.mkdir()
    database.execute(f"update t set a = a || '{VALUE}', n = n + 1; update u set k = k || '!'")
    once_each = {"RE_DMS_FAILPOINT_ONCE": str(once)}
    bug = pipeline.run("run", "--until-caught-up", environment=dsn | {"RE_DMS_FAILPOINTS": "capture.encoded:raise"})
    assert_refused(bug, 1, "unexpected", remedy="bug in re_dms")
    lost_replies = {"RE_DMS_FAILPOINTS": "capture.before_manifest:raise,apply.staged:raise"}
    pipeline.catch_up(environment=dsn | lost_replies | once_each)
    assert {path.name for path in once.iterdir()} == {"capture.before_manifest", "apply.staged"}
    with duckdb.connect(str(pipeline.warehouse_path)) as connection:
        connection.execute("alter table public.t alter n type decimal(3, 2)")
    database.execute(f"insert into t values (2, '{VALUE}', 123456)")
    assert pipeline.run("run", "--until-caught-up", environment=dsn).code == 5
    wrong = pipeline.run("run", "--until-caught-up", environment={"RE_DMS_SOURCE__DSN": f"no dsn {PASSWORD}"})
    assert_refused(wrong, 2, "source.dsn")
    typed = pipeline.run("run", "--until-caught-up", "--source-password", PASSWORD, environment=dsn)
    assert typed.code == 2
    texts = {path: path.read_text() for path in Path(pipeline.directory).glob("log-*.jsonl")}
    assert len(texts) >= 6
    for path, text in texts.items():
        found = re.search(f"{PASSWORD}|{VALUE}", text)
        assert found is None, f"{path.name}: …{text[max(0, found.start() - 200) : found.end()]}"
