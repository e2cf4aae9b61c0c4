"""A replay into Redshift (the stand-in), its batches folded in groups: what DuckDB gets, Redshift gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fix_postgres import Database
from fix_s3 import S3
from nightly import nightly
from redshift.pipelines import RedshiftPipeline, redshift_pipeline
from replay.rig import Recorder, replay


@pytest.fixture
def pipeline(database: Database, redshift_backend: str, s3: S3, tmp_path: Path) -> Iterator[RedshiftPipeline]:
    environment = {"RE_DMS_CAPTURE__FLUSH_SECONDS": "0.05"}
    with redshift_pipeline(database, redshift_backend, s3, tmp_path, environment=environment) as made:
        yield made


@nightly("by day into DuckDB; how batches load into Redshift is tested beside it")
def test_a_file_arrives_in_redshift_once(pipeline: RedshiftPipeline, tmp_path: Path) -> None:
    execute = pipeline.database.execute
    execute(
        "create table orders (id int primary key, note text, big text); alter table orders alter big set storage external"
    )
    execute("create table keys (a text, b int, v int, primary key (a, b))")
    recorder = Recorder(pipeline.database)
    for start in range(0, 3000, 500):
        execute(
            f"insert into orders select g, 'it''s ' || g, repeat('x', 2500) from generate_series({start}, {start} + 499) g"
        )
        execute(f"insert into keys select 'k' || g % 7, g, g from generate_series({start}, {start} + 99) g")
        execute(
            f"update orders set note = 'changed' where id % 5 = 0; update orders set id = -id where id = {start} + 3"
        )
        execute("delete from orders where id % 11 = 0; update keys set v = v + 1")
    execute("alter table keys add column w text; update keys set w = 'w' where b < 50; truncate orders")
    execute("insert into orders values (1, null, '')")
    recorder.record(tmp_path / "data.txt")
    first = replay(pipeline, tmp_path / "data.txt", "--flush-mb", "1")
    pipeline.assert_equal("public.orders", "public.keys")
    again = replay(pipeline, tmp_path / "data.txt", "--flush-mb", "1")
    pipeline.assert_equal("public.orders", "public.keys")
    assert first.summary["batches"] > 1
    assert (again.summary["changes"], again.summary["skipped"]) == (0, first.summary["transactions"])
