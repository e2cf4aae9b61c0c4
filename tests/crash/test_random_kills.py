"""SIGKILL of a random process at a random moment, again and again, under load. Chains take turns with the plugins.

Five kills in the suite. RE_DMS_NIGHTLY=1 does 200 and RE_DMS_CRASH_KILLS=N does N (a multiple of five); show the figures
with `-rP`. RE_DMS_CRASH_SEED repeats the order and the moments of a run.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from crash.rig import GONE_SECONDS_MAX, Rig
from crash.witness import Figures, Witness
from crash.workload import Load
from nightly import NIGHTLY
from re_dms.failpoints import NAMES

VICTIMS = ("supervisor", "reader", "encoder", "apply", "group")
KILLS = int(os.environ.get("RE_DMS_CRASH_KILLS", "200" if NIGHTLY else "5"))
PLUGINS = ("pgoutput", "test_decoding")
_EARLY = 0.3
_EARLY_SECONDS = 2.0
_WORKING_SECONDS = 0.6

_totals: Counter[str] = Counter()
_hits: Counter[str] = Counter()


@pytest.mark.parametrize("chain", range(max(1, KILLS // len(VICTIMS))))
def test_random_kills_lose_double_and_tear_nothing(rig: Rig, chain: int) -> None:
    """A pipeline whose processes die one after the other, each at a random moment of its start or of its work."""
    seed = int(os.environ.get("RE_DMS_CRASH_SEED") or random.SystemRandom().randrange(10**6))
    plugin = PLUGINS[chain % len(PLUGINS)]
    rig.pipeline.environment = {"RE_DMS_SOURCE__PLUGIN": plugin}
    print(f"\nchain {chain}, {plugin}: RE_DMS_CRASH_SEED={seed}")
    dice = random.Random(seed)
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=seed) as load:
            running = rig.start()
            for victim in dice.sample(VICTIMS, len(VICTIMS)):
                early, moment = dice.random() < _EARLY, dice.random()
                if not early:
                    witness.wait_for_progress()
                time.sleep(moment * (_EARLY_SECONDS if early else _WORKING_SECONDS))
                if rig.kill(victim, running):
                    running = rig.start()
        rig.end(running, load, witness)
    _tell(rig, witness.figures)
    rig.assert_whole(witness, f"chain {chain}, RE_DMS_CRASH_SEED={seed}")


def _tell(rig: Rig, figures: Figures) -> None:
    _totals.update(kills=rig.kills, lost=figures.lost, doubled=figures.doubled, torn=figures.torn)
    _totals["milliseconds to leave, at most"] = max(
        _totals["milliseconds to leave, at most"], *(round(seconds * 1000) for seconds in rig.gone_seconds), 0
    )
    _hits.update(rig.hits())
    print(f"so far: {dict(_totals)} (limit {GONE_SECONDS_MAX} s)")
    print("hits: " + ", ".join(f"{name} {_hits[name]}" for name in NAMES))
