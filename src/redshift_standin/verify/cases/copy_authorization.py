"""Rule 39: by what right COPY reads, and in which region."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused
from redshift_standin.verify.loads import rows

_PAGE: Final = "copy-parameters-authorization"
_ROLE: Final = "arn:aws:iam::123456789012:role/loader"
_OTHER: Final = "arn:aws:iam::210987654321:role/owner"
_KEYS: Final = "access_key_id 'AKIAEXAMPLE' secret_access_key 'wJalr/EXAMPLE+KEY'"
_SYNTAX: Final = "42601"


def _authorized(name: str, clause: str, expect: Expected, *, standin_only: bool = True) -> Case:
    return Case(
        rule=39,
        name=name,
        setup=("create table t (a int)",),
        files={"a": b"1\n"},
        run=f"copy t from '{{s3}}/a' {clause} csv",
        expect=expect,
        page=_PAGE,
        standin_only=standin_only,
    )


def _refused(name: str, clause: str, text: str = "") -> Case:
    """Refused before S3 is asked, so that a real cluster can be asked as well."""
    return _authorized(name, clause, Refused(_SYNTAX, text), standin_only=False)


_ONE: Final = rows(1)
_FORMS = (
    _authorized("IAM_ROLE authorizes", "{auth}", _ONE, standin_only=False),
    _authorized("IAM_ROLE takes a role's ARN", f"iam_role '{_ROLE}'", _ONE),
    _authorized("IAM_ROLE AS takes a role's ARN", f"iam_role as '{_ROLE}'", _ONE),
    _authorized("IAM_ROLE DEFAULT authorizes", "iam_role default", _ONE),
    _authorized("IAM_ROLE takes a chain of roles", f"iam_role '{_ROLE},{_OTHER}'", _ONE),
    _authorized("a role of another partition is a role", "iam_role 'arn:aws-cn:iam::123456789012:role/loader'", _ONE),
    _authorized("a role may have a path", "iam_role 'arn:aws:iam::123456789012:role/team/loader'", _ONE),
    _authorized("access keys authorize", _KEYS, _ONE),
    _authorized("access keys may stand the other way round", "secret_access_key 'wJalr/EXAMPLE+KEY' access_key_id 'AKIAEXAMPLE'", _ONE),
    _authorized("access keys with a session token authorize", f"{_KEYS} session_token 'FwoGZXIvYXdzEXAMPLE=='", _ONE),
    _authorized("CREDENTIALS takes a role", f"credentials 'aws_iam_role={_ROLE}'", _ONE),
    _authorized("WITH CREDENTIALS AS takes a role", f"with credentials as 'aws_iam_role={_ROLE}'", _ONE),
    _authorized("CREDENTIALS takes a chain of roles", f"credentials 'aws_iam_role={_ROLE},{_OTHER}'", _ONE),
    _authorized("CREDENTIALS takes access keys", "credentials 'aws_access_key_id=AKIAEXAMPLE;aws_secret_access_key=wJalr/EXAMPLE+KEY'", _ONE),
    _authorized("CREDENTIALS takes access keys with a token", "credentials 'aws_access_key_id=AKIAEXAMPLE;aws_secret_access_key=wJalr/EXAMPLE+KEY;token=FwoGZXIvYXdzEXAMPLE=='", _ONE),
)  # fmt: skip

_EXCLUSIVE = (
    _refused("COPY without an authorization is refused", ""),
    _refused("IAM_ROLE excludes access keys", f"iam_role '{_ROLE}' {_KEYS}"),
    _refused("IAM_ROLE excludes CREDENTIALS", f"iam_role '{_ROLE}' credentials 'aws_iam_role={_ROLE}'"),
    _refused("access keys exclude CREDENTIALS", f"{_KEYS} credentials 'aws_iam_role={_ROLE}'"),
    _refused("IAM_ROLE excludes a session token", f"iam_role '{_ROLE}' session_token 'x'"),
    _refused("IAM_ROLE is given once", f"iam_role '{_ROLE}' iam_role '{_ROLE}'"),
    _refused("CREDENTIALS is given once", f"credentials 'aws_iam_role={_ROLE}' credentials 'aws_iam_role={_ROLE}'"),
    _refused("an access key needs its secret", "access_key_id 'AKIAEXAMPLE'"),
    _refused("a secret needs its access key", "secret_access_key 'wJalr/EXAMPLE+KEY'"),
    _refused("a session token needs access keys", "session_token 'FwoGZXIvYXdzEXAMPLE=='"),
    _refused("IAM_ROLE needs an ARN", "iam_role 'loader'"),
    _refused("IAM_ROLE refuses the ARN of a user", "iam_role 'arn:aws:iam::123456789012:user/loader'"),
    _refused("IAM_ROLE refuses an empty text", "iam_role ''"),
    _refused("IAM_ROLE needs quotes around an ARN", "iam_role loader"),
    _refused("a chain of roles may not have blanks", f"iam_role '{_ROLE}, {_OTHER}'"),
    _refused("CREDENTIALS may not have blanks", "credentials 'aws_access_key_id=AKIAEXAMPLE; aws_secret_access_key=x'"),
    _refused("CREDENTIALS is compared with its case", f"credentials 'AWS_IAM_ROLE={_ROLE}'"),
    _refused("CREDENTIALS with a role and keys is refused", f"credentials 'aws_iam_role={_ROLE};aws_access_key_id=AKIAEXAMPLE;aws_secret_access_key=x'"),
    _refused("CREDENTIALS with a key and no secret is refused", "credentials 'aws_access_key_id=AKIAEXAMPLE'"),
    _refused("CREDENTIALS with an unknown word is refused", "credentials 'role=x'"),
    _refused("empty CREDENTIALS are refused", "credentials ''"),
)  # fmt: skip

_REGIONS = (
    _authorized("REGION that is not the bucket's fails", "{auth} region 'sa-east-1'", Refused("XX000", "S3ServiceException"), standin_only=False),
    _authorized("REGION AS that is not the bucket's fails", "{auth} region as 'ap-south-1'", Refused("XX000", "PermanentRedirect"), standin_only=False),
    _authorized("REGION that is the bucket's loads", "{auth} region 'eu-central-1'", _ONE),
    _authorized("REGION needs a text", "{auth} region default", Refused(_SYNTAX), standin_only=False),
)  # fmt: skip

CASES: tuple[Case, ...] = _FORMS + _EXCLUSIVE + _REGIONS
