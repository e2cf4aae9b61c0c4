"""The bench: an empty warehouse with a claimed journal, of every kind that has to keep the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightly import nightly
from warehouse.building import Bench, DuckDBBench, bench

KINDS = (
    "duckdb",
    "redshift-redshift_connector",
    pytest.param("redshift-psycopg", marks=nightly("by day through AWS's own driver")),
)


@pytest.fixture(name="duckdb_bench")
def duckdb_bench_fixture(tmp_path: Path) -> DuckDBBench:
    return bench(tmp_path)


@pytest.fixture(name="bench", params=KINDS)
def bench_fixture(request: pytest.FixtureRequest) -> Bench:
    kind, _, driver = request.param.partition("-")
    made: Bench = (
        request.getfixturevalue("duckdb_bench")
        if kind == "duckdb"
        else request.getfixturevalue("redshift_benches")(driver)
    )
    return made
