"""What processes cost: CPU seconds and memory, read from /proc while they run."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

_TICKS = os.sysconf("SC_CLK_TCK")
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
        seconds = sum(_cpu_seconds(pid)[:2])
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
    return "supervisor" if "re_dms" in " ".join(words[:4]) else Path(words[0]).name if words and words[0] else "ended"


def tree_cpu_seconds(pid: int) -> float:
    """What a process, its living descendants and all that they have waited for have used, as the kernel counts it.

    For a server: no backend is missed, however short it lived.
    """
    return sum(sum(_cpu_seconds(each)) for each in (*descendants(pid), pid))


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return [""]


def _cpu_seconds(pid: int) -> tuple[float, float, float]:
    """Of the process: user, system, and both of its children that have ended and were waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0.0, 0.0, 0.0
    user, system, children_user, children_system = (int(field) / _TICKS for field in fields[11:15])
    return user, system, children_user + children_system


def _pss_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
