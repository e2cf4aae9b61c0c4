"""SIGSTOP, replace, continue: who was thought dead wakes up in the middle of a step, and somebody else has gone on.

The server gives up a silent client after two seconds here (`wal_sender_timeout`), as it does after a minute elsewhere.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from crash.rig import Rig
from crash.witness import Witness, tail
from crash.workload import Load
from nightly import nightly

HELD, WAREHOUSE = 7, 5
_STALE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def impatient_server(rig: Rig) -> None:
    database = rig.pipeline.database
    database.execute(f"alter database {database.name} set wal_sender_timeout = '2s'")


def test_a_capture_that_wakes_up_replaced_writes_no_batch(rig: Rig) -> None:
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=4) as load:
            apply = rig.start("apply")
            zombie = rig.start("capture", failpoints=["capture.before_manifest:stop@3"])
            rig.wait_until_acted(["capture.before_manifest"], zombie)
            rig.freeze(zombie)
            # It waits until the server has given up the zombie's stream, and writes the batch that the zombie has ready.
            capture = rig.start("capture")
            capture.wait_for("sealed", 2)
            rig.thaw_child(zombie, "encoder")
            rig.thaw(zombie)
            finished = zombie.finish()
            assert finished.code == HELD, tail(finished.log)
            assert "another capture wrote batch" in finished.log
        rig.end(apply, load, witness, capture=capture)
    rig.assert_whole(witness, "a stopped capture was replaced")


@nightly("by day the model, and the one that wakes up last")
def test_a_capture_that_wakes_up_first_wins_and_its_replacement_gives_way(rig: Rig) -> None:
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=5) as load:
            apply = rig.start("apply")
            zombie = rig.start("capture", failpoints=["capture.before_manifest:stop@2"])
            rig.wait_until_acted(["capture.before_manifest"], zombie)
            rig.freeze(zombie)
            (rig.once / "capture.before_manifest").unlink()
            capture = rig.start("capture", failpoints=["capture.before_manifest:stop@1"])
            rig.wait_until_acted(["capture.before_manifest"], capture)
            rig.thaw(zombie)
            # It puts its batch, then finds its stream gone, and waits for the slot.
            witness.wait_for_manifest(2)
            os.kill(capture.children()["encoder"], signal.SIGCONT)
            finished = capture.finish()
            assert finished.code == HELD, tail(finished.log)
        rig.end(apply, load, witness, capture=zombie)
    rig.assert_whole(witness, "a stopped capture woke up in time")


@nightly("by day one that was replaced")
def test_an_orphan_that_wakes_up_does_no_harm(rig: Rig) -> None:
    """Its supervisor was killed while it was stopped: it could not leave then, and leaves now."""
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=6) as load:
            running = rig.start(failpoints=["capture.before_manifest:stop@3"])
            rig.wait_until_acted(["capture.before_manifest"], running)
            orphan = running.children()["encoder"]
            running.signal(signal.SIGKILL)
            running.process.wait()
            rig.wait_until_gone(except_for=[orphan])
            running = rig.start()
            running.wait_for("sealed", 2)
            os.kill(orphan, signal.SIGCONT)
            rig.wait_until_gone(except_for=[running.process.pid, *running.children().values()])
        rig.end(running, load, witness)
    rig.assert_whole(witness, "an orphan woke up")


@nightly("by day one that is overtaken within a load")
def test_an_apply_that_wakes_up_replaced_loads_nothing(rig: Rig) -> None:
    lock = rig.pipeline.warehouse_path.with_name(rig.pipeline.warehouse_path.name + ".re_dms.lock")
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=7) as load:
            capture = rig.start("capture")
            zombie = rig.start("apply", failpoints=["apply.found:stop@3"])
            rig.wait_until_acted(["apply.found"], zombie)
            rig.freeze(zombie)
            witness.wait_for_manifest(6)
        _beat(lock, time.time() + _STALE_SECONDS)
        finished = rig.start("apply").finish()
        assert finished.code == HELD, tail(finished.log)
        _beat(lock, time.time() - _STALE_SECONDS)  # so long ago did it say that it is alive
        apply = rig.start("apply")
        apply.wait_for("loaded")
        rig.thaw(zombie)
        finished = zombie.finish()
        assert finished.code == HELD, tail(finished.log)
        assert "another apply took over" in finished.log
        rig.end(apply, load, witness, capture=capture)
    rig.assert_whole(witness, "a stopped apply was replaced")


def test_an_apply_that_is_stopped_within_a_load_cannot_be_overtaken(rig: Rig) -> None:
    """It has the warehouse's file open: whoever comes is refused and changes nothing, and it goes on when it wakes."""
    lock = rig.pipeline.warehouse_path.with_name(rig.pipeline.warehouse_path.name + ".re_dms.lock")
    with Witness(rig.pipeline) as witness:
        with Load(rig.pipeline.database, seed=8) as load:
            capture = rig.start("capture")
            zombie = rig.start("apply", failpoints=["apply.before_commit:stop@3"])
            rig.wait_until_acted(["apply.before_commit"], zombie)
            rig.freeze(zombie)
        _beat(lock, time.time() - _STALE_SECONDS)
        finished = rig.start("apply").finish()
        assert finished.code == WAREHOUSE, tail(finished.log)
        rig.thaw(zombie)
        rig.end(zombie, load, witness, capture=capture)
    rig.assert_whole(witness, "an apply was stopped within a load")


def _beat(lock: os.PathLike[str], at: float) -> None:
    os.utime(lock, (at, at))
