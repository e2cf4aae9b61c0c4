"""Which bucket, which endpoint, which credentials: the usual AWS chain, read once for each process.

Credentials come from botocore's chain: environment, shared credentials and configuration files (profiles, SSO, assumed
roles), web identity, container, instance metadata. It refreshes those that expire.
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from obstore.store import S3Store as Bucket

from re_dms.errors import ConfigurationError, JournalError
from re_dms.settings import JournalSettings

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; prefixes of plain characters only
_ADDRESS: Final = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9_=-][A-Za-z0-9_.=-]*(?:/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*))?/?"
)
_ENCRYPTIONS: Final = {"sse-s3": "AES256", "sse-kms": "aws:kms"}
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
_REGION_DEFAULT: Final = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A bucket and a prefix in it ("" for none), and how objects are encrypted at rest."""

    bucket_name: str
    prefix: str
    region: str | None
    encryption: str
    kms_key_id: str | None

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
            bucket_name=found["bucket"],
            prefix=found["prefix"] or "",
            region=settings.region,
            encryption=settings.encryption,
            kms_key_id=settings.kms_key_id,
        )

    @property
    def url(self) -> str:
        """The address, for messages."""
        return f"s3://{self.bucket_name}/{self.prefix}".rstrip("/")

    def bucket(self, *, retries: Any, times: dict[str, Any]) -> Bucket:
        """obstore's view of the place. Raises JournalError without credentials, ConfigurationError for an endpoint
        that would send them in the clear."""
        # 0.2 s and 30 MB: only those pay for it who keep a journal on S3.
        import boto3
        import botocore.exceptions
        from obstore.auth.boto3 import Boto3CredentialProvider

        try:
            session = boto3.Session()
            credentials = Boto3CredentialProvider(session)
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            raise JournalError(
                f"no AWS credentials were found for {self.url} ({type(error).__name__})",
                remedy="set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role",
            ) from None
        endpoint = _first(_ENDPOINTS)
        config: dict[str, Any] = {"region": self.region or _first(_REGIONS) or session.region_name or _REGION_DEFAULT}
        if endpoint is not None:
            _require_safe(endpoint)
            config["endpoint"] = endpoint
        if self.encryption in _ENCRYPTIONS:
            config["server_side_encryption"] = _ENCRYPTIONS[self.encryption]
        if self.kms_key_id is not None:
            config |= {"sse_kms_key_id": self.kms_key_id, "sse_bucket_key_enabled": True}
        client: Any = times | {"allow_http": endpoint is not None and endpoint.startswith("http:")}
        options: Any = {"prefix": self.prefix} if self.prefix else {}
        return Bucket(
            self.bucket_name,
            config=config,  # type: ignore[arg-type]  # a TypedDict that is built up step by step
            client_options=client,
            retry_config=retries,
            credential_provider=credentials,
            **options,
        )


def _first(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


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
