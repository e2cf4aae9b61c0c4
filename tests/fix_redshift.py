"""Stand-ins of Redshift with a warehouse of ours in them, over moto's S3: a new database for every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fix_s3 import REGION, S3
from localpg import LocalPostgres
from re_dms.journal.s3 import S3Store
from re_dms.journal.s3_session import Place
from re_dms.settings import JournalSettings
from redshift_standin import Server
from warehouse.building import RedshiftBench, redshift_bench

Benches = Callable[..., RedshiftBench]


@pytest.fixture(scope="session")
def redshift_backend(pg_bin: Path | None) -> Iterator[str]:
    """A Postgres that all stand-ins of a worker share; its DSN."""
    settings = {"fsync": "off", "max_connections": "400", "deadlock_timeout": "200ms"}
    with LocalPostgres(pg_bin=pg_bin, settings=settings) as server:
        yield server.dsn()


@pytest.fixture
def redshift_benches(redshift_backend: str, s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Benches]:
    """Make benches: each with a stand-in, a database and a bucket of its own. `server` are options of the stand-in."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:

        def make(
            driver: str = "redshift_connector", server: dict[str, Any] | None = None, **more: Any
        ) -> RedshiftBench:
            options = {"s3_endpoint": s3.endpoint, "region": REGION, **(server or {})}
            standin = stack.enter_context(Server(backend=redshift_backend, **options))
            url = f"s3://{s3.new_bucket()}/journal"
            store = S3Store(Place.of(JournalSettings(url=url, region=REGION)))
            bench = redshift_bench(standin, store, driver, **more)
            stack.callback(bench.warehouse.close)
            return bench

        yield make
