"""Where COPY's files come from: any S3 endpoint, asked as Redshift asks.

Source: AWS Database Developer Guide, "COPY from Amazon S3" (copy-parameters-data-source-s3), "Authorization parameters",
"S3ServiceException errors"; texts of the errors as clients saw them.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from redshift_standin.errors import RedshiftError
from redshift_standin.sql.statements import Authorization

T = TypeVar("T")

_CLIENTS_MAX: Final = 16
CHUNK_BYTES: Final = 1024 * 1024
_ROLE = re.compile(r"arn:aws(?:-cn|-us-gov)?:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+")
_CHAIN = re.compile(r",(?=arn:)")
_RETRIED: Final = (408, 429)
_SERVER_ERROR: Final = 500
_MAKING_CLIENTS = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class S3Fault:
    """What happens to one GetObject: an error status, a wait before the body, an end of the body after n bytes."""

    status: int = 0
    seconds: float = 0.0
    cut_after_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class S3Object:
    """One file of a load. `mandatory` False: it may be missing."""

    bucket: str
    key: str
    mandatory: bool = True

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse_url(url: str) -> tuple[str, str] | None:
    """Bucket and key of s3://bucket/key; None for anything else."""
    match = re.fullmatch(r"s3://([^/]+)/(.+)", url, re.DOTALL)
    return (match[1], match[2]) if match else None


def s3_error(message: str, context: str, *, code: int = 8001) -> RedshiftError:
    """XX000 with the block of details that a load's errors have. Never given credentials."""
    line = "-" * 47
    detail = f"\n  {line}\n  error:  {message}\n  code:      {code}\n  context:   {context}\n  {line}\n"
    return RedshiftError("XX000", message, detail=detail)


def _service_error(text: str, status: int, name: str, context: str) -> RedshiftError:
    return s3_error(f"S3ServiceException:{text},Status {status},Error {name},Rid ,ExtRid ,CanRetry 1", context)


def _harmless(_: str) -> S3Fault | None:
    return None


@dataclass(frozen=True, kw_only=True)
class S3Source:
    """The server's view of S3; `connect` gives one command's.

    `region`: the cluster's; None: not checked unless a command names one. `roles`: accepted ARNs (and "default"); None:
    every well-formed one. `keys`: accepted access key ids with their secrets; None: any. `own_keys`: with what the server
    reaches S3 for a role; None: what boto3 finds. `fault` is asked with the url before each GetObject.
    """

    endpoint_url: str | None = None
    region: str | None = None
    roles: frozenset[str] | None = None
    keys: Mapping[str, str] | None = None
    own_keys: tuple[str, str] | None = None
    fault: Callable[[str], S3Fault | None] = _harmless
    attempts_max: int = 4
    pause_seconds: float = 0.1
    timeout_seconds: float = 60.0
    page_keys_max: int = 1000

    def connect(self, authorization: Authorization, region: str) -> S3Connection:
        """Raises RedshiftError: XX000 for a role or keys that are not accepted."""
        if not self._accepted(authorization):
            raise _service_error("Access Denied", 403, "AccessDenied", "Authorizing the command")
        return S3Connection(self, self._client(authorization), region or self.region or "")

    def _accepted(self, authorization: Authorization) -> bool:
        if authorization.role:
            chain = [authorization.role] if authorization.role == "default" else _CHAIN.split(authorization.role)
            if self.roles is not None:
                return all(role in self.roles for role in chain)
            return authorization.role == "default" or all(_ROLE.fullmatch(role) for role in chain)
        if not authorization.access_key_id:
            return False
        return self.keys is None or self.keys.get(authorization.access_key_id) == authorization.secret_access_key

    def _found_keys(self) -> tuple[str | None, str | None]:
        """None: boto3 looks for them. An endpoint of one's own takes any keys when the environment has none."""
        if self.endpoint_url is None or "AWS_ACCESS_KEY_ID" in os.environ:
            return None, None
        return "redshift-standin", "redshift-standin"

    @cached_property
    def _clients(self) -> dict[tuple[str | None, str | None, str | None], Any]:
        """By keys: making a client takes longer than most loads of a test."""
        return {}

    @cached_property
    def _session(self) -> boto3.session.Session:
        return boto3.session.Session()

    def _client(self, authorization: Authorization) -> Any:
        if authorization.role:
            key, secret = self.own_keys or self._found_keys()
            token = None
        else:
            key, secret = authorization.access_key_id, authorization.secret_access_key
            token = authorization.session_token or None
        # One session for all commands, since it has read S3's description; making clients of it is not thread safe.
        with _MAKING_CLIENTS:
            if (key, secret, token) not in self._clients:
                while len(self._clients) >= _CLIENTS_MAX:
                    del self._clients[next(iter(self._clients))]
                self._clients[key, secret, token] = self._made_client(key, secret, token)
            return self._clients[key, secret, token]

    def _made_client(self, key: str | None, secret: str | None, token: str | None) -> Any:
        return self._session.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=self.region or "us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(
                # Tries are counted here, once, and not by two parties.
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=self.timeout_seconds,
                read_timeout=self.timeout_seconds,
                s3={"addressing_style": "path"} if self.endpoint_url else {},
            ),
        )


@dataclass
class _Progress:
    """How far an object has been read, and of which version."""

    offset: int = 0
    total: int = -1
    version: str = ""
    done: bool = False


class S3Connection:
    """S3 as one command sees it. Every failure is a RedshiftError XX000 that names the object, after bounded tries."""

    def __init__(self, source: S3Source, client: Any, region: str) -> None:
        self._source = source
        self._client = client
        self._region = region
        self._buckets: set[str] = set()

    def matching(self, bucket: str, prefix: str) -> list[str]:
        """Every key that begins with the prefix, in order."""
        self._check_region(bucket)
        context = f"Listing bucket={bucket} prefix={prefix}"
        keys: list[str] = []
        token: dict[str, str] = {}
        while True:
            ask = partial(
                self._client.list_objects_v2, Bucket=bucket, Prefix=prefix, MaxKeys=self._source.page_keys_max
            )
            page: dict[str, Any] = self._tried(partial(ask, **token), context)
            keys += [each["Key"] for each in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return sorted(keys, key=str.encode)
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def exists(self, bucket: str, key: str) -> bool:
        self._check_region(bucket)
        context = f"S3 key being read : s3://{bucket}/{key}"
        try:
            self._tried(partial(self._client.head_object, Bucket=bucket, Key=key), context)
        except RedshiftError as error:
            if ",Status 404," in error.message:
                return False
            raise
        return True

    def body(self, bucket: str, key: str) -> Iterator[bytes]:
        """The object's bytes. A body that ends early goes on where it ended, of the same version, or fails."""
        self._check_region(bucket)
        url = f"s3://{bucket}/{key}"
        context = f"S3 key being read : {url}"
        progress, failures = _Progress(), 0
        while not progress.done:
            try:
                for chunk in self._get(bucket, key, progress):
                    progress.offset += len(chunk)
                    yield chunk
                progress.done = True
            except (BotoCoreError, ClientError, HTTPError, OSError) as error:
                failures += 1
                progress.done = progress.offset == progress.total
                if not progress.done:
                    self._wait_or_fail(error, failures, context)

    def _get(self, bucket: str, key: str, progress: _Progress) -> Iterator[bytes]:
        """What is left of the object."""
        fault = self._source.fault(f"s3://{bucket}/{key}") or S3Fault()
        threading.Event().wait(fault.seconds)
        if fault.status:
            raise _injected(fault.status)
        rest = {"Range": f"bytes={progress.offset}-", "IfMatch": progress.version} if progress.offset else {}
        reply = self._client.get_object(Bucket=bucket, Key=key, **rest)
        if not progress.offset:
            progress.version, progress.total = reply["ETag"], reply["ContentLength"]
        left = fault.cut_after_bytes
        with reply["Body"] as body:
            while chunk := body.read(CHUNK_BYTES):
                if left is not None and len(chunk) >= left:
                    yield chunk[:left]
                    raise ConnectionResetError("the body was cut")
                left = None if left is None else left - len(chunk)
                yield chunk

    def _check_region(self, bucket: str) -> None:
        if bucket in self._buckets:
            return
        context = f"Looking up bucket={bucket}"
        reply: dict[str, Any] = self._tried(partial(self._client.head_bucket, Bucket=bucket), context)
        actual = reply["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", "")
        if self._region and actual and actual != self._region:
            text = (
                "The bucket you are attempting to access must be addressed using the specified endpoint. "
                "Please send all future requests to this endpoint."
            )
            raise _service_error(text, 301, "PermanentRedirect", context)
        self._buckets.add(bucket)

    def _tried(self, ask: Callable[[], T], context: str) -> T:
        failures = 0
        while True:
            try:
                return ask()
            except (BotoCoreError, ClientError, HTTPError, OSError) as error:
                failures += 1
                self._wait_or_fail(error, failures, context)

    def _wait_or_fail(self, error: Exception, failures: int, context: str) -> None:
        """Return for another try, after a pause; else raise what the client is told."""
        status, name, text = _described(error)
        lasting = 0 < status < _SERVER_ERROR and status not in _RETRIED
        if lasting or failures >= self._source.attempts_max:
            raise _service_error(text, status, name, context) from None
        threading.Event().wait(self._source.pause_seconds * 2 ** (failures - 1))


_NAMES: Final = {
    301: ("PermanentRedirect", "The bucket must be addressed using the specified endpoint."),
    400: ("BadRequest", "Bad Request"),
    403: ("AccessDenied", "Access Denied"),
    404: ("NoSuchKey", "The specified key does not exist."),
    412: ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
    500: ("InternalError", "We encountered an internal error. Please try again."),
    503: ("SlowDown", "Please reduce your request rate."),
}


def _described(error: Exception) -> tuple[int, str, str]:
    """Status, name and text; status 0: no answer at all. A transport's own text may hold addresses, so it is not told."""
    if not isinstance(error, ClientError):
        return 0, "ConnectionError", f"Unable to read from S3 ({type(error).__name__})"
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    name, text = _NAMES.get(status, ("UnknownError", "Unknown error"))
    given = str(error.response.get("Error", {}).get("Code", ""))
    if given == "NoSuchBucket":
        return status, given, "The specified bucket does not exist"
    return status, given if given and not given.isdigit() else name, text


def _injected(status: int) -> ClientError:
    name, text = _NAMES.get(status, ("InternalError", "Injected"))
    response = {"Error": {"Code": name, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetObject")
