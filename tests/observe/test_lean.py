"""What a process of the pipeline does without."""

from __future__ import annotations

import subprocess
import sys

import pytest


def modules(*imports: str) -> set[str]:
    """The modules that a new process has after these imports, in their order."""
    program = "; ".join([*(f"import {name}" for name in imports), "import sys", "print(*sys.modules)"])
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


@pytest.mark.parametrize("role", ["reader", "apply"])
def test_a_child_has_no_tables_for_people_and_no_columns_before_it_needs_them(role: str) -> None:
    found = modules("re_dms.pipeline.child", f"re_dms.pipeline.{role}")
    assert "structlog" in found
    assert not found & {"rich.console", "pygments", "polars", "pyarrow", "duckdb"}


def test_the_encoder_has_no_warehouse() -> None:
    found = modules("re_dms.pipeline.child", "re_dms.pipeline.encoder")
    assert "polars" in found
    assert not found & {"rich.console", "pygments", "duckdb", "redshift_connector", "boto3", "obstore"}


def test_the_supervisor_has_neither_columns_nor_warehouses() -> None:
    found = modules("re_dms.cli.run", "re_dms.service.supervisor", "re_dms.service")
    assert not found & {"polars", "pyarrow", "numpy", "duckdb", "obstore"}


def test_who_prints_tables_still_has_them() -> None:
    assert "rich.console" in modules("re_dms.observe.lean", "structlog", "re_dms.observe.status_table")
