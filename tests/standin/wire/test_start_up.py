"""How a client gets in: AWS Management Guide, "Configuring connections"; rulebook, "Drivers"."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from standin.wire.fake_session import one_value
from standin.wire.raw_client import fields, message, startup_packet, string
from standin.wire.served import PASSWORD, Served

Serve = Callable[..., Served]
ANSWERS = {"select 1": one_value(23, "1")}


@pytest.mark.parametrize("auth", ["md5", "digest"])
@pytest.mark.parametrize("version", [0, 1, 2])
def test_rule_01_redshift_connector_logs_in(serve: Serve, version: int, auth: str) -> None:
    served = serve(ANSWERS, auth=auth)
    with served.redshift(client_protocol_version=version) as connection:
        assert connection.cursor().execute("select 1").fetchall() == ([1],)
        assert connection._client_protocol_version == version
        assert (b"server_protocol_version", str(version).encode()) in connection.parameter_statuses
        assert (b"server_version", b"8.0.2") in connection.parameter_statuses
    startup = served.session.startup
    assert (startup.user, startup.database, startup.protocol_version) == ("ann", "dev", version)
    assert startup.settings == {"application_name": "tests"}
    assert startup.driver["driver_version"].startswith("Redshift Python Driver")


@pytest.mark.parametrize("auth", ["md5", "digest"])
def test_rule_01_psycopg_logs_in_and_is_asked_for_md5(serve: Serve, auth: str) -> None:
    served = serve(ANSWERS, auth=auth)
    with served.psycopg(options="-c statement_timeout=5000 --query-group=a\\ b", client_encoding="utf8") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        status = connection.pgconn.parameter_status
        assert status(b"server_version") == b"8.0.2"
        assert status(b"client_encoding") == b"UNICODE"
        assert status(b"server_protocol_version") == b"0"
        assert status(b"session_authorization") == b"ann"
        assert status(b"datashare_enabled") == b"off"
    settings = served.session.startup.settings
    assert (settings["statement_timeout"], settings["query_group"]) == ("5000", "a b")


def test_rule_01_a_version_above_2_is_answered_with_2(serve: Serve) -> None:
    served = serve(auth="trust")
    with served.raw() as client:
        told = client.log_in(client_protocol_version="17")
        assert (b"S", b"server_protocol_version\x002\x00") in told


def test_rule_01_psql_logs_in(serve: Serve) -> None:
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("psql is not installed")
    served = serve(ANSWERS)
    command = [
        psql,
        "-h",
        "127.0.0.1",
        "-p",
        str(served.listener.port),
        "-U",
        "ann",
        "-X",
        "-At",
        "-c",
        "select 1",
        "dev",
    ]
    done = subprocess.run(command, env={"PGPASSWORD": PASSWORD}, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr


@pytest.mark.parametrize("auth", ["md5", "digest"])
@pytest.mark.parametrize("wrong", [{"password": "guess"}, {"user": "bob"}, {"user": "bob", "password": ""}])
def test_rule_01_a_wrong_password_and_an_unknown_user_are_28000(serve: Serve, wrong: dict[str, str], auth: str) -> None:
    served = serve(auth=auth)
    expected = f'password authentication failed for user "{wrong.get("user", "ann")}"'
    error = served.redshift_refused(**wrong)
    assert (error["S"], error["C"], error["M"]) == ("FATAL", "28000", expected)
    if wrong.get("password") != "":
        with pytest.raises(psycopg.OperationalError, match=expected):
            served.psycopg(**wrong)
    assert served.sessions == []


def test_rule_01_an_unknown_database_is_3d000(serve: Serve) -> None:
    served = serve()
    error = served.redshift_refused(database="prod")
    assert (error["S"], error["C"]) == ("FATAL", "3D000")
    with pytest.raises(psycopg.OperationalError, match='database "prod" does not exist'):
        served.psycopg(dbname="prod")


def test_trust_lets_known_users_in_without_a_password_and_no_others(serve: Serve) -> None:
    served = serve(ANSWERS, auth="trust")
    with served.psycopg(password="") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        served.psycopg(user="bob")


def refusal(served: Served, packet: bytes) -> dict[str, str]:
    """The FATAL error that a start-up packet gives, after which the connection must be closed."""
    with served.raw() as client:
        client.send(packet)
        kind, body = client.next()
        assert kind == b"E"
        assert client.next() == (b"", b"")
    told = fields(body)
    assert told["S"] == "FATAL"
    return told


@pytest.mark.parametrize(
    ("keys", "sqlstate", "text"),
    [
        ({"user": "ann", "wal_level": "x"}, "42704", 'unrecognized configuration parameter "wal_level"'),
        ({"user": "ann", "replication": "database"}, "0A000", "replication connections are not supported"),
        ({"database": "dev"}, "28000", "no user name specified in startup packet"),
        ({"user": "ann", "client_encoding": "LATIN1"}, "0A000", 'client_encoding "LATIN1": not in the stand-in yet'),
        ({"user": "ann", "client_protocol_version": "two"}, "22023", 'parameter "client_protocol_version": "two"'),
        ({"user": "ann", "client_protocol_version": "-1"}, "22023", 'parameter "client_protocol_version": "-1"'),
        ({"user": "ann", "options": "-d 5"}, "42601", "invalid command-line argument for server process: -d"),
        ({"user": "ann", "options": "-c"}, "42601", "invalid command-line argument for server process: -c"),
    ],
)  # fmt: skip
def test_rule_01_start_up_keys_that_redshift_does_not_have_are_refused(
    serve: Serve, keys: dict[str, Any], sqlstate: str, text: str
) -> None:
    told = refusal(serve(auth="trust"), startup_packet(**keys))
    assert told["C"] == sqlstate
    assert text in told["M"]


@pytest.mark.parametrize(
    "packet",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("!i", 3),
        struct.pack("!i", -5) + b"xxxx",
        struct.pack("!ii", 10_001, 3 << 16),
        struct.pack("!ii", 12, 3 << 16) + b"user",
        struct.pack("!ii", 9, 3 << 16) + b"\0" + b"more",
        struct.pack("!ii", 14, 3 << 16) + b"user\0a",
        struct.pack("!ii", 10, 80877103) + b"xx",
        struct.pack("!iii", 12, 80877102, 1),
    ],
)  # fmt: skip
def test_a_malformed_start_up_packet_is_08p01(serve: Serve, packet: bytes) -> None:
    told = refusal(serve(auth="trust"), packet)
    assert told["C"] in ("08P01", "28000")


def test_bytes_that_are_not_utf_8_in_the_start_up_packet_are_22021(serve: Serve) -> None:
    packet = startup_packet(user="ann").replace(b"ann", b"a\xff\xfe")
    assert refusal(serve(auth="trust"), packet)["C"] == "22021"


@pytest.mark.parametrize("version", [2 << 16, 4 << 16, 80877105, 0])
def test_other_major_versions_of_the_protocol_are_0a000(serve: Serve, version: int) -> None:
    assert refusal(serve(auth="trust"), startup_packet(version, user="ann"))["C"] == "0A000"


@pytest.mark.parametrize("options", [{}, {"_pq_.report_parameters": "x"}])
def test_newer_minor_versions_are_negotiated_down_to_3_0(serve: Serve, options: dict[str, str]) -> None:
    served = serve(auth="trust")
    with served.raw() as client:
        client.send(startup_packet((3 << 16) + 2, user="ann", database="dev", **options))
        kind, body = client.next()
        names = b"".join(string(name) for name in options)
        assert (kind, body) == (b"v", struct.pack("!ii", 3 << 16, len(options)) + names)
        assert client.until_ready()[-1] == (b"Z", b"I")


def test_libpq_that_asks_for_the_newest_protocol_connects(serve: Serve) -> None:
    if psycopg.pq.version() < 180000:
        pytest.skip("this libpq knows protocol 3.0 only")
    with serve(ANSWERS).psycopg(max_protocol_version="latest") as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_requests_for_encryption_are_declined_in_turn_without_tls(serve: Serve) -> None:
    served = serve(auth="trust")
    with served.raw() as client:
        for code in (80877104, 80877103):
            client.send(struct.pack("!ii", 8, code))
            assert client.raw(1) == b"N"
        assert client.log_in()[-1] == (b"Z", b"I")


def test_the_answer_to_a_password_request_must_be_one(serve: Serve) -> None:
    for answer in (message(b"Q", b"select 1\0"), message(b"p", b"no end"), message(b"p", b"x" * 70_000)):
        served = serve()
        with served.raw() as client:
            client.send(startup_packet(user="ann", database="dev"))
            assert client.next()[0] == b"R"
            client.send(answer)
            kind, body = client.next()
            assert (kind, fields(body)["C"]) == (b"E", "08P01")


def test_a_digest_of_impossible_lengths_is_08p01(serve: Serve) -> None:
    served = serve(auth="digest")
    for body in (b"", struct.pack("!i", -1), struct.pack("!i", 2**31 - 1), struct.pack("!iii", 0, 0, 7)):
        with served.raw() as client:
            client.send(startup_packet(user="ann", database="dev", client_protocol_version="2"))
            assert client.next()[1][:8] == struct.pack("!ii", 13, 0)
            client.send(message(b"d", body))
            kind, error = client.next()
            assert (kind, fields(error)["C"]) == (b"E", "08P01")


def test_a_session_that_cannot_open_ends_the_connection(serve: Serve, caplog: Any) -> None:
    served = serve(auth="trust", connections_max=1)
    for _ in range(3):  # and gives its place back
        with served.raw() as client:
            client.send(startup_packet(user="ann", database="prod"))
            assert [kind for kind, _ in client.until_ready()] == [b"R", b"E", b""]
    with served.raw() as client:
        assert client.log_in()[-1] == (b"Z", b"I")
