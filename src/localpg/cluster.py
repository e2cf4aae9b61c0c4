"""A server's data directory: made by initdb, configured for logical replication and for speed, copied while stopped."""

import random
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from localpg.account import Account

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "127.0.0.1",
        "wal_level": "logical",
        "max_replication_slots": "20",
        "max_wal_senders": "20",
        "max_connections": "100",
        "max_prepared_transactions": "20",
        # Nothing here outlives its machine, so nothing needs to be durable.
        "fsync": "off",
        "full_page_writes": "off",
        "shared_buffers": "64MB",
        "min_wal_size": "80MB",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_line_prefix": "%m [%p] %q%d %a: ",
        "unix_socket_permissions": "0777",
    }
)
"""What differs from Postgres's own defaults; a caller's settings win over these, ALTER SYSTEM over both."""

SUPERUSER = "postgres"
_INCLUDE = "re_dms.conf"
_LOG_TAIL_LINES = 25
# Below the range that Linux gives to outgoing connections, so that a stopped server finds its port free again.
_PORTS = range(20000, 32000)
_PORT_ATTEMPTS_MAX = 200


class PostgresNotStarted(RuntimeError):
    """initdb or the server failed; the message ends with what it said itself."""


def initialize(data: Path, binaries: Path, account: Account, arguments: Sequence[str]) -> None:
    """Make a data directory: UTF8, locale C, superuser `postgres`, no passwords. It appears whole or not at all."""
    making = data.with_name(f"{data.name}.new")
    shutil.rmtree(making, ignore_errors=True)  # of a call that was killed
    making.mkdir(mode=0o700)
    account.own(making)
    command: list[str | Path] = [binaries / "initdb", "-D", making, "-U", SUPERUSER, "-E", "UTF8"]
    command += ["--locale=C", "--auth=trust", "--no-sync", *arguments]
    try:
        result = account.run(command, cwd=making)
    except OSError as exc:
        raise PostgresNotStarted(f"{account.name} cannot run initdb: {exc}") from exc
    if result.returncode != 0:
        shutil.rmtree(making, ignore_errors=True)
        raise PostgresNotStarted(f"initdb failed:\n{result.stdout.strip()}")
    making.rename(data)


def configure(data: Path, settings: Mapping[str, str], account: Account) -> None:
    """Write the settings into a file of our own, which the server's configuration includes."""
    own = data / _INCLUDE
    quoted = {name: value.replace("\\", "\\\\").replace("'", "''") for name, value in settings.items()}
    own.write_text("".join(f"{name} = '{value}'\n" for name, value in quoted.items()), encoding="utf-8")
    if account.uid is not None and account.gid is not None:
        shutil.chown(own, account.uid, account.gid)
    main = data / "postgresql.conf"
    include = f"include '{_INCLUDE}'\n"
    if include not in main.read_text(encoding="utf-8"):
        with main.open("a", encoding="utf-8") as file:
            file.write(f"\n{include}")


def is_initialized(data: Path) -> bool:
    """Whether a data directory is there."""
    return (data / "PG_VERSION").exists()


def major_version(data: Path) -> int:
    """The major version of Postgres that made the data directory."""
    return int((data / "PG_VERSION").read_text(encoding="ascii"))


def copy(data: Path, to: Path) -> None:
    """Copy a stopped server's data directory, without what says that it runs."""
    shutil.copytree(data, to, symlinks=True, ignore=shutil.ignore_patterns("postmaster.pid", "postmaster.opts"))


def free_port() -> int:
    """A TCP port that is free on 127.0.0.1 now. Another process may take it, so a start on it may have to be retried."""
    generator = random.SystemRandom()  # unaffected by a seed that tests set
    for _ in range(_PORT_ATTEMPTS_MAX):
        port = generator.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Postgres does
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise PostgresNotStarted(f"no free TCP port on 127.0.0.1 between {_PORTS.start} and {_PORTS.stop}")


def log_tail(log: Path, offset_bytes: int = 0) -> str:
    """The last lines of a server's log, from `offset_bytes` on."""
    with log.open("rb") as file:
        file.seek(offset_bytes)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
