"""Whole pipelines into a stand-in behind a gate that can be shut: the real command, a real Postgres, moto's S3."""

from __future__ import annotations

import select
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from fix_pipeline import Pipeline
from fix_postgres import Database
from fix_s3 import REGION, S3
from redshift_standin import Server

_CHUNK: Final = 256 * 1024


class Gate:
    """A port that passes on to another one. Shut, it is as if nobody listened, and all connections are cut."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = self._listening(0)
        self.port: int = self._listener.getsockname()[1]

    def shut(self) -> None:
        """From now on connections are refused."""
        with self._lock:
            ends = [self._listener, *self._open]
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def reopen(self) -> None:
        """Listen again, on the same port."""
        self._listener = self._listening(self.port)

    def _listening(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # it is shut
            while True:
                client = listener.accept()[0]
                threading.Thread(target=self._pass_on, args=[client], daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._server) as server:
            with self._lock:
                self._open |= {client, server}
            try:
                while True:
                    for end in select.select([client, server], [], [])[0]:
                        data = end.recv(_CHUNK)
                        if not data:
                            return
                        (server if end is client else client).sendall(data)
            finally:
                with self._lock:
                    self._open -= {client, server}


@contextmanager
def redshift_pipeline(
    database: Database, backend: str, s3: S3, directory: Path, *, environment: Mapping[str, str]
) -> Iterator[RedshiftPipeline]:
    """A pipeline over a stand-in of its own, with a new bucket as journal; `environment` goes over its settings."""
    with Server(backend=backend, s3_endpoint=s3.endpoint, region=REGION) as server, gate_before(server) as gate:
        made = RedshiftPipeline(
            database=database,
            directory=directory,
            name=database.name,
            journal_url=f"s3://{s3.new_bucket()}/shop",
            server=server,
            gate=gate,
            environment={
                **s3.environment,
                "RE_DMS_WAREHOUSE__PASSWORD": server.password,
                "RE_DMS_WAREHOUSE__IAM_ROLE": "arn:aws:iam::123456789012:role/loader",
                **environment,
            },
        )
        yield made
        made.end()


@contextmanager
def gate_before(server: Server) -> Iterator[Gate]:
    """A gate that is open; shut at the end."""
    gate = Gate(server.host, server.port)
    try:
        yield gate
    finally:
        gate.shut()


@dataclass
class RedshiftPipeline(Pipeline):
    """A pipeline whose warehouse is the stand-in behind the gate; plain SQL reads both ends."""

    server: Server = field(kw_only=True)
    gate: Gate = field(kw_only=True)

    @property
    def warehouse(self) -> str:
        return f"redshift://{self.server.user}@127.0.0.1:{self.gate.port}/{self.server.options.database}"

    def target_rows(self, table: str) -> Counter[tuple[Any, ...]]:
        """All rows of the target table, past the gate."""
        with psycopg.connect(self.server.dsn, autocommit=True, prepare_threshold=None) as connection:
            return Counter(connection.execute(f"select * from {table}".encode()).fetchall())
