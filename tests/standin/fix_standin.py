"""One stand-in a worker, over moto's S3, and clients of it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fix_s3 import CREDENTIALS, REGION, S3
from redshift_standin import Server
from redshift_standin.verify.clients import Client, ConnectorClient, PsycopgClient
from redshift_standin.verify.run import Runner

ROLE = "arn:aws:iam::123456789012:role/loader"
AUTHORIZATION = f"iam_role '{ROLE}'"
_numbers = itertools.count(1)


@dataclass
class Clients:
    """Clients of one stand-in, and a bucket that COPY reads."""

    server: Server
    writer: Any  # boto3's client: making one takes longer than most tests
    bucket: str
    runners: dict[str, Runner] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def connect(self, driver: str = "psycopg", **arguments: Any) -> Client:
        """A client that ends with the test."""
        client = self._client(driver, **arguments)
        self.stack.callback(client.close)
        return client

    def _client(self, driver: str, **arguments: Any) -> Client:
        if driver == "psycopg":
            return PsycopgClient(self.server.dsn, **arguments)
        return ConnectorClient(**self.server.arguments | arguments)

    def psycopg(self, **arguments: Any) -> psycopg.Connection[Any]:
        """A plain connection, autocommitting unless told otherwise."""
        settings = {"autocommit": True, "prepare_threshold": None, **arguments}
        return self.stack.enter_context(psycopg.connect(self.server.dsn, **settings))

    def put(self, key: str, body: bytes) -> str:
        """Write an object; its URL."""
        self.writer.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def runner(self, driver: str) -> Runner:
        """One a driver and worker, which keeps its connection."""
        if driver not in self.runners:
            self.runners[driver] = self._runner(driver)
        return self.runners[driver]

    def _runner(self, driver: str) -> Runner:
        return Runner(
            lambda: self._client(driver), url=f"s3://{self.bucket}", authorization=AUTHORIZATION, put=self.put
        )

    def schema(self) -> str:
        """A new schema of the test's own."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            connection.execute(f"create schema {name}")
        return name


@pytest.fixture(scope="session")
def standin(s3: S3, pg_bin: Path | None) -> Iterator[Server]:
    """A stand-in that the tests of a worker share; leave its users and faults as they were."""
    was = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    try:
        with Server(s3_endpoint=s3.endpoint, region=REGION, pg_bin=pg_bin, log=True) as server:
            yield server
    finally:
        for name, value in was.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def _bucket(s3: S3) -> str:
    return s3.new_bucket()


@pytest.fixture(scope="session")
def _writer(s3: S3) -> Any:
    return s3.client()


@pytest.fixture(scope="session")
def _runners(standin: Server) -> Iterator[dict[str, Runner]]:
    found: dict[str, Runner] = {}
    yield found
    for runner in found.values():
        runner.close()


@pytest.fixture
def clients(standin: Server, _writer: Any, _bucket: str, _runners: dict[str, Runner]) -> Iterator[Clients]:
    """Clients of the shared stand-in; what the test leaves open is closed."""
    found = Clients(standin, _writer, _bucket, _runners)
    with found.stack:
        yield found


@pytest.fixture
def standin_factory(s3: S3, pg_bin: Path | None) -> Iterator[Callable[..., Server]]:
    """Stand-ins of the test's own."""
    with ExitStack() as stack:

        def start(**options: Any) -> Server:
            return stack.enter_context(Server(s3_endpoint=s3.endpoint, region=REGION, pg_bin=pg_bin, **options))

        yield start
