"""Replays as people meet them: pipes, kills, signals, torn files, other databases, exit codes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fix_pipeline import Pipeline
from nightly import nightly
from replay.rig import Recorder, replay
from replay.test_replay import SHOP, TABLES, some_work


@pytest.fixture
def recorder(pipeline: Pipeline) -> Recorder:
    pipeline.database.execute(SHOP)
    return Recorder(pipeline.database)


def test_a_torn_tail_ends_with_3_and_its_place_and_all_before_it_arrives(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    some_work(pipeline)
    path = tmp_path / "data.txt"
    whole = recorder.record(path)
    recorded = pipeline.source_rows("orders")
    pipeline.database.execute(
        "update orders set customer = 'after'; insert into orders select generate_series(1000, 1100)"
    )
    longer = recorder.record(path)
    path.write_bytes(longer[: len(whole) + (len(longer) - len(whole)) // 2])
    torn = replay(pipeline, path, code=3)
    assert pipeline.target_rows("orders") == recorded
    line = longer[: len(whole)].count(b"\n") + 1
    assert f"begun at {path}, line {line}, byte {len(whole)}" in torn.log
    path.write_bytes(longer)
    replay(pipeline, path)
    pipeline.assert_equal(*TABLES)


def test_a_pipe_arrives_while_it_is_open_and_ends_with_its_writer(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    some_work(pipeline)
    data = recorder.record(tmp_path / "data.txt")
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as writer:
        running = pipeline.start("run", "--stdin", "--json", stdin=reader)
        reader.close()
        middle = data.index(b"\nBEGIN", len(data) // 2) + 20
        writer.write(data[:middle])
        writer.flush()
        running.wait_for("loaded")  # half of it is there while the pipe stays open
        writer.write(data[middle:])
    finished = running.finish()
    assert finished.code == 0, finished.log
    pipeline.assert_equal(*TABLES)


def test_sigkill_of_every_process_in_the_middle_loses_and_doubles_nothing(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    for _ in range(8):
        pipeline.database.execute(
            "insert into orders select g, repeat('x', 200), 1 from"
            " generate_series((select coalesce(max(id), 0) + 1 from orders), (select coalesce(max(id), 0) + 5000 from orders)) g"
        )
    recorder.record(tmp_path / "data.txt")
    for count in (1, 2):
        running = pipeline.start("replay", str(tmp_path / "data.txt"), "--flush-mb", "1")
        running.wait_for("sealed", count)
        running.kill_group()
    again = replay(pipeline, tmp_path / "data.txt", "--flush-mb", "1")
    pipeline.assert_equal("orders")
    assert again.summary["skipped"] > 0


def test_sigterm_seals_what_is_whole_and_the_rest_is_taken_next_time(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    some_work(pipeline)
    data = recorder.record(tmp_path / "data.txt")
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as writer:
        running = pipeline.start("replay", "-", "--stream", "data.txt", "--flush-seconds", "60", stdin=reader)
        reader.close()
        writer.write(data[: data.index(b"\nBEGIN", len(data) // 2) + 20])
        writer.flush()
        running.wait_for("streaming")
        wait_for_files(pipeline.journal_path / "data")
        running.signal(signal.SIGTERM)
        finished = running.finish()
    assert finished.code == 143, finished.log
    again = replay(pipeline, tmp_path / "data.txt")
    pipeline.assert_equal(*TABLES)
    assert again.summary["skipped"] > 0


def test_a_transaction_larger_than_a_block_arrives_or_leaves_nothing(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    pipeline.database.execute("insert into orders values (0, 'before', 1)")
    pipeline.database.execute(
        "insert into orders select g, repeat('x', 300), g from generate_series(1, 20000) g; update orders set amount = 7"
    )
    path = tmp_path / "data.txt"
    whole = recorder.record(path)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    replay(pipeline, path, "--flush-mb", "1", code=3)
    assert sum(pipeline.target_rows("orders").values()) == 1
    path.write_bytes(whole[: len(whole) * 2 // 3].rpartition(b"\n")[0] + b"\n" + whole)  # pg_recvlogical began again
    replay(pipeline, path, "--flush-mb", "1")
    pipeline.assert_equal("orders")


def test_several_packed_files_and_a_schema_file_in_place_of_the_source(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    some_work(pipeline)
    first = recorder.record(tmp_path / "a.txt")
    pipeline.database.execute("update orders set amount = 5; insert into parts values (77, 1, 'z')")
    recorder.record(tmp_path / "b.txt")
    (tmp_path / "a.gz").write_bytes(gzip.compress(first))
    schema = tmp_path / "schema.json"
    schema.write_text(_re_dms("schema", "dump", "--source", pipeline.database.dsn))
    words = [str(tmp_path / "a.gz"), str(tmp_path / "b.txt"), "--stream", "s", "--schema", str(schema)]
    words += ["--warehouse", pipeline.warehouse, "--journal", pipeline.journal, "--json"]
    summary = json.loads(_re_dms("replay", *words).splitlines()[-1])
    pipeline.assert_equal(*TABLES)
    assert summary["tables"]["public.orders"]["updates"] > 0


@pytest.mark.parametrize(
    "points",
    [
        ("root.created", "capture.encoded:3", "capture.before_manifest:2"),
        pytest.param(
            ("capture.data_put:2", "capture.after_manifest:3", "apply.committed:2"),
            marks=nightly("by day SIGKILL in the middle"),
        ),
    ],
    ids=["before a batch", "after it"],
)
def test_a_kill_at_each_step_loses_and_doubles_nothing(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path, points: tuple[str, ...]
) -> None:
    for start in range(0, 30000, 3000):
        pipeline.database.execute(
            f"insert into orders select g, repeat('x', 99), 1 from generate_series({start}, {start} + 2999) g"
        )
        pipeline.database.execute(
            f"update orders set id = -id, amount = 2 where id between {start} + 5 and {start} + 900"
        )
    recorder.record(tmp_path / "data.txt")
    (once := tmp_path / "once").mkdir()
    actions = [f"{name}:kill@{count or 1}" for name, _, count in (point.partition(":") for point in points)]
    environment = {"RE_DMS_FAILPOINTS": ",".join(actions), "RE_DMS_FAILPOINT_ONCE": str(once)}
    words = [str(tmp_path / "data.txt"), "--flush-mb", "1", "--json"]
    finished = pipeline.run("replay", *words, environment=environment)
    assert finished.code == 0, finished.log
    assert len(list(once.iterdir())) == len(points)
    pipeline.assert_equal("orders")


def test_a_journal_of_a_slot_or_of_another_database_takes_no_replay(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    some_work(pipeline)
    recorder.record(tmp_path / "data.txt")
    pipeline.catch_up()
    refused = replay(pipeline, tmp_path / "data.txt", code=2)
    assert "the journal is fed from slot" in refused.log
    own = [str(tmp_path / "data.txt"), "--name", "own", "--warehouse", f"duckdb://{tmp_path / 'own.duckdb'}"]
    schema = json.loads(_re_dms("schema", "dump", "--source", pipeline.database.dsn))
    for database, code in ((schema["database"], 0), ("another", 6)):
        (tmp_path / "schema.json").write_text(json.dumps(schema | {"database": database}))
        words = ["replay", *own, "--journal", f"file://{tmp_path / 'own'}", "--schema", str(tmp_path / "schema.json")]
        assert _ended(*words).returncode == code


def test_a_table_that_no_catalog_has_is_refused_by_name_and_can_be_left_out(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    some_work(pipeline)
    pipeline.database.execute("create table gone (id int primary key); insert into gone values (1)")
    recorder.record(tmp_path / "data.txt")
    pipeline.database.execute("drop table gone")
    refused = replay(pipeline, tmp_path / "data.txt", code=5)
    assert "table public.gone has rows in the stream and is not in the catalog" in refused.log
    replay(pipeline, tmp_path / "data.txt", "--exclude", "public.gone")
    pipeline.assert_equal(*TABLES)


def wait_for_files(directory: Path, seconds: float = 30.0) -> None:
    """Until something of a batch that is not sealed is there."""
    deadline = time.monotonic() + seconds
    while not any(path.is_file() for path in directory.rglob("*")):
        assert time.monotonic() < deadline, f"nothing in {directory} after {seconds} s"
        time.sleep(0.02)


@pytest.mark.parametrize("content", [b"", b"BEGIN 7\nCOMMIT 7\n"], ids=["no byte", "no row"])
def test_an_input_without_rows_is_done_at_once(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "data.txt").write_bytes(content)
    finished = replay(pipeline, tmp_path / "data.txt")
    assert (finished.summary["batches"], finished.summary["changes"]) == (0, 0)


def _ended(*words: str) -> subprocess.CompletedProcess[str]:
    """A command with nothing of the test's pipeline around it."""
    command = [sys.executable, "-m", "re_dms", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _re_dms(*words: str) -> str:
    """The output of a command that succeeds."""
    ended = _ended(*words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
