"""A session that answers from a table of canned results, so that the wire can be tested without SQL."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redshift_standin.errors import RedshiftError, SessionEnds
from redshift_standin.wire.session import Column, Result
from redshift_standin.wire.startup import Startup

WAIT_SECONDS_MAX = 20.0

Answer = Result | RedshiftError | type[SessionEnds] | Callable[[], Result]


def column(name: str, oid: int, modifier: int = -1, **more: Any) -> Column:
    return Column(name=name, type_oid=oid, type_modifier=modifier, **more)


def one_value(oid: int, value: str | None, modifier: int = -1) -> Result:
    row = [None if value is None else value.encode()]
    return Result(tag="SELECT 1", columns=[column("value", oid, modifier)], rows=[row])


@dataclass
class FakePrepared:
    session: "FakeSession"
    text: str
    parameter_oids: Sequence[int]
    columns: Sequence[Column] | None

    def execute(self, values: Sequence[bytes | None], formats: Sequence[int]) -> Result:
        self.session.bound.append((list(values), list(formats)))
        return self.session.answer(self.text)


@dataclass
class FakeSession:
    """`answers`: what each text gives. `begin`, `commit`, `rollback`, `wait` and `set x to y` are understood besides."""

    answers: Mapping[str, Answer]
    startup: Startup
    pid: int = 4711
    secret: int = 0x9ABCDEF0
    status: bytes = b"I"
    executed: list[str] = field(default_factory=list)
    bound: list[tuple[list[bytes | None], list[int]]] = field(default_factory=list)
    told: list[RedshiftError] = field(default_factory=list)
    synced: int = 0
    closed: int = 0
    statuses: dict[str, str] = field(default_factory=dict)
    sync_fails: RedshiftError | None = None
    waiting: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def parse(self, text: str, oids: Sequence[int]) -> FakePrepared:
        answer = self.answers.get(text.strip())
        if isinstance(answer, RedshiftError) and answer.sqlstate == "42601":
            raise answer
        count = max((n for n in range(1, 20) if f"${n}" in text), default=0)
        known = [*oids, *([0] * count)][: max(count, len(oids))]
        return FakePrepared(self, text.strip(), known, answer.columns if isinstance(answer, Result) else None)

    def run(self, text: str) -> Iterator[Result]:
        for statement in filter(None, (part.strip() for part in text.split(";"))):
            yield self.answer(statement)

    def answer(self, text: str) -> Result:
        if self.status == b"E" and text not in ("rollback", "commit"):
            raise RedshiftError(
                "25P02", "current transaction is aborted, commands ignored until end of transaction block"
            )
        self.executed.append(text)
        if text in ("begin", "begin transaction", "commit", "rollback"):
            self.status = b"T" if text.startswith("begin") else b"I"
            return Result(tag=text.split(maxsplit=1)[0].upper())
        if text == "wait":
            return self._wait()
        if text.startswith("set "):
            _, name, _, value = text.split()
            self.statuses[name] = value
            return Result(tag="SET")
        answer = self.answers.get(text, Result(tag=""))
        if isinstance(answer, RedshiftError):
            raise answer
        if isinstance(answer, Result):
            return answer
        if isinstance(answer, type):
            raise answer
        return answer()

    def sync(self) -> None:
        self.synced += 1
        if self.sync_fails is not None:
            error, self.sync_fails = self.sync_fails, None
            raise error

    def failed(self, error: RedshiftError) -> None:
        self.told.append(error)
        if self.status == b"T":
            self.status = b"E"

    def cancel(self) -> None:
        self.cancelled.set()

    def parameter_statuses(self) -> Mapping[str, str]:
        return self.statuses

    def close(self) -> None:
        self.closed += 1

    def _wait(self) -> Result:
        self.waiting.set()
        if not self.cancelled.wait(WAIT_SECONDS_MAX):
            raise RedshiftError("57014", "nobody has cancelled this statement")
        self.cancelled.clear()
        raise RedshiftError("57014", "Query cancelled on user's request")
