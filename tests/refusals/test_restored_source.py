"""A source that was put back to an earlier copy of its disk: same system identifier, same timeline, another history.

Protocol line 5. The servers are real: a stopped one is copied, as a disk that is rolled back or cloned is.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fix_pipeline import Pipeline
from fix_postgres import Database, PostgresFactory
from nightly import nightly
from re_dms.lsn import LSN
from refusals.rig import branch, refused, standing, until_applied

ONLY_T = ("--tables", "public.t")
FILL = "insert into elsewhere select repeat('x', 500) from generate_series(1, 200)"


@dataclass
class History:
    """A pipeline that went on after its source's disk was copied; `earlier` is a server over that copy.

    Both servers lie at the journal's slot of then; the journal's tail is later.
    """

    factory: PostgresFactory
    pipeline: Pipeline
    copies: Path

    def restored(self, name: str) -> Pipeline:
        """The pipeline, at a server over a copy of the earlier disk of its own."""
        directory = self.copies / name
        shutil.copytree(self.copies / "earlier", directory, symlinks=True, copy_function=shutil.copy2)
        server = self.factory(directory)
        made = branch(self.pipeline, name)
        made.database = Database(server=server, name=self.pipeline.database.name)
        return made


def position(database: Database) -> LSN:
    return LSN.parse(database.fetch("select pg_current_wal_insert_lsn()::text")[0][0])


def known(pipeline: Pipeline) -> LSN:
    """The newest position in the journal: at or beyond its last batch's end."""
    names = [path.stem for path in (pipeline.journal_path / "positions").iterdir()]
    return LSN(int(max(names), 16))


@pytest.fixture(params=["pgoutput"])
def history(request: pytest.FixtureRequest, postgres_factory: PostgresFactory, tmp_path: Path) -> Iterator[History]:
    copies = postgres_factory.directory()
    server = postgres_factory(copies / "first")
    server.create_database("shop")
    database = Database(server=server, name="shop")
    plugin = {"RE_DMS_SOURCE__PLUGIN": request.param}
    pipeline = Pipeline(database=database, directory=tmp_path, name="shop", environment=plugin)
    database.execute("create table t (id int primary key, a text); insert into t values (1, 'copied')")
    database.execute("create table elsewhere (filling text)")
    pipeline.catch_up(*ONLY_T)
    server.stop()
    server.copy_data_directory(copies / "earlier")
    server.start()
    yield History(factory=postgres_factory, pipeline=pipeline, copies=copies)
    for running in pipeline.started:
        if running.process.poll() is None:
            running.kill_group()
        if running.process.stdout is not None:
            running.process.stdout.close()


@pytest.mark.parametrize(
    "history",
    ["pgoutput", pytest.param("test_decoding", marks=nightly("by day with pgoutput"))],
    indirect=True,
)
def test_the_tail_transaction_is_demanded_of_a_source_that_is_behind_it(history: History) -> None:
    pipeline = history.pipeline
    pipeline.database.execute("insert into t values (3, 'lost by the source')")
    pipeline.catch_up(*ONLY_T)
    tail = known(pipeline)
    pipeline.database.server.stop()

    behind = history.restored("behind")
    assert position(behind.database) < tail
    refused(behind, 6, "behind", "put back to an earlier state", arguments=ONLY_T)
    behind.database.server.stop()

    # Others write on it until it is beyond the tail: only the missing COMMIT tells.
    silent = history.restored("silent")
    while position(silent.database) <= tail:
        silent.database.execute(FILL)
    # test_decoding sends the filling, too: its COMMIT or a keepalive is the first to tell.
    is_sent = "test_decoding" in pipeline.environment.values()
    refused(silent, 6, "another history", "was not sent again", *(() if is_sent else ("without it",)), arguments=ONLY_T)
    silent.database.server.stop()

    written = history.restored("written")
    while position(written.database) <= tail:
        written.database.execute("insert into t select coalesce(max(id), 0) + 1, 'another row' from t")
        written.database.execute(FILL)
    written.database.execute("insert into t values (1000000, 'beyond the tail')")
    first = () if is_sent else ("came before it",)
    refused(written, 6, "another history", "was not sent again", *first, arguments=ONLY_T)

    assert written.run("reset", "--yes").code == 0
    written.catch_up(*ONLY_T)
    written.assert_equal("t")


@nightly("by day the missing COMMIT")
def test_idle_positions_of_a_lost_history_confirm_nothing(history: History) -> None:
    """The journal went on by idle positions alone; the restored source has transactions of ours before them.

    To confirm such a position would throw these transactions away when we are killed before they are durable.
    """
    pipeline = history.pipeline
    original = pipeline.database
    tail = standing(pipeline).watermarks
    original.execute(FILL)
    original.execute("select pg_switch_wal()")
    running = pipeline.start("run", *ONLY_T)
    running.wait_for("streaming")
    until_applied(running, original)
    running.signal(15)
    assert running.finish().code == 143
    assert standing(pipeline).watermarks == tail, "the test means to move positions only"
    original.server.stop()

    restored = history.restored("restored")
    assert position(restored.database) < known(restored)
    restored.database.execute("insert into t values (3, 'in the other history')")
    restored.database.execute("select pg_switch_wal()")
    while position(restored.database) <= known(restored):
        restored.database.execute(FILL)
    before = standing(restored)
    killed = restored.run(
        "run", "--until-caught-up", *ONLY_T,
        environment={"RE_DMS_FAILPOINTS": "capture.after_confirm:killgroup"},
    )  # fmt: skip
    assert killed.code == -signal.SIGKILL
    assert standing(restored) == before
    refused(restored, 6, "another history", "no transaction of its tables ended between", arguments=ONLY_T)
