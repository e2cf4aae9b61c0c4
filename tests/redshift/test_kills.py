"""Apply in a process of its own, killed at every step: a new apply makes it good.

The suite kills one after the other at their first load, and some at their second; RE_DMS_NIGHTLY=1 kills at every step of
either load, each in a warehouse of its own. Figures with `-rP`:

    RE_DMS_NIGHTLY=1 python -m pytest tests/redshift/test_kills.py -rP
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from fix_redshift import Benches
from nightly import NIGHTLY, nightly
from re_dms.failpoints import NAMES
from re_dms.journal.journal import Journal
from re_dms.manifest import Registry
from re_dms.settings import JournalSettings, Settings
from redshift import apply_program
from redshift.apply_program import apply_what_waits
from redshift.steps import ENDS, POLICIES, compare, loads, records_of, rows_of, staged
from warehouse.building import RedshiftBench, redshift_settings

STEPS = [name for name in NAMES if name.startswith("apply.")]
BATCHES = 5
_KILLS = [(step, load) for step in STEPS for load in (1, 2)]
if not NIGHTLY:
    _KILLS = [("apply.committed", 2)]
_COMMITTED = ("apply.committed", "apply.mirrored")
_figures = Counter[str]()


def waiting(benches: Benches) -> tuple[RedshiftBench, Settings]:
    """A warehouse without anything, and a journal with five batches that wait: loaded as 1, 2 with 3, 4, 5."""
    bench = benches(policies=POLICIES)
    journal = Journal(bench.journal.store)
    journal.create_root(bench.journal.root)
    registry = journal.write_registry(Registry(number=1, tables={}), "w")
    for manifest in (each for batches in loads(bench.journal) for each in batches):
        kind = "copy" if manifest.number in (1, BATCHES) else "stream"
        journal.commit(manifest.model_copy(update={"registry": registry, "kind": kind}))
    settings = Settings(
        journal=JournalSettings(url=journal.store.url, region=os.environ["AWS_REGION"]),
        warehouse=redshift_settings(bench.server, "redshift_connector", policies=POLICIES, group_batches=2),
    )
    return bench, settings


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """What is recorded after a run in which nothing happens; the first test that needs it fills it."""
    return {}


def killed(settings: Settings, failpoints: str) -> None:
    """An apply of its own, which has to be killed there."""
    environment = {**os.environ, "RE_DMS_FAILPOINTS": failpoints, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, apply_program.__file__],
        input=settings.to_json().encode(),
        env=environment,
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    _figures["kills"] += 1


def test_undisturbed_the_batches_that_wait_give_the_sources_rows(redshift_benches: Benches) -> None:
    bench, settings = waiting(redshift_benches)
    told = apply_what_waits(settings)
    assert [(each["number"], each["batches"]) for each in told if each["event"] == "loaded"] == [
        (1, 1),
        (3, 2),
        (4, 1),
        (5, 1),
    ]
    assert {name: Counter(rows) for name, rows in rows_of(bench).items()} == {
        name: Counter(rows) for name, rows in ENDS.items()
    }


@pytest.mark.parametrize(("step", "load"), _KILLS)
def test_an_apply_that_is_killed_is_made_good_by_the_next_one(
    redshift_benches: Benches, undisturbed: dict[str, Any], step: str, load: int
) -> None:
    bench, settings = waiting(redshift_benches)
    # A load merges several tables: its first merge is the second load's third.
    hit = {"apply.merged": {1: 2, 2: 4}}.get(step, {}).get(load, load)
    killed(settings, f"{step}:kill@{hit}")
    done = {1: (0, 1), 2: (1, 3)}[load][step in _COMMITTED]
    assert sum(batch for (batch,) in bench.query(f"select batch from {bench.watermark} w")) == done
    told = apply_what_waits(settings)
    assert [(each["epoch"], each["number"]) for each in told if each["event"] == "claimed"] == [(3, done)]
    judge(bench, f"killed at {step} of load {load}")
    records = records_of(bench)
    assert records == undisturbed.setdefault("records", records)


@nightly("by day one kill at a time")
def test_applies_that_die_one_after_the_other_leave_nothing_to_the_last(redshift_benches: Benches) -> None:
    bench, settings = waiting(redshift_benches)
    for step in STEPS:
        killed(settings, f"{step}:kill@1")
    told = apply_what_waits(settings)
    # The bench has claimed once, and one batch was committed by each that died after its commit.
    assert [(each["epoch"], each["number"]) for each in told if each["event"] == "claimed"] == [(len(STEPS) + 2, 3)]
    judge(bench, f"killed at the first {', '.join(STEPS)}")


def judge(bench: RedshiftBench, what: str) -> None:
    """Nothing lost, nothing doubled, nothing left behind."""
    compare(bench, _figures)
    print(f"\n{what}: so far {dict(_figures)}")
    assert (_figures["lost"], _figures["doubled"]) == (0, 0), rows_of(bench)
    assert staged(bench) == []
    assert bench.journal.store.list("loads/") == []
