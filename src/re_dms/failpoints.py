"""Named points of the protocol at which a test can kill, stop or fail the process. Free when unset.

    RE_DMS_FAILPOINTS="capture.before_manifest:kill@3,apply.committed:raise@1"     action at the n-th hit (default 1)
    RE_DMS_FAILPOINT_LOG=/dir      every hit appends the name to /dir/hits (one line, O_APPEND)

Actions: `kill` (SIGKILL of this process), `killgroup` (SIGKILL of the process group), `stop` (SIGSTOP of this process),
`raise` (an OSError, as when a reply is lost). A count is per process. With RE_DMS_FAILPOINT_ONCE=/dir an action runs
once over all processes and restarts: the first to create /dir/<name> wins.
The names are the step names of the protocol's model (tests/model).
"""

from __future__ import annotations

import os
import signal
from typing import Final

NAMES: Final = (
    "root.created",
    "publication.created",
    "slot.created",
    "slot.recorded",
    "copy.snapshot",
    "copy.streamed",
    "capture.received",
    "capture.shipped",
    "capture.encoded",
    "capture.data_put",
    "capture.before_manifest",
    "capture.after_manifest",
    "capture.before_confirm",
    "capture.after_confirm",
    "capture.before_position",
    "capture.after_position",
    "apply.found",
    "apply.fenced",
    "apply.staged",
    "apply.merged",
    "apply.before_commit",
    "apply.committed",
    "apply.mirrored",
    "retention.data_removed",
    "retention.manifest_removed",
)


class _Failpoints:
    def __init__(self) -> None:
        self.actions: dict[str, tuple[str, int]] = {}
        self.counts: dict[str, int] = {}
        self.log = os.environ.get("RE_DMS_FAILPOINT_LOG")
        self.once = os.environ.get("RE_DMS_FAILPOINT_ONCE")
        for item in filter(None, os.environ.get("RE_DMS_FAILPOINTS", "").split(",")):
            name, _, action = item.strip().partition(":")
            action, _, count = action.partition("@")
            if name not in NAMES or action not in ("kill", "killgroup", "stop", "raise"):
                raise ValueError(f"RE_DMS_FAILPOINTS: {item!r} names no failpoint or no action")
            self.actions[name] = (action, int(count or 1))
        self.active = bool(self.actions or self.log)

    def hit(self, name: str) -> None:
        if name not in NAMES:
            raise ValueError(f"failpoint {name!r} is not in NAMES")
        if self.log:
            handle = os.open(f"{self.log}/hits", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(handle, f"{name}\n".encode())
            os.close(handle)
        self.counts[name] = self.counts.get(name, 0) + 1
        action, count = self.actions.get(name, ("", 0))
        if action and self.counts[name] == count and self._first(name):
            self._act(action, name)

    def _first(self, name: str) -> bool:
        if not self.once:
            return True
        try:
            os.close(os.open(f"{self.once}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True

    @staticmethod
    def _act(action: str, name: str) -> None:
        match action:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "killgroup":
                os.killpg(os.getpgrp(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case _:
                raise OSError(f"failpoint {name}")


_FAILPOINTS: Final = _Failpoints()


def failpoint(name: str) -> None:
    """Mark a step of the protocol. Does nothing unless the environment asks for it."""
    if _FAILPOINTS.active:
        _FAILPOINTS.hit(name)
