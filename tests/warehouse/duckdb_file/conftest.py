"""Here the bench is always the DuckDB file."""

import pytest

from warehouse.building import DuckDBBench


@pytest.fixture(name="bench")
def bench_fixture(duckdb_bench: DuckDBBench) -> DuckDBBench:
    return duckdb_bench
