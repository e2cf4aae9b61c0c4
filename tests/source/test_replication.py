"""The replication protocol on a real server: identity, snapshots, streaming, confirming, and how a stream ends."""

import select
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import pytest

from fix_postgres import Database, PostgresFactory
from localpg import LocalPostgres
from re_dms.errors import ChangesMissing, InvariantError, PipelineHeld, ReDmsError, SourceError, SourceUnavailable
from re_dms.lsn import LSN
from re_dms.settings import SourceSettings
from re_dms.source.copy_stream import COPY_DATA, FRAME
from re_dms.source.export import under_snapshot
from re_dms.source.replication import KEEPALIVE, XLOG_DATA, ReplicationConnection, parse_keepalive
from re_dms.source.slot import create_slot, current_position, drop_slot, read_slot

Session = psycopg.Connection[Any]
SECONDS_MAX = 20.0
BEHIND: WeakKeyDictionary[ReplicationConnection, bytearray] = WeakKeyDictionary()  # received, and not asked for yet


@pytest.fixture
def stream(settings: SourceSettings) -> Iterator[ReplicationConnection]:
    with ReplicationConnection.open(settings) as connection:
        yield connection


@pytest.fixture
def slot(session: Session, settings: SourceSettings) -> str:
    """A published table `t` and a slot behind the publication."""
    session.execute("create table public.t (a int primary key)")
    session.execute("create publication pub for table public.t")
    create_slot(session, settings.slot)
    return settings.slot


def received(stream: ReplicationConnection, until: Callable[[bytes], bool]) -> list[bytes]:
    """The payloads up to the first that `until` accepts."""
    payloads: list[bytes] = []
    data, room = BEHIND.setdefault(stream, bytearray()), memoryview(bytearray(1024))
    while True:
        while len(data) >= FRAME.size and len(data) > (length := FRAME.unpack_from(data)[1]):
            kind, body = data[0], bytes(data[FRAME.size : 1 + length])
            del data[: 1 + length]
            if kind != COPY_DATA:
                stream.other(kind, body)
                continue
            payloads.append(body)
            if until(body):
                return payloads
        size = stream.receive(room)
        data += room[:size]
        if size == 0:
            assert select.select([stream.fileno()], [], [], SECONDS_MAX)[0], "the source fell silent"


def is_commit(payload: bytes) -> bool:
    return payload[0] == XLOG_DATA and payload[25:26] == b"C"


def commit_end(payload: bytes) -> LSN:
    end: int = struct.unpack_from("!q", payload, 25 + 10)[0]
    return LSN(end)


def until_confirmed(session: Session, stream: ReplicationConnection, slot: str, position: LSN) -> None:
    """Wait until the server has dealt with our status update; it answers each with a keepalive, and sends others."""
    while True:
        stream.status_update(received=position, flushed=position, reply_requested=True)
        received(stream, lambda payload: payload[0] == KEEPALIVE)
        state = read_slot(session, slot)
        assert state is not None
        assert state.confirmed_flush_lsn is not None
        if state.confirmed_flush_lsn >= position:
            assert state.confirmed_flush_lsn == position
            return


def test_identity_is_the_servers(stream: ReplicationConnection, session: Session, database: Database) -> None:
    identity = stream.identify()
    system, timeline = session.execute(
        "select system_identifier::text, timeline_id from pg_control_system(), pg_control_checkpoint()"
    ).fetchall()[0]
    assert (identity.system_identifier, identity.timeline, identity.database) == (system, timeline, database.name)
    assert LSN(0) < identity.position <= current_position(session)


def test_a_snapshot_holds_what_committed_before_it_and_nothing_later(
    stream: ReplicationConnection, session: Session, database: Database
) -> None:
    database.execute("create table t (a int)")
    database.execute("insert into t values (1)")
    exported = stream.create_temporary_slot()
    database.execute("insert into t values (2)")
    with under_snapshot(session, exported.snapshot):
        assert session.execute("select a from public.t").fetchall() == [(1,)]
        database.execute("insert into t values (3)")
        assert session.execute("select a from public.t").fetchall() == [(1,)]
    assert exported.position <= current_position(session)
    assert session.execute("select a from public.t order by a").fetchall() == [(1,), (2,), (3,)]


def test_the_position_of_a_snapshot_parts_the_commits(
    stream: ReplicationConnection, session: Session, slot: str, peek: Any
) -> None:
    """Each commit is either in the snapshot (it ends at or before the position) or comes later (it begins behind)."""
    for number in range(3):
        session.execute("insert into public.t values (%s)", [number])
    exported = stream.create_temporary_slot()
    for number in range(3, 6):
        session.execute("insert into public.t values (%s)", [number])
    rows = session.execute(
        "select data from pg_logical_slot_peek_binary_changes(%s, null, null, 'proto_version', '1', 'publication_names', 'pub')",
        [slot],
    ).fetchall()
    finals = [LSN(struct.unpack_from("!q", row[0], 1)[0]) for row in rows if row[0][:1] == b"B"]
    assert [final < exported.position for final in finals] == [True] * 3 + [False] * 3


def test_a_snapshot_waits_for_transactions_that_are_open(
    settings: SourceSettings, session: Session, sessions: Callable[[], Session]
) -> None:
    session.execute("create table public.t (a int)")
    writer = sessions()
    writer.execute("begin")
    writer.execute("insert into t values (1)")
    with ReplicationConnection.open(settings, purpose="copy") as stream:
        stream.connection.pgconn.send_query(b"CREATE_REPLICATION_SLOT waits TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT")
        assert select.select([stream.fileno()], [], [], 0.3)[0] == []
        writer.execute("commit")
        assert select.select([stream.fileno()], [], [], SECONDS_MAX)[0] != []


def test_a_snapshot_is_gone_with_its_connection(settings: SourceSettings, session: Session) -> None:
    with ReplicationConnection.open(settings) as stream:
        exported = stream.create_temporary_slot()
        slots = "select count(*) from pg_replication_slots where temporary and database = current_database()"
        assert session.execute(slots).fetchall() == [(1,)]

    def take_until_gone() -> None:
        """Its session ends when the server has noticed that the connection is closed."""
        while True:
            with under_snapshot(session, exported.snapshot):
                pass

    with pytest.raises(SourceUnavailable, match="snapshot is gone"):
        take_until_gone()


def test_changes_are_streamed_from_where_the_slot_was_confirmed(
    stream: ReplicationConnection, session: Session, slot: str
) -> None:
    state = read_slot(session, slot)
    assert state is not None
    session.execute("insert into public.t values (1)")
    assert stream.start(slot, "pub") == state.confirmed_flush_lsn
    letters = [payload[25:26] for payload in received(stream, is_commit) if payload[0] == XLOG_DATA]
    assert letters == [b"B", b"R", b"I", b"C"]


def test_confirming_moves_the_slot_and_nothing_confirmed_comes_again(
    stream: ReplicationConnection, session: Session, slot: str, settings: SourceSettings
) -> None:
    begins = stream.start(slot, "pub")
    session.execute("insert into public.t values (1)")
    ended = commit_end(received(stream, is_commit)[-1])
    unmoved = read_slot(session, slot)
    assert unmoved is not None
    assert unmoved.confirmed_flush_lsn == begins
    until_confirmed(session, stream, slot, ended)
    stream.close()
    session.execute("insert into public.t values (2)")
    with ReplicationConnection.open(settings) as again:
        while True:
            try:
                assert again.start(slot, "pub") == ended
                break
            except PipelineHeld:  # the walsender of the closed stream is about to end
                continue
        payloads = [payload for payload in received(again, is_commit) if payload[25:26] == b"I"]
        assert [payload[-1:] for payload in payloads] == [b"2"]


def test_a_confirmed_position_never_goes_back(stream: ReplicationConnection, session: Session, slot: str) -> None:
    with pytest.raises(InvariantError):
        stream.status_update(received=LSN(1), flushed=LSN(1))
    begins = stream.start(slot, "pub")
    with pytest.raises(InvariantError, match="went back"):
        stream.status_update(received=begins, flushed=LSN(begins - 1))
    session.execute("insert into public.t values (1)")
    ended = commit_end(received(stream, is_commit)[-1])
    until_confirmed(session, stream, slot, ended)
    with pytest.raises(InvariantError, match="went back"):
        stream.status_update(received=ended, flushed=begins)
    until_confirmed(session, stream, slot, ended)


def test_an_idle_source_names_its_position_in_keepalives(
    stream: ReplicationConnection, session: Session, slot: str
) -> None:
    begins = stream.start(slot, "pub")
    session.execute("create table public.unpublished as select 1 as a")
    position = current_position(session)
    stream.status_update(received=begins, flushed=begins, reply_requested=True)
    ends = [
        parse_keepalive(payload)[0]
        for payload in received(stream, lambda data: data[0] == KEEPALIVE and parse_keepalive(data)[0] >= position)
        if payload[0] == KEEPALIVE
    ]
    assert ends == sorted(ends)


def test_a_keepalive_that_is_none_is_refused() -> None:
    assert parse_keepalive(struct.pack("!cqqB", b"k", 0x1_0000_0010, 0, 1)) == (LSN.parse("1/10"), True)
    assert parse_keepalive(memoryview(struct.pack("!cqqB", b"k", 16, 5, 0))) == (LSN(16), False)
    for data in (b"", b"k", b"w" + bytes(17), b"k" + bytes(18)):
        with pytest.raises(SourceError):
            parse_keepalive(data)


def test_a_slot_that_another_process_reads_names_it(
    stream: ReplicationConnection, slot: str, settings: SourceSettings
) -> None:
    stream.start(slot, "pub")
    pid = stream.connection.info.backend_pid
    with ReplicationConnection.open(settings) as second, pytest.raises(PipelineHeld, match=f"process {pid} "):
        second.start(slot, "pub")


def test_losing_the_race_for_a_slot_names_the_winner(
    stream: ReplicationConnection, slot: str, settings: SourceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same when the server itself refuses (55006), behind our own look at the slot."""
    begins = stream.start(slot, "pub")
    pid = stream.connection.info.backend_pid
    with ReplicationConnection.open(settings) as second:
        monkeypatch.setattr(second, "_usable", lambda name: begins)
        with pytest.raises(PipelineHeld, match=f"process {pid} "):
            second.start(slot, "pub")


@pytest.mark.parametrize("race", [False, True])
def test_a_missing_slot_means_missing_changes(
    stream: ReplicationConnection, session: Session, slot: str, monkeypatch: pytest.MonkeyPatch, race: bool
) -> None:
    drop_slot(session, slot)
    if race:
        monkeypatch.setattr(stream, "_usable", lambda name: LSN(1))
    with pytest.raises(ChangesMissing, match="does not exist"):
        stream.start(slot, "pub")


def test_a_missing_publication_is_named_before_the_stream(stream: ReplicationConnection, slot: str) -> None:
    with pytest.raises(SourceError, match="'other' does not exist"):
        stream.start(slot, "other")


@pytest.mark.parametrize("name", ["Pub", "p\"u'b", "a,b", "p ub"])
def test_publications_of_any_name_are_streamed(
    stream: ReplicationConnection, session: Session, slot: str, name: str
) -> None:
    session.execute(psycopg.sql.SQL("alter publication pub rename to {}").format(psycopg.sql.Identifier(name)))
    session.execute("insert into public.t values (1)")
    drop_slot(session, slot)  # at this slot's position the publication has its old name
    create_slot(session, slot)
    session.execute("insert into public.t values (2)")
    stream.start(slot, name)
    assert len([data for data in received(stream, is_commit) if data[25:26] == b"I"]) == 1


def test_a_publication_dropped_before_a_change_stops_the_stream(
    stream: ReplicationConnection, session: Session, slot: str
) -> None:
    begins = stream.start(slot, "pub")
    session.execute("drop publication pub")
    session.execute("insert into public.t values (1)")
    position = current_position(session)

    def read() -> None:
        """Servers before 18 end the stream; later ones warn, and must not be confirmed any more."""
        flushed = begins
        while flushed < position:
            stream.status_update(received=flushed, flushed=flushed, reply_requested=True)
            keepalive = received(stream, lambda data: data[0] == KEEPALIVE)[-1]
            flushed = max(flushed, parse_keepalive(keepalive)[0])
        stream.status_update(received=flushed, flushed=flushed)

    with pytest.raises(SourceError, match="the publication does not exist") as caught:
        read()
    state = read_slot(session, slot)
    assert state is not None
    assert (state.confirmed_flush_lsn or 0) < position
    assert not caught.value.retry
    assert "reset" in caught.value.remedy


def test_a_terminated_stream_is_tried_again(stream: ReplicationConnection, session: Session, slot: str) -> None:
    stream.start(slot, "pub")
    session.execute("select pg_terminate_backend(%s)", [stream.connection.info.backend_pid])
    with pytest.raises(SourceUnavailable, match="57P01"):
        received(stream, lambda data: False)


def ended(stream: ReplicationConnection, until: Callable[[bytes], bool] = lambda data: False) -> ReDmsError:
    """How the stream ends, read as the reader does."""
    try:
        received(stream, until)
    except ReDmsError as error:
        return error
    raise AssertionError


@pytest.fixture
def down(postgres_factory: PostgresFactory) -> Iterator[tuple[LocalPostgres, ReplicationConnection, LSN]]:
    """A server to bring down under a stream that was started."""
    server = postgres_factory()
    source = SourceSettings(dsn=server.dsn("postgres"), slot="s", publication="pub")
    server.execute("create publication pub for all tables")
    server.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
    with ReplicationConnection.open(source) as stream:
        yield server, stream, stream.start("s", "pub")


def test_a_server_that_crashes_is_tried_again(down: tuple[LocalPostgres, ReplicationConnection, LSN]) -> None:
    server, stream, _ = down
    server.crash()
    assert isinstance(ended(stream), SourceUnavailable)


def test_a_server_that_shuts_down_is_tried_again(down: tuple[LocalPostgres, ReplicationConnection, LSN]) -> None:
    """With all confirmed: the walsender sends the last of it, and waits until it is."""
    server, stream, begins = down
    confirmed = [begins]

    def confirm(payload: bytes) -> bool:
        if payload[0] == KEEPALIVE:
            confirmed.append(max(parse_keepalive(payload)[0], confirmed[-1]))
            stream.status_update(received=confirmed[-1], flushed=confirmed[-1])
        return False

    stopping = threading.Thread(target=server.stop)
    stopping.start()
    error = ended(stream, confirm)
    stopping.join()
    assert isinstance(error, SourceUnavailable)


def test_a_lost_slot_means_missing_changes(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory(
        settings={"max_slot_wal_keep_size": "1MB", "max_wal_size": "32MB", "min_wal_size": "32MB"}
    )
    source = SourceSettings(dsn=server.dsn("postgres"), slot="s", publication="pub")
    server.execute("create publication pub for all tables")
    server.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
    for _ in range(4):
        server.execute("select pg_logical_emit_message(false, 'x', repeat('x', 100000)), pg_switch_wal()")
    server.execute("checkpoint")
    with ReplicationConnection.open(source) as stream, pytest.raises(ChangesMissing, match="is lost") as caught:
        stream.start("s", "pub")
    assert "reset" in caught.value.remedy
