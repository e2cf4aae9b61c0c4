"""Temporary credentials: a provisioned cluster through moto, a serverless workgroup through a server of the test's own."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from fix_s3 import REGION, S3
from re_dms.errors import WarehouseError, WarehouseUnavailable
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.credentials import login
from re_dms.warehouse.redshift.drivers import connect
from redshift_standin.wire.server import Listener
from standin.wire.fake_session import FakeSession

CANARY = "hunter2.Geheim"
HOST = "analytics.abc123xyz.eu-central-1.redshift.amazonaws.com"


def login_to(url: str, **more: Any) -> tuple[str, str]:
    settings = WarehouseSettings(url=url, **more)
    return login(Address.of(settings), settings)


@pytest.fixture(autouse=True)
def _aws(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (s3.environment | {"AWS_MAX_ATTEMPTS": "1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


@pytest.fixture
def cluster(s3: S3) -> Iterator[str]:
    client = boto3.client("redshift", region_name=REGION, endpoint_url=s3.endpoint)
    arguments = {"MasterUsername": "admin", "MasterUserPassword": "Passw0rd1"}
    client.create_cluster(ClusterIdentifier="analytics", NodeType="ra3.large", DBName="dev", **arguments)
    yield "analytics"
    client.delete_cluster(ClusterIdentifier="analytics", SkipFinalClusterSnapshot=True)


def test_a_password_is_taken_as_it_is():
    assert login_to("redshift://ann@h/dev", password=CANARY) == ("ann", CANARY)


@pytest.mark.parametrize("host", [HOST, "127.0.0.1", "warehouse.example.com"], ids=["endpoint", "tunnel", "own-name"])
def test_a_cluster_gives_other_credentials_for_every_connection(host, cluster):
    user, first = login_to(f"redshift://ann@{host}/dev", cluster=cluster)
    assert user == "IAM:ann"
    _, second = login_to(f"redshift://ann@{host}/dev", cluster=cluster)
    assert first != second


def test_a_cluster_that_is_not_there_stops_and_says_what_to_check():
    with pytest.raises(WarehouseError) as failure:
        login_to(f"redshift://ann@{HOST}/dev", cluster="nowhere")
    assert type(failure.value) is WarehouseError
    assert "AWS gave no credentials for cluster nowhere and user ann: ClusterNotFound" in failure.value.message
    assert "redshift:GetClusterCredentials" in failure.value.remedy


@dataclass
class Serverless:
    """A server that answers GetCredentials; `answers` are given in turn, the last one for ever."""

    answers: list[tuple[int, dict[str, Any]]]
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def serverless(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serverless]:
    """https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_GetCredentials.html"""
    expires = time.time() + 900
    granted = {"dbUser": "IAMR:re_dms", "dbPassword": CANARY, "expiration": expires, "nextRefreshTime": expires}
    found = Serverless([(200, granted)])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            found.asked.append({"target": self.headers["x-amz-target"], **body})
            status, answer = found.answers.pop(0) if len(found.answers) > 1 else found.answers[0]
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.1")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS", found.url)
        yield found
        server.shutdown()
        thread.join()


def test_a_workgroup_gives_user_and_password_anew_for_every_connection(serverless):
    sessions: list[FakeSession] = []

    def open_session(startup: Any) -> FakeSession:
        sessions.append(FakeSession({}, startup))
        return sessions[-1]

    listener = Listener(users={"IAMR:re_dms": CANARY}.get, open_session=open_session)
    listener.start()
    try:
        settings = WarehouseSettings(url=f"redshift://127.0.0.1:{listener.port}/dev", workgroup="analytics")
        for _ in range(2):
            connect(Address.of(settings), settings, application="tests").close()
    finally:
        listener.stop()
    assert [session.startup.user for session in sessions] == ["IAMR:re_dms"] * 2
    wanted = {
        "target": "RedshiftServerless.GetCredentials", "workgroupName": "analytics", "dbName": "dev",
    }  # fmt: skip
    assert serverless.asked == [wanted, wanted]


@pytest.mark.parametrize(
    ("status", "code", "passes"),
    [
        (400, "AccessDeniedException", False),
        (400, "ResourceNotFoundException", False),
        (400, "ThrottlingException", True),
        (500, "InternalServerException", True),
        (503, "ServiceUnavailable", True),
    ],
)
def test_what_aws_refuses_stops_and_what_passes_is_tried_again(serverless, status, code, passes):
    serverless.answers[:] = [(status, {"__type": code, "message": CANARY})]
    with pytest.raises(WarehouseError) as failure:
        login_to("redshift://127.0.0.1/dev", workgroup="analytics")
    assert isinstance(failure.value, WarehouseUnavailable) is passes
    assert failure.value.message == f"AWS gave no credentials for workgroup analytics and user of this role: {code}"
    assert CANARY not in failure.value.message + failure.value.remedy


def test_aws_that_cannot_be_reached_is_tried_again(serverless, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS", "http://127.0.0.1:9")
    with pytest.raises(WarehouseUnavailable):
        login_to("redshift://127.0.0.1/dev", workgroup="analytics")


def test_a_machine_without_an_identity_stops(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(WarehouseError) as failure:
        login_to("redshift://127.0.0.1/dev", workgroup="analytics")
    assert type(failure.value) is WarehouseError
    assert failure.value.message.endswith("NoCredentialsError")


@pytest.mark.parametrize(
    ("host", "told", "environment"),
    [("127.0.0.1", REGION, None), (HOST, None, "us-west-2"), (HOST, None, None), ("127.0.0.1", None, REGION)],
    ids=["told", "in-the-hosts-name", "in-the-hosts-name-alone", "in-the-environment"],
)
def test_the_region_is_told_or_in_the_hosts_name_or_in_the_environment(host, told, environment, cluster, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    if environment is not None:
        monkeypatch.setenv("AWS_REGION", environment)
    assert login_to(f"redshift://ann@{host}/dev", cluster=cluster, region=told)[0] == "IAM:ann"


def test_without_a_region_nobody_is_asked(monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(WarehouseError, match="no region is known") as failure:
        login_to("redshift://ann@127.0.0.1/dev", cluster="analytics")
    assert "warehouse.region" in failure.value.remedy
