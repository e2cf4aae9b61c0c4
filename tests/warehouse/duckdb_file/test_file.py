"""The DuckDB file: shared with readers, leased to one apply, and refused with a remedy when it is none."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from re_dms.errors import ConfigurationError, PipelineHeld, ValueDoesNotFit, WarehouseError, WarehouseUnavailable
from re_dms.journal.local import LocalStore
from re_dms.settings import MIB, WarehouseSettings
from re_dms.warehouse.duckdb.connection import File
from re_dms.warehouse.duckdb.warehouse import DuckDBWarehouse
from re_dms.warehouse.opening import open_warehouse
from warehouse.building import ORDERS, Bench, Journal, table


@contextmanager
def another_process(code: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that runs `code`, prints a line when it is ready, and then waits until its stdin is closed."""
    program = f"import sys\n{code}\nprint('ready', flush=True)\nsys.stdin.read()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.stdin.close()
        process.wait()
        process.stdout.close()


def reader(path: Path) -> str:
    return f"import duckdb\nconnection = duckdb.connect({str(path)!r}, read_only=True)\nconnection.execute('select 1')"


def test_a_file_that_somebody_reads_is_unavailable_and_loaded_once_it_is_free(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    manifest = bench.journal.batch(2, table(ORDERS, bench.journal.changes(ORDERS, {"op": "U", "c1": "2"})))
    with another_process(reader(bench.warehouse.path)) as process:
        with pytest.raises(WarehouseUnavailable, match=f"PID {process.pid}"):
            bench.load_manifest(manifest)
        assert process.stdin is not None
        patient = DuckDBWarehouse(bench.warehouse.url, wait_seconds=30)
        process.stdin.close()  # it ends while we wait
        report = patient.load(
            manifest,
            journal_id="journal-1",
            pipeline="shop",
            epoch=bench.epoch,
            owner=bench.owner,
            files=bench.journal.files(2, bench.owner),
        )
    assert not report.already_done


def test_others_can_open_the_file_between_loads(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    with another_process(reader(bench.warehouse.path)):
        pass
    bench.changed(ORDERS, {"op": "U", "c1": "2"})


def test_others_can_open_the_file_after_a_load_that_failed(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    with pytest.raises(ValueDoesNotFit):
        bench.changed(ORDERS, {"op": "U", "c1": "not a number"})
    with another_process(reader(bench.warehouse.path)):
        pass
    bench.changed(ORDERS, {"op": "U", "c1": "2"})


def test_a_file_is_whole_without_its_log_between_loads(bench: Bench, tmp_path: Path) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.changed(ORDERS, {"op": "U", "c1": "2"})
    copied = shutil.copy(bench.warehouse.path, tmp_path / "copied.duckdb")
    with duckdb.connect(str(copied), read_only=True) as connection:
        assert connection.execute("select id from public.orders order by 1").fetchall() == [(1,), (2,)]


def test_a_row_beyond_the_bound_of_memory_is_loaded_with_more_which_is_given_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bool] = []
    start = File._start

    def noted(file: File, *, bounded: bool) -> duckdb.DuckDBPyConnection:
        started.append(bounded)
        return start(file, bounded=bounded)

    bench.copied(ORDERS, ["1", "a", "1"])
    bench.warehouse.close()
    monkeypatch.setattr("re_dms.warehouse.duckdb.connection.MEMORY_BYTES", 64 * MIB)
    monkeypatch.setattr(File, "_start", noted)
    bench.changed(ORDERS, {"op": "U", "c1": "2", "c2": "x" * 20_000_000})
    assert started == [True, False]
    bench.changed(ORDERS, {"op": "U", "c1": "3"})
    bench.changed(ORDERS, {"op": "D", "c1": "1"})
    assert started == [True, False, True]
    assert bench.query("select id, length(note) from public.orders order by 1") == [(2, 20_000_000), (3, None)]


def test_a_file_may_be_named_like_a_schema(tmp_path: Path) -> None:
    for name in ("public", "re_dms", "temp", "main", "system", "a\"b 'c", "Ünï%20", "[x]*?"):
        warehouse = DuckDBWarehouse(
            "duckdb://" + str(tmp_path / f"{name}.duckdb").replace("%", "%25").replace("?", "%3F")
        )
        made = Bench(warehouse, Journal(LocalStore(tmp_path / "data")))
        made.claim()
        made.copied(ORDERS, ["1", "a", "1"])
        made.changed(ORDERS, {"op": "P", "mask": "2", "f1": "1", "c1": "1", "c3": "5"})
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as connection:
            catalog = connection.execute("select current_database()").fetchall()[0][0].replace('"', '""')
            assert connection.execute(f'select * from "{catalog}".public.orders').fetchall() == [(1, "a", 5)]


def test_the_identity_of_a_file_is_made_once(bench: Bench, tmp_path: Path) -> None:
    assert bench.warehouse.identity() == bench.warehouse.identity()
    assert DuckDBWarehouse(f"duckdb://{tmp_path}/other.duckdb").identity() != bench.warehouse.identity()


@pytest.mark.parametrize(
    "url",
    [
        "duckdb://relative.duckdb",
        "duckdb://host/f.duckdb",
        "duckdb:///",
        "duckdb://",
        "mysql://x",
        "duckdb:///f?a=b",
    ],
)
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_warehouse(WarehouseSettings(url=url))
    assert "duckdb:///" in caught.value.remedy


def test_what_cannot_be_opened_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("hello " * 5000)
    (tmp_path / "folder.duckdb").mkdir()
    for path, words in (
        (tmp_path / "text.duckdb", "not a DuckDB file"),
        (tmp_path / "folder.duckdb", "not a DuckDB file"),
        (tmp_path / "none" / "x.duckdb", "does not exist"),
    ):
        with pytest.raises(WarehouseError, match=words) as caught:
            DuckDBWarehouse(f"duckdb://{path}").identity()
        assert not caught.value.retry
        assert caught.value.remedy


def test_a_damaged_file_is_refused_with_a_remedy(bench: Bench) -> None:
    bench.copied(ORDERS, *([str(i), "x", "1"] for i in range(1000)))
    whole = bench.warehouse.path.read_bytes()
    for at, end in ((0, 5000), (4096, len(whole)), (8192, len(whole)), (12288, len(whole))):
        bench.warehouse.path.write_bytes(whole[:at] + b"\xff" * min(4096, end - at) + whole[at + 4096 : end])
        with pytest.raises(WarehouseError) as caught:
            bench.changed(ORDERS, {"op": "D", "c1": "1"})
        assert not caught.value.retry
        assert caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every file")
def test_a_file_without_permission_is_refused_with_a_remedy(bench: Bench) -> None:
    bench.warehouse.path.chmod(0)
    with pytest.raises(WarehouseError, match="no permission"):
        bench.warehouse.identity()


def lease(url: str) -> str:
    return (
        "from re_dms.warehouse.opening import open_warehouse\n"
        "from re_dms.settings import WarehouseSettings\n"
        f"lease = open_warehouse(WarehouseSettings(url={url!r})).hold()\nlease.__enter__().beat()"
    )


def test_a_second_apply_is_told_who_holds_the_warehouse(bench: Bench) -> None:
    with (
        another_process(lease(bench.warehouse.url)) as process,
        pytest.raises(PipelineHeld, match=f"process {process.pid} on "),
        bench.warehouse.hold(),
    ):
        pass
    with bench.warehouse.hold() as held:
        assert held.locked
        held.beat()


def test_the_lease_of_a_holder_that_is_stopped_is_passed_over_and_the_fence_decides(bench: Bench) -> None:
    lock = bench.warehouse.path.with_name(bench.warehouse.path.name + ".re_dms.lock")
    with another_process(lease(bench.warehouse.url)) as process:
        process.send_signal(signal.SIGSTOP)
        os.utime(lock, (time.time() - 11, time.time() - 11))
        with bench.warehouse.hold() as held:
            assert not held.locked
            stale = bench.epoch
            bench.claim()
            assert bench.epoch == stale + 1
            with pytest.raises(PipelineHeld, match=f"process {os.getpid()} on "), bench.warehouse.hold():
                pass


def test_the_lease_of_a_killed_holder_is_free_at_once(bench: Bench) -> None:
    with another_process(lease(bench.warehouse.url)) as process:
        process.kill()
        process.wait()
        with bench.warehouse.hold() as held:
            assert held.locked


def test_reading_status_makes_no_file(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(f"duckdb://{tmp_path}/none.duckdb")
    assert warehouse.watermark("x") is None
    assert warehouse.pipelines() == ()
    assert warehouse.status("x").tables == ()
    assert warehouse.reset_all("x") == ()
    warehouse.forget("x")
    assert not warehouse.path.exists()
