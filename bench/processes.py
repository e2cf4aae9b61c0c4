"""What processes cost: CPU seconds and memory, read from /proc while they run."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

_TICKS = os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED = (
    2  # a process's clock by its id: clock_getcpuclockid(3), MAKE_PROCESS_CPUCLOCK in the kernel's headers
)
_HOUSEKEEPING = tuple(
    f"postgres: {name}"
    for name in (
        "checkpointer",
        "background writer",
        "walwriter",
        "autovacuum",
        "logical replication launcher",
        "stats",
        "io worker",
    )
)
_STEP_SECONDS = 0.25  # a sample takes some milliseconds of the processors that it watches


@dataclass
class Sampler:
    """Samples a process and its descendants until the end of the block.

    `cpu_seconds`: by role, up to a sample's step before each process ended. `peak_pss_bytes`: the greatest sum of the
    proportional set sizes of the process and its descendants (shared buffers count once).
    """

    pid: int
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_pss_bytes: int = 0

    def __enter__(self) -> Sampler:
        self._ends = threading.Event()
        self._seen: dict[int, tuple[str, float]] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()
        for role, seconds in self._seen.values():
            self.cpu_seconds[role] = self.cpu_seconds.get(role, 0.0) + seconds

    def _run(self) -> None:
        while True:
            self._sample()
            if self._ends.wait(_STEP_SECONDS):
                return

    def _sample(self) -> None:
        pss = 0
        for pid in (self.pid, *descendants(self.pid)):
            pss += _pss_bytes(pid)
            self._note(pid, role_of(pid))
        self.peak_pss_bytes = max(self.peak_pss_bytes, pss)

    def _note(self, pid: int, role: str) -> None:
        seconds = own_cpu_seconds(pid)
        if seconds > 0 and role != "ended":  # one that has just ended keeps what it said last
            self._seen[pid] = role, seconds


def descendants(pid: int) -> list[int]:
    """All living descendants of a process."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def role_of(pid: int) -> str:
    """What a process of re_dms is."""
    words = _command(pid)
    if "re_dms.pipeline.child" in words:
        return words[words.index("re_dms.pipeline.child") + 1]
    if words[1:3] == ["-m", "re_dms"]:
        return "supervisor"
    return Path(words[0]).name if words and words[0] else "ended"


def backends(server_pid: int) -> list[int]:
    """The processes of a Postgres that serve somebody: all but its own housekeeping."""
    titles = {pid: _command(pid)[0] for pid in descendants(server_pid)}
    # One without a title has ended, and waits to be reaped.
    return [pid for pid, title in titles.items() if not title.startswith(_HOUSEKEEPING)]


def tree_cpu_seconds(pid: int) -> float:
    """What a process, its living descendants and all that they have waited for have used, as the kernel counts it.

    For a server: no backend is missed, however short it lived.
    """
    return sum(own_cpu_seconds(each) + children_cpu_seconds(each) for each in (*descendants(pid), pid))


def cpu_seconds_by_role(pid: int) -> dict[str, float]:
    """What a process and its living descendants have used until now, by role."""
    found: dict[str, float] = {}
    for each in (pid, *descendants(pid)):
        role = role_of(each)
        found[role] = found.get(role, 0.0) + own_cpu_seconds(each)
    found.pop("ended", None)
    return found


def pss_bytes(pid: int) -> int:
    """The proportional set sizes of a process and its descendants together, now: shared buffers count once."""
    return sum(_pss_bytes(each) for each in (pid, *descendants(pid)))


def own_cpu_seconds(pid: int) -> float:
    """Of all threads of a process, ended ones too, in nanoseconds' steps (/proc counts in hundredths); 0 when it has gone."""
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return 0.0


def children_cpu_seconds(pid: int) -> float:
    """What the ended children of a process have used that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0.0
    return (int(fields[13]) + int(fields[14])) / _TICKS


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return [""]


def _pss_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
