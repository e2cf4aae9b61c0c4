"""Values made by a real Postgres, as the journal writes them, and the way of a data file into a target on the stand-in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from re_dms.journal.csv import new_null_token, write_csv
from re_dms.journal.dialect import encode, odd_counts
from re_dms.manifest import DataFile
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation
from re_dms.warehouse.redshift.adapt import Adapted, adapt, needs
from re_dms.warehouse.redshift.policies import Policies
from re_dms.warehouse.redshift.types import redshift_type, stage_type, value
from redshift.sources import Source
from standin.fix_standin import AUTHORIZATION, Clients

WORDS = "batch 7, LSN 0/16B2D80 to 0/16B3000"
INT4 = PgType(oid=23, typmod=-1, name="integer", kind=Kind.INT4)
Rows = Sequence[Sequence[str]]


def made(source: Source, columns: Mapping[str, str], rows: Rows, *, key: str = "") -> tuple[Relation, pl.DataFrame]:
    """A table `kinds.t` of these columns (name to type) and rows of SQL expressions: its relation, and `I` rows of it.

    It takes the place of the one that was made before.
    """
    source.run("drop table if exists kinds.t")
    relation = source.table("t", columns, key=key)
    for row in rows:
        source.run(f"insert into kinds.t values ({', '.join(row)})")
    listed = ", ".join(
        f"case when {name} is distinct from null then concat({name}) end"
        for name in (f'"{column.name}"' for column in relation.columns)
    )
    found = source.capture.execute(f"select {listed} from kinds.t".encode()).fetchall()
    schema = {f"c{column.attnum}": pl.String for column in relation.columns}
    frame = pl.DataFrame(found, schema=schema, orient="row").select(pl.lit("I").alias("op"), pl.all())
    return relation, encode(frame, relation)


def data_file(frame: pl.DataFrame, relation: Relation) -> DataFile:
    """What the manifest says of a file of these rows."""
    _, stats = write_csv(frame, null=new_null_token(), compression="zstd")
    return stats.data_file(key="data/1", odd=odd_counts(frame, relation))


def loaded(clients: Clients, frame: pl.DataFrame, relation: Relation, odd: frozenset[int] = frozenset()) -> list[Any]:
    """The rows' values in a target on the stand-in, as it prints them: by COPY into a staging table, and from there."""
    client, schema, null = clients.psycopg(), clients.schema(), new_null_token()
    columns = [column for column in relation.columns if f"c{column.attnum}" in frame.columns]
    staged = ", ".join(f"c{each.attnum} {stage_type(each.type, odd=each.attnum in odd)}" for each in columns)
    client.execute(f"create table {schema}.staged (op character varying(1), {staged})".encode())
    defined = ", ".join(f"c{each.attnum} {redshift_type(each.type)}" for each in columns)
    client.execute(f"create table {schema}.target ({defined})".encode())
    data, _ = write_csv(frame, null=null, compression="zstd")
    url = clients.put(f"{schema}/data.csv.zst", data)
    manifest = clients.put(f"{schema}/manifest", json.dumps({"entries": [{"url": url, "mandatory": True}]}).encode())
    client.execute(
        f"copy {schema}.staged from '{manifest}' {AUTHORIZATION} manifest format as csv null as '{null}' "
        "timeformat 'auto' dateformat 'auto' zstd compupdate off statupdate off".encode()
    )
    values = ", ".join(value(each.type, f"c{each.attnum}", odd=each.attnum in odd) for each in columns)
    client.execute(f"insert into {schema}.target select {values} from {schema}.staged".encode())
    return printed(clients, f"select * from {schema}.target")


def printed(clients: Clients, query: str) -> list[tuple[str | None, ...]]:
    """The rows of a query, every value as the server printed it."""
    result = clients.psycopg().execute(query.encode()).pgresult
    assert result is not None
    cells = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
    return [tuple(None if cell is None else bytes(cell).decode() for cell in row) for row in cells]


def adapted(frame: pl.DataFrame, relation: Relation, *lines: str) -> Adapted:
    odd = needs(relation, data_file(frame, relation))
    return adapt(frame, relation, odd, Policies.parse(lines), batch_words=WORDS)


def rows_of(pg: PgType, values: list[str | None], key: Sequence[int] = (1,)) -> tuple[Relation, pl.DataFrame]:
    columns = (Column(attnum=1, name="id", type=INT4), Column(attnum=2, name="v", type=pg))
    relation = Relation(
        oid=1, schema="s", name="t", identity="d", key_kind=KeyKind.KEYED, key=tuple(key), columns=columns
    )
    frame = pl.DataFrame({"op": ["I"] * len(values), "c1": [str(n) for n in range(len(values))], "c2": values})
    return relation, frame
