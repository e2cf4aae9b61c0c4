"""At rest: nobody wakes but for what is due."""

from __future__ import annotations

import time
from pathlib import Path

from re_dms.service.supervisor import HEARTBEAT_SECONDS, Supervisor
from re_dms.settings import JournalSettings, Settings


def supervisor(directory: Path, *halves: str) -> Supervisor:
    settings = Settings(journal=JournalSettings(url=f"file://{directory}/journal"))
    return Supervisor(settings, frozenset(halves), until_caught_up=False, until_lsn=None)


def test_the_supervisor_sleeps_until_its_heartbeat(tmp_path: Path) -> None:
    until = time.monotonic() + HEARTBEAT_SECONDS
    assert HEARTBEAT_SECONDS - 1 < supervisor(tmp_path, "capture", "apply")._patience(until) <= HEARTBEAT_SECONDS


def test_the_supervisor_wakes_for_a_half_that_waits_to_be_started_again(tmp_path: Path) -> None:
    waiting = supervisor(tmp_path, "capture", "apply")
    waiting.halves["apply"].restart_at = time.monotonic() + 0.5
    assert waiting._patience(time.monotonic() + HEARTBEAT_SECONDS) <= 0.5
    waiting.halves["apply"].restart_at = time.monotonic() - 1
    assert waiting._patience(time.monotonic() + HEARTBEAT_SECONDS) == 0


def test_an_end_is_watched_closely(tmp_path: Path) -> None:
    ending = supervisor(tmp_path, "apply")
    ending.draining_since = time.monotonic()
    assert ending._patience(time.monotonic() + HEARTBEAT_SECONDS) <= 0.5


def test_apply_is_told_of_batches_where_capture_runs_beside_it(tmp_path: Path) -> None:
    assert supervisor(tmp_path, "capture", "apply").halves["apply"].hinted
    assert not supervisor(tmp_path, "apply").halves["apply"].hinted
