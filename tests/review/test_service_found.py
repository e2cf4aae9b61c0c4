"""What a review found in the service and in the lines between its processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from re_dms.errors import JournalUnavailable
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore
from re_dms.lsn import LSN
from re_dms.manifest import Manifest, Registry, Root, WarehouseName
from re_dms.pipeline.apply import Apply
from re_dms.pipeline.buffers import SharedBuffer, Writer
from re_dms.pipeline.channel import Channel
from re_dms.pipeline.child import Child
from re_dms.pipeline.cutter import Cutter
from re_dms.pipeline.progress import Progress
from re_dms.pipeline.ring import Ring
from re_dms.pipeline.surroundings import Surroundings
from re_dms.service.halves import Ended, Half
from re_dms.service.supervisor import Supervisor
from re_dms.settings import CaptureSettings, JournalSettings, Settings, SourceSettings, WarehouseSettings

MIB = 1024 * 1024
Pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Channel.pair()
    yield made
    for end in made:
        end.close()


def settings(directory: Path) -> Settings:
    return Settings(
        journal=JournalSettings(url=f"file://{directory}/journal"),
        source=SourceSettings(dsn="host=/nowhere", slot="s", publication="p"),
    )


def test_a_source_that_is_down_for_days_is_tried_again(tmp_path: Path) -> None:
    half = Half("capture", settings(tmp_path))
    assert all(0 < half.back_off() <= 30 for _ in range(5_000))


def test_a_child_that_hears_nothing_does_not_hold_up_the_supervisor(tmp_path: Path, pair: Pair) -> None:
    """Apply is in a long load while capture seals thousands of batches; then it still hears the order to drain."""
    half = Half("apply", settings(tmp_path))
    ours, theirs = pair
    half.children = [SimpleNamespace(role="apply", control=ours)]  # type: ignore[list-item]

    def tell() -> None:
        for _ in range(5_000):
            half.hint("apply", {"do": "look"})
        half.tell("apply", {"do": "drain"})

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    said: list[dict[str, Any]] = []
    while (message := theirs.receive(0)) is not None:
        said.append(message)
    assert said[0] == {"do": "look"}
    assert said[-1] == {"do": "drain"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_leaves_a_child_that_just_starts_alone(tmp_path: Path, number: int) -> None:
    """The supervisor decides what a signal means; a child may be importing yet when it comes."""
    child = Child("apply", settings(tmp_path), {})
    os.kill(child.pid, number)
    message = child.control.receive(30)  # it lives to tell that it was given no warehouse
    assert message is not None
    assert message["kind"] == "ConfigurationError"
    assert child.close() == 2


def test_a_part_of_a_transaction_is_no_reason_to_hurry(pair: Pair) -> None:
    """Only what is committed can be closed by age: the loop would spin until the commit came."""
    ring = Ring(pair[0], MIB, lambda message: None)
    cutter = Cutter(ring, Progress({"known": "0/0", "batch": 0}), CaptureSettings(), lambda is_there: None)
    large = Writer(SharedBuffer.create(MIB))
    large.starts = [0]
    cutter.oversized(large)
    assert cutter.due_at is None
    ring.writer.starts = [0]
    cutter.committed(LSN(1), 0.0)
    assert cutter.due_at is not None


def test_a_region_is_given_back_with_its_descriptor() -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(50):
        SharedBuffer.create(MIB).close()
    assert len([*Path("/proc/self/fd").iterdir()]) == before


class FullStore(LocalStore):
    """A journal whose disk is full: what is there can be read and removed."""

    full = False

    def create_many(self, objects: Sequence[tuple[str, bytes]]) -> None:
        if self.full:
            raise JournalUnavailable("no space left")
        super().create_many(objects)

    def put(self, key: str, data: bytes) -> None:
        if self.full:
            raise JournalUnavailable("no space left")
        super().put(key, data)


def test_on_a_full_disk_apply_starts_and_makes_room(tmp_path: Path, pair: Pair) -> None:
    """Capture cannot write, and what apply has loaded is all that could be removed."""
    store = FullStore(tmp_path / "journal")
    journal = Journal(store)
    root = Root(
        journal_id="j", pipeline="p", system_identifier="1", timeline=1, database="d", slot="s", publication="p",
        created_at="2026-01-01",
    )  # fmt: skip
    journal.create_root(root)
    journal.write_data(1, "w", [("1-0.csv.zst", b"data of batch 1")])
    registry = journal.write_registry(Registry(number=1, tables={}), "w")
    for number in (1, 2):
        manifest = Manifest(
            journal_id="j", number=number, writer="w", kind="copy", start=LSN(1), end=LSN(1), last_commit=None,
            transactions=0, changes=0, registry=registry, tables=(),
        )  # fmt: skip
        journal.commit(manifest)
    target = WarehouseSettings(url=f"duckdb://{tmp_path}/warehouse.duckdb")
    apply = Apply(
        Surroundings(settings=settings(tmp_path), control=pair[0], channels={}, options={}),
        target,
    )
    apply.journal = journal
    journal.name_warehouse(WarehouseName(warehouse_id=apply.warehouse.identity(), url=target.url))
    store.full = True
    apply.drain_until = time.monotonic() + 60
    apply.run()
    assert apply.number == 2
    assert store.list("data/") == []


def supervisor(directory: Path, control: Channel) -> Supervisor:
    """A supervisor whose encoder is the other end of `control`."""
    made = Supervisor(settings(directory), frozenset(("apply", "capture")), until_caught_up=False, until_lsn=None)
    made.halves["capture"].children = [SimpleNamespace(role="encoder", control=control)]  # type: ignore[list-item]
    return made


def test_an_apply_that_starts_again_and_again_does_not_fill_the_encoders_line(tmp_path: Path, pair: Pair) -> None:
    """The encoder waits for one `go` only; a full warehouse makes apply claim anew every half minute."""
    watched = supervisor(tmp_path, pair[0])
    claimed = {"event": "claimed", "epoch": 1, "number": 0, "tail": 0}

    def claim() -> None:
        for _ in range(5_000):
            watched._event(watched.halves["apply"], dict(claimed))

    thread = threading.Thread(target=claim, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert pair[1].receive(0) == {"do": "go"}


def test_a_child_that_cannot_even_start_is_not_started_for_ever(tmp_path: Path, pair: Pair) -> None:
    watched = supervisor(tmp_path, pair[0])
    half = watched.halves["apply"]
    watched._ended(half, Ended(verdict=None, signal=9, role="apply"))
    assert (watched.exit_code, half.restart_at is None) == (None, False)
    watched._ended(half, Ended(verdict=None, signal=None, role="apply"))
    assert watched.exit_code == 1
    assert watched.failure is not None
