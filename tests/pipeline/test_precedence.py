"""The encoder gives way to the source and the reader while it keeps up, and not a moment longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from re_dms.pipeline.precedence import Precedence, may_give_way, set_process_policy

ENCODER = 4711


class World:
    """An encoder's policy, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.policy = os.SCHED_OTHER
        self.switches = 0
        self.precedence = Precedence(self._set_policy, clock=lambda: self.now)

    def _set_policy(self, process: int, policy: int) -> None:
        assert process == ENCODER
        self.switches += 1
        self.policy = policy

    @property
    def gives_way(self) -> bool:
        return self.policy == os.SCHED_IDLE

    def encode(self, number: int, seconds: float) -> None:
        """A region is shipped, and given back after so many seconds; the reader looks when it has to."""
        self.precedence.shipped(number)
        end = self.now + seconds
        while (due := self.precedence.due_at) is not None and due < end:
            self.now = due
            self.precedence.look(self.now)
        self.now = end
        self.precedence.given_back(number)


@pytest.fixture
def world() -> World:
    made = World()
    made.precedence.begin(ENCODER)
    return made


def test_an_encoder_that_keeps_up_gives_way_all_the_time(world: World) -> None:
    for number in range(10):
        world.encode(number % 3, 0.05)
    assert world.gives_way
    assert world.switches == 1


def test_what_lies_there_for_too_long_makes_it_a_process_like_any_other_until_nothing_is_left(world: World) -> None:
    world.encode(0, 0.05)
    world.precedence.shipped(0)
    world.precedence.shipped(1)
    world.now += 0.25
    world.precedence.look(world.now)
    assert not world.gives_way
    world.precedence.given_back(0)
    assert not world.gives_way, "there is more to do"
    world.precedence.given_back(1)
    assert world.gives_way


def test_a_starving_encoder_is_looked_at_in_time_though_nothing_is_received(world: World) -> None:
    world.encode(0, 0.05)
    world.precedence.shipped(0)
    assert world.precedence.due_at is not None
    assert world.precedence.due_at - world.now <= 0.201
    world.precedence.look(world.precedence.due_at)
    assert not world.gives_way
    assert world.precedence.due_at is None


def test_who_waits_for_a_region_does_not_wait_for_that(world: World) -> None:
    world.encode(0, 0.05)
    world.precedence.shipped(0)
    world.precedence.insist()
    assert not world.gives_way


def test_where_it_could_not_come_back_it_never_gives_way() -> None:
    world = World()
    world.precedence.begin(None)
    world.encode(0, 0.05)
    assert world.switches == 0
    assert world.precedence.due_at is None


def test_a_policy_that_cannot_be_set_stops_nobody() -> None:
    def refuse(process: int, policy: int) -> None:
        raise PermissionError

    precedence = Precedence(refuse, clock=lambda: 0.0)
    precedence.begin(ENCODER)
    precedence.shipped(0)
    precedence.given_back(0)
    precedence.insist()


def test_the_policy_is_that_of_all_threads_and_comes_back() -> None:
    program = "import threading, sys\nthreading.Thread(target=sys.stdin.read).start()\nprint('x', flush=True)"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"x\n"
        threads = [int(entry.name) for entry in Path(f"/proc/{child.pid}/task").iterdir()]
        assert len(threads) == 2
        set_process_policy(child.pid, os.SCHED_IDLE)
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_IDLE}
        if may_give_way():
            set_process_policy(child.pid, os.SCHED_OTHER)
            assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}
        child.communicate()


def test_trying_whether_it_may_changes_nothing_for_the_process() -> None:
    may_give_way()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
