"""What S3 and obstore say, as errors of re_dms. Pure: an exception in, an error out.

Error codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
A reply's text may hold an access key and parts of a signature: only its code and its status are ever told.
"""

from __future__ import annotations

import re
from typing import Final

from re_dms.errors import JournalError, JournalUnavailable

_CODE: Final = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_STATUS: Final = re.compile(r"non-2xx status code: (\d{3})")

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
_REMEDIES: Final = {
    "NoSuchBucket": "make the bucket, or correct its name in `journal.url`",
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "InvalidToken": _KEYS,
    "AuthorizationQueryParametersError": _KEYS,
    "RequestTimeTooSkewed": _CLOCK,
    "InvalidBucketName": "correct the bucket's name in `journal.url`",
    "InvalidArgument": "check `journal.encryption` and `journal.kms_key_id`",
    "EntityTooLarge": "lower `flush_mb`: S3 takes no object of more than 5 GB in one request",
    "NotImplemented": "choose a store with conditional puts (If-None-Match)",
}
# A new set of credentials is asked for at the next start: a role's token has a few hours to live.
_PASSING: Final = frozenset({"ExpiredToken", "RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable"})
_KMS: Final = re.compile(r"KMS\.?[A-Za-z]*|kms:[A-Za-z]+")


class Taken(Exception):
    """A conditional put was refused: the key is taken, or another put of it is under way."""


class NoSuchObject(Exception):
    """There is no object of that name."""


def refusal(error: BaseException, *, action: str, url: str) -> Exception:
    """The error for what obstore raised at a request of this kind ("PutObject").

    JournalUnavailable for all that may work later, which what we do not know counts as: repeating a request does no
    harm. JournalError for what somebody has to mend.
    """
    text, kind = str(error), type(error).__name__
    code = found[1] if (found := _CODE.search(text)) else ""
    status = found[1] if (found := _STATUS.search(text)) else ""
    if code == "NoSuchBucket":
        return _refused(url, action, code, _REMEDIES[code])
    # 412: it is there. 409: another request for the same key is under way, and one of them will win.
    if kind in ("AlreadyExistsError", "FileExistsError") or (action == "PutObject" and status in ("409", "412")):
        return Taken()
    if isinstance(error, FileNotFoundError) or kind == "NotFoundError" or (status == "404" and code in ("", "NoSuchKey")):
        return NoSuchObject()
    if code in _REMEDIES:
        return _refused(url, action, code, _REMEDIES[code])
    if status == "301":
        return _refused(url, action, code or "a redirect to another region", _REGION)
    if code not in _PASSING and (isinstance(error, PermissionError) or status in ("401", "403") or "Denied" in kind):
        return _refused(url, action, code or f"status {status or '403'}", _permission(action, text))
    if isinstance(error, ValueError) and not status:
        return JournalError(f"no AWS credentials were found for {url}", remedy=_KEYS)
    said = code or (f"status {status}" if status else "no reply that could be read")
    return JournalUnavailable(
        f"{action} at {url} failed: {said}", remedy="nothing to do if it passes; else check S3 and the network"
    )


def _refused(url: str, action: str, said: str, remedy: str) -> JournalError:
    return JournalError(f"{action} was refused at {url}: {said}", remedy=remedy)


def _permission(action: str, text: str) -> str:
    right = _RIGHTS.get(action, action)
    if _KMS.search(text):
        right = "kms:GenerateDataKey and kms:Decrypt on the key"
    return f"allow {right} for the role of re_dms (docs/journal.md has the policy)"
