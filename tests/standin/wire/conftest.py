"""Servers with canned answers; after the test they must have left nothing behind."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from redshift_standin.errors import RedshiftError
from redshift_standin.wire.server import Listener
from redshift_standin.wire.startup import Startup
from standin.wire.fake_session import Answer, FakeSession
from standin.wire.served import PASSWORD, Served


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Call it with canned answers and a Listener's arguments. One user, ann, and one database, dev."""
    running: list[Served] = []

    def start(answers: Mapping[str, Answer] | None = None, **arguments: Any) -> Served:
        def open_session(startup: Startup) -> FakeSession:
            if startup.database != "dev":
                raise RedshiftError("3D000", f'database "{startup.database}" does not exist')
            pid = 4711 + len(served.sessions)
            served.sessions.append(FakeSession(answers or {}, startup, pid=pid))
            return served.sessions[-1]

        users = {"ann": PASSWORD}.get
        served = Served(Listener(users=users, open_session=open_session, **arguments))
        served.listener.start()
        running.append(served)
        return served

    before = set(threading.enumerate())
    yield start
    for served in running:
        served.listener.stop()
        assert [session.closed for session in served.sessions] == [1] * len(served.sessions)
    assert [thread for thread in threading.enumerate() if thread not in before] == []
