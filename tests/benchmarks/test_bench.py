"""The benchmark itself: that it measures what it says, never how fast this machine is."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def bench(*words: str, pg_bin: Path | None) -> subprocess.CompletedProcess[str]:
    options = [] if pg_bin is None else ["--pg-bin", str(pg_bin)]
    return subprocess.run([sys.executable, "-m", "bench", *words, *options], cwd=ROOT, capture_output=True, text=True)


def test_capture_gives_a_ratio_of_equal_work(pg_bin: Path | None) -> None:
    finished = bench("capture", "--rows", "20000", "--rounds", "1", "--json", pg_bin=pg_bin)
    assert finished.returncode == 0, finished.stderr
    figures = json.loads(finished.stdout)
    assert figures["rows"] == 20000
    assert 0 < figures["ratio"] < 10
    assert {"reader", "encoder", "supervisor", "server", "total"} <= set(figures["cpu_seconds_per_million"])
    assert figures["peak_pss_mb"] > 0
    assert set(figures["rows_per_second"]) == {"re_dms", "pg_recvlogical"}


def test_different_work_gives_no_ratio(monkeypatch: pytest.MonkeyPatch, pg_bin: Path | None) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import capture
    from bench.workloads import WORKLOADS, ten

    wrong = replace(ten.WORKLOAD, load=lambda server, rows: ten.load(server, rows) | {"inserts": 1})
    monkeypatch.setitem(WORKLOADS, "ten", wrong)
    with pytest.raises(capture.DifferentWork, match="the load made"):
        capture.measure(rows=5000, rounds=1, pg_bin=pg_bin)


def test_end_to_end_gives_speed_and_lag(pg_bin: Path | None) -> None:
    words = ("end_to_end", "--rows", "10000", "--rate", "500", "--seconds", "2", "--json")
    finished = bench(*words, pg_bin=pg_bin)
    assert finished.returncode == 0, finished.stderr
    figures = json.loads(finished.stdout)
    assert figures["rows_per_second"] > 0
    assert 0 < figures["lag_seconds"]["p50"] <= figures["lag_seconds"]["p99"]


def test_replay_gives_speed_memory_and_whether_they_are_what_is_wanted(pg_bin: Path | None) -> None:
    words = ("replay", "--rows", "5000", "--small-rows", "100", "--rounds", "1", "--json")
    finished = bench(*words, pg_bin=pg_bin)
    assert finished.returncode == 0, finished.stderr
    figures = json.loads(finished.stdout)
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
