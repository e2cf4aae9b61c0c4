"""One client's connection from its first byte to its last, in a thread of its own."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from redshift_standin.errors import RedshiftError, SessionEnds
from redshift_standin.wire import authentication, messages, startup
from redshift_standin.wire.channel import Channel, Gone
from redshift_standin.wire.conversation import Conversation
from redshift_standin.wire.roster import Roster
from redshift_standin.wire.session import Session
from redshift_standin.wire.startup import CancelRequest, Startup

_log = logging.getLogger(__name__)

# What every client is told, unless the session says otherwise. The version is the one Redshift itself tells.
_STATUSES: Final = {
    "server_version": "8.0.2",
    "server_encoding": "UNICODE",
    "client_encoding": "UNICODE",
    "integer_datetimes": "on",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "is_superuser": "off",
    "datashare_enabled": "off",
    "external_database": "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a server offers to every client."""

    users: Callable[[str], str | None]
    open_session: Callable[[Startup], Session]
    tls: ssl.SSLContext | None
    auth: authentication.Method
    startup_seconds_max: float = 60.0


def serve(channel: Channel, terms: Terms, roster: Roster) -> None:
    """Lead a connection to its end; returns when it has ended and all it used is free. Never raises."""
    try:
        _serve(channel, terms, roster)
    except Gone:
        pass
    except SessionEnds:
        channel.flush()
        channel.cut()
    except RedshiftError as error:
        channel.send(messages.error_response(startup.fatal(error)))
    except Exception as exc:  # noqa: BLE001 - a mistake of ours: the client is told, and no thread dies of it
        _log.exception("a connection failed")
        told = f"stand-in: internal error {type(exc).__name__}"
        channel.send(messages.error_response(RedshiftError("XX000", told, severity="FATAL")))
    finally:
        channel.close()


def _serve(channel: Channel, terms: Terms, roster: Roster) -> None:
    channel.expect_within(terms.startup_seconds_max)
    request = startup.read(channel, terms.tls)
    if isinstance(request, CancelRequest):
        roster.cancel(request.pid, request.secret)
        return
    roster.check_open()
    authentication.authenticate(channel, request, terms.users, terms.auth)
    channel.expect_within(None)
    with roster.place():
        session = terms.open_session(request)
        try:
            with roster.listed(channel, session):
                _converse(channel, session, request)
        finally:
            session.close()


def _converse(channel: Channel, session: Session, request: Startup) -> None:
    protocol = request.protocol_version or 0
    statuses = {
        **_STATUSES,
        "server_protocol_version": str(protocol),
        "session_authorization": request.user,
        "application_name": request.settings.get("application_name", ""),
        **session.parameter_statuses(),
    }
    channel.send(*(messages.parameter_status(name, value) for name, value in statuses.items()))
    channel.send(messages.backend_key_data(session.pid, session.secret))
    Conversation(channel, session, protocol, statuses).run()
