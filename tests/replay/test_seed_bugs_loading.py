"""The seed's bugs of repeats and loading: what comes twice, late or half, and what fails or is killed on its way.

Each docstring says what the seed did. test_seed_bugs_all.py tells where each of B1 to B38 is shown.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fix_pipeline import Finished, Pipeline
from localpg import LocalPostgres
from nightly import nightly
from re_dms.lsn import LSN
from refusals.rig import assert_refused, until
from replay.rig import Recorder, replay
from replay.seed import piped, work

Rows = Counter[tuple[Any, ...]]
PAIR = "create table a (id int primary key, v text); create table b (id int primary key, v text)"


# ---------------------------------------------------------------------- a slot and its position


@dataclass(frozen=True)
class Streamed:
    """A slot of test_decoding whose reader was killed before its batch was durable; and then the slot was lost."""

    before: LSN
    confirmed: LSN
    killed: Finished
    kept: list[str]
    copied: bool
    without_slot: Finished


@pytest.fixture(scope="module")
def streamed(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streamed]:
    """`run --plugin test_decoding`: a copy, a kill, and the slot dropped by somebody."""
    slots = "from pg_replication_slots where database = current_database()"
    lines = ("--plugin", "test_decoding")
    with piped(postgres, tmp_path_factory.mktemp("streamed"), "seed_bugs_streamed") as pipeline:
        fetch = pipeline.database.fetch
        work(pipeline, PAIR, "insert into a select generate_series(10, 20), 'copied'")
        pipeline.catch_up(*lines)
        copied = pipeline.differences(("a", "b")) == {}
        [(before,)] = fetch("select pg_current_wal_insert_lsn()::text")
        work(pipeline, "insert into a values (1, 'x')", "insert into b values (1, 'x')")
        kill = {"RE_DMS_FAILPOINTS": "capture.data_put:killgroup"}
        killed = pipeline.run("run", "--until-caught-up", *lines, environment=kill)
        until(lambda: fetch(f"select 1 {slots} and not active"))
        [(confirmed,)] = fetch(f"select confirmed_flush_lsn::text {slots}")
        kept = fetch(f"select pg_logical_slot_peek_changes(slot_name, null, null)::text {slots}")
        fetch(f"select pg_drop_replication_slot(slot_name) {slots}")
        without_slot = pipeline.run("run", "--until-caught-up", *lines)
        yield Streamed(
            LSN.parse(before), LSN.parse(confirmed), killed, [line for (line,) in kept], copied, without_slot
        )


def test_b02_a_slot_is_never_confirmed_beyond_what_is_durable(streamed: Streamed) -> None:
    """The slot was confirmed to what stood in a pipe: after SIGKILL it had no rows left, and nobody else had them."""
    assert streamed.killed.code == -signal.SIGKILL, streamed.killed.log
    assert streamed.confirmed <= streamed.before
    assert [line.count("INSERT") for line in streamed.kept if "table" in line] == [1, 1]


def test_b14_a_lost_slot_is_a_gap_that_is_told_and_what_was_there_before_is_copied(streamed: Streamed) -> None:
    """A lost slot was made again "now", and the gap was silent; there was no initial copy either."""
    assert streamed.copied
    assert_refused(streamed.without_slot, 6, "slot 'seed_bugs_streamed' has gone", remedy="reset")


# ---------------------------------------------------------------------- what comes again, and what comes late


@dataclass(frozen=True)
class Repeated:
    """Both ends after each of the replays of one stream, and what these said."""

    source: Rows
    sent_again: Rows
    stale: Rows
    summaries: tuple[dict[str, Any], ...]
    altered: Finished
    hand_made: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def repeated(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repeated]:
    """Two slots of one position: what the second records later begins with all that the first recorded, sent again."""
    directory = tmp_path_factory.mktemp("repeated")
    first, again = directory / "first.txt", directory / "again.txt"
    with piped(postgres, directory, "seed_bugs_repeated") as pipeline:
        work(pipeline, "create table people (id int primary key, v text)")
        early, late = Recorder(pipeline.database, "early"), Recorder(pipeline.database, "late")
        work(
            pipeline, "insert into people values (1, 'v1'), (2, 'phantom'), (3, 'x')", "delete from people where id = 3"
        )
        early.record(first)
        work(pipeline, "update people set v = 'v2' where id = 1", "delete from people where id = 2")
        work(
            pipeline, "alter table people add more text", "insert into people values (3, 'back', 'more'), (4, 'y', 'z')"
        )
        late.record(again)
        summaries = []
        targets = []
        for path in (first, again, first):
            summaries.append(replay(pipeline, path, "--stream", "one").summary)
            targets.append(pipeline.target_rows("people"))
        source = pipeline.source_rows("people")
        with duckdb.connect(str(pipeline.warehouse_path)) as connection:
            connection.execute("alter table public.people add column hand_made text default 'kept'")
        work(pipeline, "insert into people values (5, 'later')")
        late.record(again)
        altered = pipeline.run("replay", str(again), "--stream", "one")
        with duckdb.connect(str(pipeline.warehouse_path)) as connection:
            hand_made = connection.execute("select distinct hand_made from public.people").fetchall()
        yield Repeated(source, targets[1], targets[2], tuple(summaries), altered, hand_made)


def test_b07_updates_and_deletes_behind_rows_that_are_sent_again_count(repeated: Repeated) -> None:
    """INSERT v1 sent again with UPDATE v2 became one insert, which was thrown away; INSERT, DELETE became nothing."""
    assert repeated.summaries[1]["skipped"] == repeated.summaries[0]["transactions"] == 2
    assert repeated.sent_again == repeated.source == Counter([(1, "v2", None), (3, "back", "more"), (4, "y", "z")])


def test_b15_a_file_that_is_replayed_after_newer_data_reverts_nothing(repeated: Repeated) -> None:
    """A file that two tasks had both left to the other was replayed at the next start: rows reverted and came back."""
    assert repeated.summaries[2]["changes"] == 0
    assert repeated.stale == repeated.source


@nightly("by day b17")
def test_b16_lines_from_before_an_added_column_do_not_drop_it(repeated: Repeated) -> None:
    """A replay from before an ADD COLUMN dropped the target's column with its data, and added it again, empty."""
    assert (3, "back", "more") in repeated.stale


def test_b17_a_column_that_somebody_added_to_the_target_is_not_dropped(repeated: Repeated) -> None:
    """Columns that the source has not were dropped from the target at the first row."""
    assert_refused(repeated.altered, 5, "public.people")
    assert repeated.hand_made == [("kept",)]


def test_b10_columns_that_were_dropped_and_added_again_are_never_mixed_up(pipeline: Pipeline, tmp_path: Path) -> None:
    """Columns were paired by position: after a drop and a new one of that name values stood under the wrong header."""
    work(pipeline, "create table t (id int primary key, a text, b text)")
    recorder = Recorder(pipeline.database)
    work(
        pipeline, "insert into t values (1, 'old a', 'b')", "alter table t drop a, add a text", "update t set b = 'b2'"
    )
    recorder.record(tmp_path / "data.txt")
    stopped = pipeline.run("replay", str(tmp_path / "data.txt"))
    assert_refused(stopped, 5, "public.t: the order of its columns was changed", remedy="--schema")
    assert not list(pipeline.journal_path.glob("batches/*"))


# ---------------------------------------------------------------------- loads that fail


def test_b06_a_table_that_cannot_be_loaded_holds_back_its_batch_and_loses_no_other_tables(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """A task that panicked dropped its references, and another table's task deleted the file as its last holder."""
    work(pipeline, PAIR)
    recorder = Recorder(pipeline.database)
    work(pipeline, "insert into a values (1, 'x')", "insert into b values (1, 'x')", "update a set v = 'y'")
    data = recorder.record(tmp_path / "data.txt")
    with duckdb.connect(str(pipeline.warehouse_path)) as connection:
        connection.execute("create schema public; create table public.b as select 7 as id, 'not ours' as v")
    assert_refused(pipeline.run("replay", str(tmp_path / "data.txt")), 5, "public.b")
    assert (tmp_path / "data.txt").read_bytes() == data
    with duckdb.connect(str(pipeline.warehouse_path)) as connection:
        connection.execute("drop table public.b")
    replay(pipeline, tmp_path / "data.txt")
    pipeline.assert_equal("a", "b")


def test_b25_an_added_column_whose_reply_was_lost_is_added_once(pipeline: Pipeline, tmp_path: Path) -> None:
    """A lost reply to ADD COLUMN made every attempt after it fail."""
    work(pipeline, "create table t (id int primary key)")
    recorder = Recorder(pipeline.database)
    work(pipeline, "insert into t values (1)", "alter table t add v text", "insert into t values (2, 'x')")
    recorder.record(tmp_path / "data.txt")
    faults = {"RE_DMS_FAILPOINTS": "apply.committed:kill", "RE_DMS_FAILPOINT_ONCE": str(tmp_path)}
    finished = pipeline.run("replay", str(tmp_path / "data.txt"), environment=faults)
    assert finished.code == 0, finished.log
    assert (tmp_path / "apply.committed").exists()
    pipeline.assert_equal("t")
