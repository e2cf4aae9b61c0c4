"""The sessions of one warehouse object: one for questions and the apply transaction, and some for COPY."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.drivers import STATEMENT_SECONDS_MAX, connect
from re_dms.warehouse.redshift.failures import ConnectionLost, Refused, failure
from re_dms.warehouse.redshift.stage import Sessions

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session

Answer = TypeVar("Answer")


class Connections:
    """Sessions are opened when they are needed. One that failed in any way is closed, which rolls back."""

    def __init__(self, address: Address, settings: WarehouseSettings) -> None:
        self._address = address
        self._settings = settings
        self._main: Session | None = None
        self.copies = Sessions(lambda: self.connect("copy"))

    def ask(self, doing: str, question: Callable[[Session], Answer]) -> Answer:
        """The answer of the main session. The server's refusals and lost connections become ours."""
        try:
            if self._main is None:
                self._main = self.connect("apply")
            return question(self._main)
        except Refused as refused:
            self.drop_main()
            raise failure(refused.refusal, doing=doing) from None
        except ConnectionLost as lost:
            self.drop_main()
            raise lost.unavailable() from None
        except BaseException:
            self.drop_main()
            raise

    def drop_main(self) -> None:
        """Close the main session; the next question opens another."""
        session, self._main = self._main, None
        if session is not None:
            session.close()

    def close(self) -> None:
        """Close all sessions that are idle."""
        self.copies.close()
        self.drop_main()

    def connect(self, purpose: str) -> Session:
        """A session that is the caller's, who closes it. Raises WarehouseError."""
        return connect(self._address, self._settings, application=f"re_dms {purpose}")


@contextmanager
def transaction(session: Session) -> Iterator[None]:
    """Committed at the end of the block; an error ends the session, and with it the transaction."""
    session.execute("begin")
    yield
    session.execute("commit")


@contextmanager
def within(session: Session, milliseconds: int) -> Iterator[None]:
    """Statements of this block may take no longer."""
    session.execute(f"set statement_timeout to {milliseconds}")
    yield
    session.execute(f"set statement_timeout to {STATEMENT_SECONDS_MAX * 1000}")
