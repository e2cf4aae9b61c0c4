"""`bench standin_copy`: how fast the stand-in's COPY is: its own speed should not hide a loader's.

One gzip CSV of ten mixed columns (three quoted texts, two integers, two decimals, a timestamp, a date, a boolean) on an
S3 server in this process (moto's), so the figure also pays for that server.
"""

from __future__ import annotations

import gzip
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import redshift_connector
from moto.server import ThreadedMotoServer

from bench.machine import facts
from redshift_standin import Server
from redshift_standin.copy.load import S3Source, TargetColumn, load
from redshift_standin.names import TableName
from redshift_standin.sql.statements import Authorization, Copy
from redshift_standin.types import RsType

ROWS = 1_000_000
_BUCKET = "bench"
_KEYS = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench"}
_TEXT = RsType("character varying", length=100)
COLUMNS = (
    TargetColumn(name="id", type=RsType("bigint"), not_null=True),
    TargetColumn(name="small", type=RsType("integer")),
    TargetColumn(name="amount", type=RsType("numeric", precision=18, scale=4)),
    TargetColumn(name="price", type=RsType("numeric", precision=10, scale=2)),
    TargetColumn(name="name", type=_TEXT),
    TargetColumn(name="city", type=_TEXT),
    TargetColumn(name="note", type=_TEXT),
    TargetColumn(name="made", type=RsType("timestamp without time zone")),
    TargetColumn(name="day", type=RsType("date")),
    TargetColumn(name="active", type=RsType("boolean")),
)


def content(rows: int) -> bytes:
    """The file, not compressed: a NULL here and there, and texts with delimiters, quotes and line feeds."""
    number = pl.int_range(rows)
    frame = pl.select(
        id=number,
        small=pl.when(number % 50 > 0).then(number * 7919 % 100_000),
        amount=(number * 104_729 % 10_000_000_000).cast(pl.String) + "." + (number % 9000 + 1000).cast(pl.String),
        price=(number % 90_000).cast(pl.String) + "." + (number % 90 + 10).cast(pl.String),
        name=pl.lit('"Customer ') + number.cast(pl.String) + '"',
        city=pl.when(number % 20 > 0).then(pl.lit('"München, Ost"')),
        note=pl.when(number % 10 > 0)
        .then(pl.lit('"a note of some length about ') + (number % 977).cast(pl.String) + '"')
        .otherwise(pl.lit('"said ""yes"",\nthen left"')),
        made=(pl.datetime(2024, 1, 1) + pl.duration(microseconds=number * 86_399_123)).dt.strftime(
            "%Y-%m-%d %H:%M:%S%.6f"
        ),
        day=(pl.date(2020, 1, 1) + pl.duration(days=number % 1500)).cast(pl.String),
        active=pl.when(number % 3 > 0).then(pl.lit("t")).otherwise(pl.lit("f")),
    )
    text: str = frame.write_csv(include_header=False, quote_style="never", null_value="nil")
    return text.encode()


@contextmanager
def server() -> Iterator[str]:
    """The endpoint of an S3 server with an empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        client(endpoint).create_bucket(Bucket=_BUCKET)
        yield endpoint
    finally:
        running.stop()


def client(endpoint: str) -> Any:
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **_KEYS)


def measure(rows: int = ROWS, pg_bin: Path | None = None) -> dict[str, Any]:
    """COPY through the stand-in as a client runs it, and what its reader does alone (S3, decompression, judging)."""
    text = content(rows)
    with server() as endpoint:
        client(endpoint).put_object(Bucket=_BUCKET, Key="part", Body=gzip.compress(text, 6))
        alone, backend_bytes = _reader_alone(endpoint)
        with Server(s3_endpoint=endpoint, pg_bin=pg_bin) as standin:
            whole = _copied(standin, rows)
            facts_of_machine = facts(standin.postgres)
    return {
        "bench": "standin_copy",
        "rows": rows,
        "columns": len(COLUMNS),
        "file_mb": round(len(text) / 1_000_000, 1),
        "backend_mb": round(backend_bytes / 1_000_000, 1),
        "rows_per_second": round(rows / whole),
        "rows_per_second_reader_alone": round(rows / alone),
        **facts_of_machine,
    }


def _copied(standin: Server, rows: int) -> float:
    """Seconds of one COPY; the rows are counted."""
    columns = ", ".join(f'"{each.name}" {each.type}' for each in COLUMNS)
    with redshift_connector.connect(**standin.arguments) as connection, connection.cursor() as cursor:
        cursor.execute(f"create table t ({columns})")
        connection.commit()
        began = time.perf_counter()
        cursor.execute(
            f"copy t from 's3://{_BUCKET}/part' access_key_id 'bench' secret_access_key 'bench' csv gzip null as 'nil'"
        )
        connection.commit()
        seconds = time.perf_counter() - began
        cursor.execute("select count(*) from t")
        if cursor.fetchall() != ([rows],):
            raise RuntimeError("the load has not the rows of the file")
    return seconds


def _reader_alone(endpoint: str) -> tuple[float, int]:
    """Seconds of the reader into nothing, and the bytes that it would have sent to the backend."""
    command = Copy(
        table=TableName(None, "t"),
        columns=None,
        url=f"s3://{_BUCKET}/part",
        authorization=Authorization(role="default"),
        csv=True,
        delimiter=",",
        compression="gzip",
        null_as="nil",
    )
    source = S3Source(endpoint_url=endpoint, own_keys=("bench", "bench"))
    sizes: list[int] = []
    began = time.perf_counter()
    load(command, COLUMNS, source, lambda data: sizes.append(len(data)), evaluate=lambda sql: sql)
    return time.perf_counter() - began, sum(sizes)
