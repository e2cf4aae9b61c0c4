"""Streams of CopyData: the same bytes in both forms, in rooms of any size; and how they end."""

from __future__ import annotations

import contextlib
import select
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import pq

from localpg import LocalPostgres, serve_tls
from re_dms.source.copy_stream import COPY_DATA, CopyEnded, CopyStream, PlainCopy, SealedCopy, open_copy

ROOMS = (1, 7, 64 * 1024)
WAIT_SECONDS = 30
FORMS = ("plain", "sealed")


@pytest.fixture(scope="module", name="server")
def server_fixture(pg_bin: Path | None) -> Iterator[LocalPostgres]:
    """A server that takes TLS connections over TCP and plain ones over its socket."""
    with LocalPostgres(pg_bin=pg_bin, settings={"listen_addresses": "127.0.0.1", "wal_level": "logical"}) as server:
        if shutil.which("openssl") is None or "openssl" not in server.execute("show ssl_library")[0][0].lower():
            pytest.skip("needs openssl, here and in Postgres")
        serve_tls(server)
        yield server


def connected(server: LocalPostgres, form: str, **more: str) -> psycopg.Connection:
    dsn = server.dsn("postgres", tcp=True) + " sslmode=require" if form == "sealed" else server.dsn("postgres")
    return psycopg.connect(dsn, autocommit=True, **more)  # type: ignore[arg-type]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def session(server: LocalPostgres, form: str) -> Iterator[psycopg.Connection]:
    with connected(server, form) as connection:
        yield connection


def opened(session: psycopg.Connection, form: str, notices: list[tuple[int, bytes]] | None = None) -> CopyStream:
    stream = open_copy(session.pgconn, lambda field, value: None if notices is None else notices.append((field, value)))
    assert isinstance(stream, SealedCopy if form == "sealed" else PlainCopy)
    return stream


def whole(stream: CopyStream, session: psycopg.Connection, room_bytes: int, until: bytes | None = None) -> list[bytes]:
    """The bodies of the CopyData messages up to the stream's end, or to the one that ends with `until`."""
    room, data, bodies = memoryview(bytearray(room_bytes)), bytearray(), []
    try:
        while True:
            size = stream.receive(room)
            data += room[:size]
            while len(data) >= 5 and len(data) > (length := int.from_bytes(data[1:5], "big")):
                kind, body = data[0], bytes(data[5 : 1 + length])
                del data[: 1 + length]
                if kind == COPY_DATA:
                    bodies.append(body)
                    if until is not None and body.endswith(until):
                        return bodies
                else:
                    stream.other(kind, body)
            if stream.drained:
                assert select.select([session.pgconn.socket], [], [], WAIT_SECONDS)[0]
    except CopyEnded:
        assert not data
        return bodies


@pytest.mark.parametrize("room", ROOMS)
def test_a_copy_is_the_same_in_both_forms_and_all_rooms(session: psycopg.Connection, form: str, room: int) -> None:
    rows = 300 if room < 10 else 100_000
    query = f"select i, repeat('x', i % 50) from generate_series(1, {rows}) i"
    stream = opened(session, form)
    stream.start(f"copy ({query}) to stdout".encode())
    assert whole(stream, session, room) == [f"{i}\t{'x' * (i % 50)}\n".encode() for i in range(1, rows + 1)]
    assert stream.ended
    assert session.execute("select 1").fetchall() == [(1,)]


def test_a_message_that_is_larger_than_the_room_comes_in_pieces(session: psycopg.Connection, form: str) -> None:
    stream = opened(session, form)
    stream.start(b"copy (select repeat('y', 3000000) union all select 'z') to stdout")
    assert whole(stream, session, 4096) == [b"y" * 3_000_000 + b"\n", b"z\n"]


def test_a_copy_of_nothing_ends_at_once(session: psycopg.Connection, form: str) -> None:
    stream = opened(session, form)
    stream.start(b"copy (select 1 where false) to stdout")
    assert whole(stream, session, 100) == []


def test_a_statement_that_is_refused_leaves_the_session_usable(session: psycopg.Connection, form: str) -> None:
    stream = opened(session, form)
    with pytest.raises(psycopg.errors.UndefinedTable, match="no_such") as caught:
        stream.start(b"copy no_such to stdout")
    assert caught.value.sqlstate == "42P01"
    assert stream.ended
    assert session.execute("select 1").fetchall() == [(1,)]


def test_an_error_in_the_middle_leaves_the_session_usable(session: psycopg.Connection, form: str) -> None:
    session.execute("begin")
    stream = opened(session, form)
    stream.start(b"copy (select 1 / (i - 5000) from generate_series(1, 9000) i) to stdout")
    with pytest.raises(psycopg.errors.DivisionByZero):
        whole(stream, session, 1000)
    assert stream.ended
    session.execute("rollback")
    assert session.execute("select 1").fetchall() == [(1,)]


def test_a_server_process_that_dies_is_an_error(server: LocalPostgres, session: psycopg.Connection, form: str) -> None:
    stream = opened(session, form)
    stream.start(b"copy (select i, repeat('x', 1000) from generate_series(1, 100000) i) to stdout")
    server.execute(f"select pg_terminate_backend({session.info.backend_pid})")
    with pytest.raises(psycopg.OperationalError):
        whole(stream, session, 64 * 1024)


def test_notices_and_settings_that_change_come_in_between(server: LocalPostgres, form: str) -> None:
    server.execute(
        "create or replace function public.says(i int) returns int language plpgsql as $$ begin"
        " if i % 1000 = 0 then raise warning 'at %', i; perform set_config('application_name', 'n' || i, false); end if;"
        " return i; end $$"
    )
    notices: list[tuple[int, bytes]] = []
    with connected(server, form) as session:
        stream = opened(session, form, notices)
        stream.start(b"copy (select public.says(i) from generate_series(1, 5000) i) to stdout")
        assert whole(stream, session, 500) == [b"%d\n" % i for i in range(1, 5001)]
        assert session.execute("select 1").fetchall() == [(1,)]
    if form == "plain":
        said = [value for field, value in notices if field == pq.DiagnosticField.MESSAGE_PRIMARY]
        assert said == [b"at %d" % i for i in range(1000, 5001, 1000)]


@pytest.mark.parametrize("room", ROOMS)
def test_a_replication_stream_is_the_same_in_both_forms(server: LocalPostgres, room: int) -> None:
    """What the slot has, up to a marked message; then the stream ends in order, with the last confirmation read."""
    slot = f"slot_{room}"
    server.execute(f"select pg_create_logical_replication_slot('{slot}', 'test_decoding')")
    server.execute("select pg_logical_emit_message(false, 'p', repeat('m', 100)) from generate_series(1, 200)")
    server.execute("select pg_logical_emit_message(false, 'p', 'the last')")
    [(position,)] = server.execute("select pg_current_wal_insert_lsn()::text")
    found = []
    for form in FORMS:
        with contextlib.closing(connected(server, form, replication="database")) as session:
            stream = opened(session, form)
            stream.start(f'START_REPLICATION SLOT "{slot}" LOGICAL 0/0 ("skip-empty-xacts" \'1\')'.encode())
            bodies = whole(stream, session, room, until=b"content:the last")
            found.append([body[25:] for body in bodies if body[:1] == b"w"])
            if form == FORMS[-1]:
                high, low = (int(part, 16) for part in position.split("/"))
                lsn = high << 32 | low
                stream.send(struct.pack("!cQQQqB", b"r", lsn, lsn, lsn, 0, 0))
            stream.finish(WAIT_SECONDS)
    assert found[0] == found[1]
    assert len(found[0]) == 201
    query = f"select confirmed_flush_lsn >= '{position}' from pg_replication_slots where slot_name = '{slot}'"
    assert server.execute(query) == [(True,)]
