"""The contract of a store, held by every store."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from re_dms.errors import ConfigurationError, JournalError
from re_dms.journal.memory import MemoryStore
from re_dms.journal.opening import open_store
from re_dms.journal.store import ObjectExists, ObjectMissing, Store
from re_dms.settings import JournalSettings


def test_an_object_is_read_as_it_was_written(store: Store) -> None:
    for key, data in (("root.json", b"{}"), ("data/000000000001/w-1-0.csv.zst", bytes(range(256)) * 9), ("a/b", b"")):
        assert not store.exists(key)
        store.create(key, data)
        assert store.get(key) == data
        assert store.exists(key)


def test_create_never_overwrites(store: Store) -> None:
    store.create("batches/1.json", b"first")
    with pytest.raises(ObjectExists, match=r"batches/1\.json"):
        store.create("batches/1.json", b"second")
    assert store.get("batches/1.json") == b"first"


def test_of_racing_writers_exactly_one_creates_the_object(store: Store) -> None:
    for round_number in range(10):
        barrier = threading.Barrier(8)

        def race(writer: int, key: str = f"batches/{round_number}", barrier: threading.Barrier = barrier) -> bool:
            barrier.wait()
            try:
                store.create(key, f"writer {writer}".encode())
            except ObjectExists:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(race, range(8)))
        assert won.count(True) == 1
        assert store.get(f"batches/{round_number}") == f"writer {won.index(True)}".encode()


def test_many_objects_are_created_at_once(store: Store) -> None:
    objects = [(f"data/{number % 3}/w-{number}", str(number).encode()) for number in range(40)]
    store.create_many(objects)
    assert [(key, store.get(key)) for key, _ in objects] == objects
    store.create_many([])


def test_creating_many_overwrites_none(store: Store) -> None:
    store.create("data/1/b", b"old")
    with pytest.raises(ObjectExists):
        store.create_many([("data/1/a", b"new"), ("data/1/b", b"new"), ("data/1/c", b"new")])
    assert store.get("data/1/b") == b"old"


def test_an_object_is_downloaded_into_a_file(store: Store, tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    store.create("data/000000000001/w-1-0.csv.zst", data)
    store.download("data/000000000001/w-1-0.csv.zst", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    with pytest.raises(ObjectMissing):
        store.download("data/000000000001/w-1-1.csv.zst", tmp_path / "copy")


def test_put_overwrites(store: Store) -> None:
    store.put("applied.json", b"1")
    store.put("applied.json", b"2")
    assert store.get("applied.json") == b"2"


def test_a_missing_object_is_said_to_be_missing(store: Store) -> None:
    with pytest.raises(ObjectMissing, match=r"root\.json"):
        store.get("root.json")
    store.create("batches/1.json", b"")
    with pytest.raises(ObjectMissing):
        store.get("batches/2.json")


def test_list_gives_the_keys_with_that_text_prefix_sorted(store: Store) -> None:
    keys = ["root.json", "data/2/b", "data/10/a", "data/2/a", "database/x", "batches/1.json"]
    for key in keys:
        store.create(key, key.encode())
    assert store.list("data/") == ["data/10/a", "data/2/a", "data/2/b"]
    assert store.list("data/2/") == ["data/2/a", "data/2/b"]
    assert store.list("data") == ["data/10/a", "data/2/a", "data/2/b", "database/x"]
    assert store.list("data/2/a") == ["data/2/a"]
    assert store.list("nothing/") == []
    assert store.list("") == sorted(keys)
    assert store.sizes("data/") == {"data/10/a": 9, "data/2/a": 8, "data/2/b": 8}


def test_delete_removes_and_does_not_mind_what_is_gone(store: Store) -> None:
    store.create("data/1/a", b"")
    store.create("data/2/a", b"")
    store.delete(["data/1/a", "data/1/b", "data/9/x"])
    assert store.list("") == ["data/2/a"]
    store.delete([])
    store.create("data/1/a", b"again")
    assert store.get("data/1/a") == b"again"


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", ".tmp/x", "a/.b", "a\\b", "a b", "ä"]
)
def test_a_key_cannot_leave_the_store(store: Store, key: str) -> None:
    for use in (store.get, store.exists, store.local_path, lambda k: store.create(k, b""), lambda k: store.delete([k])):
        with pytest.raises(JournalError, match="not the name"):
            use(key)


def test_the_probe_passes_and_leaves_nothing(store: Store) -> None:
    store.probe()
    assert store.list("") == []


def test_the_probe_refuses_a_store_that_overwrites() -> None:
    class Overwriting(MemoryStore):
        def create(self, key: str, data: bytes) -> None:
            self.put(key, data)

    store = Overwriting()
    with pytest.raises(JournalError, match="overwrite") as refused:
        store.probe()
    assert refused.value.remedy
    assert store.list("") == []


def test_a_local_store_is_opened_by_its_url(tmp_path: Path) -> None:
    directory = tmp_path / "a b%é"
    store = open_store(JournalSettings(url=directory.as_uri()))
    assert not directory.exists(), "opening makes nothing"
    assert store.list("") == []
    assert store.url == directory.as_uri()
    store.create("root.json", b"{}")
    assert (directory / "root.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relative",
        "/absolute/without/scheme",
        "file:relative",
        "file://host/dir",
        "file:///",
        "file:///dir?x=1",
        "file:///dir#x",
        "file:///dir%00",
        "s3://bucket/secret?x",
        "s3://Bucket/secret",
        "s3://secret:password@bucket/x",
        "s3://bucket//secret",
        "https://user:secret@host/dir",
        "file://[secret",
    ],
)
def test_other_addresses_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_store(JournalSettings(url=url))
    assert refused.value.remedy
    assert "secret" not in str(refused.value)
