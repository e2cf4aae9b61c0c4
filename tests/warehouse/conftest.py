"""The bench: an empty warehouse with a claimed journal."""

from pathlib import Path

import pytest

from warehouse.building import Bench, bench


@pytest.fixture(name="bench")
def bench_fixture(tmp_path: Path) -> Bench:
    return bench(tmp_path)
