"""Status, reset and drop over a real source, a real journal and a real DuckDB file that a small pipeline left behind."""

import json
import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg
import pytest

from re_dms.administration import status as administration
from re_dms.cli.group import invoke
from re_dms.journal.csv import new_null_token, write_csv
from re_dms.journal.journal import Journal
from re_dms.journal.opening import open_store
from re_dms.lsn import LSN
from re_dms.manifest import Changes, Commit, Copy, Counts, Manifest, Registry, Root, TableChanges, TableState
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation
from re_dms.settings import JournalSettings, Settings, SourceSettings, WarehouseSettings
from re_dms.source.connection import connect
from re_dms.source.slot import create_slot, current_position
from re_dms.warehouse.opening import open_warehouse

ID = Column(attnum=1, name="id", type=PgType(oid=23, typmod=-1, name="integer", kind=Kind.INT4), not_null=True)


@dataclass
class Pipeline:
    """A pipeline `shop` that copied public.orders (3 rows) and applied `applied` of its `recorded` batches."""

    settings: Any  # Settings with both halves
    folder: Path
    oid: int
    number: int = 0

    @property
    def words(self) -> list[str]:
        source, warehouse = self.settings.source, self.settings.warehouse
        return ["--name", source.slot, "--source", source.dsn, "--warehouse", warehouse.url]

    @property
    def journal(self) -> Journal:
        return Journal(open_store(self.settings.journal))

    def batch(self, step_of, *, end: LSN, commit_us: int | None = None, **counts: int) -> None:
        """Record the next batch, of one table."""
        journal, null = self.journal, new_null_token()
        self.number += 1
        tail, root = journal.tail(), journal.root()
        assert root is not None
        relation = Relation(
            oid=self.oid, schema="public", name="orders", identity="d", key_kind=KeyKind.KEYED, key=(1,), columns=(ID,)
        )
        rows = [(step_of["op"], value) for value in step_of["ids"]]
        frame = pl.DataFrame(rows, schema={"op": pl.String, "c1": pl.String}, orient="row")
        data, stats = write_csv(frame, null=null, compression="zstd")
        (key,) = journal.write_data(self.number, "w", [(f"{self.oid}-0.csv.zst", data)])
        file = stats.data_file(key=key, odd={})
        registry = Registry(number=self.number, tables={self.oid: TableState(relation=relation, copied_at=end)})
        step = (
            Copy(relation=0, position=end, files=(file,))
            if step_of["op"] == "I"
            else Changes(relation=0, files=(file,), ops={step_of["op"]: len(rows)})
        )
        journal.commit(
            Manifest(
                journal_id=root.journal_id,
                number=self.number,
                writer="w",
                kind="copy" if isinstance(step, Copy) else "stream",
                start=end if tail is None else tail.end,
                end=end,
                last_commit=None if commit_us is None else Commit(end=end, xid=7, time_us=commit_us),
                transactions=0 if commit_us is None else 1,
                changes=len(rows),
                commit_times_us=() if commit_us is None else (commit_us,),
                registry=journal.write_registry(registry, "w"),
                tables=(TableChanges(oid=self.oid, relations=(relation,), steps=(step,), counts=Counts(**counts)),),
            )
        )

    def apply(self, *numbers: int) -> None:
        journal, root = self.journal, self.journal.root()
        assert root is not None
        warehouse = open_warehouse(self.settings.warehouse)
        epoch = warehouse.claim(root, True, "owner")
        for number in numbers:
            manifest = journal.manifest(number)
            assert manifest is not None
            warehouse.load(
                manifest,
                journal_id=root.journal_id,
                pipeline=root.pipeline,
                epoch=epoch,
                owner="owner",
                files=journal.files(number, "owner"),
            )

    def query(self, sql: str) -> Any:
        with duckdb.connect(str(self.folder / "w.duckdb")) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(name="pipeline")
def pipeline_fixture(database, tmp_path, monkeypatch) -> Pipeline:
    monkeypatch.chdir(tmp_path)
    name = f"shop_{database.name}".lower()[:60]
    database.execute("create table orders (id int primary key)")
    database.execute(f"create publication {name} for table orders")
    database.execute(f"comment on publication {name} is 'made by re_dms {name}'")
    source = SourceSettings(dsn=database.dsn, slot=name, publication=name)
    settings = Settings(
        name=name,
        source=source,
        journal=JournalSettings(url=f"file://{tmp_path}/w.duckdb.journal"),
        warehouse=WarehouseSettings(url=f"duckdb://{tmp_path}/w.duckdb"),
    )
    with connect(source, purpose="test") as connection:
        position = create_slot(connection, name)
    ((oid,),) = database.fetch("select 'orders'::regclass::oid::int8")
    made = Pipeline(settings=settings, folder=tmp_path, oid=oid)
    root = Root(
        journal_id="1",
        pipeline=name,
        system_identifier="1",
        timeline=1,
        database=database.name,
        slot=name,
        publication=name,
        created_at="2026-01-01T00:00:00Z",
    )
    made.journal.create_root(root)
    made.batch({"op": "I", "ids": ["1", "2", "3"]}, end=position, copied=3)
    made.apply(1)
    return made


def collect(settings: Settings) -> Any:
    """The status; its parts are read without asking whether they are there: a missing one fails the test."""
    return administration.collect(settings)


def slots(database) -> Any:
    return database.fetch("select slot_name::text from pg_replication_slots where database = current_database()")


def publications(database) -> Any:
    return database.fetch("select pubname::text from pg_publication")


class TestStatus:
    def test_all_is_applied(self, pipeline, database):
        status = collect(pipeline.settings)
        assert status.problems == ()
        assert status.source.exists
        assert not status.source.active
        assert status.source.lag_bytes >= 0
        assert (status.journal.tail_batch, status.journal.batches_waiting) == (1, 0)
        assert (status.warehouse.batch, status.warehouse.lag_seconds) == (1, 0.0)
        (table,) = status.tables
        assert (table.name, table.rows, table.awaiting_copy) == ("public.orders", 3, False)
        assert status.consistency == "transaction"

    def test_a_waiting_batch_has_an_age(self, pipeline):
        end = LSN(pipeline.journal.tail().end + 100)
        minute_ago = int(time.time() * 1e6) - 60_000_000
        pipeline.batch({"op": "U", "ids": ["4"]}, end=end, commit_us=minute_ago, inserts=1)
        status = collect(pipeline.settings)
        assert status.journal.batches_waiting == 1
        assert 60 <= status.lag_seconds < 120
        pipeline.apply(2)
        status = collect(pipeline.settings)
        assert (status.journal.batches_waiting, status.warehouse.lag_seconds) == (0, 0.0)
        assert (status.tables[0].rows, status.tables[0].inserts) == (4, 1)
        assert status.tables[0].last_change is not None

    def test_with_nobody_capturing_the_age_of_what_is_not_read_is_not_known(self, pipeline, database):
        database.execute("insert into orders values (9)")
        status = collect(pipeline.settings)
        assert status.lag_bytes > 0
        assert status.lag_seconds is None

    def test_a_source_that_is_away_is_a_problem_and_the_rest_is_shown(self, pipeline, capsys):
        words = [*pipeline.words, "--source", "host=/nonexistent dbname=x", "--json"]
        assert invoke(["status", *words]) == 0
        status = json.loads(capsys.readouterr().out)
        assert status["source"] is None
        assert status["problems"][0].startswith("source: cannot connect")
        assert status["journal"]["tail_batch"] == 1
        assert status["tables"][0]["rows"] == 3

    def test_a_warehouse_that_cannot_be_read_is_a_problem_and_the_rest_is_shown(self, pipeline):
        (pipeline.folder / "w.duckdb").write_text("not a database")
        status = collect(pipeline.settings)
        assert status.warehouse is None
        assert len(status.problems) == 1
        assert status.problems[0].startswith("warehouse: ")
        assert status.journal.tail_batch == 1
        assert [table.name for table in status.tables] == ["public.orders"]

    def test_with_no_journal_the_warehouse_is_found_by_the_pipelines_name(self, pipeline):
        shutil.rmtree(pipeline.folder / "w.duckdb.journal")
        status = collect(pipeline.settings)
        assert (status.journal.exists, status.warehouse.batch, status.tables[0].rows) == (False, 1, 3)

    def test_a_slot_that_has_gone_is_a_problem(self, pipeline, database):
        database.execute(f"select pg_drop_replication_slot('{pipeline.settings.name}')")
        (problem,) = collect(pipeline.settings).problems
        assert "has gone" in problem

    def test_nothing_to_be_read_is_the_exit_code_of_the_first_failure(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "j").write_text("a file")
        words = ["--source", "host=/nonexistent", "--journal", f"file://{tmp_path}/j"]
        assert invoke(["status", *words]) in (3, 4)
        assert capsys.readouterr().err.startswith("re-dms: ")

    def test_before_the_first_run_there_is_nothing_and_no_problem(self, database, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        words = ["--source", database.dsn, "--warehouse", f"duckdb://{tmp_path}/w.duckdb", "--json"]
        assert invoke(["status", *words]) == 0
        status = json.loads(capsys.readouterr().out)
        assert (status["problems"], status["tables"]) == ([], [])
        assert not any(status[place]["exists"] for place in ("source", "journal", "warehouse"))
        assert list(tmp_path.iterdir()) == []

    def test_a_journal_of_another_pipeline_is_a_problem(self, pipeline, capsys):
        words = [*pipeline.words, "--name", "other", "--json"]
        assert invoke(["status", *words]) == 0
        (problem,) = json.loads(capsys.readouterr().out)["problems"]
        assert problem.startswith("journal: the journal belongs to pipeline")


class TestReset:
    def test_everything_goes_and_the_tables_are_empty(self, pipeline, database, capsys):
        assert invoke(["reset", *pipeline.words, "--yes"]) == 0
        said = capsys.readouterr().out
        assert "1 table, 3 rows: emptied" in said
        assert "public.orders: 3 rows" in said
        assert slots(database) == []
        assert publications(database) == [(pipeline.settings.name,)]
        assert pipeline.journal.root() is None
        assert pipeline.query("select count(*) from w.public.orders") == [(0,)]
        assert pipeline.query("select count(*) from w.re_dms.watermark") == [(0,)]

    def test_it_can_be_repeated(self, pipeline, capsys):
        assert invoke(["reset", *pipeline.words, "--yes"]) == 0
        assert invoke(["reset", *pipeline.words, "--yes"]) == 0
        assert "was not there" in capsys.readouterr().out

    def test_without_yes_and_nobody_to_ask_nothing_happens(self, pipeline, database, monkeypatch, capsys):
        monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
        assert invoke(["reset", *pipeline.words]) == 2
        assert slots(database) == [(pipeline.settings.name,)]
        assert pipeline.query("select count(*) from w.public.orders") == [(3,)]

    def test_a_slot_in_use_is_refused(self, pipeline, database, capsys):
        name = pipeline.settings.name
        query = f"select active from pg_replication_slots where slot_name = '{name}'"
        with closing(psycopg.connect(database.dsn, replication="database", autocommit=True)) as reader:
            options = f"(proto_version '1', publication_names '{name}')"
            reader.pgconn.send_query(f"START_REPLICATION SLOT {name} LOGICAL 0/0 {options}".encode())
            deadline = time.monotonic() + 20
            while database.fetch(query) != [(True,)]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert invoke(["reset", *pipeline.words, "--yes"]) == 7
            assert invoke(["drop", *pipeline.words, "--yes"]) == 7
        assert pipeline.journal.root() is not None

    def test_an_apply_at_work_is_refused(self, pipeline, capsys):
        with open_warehouse(pipeline.settings.warehouse).hold():
            assert invoke(["reset", *pipeline.words, "--yes"]) == 7
        assert pipeline.query("select count(*) from w.public.orders") == [(3,)]

    def test_a_directory_that_is_no_journal_is_left_alone(self, pipeline, tmp_path):
        (tmp_path / "home" / "data").mkdir(parents=True)
        (tmp_path / "home" / "data" / "mine").write_text("precious")
        assert invoke(["reset", *pipeline.words, "--journal", f"file://{tmp_path}/home", "--yes"]) == 0
        assert (tmp_path / "home" / "data" / "mine").read_text() == "precious"

    def test_the_journal_of_another_slot_is_refused(self, pipeline, database):
        assert invoke(["reset", *pipeline.words, "--slot", "other", "--yes"]) == 2
        assert pipeline.journal.root() is not None

    def test_one_table_is_asked_for_and_waits(self, pipeline, database, capsys):
        words = [word for word in pipeline.words if word not in ("--source", pipeline.settings.source.dsn)]
        assert invoke(["reset", *words, "--table", "public.orders", "--yes"]) == 0
        assert "public.orders: 3 rows" in capsys.readouterr().out
        assert list(pipeline.journal.copy_requests()) == [pipeline.oid]
        status = collect(pipeline.settings)
        assert (status.tables[0].awaiting_copy, status.consistency) == (True, "copying: 1 table")
        assert slots(database) == [(pipeline.settings.name,)]

    def test_a_table_that_is_not_carried_is_refused(self, pipeline):
        assert invoke(["reset", *pipeline.words, "--table", "public.nothing", "--yes"]) == 2
        assert pipeline.journal.copy_requests() == {}


class TestDrop:
    def test_slot_publication_and_journal_go_and_the_tables_stay(self, pipeline, database, capsys):
        assert invoke(["drop", *pipeline.words, "--yes"]) == 0
        assert (slots(database), publications(database)) == ([], [])
        assert pipeline.journal.root() is None
        assert pipeline.query("select count(*) from w.public.orders") == [(3,)]
        assert pipeline.query("select count(*) from w.re_dms.watermark") == [(0,)]

    def test_parts_that_are_missing_are_said(self, pipeline, database, capsys):
        assert invoke(["drop", *pipeline.words, "--yes"]) == 0
        capsys.readouterr()
        assert invoke(["drop", *pipeline.words, "--yes"]) == 0
        said = capsys.readouterr().out
        assert said.count("was not there") == 3
        assert "knew nothing of the pipeline" in said

    def test_a_publication_of_somebody_else_stays(self, pipeline, database, capsys):
        name = pipeline.settings.name
        database.execute(f"comment on publication {name} is null")
        assert invoke(["drop", *pipeline.words, "--yes"]) == 0
        assert publications(database) == [(name,)]
        assert "not made by this pipeline" in capsys.readouterr().out

    def test_without_a_warehouse_here_the_rest_is_dropped(self, pipeline, database, capsys):
        words = [*pipeline.words[:4], "--journal", pipeline.settings.journal.url]
        assert invoke(["drop", *words, "--yes"]) == 0
        assert slots(database) == []
        assert "not configured here" in capsys.readouterr().out


def test_the_position_of_the_source_is_at_or_beyond_its_slot(pipeline):
    with connect(pipeline.settings.source, purpose="test") as connection:
        assert current_position(connection) >= collect(pipeline.settings).source.confirmed
