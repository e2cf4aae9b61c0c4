"""The real demo: real Postgres, real pipeline processes, a real SIGKILL, and nothing left behind however it ends."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest

import re_dms
from fix_postgres import PostgresFactory
from localpg import LocalPostgres, find_binaries, make_directory
from localpg.account import Account
from localpg.binaries import reachable_binaries
from nightly import nightly
from re_dms.demo import command, servers
from re_dms.demo.compare import Comparison
from re_dms.demo.duckdb_place import DuckDBPlace
from re_dms.demo.facts import KINDS, Facts, TableFacts
from re_dms.demo.process import environment
from re_dms.demo.runner import Pipeline
from re_dms.demo.shop import TABLES
from re_dms.errors import ConfigurationError
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore

AT_NIGHT = nightly("a second kill of a demo")

GONE_SECONDS_MAX = 20.0
EQUAL = Comparison(table="public.orders", source_rows=1, target_rows=1)
KEYS = dict.fromkeys(TABLES, "id") | {"order_items": "order_id", "Order": "Group"}
# A test runner in the background has SIGINT ignored, and its children would inherit that.
INTERRUPTIBLE = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)
EMPTY = Facts(
    tables=(),
    kills=(),
    batches=0,
    transactions=0,
    lag_p50_ms=None,
    lag_p99_ms=None,
    postgres="15.1",
    warehouse="duckdb",
    warehouse_name="DuckDB",
    seconds=0,
    kept=None,
)
SOURCES = str(Path(re_dms.__file__).parents[1])


class Stage:
    """Demos whose temporary files are all below one directory, which is also how their processes are known."""

    def __init__(self, directory: Path, pg_bin: Path | None) -> None:
        self.directory = directory
        self.pg_bin = pg_bin
        self.demos: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        chosen = [] if self.pg_bin is None else ["--pg-bin", str(self.pg_bin)]
        demo = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, sys.executable, "-m", "re_dms", "demo", *chosen, *arguments],
            env=os.environ | {"TMPDIR": str(self.directory), "PYTHONPATH": SOURCES} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.demos.append(demo)
        return demo

    def close(self) -> None:
        for demo in self.demos:
            with demo:  # closes its pipes and waits for it
                demo.kill()

    def processes(self) -> list[int]:
        """All processes that know of the directory by their environment: servers, keepers, pipelines, demos."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if os.fsencode(self.directory) in entry.read_bytes():
                    found.append(int(entry.parent.name))
            except OSError:
                continue  # it has gone, or is not ours
        return found

    def wait_until_bare(self) -> None:
        """Nothing runs any more, and nothing is left in the directory."""
        deadline = time.monotonic() + GONE_SECONDS_MAX
        while (self.processes() or any(self.directory.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.processes() == []
        assert list(self.directory.iterdir()) == []


@pytest.fixture
def stage(pg_bin: Path | None) -> Iterator[Stage]:
    directory = make_directory("demo-")
    # If root's .venv is closed to others, a server copies its programs into TMPDIR, once: not during these demos.
    stage = Stage(directory, reachable_binaries(find_binaries(pg_bin), Account.current()))
    yield stage
    stage.close()
    shutil.rmtree(directory, ignore_errors=True)


def test_the_demo_survives_its_crash_and_keeps_what_it_was_asked_to_keep(
    stage: Stage, postgres_factory: PostgresFactory
) -> None:
    kept = stage.directory / "kept"
    kept.mkdir()
    kept.chmod(0o711)  # whatever the umask: root's Postgres may enter it, so it keeps its data there
    demo = stage.start("--seconds", "4", "--scale", "0.2", "--json", "--keep", str(kept))
    stdout, stderr = demo.communicate()
    assert demo.returncode == 0, stderr
    assert "SIGKILL" in stderr
    assert str(kept / "shop.duckdb") in stderr
    (line,) = stdout.splitlines()
    facts = json.loads(line)
    assert_equal_and_counted_once(facts)
    assert stage.processes() == []
    assert {path.name for path in stage.directory.iterdir()} == {"kept"}
    assert (kept / "shop.duckdb.journal" / "root.json").exists()
    assert "database system is shut down" in (kept / "postgres" / "server.log").read_text()
    # The demo's verdict, looked at from outside.
    source = postgres_factory(kept / "postgres")
    with duckdb.connect(str(kept / "shop.duckdb"), read_only=True) as target:
        for table in TABLES:
            count = f'select count(*), min("{KEYS[table]}"::text), max("{KEYS[table]}"::text) from public."{table}"'
            assert source.execute(count) == target.execute(count).fetchall()


@nightly("by day with DuckDB")
def test_the_same_story_is_played_on_the_redshift_stand_in(stage: Stage) -> None:
    kept = stage.directory / "kept"
    kept.mkdir()
    kept.chmod(0o711)
    arguments = ("--warehouse", "redshift-standin", "--seconds", "4", "--scale", "0.1", "--json", "--keep", str(kept))
    demo = stage.start(*arguments, AWS_PROFILE="of-the-user", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    stdout, stderr = demo.communicate()
    assert demo.returncode == 0, stderr
    assert "NOT Redshift" in stderr
    assert "DuckDB" not in stderr
    facts = json.loads(stdout)
    assert facts["warehouse"] == "redshift-standin"
    assert_equal_and_counted_once(facts)
    assert stage.processes() == []
    assert {path.name for path in stage.directory.iterdir()} == {"kept"}
    # The journal that the stand-in was filled from, copied out of S3.
    assert Journal(LocalStore(kept / "journal")).numbers()
    assert f"{kept / 'journal'}" in stderr


def assert_equal_and_counted_once(facts: dict[str, Any]) -> None:
    assert facts["equal"] is True
    assert set(facts["tables"]) == {f"public.{name}" for name in TABLES}
    for table in facts["tables"].values():
        assert table["equal"]
        assert table["source_rows"] == table["target_rows"]
        assert {kind: table[kind] for kind in KINDS} == table["committed"]
        assert table["copied"] > 0
    for kind in ("inserts", "updates", "deletes"):
        assert sum(table[kind] for table in facts["tables"].values()) > 0
    assert facts["tables"]["public.carts"]["truncates"] == 1
    assert any(kill["inside_a_batch"] for kill in facts["kills"])
    assert 0 < facts["lag_ms"]["p50"] <= facts["lag_ms"]["p99"]


@pytest.mark.parametrize(
    ("warehouse", "moment", "number", "code"),
    [
        ("duckdb", "Postgres", signal.SIGINT, 130),
        ("duckdb", "`re-dms run` starts", signal.SIGTERM, 143),
        ("duckdb", "Customers come in", signal.SIGKILL, -9),
        ("redshift-standin", "for this demo only", signal.SIGINT, 130),
        pytest.param("redshift-standin", "Customers come in", signal.SIGKILL, -9, marks=AT_NIGHT),
    ],
)
def test_nothing_is_left_when_the_demo_is_ended_in_the_middle(
    stage: Stage, warehouse: str, moment: str, number: signal.Signals, code: int
) -> None:
    demo = stage.start("--seconds", "4", "--scale", "0.05", "--warehouse", warehouse)
    assert demo.stdout is not None
    assert any(moment in line for line in demo.stdout)
    demo.send_signal(number)
    _, stderr = demo.communicate()
    assert demo.returncode == code, stderr
    if number == signal.SIGINT:
        assert stderr.strip() == "re-dms: interrupted"
    stage.wait_until_bare()


def test_a_directory_that_is_in_use_is_refused(stage: Stage) -> None:
    (stage.directory / "mine").touch()
    demo = stage.start("--keep", str(stage.directory))
    _, stderr = demo.communicate()
    assert demo.returncode == 2
    assert "is not empty" in stderr
    assert "what to do: name a new directory" in stderr


def test_a_missing_postgres_is_said_with_what_to_do(stage: Stage) -> None:
    stage.pg_bin = stage.directory
    demo = stage.start()
    _, stderr = demo.communicate()
    assert demo.returncode == 2
    assert "--pg-bin" in stderr


@pytest.mark.parametrize("module", ["moto", "redshift_standin"])
def test_what_the_stand_in_needs_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda name: None if name == module else find_spec(name))
    with pytest.raises(ConfigurationError, match=f"needs {module}") as raised:
        command.run(warehouse="redshift-standin")
    assert "scripts/demo" in raised.value.remedy


def test_a_server_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = "import sys; print('no room', file=sys.stderr); sys.exit(2)"
    with pytest.raises(ConfigurationError, match="s3 did not start: no room"):
        servers.ServerProcess("s3", ["-c", program], directory=tmp_path, environment=os.environ)


def test_the_users_own_aws_set_up_does_not_reach_the_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "RE_DMS_JOURNAL__URL", "PGPASSWORD"):
        monkeypatch.setenv(name, "of-the-user")
    program = "import json, os, time; print(json.dumps(dict(os.environ)), flush=True); time.sleep(60)"
    given = environment() | servers.CREDENTIALS
    server = servers.ServerProcess("s3", ["-c", program], directory=tmp_path, environment=given)
    server.close()
    assert "of-the-user" not in server.ready.values()
    assert server.ready["AWS_CONFIG_FILE"] == server.ready["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_an_error_of_the_pipeline_is_told_with_its_reason_and_remedy(tmp_path: Path) -> None:
    pipeline = Pipeline(f"host={tmp_path} port=1", DuckDBPlace(tmp_path), tmp_path)
    pipeline.start("--until-caught-up")
    pipeline.wait_until_gone()
    assert pipeline.exit_code == 3
    failure = pipeline.failure()
    assert "exit code 3" in failure.message
    assert pipeline.heard.stopped["reason"] in failure.message
    assert failure.remedy


@pytest.fixture
def ended(pg_bin: Path | None) -> Iterator[LocalPostgres]:
    """The server of a demo that has been played: it does not run."""
    with contextlib.closing(LocalPostgres(pg_bin=pg_bin)) as server:
        yield server


def test_the_exit_code_is_1_when_something_differs(monkeypatch: pytest.MonkeyPatch, ended: LocalPostgres) -> None:
    monkeypatch.setattr(command, "_play", lambda *_, **__: (EMPTY, ended, []))
    assert command.run() == 1
    found = replace(EMPTY, tables=(TableFacts(comparison=EQUAL, copied=1, arrived=(0,) * 4, committed=(0,) * 4),))
    monkeypatch.setattr(command, "_play", lambda *_, **__: (found, ended, []))
    assert command.run() == 0


def test_a_copy_of_the_programs_is_left_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ended: LocalPostgres
) -> None:
    """It is made when root has them in a place that only root may enter, as is a .venv below root's home."""
    monkeypatch.setattr(command, "_play", lambda *_, **__: (EMPTY, ended, []))
    for place, is_copy in (("/usr/lib/postgresql/17", False), ("/tmp/re_dms-pg-copy-0-cafe/package/tree", True)):
        monkeypatch.setattr(ended, "_binaries", Path(place, "bin"))
        command.run()
        assert ("/tmp/re_dms-pg-copy-0-cafe\n" in capsys.readouterr().out) is is_copy
