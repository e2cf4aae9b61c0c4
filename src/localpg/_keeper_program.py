"""The keeper: a tiny process between us and a Postgres server, run by path with `python -I -S`, imports nothing of ours.

It is the server's parent, so the server's process id cannot be reused under it. It ends the server when its owner is
gone: its standard input, a pipe, closes, or it gets another parent (a fork of the owner may hold the pipe open). Not the
parent-death signal alone, since that one fires when the *thread* that started the child ends, exists on Linux only, and
removes no directory; it is used only for the case that the keeper itself is killed.

Standard input: one signal name a line, for the server. Standard output: the server's process id, once.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_SECONDS = 1.0
_GENTLE_SECONDS = 5.0
_IMMEDIATE_SECONDS = 10.0


def main() -> int:
    task: dict[str, Any] = json.loads(sys.argv[1])
    server = subprocess.Popen(
        task["command"],
        cwd=task["cwd"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,  # the server's log
        stderr=sys.stderr,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - safe: no thread runs yet
        **task["account"],
    )
    # A polite end of the keeper (a container's or a unit's SIGTERM to all) is a fast stop: Postgres alone would wait
    # for its clients.
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    threading.Thread(target=_listen, args=(server, task), daemon=True).start()
    code = server.wait()
    if _owner_is_gone.is_set():
        for directory in task["remove"]:
            shutil.rmtree(directory, ignore_errors=True)
    return code if code >= 0 else 128 - code


_owner_is_gone = threading.Event()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _listen(server: "subprocess.Popen[bytes]", task: dict[str, Any]) -> None:
    """Pass signals on until the owner is gone; then end the server, whatever it takes."""
    waiting = b""
    while os.getppid() == task["owner"]:
        readable, _, _ = select.select([0], [], [], _PARENT_CHECK_SECONDS)
        if not readable:
            continue
        received = os.read(0, 4096)
        if not received:
            break
        *lines, waiting = (waiting + received).split(b"\n")
        for line in lines:
            server.send_signal(signal.Signals[line.decode()])
    _owner_is_gone.set()
    # Kept data deserves a checkpoint; throwaway data does not, and a fast stop may wait for a replication client.
    if task["keeps_data"]:
        server.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(_GENTLE_SECONDS)
    server.send_signal(signal.SIGQUIT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(_IMMEDIATE_SECONDS)
    server.kill()


if __name__ == "__main__":
    sys.exit(main())
