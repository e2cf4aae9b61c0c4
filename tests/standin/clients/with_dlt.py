"""dlt's Redshift destination: pipelines that append, replace and merge."""

from __future__ import annotations

import importlib
import os
import re
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from standin.clients.steps import BUCKET, DATABASE, HOST, PASSWORD, PORT, USER, Steps

_WORK = tempfile.mkdtemp()
# Before it is imported: nothing is sent anywhere, nothing is kept in the home directory.
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DLT_DATA_DIR": _WORK,
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "LOAD__RAISE_ON_MAX_RETRIES": "1",
}
dlt = importlib.import_module("dlt")
psycopg2 = importlib.import_module("psycopg2")

_ROW: dict[str, Any] = {
    "id": 1,
    "share": 1.5,
    "ok": True,
    "name": "Ärger, 'quoted' \\ \"twice\"\n",
    "day": date(2020, 2, 29),
    "made": datetime(2020, 2, 29, 12, 0, 1, 500_000, tzinfo=UTC),
    "amount": Decimal("12.345"),
    "raw": b"\x00\xff",
    "doc": {"a": [1, "x"], "b": None},
    "parts": [{"n": 1, "text": "one"}, {"n": 2, "text": "two"}],
}
ROWS = [_ROW, _ROW | {"id": 2, "name": "", "parts": []}, {"id": 3}]


def connect() -> Any:
    return psycopg2.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, dbname=DATABASE)


def select(sql: str) -> list[tuple[Any, ...]]:
    connection = connect()
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())
    finally:
        connection.close()


def pipeline(name: str, **options: Any) -> Any:
    destination = dlt.destinations.redshift(
        credentials=f"postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{DATABASE}", **options.pop("destination", {})
    )
    return dlt.pipeline(pipeline_name=name, destination=destination, dataset_name=name, pipelines_dir=_WORK, **options)


def resource(rows: list[dict[str, Any]], **hints: Any) -> Any:
    return dlt.resource(rows, name="items", primary_key="id", columns={"doc": {"data_type": "json"}}, **hints)


def load(made: Any, rows: list[dict[str, Any]], **hints: Any) -> None:
    made.run(resource(rows, **hints)).raise_on_failed_jobs()


def main() -> None:
    steps = Steps()
    made = pipeline("plain")
    steps.works("a pipeline of mixed types", lambda: load(made, ROWS, write_disposition="append"))
    columns = "id, share, ok, name, day, amount, json_serialize(doc)"
    steps.reads("what it loaded", [
        (1, 1.5, True, _ROW["name"], _ROW["day"], _ROW["amount"], '{"a":[1,"x"],"b":null}'),
        (2, 1.5, True, "", _ROW["day"], _ROW["amount"], '{"a":[1,"x"],"b":null}'),
        (3, None, None, None, None, None, None),
    ], lambda: select(f"select {columns} from plain.items order by id"))  # fmt: skip
    steps.reads(
        "its nested table",
        [(1, "one"), (2, "two")],
        lambda: select("select n, text from plain.items__parts order by n"),
    )
    steps.works(
        "it appends, with a new column", lambda: load(made, [{"id": 4, "extra": "new"}], write_disposition="append")
    )
    steps.reads(
        "rows with the new column",
        [(4, "new")],
        lambda: select("select id, extra from plain.items where extra = 'new'"),
    )
    steps.refused("it merges into a table that only appended", "must have a non-null default expression", lambda: load(
        made, [_ROW], write_disposition="merge"))  # fmt: skip
    made = pipeline("merged")
    steps.works("it merges", lambda: load(made, ROWS, write_disposition="merge"))
    steps.works("it merges again", lambda: load(made, [ROWS[1], {"id": 4}], write_disposition="merge"))
    steps.reads("rows after merging", [(4, 4)], lambda: select("select count(*), max(id) from merged.items"))
    steps.reads("its nested rows", [(2,)], lambda: select("select count(*) from merged.items__parts"))
    made = pipeline("replaced")
    for times in ("first", "second"):
        steps.works(f"it replaces, the {times} time", lambda: load(made, ROWS, write_disposition="replace"))
    steps.reads("rows after replacing", [(3,)], lambda: select("select count(*) from replaced.items"))
    # TRUNCATE and then INSERT in one block, as if that were one transaction.
    steps.refused("it replaces by insert-from-staging", "after TRUNCATE has committed it", lambda: load(
        pipeline("swapped", destination={"replace_strategy": "insert-from-staging"}), ROWS, write_disposition="replace"))  # fmt: skip
    staged(steps)
    steps.end()


def staged(steps: Steps) -> None:
    """Through S3: its COPY is of JSON or Parquet, never of CSV."""
    # Its own tables always go as JSON; which file is refused first is a matter of chance.
    for form in ("jsonl", "parquet"):
        staging = dlt.destinations.filesystem(bucket_url=f"s3://{BUCKET}/dlt", credentials={
            "aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1",
            "endpoint_url": os.environ["AWS_ENDPOINT_URL"]})  # fmt: skip
        run = partial(pipeline(f"staged_{form}", staging=staging).run, loader_file_format=form)
        refusal = re.compile(r"COPY with (JSON|PARQUET): not in the stand-in yet")
        steps.refused(f"a pipeline staged as {form}", refusal, partial(run, resource([{"id": 1, "name": "x"}])))


if __name__ == "__main__":
    main()
