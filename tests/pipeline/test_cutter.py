"""When a batch closes by age: at once after a time of rest, otherwise at most every `flush_seconds`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from re_dms.lsn import LSN
from re_dms.pipeline.cutter import Cutter
from re_dms.pipeline.progress import Progress
from re_dms.pipeline.ring import Ring
from re_dms.settings import CaptureSettings

REGIONS = 3


class Region:
    """A region in memory: the messages of the reader."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.position = 0


class RegionsInMemory:
    """The ring as the cutter uses it; what was shipped waits until the encoder takes it."""

    def __init__(self) -> None:
        self.writer = Region()
        self.shipped: list[dict[str, Any]] = []

    @property
    def has_free(self) -> bool:
        return len(self.shipped) < REGIONS - 1

    def poll(self, timeout_seconds: float) -> None:
        pass

    def ship(self, description: dict[str, Any], count: int) -> None:
        assert count == len(self.writer.starts), "all that these tests receive is committed"
        self.writer = Region()
        self.shipped.append(description)


class World:
    """A cutter, an encoder that takes every part at once unless it is `busy`, and a clock that the test moves."""

    def __init__(self, **capture: Any) -> None:
        self.now = 1_000.0
        self.busy = False
        self.closed_at: list[float] = []
        self.ring = RegionsInMemory()
        progress = Progress({"known": "0/0", "batch": 0})
        self.cutter = Cutter(
            cast(Ring, self.ring), progress, CaptureSettings(**capture), self._wait_until, clock=lambda: self.now
        )
        self._lsn = 0

    def commit(self) -> None:
        """A transaction of one message is received."""
        self.ring.writer.starts.append(10)
        self.ring.writer.position += 10
        self._lsn += 1
        self.cutter.committed(LSN(self._lsn), self.now)
        self._encode()

    def wait(self, seconds: float) -> None:
        """The reader's loop with nothing to receive: it sleeps until something is due."""
        end = self.now + seconds
        while (due := self.cutter.due_at) is not None and due <= end and not self.busy:
            self.now = max(self.now, due)
            self.tick()
        self.now = end

    def tick(self) -> None:
        if self.cutter.is_due(self.now):
            self.cutter.close(wait=False)
            self._encode()

    def give_back(self) -> None:
        self.busy = False
        self._encode()

    def _wait_until(self, is_there: Callable[[], bool]) -> None:
        self.give_back()
        assert is_there()

    def _encode(self) -> None:
        while not self.busy and self.ring.shipped:
            self.closed_at += [self.now] * bool(self.ring.shipped.pop(0)["ends"])


@pytest.fixture
def world() -> World:
    return World(flush_seconds=1.0)


def test_a_single_change_at_rest_does_not_wait_for_the_flush(world: World) -> None:
    world.commit()
    assert world.cutter.due_at is not None
    assert world.cutter.due_at - world.now <= 0.01
    world.wait(0.01)
    assert len(world.closed_at) == 1


def test_changes_of_the_same_few_milliseconds_share_a_batch(world: World) -> None:
    for _ in range(4):
        world.commit()
        world.wait(0.001)
    world.wait(10)
    assert len(world.closed_at) == 1


def test_what_follows_the_first_batch_of_a_burst_goes_at_the_next_flush(world: World) -> None:
    began = world.now
    for _ in range(900):
        world.commit()
        world.wait(0.001)
    world.wait(10)
    assert [at - began for at in world.closed_at] == pytest.approx([0.005, 1.005], abs=0.002)


@pytest.mark.parametrize("gap_seconds", [0.0005, 0.007, 0.3, 0.999, 1.5])
def test_batches_are_at_most_one_a_flush_while_changes_flow(world: World, gap_seconds: float) -> None:
    began = world.now
    while world.now < began + 20:
        world.commit()
        world.wait(gap_seconds)
    gaps = [later - earlier for earlier, later in zip(world.closed_at, world.closed_at[1:], strict=False)]
    assert min(gaps) >= 1.0
    # and no commit waits longer than a flush for its turn
    assert max(gaps) <= max(1.0, gap_seconds) + gap_seconds + 0.01


def test_a_flush_of_half_a_minute_is_kept_between_batches_too() -> None:
    world = World(flush_seconds=30.0)
    began = world.now
    while world.now < began + 200:
        world.commit()
        world.wait(0.5)
    assert [round(at - began) for at in world.closed_at] == [0, 30, 60, 90, 120, 150, 180]


def test_a_flush_shorter_than_the_gathering_is_not_stretched() -> None:
    world = World(flush_seconds=0.001)
    world.commit()
    world.wait(0.0011)
    assert len(world.closed_at) == 1


def test_a_batch_that_was_closed_by_its_size_counts_as_the_last_one() -> None:
    world = World(flush_seconds=1.0, flush_rows=10)
    for _ in range(10):
        world.commit()
    assert len(world.closed_at) == 1
    world.commit()
    world.wait(0.9)
    assert len(world.closed_at) == 1
    world.wait(0.2)
    assert len(world.closed_at) == 2


def test_while_the_encoder_is_busy_the_batch_that_is_due_grows(world: World) -> None:
    world.busy = True
    for _ in range(2):  # each takes a region
        world.commit()
        world.now += 2
        world.tick()
    world.commit()
    due_at = world.cutter.due_at
    world.now += 5
    world.tick()
    assert world.cutter.due_at == due_at, "it still is due"
    world.give_back()
    assert len(world.closed_at) == 2
    world.tick()
    assert len(world.closed_at) == 3


def test_a_stream_that_was_opened_again_does_not_hurry(world: World) -> None:
    world.commit()
    world.wait(0.5)
    assert len(world.closed_at) == 1
    world.cutter.reset()
    world.commit()
    world.wait(0.4)
    assert len(world.closed_at) == 1
    world.wait(0.2)
    assert len(world.closed_at) == 2
