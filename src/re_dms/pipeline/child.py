"""A process of the pipeline: how it is started, what it inherits, and how it ends with its parent.

    python -m re_dms.pipeline.child ROLE      with one JSON line on standard input: settings, descriptors, options

A child leaves within a second of its parent's death (protocol line 17): a thread waits on a pipe whose other end only
the parent holds. Signals of the terminal go to the whole group; children leave them to the supervisor.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from re_dms.errors import classify, verdict_as_dict
from re_dms.observe import log as observe_log
from re_dms.pipeline.channel import Channel, Closed
from re_dms.pipeline.surroundings import Surroundings
from re_dms.settings import MIB, Settings

ORPHANED: Final = 75
"""Exit code of a child whose parent has gone; nobody is left to read it."""
_SUPERVISORS: Final = (signal.SIGINT, signal.SIGTERM)


# Where processors are scarce, who receives goes first: the source waits for it, and nobody for who encodes.
_GIVING_WAY: Final = {"encoder": 5}


class Child:
    """A started child, as its parent sees it."""

    def __init__(
        self,
        role: str,
        settings: Settings,
        channels: Mapping[str, Channel],
        options: Mapping[str, Any] | None = None,
        files: Mapping[str, int] | None = None,
    ) -> None:
        """`files`: descriptors that it inherits; it finds their numbers among its options."""
        self.role = role
        self.control, theirs = Channel.pair()
        lifeline_read, self._lifeline = os.pipe()
        passed = {name: channel.fileno() for name, channel in channels.items()}
        opened = dict(files or {})
        descriptors = [theirs.fileno(), lifeline_read, *passed.values(), *opened.values()]
        # A signal of the terminal may come before the child ignores it: blocked signals stay blocked through exec.
        earlier = signal.pthread_sigmask(signal.SIG_BLOCK, _SUPERVISORS)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "re_dms.pipeline.child", role],
                stdin=subprocess.PIPE,
                pass_fds=descriptors,
                env=os.environ | _environment(),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
        order = {
            "settings": settings.to_json(),
            "control": theirs.fileno(),
            "lifeline": lifeline_read,
            "channels": passed,
            "options": dict(options or {}) | opened,
        }
        # A child that died at once tells by its exit status.
        with contextlib.suppress(BrokenPipeError), self.process.stdin or contextlib.nullcontext() as order_line:
            if order_line is not None:
                order_line.write(json.dumps(order).encode() + b"\n")
        theirs.close()
        os.close(lifeline_read)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, and wait: crash safety is what the protocol is for."""
        self.process.kill()
        self.close()

    def close(self) -> int:
        """Wait for its end and give everything back. Returns the exit status as `subprocess` does."""
        status = self.process.wait()
        self.control.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        return status


def _environment() -> dict[str, str]:
    return {
        # Where there are several processors, one is left to the reader.
        "POLARS_MAX_THREADS": str(max(1, len(os.sched_getaffinity(0)) - 1)),
        # numpy's linear algebra, which nothing here calls, starts a thread for each processor when it is imported.
        "OPENBLAS_NUM_THREADS": "1",
        # We have none; looking for them among all installed packages takes 20 ms.
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
        # Columns come and go by the megabyte: giving each back to the system costs more than filling it. What is larger
        # than 32 MB still goes back at once.
        "MALLOC_MMAP_THRESHOLD_": str(32 * MIB),
        "MALLOC_TRIM_THRESHOLD_": str(128 * MIB),
        "PYTHONFAULTHANDLER": "0",
    }


def _leave_with_parent(lifeline: int) -> None:
    def wait() -> None:
        os.read(lifeline, 1)
        os._exit(ORPHANED)

    threading.Thread(target=wait, daemon=True, name="lifeline").start()


def main() -> int:
    """The entry of every child."""
    gc.disable()  # until all is imported
    role = sys.argv[1]
    order = json.loads(sys.stdin.readline())
    _leave_with_parent(order["lifeline"])
    for number in _SUPERVISORS:
        signal.signal(number, signal.SIG_IGN)
    observe_log.no_core_dumps()
    if role in _GIVING_WAY:
        os.nice(_GIVING_WAY[role])
    settings = Settings.from_json(order["settings"])
    observe_log.configure(settings.log, role)
    surroundings = Surroundings(
        settings=settings,
        control=Channel.inherited(order["control"]),
        channels={name: Channel.inherited(descriptor) for name, descriptor in order["channels"].items()},
        options=order["options"],
    )
    return run_role(role, surroundings)


def _imported(role: str) -> Callable[[Surroundings], None]:
    """The process's life, imported by its own process alone."""
    match role:
        case "reader":
            from re_dms.pipeline.reader import run
        case "encoder":
            from re_dms.pipeline.encoder import run
        case "replay":
            from re_dms.pipeline.replay import run
        case "apply":
            from re_dms.pipeline.apply import run
        case _:
            raise ValueError(f"no role {role!r}")
    return run


def run_role(role: str, surroundings: Surroundings) -> int:
    """Run the role; an error becomes a verdict on the control line and an exit code."""
    try:
        run = _imported(role)
        gc.freeze()  # what is imported stays
        gc.enable()
        run(surroundings)
    except Closed:
        return 0  # A neighbour went first; the supervisor knows why.
    except BaseException as error:  # noqa: BLE001 - polars' PanicException is no Exception
        verdict = classify(error)
        if verdict.exit_code == 1:
            structlog.get_logger().error("bug", role=role, exc_info=error)
        with contextlib.suppress(Closed):
            surroundings.control.send({"event": "error", "role": role, **verdict_as_dict(verdict)})
        return verdict.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
