"""The benchmark of Redshift: that both sides do the same work, and what of its figures does not depend on the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from nightly import nightly

ROOT = Path(__file__).resolve().parents[2]


@nightly("no promise to users")
def test_redshift_compares_ends_with_the_same_rows(pg_bin: Path | None) -> None:
    options = [] if pg_bin is None else ["--pg-bin", str(pg_bin)]
    command = [sys.executable, "-m", "bench", "redshift", "--quick", "--json", *options]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    figures = json.loads(finished.stdout)
    one, two, larger = (figures[name] for name in ("tables_1", "tables_2", "tables_2_larger_target"))
    for name in ("statements", "round_trips", "commits"):
        assert two["seed"][name] == 2 * one["seed"][name]
        assert one["re_dms"][name] < two["re_dms"][name] < two["seed"][name]
        assert (larger["re_dms"][name], larger["seed"][name]) == (two["re_dms"][name], two["seed"][name])
        group = figures["group_of_3"]
        assert group["grouped"][name] == two["re_dms"][name]
        assert group["singly"][name] == 3 * group["grouped"][name]
    assert (one["seed"]["statements"], one["seed"]["commits"]) == (21, 3)
