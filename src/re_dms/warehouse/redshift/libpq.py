"""psycopg as a Link: the second, independent client of the same warehouse.

No prepared statements (DEALLOCATE is not Redshift's), no pipeline, no SAVEPOINT.
Source: https://www.psycopg.org/psycopg3/docs/api/connections.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import psycopg

from re_dms.errors import WarehouseError
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift import tls
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.credentials import login
from re_dms.warehouse.redshift.drivers import Result
from re_dms.warehouse.redshift.failures import ConnectionLost, Refusal, Refused

# libpq's own variables and files (PGHOSTADDR, PGOPTIONS …) are for the source.
_NOTHING_OF_LIBPQ: Final[dict[str, Any]] = {
    "hostaddr": "",
    "options": "",
    "passfile": "",
    "gssencmode": "disable",
    "sslcertmode": "disable",
    "target_session_attrs": "any",
}
_COUNTED: Final = ("INSERT", "UPDATE", "DELETE")
# libpq gives no SQLSTATE for a connection that was never made, only the server's text.
_FATAL: Final = re.compile(r"FATAL:\s+(?P<message>[^\n]*)")
_STATES: Final = {
    "authentication failed": "28000",
    "connection limit": "53300",
    "too many clients": "53300",
    "starting up": "57P03",
    "shutting down": "57P03",
    "not accept": "57P03",
}
_NO_DATABASE: Final = re.compile(r'database ".*" does not exist')
_REJECTED: Final = "08004"
_TLS_REFUSED: Final = re.compile(
    r"(could not read root )?certificate[^\n]*|[^\n]*does not support SSL[^\n]*|SSL error: (?!unexpected eof)[^\n]*"
)
_CAUSE: Final = re.compile(r"Connection refused|timeout expired|could not translate host name|Network is unreachable")


def open_libpq(address: Address, settings: WarehouseSettings, application: str) -> LibpqLink:
    """A connection. Raises Refused, ConnectionLost, WarehouseError, WarehouseUnavailable."""
    user, password = login(address, settings)
    is_verified = tls.is_verified(address, settings)
    try:
        connection = psycopg.connect(
            "",
            host=address.host,
            port=address.port,
            user=user,
            password=password,
            dbname=address.database,
            application_name=application,
            client_encoding="utf8",
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=tls.CONNECT_SECONDS_MAX,
            keepalives_idle=tls.IDLE_SECONDS,
            keepalives_interval=tls.PROBE_SECONDS,
            keepalives_count=tls.PROBES_MAX,
            tcp_user_timeout=tls.UNACKNOWLEDGED_SECONDS_MAX * 1000,
            sslmode="verify-full" if is_verified else "prefer",
            sslrootcert=str(tls.authorities(settings)) if is_verified else "",
            **_NOTHING_OF_LIBPQ,
        )
    except psycopg.Error as error:
        raise _not_connected(str(error), address) from None
    return LibpqLink(connection)


class LibpqLink:
    """One connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, sql: str, parameters: Sequence[object]) -> Result:
        """One statement."""
        try:
            # None, not an empty sequence: with one, psycopg looks for %s.
            cursor = self._connection.execute(sql.encode(), parameters or None)
            rows = cursor.fetchall() if cursor.description else []
            word, _, count = (cursor.statusmessage or "").rpartition(" ")
            return Result(rows=rows, count=int(count) if word.partition(" ")[0] in _COUNTED else -1)
        except psycopg.Error as error:
            if error.sqlstate is not None:
                raise Refused(
                    Refusal.of(error.sqlstate, error.diag.message_primary or "", error.diag.message_detail or "")
                ) from None
            if isinstance(error, psycopg.OperationalError):
                raise ConnectionLost("the server closed the connection") from None
            raise

    def close(self) -> None:
        """Say goodbye, if there is anybody."""
        with suppress(psycopg.Error, OSError):
            self._connection.close()


def _not_connected(said: str, address: Address) -> Exception:
    """libpq's words without the password, which it may not repeat, but might."""
    if fatal := _FATAL.search(said):
        message = fatal["message"].strip()
        known = (state for words, state in _STATES.items() if words in message)
        state = "3D000" if _NO_DATABASE.fullmatch(message) else next(known, _REJECTED)
        return Refused(Refusal.of(state, message, ""))
    if found := _TLS_REFUSED.search(said):
        return WarehouseError(
            f"no trusted connection to the warehouse at {address.safe_url}: {found[0].strip()}", remedy=tls.REMEDY
        )
    cause = _CAUSE.search(said)
    return ConnectionLost(cause[0] if cause else "the server closed the connection")
