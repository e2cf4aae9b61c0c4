"""A real S3 API server (moto's, in this process), buckets on it, and a proxy in front of it that does harm."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, wraps
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import boto3
import botocore.session
import pytest
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

from re_dms.journal.s3 import S3Store
from re_dms.journal.s3_session import Place

REGION = "eu-central-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "canary-access-key",
    "AWS_SECRET_ACCESS_KEY": "canary-secret-key",
    "AWS_REGION": REGION,
    # Nothing of the machine's own set-up takes part, and nobody looks for an instance's metadata.
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
FAULTS = ("500", "503", "200 with an error", "cut body", "slow", "cut before", "cut after")
_ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>a fault of the tests</Message></Error>"
_SLOW_SECONDS = 0.3
_numbers = itertools.count(1)
# Every client reads the models of AWS's services anew, a quarter of a second: here once for all clients of a worker.
botocore.session.create_loader = cache(botocore.session.create_loader)


def _one_at_a_time(put: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """S3 looks whether an object exists and creates it in one step; moto's threads may both look first."""
    turn = threading.Lock()

    @wraps(put)
    def alone(response: Any) -> Any:
        with turn:
            return put(response)

    return alone


setattr(S3Response, "put_object", _one_at_a_time(S3Response.put_object))  # noqa: B010 - a method cannot be assigned to, says mypy


@dataclass(frozen=True)
class S3:
    """The server's address, and what a process needs to reach it."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        return CREDENTIALS | {"AWS_ENDPOINT_URL": self.endpoint}

    def client(self) -> Any:
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION, **_as_arguments())

    def new_bucket(self) -> str:
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name


def _as_arguments() -> dict[str, str]:
    return {
        "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """moto's S3 on a free port of the loopback interface."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3(endpoint=f"http://{host}:{port}")
    finally:
        server.stop()


@pytest.fixture
def aws(s3: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """This process reaches the server."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return s3


def s3_store(bucket: str, prefix: str = "journals/one", **others: Any) -> S3Store:
    """A store in the bucket that gives up soon."""
    return S3Store(Place(bucket=bucket, prefix=prefix, attempts_max=2, **others))


@dataclass(frozen=True)
class Reply:
    """What the proxy answers instead of the server."""

    status: int
    code: str = ""


Fault = str | float | Reply | None


@dataclass
class FaultProxy:
    """Stands before the server. `plan(method, path)` says what happens to a request: a name of FAULTS, a Reply, a
    number (seconds that it takes longer) or None. `done` counts what was done, "through" included."""

    endpoint: str
    port: int = 0
    plan: Callable[[str, str], Fault] = lambda method, path: None
    drop_headers: frozenset[str] = frozenset()
    done: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def environment(self) -> dict[str, str]:
        return CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def once(self, fault: Fault, *, method: str | None = None, part: str = "", times: int = 1) -> None:
        """The next `times` requests of this method, with this text in their path, meet the fault."""
        left = itertools.count(times, -1)
        lock = threading.Lock()

        def plan(asked: str, path: str) -> Fault:
            if method not in (None, asked) or part not in path:
                return None
            with lock:
                return fault if next(left) > 0 else None

        self.plan = plan


@pytest.fixture
def fault_proxy(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy that this process reaches in the server's place."""
    proxy = FaultProxy(endpoint=s3.endpoint)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    for name, value in proxy.environment.items():
        monkeypatch.setenv(name, value)
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"proxy": proxy})


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    proxy: FaultProxy
    replies: ClassVar = {
        "500": Reply(500, "InternalError"),
        "503": Reply(503, "SlowDown"),
        "200 with an error": Reply(200, "InternalError"),
    }

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.plan(self.command, self.path)
        self.proxy.requests[self.command] += 1
        self.proxy.done[str(fault or "through")] += 1
        if isinstance(fault, str):
            fault = self.replies.get(fault, fault)
        if isinstance(fault, Reply):
            self.answer(fault.status, _ERROR.format(code=fault.code).encode() if fault.code else b"")
            return
        if fault == "slow":
            fault = _SLOW_SECONDS
        if isinstance(fault, float):
            threading.Event().wait(fault)
        reply = None if fault == "cut before" else self.forward(body)
        if reply is None or fault == "cut after":
            self.cut()
        else:
            self.pass_on(*reply, cut=fault == "cut body")

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def forward(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        host, port = self.proxy.endpoint.removeprefix("http://").split(":")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in self.proxy.drop_headers}
        connection = HTTPConnection(host, int(port), timeout=30)
        try:
            connection.request(self.command, self.path, body=body, headers=headers)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def pass_on(self, response: HTTPResponse, body: bytes, *, cut: bool) -> None:
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        # A reply without a body says how long the one of a GET would be.
        length = response.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.cut()

    def answer(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cut(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass

    def handle(self) -> None:
        with suppress(OSError, ValueError):  # the client's connection or ours has gone, as was wished
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()


def environment_without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with nothing that the AWS chain reads."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}
