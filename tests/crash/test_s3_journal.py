"""A journal on S3 behind a proxy that does harm to one request in six, while processes die: everything arrives, once.

One run in the suite, RE_DMS_NIGHTLY=1 does forty and RE_DMS_S3_RUNS=N does N; show the figures with `-rP`.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter

import pytest

from crash.rig import Rig
from crash.witness import Witness, check_journal
from crash.workload import TABLES, Load
from fix_s3 import FAULTS, S3, FaultProxy
from nightly import NIGHTLY

RUNS = int(os.environ.get("RE_DMS_S3_RUNS", "40" if NIGHTLY else "1"))
_FAULTY = 1 / 6
_VICTIMS = ("encoder", "group", "apply")
_totals: Counter[str] = Counter()


@pytest.mark.parametrize("run", range(RUNS))
def test_row_84_faults_of_the_store_and_kills_lose_double_and_tear_nothing(
    rig: Rig, s3: S3, fault_proxy: FaultProxy, run: int
) -> None:
    seed = int(os.environ.get("RE_DMS_CRASH_SEED") or random.SystemRandom().randrange(10**6))
    dice = random.Random(seed)
    bucket = s3.new_bucket()
    rig.pipeline.journal_url = f"s3://{bucket}/shop"
    rig.pipeline.environment = fault_proxy.environment
    fault_proxy.plan = lambda method, path: dice.choice(FAULTS) if dice.random() < _FAULTY else None
    # Every batch costs several requests, and every other one a repetition: batches of a second keep up.
    quieter = {"RE_DMS_CAPTURE__FLUSH_SECONDS": "0.5", "RE_DMS_CAPTURE__POSITION_SECONDS": "1"}
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=seed) as load:
            running = rig.start(environment=quieter)
            for victim in dice.sample(_VICTIMS, 2):
                witness.wait_for_progress()
                if rig.kill(victim, running):
                    running = rig.start(environment=quieter)
            witness.wait_for_progress()
        witness.wait_for(load)
        fault_proxy.plan = lambda method, path: None  # the drain has a deadline
        running.signal(signal.SIGTERM)
        assert running.finish().code == 128 + signal.SIGTERM
    figures = witness.figures
    done = Counter({fault: count for fault, count in fault_proxy.done.items() if fault != "through"})
    _totals.update(runs=1, kills=rig.kills, lost=figures.lost, doubled=figures.doubled, torn=figures.torn, **done)
    print(f"\nrun {run}, RE_DMS_CRASH_SEED={seed}: so far {dict(_totals)}")
    assert done.total() > 0
    assert figures.problems == []
    assert (figures.lost, figures.doubled, figures.torn, figures.undone) == (0, 0, 0, 0)
    rig.pipeline.assert_equal(*TABLES)
    _download(s3, bucket, rig)
    check_journal(rig.pipeline)
    assert "canary" not in "".join(each.log for each in rig.pipeline.started)


def _download(s3: S3, bucket: str, rig: Rig) -> None:
    """The journal as files, for the judge of journals."""
    client = s3.client()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="shop/"):
        for entry in page.get("Contents", ()):
            path = rig.pipeline.journal_path / entry["Key"].removeprefix("shop/")
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, entry["Key"], str(path))
