"""What the tests of this room share: the settings of a source, and the messages that a slot holds."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from fix_postgres import Database
from re_dms.settings import SourceSettings
from re_dms.source.connection import connect
from source import tiny_pgoutput
from source.given import settings_for

Session = psycopg.Connection[Any]
Peek = Callable[[str, str], list[Any]]


@pytest.fixture
def settings(database: Database) -> SourceSettings:
    return settings_for(database)


@pytest.fixture
def session(settings: SourceSettings) -> Iterator[Session]:
    """An ordinary session made by the product."""
    with connect(settings, purpose="test") as connection:
        yield connection


@pytest.fixture
def sessions(database: Database) -> Iterator[Callable[[], Session]]:
    """Plain sessions of the application, autocommitting."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(database.connect())


@pytest.fixture
def peek(session: Session) -> Peek:
    """The messages that a slot holds for a publication, decoded by a walsender's settings of ours; nothing is consumed."""

    def messages(slot: str, publication: str = "pub") -> list[Any]:
        rows = session.execute(
            "select data from pg_logical_slot_peek_binary_changes(%s, null, null, 'proto_version', '1', 'publication_names', %s)",
            [slot, publication],
        ).fetchall()
        return [tiny_pgoutput.parse(row[0]) for row in rows]

    return messages
