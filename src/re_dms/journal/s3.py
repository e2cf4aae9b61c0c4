"""A store in an S3 bucket. Create-only puts are S3's conditional writes (`If-None-Match: *`).

Every object is one PUT (up to 5 GB; a multipart upload would need a second condition at its end) and carries the SHA-256
of its bytes as metadata, so that a reply that is cut short, or an error page with status 200, is never taken for the
object. Requests that fail in passing are repeated a few times, over seconds; what still fails is JournalUnavailable,
which the service tries again for as long as it takes.

A reply that was lost looks like "somebody else was first": the journal settles that by reading (protocol line 3).
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import builtins
import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from re_dms.errors import JournalUnavailable
from re_dms.journal.s3_session import BODY_FAILURES, CONNECTIONS_MAX, FAILURES, Place
from re_dms.journal.s3_words import NoSuchObject, Taken, refusal
from re_dms.journal.store import ObjectAltered, ObjectExists, ObjectMissing, check_key, probe_create_only

_CHECKSUM: Final = "sha256"  # sent and received as x-amz-meta-sha256
_READ_ATTEMPTS_MAX: Final = 4
_READ_PAUSE_SECONDS: Final = 0.2
_READ_BYTES: Final = 1024 * 1024
_DELETE_KEYS_MAX: Final = 1000  # of one request

Answer = TypeVar("Answer")


class S3Store:
    """Objects below `prefix` of a bucket. Nothing is asked of S3 before the first call."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._prefix = f"{place.prefix}/" if place.prefix else ""

    @property
    def url(self) -> str:
        return self._place.url

    @property
    def region(self) -> str | None:
        return self._place.region

    @property
    def remote(self) -> bool:
        return True

    def create(self, key: str, data: bytes) -> None:
        try:
            self._put(key, data, IfNoneMatch="*")
        except Taken:
            raise ObjectExists(f"{key} exists in {self.url}") from None

    def create_many(self, objects: Sequence[tuple[str, bytes]]) -> None:
        """Several requests at a time."""
        if len(objects) < 2:
            for key, data in objects:
                self.create(key, data)
            return
        with ThreadPoolExecutor(min(CONNECTIONS_MAX, len(objects))) as pool:
            failures = [put.exception() for put in [pool.submit(self.create, key, data) for key, data in objects]]
        # "It exists" is settled by reading, which tells the rest again: everything else is told first.
        for failure in sorted(filter(None, failures), key=lambda error: isinstance(error, ObjectExists)):
            raise failure

    def put(self, key: str, data: bytes) -> None:
        self._put(key, data)

    def get(self, key: str) -> bytes:
        found = bytearray()
        self._read(key, found.clear, found.extend)
        return bytes(found)

    def download(self, key: str, path: Path) -> None:
        with path.open("wb") as file:

            def begin() -> None:
                file.seek(0)
                file.truncate()

            self._read(key, begin, file.write)

    def exists(self, key: str) -> bool:
        try:
            self._ask("HeadObject", lambda: self._client.head_object(**self._object(key)))
        except NoSuchObject:
            return False
        return True

    def list(self, prefix: str) -> builtins.list[str]:
        return builtins.list(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        def read() -> dict[str, int]:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._place.bucket, Prefix=self._prefix + prefix
            )
            entries = (entry for page in pages for entry in page.get("Contents", ()))
            return {entry["Key"].removeprefix(self._prefix): entry["Size"] for entry in entries}

        found = self._ask("ListBucket", read)
        return {key: found[key] for key in sorted(found)}

    def delete(self, keys: Iterable[str]) -> None:
        named = [{"Key": self._prefix + check_key(key)} for key in keys]
        for some in _groups(named, _DELETE_KEYS_MAX):
            self._delete({"Objects": some, "Quiet": True})

    def probe(self) -> None:
        """As for every store; also lists, so that a right that is missing is told at the start."""
        self.list("probe/")
        probe_create_only(self)

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    # --- Requests

    @cached_property
    def _client(self) -> Any:
        # Late, and in the process that asks: it reads files, and may ask the machine for credentials.
        return self._place.client()

    def _object(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._place.bucket, "Key": self._prefix + check_key(key)}

    def _put(self, key: str, data: bytes, **condition: str) -> None:
        place, metadata = self._object(key), {_CHECKSUM: hashlib.sha256(data).hexdigest()}
        arguments = place | condition | self._place.encryption_arguments
        self._ask("PutObject", lambda: self._client.put_object(Body=data, Metadata=metadata, **arguments))

    def _delete(self, request: dict[str, Any]) -> None:
        answer = self._ask(
            "DeleteObject", lambda: self._client.delete_objects(Bucket=self._place.bucket, Delete=request)
        )
        for failure in answer.get("Errors", ()):
            raise refusal(failure.get("Code", ""), 200, action="DeleteObject", url=self.url)

    def _read(self, key: str, begin: Callable[[], object], take: Callable[[bytes], object]) -> None:
        """Give the object's bytes to `take`, a part at a time; `begin` comes before every attempt.

        Raises ObjectMissing and ObjectAltered. An object without our checksum (copied by hand) is taken as it is,
        after as many looks: an error page has none either.
        """
        place = self._object(key)
        for attempt in range(_READ_ATTEMPTS_MAX):
            if attempt:
                time.sleep(_READ_PAUSE_SECONDS * attempt * random.uniform(0.5, 1.5))
            digest, said, whole = hashlib.sha256(), None, True
            begin()
            try:
                reply = self._ask("GetObject", lambda: self._client.get_object(**place))
                said = reply["Metadata"].get(_CHECKSUM)
                for part in reply["Body"].iter_chunks(_READ_BYTES):
                    digest.update(part)
                    take(part)
            except NoSuchObject:
                raise ObjectMissing(f"{key} is missing in {self.url}") from None
            except BODY_FAILURES:  # the client repeats requests, not what went wrong within a reply, an error's too
                whole = False
            if whole and said == digest.hexdigest():
                return
        if not whole:
            raise JournalUnavailable(f"the reply with {key} of {self.url} was cut short {_READ_ATTEMPTS_MAX} times")
        if said is not None:
            raise ObjectAltered(f"{key} in {self.url} is not what was put there: its checksum differs")

    def _ask(self, action: str, request: Callable[[], Answer]) -> Answer:
        """The answer to a request. Raises Taken, NoSuchObject, JournalUnavailable and JournalError."""
        try:
            return request()
        except FAILURES as error:
            reply = getattr(error, "response", None) or {}
            code = str(reply.get("Error", {}).get("Code", ""))
            status = int(reply.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            # The original is not chained: its text may hold an access key and parts of a signature.
            raise refusal(code or type(error).__name__, status, action=action, url=self.url) from None


def _groups(items: Sequence[Answer], size: int) -> Iterator[Sequence[Answer]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
