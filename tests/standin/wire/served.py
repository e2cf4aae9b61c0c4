"""A running listener with its canned sessions, and clients for it."""

import gc
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redshift_connector
import redshift_connector.core
import redshift_connector.error

from redshift_standin.wire.server import Listener
from standin.wire.fake_session import FakeSession
from standin.wire.raw_client import RawClient

PASSWORD = "Tr0ub4dor"
_SECONDS_MAX = 10.0
_POLL_SECONDS = 0.005


def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _SECONDS_MAX
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come true: {what}")
        time.sleep(_POLL_SECONDS)


@dataclass
class Served:
    listener: Listener
    sessions: list[FakeSession] = field(default_factory=list)
    sslmode: str = "disable"

    @property
    def session(self) -> FakeSession:
        """The latest."""
        return self.sessions[-1]

    def raw(self) -> RawClient:
        return RawClient(self.listener.port)

    def redshift(self, **more: Any) -> "redshift_connector.core.Connection":
        arguments: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.listener.port,
            "user": "ann",
            "password": PASSWORD,
        }
        arguments |= {"database": "dev", "ssl": False, "application_name": "tests", "timeout": 20}
        with ExitStack() as stack:
            if more.get("ssl"):
                # The driver makes its SSLContext in a way that Python has deprecated.
                stack.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore", DeprecationWarning)
            connection = redshift_connector.connect(**(arguments | more))
        connection.autocommit = True
        return connection

    def redshift_refused(self, **more: Any) -> Any:
        """What redshift_connector fails to connect with: the fields of the server's error, or words of its own."""
        told: Any = None
        try:
            self.redshift(**more).close()
        except redshift_connector.error.Error as error:
            told = error.args[0] if len(error.args) == 1 else f"{error}"
        with warnings.catch_warnings():
            # The driver forgets its socket when the server refuses it.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        return told

    def psycopg(self, **more: Any) -> "psycopg.Connection[Any]":
        arguments: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.listener.port,
            "user": "ann",
            "password": PASSWORD,
        }
        arguments |= {"dbname": "dev", "sslmode": "disable", "connect_timeout": 20, "autocommit": True}
        return psycopg.connect(**(arguments | more))
