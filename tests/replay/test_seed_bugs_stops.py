"""The seed's bugs of inputs that end, stop or cannot be read: torn files, dead recorders, bad bytes, signals, silence.

Each docstring says what the seed did. test_seed_bugs_all.py tells where each of B1 to B38 is shown.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fix_pipeline import Finished, Pipeline
from localpg import LocalPostgres
from refusals.rig import assert_refused
from replay.rig import Recorder, replay
from replay.seed import kill_recorder, piped, work

Rows = Counter[tuple[Any, ...]]
TERMINATED = 128 + signal.SIGTERM


@pytest.fixture
def recorder(pipeline: Pipeline) -> Recorder:
    work(pipeline, "create table t (id int primary key, v text)")
    return Recorder(pipeline.database)


# ---------------------------------------------------------------------- files that end too early


def test_b03_a_value_or_line_that_was_cut_swallows_nothing_and_is_no_row(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    """The next input's BEGIN and rows became part of a value that had been cut; `12` of `123` became row 12."""
    work(pipeline, "insert into t values (1, 'whole')", r"update t set v = E'two\nlines'", "update t set v = 'last'")
    work(pipeline, "insert into t values (123, 'x')")
    data = recorder.record(tmp_path / "data.txt")
    in_value = data.index(b"\nlines'") + 1
    begin = data.index(b"BEGIN", in_value)
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_bytes(data[:in_value])
    second.write_bytes(data[begin:])
    words = ("--stream", "one")
    # The second file goes on behind the cut transaction: what it has is newer, and must not come before it.
    refused = pipeline.run("replay", str(first), str(second), *words)
    assert_refused(refused, 3, "second.txt, line 1, byte 0", "first.txt, line 4", remedy="whole")
    first.write_bytes(data[: data.index(b"id[integer]:123") + len(b"id[integer]:12")])
    assert_refused(pipeline.run("replay", str(first), *words), 3, "not whole", f"byte {data.rindex(b'BEGIN')}")
    assert pipeline.target_rows("t") == Counter([(1, "last")])
    replay(pipeline, tmp_path / "data.txt", *words)
    pipeline.assert_equal("t")


def test_b09_a_file_that_ends_at_a_commit_line_within_a_value_goes_on_in_the_next(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    """A line of a text that began with COMMIT closed the .wal file; the next one began in mid-value, and stopped."""
    work(pipeline, "insert into t values (0, 'x')", r"insert into t values (1, E'a\nCOMMIT 12\nb'), (2, 'it''s')")
    data = recorder.record(tmp_path / "data.txt")
    cut = data.index(b"COMMIT 12\n") + len(b"COMMIT 12\n")
    directory = tmp_path / "wal"
    directory.mkdir()
    (directory / "000000000000000F.wal").write_bytes(data[:cut])
    (directory / "0000000000000010.wal").write_bytes(data[cut:])
    replay(pipeline, directory)
    pipeline.assert_equal("t")


def test_b04_a_file_that_a_signal_interrupts_stays_and_its_rest_is_taken_next_time(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    """SIGTERM in the middle of a leftover file: its beginning was applied, and the whole file deleted."""
    rows = 2500
    for number in range(4):
        work(pipeline, f"insert into t select {number * rows} + g, repeat('x', 400) from generate_series(1, {rows}) g")
    data = recorder.record(tmp_path / "data.txt")
    # The replay stands still behind its first batch, so that the signal comes in the middle.
    fault = {"RE_DMS_FAILPOINTS": "capture.after_manifest:stop"}
    words = (str(tmp_path / "data.txt"), "--flush-mb", "1")
    running = pipeline.start("replay", *words, environment=fault)
    running.wait_for("streaming")
    child = running.children()["replay"]
    running.wait_for_stop(child)
    running.signal(signal.SIGTERM)
    running.wait_for("draining")
    os.kill(child, signal.SIGCONT)
    finished = running.finish()
    assert finished.code == TERMINATED, finished.log
    assert (tmp_path / "data.txt").read_bytes() == data
    assert pipeline.target_rows("t").total() in range(rows, 4 * rows, rows)
    assert replay(pipeline, *words).summary["skipped"] > 0
    pipeline.assert_equal("t")


# ---------------------------------------------------------------------- a recorder that dies


@dataclass(frozen=True)
class Killed:
    """pg_recvlogical was killed within a transaction, and began again. `alone`: what came before the kill, replayed."""

    recorded: bytes
    alone: Finished
    before: dict[str, Rows]
    both: Finished
    differences: dict[str, tuple[int, int]]


@pytest.fixture(scope="module")
def killed(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    """A transaction that updates one table, deletes of another and updates again: to its middle, and then whole."""
    path = tmp_path_factory.mktemp("killed") / "data.txt"
    with piped(postgres, path.parent, "seed_bugs_killed") as pipeline:
        work(pipeline, "create table t (id int primary key, v text); create table u (id int primary key, v text)")
        recorder = Recorder(pipeline.database, pipeline.name)
        work(pipeline, "insert into t select g, 'old' from generate_series(1, 2000) g; insert into u select * from t")
        recorder.record(path)
        work(
            pipeline,
            "update t set v = repeat('x', 200); update u set v = 'new'; delete from u where id % 2 = 0;"
            " insert into u values (2, 'back'); update t set v = 'new' where id < 5",
        )
        path.write_bytes(path.read_bytes() + kill_recorder(recorder, b"DELETE: id[integer]:1000"))
        with path.open("rb") as standard_input:
            alone = pipeline.start("run", "--stdin", stdin=standard_input).finish()
        before = {table: pipeline.target_rows(table) for table in ("t", "u")}
        recorded = recorder.record(path)
        both = pipeline.run("replay", str(path), "--stream", "stdin")
        yield Killed(recorded, alone, before, both, pipeline.differences(("t", "u")))


def test_b26_a_recorder_that_died_is_a_failure(killed: Killed) -> None:
    """When pg_recvlogical died, or a line could not be read, the exit code was 0, and nobody was told."""
    assert_refused(killed.alone, 3, "the input is not whole: transaction", "line 4003, byte ", remedy="again")


def test_b27_a_transaction_that_begins_again_counts_once(killed: Killed) -> None:
    """A reconnected pg_recvlogical repeats the open transaction: UPDATE, DELETE and that UPDATE again were fatal."""
    [first, second] = [line for line in killed.recorded.splitlines() if line.startswith(b"BEGIN")][1:]
    assert first == second
    assert killed.both.code == 0, killed.both.log
    assert killed.differences == {}


def test_b31_half_a_transaction_is_seen_in_no_table(killed: Killed) -> None:
    """Each file was committed alone, and what was read of a transaction at a stop was applied."""
    old = Counter({(number, "old"): 1 for number in range(1, 2001)})
    assert killed.before == {"t": old, "u": old}


# ---------------------------------------------------------------------- bytes and tables that cannot be taken


def test_b12_a_line_that_is_not_utf8_is_told_and_never_skipped(postgres: LocalPostgres, tmp_path: Path) -> None:
    """A line that is not valid UTF-8 was skipped, and not even kept in the .wal file."""
    options = "encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C'"
    with piped(postgres, tmp_path, "seed_bugs_ascii", options=options) as pipeline:
        work(pipeline, "create table t (id int primary key, v text)")
        recorder = Recorder(pipeline.database, pipeline.name)
        work(pipeline, r"insert into t values (1, E'caf\xe9')", "insert into t values (2, 'behind it')")
        assert b"caf\xe9" in recorder.record(tmp_path / "data.txt")
        stopped = pipeline.run("replay", str(tmp_path / "data.txt"))
        assert_refused(stopped, 3, "public.t, column 'v'", "data.txt, line 2, byte ", "not UTF-8", remedy="mend")
        assert not list(pipeline.journal_path.glob("batches/*"))


def test_b21_a_delete_without_a_key_is_refused_by_name_and_the_table_can_be_left_out(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    """A DELETE `(no-tuple-data)` stopped every table, at each start again."""
    work(pipeline, "create table keyless (a int)", "insert into keyless values (1)", "insert into t values (1, 'x')")
    work(pipeline, "delete from keyless", "insert into t values (2, 'behind it')")
    assert b"keyless: DELETE: (no-tuple-data)" in recorder.record(tmp_path / "data.txt")
    assert_refused(pipeline.run("replay", str(tmp_path / "data.txt")), 5, "public.keyless", remedy="--exclude")
    replay(pipeline, tmp_path / "data.txt", "--exclude", "public.keyless")
    pipeline.assert_equal("t")


# ---------------------------------------------------------------------- signals and silence


def test_b28_a_signal_before_the_input_is_read_ends_in_order(pipeline: Pipeline, recorder: Recorder) -> None:
    """A signal before the input was known to the signal thread killed that: later ones were ignored."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb"):
        running = pipeline.start("run", "--stdin", stdin=reader)
        running.wait_for("root")
        running.signal(signal.SIGTERM)
        finished = running.finish(seconds=20)
    assert finished.code == TERMINATED, finished.log
    assert running.events("bug") == []


def test_b32_what_came_is_loaded_while_the_source_is_silent_and_a_signal_ends_the_wait(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    """Batches closed only at a COMMIT after their limit: the last one of an idle source was never applied."""
    work(pipeline, "insert into t values (1, 'x')")
    data = recorder.record(tmp_path / "data.txt")
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as writer:
        running = pipeline.start("run", "--stdin", "--flush-seconds", "0.1", stdin=reader)
        writer.write(data)
        writer.flush()
        running.wait_for("loaded")
        pipeline.assert_equal("t")
        running.signal(signal.SIGTERM)
        assert running.finish(seconds=20).code == TERMINATED
