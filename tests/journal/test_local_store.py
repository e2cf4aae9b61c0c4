"""The local store under power cuts, full disks and refusals, and against other processes."""

import errno
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from re_dms.errors import JournalError, JournalUnavailable
from re_dms.journal.local import LocalStore
from re_dms.journal.store import ObjectMissing

FULL_DISK_BYTES = 256 * 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "made" / "journal"


class Syncs:
    """The names under which files and directories were synced, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[Path] = []
        self.failing: tuple[str, int] | None = None
        real = os.fsync

        def fsync(handle: int) -> None:
            path = Path(f"/proc/self/fd/{handle}").readlink()
            if self.failing and self.failing[0] in (path.name, path.parent.name):
                raise OSError(self.failing[1], os.strerror(self.failing[1]), str(path))
            self.names.append(path)
            real(handle)

        monkeypatch.setattr("os.fsync", fsync)


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    return Syncs(monkeypatch)


def test_files_and_directories_are_private(root: Path) -> None:
    store = LocalStore(root)
    store.create("data/1/a", b"")
    store.put("applied.json", b"")
    modes = {path.relative_to(root.parent): stat.S_IMODE(path.stat().st_mode) for path in root.parent.rglob("*")}
    assert {mode for path, mode in modes.items() if (root.parent / path).is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if (root.parent / path).is_file()} == {0o600}


def test_a_created_object_and_every_new_name_above_it_are_synced(root: Path, syncs: Syncs) -> None:
    LocalStore(root).create("data/1/a", b"x")
    temporary = [name for name in syncs.names if ".tmp" in name.parts and name != root / ".tmp"]
    assert len(temporary) == 1, "the bytes"
    assert {root.parent.parent, root.parent, root, root / "data", root / "data/1"} <= set(syncs.names)
    assert syncs.names[-1] == root / "data/1", "the name, last"


def test_many_files_of_a_batch_cost_one_sync_each_and_one_a_directory(root: Path, syncs: Syncs) -> None:
    store = LocalStore(root)
    store.create("data/1/a", b"")
    syncs.names.clear()
    store.create_many([(f"data/1/b{number}", b"x") for number in range(50)])
    assert syncs.names.count(root / "data/1") == 1
    assert len(syncs.names) <= 50 + 4


def test_what_a_reader_sees_is_made_durable_first(root: Path, syncs: Syncs) -> None:
    """The writer may have died between link and sync; the reader would confirm a position to Postgres by it."""
    LocalStore(root).create("batches/1.json", b"1")
    reader = LocalStore(root)
    syncs.names.clear()
    assert reader.get("batches/1.json") == b"1"
    assert {root.parent, root, root / "batches"} <= set(syncs.names)


def test_a_directory_at_rest_is_synced_once_for_all_reads(root: Path, syncs: Syncs) -> None:
    LocalStore(root).create("batches/1.json", b"1")
    for directory in (root, root / "batches"):
        os.utime(directory, (time.time() - 60, time.time() - 60))
    reader = LocalStore(root)
    reader.get("batches/1.json")
    syncs.names.clear()
    reader.get("batches/1.json")
    assert syncs.names == []
    LocalStore(root).create("batches/2.json", b"2")
    syncs.names.clear()
    reader.get("batches/2.json")
    assert root / "batches" in syncs.names


@pytest.mark.parametrize("failing", [".tmp", "batches"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_failed_sync_is_told_as_unavailable_with_the_path(
    root: Path, syncs: Syncs, failing: str, number: int
) -> None:
    store = LocalStore(root)
    store.create("batches/1.json", b"")
    syncs.failing = failing, number
    with pytest.raises(JournalUnavailable, match=str(root)) as told:
        store.create("batches/2.json", b"x")
    assert told.value.remedy
    syncs.failing = None
    assert list((root / ".tmp").iterdir()) == [], "nothing is left over"
    assert store.exists("batches/2.json") == (failing == "batches"), "whether it was put is unclear; get tells"
    if failing == ".tmp":
        store.create("batches/2.json", b"x")
    assert store.get("batches/2.json") == b"x"


def test_no_object_shows_before_its_bytes_are_synced(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(root)
    synced: list[str] = []
    real_link, real_sync = os.link, os.fsync

    def fsync(handle: int) -> None:
        real_sync(handle)
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))

    def link(source: Path, target: Path) -> None:
        assert str(source) in synced
        real_link(source, target)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr("os.link", link)
    store.create_many([(f"data/1/{name}", b"x") for name in "abc"])
    assert store.list("data/") == ["data/1/a", "data/1/b", "data/1/c"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV])
def test_what_somebody_has_to_mend_is_not_retried(root: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def link(source: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number), str(source), None, str(target))

    monkeypatch.setattr("os.link", link)
    with pytest.raises(JournalError, match=str(root)) as told:
        LocalStore(root).create("root.json", b"{}")
    assert not told.value.retry
    assert told.value.remedy


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = LocalStore(tmp_path / "file")
    with pytest.raises(JournalError, match="file") as told:
        store.create("root.json", b"")
    assert not told.value.retry


def test_a_directory_that_vanishes_while_writing_is_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`delete` takes an empty data/<number>/ away at any moment."""
    store = LocalStore(root)
    real = os.link
    taken: list[bool] = []

    def link(source: Path, target: Path) -> None:
        if not taken:
            taken.append(True)
            target.parent.rmdir()
        real(source, target)

    monkeypatch.setattr("os.link", link)
    store.create("data/1/a", b"x")
    assert store.get("data/1/a") == b"x"


def test_an_empty_data_directory_goes_with_its_last_object(root: Path) -> None:
    store = LocalStore(root)
    store.create_many([("data/1/a", b""), ("data/1/b", b""), ("requests/copy-1.json", b"")])
    store.delete(["data/1/a", "requests/copy-1.json"])
    assert (root / "data/1").is_dir()
    store.delete(["data/1/b"])
    assert not (root / "data/1").exists()
    assert (root / "data").is_dir()
    assert (root / "requests").is_dir()


def test_leftovers_of_dead_writers_are_removed_at_open(root: Path) -> None:
    LocalStore(root).create("root.json", b"")
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    host = socket.gethostname()
    names = {
        "dead": f"{host}-{int(dead.stdout)}-aa",
        "alive": f"{host}-{os.getpid()}-bb",
        "elsewhere": "another-host-1-cc",
        "old": "another-host-1-dd",
        "odd": "x",
    }
    for name in names.values():
        (root / ".tmp" / name).write_bytes(b"")
    os.utime(root / ".tmp" / names["old"], (time.time() - 7200, time.time() - 7200))
    store = LocalStore(root)
    assert {path.name for path in (root / ".tmp").iterdir()} == {names["alive"], names["elsewhere"], names["odd"]}
    assert store.list("") == ["root.json"], "temporary files are no objects"


RACER = """
import sys
from pathlib import Path
from re_dms.journal.local import LocalStore
from re_dms.journal.store import ObjectExists
store, me = LocalStore(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
won = []
for number in range(200):
    try:
        store.create(f"batches/{number}", me.encode())
        won.append(str(number))
    except ObjectExists:
        pass
print(",".join(won))
"""


def test_of_two_processes_exactly_one_creates_each_object(root: Path) -> None:
    command = [sys.executable, "-c", RACER, str(root)]
    racers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "ab"
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = {name: racer.communicate()[0].strip() for name, racer in zip("ab", racers, strict=True)}
    numbers = {name: {int(number) for number in text.split(",") if number} for name, text in won.items()}
    assert numbers["a"] | numbers["b"] == set(range(200))
    assert not numbers["a"] & numbers["b"]
    store = LocalStore(root)
    assert all(store.get(f"batches/{number}") == name.encode() for name in "ab" for number in numbers[name])


KILLED = """
import os, signal, sys
from pathlib import Path
from re_dms.journal.local import LocalStore
at = sys.argv[2]
def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
real = os.link
if at == "link":
    os.link = kill
else:
    os.link = lambda source, target: (real(source, target), kill())
LocalStore(Path(sys.argv[1])).create("batches/1.json", b"whole")
"""


@pytest.mark.parametrize("at", ["link", "after link"])
def test_a_writer_killed_midway_leaves_a_whole_object_or_none(root: Path, at: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(root), at])
    assert killed.returncode == -9
    store = LocalStore(root)
    assert list((root / ".tmp").iterdir()) == []
    if at == "link":
        with pytest.raises(ObjectMissing):
            store.get("batches/1.json")
        store.create("batches/1.json", b"whole")
    assert store.get("batches/1.json") == b"whole"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "small"
    directory.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={FULL_DISK_BYTES}", "tmpfs", str(directory)]
    try:
        mounted = subprocess.run(["mount", *options], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip("a small tmpfs cannot be mounted here (needs root)")
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


def test_a_full_disk_is_unavailable_and_works_again_once_there_is_room(full_disk: Path) -> None:
    store = LocalStore(full_disk / "journal")
    store.create("data/1/a", b"x" * (FULL_DISK_BYTES // 2))
    with pytest.raises(JournalUnavailable, match="No space left") as told:
        store.create_many([("data/2/a", b"x" * FULL_DISK_BYTES), ("data/2/b", b"x")])
    assert "room" in told.value.remedy
    assert store.list("data/") == ["data/1/a"], "nothing half written shows"
    store.delete(["data/1/a"])
    store.create("data/2/a", b"x" * (FULL_DISK_BYTES // 2))
    assert len(store.get("data/2/a")) == FULL_DISK_BYTES // 2


def test_a_batch_costs_a_sync_for_each_file_and_for_each_directory_that_got_a_name(root: Path, syncs: Syncs) -> None:
    """Syncs are what a batch waits for: whatever else happens in the root, nothing is synced twice."""
    store = LocalStore(root)
    for number in range(3):
        store.create_many([(f"data/{number}/a", b"x"), (f"data/{number}/b", b"y")])
        store.create(f"batches/{number}.json", b"z")
    store.put("applied.json", b"")
    syncs.names.clear()
    store.create_many([("data/3/a", b"x"), ("data/3/b", b"y")])
    store.create("batches/3.json", b"z")
    files = [path for path in syncs.names if path.parent.name == ".tmp"]
    assert len(files) == 3
    directories = [path.relative_to(root).as_posix() for path in syncs.names if path not in files]
    assert directories == ["data", "data/3", "batches"]


def test_names_that_another_made_and_did_not_sync_are_made_durable(root: Path, syncs: Syncs) -> None:
    store = LocalStore(root)
    store.create("batches/1.json", b"")
    (root / "data").mkdir()
    (root / "data" / "1").mkdir()
    syncs.names.clear()
    store.create("data/1/a", b"x")
    assert {root, root / "data", root / "data" / "1"} <= set(syncs.names)
