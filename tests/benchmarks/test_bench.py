"""The benchmark itself: that it measures what it says, never how fast this machine is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nightly import nightly

ROOT = Path(__file__).resolve().parents[2]
MORE = nightly("more of the bench")


def bench(*words: str, pg_bin: Path | None) -> subprocess.CompletedProcess[str]:
    options = [] if pg_bin is None else ["--pg-bin", str(pg_bin)]
    return subprocess.run([sys.executable, "-m", "bench", *words, *options], cwd=ROOT, capture_output=True, text=True)


def figures_of(*words: str, pg_bin: Path | None) -> dict[str, Any]:
    finished = bench(*words, "--json", pg_bin=pg_bin)
    assert finished.returncode == 0, finished.stderr
    figures: dict[str, Any] = json.loads(finished.stdout)
    return figures


def test_capture_gives_a_ratio_of_equal_work(pg_bin: Path | None) -> None:
    figures = figures_of("capture", "--rows", "20000", "--rounds", "1", pg_bin=pg_bin)
    assert figures["rows"] == 20000
    assert 0 < figures["ratio"] < 10
    assert {"reader", "encoder", "supervisor", "server", "total"} <= set(figures["cpu_seconds_per_million"])
    assert figures["peak_pss_mb"] > 0
    assert set(figures["rows_per_second"]) == {"re_dms", "pg_recvlogical"}


@pytest.mark.parametrize("workload", [pytest.param(name, marks=MORE) for name in ("tpcc", "wide", "tiny", "documents")])
def test_every_load_is_compared_over_tcp_as_well(workload: str, pg_bin: Path | None) -> None:
    words = ("capture", "--workload", workload, "--transport", "tcp", "--rows", "500", "--rounds", "1")
    figures = figures_of(*words, pg_bin=pg_bin)
    assert figures["ratio"] > 0
    assert figures["transport"] == "tcp"
    assert figures["rows"] > 100


def test_different_work_gives_no_ratio(monkeypatch: pytest.MonkeyPatch, pg_bin: Path | None) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import capture
    from bench.rounds import DifferentWork
    from bench.workloads import WORKLOADS, ten

    wrong = replace(ten.WORKLOAD, load=lambda server, rows: ten.load(server, rows) | {"inserts": 1})
    monkeypatch.setitem(WORKLOADS, "ten", wrong)
    with pytest.raises(DifferentWork, match="the load made"):
        capture.measure(rows=5000, rounds=1, pg_bin=pg_bin)


@MORE
def test_end_to_end_gives_speed(pg_bin: Path | None) -> None:
    figures = figures_of("end_to_end", "--rows", "10000", "--rounds", "1", pg_bin=pg_bin)
    assert figures["rows_per_second"]["median"] > 0
    assert {"reader", "encoder", "apply", "supervisor"} <= set(figures["cpu_seconds_per_million"])


@MORE
def test_latency_gives_lags_at_a_rate_and_at_rest(pg_bin: Path | None) -> None:
    words = (
        "latency",
        "--rate",
        "200",
        "--seconds",
        "1",
        "--singles",
        "1",
        "--flush-seconds",
        "0.2",
        "--no-default-flush",
    )
    measured = figures_of(*words, pg_bin=pg_bin)["flush_0.2"]
    assert measured["transactions"] > 50
    assert 0 < measured["lag_seconds"]["p50"] <= measured["lag_seconds"]["p99"] <= measured["lag_seconds"]["max"]
    assert measured["at_rest_seconds"]["median"] > 0
    assert measured["loads"] >= 1


def test_snapshot_compares_copies_of_equal_rows(pg_bin: Path | None) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("no zstd on this machine")
    words = ("snapshot", "--rows", "2000", "--tables", "2", "--rounds", "1", "--connections", "1")
    figures = figures_of(*words, pg_bin=pg_bin)
    assert figures["ratio"] == figures["ratios"]["re_dms_1"] > 0
    assert figures["megabytes"]["re_dms_1"] > 0


@MORE
def test_large_transaction_gives_times_of_every_mode(pg_bin: Path | None) -> None:
    figures = figures_of("large_transaction", "--rows", "5000", "--rounds", "1", pg_bin=pg_bin)
    plain = figures["plain"]
    assert 0 < plain["from_commit_seconds"]["median"] <= plain["from_first_row_seconds"]["median"]
    assert plain["backlog_seconds"]["median"] > 0
    assert "ratio" not in figures or figures["ratio"] > 0


@MORE
def test_large_value_and_idle_give_memory(pg_bin: Path | None) -> None:
    sizes = figures_of("large_value", "--megabytes", "1", pg_bin=pg_bin)["pss_mb"]
    assert all(sizes[name] > 0 for name in ("before", "peak", "after", "after_reconnect"))
    figures = figures_of("idle", "--seconds", "1", "--rows", "2000", pg_bin=pg_bin)
    assert figures["capture"]["pss_mb"] > 0
    assert figures["run"]["after_work"]["cpu_percent"] >= 0


@MORE
def test_replay_gives_speed_memory_and_whether_they_are_what_is_wanted(pg_bin: Path | None) -> None:
    figures = figures_of("replay", "--rows", "5000", "--small-rows", "100", "--rounds", "1", pg_bin=pg_bin)
    assert [figures[kind]["transactions"] for kind in ("large", "small", "gzip")] == [1, 100, 1]
    for kind in ("large", "small", "gzip"):
        measured = figures[kind]
        assert measured["rows_per_second"]["median"] > 0
        assert 0 < measured["peak_rss_mb"] < 2000
        assert measured["bytes_a_row"] > 200
    assert set(figures["wanted"].values()) <= {"met", "not met"}
    assert len(figures["wanted"]) == 2


def test_a_replay_that_holds_other_rows_gives_no_figures(monkeypatch: pytest.MonkeyPatch, pg_bin: Path | None) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import replay
    from bench.rounds import DifferentWork
    from bench.workloads import ten

    loaded = ten.load
    monkeypatch.setattr(ten, "load", lambda server, rows: loaded(server, rows) | {"inserts": 1})
    with pytest.raises(DifferentWork, match="the load made"):
        replay.measure(rows=5000, small_rows=10, rounds=1, pg_bin=pg_bin)


@MORE
def test_guard_tells_a_load_that_costs_more_than_it_may(tmp_path: Path, pg_bin: Path | None) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("margin = 0.1\n[cpu_ratio_max]\nten = 0.001\n")
    finished = bench("guard", "--rows", "2000", "--rounds", "1", "--limits", str(limits), "--json", pg_bin=pg_bin)
    assert finished.returncode == 1
    figures = json.loads(finished.stdout)
    assert figures["beyond"] == ["ten"]
    assert figures["ratio"] == figures["ten"]["cpu_ratio"] > 0
    assert "times the CPU of pg_recvlogical" in finished.stderr


@MORE
def test_guard_is_content_below_the_limit(tmp_path: Path, pg_bin: Path | None) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("margin = 0.1\n[cpu_ratio_max]\nten = 1e9\n")
    words = ("guard", "--rows", "2000", "--rounds", "1", "--limits", str(limits))
    assert figures_of(*words, pg_bin=pg_bin)["beyond"] == []


@MORE
@pytest.mark.timeout(1800)
def test_all_writes_a_section_of_the_document(tmp_path: Path, pg_bin: Path | None) -> None:
    document = tmp_path / "performance.md"
    document.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")
    figures = figures_of("all", "--quick", "--markdown", "--docs", str(tmp_path), pg_bin=pg_bin)
    assert figures["failed"] == {}
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "\nold\n" not in text
    for part in figures["parts"].values():
        assert f"scripts/bench {part['command']}\n" in text
    plots = [tmp_path / "bench" / f"growth_{name}.svg" for name in ("tables", "columns", "rows_of_a_transaction")]
    assert all(plot.exists() for plot in plots)
