"""The slot's life, and what its state tells."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from fix_postgres import Database, PostgresFactory
from re_dms.errors import ConfigurationError, PipelineHeld, SourceError
from re_dms.lsn import LSN
from re_dms.settings import SourceSettings
from re_dms.source.connection import connect
from re_dms.source.replication import ReplicationConnection
from re_dms.source.slot import create_slot, current_position, drop_slot, read_slot

Session = psycopg.Connection[Any]


def test_a_slot_is_made_read_and_dropped(session: Session, settings: SourceSettings, database: Database) -> None:
    assert read_slot(session, settings.slot) is None
    begins = create_slot(session, settings.slot)
    state = read_slot(session, settings.slot)
    assert state is not None
    assert (state.plugin, state.database, state.temporary) == ("pgoutput", database.name, False)
    assert state.confirmed_flush_lsn == begins
    assert state.restart_lsn is not None
    assert state.restart_lsn <= begins
    assert (state.active_pid, state.lost, state.wal_status) == (None, False, "reserved")
    assert state.retained_bytes is not None
    assert state.retained_bytes >= 0
    assert drop_slot(session, settings.slot)
    assert not drop_slot(session, settings.slot)
    assert read_slot(session, settings.slot) is None


def test_retained_bytes_grow_with_what_others_write(
    session: Session, settings: SourceSettings, database: Database
) -> None:
    create_slot(session, settings.slot)
    before = read_slot(session, settings.slot)
    database.execute("create table filler as select repeat('x', 1000) from generate_series(1, 1000)")
    after = read_slot(session, settings.slot)
    assert before is not None
    assert after is not None
    assert (after.retained_bytes or 0) - (before.retained_bytes or 0) > 1_000_000


def test_a_slot_of_another_kind_is_refused(session: Session, settings: SourceSettings, database: Database) -> None:
    physical, other, elsewhere = (f"{settings.slot}_{word}" for word in ("physical", "other", "elsewhere"))
    session.execute("select pg_create_logical_replication_slot(%s, 'test_decoding')", [other])
    with pytest.raises(ConfigurationError, match="test_decoding"):
        read_slot(session, other)
    session.execute("select pg_create_physical_replication_slot(%s)", [physical])
    try:
        with pytest.raises(ConfigurationError, match="physical"):
            read_slot(session, physical)
    finally:
        drop_slot(session, physical)
    database.server.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [elsewhere])
    try:
        with pytest.raises(ConfigurationError, match="database"):
            read_slot(session, elsewhere)
    finally:
        database.server.execute("select pg_drop_replication_slot(%s)", [elsewhere])


def test_a_name_that_is_taken_or_impossible_is_refused(session: Session, settings: SourceSettings) -> None:
    create_slot(session, settings.slot)
    with pytest.raises(SourceError, match="exists already"):
        create_slot(session, settings.slot)
    with pytest.raises(ConfigurationError, match="no name for"):
        create_slot(session, "Not A Name")
    assert read_slot(session, """it's "odd" """) is None


def test_a_slot_in_use_is_not_dropped_and_its_process_is_named(session: Session, settings: SourceSettings) -> None:
    session.execute("create publication pub")
    create_slot(session, settings.slot)
    with ReplicationConnection.open(settings) as stream:
        stream.start(settings.slot, "pub")
        pid = stream.connection.info.backend_pid
        with pytest.raises(PipelineHeld, match=rf"process {pid} \(re_dms:stream, over a unix socket\)"):
            drop_slot(session, settings.slot, seconds_max=0)
    assert drop_slot(session, settings.slot)


def test_without_logical_wal_the_setting_is_named(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory(settings={"wal_level": "replica"})
    source = SourceSettings(dsn=server.dsn("postgres"), slot="s", publication="p")
    with connect(source, purpose="test") as connection, pytest.raises(ConfigurationError, match="wal_level is replica"):
        create_slot(connection, "s")


def test_a_lost_slot_is_told(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory(
        settings={"max_slot_wal_keep_size": "1MB", "max_wal_size": "32MB", "min_wal_size": "32MB"}
    )
    source = SourceSettings(dsn=server.dsn("postgres"), slot="s", publication="p")
    with connect(source, purpose="test") as connection:
        create_slot(connection, "s")
        for _ in range(4):
            connection.execute("select pg_logical_emit_message(false, 'x', repeat('x', 100000)), pg_switch_wal()")
        connection.execute("checkpoint")
        state = read_slot(connection, "s")
    assert state is not None
    assert state.lost
    assert state.wal_status == "lost"


def test_visible_commits_end_at_or_before_the_current_position(
    session: Session, sessions: Callable[[], Session]
) -> None:
    session.execute("create table public.t (a int)")
    writer = sessions()
    writer.execute("set synchronous_commit = off")
    for number in range(20):
        before = current_position(session)
        writer.execute("insert into t values (%s)", [number])
        assert current_position(session) > before


def test_a_server_at_rest_reaches_the_current_position(session: Session) -> None:
    session.execute("select pg_switch_wal()")  # the next record would go behind a long page header
    asked = current_position(session)
    flushed = session.execute("select pg_current_wal_flush_lsn()::text").fetchall()[0][0]
    assert asked <= LSN.parse(flushed)
