"""What the reader knows of positions: received, shipped, durable, confirmable. Positions only move forward."""

from __future__ import annotations

from typing import Any, Final

from re_dms.errors import ChangesMissing, InvariantError
from re_dms.lsn import LSN

_PUT_BACK: Final = "the source was put back to an earlier state: run `re-dms reset` to copy the tables again"


class Progress:
    """Built from the encoder's order to stream: the journal's last transaction (`tail`: end LSN, xid, commit time) or None, and
    `known`, the highest position that the journal vouches for.

    `confirmable` is what may be confirmed to the slot: the end of the last durable batch, or a recorded idle position.
    It stays where the slot is until the tail's last COMMIT was seen again wherever the slot is behind it (protocol line 5),
    and until the stream has passed what is known: a recorded position may be of another history as well as a batch.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        tail = order.get("tail")
        self.tail_end = LSN(0) if tail is None else LSN.parse(tail["end"])
        self.tail_xid = 0 if tail is None else int(tail["xid"])
        self.tail_time = 0 if tail is None else int(tail["time_us"])
        self.durable = LSN.parse(order["known"])
        self.confirmed = LSN(0)
        self.received = LSN(0)
        self.position = LSN(0)
        self.batch = int(order["batch"])
        self.asks = False
        self._verified = False
        self._passed = False
        self._known = LSN(0)
        self._slot = LSN(0)
        self._shipped = LSN(0)
        self._open_parts = False
        self._asked_position = LSN(0)
        self._next_position = 0.0

    @property
    def confirmable(self) -> LSN:
        """What the next status update may confirm; what is confirmed already until this is the history that we know."""
        return self.durable if self._verified and self._passed else self._slot

    @property
    def all_durable(self) -> bool:
        """Whether every batch that was shipped is in the journal."""
        return self.durable >= self._shipped and not self._open_parts

    def journal_knows(self, lsn: LSN) -> None:
        """The journal was read again while we hold the slot."""
        self.durable = max(self.durable, lsn)

    def slot_is_at(self, at: LSN) -> None:
        """A stream was opened at the slot's confirmed position: will it send the tail's last transaction again?"""
        if at > self.durable:
            raise ChangesMissing(
                f"the slot's confirmed position {at} is beyond {self.durable}, the last that the journal knows:"
                " somebody advanced or re-created the slot",
                remedy="run `re-dms reset` to copy the tables again",
            )
        self._slot = at
        self._verified = at >= self.tail_end
        self._known = self.durable
        self._passed = at >= self._known
        self.confirmed = LSN(0)
        self.received, self.position = at, LSN(0)
        self._shipped, self._open_parts = LSN(0), False

    @property
    def awaits_tail(self) -> bool:
        """Whether the tail's last COMMIT has to go by first: until then, all that is sent is in the journal already."""
        return not self._verified

    @property
    def is_beyond(self) -> bool:
        """Whether all that the journal vouches for has gone by: what comes now is new."""
        return self._verified and self._passed

    def is_known(self, final: LSN) -> bool:
        """Whether the transaction whose commit record starts at `final` is in the journal already."""
        return final < self.tail_end

    def saw_known_commit(self, end: LSN, xid: int, time_us: int) -> None:
        """A transaction that the journal has went by; `time_us`: its commit time, microseconds since 1970 (UTC).

        Another history can reach the same position with the same xid when it repeats what was done: only the commit
        time tells them apart then.
        """
        self._open_parts = False  # what was shipped while the journal's transactions went by was no part of one
        if end == self.tail_end:
            if xid != self.tail_xid:
                self._refuse(f"transaction {xid} ends at {end}, the journal has transaction {self.tail_xid} there")
            if time_us != self.tail_time:
                self._refuse(f"transaction {xid} ends at {end}, and was committed at another time")
            self._verified = True
            self._passed = self._passed or end >= self._known

    def saw_new_commit(self, end: LSN) -> None:
        """A transaction beyond the tail went by."""
        if not self._verified:
            self._refuse(f"a transaction that ends at {end} came before it")
        if not self._passed and end <= self._known:
            raise ChangesMissing(
                f"the source has another history: the journal knows that no transaction of its tables ended between"
                f" {self.tail_end} and {self._known}, and one that ends at {end} was sent",
                remedy=_PUT_BACK,
            )
        self._passed = True
        if end > self.received:
            self.received = end

    def keepalive(self, wal_end: LSN, *, in_transaction: bool) -> None:
        """The server has sent everything before `wal_end`.

        The position is kept although something may be pending at this moment: while we report it as received, a server
        at rest has no reason to tell it again.
        """
        if not self._verified and wal_end >= self.tail_end:
            self._refuse(f"the server sent everything up to {wal_end} without it")
        self.received = max(self.received, wal_end)
        self._passed = self._passed or wal_end >= self._known
        if not in_transaction and self._verified:
            self.position = max(self.position, wal_end)

    def wants_position(self, now: float, seconds: float, *, idle: bool) -> bool:
        """Whether the position should be recorded now that all before it is durable: at most every `seconds`, at once
        when somebody waits. `idle`: nothing that was received waits to be shipped."""
        if not idle or not self.all_durable or self.position <= self.durable or self._asked_position >= self.position:
            return False
        if now < self._next_position and not self.asks:
            return False
        self._next_position = now + seconds
        self._asked_position = self.position
        return True

    def shipped_part(self) -> None:
        """A part of a batch left whose end is still to come."""
        self._open_parts = True

    def shipped(self, end: LSN) -> None:
        """A whole batch left."""
        self._shipped, self._open_parts = end, False

    def forget_open_parts(self) -> None:
        """The open transaction will not be waited for: it is sent again next time."""
        self._open_parts = False

    def is_durable(self, message: dict[str, Any]) -> bool:
        """The encoder tells of a durable batch or position. Returns whether there is more to confirm."""
        lsn = LSN.parse(message["durable"])
        self.batch = int(message["batch"])
        if message.get("tail"):
            self.tail_end, self.tail_xid = LSN.parse(message["tail"]["end"]), int(message["tail"]["xid"])
            self.tail_time = int(message["tail"]["time_us"])
            self._verified = True
        if lsn < self.durable:
            raise InvariantError(f"the journal went back from {self.durable} to {lsn}")
        grown = lsn > self.durable
        self.durable = lsn
        return grown

    def _refuse(self, what: str) -> None:
        raise ChangesMissing(
            f"the source has another history: the journal's last transaction ({self.tail_xid}, ending at"
            f" {self.tail_end}) was not sent again; {what}",
            remedy=_PUT_BACK,
        )
