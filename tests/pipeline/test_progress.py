"""Positions of the reader: what may be confirmed, and when."""

from __future__ import annotations

from re_dms.lsn import LSN
from re_dms.pipeline.progress import Progress


def streaming(at: int = 100) -> Progress:
    """A stream that was opened where the journal ends."""
    progress = Progress({"tail": None, "known": str(LSN(at)), "batch": 0})
    progress.slot_is_at(LSN(at))
    return progress


def test_a_position_that_was_told_while_a_batch_was_pending_is_recorded_once_the_batch_is_durable() -> None:
    """A server at rest tells its position once: what it says while something is pending must not be forgotten."""
    progress = streaming()
    progress.saw_new_commit(LSN(150))
    progress.keepalive(LSN(180), in_transaction=False)
    assert not progress.wants_position(1.0, 5.0, idle=False)
    progress.shipped(LSN(150))
    assert not progress.wants_position(2.0, 5.0, idle=True)
    progress.is_durable({"durable": "0/96", "batch": 1, "tail": {"end": "0/96", "xid": 7, "time_us": 0}})
    assert progress.confirmable == LSN(150)
    assert progress.wants_position(3.0, 5.0, idle=True)
    assert progress.position == LSN(180)
    assert progress.confirmable == LSN(150)


def test_a_position_inside_a_transaction_is_none() -> None:
    progress = streaming()
    progress.keepalive(LSN(180), in_transaction=True)
    assert not progress.wants_position(1.0, 5.0, idle=True)
