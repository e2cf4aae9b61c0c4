"""`re-dms run` as a process group that the demo starts, listens to, kills and drains."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Final

from re_dms.demo.events import Heard
from re_dms.demo.place import Place
from re_dms.demo.process import environment, following
from re_dms.errors import ReDmsError

_END_SECONDS_MAX: Final = 10.0


class Pipeline:
    """One pipeline from `dsn` into `place`, which has started; its log is in `directory`. It may be started again and
    again, from the main thread."""

    def __init__(self, dsn: str, place: Place, directory: Path) -> None:
        self.heard = Heard()
        self.log = directory / "pipeline.log"
        self._dsn = dsn
        self._place = place
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None
        self._kill_in_batch: Future[int] | None = None

    def start(self, *arguments: str) -> None:
        """Start `re-dms run` with these further arguments."""
        self.heard.streaming = False
        self._process = subprocess.Popen(
            following("-m", "re_dms", "run", *self._place.arguments(), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=self._directory,  # away from any re_dms.toml of the user
            env=self._environment(),
            start_new_session=True,  # Ctrl-C is for the demo; and the whole group can be killed at once
        )
        assert self._process.stderr is not None
        self._listener = threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True)
        self._listener.start()

    def _environment(self) -> dict[str, str]:
        # The DSN goes by the environment: every user of the machine can read a command line.
        ours = {"RE_DMS_SOURCE__DSN": self._dsn, "RE_DMS_LOG__LEVEL": "debug", "RE_DMS_LOG__FORMAT": "json"}
        return environment() | ours | dict(self._place.environment())

    def _listen(self, stderr: IO[str]) -> None:
        """Until the last process of the group is gone: all of them hold this pipe."""
        with stderr, self.log.open("a", encoding="utf-8") as log:
            for line in stderr:
                log.write(line)
                event = self.heard.line(line)
                wish = self._kill_in_batch
                if wish is not None and event is not None and event["event"] == "loading":
                    self._kill_in_batch = None
                    self._signal_group(signal.SIGKILL)
                    wish.set_result(event["number"])

    # ------------------------------------------------------------------ how it ends

    def kill_in_next_batch(self) -> Future[int]:
        """SIGKILL for the whole group as soon as a batch begins to be loaded; then the result is its number."""
        self._kill_in_batch = Future()
        return self._kill_in_batch

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative after a signal."""
        return None if self._process is None else self._process.poll()

    def wait_until_gone(self) -> None:
        """After a kill: wait for the last process of the group."""
        if self._process is not None and self._listener is not None:
            self._process.wait(_END_SECONDS_MAX)
            self._listener.join(_END_SECONDS_MAX)

    def ask_to_drain(self) -> None:
        """SIGTERM: it ships and loads what is committed, then leaves with 143."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL for the whole group, and wait. Does nothing when none runs."""
        self._signal_group(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait_until_gone()

    def failure(self) -> ReDmsError:
        """Why it ended, in its own words."""
        self.wait_until_gone()
        stopped = self.heard.stopped
        reason = stopped.get("reason") or " ".join(self.heard.last_words) or "it said nothing"
        return ReDmsError(
            f"the pipeline stopped with exit code {self.exit_code}: {reason}",
            remedy=str(stopped.get("remedy") or "run the demo again with --keep DIR and read pipeline.log there"),
        )

    def _signal_group(self, number: signal.Signals) -> None:
        process = self._process
        if process is not None and self._listener is not None and self._listener.is_alive():
            # While the listener lives, so does a member of the group: the group's number cannot be another's.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
