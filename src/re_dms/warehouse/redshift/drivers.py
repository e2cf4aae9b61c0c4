"""Sessions with Redshift: one small interface over two drivers, AWS's own (the default) and psycopg.

A session is in autocommit mode: the caller sends BEGIN, COMMIT and ROLLBACK as statements. After anything but the
server's own word it is closed and never used again, since a driver may be left with unread messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from re_dms.errors import WarehouseUnavailable
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.failures import ConnectionLost, Refused, failure

STATEMENT_SECONDS_MAX: Final = 3600

SETTINGS: Final = {
    "timezone": "'UTC'",
    "statement_timeout": str(STATEMENT_SECONDS_MAX * 1000),
    "query_group": "'re_dms'",
    # Names fold to lower case even when quoted, as `names` expects.
    "enable_case_sensitive_identifier": "false",
    # A value that would be altered in silence is an error.
    "json_parse_dedup_attributes": "false",
    "json_parse_truncate_strings": "false",
    "error_on_nondeterministic_update": "true",
}
"""What every session begins with; a role's own settings differ at times.
https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_ConfigurationRef.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`rows` of a query, else none. `count`: rows of an INSERT, UPDATE or DELETE, -1 where the server tells none."""

    rows: list[tuple[Any, ...]]
    count: int


class Link(Protocol):
    """One connection of a driver. It sends what it is given and nothing of its own."""

    def run(self, sql: str, parameters: Sequence[object]) -> Result:
        """One statement. Raises Refused for the server's own word, ConnectionLost when the connection broke."""
        ...

    def close(self) -> None:
        """May be called again; raises nothing."""
        ...


class Session:
    """One session. `statements` counts what was sent, with those that it began with. Not for several threads at once."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._is_open = True
        self.statements = 0

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> Result:
        """Run one statement; `%s` stands for a parameter. Without parameters % is a plain character; with them there is no other.

        Raises Refused, ConnectionLost. Whether a COMMIT took place after ConnectionLost is for the watermark to say.
        """
        if not self._is_open:
            raise ConnectionLost("the session is closed")
        self.statements += 1
        try:
            return self._link.run(sql, parameters)
        except Refused:
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the session, and with it an open transaction. May be called again; raises nothing."""
        self._is_open = False
        self._link.close()


def connect(address: Address, settings: WarehouseSettings, *, application: str) -> Session:
    """A new session, set up by SETTINGS; `application` is its name in Redshift's system tables.

    Raises WarehouseUnavailable (nobody answers, or not now) and WarehouseError (login, database, certificate).
    """
    doing = f"connecting to {address.safe_url}"
    try:
        session = Session(_link(address, settings, application))
        _set_up(session)
    except Refused as refused:
        raise failure(refused.refusal, doing=doing) from None
    except ConnectionLost as lost:
        raise WarehouseUnavailable(
            f"{doing} failed: {lost.reason}", remedy="start the warehouse, or correct host and port of warehouse.url"
        ) from None
    return session


def _set_up(session: Session) -> None:
    try:
        for name, value in SETTINGS.items():
            session.execute(f"set {name} to {value}")
    except Refused:
        session.close()
        raise


def _link(address: Address, settings: WarehouseSettings, application: str) -> Link:
    # Either driver takes 0.1 s and more to import.
    if address.driver == "psycopg":
        from re_dms.warehouse.redshift.libpq import open_libpq

        return open_libpq(address, settings, application)
    from re_dms.warehouse.redshift.connector import open_connector

    return open_connector(address, settings, application)
