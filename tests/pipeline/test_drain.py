"""The first signal drains: what was captured is durable, confirmed, and nothing is sent again."""

from __future__ import annotations

import signal

from fix_pipeline import Pipeline
from nightly import nightly
from re_dms.lsn import LSN


def test_after_a_drain_nothing_is_sent_again(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    running = pipeline.start("run", "--flush-seconds", "30")
    running.wait_for("streaming")
    for start in range(0, 300, 100):
        database.execute(f"insert into t select i, 'x' from generate_series({start}, {start + 99}) i")
    inserted = LSN.parse(database.fetch("select pg_current_wal_insert_lsn()::text")[0][0])
    running.signal(signal.SIGINT)
    assert running.finish().code == 130
    [(confirmed,)] = database.fetch(
        f"select confirmed_flush_lsn::text from pg_replication_slots where slot_name = '{pipeline.name}'"
    )
    loaded = running.events("loaded")
    assert confirmed == loaded[-1]["lsn"]
    assert LSN.parse(confirmed) <= inserted
    assert pipeline.catch_up().summary["transactions"] == 3 - sum(line["transactions"] for line in loaded)
    pipeline.assert_equal("t")


@nightly("a long load")
def test_a_drain_under_load_confirms_what_it_loaded(pipeline: Pipeline) -> None:
    """The server is in the middle of sending: it must read our last word before it learns that we have gone."""
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    running = pipeline.start("run", "--flush-seconds", "0.05")
    running.wait_for("streaming")
    with database.connect() as connection:
        for start in range(0, 150_000, 10_000):
            connection.execute(
                f"insert into t select i, repeat('x', 200) from generate_series({start}, {start + 9_999}) i"
            )
    running.signal(signal.SIGTERM)
    assert running.finish().code == 143
    [(confirmed,)] = database.fetch(
        f"select confirmed_flush_lsn::text from pg_replication_slots where slot_name = '{pipeline.name}'"
    )
    assert confirmed == running.events("loaded")[-1]["lsn"]
    pipeline.catch_up()
    pipeline.assert_equal("t")
