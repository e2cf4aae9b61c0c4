"""The ordinary SQL session beside the stream: it tells when the source shuts down, and how the slot stands.

A walsender outlives a fast shutdown for as long as its client answers; this session ends at once (protocol line 6).
"""

from __future__ import annotations

import select
from typing import Any

import psycopg

from re_dms.errors import SourceError, SourceUnavailable
from re_dms.lsn import LSN
from re_dms.settings import SourceSettings
from re_dms.source.connection import watch
from re_dms.source.slot import SlotState, current_position, read_slot


class Watch:
    """One session, for as long as the reader streams. Every method raises SourceUnavailable when the session has gone."""

    def __init__(self, source: SourceSettings) -> None:
        self._slot_name, self._plugin = source.slot, source.plugin
        self._session = watch(source)

    def fileno(self) -> int:
        """For select: readable when the source has something to say, which it does when it shuts down."""
        return self._session.fileno()

    @property
    def over_socket(self) -> bool:
        """Whether the source is reached over a unix socket."""
        return self._session.info.host.startswith("/")

    def look(self) -> None:
        """Raise SourceUnavailable when the source shuts down: nothing of ours may delay it. Costs nothing otherwise."""
        if not select.select([self._session], [], [], 0)[0]:
            return
        try:
            self._session.execute("select 1")
        except psycopg.Error as error:
            raise SourceUnavailable("the source is shutting down or closed our session") from error

    def confirmed(self) -> LSN | None:
        """The slot's confirmed position."""
        slot, _ = self._read()
        return None if slot is None else slot.confirmed_flush_lsn

    def holder(self) -> int | None:
        """The server process that reads the slot; None when there is none."""
        slot, _ = self._read()
        return None if slot is None else slot.active_pid

    def report(self, confirmable: LSN) -> dict[str, Any] | None:
        """How the slot stands, for the supervisor: bytes of WAL that it retains, and how far we are behind."""
        slot, position = self._read()
        if slot is None:
            return None
        return {
            "event": "slot",
            "retained_bytes": slot.retained_bytes,
            "lag_bytes": max(0, position - confirmable),
            "wal_status": slot.wal_status,
        }

    def _read(self) -> tuple[SlotState | None, LSN]:
        try:
            return read_slot(self._session, self._slot_name, self._plugin), current_position(self._session)
        except SourceError as error:
            raise SourceUnavailable("the source closed our session") from error

    def close(self) -> None:
        """End the session."""
        self._session.close()
