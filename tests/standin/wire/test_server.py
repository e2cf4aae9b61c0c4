"""The listener: limits, restarts, cancel requests, clients that vanish, and an end that leaves nothing behind."""

import socket
import struct
import threading
from collections.abc import Callable
from functools import partial

import psycopg
import pytest
import redshift_connector.error

from redshift_standin.wire.session import Result
from standin.wire.fake_session import column, one_value
from standin.wire.raw_client import SYNC, bind, execute, fields, message, parse, query, startup_packet
from standin.wire.served import Served, eventually

Serve = Callable[..., Served]
ANSWERS = {"select 1": one_value(23, "1"), "insert": Result(tag="INSERT 0 3")}


def told_on_connecting(served: Served) -> dict[str, str]:
    with served.raw() as client:
        client.send(startup_packet(user="ann", database="dev"))
        told = client.until_ready()
        return next((fields(body) for kind, body in told if kind == b"E"), {})


def test_rule_34_one_connection_too_many_is_53300(serve: Serve) -> None:
    served = serve(ANSWERS, connections_max=2)
    with served.psycopg(), served.redshift():
        error = served.redshift_refused()
        assert (error["S"], error["C"]) == ("FATAL", "53300")
        assert error["M"] == 'connection limit "2" exceeded for non-bootstrap users'
        with pytest.raises(psycopg.OperationalError, match='connection limit "2" exceeded'):
            served.psycopg()
    eventually(lambda: [session.closed for session in served.sessions] == [1, 1], "both sessions are closed")
    eventually(lambda: not told_on_connecting_with_password(served), "the places are free again")


def told_on_connecting_with_password(served: Served) -> str:
    try:
        served.psycopg().close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


def test_a_restart_cuts_all_and_refuses_for_a_while(serve: Serve) -> None:
    served = serve(ANSWERS, auth="trust")
    with served.psycopg() as connection, served.raw() as silent:
        connection.execute("begin")
        silent.log_in()
        served.listener.refuse(60)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
        assert silent.next() == (b"", b"")
        eventually(lambda: all(session.closed for session in served.sessions), "the sessions are closed")
        told = told_on_connecting(served)
        assert (told["S"], told["C"]) == ("FATAL", "57P03")
        served.listener.refuse(0)
        assert told_on_connecting(served) == {}


def test_a_restart_ends_the_statement_that_runs(serve: Serve) -> None:
    served = serve(ANSWERS, auth="trust")
    with served.raw() as client:
        client.log_in()
        client.send(query("wait"))
        eventually(served.session.waiting.is_set, "the statement runs")
        served.listener.refuse(0)
        assert client.next() == (b"", b"")
        eventually(lambda: served.session.closed, "the session is closed")


def test_stop_ends_statements_that_run_and_clients_that_wait_or_do_not_read(serve: Serve) -> None:
    big = Result(tag="SELECT 400", columns=[column("x", 25)], rows=[[b"x" * 100_000]] * 400)
    served = serve({**ANSWERS, "big": big}, auth="trust")
    clients = [served.raw() for _ in range(4)]
    for client, text in zip(clients[:3], ("wait", "big", "select 1"), strict=True):
        client.log_in()
        client.send(query(text))
    eventually(served.sessions[0].waiting.is_set, "the statement runs")
    served.listener.stop()
    served.listener.stop()  # once more changes nothing
    assert [session.closed for session in served.sessions] == [1, 1, 1]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", served.listener.port), timeout=5)
    for client in clients:
        client.__exit__()


def test_a_port_that_is_taken_is_told(serve: Serve) -> None:
    port = serve().listener.port
    with pytest.raises(OSError, match="in use"):
        serve(port=port)


@pytest.mark.parametrize("driver", ["psycopg", "raw"])
def test_a_cancel_request_ends_the_statement_with_57014(serve: Serve, driver: str) -> None:
    served = serve(ANSWERS, auth="trust")
    with served.psycopg() as connection:
        session = served.session
        failure: list[psycopg.Error] = []

        def run() -> None:
            try:
                connection.execute("wait")
            except psycopg.Error as error:
                failure.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        eventually(session.waiting.is_set, "the statement runs")
        for secret in (session.secret + 1, session.secret):
            assert failure == []
            if driver == "psycopg":
                connection.cancel_safe(timeout=10)
                break
            with served.raw() as client:
                client.send(struct.pack("!iiII", 16, 80877102, session.pid, secret))
                assert client.next() == (b"", b"")
        thread.join(10)
        assert [error.sqlstate for error in failure] == ["57014"]
        assert connection.execute("select 1").fetchone() == (1,)


def test_rule_15_a_client_that_vanishes_inside_a_transaction_has_its_session_closed(serve: Serve) -> None:
    served = serve(ANSWERS, auth="trust")
    for last in (query("insert"), b"Q\0\0", message(b"X"), b""):
        with served.raw() as client:
            client.log_in()
            client.send(query("begin"))
            client.until_ready()
            client.send(last)
        session = served.session
        eventually(partial(getattr, session, "closed"), "the session is closed")
        assert session.closed == 1
        assert "commit" not in session.executed


def test_rule_15_an_autocommitted_batch_is_finished_after_its_client_has_vanished(serve: Serve) -> None:
    served = serve(ANSWERS, auth="trust")
    with served.raw() as client:
        client.log_in()
        client.send(query("wait"), parse("", "insert"), bind("", ""), execute(""), SYNC, query("select 1"))
        eventually(served.session.waiting.is_set, "the first statement runs")
        client.socket.shutdown(socket.SHUT_WR)
    served.session.cancel()
    eventually(lambda: served.session.closed, "the session is closed")
    assert served.session.executed == ["wait", "insert", "select 1"]
    assert served.session.synced == 1


def test_a_client_that_only_connects_does_not_keep_others_out(serve: Serve) -> None:
    served = serve(ANSWERS, auth="trust", connections_max=1)
    idle = [served.raw() for _ in range(5)]
    with served.redshift() as connection:
        assert connection.cursor().execute("select 1").fetchall() == ([1],)
    for client in idle:
        client.__exit__()


def test_connections_beyond_all_bounds_are_closed(serve: Serve) -> None:
    served = serve(auth="trust", connections_max=0)
    idle = [served.raw() for _ in range(70)]
    assert idle[-1].next() == (b"", b"")
    for client in idle:
        client.__exit__()


def test_many_clients_at_once_are_served_side_by_side(serve: Serve) -> None:
    served = serve(ANSWERS)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            if number % 2:
                with served.psycopg() as connection:
                    for _ in range(20):
                        assert connection.execute("select 1").fetchone() == (1,)
            else:
                with served.redshift() as connection:
                    for _ in range(20):
                        assert connection.cursor().execute("select 1").fetchall() == ([1],)
        except (AssertionError, psycopg.Error, redshift_connector.error.Error) as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
