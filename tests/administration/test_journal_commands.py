"""`re-dms journal`: over a journal that a real pipeline wrote, in a directory; RE_DMS_NIGHTLY=1 also in a bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from fix_pipeline import Finished, Pipeline
from fix_s3 import S3
from nightly import NIGHTLY


@pytest.fixture(params=["file", "s3"][: 2 if NIGHTLY else 1])
def written(request: pytest.FixtureRequest, pipeline: Pipeline) -> Pipeline:
    """Three batches at least: a copy and two of the stream; all but the last are applied."""
    if request.param == "s3":
        s3: S3 = request.getfixturevalue("s3")
        pipeline.journal_url, pipeline.environment = f"s3://{s3.new_bucket()}/j", s3.environment
    database = pipeline.database
    database.execute("create table t (id int primary key, a text); insert into t values (1, 'copied')")
    pipeline.catch_up()
    database.execute("insert into t values (2, 'streamed'); update t set a = 'changed' where id = 1")
    pipeline.catch_up()
    database.execute("delete from t where id = 2; truncate t; insert into t values (3, 'waits')")
    assert pipeline.run("capture", "--until-caught-up").code == 0
    return pipeline


def journal(pipeline: Pipeline, *words: str) -> Finished:
    return pipeline.run("journal", *words)


def listed(pipeline: Pipeline) -> list[Mapping[str, Any]]:
    finished = journal(pipeline, "ls", "--json")
    assert finished.code == 0, finished.log
    return [json.loads(line) for line in finished.out.splitlines()]


def test_batches_are_listed_shown_and_pruned(written: Pipeline) -> None:
    batches = listed(written)
    assert [batch["number"] for batch in batches] == list(range(batches[0]["number"], batches[-1]["number"] + 1))
    last = batches[-1]
    assert last["kind"] == "stream"
    assert last["tables"] == 1
    assert last["transactions"] >= 1
    table = journal(written, "ls", "--last", "1")
    assert len(table.out.splitlines()) == 2
    assert str(last["end"]) in table.out

    shown = journal(written, "show", str(last["number"]), "--verify", "--json")
    assert shown.code == 0, shown.log
    (found,) = json.loads(shown.out)["by_table"]
    assert found["table"] == "public.t"
    assert found["counts"] == {"inserts": 1, "deletes": 1, "truncates": 1}
    assert {file["state"] for step in found["steps"] for file in step["files"]} == {"whole"}
    people = journal(written, "show", str(last["number"]))
    assert "public.t" in people.out
    assert "'waits'" not in people.out

    dry = json.loads(journal(written, "prune", "--dry-run", "--json").out)
    assert listed(written) == batches
    pruned = json.loads(journal(written, "prune", "--json").out)
    assert (pruned["objects"], pruned["bytes"]) == (dry["objects"], dry["bytes"])
    # The warehouse's batch and what it has not got stay; the rest is gone, and nothing was needed.
    assert [batch["number"] for batch in listed(written)] == list(range(pruned["applied"], last["number"] + 1))
    written.catch_up()
    written.assert_equal("t")
    assert json.loads(journal(written, "prune", "--json").out)["applied"] >= last["number"]
    assert all(batch["number"] >= last["number"] for batch in listed(written))


def test_what_is_not_there_is_said(pipeline: Pipeline) -> None:
    nothing = journal(pipeline, "ls")
    assert (nothing.code, nothing.out) == (4, "")
    assert "there is no journal" in nothing.log
    pipeline.database.execute("create table t (id int primary key)")
    pipeline.catch_up()
    missing = journal(pipeline, "show", "99")
    assert missing.code == 4
    assert "batch 99 is not in the journal; 1 to 1 are there" in missing.log


def test_a_damaged_file_is_found(pipeline: Pipeline) -> None:
    pipeline.database.execute("create table t (id int primary key); insert into t values (1)")
    pipeline.catch_up()
    (path,) = (pipeline.journal_path / "data").rglob("*.csv.zst")
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    found = journal(pipeline, "show", "1", "--verify")
    assert found.code == 6
    assert "was altered" in found.out
