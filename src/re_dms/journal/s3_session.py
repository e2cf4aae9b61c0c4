"""Which bucket, which endpoint, which credentials: the usual AWS chain, through boto3.

Credentials: environment, shared credentials and configuration files (profiles, SSO, assumed roles), web identity,
container, instance metadata; those that expire are refreshed. Endpoint: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, profile.
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from re_dms.errors import ConfigurationError, JournalError
from re_dms.settings import JournalSettings

FAILURES: Final = (ClientError, BotoCoreError, Boto3Error)
"""What a request raises. A ClientError has S3's reply, the others never got one."""
BODY_FAILURES: Final = (BotoCoreError, HTTPError, ConnectionError, TimeoutError)
"""What reading a reply's body raises when it is cut short or stalls."""
CONNECTIONS_MAX: Final = 16

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; prefixes of plain characters only
_ADDRESS: Final = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])"
    r"(?:/(?P<prefix>[A-Za-z0-9_=-][A-Za-z0-9_.=-]*(?:/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*))?/?"
)
_ENCRYPTIONS: Final = {"sse-s3": "AES256", "sse-kms": "aws:kms"}
_REGION_DEFAULT: Final = "us-east-1"
_ATTEMPTS_MAX: Final = 4  # with pauses of up to 1, 2 and 4 s
_CONNECT_SECONDS_MAX: Final = 5
_READ_SECONDS_MAX: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A bucket and a prefix in it ("" for none), and how objects are encrypted at rest."""

    bucket: str
    prefix: str
    region: str | None = None
    encryption: str = "none"
    kms_key_id: str | None = None
    attempts_max: int = _ATTEMPTS_MAX

    @classmethod
    def of(cls, settings: JournalSettings) -> Place:
        """The place that the settings name. Raises ConfigurationError; its message never repeats the address."""
        found = _ADDRESS.fullmatch(settings.url)
        if found is None:
            raise ConfigurationError(
                "the journal's address names no bucket and prefix of plain characters",
                remedy="write it as s3://bucket/prefix (letters, digits, dots, dashes, underscores)",
            )
        return cls(
            bucket=found["bucket"],
            prefix=found["prefix"] or "",
            region=settings.region,
            encryption="sse-kms" if settings.kms_key_id else settings.encryption,
            kms_key_id=settings.kms_key_id,
        )

    @property
    def url(self) -> str:
        """The address, for messages."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def encryption_arguments(self) -> dict[str, Any]:
        """What a PUT says about encryption: nothing leaves it to the bucket."""
        if self.encryption not in _ENCRYPTIONS:
            return {}
        arguments: dict[str, Any] = {"ServerSideEncryption": _ENCRYPTIONS[self.encryption]}
        if self.kms_key_id is not None:
            # A bucket key saves a request to KMS for each object.
            arguments |= {"SSEKMSKeyId": self.kms_key_id, "BucketKeyEnabled": True}
        return arguments

    def client(self) -> Any:
        """A client for this process; its calls may come from several threads.

        Raises JournalError without credentials, ConfigurationError for an endpoint that would send them in the clear.
        """
        try:
            session = boto3.Session()
            if session.get_credentials() is None:
                raise _no_credentials(self.url, "none anywhere")
            region = self.region or os.environ.get("AWS_REGION") or session.region_name or _REGION_DEFAULT
            client = session.client("s3", region_name=region, config=self._config())
            if (
                not client.meta.endpoint_url.endswith(".amazonaws.com")
                and ".amazonaws.com." not in client.meta.endpoint_url
            ):
                _require_safe(client.meta.endpoint_url)
                # What stands in for S3 has one name: no bucket is a host of its own there.
                client = session.client("s3", region_name=region, config=self._config(s3={"addressing_style": "path"}))
        except (BotoCoreError, ValueError) as error:
            raise _no_credentials(self.url, type(error).__name__) from None
        return client

    def _config(self, **more: Any) -> Config:
        return Config(
            retries={"mode": "standard", "max_attempts": self.attempts_max},
            connect_timeout=_CONNECT_SECONDS_MAX,
            read_timeout=_READ_SECONDS_MAX,
            max_pool_connections=CONNECTIONS_MAX,
            **more,
        )


def _no_credentials(url: str, what: str) -> JournalError:
    return JournalError(
        f"no AWS credentials were found for {url} ({what})",
        remedy="set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role",
    )


def _require_safe(endpoint: str) -> None:
    """Plain HTTP would send rows and signatures in the clear: on this machine only."""
    parts = urlsplit(endpoint)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return
    raise ConfigurationError(
        "AWS_ENDPOINT_URL is neither https nor on this machine: rows would be sent in the clear",
        remedy="use an https:// endpoint",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
