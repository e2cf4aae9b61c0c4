"""Connections to the source: every one of them prints values in the same way, verifies whom it talks to, and never waits for ever."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from re_dms.errors import ConfigurationError
from re_dms.settings import SourceSettings
from re_dms.source.failures import connect_failure, reported
from re_dms.source.tls import is_socket, tls_parameters

Connection = psycopg.Connection[TupleRow]

# Protocol line 7: a role's or a database's own settings (ALTER ROLE … SET) rewrite the text of values otherwise.
# Source: https://www.postgresql.org/docs/current/runtime-config-client.html
SETTINGS: Final[dict[str, str]] = {
    "DateStyle": "ISO,YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    # Names in values (regclass) and in expressions of the catalog are always qualified.
    "search_path": "pg_catalog",
    # Postgres 18 only warns when the publication is gone; the warning has to arrive.
    "client_min_messages": "warning",
    # A copy must not read the rows that a policy lets through: 42501 instead.
    "row_security": "off",
    # Compiling the catalog's queries takes longer than running them.
    "jit": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
# The server gives up a silent client after 10 s, so that a dead one never holds up its checkpoints (protocol line 6).
_SERVER_TCP_USER_TIMEOUT_MS: Final = 10_000
# The first server version that knows the setting.
_NEWER_SETTINGS: Final = ((140_000, "idle_session_timeout"), (170_000, "transaction_timeout"))
_DEFAULTS: Final[dict[str, str]] = {
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def connect(source: SourceSettings, *, purpose: str) -> Connection:
    """An ordinary SQL session, autocommitting, named `re_dms:<purpose>` in pg_stat_activity.

    Raises ConfigurationError (DSN, TLS), SourceUnavailable (cannot be reached now) or SourceError (refused).
    """
    return open_session(connection_parameters(source, purpose=purpose))


def watch(source: SourceSettings) -> Connection:
    """A session that does nothing: it becomes readable (`fileno()`) the moment the source shuts down.

    A walsender outlives a fast shutdown for as long as its client answers; this session does not (protocol line 6).
    """
    return connect(source, purpose="watch")


def connection_parameters(source: SourceSettings, *, purpose: str, replication: bool = False) -> dict[str, Any]:
    """The libpq keywords of a connection. They hold the password: for psycopg only, never for a message."""
    try:
        parameters = conninfo_to_dict(source.dsn)
    except psycopg.Error:
        raise ConfigurationError(
            "the source's DSN is not a valid connection string",
            remedy="write it as postgresql://user@host:port/database or as key=value pairs",
        ) from None
    defaults = _libpq_defaults()
    parameters |= tls_parameters(parameters, defaults, ca_file=source.ca_file, insecure=source.insecure_tls)
    ours = dict(SETTINGS)
    if not is_socket(parameters, defaults):
        ours["tcp_user_timeout"] = str(_SERVER_TCP_USER_TIMEOUT_MS)
    theirs = str(parameters.get("options", defaults.get("options", "")))
    # Of two settings of one name in `options` the later counts.
    parameters["options"] = " ".join([theirs, *(f"-c {name}={value}" for name, value in ours.items())]).strip()
    parameters |= {key: value for key, value in _DEFAULTS.items() if key not in parameters}
    parameters |= {"application_name": f"re_dms:{purpose}", "client_encoding": "UTF8"}
    parameters.pop("replication", None)
    if replication:
        parameters["replication"] = "database"
    return parameters


def open_session(parameters: dict[str, Any]) -> Connection:
    """Connect with these keywords, and close what `options` leave open. Raises as `connect` does."""
    try:
        connection: Connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise connect_failure(error, parameters) from None
    try:
        with reported("preparing the session"):
            # PGDATESTYLE and PGTZ of our environment are sent beside `options` and win over them.
            names = {name: SETTINGS[name] for name in ("DateStyle", "TimeZone")}
            version = connection.info.server_version
            names |= {name: "0" for since, name in _NEWER_SETTINGS if version >= since}
            # Without parameters: a replication connection knows the simple query protocol only.
            calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in names.items())
            connection.execute(f"select {calls}".encode())
    except BaseException:
        connection.close()
        raise
    return connection


def send_as_stored(connection: psycopg.Connection[Any]) -> None:
    """From here on (in a transaction: to its end) a SQL_ASCII database sends texts as they are stored: the server would refuse those that are not UTF-8
    without saying where, and who decodes them names table, column and position. Others are converted as before."""
    if connection.pgconn.parameter_status(b"server_encoding") == b"SQL_ASCII":
        with reported("preparing the session"):
            local = connection.info.transaction_status == pq.TransactionStatus.INTRANS
            connection.execute(f"set {'local' if local else 'session'} client_encoding = 'SQL_ASCII'".encode())


def _libpq_defaults() -> dict[str, str]:
    """libpq's keywords with what its environment variables (PGHOST, PGSSLROOTCERT, PGOPTIONS …) say."""
    return {
        option.keyword.decode(): option.val.decode() for option in pq.Conninfo.get_defaults() if option.val is not None
    }
