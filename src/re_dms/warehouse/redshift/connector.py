"""AWS's own driver, redshift_connector, as a Link.

Source: https://docs.aws.amazon.com/redshift/latest/mgmt/python-configuration-options.html
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from decimal import Context, localcontext
from typing import Any, Final

from redshift_connector.core import Connection
from redshift_connector.error import Error, InterfaceError, OperationalError

from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.credentials import login
from re_dms.warehouse.redshift.drivers import Result
from re_dms.warehouse.redshift.failures import ConnectionLost, Refusal, Refused
from re_dms.warehouse.redshift.tls import open_socket

# The driver scales a NUMERIC in the context's precision, 28 digits by default: longer ones were rounded.
_EXACT: Final = Context(prec=76)
_ENDING: Final = ("FATAL", "PANIC")
# The driver's InterfaceErrors without a server's word are broken connections.
_BROKEN: Final = (OSError, InterfaceError, OperationalError)


def open_connector(address: Address, settings: WarehouseSettings, application: str) -> ConnectorLink:
    """A connection. Raises Refused, ConnectionLost, WarehouseError, WarehouseUnavailable."""
    user, password = login(address, settings)
    ready = _Ready(open_socket(address, settings))
    try:
        connection = _Connection(
            ready, user=user, password=password, database=address.database, application_name=application
        )
        ready.never_times_out()
    except Error as error:
        ready.close()
        raise _translated(error) from None
    except _BROKEN as error:
        ready.close()
        raise ConnectionLost(_reason(error)) from None
    except BaseException:
        ready.close()
        raise
    return ConnectorLink(connection)


class ConnectorLink:
    """One connection; unnamed prepared statements, so that DDL costs no round trip for each statement before it."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def run(self, sql: str, parameters: Sequence[object]) -> Result:
        """One statement: Parse and Describe, then Bind and Execute, two round trips."""
        cursor = self._connection.cursor()
        try:
            # With arguments the driver looks for %s; without them it takes the text as it is.
            with localcontext(_EXACT):
                cursor.execute(sql, list(parameters) if parameters else None)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            return Result(rows=rows, count=-1 if cursor.description else cursor.rowcount)
        except Error as error:
            translated = _translated(error)
            if _fields(error).get("S") in _ENDING:
                self.close()
            raise translated from None
        except _BROKEN as error:
            raise ConnectionLost(_reason(error)) from None
        finally:
            # The driver keeps the text of every statement for as long as the connection lives.
            self._connection._caches.clear()

    def close(self) -> None:
        """Say goodbye, if there is anybody."""
        with suppress(*_BROKEN):
            self._connection.close()
        self._connection.ready.close()


class _Ready:
    """A connected socket, encrypted or not, that lets the driver believe it is the one to connect it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._file: Any = None

    timeout = None  # the driver words its errors by it

    def connect(self, address: object) -> None:
        """It is connected already."""

    def makefile(self, mode: str) -> Any:
        """The driver's way to read and write."""
        # The stubs know literal modes alone; the driver's is one of them.
        self._file = _Whole(self._socket.makefile(mode))  # type: ignore[call-overload]
        return self._file

    def never_times_out(self) -> None:
        """Statements may take long; keepalives notice a peer that is gone."""
        self._socket.settimeout(None)

    def close(self) -> None:
        """May be called again."""
        with suppress(OSError, ValueError):
            if self._file is not None:
                self._file.close()
        self._socket.close()


class _Whole:
    """A file that reads whole messages or says that the connection broke: the driver would decode the half of one."""

    def __init__(self, file: Any) -> None:
        self.write, self.flush, self.close = file.write, file.flush, file.close
        self._read = file.read

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises ConnectionResetError."""
        data: bytes = self._read(size)
        if len(data) < size:
            raise ConnectionResetError(0, "the server closed the connection")
        return data


class _Connection(Connection):
    """The driver's connection over a socket that it did not make.

    It is told port 0 of this machine and no TLS: should a later version no longer ask for `_usock`, it connects to
    nobody, and nothing is sent in the clear.
    """

    def __init__(self, ready: _Ready, **arguments: Any) -> None:
        self.ready = ready
        super().__init__(
            **arguments, host="127.0.0.1", port=0, ssl=False, max_prepared_statements=0, tcp_keepalive=False
        )
        self.autocommit = True

    @property
    def _usock(self) -> Any:
        return self.ready

    @_usock.setter
    def _usock(self, made: socket.socket) -> None:
        made.close()


def _fields(error: Error) -> dict[str, str]:
    """The fields of the server's ErrorResponse, by their letter; none for an error of the driver's own."""
    told = error.args[0] if error.args else None
    return told if isinstance(told, dict) else {}


def _translated(error: Error) -> Exception:
    told = _fields(error)
    if told:
        return Refused(Refusal.of(told.get("C", ""), told.get("M", ""), told.get("D", "")))
    if isinstance(error, _BROKEN):
        return ConnectionLost(_reason(error))
    return error  # the driver does not understand us: our own bug


def _reason(error: BaseException) -> str:
    cause = error.args[-1] if error.args and isinstance(error.args[-1], OSError) else error
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, OSError):
        return cause.strerror or type(cause).__name__
    return "the server closed the connection"
