"""The client's transaction, and the backend's beside it.

The backend's transaction begins late: with the first statement that touches a user table or makes one, since that is when
Redshift takes its snapshot; what only reads the catalog takes none. It is REPEATABLE READ at either isolation level; the
tracker adds the conflicts by table.
Source: AWS Database Developer Guide, "Serializable isolation" and "BEGIN" (c_serial_isolation, r_BEGIN).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from redshift_standin.errors import RedshiftError, SessionEnds, unknown
from redshift_standin.isolation import Transaction, violation
from redshift_standin.session.backend import Backend
from redshift_standin.session.settings import Settings
from redshift_standin.session.world import World

IDLE: Final = b"I"
OPEN: Final = b"T"
FAILED: Final = b"E"


class TransactionState:
    """Where the session stands. `status` is what ReadyForQuery says."""

    def __init__(self, world: World, backend: Backend, settings: Settings) -> None:
        self.status = IDLE
        self.truncated = False  # a TRUNCATE in this block has committed it
        self._world = world
        self._backend = backend
        self._settings = settings
        self._isolation: Transaction | None = None
        self._dies = False

    # ---------------------------------------------------------------- what the client asks for

    def begin(self) -> None:
        """A block begins; the backend does not know yet."""
        self.status = OPEN
        self._settings.begin()

    def commit(self) -> bool:
        """End the block. False: it had failed, so it was rolled back. Raises what made a rollback of it."""
        if self.status == FAILED:
            self.roll_back()
            return False
        try:
            self._commit()
        except RedshiftError:
            self.roll_back()
            raise
        self._ended(committed=True)
        return True

    def roll_back(self) -> None:
        """End the block and undo it."""
        if self._isolation is not None:
            self._world.tracker.roll_back(self._isolation)
        if self._backend.in_transaction:
            self._backend.run("rollback")
        self._ended(committed=False)

    def fail(self) -> None:
        """An error was told to the client: a block takes no more statements until its end."""
        if self.status == OPEN:
            self.status = FAILED

    def refuse_if_failed(self) -> None:
        """Raises 25P02 in a failed block."""
        if self.status == FAILED:
            raise RedshiftError(
                "25P02", "current transaction is aborted, commands ignored until end of transaction block"
            )

    def refuse_after_truncate(self) -> None:
        """Raises 0A000 in a block that a TRUNCATE has committed."""
        if self.truncated:
            raise unknown("a statement in a block after TRUNCATE has committed it")

    def refuse_in_block(self, what: str) -> None:
        """Raises 25001 inside a block."""
        if self.status != IDLE:
            raise RedshiftError("25001", f"{what} cannot run inside a transaction block")

    def refuse_after_death(self) -> None:
        """A fault has cut this session: raises SessionEnds."""
        if self._dies:
            raise SessionEnds

    # ---------------------------------------------------------------- what statements need

    @contextmanager
    def work(self, *, reads: Sequence[int] = (), writes: Sequence[int] = (), locks: str = "") -> Iterator[None]:
        """Everything inside is done in the client's block, or in a transaction of its own that commits at the end.

        `reads`, `writes`: tables, by OID. `locks`: backend SQL that locks what is to be written; it comes before the snapshot.
        """
        own = self.status == IDLE
        if own:
            self.begin()
        try:
            self.start()
            if locks:
                self._backend.run(locks)
            self._world.tracker.touch(self.take_snapshot(), reads, writes)
            yield
        except BaseException:
            if own:
                with suppress(SessionEnds):
                    self.roll_back()
            raise
        if own:
            self.commit()

    def start(self) -> None:
        """The backend's transaction has begun."""
        if not self._backend.in_transaction:
            self._backend.run("begin isolation level repeatable read")

    def take_snapshot(self) -> Transaction:
        """The snapshot is taken, if it was not before."""
        if self._isolation is None:
            self._isolation = self._world.tracker.begin(self._backend.pid, lambda: self._backend.run("select 1"))
        return self._isolation

    def made(self, table: int) -> None:
        """A table was made in this transaction."""
        if self._isolation is not None:
            self._world.tracker.created(self._isolation, table)

    def close(self) -> None:
        """The session's end: nothing is left open."""
        if self._isolation is not None:
            self._world.tracker.roll_back(self._isolation)
            self._isolation = None

    # ---------------------------------------------------------------- inside

    def _commit(self) -> None:
        if not self._backend.in_transaction:
            return
        due = {order.kind: order for order in self._world.faults.due("commit")}
        if "slow-commit" in due:
            threading.Event().wait(due["slow-commit"].seconds)
        if "serializable" in due:
            raise violation(0, [0, 0], self._backend.pid)
        if "kill-before-commit" in due:
            raise SessionEnds
        if self._isolation is None:
            self._backend.run("commit")
        else:
            self._world.tracker.commit(self._isolation, lambda: self._backend.run("commit"))
            self._isolation = None
        if "kill-before-reply" in due:
            raise SessionEnds
        self._dies = "kill-after-reply" in due

    def _ended(self, *, committed: bool) -> None:
        self.status = IDLE
        self.truncated = False
        self._isolation = None
        self._settings.end(committed=committed)
