"""The server as a program, as a context manager and as a fixture; the wire with TLS; other people's clients."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

import redshift_standin
from standin.fix_standin import Clients

_PATIENCE_SECONDS = 30.0


def serve(*arguments: str, pg_bin: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "redshift_standin", "serve", "--port", "0", *arguments]
    words += ["--pg-bin", str(pg_bin)] if pg_bin else []
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found += [int(entry.name), *descendants(int(entry.name))]
    return found


def test_serve_says_how_to_connect_and_ends_cleanly(pg_bin: Path | None) -> None:
    began = time.monotonic()
    process = serve("--json", pg_bin=pg_bin)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    seconds = time.monotonic() - began
    print(f"started in {seconds:.2f} s")
    with psycopg.connect(told["dsn"], autocommit=True) as connection:
        row = connection.execute("select version()").fetchone()
        assert row is not None
        assert "Redshift" in row[0]
        children = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(_PATIENCE_SECONDS) == 0
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


def test_killed_it_leaves_no_postgres_behind(pg_bin: Path | None) -> None:
    process = serve("--json", pg_bin=pg_bin)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        json.loads(process.stdout.readline())
        children = descendants(process.pid)
        assert len(children) > 2
        process.kill()
        process.wait(_PATIENCE_SECONDS)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_password_that_was_given_is_not_printed_and_an_interrupt_ends_it(pg_bin: Path | None) -> None:
    process = serve(pg_bin=pg_bin, REDSHIFT_STANDIN_PASSWORD="Canary-Pass-1")
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    children = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=_PATIENCE_SECONDS)
    assert (process.returncode, err) == (130, "")
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    said = "".join(lines) + out + err
    assert "psql 'host=127.0.0.1" in said
    assert "Canary" not in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--tls-cert", __file__], "--tls-cert and --tls-key"),
        (["--faults", __file__], "no TOML"),
        (["--pg-bin", "/"], "initdb"),
    ],
)
def test_a_mistake_is_said_in_a_line(arguments: list[str], named: str) -> None:
    process = serve(*arguments)
    out, err = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 2
    assert named in err
    assert "Traceback" not in err
    assert out == ""


def test_a_backend_that_runs_already_is_left_as_it_was(postgres: Any, s3: Any) -> None:
    before = postgres.execute("select datname from pg_database order by 1")
    with redshift_standin.Server(backend=postgres.dsn()) as server, psycopg.connect(server.dsn) as connection:
        connection.execute("create table t (id int)")
    assert postgres.execute("select datname from pg_database order by 1") == before
    postgres.execute('drop role "awsuser"')


def test_the_fixture_is_one_line_away(tmp_path: Path, pg_bin: Path | None) -> None:
    (tmp_path / "conftest.py").write_text(
        'import pytest\npytest_plugins = ["redshift_standin.pytest_plugin"]\n\n\n'
        '@pytest.fixture(scope="session")\ndef redshift_options():\n'
        f"    from pathlib import Path\n    return {{'pg_bin': {f'Path({str(pg_bin)!r})' if pg_bin else None}}}\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import redshift_connector\n\n\ndef test_it(redshift):\n"
        "    with redshift_connector.connect(**redshift.arguments) as connection:\n"
        "        cursor = connection.cursor()\n        cursor.execute('select 1 + 1')\n"
        "        assert cursor.fetchall() == ([2],)\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    finished = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert finished.returncode == 0, finished.stdout
    assert "1 passed" in finished.stdout


def test_psql_connects(clients: Clients) -> None:
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("there is no psql on this machine")
    server = clients.server
    words = [psql, "-X", "-A", "-t", "-h", server.host, "-p", str(server.port), "-U", server.user, "-d", "dev"]
    finished = subprocess.run(
        [*words, "-c", "select 1", "-c", "show server_version"],
        capture_output=True,
        text=True,
        env=os.environ | {"PGPASSWORD": server.password},
        timeout=_PATIENCE_SECONDS,
    )
    assert (finished.returncode, finished.stdout) == (0, "1\n8.0.2\n")


def test_nothing_is_left_after_a_server_of_ones_own(standin_factory: Callable[..., Any]) -> None:
    server = standin_factory()
    directory = server.postgres.directory
    connection = psycopg.connect(server.dsn, autocommit=True)
    connection.execute("create table t (id int)")
    server.close()
    assert not directory.exists()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
    connection.close()
