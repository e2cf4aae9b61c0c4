"""What Postgres and libpq say, as errors of re_dms. Names, hosts and SQLSTATEs pass; values, passwords and DSNs do not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from re_dms.errors import InvariantError, ReDmsError, SourceError, SourceUnavailable

# Connection exceptions, rollbacks, no resources, operator intervention, system errors: they pass.
# Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING_CLASSES: Final = ("08", "40", "53", "57", "58")
_LOCK_NOT_AVAILABLE: Final = "55P03"
# Data exceptions, limits of the program, internal errors: they come again at the same position.
_UNSENDABLE_CLASSES: Final = ("22", "54", "XX")
_LIMIT_IN_CONFIGURATION: Final = "53400"
_PERMISSION_DENIED: Final = "42501"
# Their texts may quote a value of a row (data exceptions, constraints) or say anything at all (PL/pgSQL, internal).
_QUOTING_CLASSES: Final = ("22", "23", "P0", "XX")
# libpq gives no SQLSTATE for a connection that was never made: the texts are all there is. A text that we do not know
# (another language) counts as passing, which only costs repeated attempts.
_REFUSED: Final = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|pg_hba\.conf rejects"
    r"|(role|database|user) \".*\" does not exist|not permitted to log in|permission denied"
    r"|superuser or replication role|valid client certificate|unrecognized configuration parameter"
    r"|not currently accepting connections|unsupported startup parameter|method requirement"
)
_TLS_REFUSED: Final = re.compile(r"certificate|does not support SSL|sslmode")


def translate(error: psycopg.Error, doing: str) -> ReDmsError:
    """The error of re_dms for an error that Postgres or libpq raised `doing` something ("reading the catalog")."""
    state = error.sqlstate
    if state is None:
        if isinstance(error, psycopg.OperationalError):
            return SourceUnavailable(f"lost the connection to the source while {doing}")
        return InvariantError(f"psycopg refused a call while {doing} ({type(error).__name__})")
    said = f"{doing} failed: {_primary(error)}(SQLSTATE {state})"
    if state == _LIMIT_IN_CONFIGURATION:
        return SourceError(said, remedy="raise the limit (max_replication_slots, max_wal_senders) on the source")
    if state[:2] in _PASSING_CLASSES or state == _LOCK_NOT_AVAILABLE:
        return SourceUnavailable(said)
    if state == _PERMISSION_DENIED:
        return SourceError(said, remedy="grant the privilege to the role that re_dms connects as")
    return SourceError(said)


def undecodable(error: psycopg.Error) -> ReDmsError:
    """The error for a stream that the server itself ended while it decoded a change."""
    failure = translate(error, "decoding the stream")
    if (error.sqlstate or "")[:2] in _UNSENDABLE_CLASSES and not failure.remedy:
        failure.remedy = (
            "the server cannot send a change at this position (a bytea of more than 500 MB, for one): its log says which;"
            " mend the row at the source, then run `re-dms reset`, which begins behind it"
        )
    return failure


@contextmanager
def reported(doing: str) -> Iterator[None]:
    """Inside this block psycopg's errors become errors of re_dms. The original is not chained: it may quote values."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, doing) from None


def connect_failure(error: psycopg.Error, parameters: Mapping[str, Any]) -> ReDmsError:
    """The error for a connection that could not be made with `parameters` (libpq keywords)."""
    said = " ".join(printable(str(error)).split())
    password = parameters.get("password")
    if password:
        said = said.replace(str(password), "***")
    message = f"cannot connect to the source at {place(parameters)}: {said}"
    if _TLS_REFUSED.search(said):
        return SourceError(
            message,
            remedy="give the certificate authority with `ca_file`, or set `insecure_tls` to do without verification",
        )
    if _REFUSED.search(said):
        return SourceError(message, remedy="check host, database, role, password and pg_hba.conf")
    return SourceUnavailable(message, remedy="start the source, or correct host and port of its DSN")


def place(parameters: Mapping[str, Any]) -> str:
    """Where `parameters` lead, for messages: host, port, database and user, never the password."""
    host = parameters.get("host") or parameters.get("hostaddr") or "the default host"
    parts = [f"{host}:{parameters['port']}" if parameters.get("port") else str(host)]
    parts += [
        f"{word} {parameters[key]}" for word, key in (("database", "dbname"), ("user", "user")) if key in parameters
    ]
    return printable(", ".join(parts))


def printable(text: str) -> str:
    """`text` with everything that could steer a terminal or break a log line replaced. Line feeds become blanks."""
    return "".join(character if character.isprintable() else " " for character in text)


def _primary(error: psycopg.Error) -> str:
    """Postgres's primary message; nothing when it may quote a value. DETAIL and CONTEXT are never taken."""
    state = error.sqlstate or ""
    if state[:2] in _QUOTING_CLASSES or not error.diag.message_primary:
        return ""
    return f"{printable(error.diag.message_primary)} "
