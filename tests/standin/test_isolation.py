"""Rule 31: the tracker alone. Which transactions may stand beside one another."""

from __future__ import annotations

import pytest

from redshift_standin.errors import RedshiftError
from redshift_standin.isolation import Tracker, Transaction


def begin(tracker: Tracker, pid: int = 1) -> Transaction:
    return tracker.begin(pid, lambda: None)


def commit(tracker: Tracker, *transactions: Transaction) -> None:
    for each in transactions:
        tracker.commit(each, lambda: None)


def test_rule_31_two_that_read_what_the_other_writes_form_a_cycle() -> None:
    tracker = Tracker()
    one, two = begin(tracker, 11), begin(tracker, 22)
    tracker.touch(one, [1], [2])
    with pytest.raises(RedshiftError) as caught:
        tracker.touch(two, [2], [1])
    assert (caught.value.sqlstate, caught.value.message) == ("XX000", "1023")
    assert caught.value.detail.startswith("Serializable isolation violation on table - ")
    assert f"transactions forming the cycle are: {two.number}, {one.number} (pid:22)" in caught.value.detail


def test_rule_31_a_cycle_is_found_after_the_other_has_committed() -> None:
    tracker = Tracker()
    one, two = begin(tracker), begin(tracker)
    tracker.touch(one, [1], [2])
    commit(tracker, one)
    with pytest.raises(RedshiftError, match="1023"):
        tracker.touch(two, [2], [1])


def test_rule_31_one_that_began_after_the_commit_is_no_rival() -> None:
    tracker = Tracker()
    one = begin(tracker)
    tracker.touch(one, [1], [2])
    commit(tracker, one)
    two = begin(tracker)
    tracker.touch(two, [2], [1])
    commit(tracker, two)


def test_rule_31_a_chain_of_three_closes() -> None:
    tracker = Tracker()
    one, two, three = begin(tracker), begin(tracker), begin(tracker)
    tracker.touch(one, [1], [2])
    tracker.touch(two, [2], [3])
    with pytest.raises(RedshiftError, match="1023"):
        tracker.touch(three, [3], [1])


def test_rule_31_readers_alone_never_conflict() -> None:
    tracker = Tracker()
    one, two = begin(tracker), begin(tracker)
    tracker.touch(one, [1, 2], [])
    tracker.touch(two, [2], [1])
    commit(tracker, two, one)


def test_rule_31_blind_writes_of_one_table_are_no_cycle() -> None:
    """Two COPYs into one table: the lock makes the second wait, and it reads nothing."""
    tracker = Tracker()
    one, two = begin(tracker), begin(tracker)
    tracker.touch(one, [], [1])
    tracker.touch(two, [], [2])
    commit(tracker, one)
    tracker.touch(two, [], [1])
    commit(tracker, two)


def test_rule_31_a_writer_that_read_the_table_before_the_other_wrote_it_is_refused() -> None:
    """The documentation's case: both read and write the table, different rows."""
    tracker = Tracker()
    one, two = begin(tracker), begin(tracker)
    tracker.touch(one, [1], [1])
    commit(tracker, one)
    with pytest.raises(RedshiftError, match="1023"):
        tracker.touch(two, [1], [1])


def test_rule_31_snapshot_isolation_has_no_cycles() -> None:
    tracker = Tracker("snapshot")
    one, two = begin(tracker), begin(tracker)
    tracker.touch(one, [1], [2])
    tracker.touch(two, [2], [1])
    commit(tracker, one, two)


def test_rule_31_a_transaction_that_rolled_back_was_never_there() -> None:
    tracker = Tracker()
    one, two = begin(tracker), begin(tracker)
    tracker.touch(one, [1], [2])
    tracker.roll_back(one)
    tracker.touch(two, [2], [1])
    commit(tracker, two)


def test_rule_31_a_table_made_after_the_snapshot_is_not_there() -> None:
    tracker = Tracker()
    old, maker = begin(tracker), begin(tracker)
    tracker.created(maker, 9)
    tracker.touch(maker, [9], [9])
    commit(tracker, maker)
    with pytest.raises(RedshiftError) as caught:
        tracker.touch(old, [9], [])
    assert (caught.value.sqlstate, caught.value.message) == ("XX000", "1018")
    tracker.touch(begin(tracker), [9], [])


def test_what_nobody_overlaps_any_more_is_forgotten() -> None:
    tracker = Tracker()
    for _ in range(50):
        one = begin(tracker)
        tracker.touch(one, [1], [2])
        commit(tracker, one)
    assert tracker.open_transactions() == 0
    assert len(tracker._known) <= 1
