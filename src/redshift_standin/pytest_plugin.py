"""Fixtures for pytest: `pytest_plugins = ["redshift_standin.pytest_plugin"]` in a conftest.py.

- `redshift`: a Server for the whole session, reading S3 where `redshift_options` says.
- `redshift_options`: override it to set up the server, e.g. `{"s3_endpoint": "http://127.0.0.1:5000"}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from redshift_standin.server import Server


@pytest.fixture(scope="session")
def redshift_options() -> dict[str, Any]:
    """Keyword arguments of Server."""
    return {}


@pytest.fixture(scope="session")
def redshift(redshift_options: dict[str, Any]) -> Iterator[Server]:
    """A stand-in for Redshift that all tests of this session share."""
    with Server(**redshift_options) as server:
        yield server
