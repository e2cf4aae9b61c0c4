"""A pipeline under test: started with failpoints, killed, started again, and judged at its end."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from crash.witness import Witness, check_journal, tail
from crash.workload import INCLUDED, TABLES, Load
from fix_pipeline import RUN_SECONDS_MAX, Pipeline, Running

MARK = "CRASH_TEST_RUN"
GONE_SECONDS_MAX = 1.0
"""A child leaves within a second of its parent's death (protocol line 17)."""
_POLL_SECONDS = 0.02

# Many small batches, idle positions and confirmations: every step of the protocol comes round within a second.
_QUICK = {
    "RE_DMS_CAPTURE__FLUSH_SECONDS": "0.2",
    "RE_DMS_CAPTURE__POSITION_SECONDS": "0.2",
    "RE_DMS_CAPTURE__STATUS_SECONDS": "0.1",
}
# Retention runs every 16 batches: for those who wait for it, a batch a transaction or two.
QUICKER = {"RE_DMS_CAPTURE__FLUSH_SECONDS": "0.05"}


@dataclass
class Rig:
    """One pipeline with the files by which failpoints speak, and a mark by which its processes are found."""

    pipeline: Pipeline
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    gone_seconds: list[float] = field(default_factory=list)
    kills: int = 0

    def __post_init__(self) -> None:
        self.once = self.pipeline.directory / "once"
        self.log = self.pipeline.directory / "failpoints"
        self.once.mkdir()
        self.log.mkdir()

    # ------------------------------------------------------------------ running

    def start(
        self,
        command: str = "run",
        *arguments: str,
        failpoints: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Running:
        """Start the command with these failpoints, each of which acts once, whichever process comes to it first."""
        return self.pipeline.start(
            command,
            *(INCLUDED if command != "apply" else ()),
            *arguments,
            environment={
                MARK: self.mark,
                "RE_DMS_FAILPOINTS": ",".join(failpoints),
                "RE_DMS_FAILPOINT_ONCE": str(self.once),
                "RE_DMS_FAILPOINT_LOG": str(self.log),
                **_QUICK,
                **(environment or {}),
            },
        )

    def acted(self, name: str) -> bool:
        """Whether the action of this failpoint was taken."""
        return (self.once / name).exists()

    def wait_until_acted(self, names: Sequence[str], running: Running) -> None:
        """Wait until the action of every one of these failpoints was taken."""
        self._wait_while(lambda: [name for name in names if not self.acted(name)], running)

    def wait_until_hit(self, names: Sequence[str], running: Running) -> None:
        """Wait until every one of these failpoints was passed."""
        self._wait_while(lambda: sorted(set(names) - set(self.hits())), running)

    def _wait_while(self, find_missing: Callable[[], list[str]], running: Running) -> None:
        deadline = time.monotonic() + RUN_SECONDS_MAX
        while missing := find_missing():
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"never hit: {missing} (exit {running.process.returncode}):\n{tail(running.log)}")
            time.sleep(_POLL_SECONDS)

    def hits(self) -> Counter[str]:
        """How often each failpoint was passed, over all processes."""
        path = self.log / "hits"
        return Counter(path.read_text().split()) if path.exists() else Counter()

    # ------------------------------------------------------------------ dying

    def wait_until_gone(self, *, except_for: Iterable[int] = ()) -> None:
        """All processes of this rig, save these, leave within a second."""
        began, spared = time.monotonic(), set(except_for)
        while left := {pid: words for pid, words in self.processes().items() if pid not in spared}:
            if time.monotonic() - began > GONE_SECONDS_MAX:
                raise AssertionError(f"left behind {GONE_SECONDS_MAX} s after the death of the supervisor: {left}")
            time.sleep(_POLL_SECONDS)
        self.gone_seconds.append(time.monotonic() - began)

    def restarts(self, running: Running) -> int:
        """How often a process that was killed was started again. (A TRUNCATE may also make a copy start again.)"""
        return sum("signal 9" in event["reason"] for event in running.events("restarting"))

    def died_by_failpoint(self, name: str, running: Running) -> None:
        """The whole group was killed at this failpoint: it was hit, and nothing is left."""
        code = running.process.wait(timeout=RUN_SECONDS_MAX)
        assert self.acted(name), f"{name} was never hit (exit {code}):\n{tail(running.log)}"
        assert code == -signal.SIGKILL, f"exit {code}:\n{tail(running.log)}"
        self.kills += 1
        self.wait_until_gone()

    def processes(self) -> dict[int, str]:
        """Living processes that inherited this rig's mark, and what they are."""
        wanted, found = f"{MARK}={self.mark}".encode(), {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue  # It has ended, or is not ours to look at.
        return {pid: words for pid, words in found.items() if words}

    def kill(self, victim: str, running: Running) -> bool:
        """SIGKILL to the supervisor, the group or the child of this role. Whether the service has to be started again."""
        self.kills += 1
        if victim == "group":
            running.kill_group()
        else:
            # A child that is just being started again has no process: then its supervisor dies.
            pid = running.children().get(victim, running.process.pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            if pid != running.process.pid:
                return False
            running.process.wait()
        self.wait_until_gone()
        return True

    # ------------------------------------------------------------------ stopping

    def freeze(self, running: Running) -> None:
        """SIGSTOP to all of its processes, as when a machine stands still."""
        os.killpg(running.process.pid, signal.SIGSTOP)

    def thaw(self, running: Running) -> None:
        """SIGCONT to all of its processes."""
        os.killpg(running.process.pid, signal.SIGCONT)

    def thaw_child(self, running: Running, role: str) -> None:
        """SIGCONT to one process alone; wait until it has ended."""
        pid = running.children()[role]
        os.kill(pid, signal.SIGCONT)
        self._wait_while(lambda: [role] if pid in self.processes() else [], running)

    # ------------------------------------------------------------------ the end

    def end(self, running: Running, load: Load, witness: Witness, *, capture: Running | None = None) -> None:
        """Wait until all that the load committed has arrived, drain, and see that nothing is left behind."""
        witness.wait_for(load)
        for ending in filter(None, (capture, running)):
            # Everything may have arrived before the last kill: a command that just starts does not drain yet.
            self._wait_while(lambda: [] if ending.log else ["its first event"], ending)  # noqa: B023
            ending.signal(signal.SIGTERM)
            finished = ending.finish()
            assert finished.code == 128 + signal.SIGTERM, f"exit {finished.code}:\n{tail(finished.log)}"
        assert self.processes() == {}

    def assert_whole(self, witness: Witness, what: str) -> None:
        """Nothing lost, doubled or torn; no number with two contents; no confirmation beyond the journal."""
        figures = witness.figures
        print(f"\n{what}: {self.kills} kills; {figures}")
        assert figures.problems == []
        assert (figures.lost, figures.doubled, figures.torn, figures.undone) == (0, 0, 0, 0)
        assert figures.samples > 0
        assert figures.slot_samples > 0
        self.pipeline.assert_equal(*TABLES)
        check_journal(self.pipeline)
