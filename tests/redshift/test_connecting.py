"""How a session begins, and why it does not: the same words through both drivers, and never a password."""

import gc
import logging
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from re_dms.errors import ReDmsError, WarehouseError, WarehouseUnavailable
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift import tls
from re_dms.warehouse.redshift.address import DRIVERS, Address
from re_dms.warehouse.redshift.failures import ConnectionLost
from redshift.sessions import fault, open_session, settings_for

CANARY = "hunter2.Geheim"


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def not_connected(settings: WarehouseSettings) -> ReDmsError:
    with pytest.raises(WarehouseError) as failure:
        open_session(settings)
    gc.collect()  # a socket that was forgotten would be warned of here
    words = "".join(traceback.format_exception(failure.value)) + repr(failure.value) + failure.value.remedy
    assert CANARY not in words
    return failure.value


def test_a_wrong_password_stops_and_is_not_told(driver, standin, caplog):
    caplog.set_level(logging.DEBUG)
    error = not_connected(settings_for(standin, driver, password=CANARY))
    assert type(error) is WarehouseError
    assert f'password authentication failed for user "{standin.user}" (SQLSTATE 28000)' in error.message
    assert Address.of(settings_for(standin, driver)).safe_url in error.message
    assert "RE_DMS_WAREHOUSE__PASSWORD" in error.remedy
    assert CANARY not in caplog.text


def test_an_unknown_database_stops(driver, standin):
    settings = settings_for(standin, driver)
    error = not_connected(replace(settings, url=settings.url.replace("/dev?", "/nowhere?")))
    assert type(error) is WarehouseError
    assert 'database "nowhere" does not exist (SQLSTATE 3D000)' in error.message
    assert "check the database" in error.remedy


def test_no_password_at_all_stops(driver, standin):
    error = not_connected(settings_for(standin, driver, password=None))
    assert type(error) is WarehouseError
    assert "there is no password" in error.message


def test_too_many_connections_are_tried_again(driver, standin):
    with fault(standin, '{kind = "connection-limit"}'):
        error = not_connected(settings_for(standin, driver))
    assert isinstance(error, WarehouseUnavailable)
    assert "(SQLSTATE 53300)" in error.message


def test_a_host_where_nobody_listens_is_tried_again(driver):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"redshift://u@127.0.0.1:{port}/dev?driver={driver}"
    error = not_connected(WarehouseSettings(url=url, password=CANARY))
    assert isinstance(error, WarehouseUnavailable)
    assert error.message.endswith("Connection refused")


def test_a_server_that_never_answers_is_given_up(driver, monkeypatch):
    monkeypatch.setattr(tls, "CONNECT_SECONDS_MAX", 0.05 if driver == "redshift_connector" else 2)  # libpq's least
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redshift://u@127.0.0.1:{server.getsockname()[1]}/dev?driver={driver}"
        error = not_connected(WarehouseSettings(url=url, password=CANARY))
    assert isinstance(error, WarehouseUnavailable)
    assert error.message.endswith(("no answer in time", "timeout expired"))


GREETING = b"R\0\0\0\x08\0\0\0\0" + b"S\0\0\0\x19server_version\x008.0.2\0" + b"Z\0\0\0\x05I"


@pytest.mark.parametrize("length", range(1, len(GREETING) + 1, 5))
def test_a_connection_that_is_cut_at_any_byte_is_tried_again(length, driver):
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(8)
                connection.sendall(b"N")
                connection.recv(10_000)
                connection.sendall(GREETING[:length])

        done = pool.submit(answer)
        url = f"redshift://u@127.0.0.1:{server.getsockname()[1]}/dev?driver={driver}"
        error = not_connected(WarehouseSettings(url=url, password=CANARY))
        done.result()
    assert isinstance(error, WarehouseUnavailable)


def test_a_server_that_restarts_is_tried_again(driver, standin_factory):
    server = standin_factory()
    session = open_session(settings_for(server, driver))
    server.faults.order('{kind = "restart", seconds = 30}')
    with pytest.raises(ConnectionLost):
        session.execute("select 1")
    error = not_connected(settings_for(server, driver))
    assert isinstance(error, WarehouseUnavailable)
    assert "(SQLSTATE 57P03)" in error.message
