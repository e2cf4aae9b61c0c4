"""Staging: every step's files into a table of their own, by COPY, in several sessions at once.

Each session makes, fills and counts its tables in one transaction, which ends before the apply transaction takes its snapshot:
what another session commits later would be invisible to it. Tables are named by pipeline, epoch, table and step, so
that the texts of a load's statements stay the same, and what a crash leaves behind is known by its epoch.
https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-multiple-files.html
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from re_dms.errors import WarehouseError
from re_dms.failpoints import failpoint
from re_dms.manifest import Changes, Copy, DataFile
from re_dms.schema import Relation
from re_dms.warehouse.base import Files
from re_dms.warehouse.redshift import catalog, sql
from re_dms.warehouse.redshift.ddl import STAGE_SCHEMA
from re_dms.warehouse.redshift.diagnose import bad_load
from re_dms.warehouse.redshift.failures import ConnectionLost, Refused, failure, is_load_failure
from re_dms.warehouse.redshift.names import quote
from re_dms.warehouse.redshift.prepare import Prepared, prepare

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session
    from re_dms.warehouse.redshift.policies import Policies

_SEPARATOR: Final = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One step to stage: step `number` of the table."""

    relation: Relation
    step: Changes | Copy
    number: int

    @property
    def key(self) -> tuple[int, int]:
        """The step's place in the batch."""
        return self.relation.oid, self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A filled staging table; `prepared` says what is in it."""

    table: str
    prepared: Prepared


class Sessions:
    """Open sessions that several threads take in turn; one that failed is closed and not used again."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._free: list[Session] = []
        self._lock = threading.Lock()

    def take(self) -> Session:
        """A free session, or a new one. Raises as `connect` does."""
        with self._lock:
            if self._free:
                return self._free.pop()
        return self._connect()

    def give_back(self, session: Session) -> None:
        """The session is idle, outside of a transaction."""
        with self._lock:
            self._free.append(session)

    def close(self) -> None:
        """Close what is free."""
        with self._lock:
            while self._free:
                with suppress(Refused, ConnectionLost):
                    self._free.pop().close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """How one load stages."""

    sessions: Sessions
    parallel: int
    files: Files
    iam_role: str
    policies: Policies
    prefix: str
    """Of the tables' names: pipeline and epoch."""
    batch_words: str
    """The batch in words, for messages."""

    def stage(self, jobs: Sequence[Job]) -> dict[tuple[int, int], Stage]:
        """Fill a table for each job, by the step's place. Sessions take the next job in turn, each in one transaction.

        Raises ValueDoesNotFit, WarehouseError, WarehouseUnavailable: the first error; the others end after their job.
        """
        if not jobs:
            return {}
        waiting, stages = deque(jobs), dict[tuple[int, int], Stage]()
        count = min(self.parallel, len(jobs))
        with ThreadPoolExecutor(count, thread_name_prefix="copy") as pool:
            futures = [pool.submit(self._work, waiting, stages) for _ in range(count)]
            errors = [error for future in futures if (error := future.exception()) is not None]
        for error in errors:
            raise error
        failpoint("apply.staged")
        return {job.key: stages[job.key] for job in jobs}  # in the jobs' order, whichever session was faster

    def _work(self, waiting: deque[Job], stages: dict[tuple[int, int], Stage]) -> None:
        """Stage what waits, in one transaction, until nothing does; after an error nobody takes another job."""
        session = self.sessions.take()
        try:
            session.execute("begin")
            while (job := _taken(waiting)) is not None:
                stages[job.key] = self._stage(session, job)
            session.execute("commit")
        except BaseException as error:
            waiting.clear()
            session.close()
            if isinstance(error, ConnectionLost):
                raise error.unavailable() from None
            if isinstance(error, Refused):
                raise failure(error.refusal, doing="staging") from None
            raise
        self.sessions.give_back(session)

    def _stage(self, session: Session, job: Job) -> Stage:
        ready = prepare(
            job.relation, job.step, self.files, self.policies, name=self._name(job), batch_words=self.batch_words
        )
        table = f"{STAGE_SCHEMA}.{quote(self._name(job))}"
        try:
            session.execute(sql.create_stage(table, sql.stage_columns(job.relation, ready.files[0], ready.odd)))
            for _, group in groupby(ready.files, lambda file: (file.null, file.compression)):
                self._copy(session, job, table, list(group))
        except Refused as refused:
            if not is_load_failure(refused.refusal):
                raise failure(refused.refusal, doing=f"staging {job.relation.full_name}") from None
            session.execute("rollback")
            raise bad_load(session, job.relation, ready.files, self.files, self.batch_words) from None
        return Stage(table=table, prepared=ready)

    def _copy(self, session: Session, job: Job, table: str, files: list[DataFile]) -> None:
        entries = [{"url": self.files.url(file.key), "mandatory": True} for file in files]
        key = self.files.put(f"{self._name(job)}.manifest", json.dumps({"entries": entries}).encode())
        session.execute(sql.copy(table, self.files.url(key), files[0], self.iam_role, self.files.region))
        copied = int(session.execute("select pg_last_copy_count()").rows[0][0])
        expected = sum(file.rows for file in files)
        if copied != expected:
            raise WarehouseError(
                f"{job.relation.full_name}: rows of {files[0].key}: {copied} instead of {expected}; {self.batch_words} "
                "was not loaded",
                remedy="see whether the journal's data files are whole",
            )

    def _name(self, job: Job) -> str:
        return _SEPARATOR.join([self.prefix, str(job.relation.oid), str(job.number)])


def _taken(waiting: deque[Job]) -> Job | None:
    """The next job, taken by one thread alone; None when nothing waits."""
    try:
        return waiting.popleft()
    except IndexError:
        return None


def prefix_of(pipeline: str, epoch: int) -> str:
    """How the staging tables of one apply are named."""
    return f"{pipeline}{_SEPARATOR}{epoch}"


def leftovers(session: Session, pipeline: str, *, epoch_below: int | None = None) -> list[str]:
    """The staging tables (for SQL) that loads of this pipeline left behind: all, or those of earlier epochs."""
    found = []
    for name in catalog.tables(session, STAGE_SCHEMA):
        owner, _, rest = name.partition(_SEPARATOR)
        epoch = rest.partition(_SEPARATOR)[0]
        if owner == pipeline and epoch.isdigit() and (epoch_below is None or int(epoch) < epoch_below):
            found.append(f"{STAGE_SCHEMA}.{quote(name)}")
    return found


def drop(session: Session, tables: Sequence[str]) -> None:
    """Drop staging tables, many a statement."""
    for start in range(0, len(tables), 500):
        session.execute(sql.drop_stages(tables[start : start + 500]))
