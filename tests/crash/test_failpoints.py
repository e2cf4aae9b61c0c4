"""SIGKILL at every named step of the protocol: of the process that takes the step, and of the whole group.

The steps are those of the protocol's model (tests/model). Each kill has a hit count, so that it falls into running work
where the step is taken often. A failpoint that is never hit fails.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from crash.rig import QUICKER, Rig
from crash.witness import Witness
from crash.workload import Load
from nightly import nightly
from re_dms.failpoints import NAMES

# Name: at which hit the process dies. A group is what one pipeline goes through. Few of each half are together, since
# the supervisor waits twice as long before each start.
_GROUPS: dict[str, dict[str, int]] = {
    "made and removed": {
        "root.created": 1,
        "publication.created": 1,
        "slot.created": 1,
        "slot.recorded": 1,
        "retention.data_removed": 2,
        "retention.manifest_removed": 3,
    },
    "copied and shipped": {
        "copy.snapshot": 1,
        "copy.streamed": 3,
        "capture.received": 7,
        "capture.shipped": 4,
        "apply.found": 3,
        "apply.fenced": 2,
    },
    "put and merged": {
        "capture.encoded": 3,
        "capture.data_put": 4,
        "capture.before_manifest": 3,
        "capture.after_manifest": 2,
        "apply.staged": 7,
        "apply.merged": 5,
        "apply.before_commit": 3,
    },
    "confirmed and committed": {
        "capture.before_confirm": 3,
        "capture.after_confirm": 2,
        "capture.before_position": 2,
        "capture.after_position": 1,
        "apply.committed": 2,
        "apply.mirrored": 2,
    },
}


def test_no_failpoint_is_left_out() -> None:
    assert sorted(name for group in _GROUPS.values() for name in group) == sorted(NAMES)


def _pace(points: Iterable[str]) -> dict[str, str]:
    return QUICKER if any(name.startswith("retention.") for name in points) else {}


def _pause(points: Iterable[str]) -> float:
    """No more batches than apply can load meanwhile."""
    return 0.15 if _pace(points) else 0.08


@pytest.mark.parametrize("group", _GROUPS)
def test_a_process_killed_at_a_failpoint_is_started_again_and_nothing_is_lost(rig: Rig, group: str) -> None:
    points = _GROUPS[group]
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=1, pause_seconds=_pause(points)) as load:
            running = rig.start(
                failpoints=[f"{name}:kill@{hit}" for name, hit in points.items()], environment=_pace(points)
            )
            rig.wait_until_acted([*points], running)
            rig.kills += len(points)
        rig.end(running, load, witness)
    # Two processes that die together, or one that dies while the drain begins, are not started again one by one.
    assert 0 < rig.restarts(running) <= len(points)
    rig.assert_whole(witness, f"processes killed at {', '.join(points)}")


# Every failpoint is met by the test above.
_KILLED_WHOLE = [
    pytest.param(group, marks=nightly("by day random kills, which take whole groups too")) for group in _GROUPS
]


@pytest.mark.parametrize("group", _KILLED_WHOLE)
def test_a_group_killed_at_a_failpoint_goes_on_when_started_again(rig: Rig, group: str) -> None:
    points = _GROUPS[group]
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=2, pause_seconds=_pause(points)) as load:
            for name, hit in points.items():
                running = rig.start(failpoints=[f"{name}:killgroup@{hit}"], environment=_pace([name]))
                rig.died_by_failpoint(name, running)
            running = rig.start()
        rig.end(running, load, witness)
    rig.assert_whole(witness, f"groups killed at {', '.join(points)}")


def test_lost_requests_and_lost_replies_are_settled_by_reading(rig: Rig) -> None:
    """The same run passes every failpoint, so that none is dead code."""
    lost = {
        "capture.before_manifest": 4,  # the put of the manifest never arrived
        "capture.after_manifest": 3,  # it did, its reply was lost
        "apply.before_commit": 3,  # the COMMIT never arrived
        "apply.committed": 4,  # it did, its reply was lost
    }
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=3, pause_seconds=_pause(NAMES)) as load:
            running = rig.start(failpoints=[f"{name}:raise@{hit}" for name, hit in lost.items()], environment=QUICKER)
            rig.wait_until_hit(NAMES, running)
            rig.wait_until_acted([*lost], running)
        rig.end(running, load, witness)
    halves = [event["half"] for event in running.events("restarting") if "cut short" in event["reason"]]
    assert halves == ["apply", "apply"], "the journal's writer reads at once, apply starts again and reads"
    hits = rig.hits()
    rig.assert_whole(witness, "replies lost; hits: " + ", ".join(f"{name} {hits[name]}" for name in NAMES))
