"""The account that a server runs as: our own, or `nobody` when we are root, since Postgres refuses to run as root.

No account is made and no mode of a foreign directory is changed: what `nobody` must read is put where it may read.
"""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NOBODY_UID = 65534
# A socket's path is limited to 107 bytes (sun_path); "/re_dms-pg-XXXXXXXX/.s.PGSQL.NNNNN.lock" needs 40 of them.
_PARENT_BYTES_MAX = 60


@dataclass(frozen=True, slots=True)
class Account:
    """Whom server processes run as. `uid` is None when they run as ourselves."""

    uid: int | None
    gid: int | None

    @classmethod
    def current(cls) -> "Account":
        """`nobody` for root, ourselves for everybody else."""
        if os.geteuid() != 0:
            return cls(uid=None, gid=None)
        try:
            entry = pwd.getpwnam("nobody")
        except KeyError:
            return cls(uid=_NOBODY_UID, gid=_NOBODY_UID)
        return cls(uid=entry.pw_uid, gid=entry.pw_gid)

    @property
    def name(self) -> str:
        """The account's name, for messages."""
        uid = os.geteuid() if self.uid is None else self.uid
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"uid {uid}"

    def popen_arguments(self) -> dict[str, Any]:
        """What `subprocess` needs to run a child as this account, without any of our supplementary groups."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def run(self, command: Sequence[str | Path], *, cwd: Path = Path("/")) -> "subprocess.CompletedProcess[str]":
        """Run a command as this account, with server_environment(), output captured. Raises OSError if it cannot."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            **self.popen_arguments(),
        )

    def reaches(self, directory: Path) -> bool:
        """Whether this account may pass through the directory and all its parents."""
        if self.uid is None:
            return os.access(directory, os.X_OK)
        return self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", directory]).returncode == 0

    def own(self, directory: Path) -> None:
        """Give a directory and all in it to this account. Does nothing when it is theirs already, or when we run as us."""
        if self.uid is None or self.gid is None or directory.stat().st_uid == self.uid:
            return
        for parent, _, files in os.walk(directory):
            for name in files:
                os.chown(Path(parent) / name, self.uid, self.gid, follow_symlinks=False)
            if Path(parent) != directory:
                os.chown(parent, self.uid, self.gid, follow_symlinks=False)
        os.chown(directory, self.uid, self.gid)  # last: it says that all is done


def server_environment() -> dict[str, str]:
    """Our environment without what would change a server's or a client's behaviour (PG*, locale, message language)."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "PYTHON")) and k != "LANGUAGE"}
    return {**kept, "LC_ALL": "C", "LANG": "C", "TZ": "UTC"}


def temporary_parent(account: Account) -> Path:
    """The directory for temporary files, or another such one if that has a long path or is closed to the account."""
    candidates = [path.resolve() for path in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))]
    for parent in dict.fromkeys(candidates):
        is_short = len(os.fsencode(parent)) <= _PARENT_BYTES_MAX
        if is_short and os.access(parent, os.W_OK) and account.reaches(parent):
            return parent
    raise RuntimeError(
        f"no temporary directory that {account.name} may enter (tried {', '.join(map(str, candidates))}): "
        f"set TMPDIR to a short path whose parents have mode o+x"
    )


def make_directory(prefix: str = "re_dms-pg-") -> Path:
    """Make a new temporary directory that a local server may use, with a path short enough for a socket.

    The caller removes it. (pytest's `tmp_path` will not do for root: it lies in a directory of mode 0700.)
    """
    account = Account.current()
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=temporary_parent(account)))
    if account.uid is not None:
        made.chmod(0o711)
    return made
