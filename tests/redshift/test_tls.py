"""TLS with Redshift, the same through both drivers: eight bad servers are refused before they hear a password."""

import datetime as dt
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from re_dms.errors import WarehouseError, WarehouseUnavailable
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift import tls
from re_dms.warehouse.redshift.address import DRIVERS, Address
from re_dms.warehouse.redshift.drivers import SETTINGS, Session, connect
from redshift_standin.wire.server import Listener
from standin.wire.fake_session import FakeSession, one_value
from standin.wire.served import PASSWORD, Served
from standin.wire.test_tls import LOOPBACK, Authority

ELSEWHERE = x509.DNSName("elsewhere.example")
Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with a TLS context, or without one. One user, ann, and one database, dev."""
    running: list[Served] = []

    def start(context: Any = None) -> Served:
        def open_session(startup: Any) -> FakeSession:
            served.sessions.append(FakeSession({"select 1": one_value(23, "1")}, startup))
            return served.session

        served = Served(Listener(users={"ann": PASSWORD}.get, open_session=open_session, tls=context))
        served.listener.start()
        running.append(served)
        return served

    yield start
    for served in running:
        served.listener.stop()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "ours").mkdir()
    return Authority(tmp_path / "ours")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    (tmp_path / "theirs").mkdir()
    return Authority(tmp_path / "theirs")


def session(served: Served, driver: str, **more: Any) -> Session:
    url = f"redshift://ann@127.0.0.1:{served.listener.port}/dev?driver={driver}"
    settings = WarehouseSettings(url=url, password=PASSWORD, **more)
    return connect(Address.of(settings), settings, application="tests")


def refused(served: Served, driver: str, **more: Any) -> WarehouseError:
    with pytest.raises(WarehouseError) as failure:
        session(served, driver, **more)
    assert type(failure.value) is WarehouseError  # not tried again
    assert served.sessions == []
    assert "warehouse.ca_file" in failure.value.remedy
    assert PASSWORD not in f"{failure.value!r}{failure.value.message}"
    return failure.value


def is_encrypted(connected: Session) -> bool:
    link: Any = connected._link
    if hasattr(link._connection, "pgconn"):
        return bool(link._connection.pgconn.ssl_in_use)
    return hasattr(link._connection.ready._socket, "cipher")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_with_the_right_certificate_is_talked_to(driver, serve, authority):
    served = serve(authority.context(LOOPBACK))
    connected = session(served, driver, ca_file=str(authority.certificate))
    assert is_encrypted(connected)
    assert connected.execute("select 1").rows == [(1,)]
    connected.close()
    assert served.session.executed[: len(SETTINGS)] == [f"set {name} to {value}" for name, value in SETTINGS.items()]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_certificate_of_another_authority_is_refused(driver, serve, authority, stranger):
    error = refused(serve(stranger.context(LOOPBACK)), driver, ca_file=str(authority.certificate))
    assert "certificate" in error.message


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_certificate_for_another_host_is_refused(driver, serve, authority):
    error = refused(serve(authority.context(ELSEWHERE)), driver, ca_file=str(authority.certificate))
    assert "127.0.0.1" in error.message


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_certificate_out_of_its_time_is_refused(driver, serve, authority, monkeypatch):
    monkeypatch.setattr("standin.wire.test_tls._HOUR", dt.timedelta(hours=-1))
    error = refused(serve(authority.context(LOOPBACK)), driver, ca_file=str(authority.certificate))
    assert "certificate" in error.message


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_without_tls_is_refused_where_a_check_is_asked_for(driver, serve, authority):
    refused(serve(), driver, ca_file=str(authority.certificate))


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_authority_that_is_not_there_is_told_by_name(driver, serve, tmp_path):
    error = refused(serve(), driver, ca_file=str(tmp_path / "none.pem"))
    assert str(tmp_path / "none.pem") in error.message


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_file_without_certificates_is_told(driver, serve, authority, tmp_path):
    (tmp_path / "empty.pem").write_text("no certificate")
    error = refused(serve(authority.context(LOOPBACK)), driver, ca_file=str(tmp_path / "empty.pem"))
    assert "empty.pem" in error.message


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_that_ends_within_the_handshake_is_tried_again(driver, authority):
    """As one does that restarts."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(8)
                connection.sendall(b"S")
                connection.recv(10_000)

        done = pool.submit(answer)
        url = f"redshift://ann@127.0.0.1:{server.getsockname()[1]}/dev?driver={driver}"
        settings = WarehouseSettings(url=url, password=PASSWORD, ca_file=str(authority.certificate))
        with pytest.raises(WarehouseUnavailable):
            connect(Address.of(settings), settings, application="tests")
        done.result()


@pytest.mark.parametrize("driver", DRIVERS)
def test_on_this_machine_nothing_is_checked_and_tls_is_used_where_it_is(driver, serve, stranger):
    for context, expected in ((stranger.context(ELSEWHERE), True), (None, False)):
        connected = session(serve(context), driver)
        assert is_encrypted(connected) is expected
        assert connected.execute("select 1").rows == [(1,)]
        connected.close()


@pytest.mark.parametrize("driver", DRIVERS)
def test_another_machine_has_to_be_one_of_amazons(driver, serve, authority, monkeypatch):
    monkeypatch.setattr(Address, "is_local", property(lambda _: False))
    refused(serve(authority.context(LOOPBACK)), driver)
    refused(serve(), driver)


@pytest.mark.parametrize("driver", DRIVERS)
def test_insecure_tls_does_without_the_check_and_still_encrypts(driver, serve, stranger, monkeypatch):
    monkeypatch.setattr(Address, "is_local", property(lambda _: False))
    connected = session(serve(stranger.context(ELSEWHERE)), driver, insecure_tls=True)
    assert is_encrypted(connected)
    connected.close()


@pytest.mark.parametrize(
    ("host", "more", "expected"),
    [
        ("cluster.example.com", {}, True),
        ("cluster.example.com", {"insecure_tls": True}, False),
        ("cluster.example.com", {"ca_file": "/ca.pem"}, True),
        ("127.0.0.1", {}, False),
        ("localhost", {"insecure_tls": True}, False),
        ("localhost", {"ca_file": "/ca.pem"}, True),
    ],
    ids=["default", "insecure", "ca-file", "loopback", "insecure-loopback", "ca-file-on-loopback"],
)
def test_who_is_checked(host, more, expected):
    settings = WarehouseSettings(url=f"redshift://u@{host}/d", **more)
    assert tls.is_verified(Address.of(settings), settings) is expected


def test_without_a_file_the_authorities_are_those_that_aws_ships():
    bundle = tls.authorities(WarehouseSettings(url=""))
    assert "BEGIN CERTIFICATE" in bundle.read_text()


def test_should_the_driver_make_a_socket_of_its_own_it_reaches_nobody(serve, monkeypatch):
    from re_dms.warehouse.redshift import connector

    monkeypatch.delattr(connector._Connection, "_usock")
    served = serve()
    with pytest.raises(WarehouseUnavailable):
        session(served, "redshift_connector")
    assert served.sessions == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_password_is_in_the_drivers_own_log(driver, serve, caplog):
    caplog.set_level(logging.DEBUG)
    session(serve(), driver).close()
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("driver", DRIVERS)
def test_variables_of_libpq_are_for_the_source(driver, serve, monkeypatch):
    variables = {"PGHOSTADDR": "127.0.0.9", "PGPORT": "1", "PGUSER": "nobody", "PGOPTIONS": "-c nonsense=1"}
    for name, value in {**variables, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/none.pem"}.items():
        monkeypatch.setenv(name, value)
    served = serve()
    session(served, driver).close()
    assert "nonsense" not in served.session.startup.settings
