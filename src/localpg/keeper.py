"""Our end of the keeper process, which holds a server for as long as we live (see `_keeper_program`)."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from localpg.account import Account, server_environment

_PROGRAM = Path(__file__).with_name("_keeper_program.py")


class Keeper:
    """A running server and the process that watches over it. Ends both when this object or our process goes away."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        account: Account,
        cwd: Path,
        log: Path,
        remove: Sequence[Path],
        keeps_data: bool,
    ) -> None:
        """Start the server.

        When we die without having stopped it: `remove` are the directories to delete, and `keeps_data` asks for an
        orderly stop first.
        """
        task = {
            "owner": os.getpid(),
            "command": [str(part) for part in command],
            "cwd": str(cwd),
            "account": account.popen_arguments(),
            "remove": [str(directory) for directory in remove],
            "keeps_data": keeps_data,
        }
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM), json.dumps(task)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd="/",
                env=server_environment(),
                start_new_session=True,  # Ctrl-C in a terminal is for us; what we stop first is our choice
            )
        assert self._process.stdout is not None
        with self._process.stdout as answer:
            line = answer.readline()
        self.pid: int | None = int(line) if line.strip() else None
        """The server's process id; None when it could not be started, for which the log has the reason."""

    @property
    def has_ended(self) -> bool:
        """Whether the server and its keeper are gone."""
        return self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send the server a signal; one that has ended is left alone."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{number.name}\n".encode())

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the end of the server; False when it has not come within the time."""
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        assert self._process.stdin is not None
        self._process.stdin.close()
        return True
