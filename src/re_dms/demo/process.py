"""The demo's child processes: they die with the demo, and nothing of the user's own set-up reaches them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

# Asks the kernel to kill the process when the demo dies, whatever kills it, and becomes the command. Not `preexec_fn`,
# which is not safe once there are threads. Further processes of a child follow it by their lifelines.
# https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
_FOLLOW: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
_NOT_OURS: Final = ("RE_DMS_", "PG", "AWS_", "REDSHIFT_STANDIN_")


def following(*arguments: str) -> list[str]:
    """The command that runs Python with these arguments for as long as this process lives. Main thread only: the
    kernel's signal comes when the thread that started the child ends."""
    return [sys.executable, "-I", "-S", "-c", _FOLLOW, str(os.getpid()), sys.executable, *arguments]


def environment() -> dict[str, str]:
    """This process's environment without what tells re_dms, libpq or AWS's libraries anything."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)}
    if path := kept.get("PYTHONPATH"):
        kept["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in path.split(os.pathsep))
    return kept
