"""A store that keeps its objects in this process: for tests of what is built on a store."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from re_dms.journal.store import ObjectExists, ObjectMissing, check_key, probe_create_only


class MemoryStore:
    """Keeps every promise of `Store` but the power cut."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return "memory:"

    @property
    def region(self) -> str | None:
        return None

    @property
    def remote(self) -> bool:
        return False

    def create(self, key: str, data: bytes) -> None:
        with self._lock:
            if check_key(key) in self._objects:
                raise ObjectExists(f"{key} exists")
            self._objects[key] = bytes(data)

    def create_many(self, objects: Sequence[tuple[str, bytes]]) -> None:
        for key, data in objects:
            self.create(key, data)

    def put(self, key: str, data: bytes) -> None:
        with self._lock:
            self._objects[check_key(key)] = bytes(data)

    def get(self, key: str) -> bytes:
        try:
            return self._objects[check_key(key)]
        except KeyError:
            raise ObjectMissing(f"{key} is missing in {self.url}") from None

    def download(self, key: str, path: Path) -> None:
        path.write_bytes(self.get(key))

    def exists(self, key: str) -> bool:
        return check_key(key) in self._objects

    def list(self, prefix: str) -> list[str]:
        return list(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        with self._lock:
            return {key: len(data) for key, data in sorted(self._objects.items()) if key.startswith(prefix)}

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with self._lock:
                self._objects.pop(check_key(key), None)

    def probe(self) -> None:
        probe_create_only(self)

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None
