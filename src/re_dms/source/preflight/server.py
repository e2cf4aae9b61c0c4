"""The server: version, settings, limits, encoding, the slot, and what holds WAL back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from psycopg import sql

from re_dms.finding import Finding, asked, error, ok, warning
from re_dms.settings import SourceSettings
from re_dms.source.connection import SETTINGS, Connection
from re_dms.source.failures import printable
from re_dms.source.preflight.asking import NAMED_MAX, PLACE, row, rows
from re_dms.source.slot import SlotState, read_slot, require_logical

_OLD_TRANSACTION_SECONDS: Final = 300

# The first minor of each major that has neither the loss of changes beside concurrent DDL (commit 4909b38af0: rows of
# tables that were being published were skipped) nor the failure that its first fix brought ("invalid memory alloc
# request size", bugs 18938 and 18942). Source: release notes of 2025-05-08 and 2025-08-14.
SAFE_MINORS: Final = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
_OLDEST_MAJOR: Final = 13
_STANDBY_SINCE: Final = 160_000


def check_server(connection: Connection) -> Iterator[Finding]:
    """Version, settings, encoding: what holds whatever is replicated."""
    yield _transport(connection)
    yield _version(connection)
    yield from asked(PLACE, "wal_level", lambda: _wal_level(connection))
    yield from _limits(connection)
    yield _encoding(connection)
    names = ", ".join(sorted(SETTINGS)[:4])
    yield ok(
        PLACE, "value_settings", f"values are printed under settings of our own ({names} …), whatever a role has set"
    )


def check_slot(connection: Connection, source: SourceSettings) -> Iterator[Finding]:
    """The slot, and what holds WAL back on the server."""
    yield from asked(PLACE, "slot", lambda: _slot(connection, source))
    yield from _old_transactions(connection)


def _transport(connection: Connection) -> Finding:
    info = connection.info
    if info.host.startswith("/"):
        return ok(PLACE, "connection", "connected over a unix socket")
    if not connection.pgconn.ssl_in_use:
        return ok(
            PLACE, "connection", "connected without TLS, which is taken on this machine or with insecure_tls only"
        )
    return ok(PLACE, "connection", "connected with TLS")


def _version(connection: Connection) -> Finding:
    version = connection.info.server_version
    major, minor = version // 10_000, version % 10_000
    said = f"Postgres {major}.{minor}"
    if major < _OLDEST_MAJOR:
        return error(PLACE, "version", f"{said} is older than {_OLDEST_MAJOR}", "upgrade the server", exit_code=3)
    if minor < SAFE_MINORS.get(major, 0):
        return warning(
            PLACE,
            "version",
            f"{said}: logical decoding can skip rows beside concurrent DDL, or fail, below {major}.{SAFE_MINORS[major]}",
            f"upgrade the server to {major}.{SAFE_MINORS[major]} or later",
        )
    return ok(PLACE, "version", f"{said}: no decoding bug is known to us")


def _wal_level(connection: Connection) -> Iterator[Finding]:
    require_logical(connection)
    in_recovery = bool(row(connection, "select pg_is_in_recovery()")[0])
    if in_recovery and connection.info.server_version < _STANDBY_SINCE:
        yield error(
            PLACE,
            "wal_level",
            "the server is a standby, which decodes since Postgres 16 only",
            "take the primary as the source",
            exit_code=3,
        )
    elif in_recovery:
        yield warning(
            PLACE, "wal_level", "the server is a standby: its slot is lost when WAL that it needs is removed there",
            "set hot_standby_feedback = on, or take the primary as the source",
        )  # fmt: skip
    else:
        yield ok(PLACE, "wal_level", "wal_level is logical")


def _limits(connection: Connection) -> Iterator[Finding]:
    slots, senders, used_slots, used_senders, keep, timeout, idle = row(
        connection,
        "select current_setting('max_replication_slots')::int, current_setting('max_wal_senders')::int,"
        " (select count(*) from pg_replication_slots), (select count(*) from pg_stat_replication),"
        " (select setting::int8 from pg_settings where name = 'max_slot_wal_keep_size'),"
        " (select setting::int8 from pg_settings where name = 'wal_sender_timeout'),"
        " (select setting::int8 from pg_settings where name = 'idle_replication_slot_timeout')",
    )
    for name, limit, used in (("max_replication_slots", slots, used_slots), ("max_wal_senders", senders, used_senders)):
        said = f"{name}: {used} of {limit} in use; the stream needs one, copies one more for a while"
        if limit - used < 1:
            yield error(
                PLACE, name, said, f"alter system set {name} = {limit + 5}; -- then restart the server", exit_code=3
            )
        elif limit - used < 2:
            yield warning(PLACE, name, said, f"alter system set {name} = {limit + 5}; -- then restart the server")
        else:
            yield ok(PLACE, name, said)
    if keep < 0:
        yield warning(
            PLACE,
            "max_slot_wal_keep_size",
            "max_slot_wal_keep_size is -1: a slot that nobody reads makes the server keep WAL until its disk is full",
            "alter system set max_slot_wal_keep_size = '100GB'; select pg_reload_conf(); -- a part of the disk's free space",
        )
    else:
        yield ok(
            PLACE,
            "max_slot_wal_keep_size",
            f"a slot that is more than {keep:,} MB behind is given up (exit 6), and the disk is safe",
        )
    if timeout == 0:
        yield warning(
            PLACE, "wal_sender_timeout", "wal_sender_timeout is 0: a connection that died unseen holds the slot for ever",
            "alter system set wal_sender_timeout = '60s'; select pg_reload_conf();",
        )  # fmt: skip
    else:
        yield ok(PLACE, "wal_sender_timeout", f"wal_sender_timeout is {timeout / 1000:g} s")
    if idle:
        yield warning(
            PLACE, "idle_replication_slot_timeout", f"a slot that rests for {idle} s is given up: a longer stop of ours loses it",
            "alter system set idle_replication_slot_timeout = 0; select pg_reload_conf();",
        )  # fmt: skip


def _encoding(connection: Connection) -> Finding:
    encoding = str(row(connection, "select getdatabaseencoding()")[0])
    if encoding == "UTF8":
        return ok(PLACE, "encoding", "the database is UTF8")
    if encoding == "SQL_ASCII":
        return warning(
            PLACE,
            "encoding",
            "the database is SQL_ASCII, which takes any bytes: a value that is not UTF-8 stops the pipeline by name",
            "mend such values before: select … where convert_from(value::bytea, 'UTF8') … fails, or dump and load into a UTF8 database",
        )
    return ok(PLACE, "encoding", f"the database is {encoding}; the server converts to UTF8")


def _slot(connection: Connection, source: SourceSettings) -> Iterator[Finding]:
    slot = read_slot(connection, source.slot, source.plugin)
    if slot is None:
        yield ok(PLACE, "slot", f"slot {source.slot} is not there yet; it is made at the first start")
        return
    if slot.lost:
        return  # the start's own refusal says it, with the journal in view
    size = "" if slot.retained_bytes is None else f", {slot.retained_bytes / 2**20:,.0f} MB of WAL retained"
    held = "in use" if slot.active_pid is not None else "not in use"
    said = f"slot {slot.name} is {held}, {slot.wal_status}{size}{_safe(slot)}"
    if slot.wal_status in ("extended", "unreserved"):
        mend = "start capture, or raise max_slot_wal_keep_size before the slot is lost"
        yield warning(PLACE, "slot", said, mend)
    else:
        yield ok(PLACE, "slot", said)


def _safe(slot: SlotState) -> str:
    return "" if slot.safe_wal_size is None else f", {slot.safe_wal_size / 2**20:,.0f} MB until it is in danger"


def _old_transactions(connection: Connection) -> Iterator[Finding]:
    prepared = rows(
        connection,
        "select gid, extract(epoch from now() - prepared)::int8 from pg_prepared_xacts where prepared < now() - make_interval(secs => %s) order by prepared",
        [_OLD_TRANSACTION_SECONDS],
    )
    running = rows(
        connection,
        "select pid, extract(epoch from now() - xact_start)::int8 from pg_stat_activity where backend_xid is not null"
        " and xact_start < now() - make_interval(secs => %s) order by xact_start",
        [_OLD_TRANSACTION_SECONDS],
    )
    found = [
        (
            f"prepared transaction {gid!r} ({age:,} s)",
            sql.SQL("rollback prepared {};").format(sql.Literal(gid)).as_string(None),
        )
        for gid, age in prepared
    ]
    found += [
        (f"the transaction of server process {pid} ({age:,} s)", f"select pg_terminate_backend({pid});")
        for pid, age in running
    ]
    if found:
        words = printable(", ".join(word for word, _ in found[:NAMED_MAX]))
        yield warning(
            PLACE,
            "old_transactions",
            f"old transactions keep a new slot waiting and WAL retained: {words}",
            " ".join(mend for _, mend in found[:NAMED_MAX]),
        )
    else:
        yield ok(PLACE, "old_transactions", "no old transaction holds WAL back")
