"""What S3's replies mean, as errors of re_dms. Pure.

Error codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
"""

from __future__ import annotations

from typing import Final

from re_dms.errors import JournalError, JournalUnavailable

_RIGHTS: Final = {
    "PutObject": "s3:PutObject",
    "GetObject": "s3:GetObject and s3:ListBucket",
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "ListBucket": "s3:ListBucket",
    "DeleteObject": "s3:DeleteObject",
}
_CLOCK: Final = "set this machine's clock: it differs from S3's by more than 15 minutes"
_KEYS: Final = "check the AWS credentials: environment, profile (AWS_PROFILE) or role"
_REGION: Final = "set the bucket's region in `journal.region` or AWS_REGION"
_KMS: Final = (
    "check `journal.encryption` and `journal.kms_key_id`, and allow kms:GenerateDataKey and kms:Decrypt on the key"
)
_REMEDIES: Final = {
    "NoSuchBucket": "make the bucket, or correct its name in `journal.url`",
    "InvalidBucketName": "correct the bucket's name in `journal.url`",
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "InvalidToken": _KEYS,
    "NoCredentialsError": _KEYS,
    "PartialCredentialsError": _KEYS,
    "ProfileNotFound": _KEYS,
    "RequestTimeTooSkewed": _CLOCK,
    "InvalidArgument": _KMS,
    "EntityTooLarge": "lower `flush_mb`: S3 takes no object of more than 5 GB in one request",
    "NotImplemented": "choose a store with conditional puts (If-None-Match)",
}
# A role's token has hours to live; the next request brings a new one.
_PASSING: Final = frozenset({"ExpiredToken", "RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable"})
_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class Taken(Exception):
    """A conditional put was refused: the key is taken, or another put of it is under way."""


class NoSuchObject(Exception):
    """There is no object of that name."""


def refusal(code: str, status: int, *, action: str, url: str) -> Exception:
    """The error for a request of this kind ("PutObject") that failed: `code` is S3's, or the name of the client's own
    error; `status` is HTTP's, 0 when there was no reply.

    JournalUnavailable for all that may work later, which what we do not know counts as: repeating a request does no
    harm. JournalError for what somebody has to mend.
    """
    if code in _MISSING:
        return NoSuchObject()
    if code in _TAKEN:
        return Taken()
    said = f"{action} at {url} was refused: {code}"
    if code in _REMEDIES:
        return JournalError(said, remedy=_REMEDIES[code])
    if code.startswith("KMS"):
        return JournalError(said, remedy=_KMS)
    if status in (301, 307):
        return JournalError(said, remedy=_REGION)
    if status in (401, 403) and code not in _PASSING:
        right = _RIGHTS.get(action, action)
        return JournalError(said, remedy=f"allow {right} for the role of re_dms (docs/journal.md has the policy)")
    return JournalUnavailable(
        f"{action} at {url} failed: {code}{f' (status {status})' if status and str(status) != code else ''}",
        remedy="nothing to do if it passes; else check S3 and the network",
    )
