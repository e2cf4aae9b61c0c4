"""What pg_recvlogical wrote arrives: once, whole, and told where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fix_pipeline import Pipeline
from nightly import nightly
from replay.rig import Recorder, replay

SHOP = """
    create table orders (id int primary key, customer text, amount numeric(12,2), big text);
    alter table orders alter big set storage external;
    create table parts (id int, k int, v text, primary key (id, k)) partition by list (k);
    create table parts_1 partition of parts for values in (1);
    create table parts_2 partition of parts for values in (2);
    create table "We""ird: T" (id int primary key, "a [b]" text, flag boolean, bits bit(3));
"""


@pytest.fixture
def recorder(pipeline: Pipeline) -> Recorder:
    pipeline.database.execute(SHOP)
    return Recorder(pipeline.database)


TABLES = ("orders", "parts", '"We""ird: T"')


def some_work(pipeline: Pipeline) -> None:
    execute = pipeline.database.execute
    execute("insert into orders select g, 'it''s ' || g, g * 1.5, repeat('x', 3000) from generate_series(1, 50) g")
    execute(
        "update orders set customer = E'line\\nCOMMIT 12\\n' where id < 10; update orders set id = id + 100 where id < 5"
    )
    execute("delete from orders where id % 7 = 0; insert into parts values (1, 1, 'a'), (2, 2, 'b'), (3, 1, null)")
    execute(
        "update parts set k = 3 - k; insert into \"We\"\"ird: T\" values (1, 'x', true, B'101'), (2, null, false, null)"
    )


def test_a_file_arrives_and_arrives_once(pipeline: Pipeline, recorder: Recorder, tmp_path: Path) -> None:
    some_work(pipeline)
    recorder.record(tmp_path / "data.txt")
    first = replay(pipeline, tmp_path / "data.txt")
    pipeline.assert_equal(*TABLES)
    again = replay(pipeline, tmp_path / "data.txt")
    pipeline.assert_equal(*TABLES)
    assert first.summary["skipped"] == 0
    assert again.summary["changes"] == 0
    assert again.summary["skipped"] == first.summary["transactions"] > 0


def test_what_came_since_is_taken_from_the_longer_file(pipeline: Pipeline, recorder: Recorder, tmp_path: Path) -> None:
    some_work(pipeline)
    recorder.record(tmp_path / "data.txt")
    replay(pipeline, tmp_path / "data.txt")
    pipeline.database.execute("truncate parts; insert into parts values (9, 2, 'late'); update orders set amount = 1")
    recorder.record(tmp_path / "data.txt")
    second = replay(pipeline, tmp_path / "data.txt")
    pipeline.assert_equal(*TABLES)
    assert second.summary["transactions"] == 1


@nightly("by day test_what_came_since, and the inputs beside it")
def test_a_file_under_another_name_is_known_again(pipeline: Pipeline, recorder: Recorder, tmp_path: Path) -> None:
    some_work(pipeline)
    recorder.record(tmp_path / "data.txt")
    first = replay(pipeline, tmp_path / "data.txt")
    pipeline.database.execute("update orders set amount = 99")
    (tmp_path / "data.txt").rename(tmp_path / "renamed.txt")
    recorder.record(tmp_path / "later.txt")
    replay(pipeline, tmp_path / "later.txt")
    again = replay(pipeline, tmp_path / "renamed.txt")
    pipeline.assert_equal(*TABLES)
    assert (again.summary["changes"], again.summary["skipped"]) == (0, first.summary["transactions"])


def test_a_table_that_nothing_names_is_refused_before_it_is_in_the_journal(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    some_work(pipeline)
    pipeline.database.execute("create table n (a int); insert into n values (1)")
    recorder.record(tmp_path / "data.txt")
    replay(pipeline, tmp_path / "data.txt")
    pipeline.database.execute("update n set a = 2; update orders set amount = 7")
    recorder.record(tmp_path / "data.txt")
    refused = replay(pipeline, tmp_path / "data.txt", code=5)
    assert "table public.n cannot be followed" in refused.log
    left_out = replay(pipeline, tmp_path / "data.txt", "--exclude", "public.n", code=2)
    assert "table public.n has rows in the stream, is carried, and is left out now" in left_out.log
    replay(pipeline, tmp_path / "data.txt", "--exclude", "public.n", "--forget")
    pipeline.assert_equal(*TABLES)
    assert sum(pipeline.target_rows("n").values()) == 1


def test_the_journal_of_replays_is_shown_reset_and_dropped_without_a_source(
    pipeline: Pipeline, recorder: Recorder, tmp_path: Path
) -> None:
    some_work(pipeline)
    recorder.record(tmp_path / "data.txt")
    replay(pipeline, tmp_path / "data.txt")
    status = pipeline.run("status")
    assert (status.code, "problem" in status.out) == (0, False)
    assert pipeline.run("reset", "--table", "public.orders", "--yes").code == 2
    assert pipeline.run("reset", "--yes").code == 0
    assert sum(pipeline.target_rows("orders").values()) == 0
    replay(pipeline, tmp_path / "data.txt")
    pipeline.assert_equal(*TABLES)
    dropped = pipeline.run("drop", "--yes")
    assert (dropped.code, "replays fill the journal" in dropped.out) == (0, True)
