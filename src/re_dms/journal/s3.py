"""A store in an S3 bucket, on obstore. Create-only puts are S3's conditional writes (`If-None-Match: *`).

Every object is one PUT (up to 5 GB; a multipart upload has no create-only form worth its price) and carries the SHA-256
of its bytes as metadata, so that a reply that is cut short, or an error page with status 200, is never taken for the
object. Requests that fail in passing are repeated a few times here, over seconds; what still fails is
JournalUnavailable, which the service tries again for as long as it takes.

A reply that was lost looks like "somebody else was first": the journal settles that by reading (protocol line 3).
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import builtins
import hashlib
import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from re_dms.errors import JournalUnavailable
from re_dms.journal.s3_session import Place
from re_dms.journal.s3_words import NoSuchObject, Taken, refusal
from re_dms.journal.store import ObjectAltered, ObjectExists, ObjectMissing, check_key, probe_create_only

_CHECKSUM: Final = "sha256"  # sent and received as x-amz-meta-sha256
_THREADS_MAX: Final = 16
_READ_ATTEMPTS_MAX: Final = 4
_READ_PAUSE_SECONDS: Final = 0.2
_LIST_CHUNK: Final = 1000
_RETRIES_MAX: Final = 5
_RETRY_SECONDS_MAX: Final = 20.0
_TIMES: Final[dict[str, Any]] = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=60),
    "timeout": timedelta(seconds=600),
}

Answer = TypeVar("Answer")


class S3Store:
    """Objects below `prefix` of a bucket. Nothing is asked of S3 before the first call."""

    def __init__(self, place: Place, *, retry_seconds_max: float = _RETRY_SECONDS_MAX) -> None:
        self._place = place
        self._retries = {
            "max_retries": _RETRIES_MAX,
            "retry_timeout": timedelta(seconds=retry_seconds_max),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=retry_seconds_max / 4),
                "base": 2,
            },
        }
        self._opened: Bucket | None = None

    @property
    def url(self) -> str:
        return self._place.url

    @property
    def remote(self) -> bool:
        return True

    def create(self, key: str, data: bytes) -> None:
        path = check_key(key)
        try:
            self._put(path, data, mode="create")
        except Taken:
            raise ObjectExists(f"{key} exists in {self.url}") from None

    def create_many(self, objects: Sequence[tuple[str, bytes]]) -> None:
        """Several requests at a time."""
        if len(objects) < 2:
            for key, data in objects:
                self.create(key, data)
            return
        with ThreadPoolExecutor(min(_THREADS_MAX, len(objects))) as pool:
            failures = [put.exception() for put in [pool.submit(self.create, key, data) for key, data in objects]]
        # "It exists" is settled by reading, which tells the rest again: everything else is told first.
        for failure in sorted(filter(None, failures), key=lambda error: isinstance(error, ObjectExists)):
            raise failure

    def put(self, key: str, data: bytes) -> None:
        self._put(check_key(key), data, mode="overwrite")

    def get(self, key: str) -> bytes:
        path = check_key(key)

        def read() -> tuple[bytes, str | None]:
            result = obstore.get(self._bucket, path)
            return bytes(result.bytes()), result.attributes.get(_CHECKSUM)

        def check(answer: tuple[bytes, str | None]) -> str:
            return hashlib.sha256(answer[0]).hexdigest()

        return self._read_checked(key, read, check)[0]

    def download(self, key: str, path: Path) -> None:
        source = check_key(key)

        def read() -> tuple[str, str | None]:
            result = obstore.get(self._bucket, source)
            digest = hashlib.sha256()
            with path.open("wb") as file:
                for block in result:
                    digest.update(block)
                    file.write(block)
            return digest.hexdigest(), result.attributes.get(_CHECKSUM)

        self._read_checked(key, read, lambda answer: answer[0])

    def exists(self, key: str) -> bool:
        path = check_key(key)
        try:
            self._ask("HeadObject", lambda: obstore.head(self._bucket, path))
        except NoSuchObject:
            return False
        return True

    def list(self, prefix: str) -> builtins.list[str]:
        return builtins.list(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        directory = prefix.rpartition("/")[0]

        def read() -> dict[str, int]:
            chunks = obstore.list(self._bucket, directory or None, chunk_size=_LIST_CHUNK)
            return {entry["path"]: entry["size"] for chunk in chunks for entry in chunk}

        found = self._ask("ListBucket", read)
        return {key: found[key] for key in sorted(found) if key.startswith(prefix)}

    def delete(self, keys: Iterable[str]) -> None:
        paths = [check_key(key) for key in keys]
        if paths:
            with suppress(NoSuchObject):
                self._ask("DeleteObject", lambda: obstore.delete(self._bucket, paths))

    def probe(self) -> None:
        """As for every store; also lists, so that a right that is missing is told at the start."""
        self.list("probe/")
        probe_create_only(self)

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    # --- Requests

    @property
    def _bucket(self) -> Bucket:
        # Late, and in the process that asks: the session reads files and may ask the machine for credentials.
        if self._opened is None:
            self._opened = self._place.bucket(retries=self._retries, times=_TIMES)
        return self._opened

    def _put(self, path: str, data: bytes, mode: Any) -> None:
        attributes: Any = {_CHECKSUM: hashlib.sha256(data).hexdigest()}
        self._ask(
            "PutObject",
            lambda: obstore.put(self._bucket, path, data, attributes=attributes, mode=mode, use_multipart=False),
        )

    def _read_checked(
        self, key: str, read: Callable[[], tuple[Answer, str | None]], check: Callable[[tuple[Answer, str | None]], str]
    ) -> tuple[Answer, str | None]:
        """What `read` gives, once its bytes are those that were put. Raises ObjectMissing and ObjectAltered.

        An object without our checksum (copied by hand) is taken as it is, after as many looks: an error page has none.
        """
        for attempt in range(_READ_ATTEMPTS_MAX):
            if attempt:
                time.sleep(_READ_PAUSE_SECONDS * attempt * random.uniform(0.5, 1.5))
            try:
                answer = self._ask("GetObject", read)
            except NoSuchObject:
                raise ObjectMissing(f"{key} is missing in {self.url}") from None
            except JournalUnavailable:
                if attempt + 1 == _READ_ATTEMPTS_MAX:
                    raise
                continue
            if answer[1] == check(answer):
                return answer
        if answer[1] is None:
            return answer
        raise ObjectAltered(f"{key} in {self.url} is not what was put there: its checksum differs")

    def _ask(self, action: str, request: Callable[[], Answer]) -> Answer:
        """The answer to a request. Raises Taken, NoSuchObject, JournalUnavailable and JournalError."""
        try:
            return request()
        except (BaseError, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # a local file's: obstore's have no number
            raise refusal(error, action=action, url=self.url) from None
