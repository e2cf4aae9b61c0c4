"""The stream's slot: the server's bookmark that retains WAL for us.

Source: https://www.postgresql.org/docs/current/view-pg-replication-slots.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.errors import DuplicateObject, InvalidName, ObjectInUse, UndefinedFile, UndefinedObject

from re_dms.errors import ConfigurationError, PipelineHeld, ReDmsError, SourceError
from re_dms.lsn import LSN
from re_dms.settings import PGOUTPUT, TEST_DECODING
from re_dms.source.failures import printable, reported

DROP_SECONDS_MAX: Final = 10.0
_TWO_PHASE_SINCE: Final = 140_000
_POLL_SECONDS: Final = 0.1

_PAGE_HEADER: Final = 24
_LONG_PAGE_HEADER: Final = 40
_INSERTED: Final = "case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """A logical slot of ours, as it is now.

    `retained_bytes` is the WAL that the server keeps for it. `safe_wal_size` is how many bytes more may be written
    until it is in danger (None: no limit, or lost). `invalidation` is the server's word for why it was lost.
    """

    name: str
    plugin: str
    database: str
    temporary: bool
    active_pid: int | None
    restart_lsn: LSN | None
    confirmed_flush_lsn: LSN | None
    wal_status: str | None
    safe_wal_size: int | None
    retained_bytes: int | None
    invalidation: str | None

    @property
    def lost(self) -> bool:
        """Whether changes can no longer be read from it."""
        return self.wal_status == "lost" or self.invalidation is not None or self.confirmed_flush_lsn is None


def read_slot(connection: psycopg.Connection[Any], name: str, plugin: str = PGOUTPUT) -> SlotState | None:
    """The slot, or None when there is none. Works on ordinary and on replication connections.

    Raises ConfigurationError when a slot of that name is not a slot of this database and of this plugin, and for one
    of test_decoding that sends prepared transactions ahead of their commit.
    """
    version = connection.info.server_version
    invalidation: LiteralString = "null"
    if version >= 170_000:
        invalidation = "invalidation_reason"
    elif version >= 160_000:
        invalidation = "case when conflicting then 'conflict' end"
    query = sql.SQL(
        "select slot_type, plugin, database, temporary, active_pid, restart_lsn::text, confirmed_flush_lsn::text,"
        " wal_status, safe_wal_size, ({inserted} - restart_lsn)::bigint, {invalidation}, {two_phase}, current_database()"
        " from pg_replication_slots where slot_name = {name}"
    ).format(
        name=sql.Literal(name),
        inserted=sql.SQL(_INSERTED),
        invalidation=sql.SQL(invalidation),
        two_phase=sql.SQL("two_phase" if version >= _TWO_PHASE_SINCE else "false"),
    )
    with reported("reading the replication slot"):
        row = connection.execute(query).fetchone()
    if row is None:
        return None
    kind, found, database, temporary, pid, restart, confirmed, status, safe, retained, invalidated, two_phase, here = (
        row
    )
    if kind != "logical" or found != plugin or database != here:
        what = f"a {kind} slot" if kind != "logical" else f"a slot of plugin {found!r} in database {database!r}"
        known = kind == "logical" and database == here and found in (PGOUTPUT, TEST_DECODING)
        raise ConfigurationError(
            f"replication slot {name!r} is {what}, not a {plugin} slot of database {here!r}",
            remedy=f"give another name with `slot`{f', or `plugin` {found}' if known else ''}",
        )
    if plugin == TEST_DECODING and two_phase:
        raise ConfigurationError(
            f"replication slot {name!r} is two_phase: it sends prepared transactions before it is known whether they"
            " are committed",
            remedy="give a slot that was made without two_phase",
        )
    return SlotState(
        name=name,
        plugin=found,
        database=database,
        temporary=temporary,
        active_pid=pid,
        restart_lsn=None if restart is None else LSN.parse(restart),
        confirmed_flush_lsn=None if confirmed is None else LSN.parse(confirmed),
        wal_status=status,
        safe_wal_size=safe,
        retained_bytes=retained,
        invalidation=invalidated,
    )


def create_slot(connection: psycopg.Connection[Any], name: str, plugin: str = PGOUTPUT) -> LSN:
    """Make the stream's slot and return where it begins. The publication must exist before it (protocol line 8).

    Waits until every transaction that runs at this moment has ended.
    """
    require_logical(connection)
    query = sql.SQL("select lsn::text from pg_create_logical_replication_slot({name}, {plugin})").format(
        name=sql.Literal(name), plugin=sql.Literal(plugin)
    )
    with reported(f"creating replication slot {name!r}"):
        try:
            return LSN.parse(connection.execute(query).fetchall()[0][0])
        except DuplicateObject:
            failure: ReDmsError = SourceError(
                f"replication slot {name!r} exists already", remedy="give another name with `slot`, or drop that one"
            )
        except InvalidName:
            failure = ConfigurationError(
                f"{name!r} is no name for a replication slot",
                remedy="use at most 63 lower-case letters, digits and underscores",
            )
        except UndefinedFile:
            failure = ConfigurationError(
                f"the source has no output plugin {plugin!r}",
                remedy="install Postgres's contrib modules on the server, or use another `plugin`",
            )
    raise failure


def drop_slot(connection: psycopg.Connection[Any], name: str, *, seconds_max: float = DROP_SECONDS_MAX) -> bool:
    """Drop the slot; False when there was none. Waits a few seconds for one that is in use.

    Raises PipelineHeld when it stays in use.
    """
    query = sql.SQL("select pg_drop_replication_slot({name})").format(name=sql.Literal(name))
    deadline = time.monotonic() + seconds_max
    with reported(f"dropping replication slot {name!r}"):
        while True:
            try:
                connection.execute(query)
            except UndefinedObject:
                return False
            except ObjectInUse:
                if time.monotonic() >= deadline:
                    break
                time.sleep(_POLL_SECONDS)
            else:
                return True
    raise held(connection, name)


def held(connection: psycopg.Connection[Any], name: str) -> PipelineHeld:
    """The error for a slot that another process reads; names its server process as the server tells it."""
    query = sql.SQL(
        "select s.active_pid, a.application_name, a.client_addr::text from pg_replication_slots s"
        " left join pg_stat_activity a on a.pid = s.active_pid where s.slot_name = {name}"
    ).format(name=sql.Literal(name))
    with reported("reading the replication slot"):
        row = connection.execute(query).fetchone()
    pid, application, address = row or (None, None, None)
    if pid is None:
        return PipelineHeld(f"replication slot {name!r} was in use by another process a moment ago", remedy="try again")
    who = printable(f"{application or 'no application name'}, {address or 'over a unix socket'}")
    return PipelineHeld(
        f"replication slot {name!r} is in use by server process {pid} ({who})",
        remedy=f"stop the other process, or end its session with: select pg_terminate_backend({pid})",
    )


def require_logical(connection: psycopg.Connection[Any]) -> None:
    """Raise ConfigurationError unless the server writes what logical decoding needs."""
    with reported("reading wal_level"):
        level = connection.execute("select current_setting('wal_level')").fetchall()[0][0]
    if level != "logical":
        raise ConfigurationError(
            f"the source's wal_level is {level}, logical replication needs logical",
            remedy="alter system set wal_level = 'logical', then restart the server",
        )


def current_position(connection: psycopg.Connection[Any]) -> LSN:
    """Every commit that any session can see at this moment ends at or before this position.

    On a standby: the position replayed. A server at rest reaches it: keepalives come to name it.
    """
    query = (
        f"select ({_INSERTED})::text, pg_size_bytes(current_setting('wal_segment_size')),"
        " current_setting('wal_block_size')::int"
    )
    with reported("reading the current WAL position"):
        text, segment, block = connection.execute(query.encode()).fetchall()[0]
    position = LSN.parse(text)
    # The next record goes behind a page's header, but the last one ended before it, at the page's border: without
    # this, a wait for the position would last until somebody writes. (src/include/access/xlog_internal.h)
    if position % segment == _LONG_PAGE_HEADER:
        return LSN(position - _LONG_PAGE_HEADER)
    if position % block == _PAGE_HEADER:
        return LSN(position - _PAGE_HEADER)
    return position
