"""awswrangler.redshift: reads and writes tables from pandas frames."""

from __future__ import annotations

import importlib
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from standin.clients.steps import BUCKET, DATABASE, HOST, PASSWORD, PORT, ROLE, USER, Steps

pandas = importlib.import_module("pandas")
redshift_connector = importlib.import_module("redshift_connector")
wrangler = importlib.import_module("awswrangler").redshift

ROWS = [
    (
        1,
        1.5,
        True,
        'Ärger, "quoted"\n',
        date(2020, 2, 29),
        datetime.fromisoformat("2020-02-29T12:00:01"),
        Decimal("12.345"),
    ),
    (2, -0.25, False, "", date(1999, 12, 31), datetime.fromisoformat("1999-12-31T23:59:59"), Decimal("-0.001")),
    (3, None, None, None, None, None, None),
]
COLUMNS = ["id", "share", "ok", "name", "day", "made", "amount"]


def connect() -> Any:
    return redshift_connector.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, ssl=False)


def frame(rows: list[tuple[Any, ...]]) -> Any:
    made = pandas.DataFrame(rows, columns=COLUMNS)
    return made.astype({"id": "int64", "ok": "boolean", "name": "string"})


def select(connection: Any, sql: str) -> list[list[Any]]:
    cursor = connection.cursor()
    cursor.execute(sql)
    return [list(row) for row in cursor.fetchall()]


def main() -> None:
    steps = Steps()
    connection = connect()
    written = [list(row) for row in ROWS]
    options = {"con": connection, "schema": "public", "index": False, "varchar_lengths": {"name": 300}}

    steps.works("to_sql makes a table and inserts", lambda: wrangler.to_sql(frame(ROWS), table="t", **options))
    steps.reads("what to_sql wrote", written, lambda: select(connection, "select * from t order by id"))
    steps.works("to_sql with dist and sort keys", lambda: wrangler.to_sql(
        frame(ROWS), table="keyed", diststyle="KEY", distkey="id", sortstyle="COMPOUND", sortkey=["id", "day"],
        primary_keys=["id"], **options))  # fmt: skip
    steps.works("to_sql appends, by columns", lambda: wrangler.to_sql(
        frame([(4, *ROWS[0][1:])]), table="t", mode="append", use_column_names=True, chunksize=2, **options))  # fmt: skip
    steps.reads("rows after append", [[4]], lambda: select(connection, "select count(*) from t"))
    steps.works("to_sql upserts", lambda: wrangler.to_sql(
        frame([(4, *ROWS[1][1:]), (5, *ROWS[1][1:])]), table="t", mode="upsert", primary_keys=["id"], **options))  # fmt: skip
    steps.reads(
        "rows after upsert",
        [[4, False], [5, False]],
        lambda: select(connection, "select id, ok from t where id > 3 order by id"),
    )
    steps.works("to_sql upserts under LOCK", lambda: wrangler.to_sql(
        frame([(5, *ROWS[0][1:])]), table="t", mode="upsert", primary_keys=["id"], lock=True, **options))  # fmt: skip
    for method in ("drop", "truncate", "delete", "cascade"):
        steps.works(f"to_sql overwrites by {method}", partial(wrangler.to_sql,
            frame(ROWS), table="t", mode="overwrite", overwrite_method=method, **options))  # fmt: skip
    steps.reads("rows after overwrite", [[3]], lambda: select(connection, "select count(*) from t"))

    query = "select id, name from t order by id"
    steps.reads("read_sql_query", 3, lambda: len(wrangler.read_sql_query(query, con=connection)))
    steps.works("read_sql_table", lambda: wrangler.read_sql_table("t", con=connection, schema="public"))

    path = f"s3://{BUCKET}/parquet/"
    # Parquet is what its COPY is made of; Redshift has it.
    steps.refused("copy of a frame (Parquet)", "COPY with PARQUET: not in the stand-in yet", lambda: wrangler.copy(
        frame(ROWS), path=path, table="copied", iam_role=ROLE, **options))  # fmt: skip
    connection.rollback()
    steps.refused("unload", "UNLOAD: not in the stand-in yet", lambda: wrangler.unload(
        "select * from t", path=f"s3://{BUCKET}/unload/", con=connection, iam_role=ROLE))  # fmt: skip
    connection.rollback()
    csv(steps, connection)
    connection.close()
    steps.end()


def csv(steps: Steps, connection: Any) -> None:
    """copy_from_files of CSV that awswrangler's own S3 half wrote."""
    s3 = importlib.import_module("awswrangler").s3
    path = f"s3://{BUCKET}/csv/part.csv"
    columns = {"id": "BIGINT", "name": "VARCHAR(300)", "day": "DATE"}
    steps.works("s3.to_csv", lambda: s3.to_csv(frame(ROWS)[["id", "name", "day"]], path, index=False, header=False))
    steps.works("copy_from_files of CSV", lambda: wrangler.copy_from_files(
        path, con=connection, table="files", schema="public", iam_role=ROLE, data_format="csv", redshift_column_types=columns,
        manifest=False))  # fmt: skip
    loaded = [[1, ROWS[0][3], ROWS[0][4]], [2, "", ROWS[1][4]], [3, "", None]]
    steps.reads(
        "what copy_from_files loaded", loaded, lambda: select(connection, "select id, name, day from files order by id")
    )


if __name__ == "__main__":
    main()
