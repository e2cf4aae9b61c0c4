"""Transactions that the source sends while they run: the warehouse sees what was committed, whole, in the order of the ends."""

from __future__ import annotations

import os
import random
import stat
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fix_pipeline import Pipeline
from fix_postgres import Database, drop_database
from localpg import LocalPostgres
from nightly import nightly
from re_dms.errors import SourceError
from re_dms.pipeline.waiting import Waiting, WaitingTransactions

# A slot that is created keeps its own plan; sessions of the server itself stream what is more than this.
SMALL = {"logical_decoding_work_mem": "64kB", "max_prepared_transactions": "4"}
SINCE = (14, 0)


@pytest.fixture(scope="module")
def streaming_server(pg_bin: Path | None) -> Iterator[LocalPostgres]:
    with LocalPostgres(pg_bin=pg_bin, settings=SMALL) as server:
        if server.version < SINCE:
            pytest.skip("Postgres sends transactions while they run since version 14")
        yield server


@pytest.fixture
def pipeline(streaming_server: LocalPostgres, tmp_path: Path) -> Iterator[Pipeline]:
    name = f"streamed_{uuid.uuid4().hex[:8]}"
    streaming_server.create_database(name)
    made = Pipeline(database=Database(server=streaming_server, name=name), directory=tmp_path, name=name)
    yield made
    made.end()
    drop_database(streaming_server, name)


def streamed(pipeline: Pipeline) -> int:
    """How many transactions the server has sent in parts."""
    statistics = "select coalesce(sum(stream_txns), 0)::int from pg_stat_replication_slots where slot_name = %s"
    (count,) = pipeline.database.server.execute(statistics, [pipeline.name])[0]
    return int(count)


def batches(pipeline: Pipeline) -> list[dict[str, Any]]:
    return [event for running in pipeline.started for event in running.events("sealed") if event["kind"] == "stream"]


TABLES = (
    "create table a (id int primary key, v text, n int)",
    "create table b (id int primary key, big text)",
    "alter table b alter big set storage external",
)


def sessions(stack: ExitStack, pipeline: Pipeline, count: int) -> list[psycopg.Connection[Any]]:
    return [stack.enter_context(psycopg.connect(pipeline.database.dsn)) for _ in range(count)]


def test_what_is_rolled_back_within_a_large_transaction_never_arrives(pipeline: Pipeline) -> None:
    for statement in TABLES:
        pipeline.database.execute(statement)
    pipeline.database.execute("insert into b select i, repeat('x', 9000) from generate_series(1, 20) i")
    pipeline.catch_up()
    with psycopg.connect(pipeline.database.dsn) as session:
        session.execute("insert into a select i, repeat('v', 50), 0 from generate_series(1, 3000) i")
        for kept in (True, False, True, False):
            session.execute("savepoint s")
            session.execute("update a set n = n + 1 where id % 3 = 0")
            session.execute("update b set id = id + 1000 where id < 1000 and id % 5 = 0")
            session.execute("savepoint inner_one")
            session.execute("insert into a select i, 'gone', 0 from generate_series(100001, 103000) i")
            session.execute("rollback to savepoint inner_one")
            if not kept:
                session.execute("delete from a where id < 2000")
                session.execute("rollback to savepoint s")
        session.execute("delete from a where id between 500 and 600")
    pipeline.catch_up()
    pipeline.assert_equal("a", "b")
    assert streamed(pipeline) > 0
    assert sum(batch["transactions"] for batch in batches(pipeline)) == 1


def test_a_transaction_that_is_rolled_back_leaves_nothing_and_no_file(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.database.execute(TABLES[0])
    pipeline.catch_up()
    with psycopg.connect(pipeline.database.dsn) as session:
        session.execute("insert into a select i, repeat('v', 50), 0 from generate_series(1, 5000) i")
        session.rollback()
        session.execute("insert into a values (1, 'one', 1)")
    (tmp_path / "spill").mkdir()
    pipeline.catch_up(environment={"RE_DMS_CAPTURE__SPILL_DIRECTORY": str(tmp_path / "spill")})
    pipeline.assert_equal("a")
    assert [batch["changes"] for batch in batches(pipeline)] == [1]
    assert list((tmp_path / "spill").iterdir()) == []


def test_large_transactions_that_change_nothing_of_ours_are_nothing_to_us(pipeline: Pipeline, tmp_path: Path) -> None:
    """The server tells of their parts and their ends all the same; a restart must not ask for them again."""
    pipeline.database.execute("create table a (id int primary key, v text, n int); create table other (id int, v text)")
    only_a = ("--tables", "public.a")
    pipeline.catch_up(*only_a)
    once = {"RE_DMS_FAILPOINTS": "capture.before_confirm:kill", "RE_DMS_FAILPOINT_ONCE": str(tmp_path)}
    for environment in ({}, once, {}):
        pipeline.database.execute("insert into other select i, repeat('v', 50) from generate_series(1, 5000) i")
        with psycopg.connect(pipeline.database.dsn) as session:
            session.execute("savepoint s")
            session.execute("insert into a select i, repeat('v', 50), 0 from generate_series(1, 5000) i")
            session.execute("rollback to savepoint s")
            session.execute("insert into other values (0, '')")
        pipeline.run("run", "--until-caught-up", *only_a, environment=environment)
    pipeline.database.execute("insert into a values (1, 'one', 1)")
    pipeline.catch_up(*only_a)
    pipeline.assert_equal("a")
    assert [batch["changes"] for batch in batches(pipeline)] == [1]
    assert streamed(pipeline) >= 3


def test_transactions_that_run_side_by_side_count_in_the_order_of_their_commits(pipeline: Pipeline) -> None:
    """Four sessions take turns on rows of their own and on one table; two change its columns, one gives up."""
    for statement in TABLES:
        pipeline.database.execute(statement)
    pipeline.catch_up()
    rnd = random.Random(7)
    with ExitStack() as stack:
        running = pipeline.start("run")
        running.wait_for("streaming")
        open_ones = sessions(stack, pipeline, 4)
        for turn in range(6):
            for number, session in enumerate(open_ones):
                first = (number * 10 + turn) * 1000
                session.execute(
                    "insert into a select i, md5(i::text), %s from generate_series(%s::int, %s) i",
                    [turn, first, first + 600],
                )
                session.execute(
                    "insert into b select i, repeat(md5(i::text), 90) from generate_series(%s::int, %s) i",
                    [first, first + 20],
                )
                if rnd.random() < 0.4:
                    session.execute("savepoint s")
                    session.execute("delete from a where id >= %s and id < %s", [first, first + 300])
                    if rnd.random() < 0.5:
                        session.execute("rollback to savepoint s")
                pipeline.database.execute(f"insert into a values (-{first + 1}, 'small', {turn})")
        open_ones[2].rollback()
        for session in (open_ones[3], open_ones[0], open_ones[1]):
            session.commit()
        running.process.terminate()
        running.finish()
    pipeline.catch_up()
    pipeline.assert_equal("a", "b")
    assert streamed(pipeline) >= 4


def test_columns_and_truncates_within_a_large_transaction_are_followed(pipeline: Pipeline) -> None:
    pipeline.database.execute(TABLES[0])
    pipeline.catch_up()
    with psycopg.connect(pipeline.database.dsn) as session:
        session.execute("insert into a select i, repeat('v', 50), 0 from generate_series(1, 2000) i")
        session.execute("savepoint s")
        session.execute("alter table a add column gone int")
        session.execute("insert into a select i, repeat('v', 50), 0, 1 from generate_series(2001, 4000) i")
        session.execute("rollback to savepoint s")
        session.execute("insert into a select i, repeat('v', 50), 0 from generate_series(2001, 4000) i")
        session.execute("alter table a add column more text default 'd'")
        session.execute("insert into a select i, repeat('v', 50), 0, i::text from generate_series(4001, 6000) i")
        session.execute("truncate a")
        session.execute("insert into a select i, repeat('v', 50), 0, i::text from generate_series(1, 3000) i")
    pipeline.catch_up()
    pipeline.assert_equal("a")
    assert streamed(pipeline) > 0


def test_a_message_larger_than_a_region_waits_as_well(pipeline: Pipeline) -> None:
    for statement in TABLES:
        pipeline.database.execute(statement)
    pipeline.catch_up()
    small = {"RE_DMS_CAPTURE__FLUSH_MB": "1"}
    with psycopg.connect(pipeline.database.dsn) as session:
        for number in range(6):
            session.execute("insert into b select %s, repeat(md5(%s::text), 100000)", [number, number])
            session.execute(
                "insert into a select i, repeat('v', 50), 0 from generate_series(%s::int, %s) i",
                [number * 1000, number * 1000 + 500],
            )
    pipeline.database.execute("insert into b select 100, repeat(md5('x'), 200000)")
    pipeline.catch_up(environment=small)
    pipeline.assert_equal("a", "b")


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("capture.shipped", marks=nightly("by day a step later")),
        pytest.param("capture.encoded", marks=nightly("by day a step later")),
        pytest.param("capture.received", marks=nightly("by day a step later")),
        "capture.before_confirm",
    ],
)
def test_a_kill_amid_a_transaction_in_parts_loses_and_doubles_nothing(
    pipeline: Pipeline, tmp_path: Path, point: str
) -> None:
    pipeline.database.execute("create table a (id int primary key, v text, n int)")
    pipeline.catch_up()
    with ExitStack() as stack:
        first, second = sessions(stack, pipeline, 2)
        for session, base in ((first, 0), (second, 10_000)):
            session.execute(f"insert into a select i, repeat('v', 50), 0 from generate_series({base}, {base + 3000}) i")
            session.execute(f"update a set n = 1 where id >= {base}")
        second.commit()
        first.commit()
    once = {"RE_DMS_FAILPOINTS": f"{point}:kill", "RE_DMS_FAILPOINT_ONCE": str(tmp_path)}
    pipeline.run("run", "--until-caught-up", environment=once)
    assert (tmp_path / point).exists(), "it was never killed"
    pipeline.catch_up()
    pipeline.assert_equal("a")


@nightly("by day test_flow.py and every small transaction")
def test_without_streaming_the_source_keeps_them(pipeline: Pipeline) -> None:
    pipeline.database.execute(TABLES[0])
    off = {"RE_DMS_CAPTURE__STREAMING": "false"}
    pipeline.catch_up(environment=off)
    pipeline.database.execute("insert into a select i, repeat('v', 50), 0 from generate_series(1, 5000) i")
    pipeline.catch_up(environment=off)
    pipeline.assert_equal("a")
    assert streamed(pipeline) == 0


# ------------------------------------------------------------------ where they wait


def content(waiting: Waiting) -> bytes:
    return os.pread(waiting.descriptor, waiting.size, 0)


def test_what_waits_is_in_memory_and_then_in_a_file_that_has_no_name(tmp_path: Path) -> None:
    waiting = WaitingTransactions(str(tmp_path), memory_bytes_max=100)
    pieces = [bytes([number]) * 40 for number in range(5)]
    for piece in pieces:
        waiting.append(7, memoryview(piece))
        waiting.append(8, memoryview(b"x"))
    taken = waiting.take(7)
    assert taken is not None
    assert content(taken) == b"".join(pieces)
    assert not taken.in_memory
    assert stat.S_IMODE(os.fstat(taken.descriptor).st_mode) == 0o600
    assert os.fstat(taken.descriptor).st_nlink == 0
    assert list(tmp_path.iterdir()) == []
    taken.close()
    small = waiting.take(8)
    assert small is not None
    assert (content(small), small.in_memory) == (b"xxxxx", True)
    small.close()
    assert len(waiting) == 0


def test_a_file_system_without_nameless_files_serves_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    waiting = WaitingTransactions(str(tmp_path), memory_bytes_max=0)
    waiting.append(7, memoryview(b"abc"))
    assert list(tmp_path.iterdir()) == []
    taken = waiting.take(7)
    assert taken is not None
    assert content(taken) == b"abc"
    assert stat.S_IMODE(os.fstat(taken.descriptor).st_mode) == 0o600
    taken.close()


def test_what_is_rolled_back_is_forgotten_and_its_parts_are_told(tmp_path: Path) -> None:
    waiting = WaitingTransactions(str(tmp_path))
    for xid in (7, 8):
        waiting.append(xid, memoryview(b"abc"))
    waiting.aborted(7, 9)
    waiting.aborted(8, 8)
    waiting.aborted(10, 11)  # of a transaction that sent nothing yet
    taken = waiting.take(7)
    assert taken is not None
    assert taken.aborted == {9}
    taken.close()
    assert waiting.take(8) is None
    waiting.append(12, memoryview(b"abc"))
    waiting.forget_all()
    assert len(waiting) == 0


def test_a_place_without_room_is_named_with_what_to_do(tmp_path: Path) -> None:
    waiting = WaitingTransactions(str(tmp_path / "missing"), memory_bytes_max=0)
    with pytest.raises(SourceError, match=r"transaction 7 cannot wait for its end in .*missing") as caught:
        waiting.append(7, memoryview(b"abc"))
    assert "capture.spill_directory" in caught.value.remedy
    waiting.forget_all()
