"""How COPY says by what right it reads from S3. No text of a role or a key gets into an error.

Source: AWS Database Developer Guide, "Authorization parameters" (copy-parameters-authorization).
"""

from __future__ import annotations

import re
from typing import Final

from redshift_standin.errors import RedshiftError, not_yet
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import Authorization

# Each way to authorize excludes the others; of the three key parameters the first two are needed.
ROLE: Final = "iam_role"
CREDENTIALS: Final = "credentials"
KEYS: Final = ("access_key_id", "secret_access_key", "session_token")
WORDS: Final = frozenset((ROLE, CREDENTIALS, *KEYS))

_ARN = r"arn:aws[a-z-]*:iam::\d+:role/[\w+=.@/-]+"
_ROLES: Final = re.compile(rf"{_ARN}(?:,{_ARN})*", re.ASCII)
_KEY: Final = re.compile(r"[!-:<-~]+")  # printable, no blank, no semicolon
_ROLE_CREDENTIALS: Final = re.compile(rf"aws_iam_role=({_ROLES.pattern})", re.ASCII)
_KEY_CREDENTIALS: Final = re.compile(
    rf"aws_access_key_id=({_KEY.pattern});aws_secret_access_key=({_KEY.pattern})(?:;token=({_KEY.pattern}))?"
)


class Given:
    """The authorization parameters read so far."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._default_role = False

    def read(self, reader: Reader) -> None:
        """One parameter with its argument, from its word on."""
        word = reader.advance().value
        if word in self._values:
            raise RedshiftError("42601", f"COPY: {word.upper()} is given more than once")
        if word == ROLE and reader.accept("default"):
            self._values[word] = "default"
            self._default_role = True
            return
        reader.accept("as")
        if reader.token.kind is not Kind.STRING:
            raise RedshiftError("42601", f"COPY: {word.upper()} needs a quoted string", position=reader.token.start + 1)
        self._values[word] = reader.advance().value

    def complete(self) -> Authorization:
        """What was given, taken together. Raises RedshiftError 42601 unless it is exactly one of the documented forms."""
        keys = [word for word in KEYS if word in self._values]
        forms = [word for word in (ROLE, CREDENTIALS) if word in self._values] + (["access keys"] if keys else [])
        if not forms:
            raise RedshiftError(
                "42601", "COPY: authorization is missing", hint="give IAM_ROLE, access keys or CREDENTIALS"
            )
        if len(forms) > 1:
            raise RedshiftError("42601", f"COPY: {' and '.join(form.upper() for form in forms)} exclude one another")
        if ROLE in self._values:
            return Authorization(role="default") if self._default_role else _role(self._values[ROLE])
        if CREDENTIALS in self._values:
            return _credentials(self._values[CREDENTIALS])
        return self._keys()

    def _keys(self) -> Authorization:
        for word in KEYS[:2]:
            if word not in self._values:
                raise RedshiftError("42601", f"COPY: access keys need {word.upper()} as well")
        for word in KEYS:
            if word in self._values and not _KEY.fullmatch(self._values[word]):
                raise RedshiftError("42601", f"COPY: {word.upper()} is not well-formed")
        return Authorization(**self._values)


def _role(text: str) -> Authorization:
    if not _ROLES.fullmatch(text):
        raise RedshiftError("42601", "COPY: IAM_ROLE is not the ARN of a role, nor a list of them without blanks")
    return Authorization(role=text)


def _credentials(text: str) -> Authorization:
    """The one string of CREDENTIALS: no blanks, its words in lower case."""
    if "master_symmetric_key=" in text:
        raise not_yet("COPY of encrypted files")
    if match := _ROLE_CREDENTIALS.fullmatch(text):
        return Authorization(role=match[1])
    if match := _KEY_CREDENTIALS.fullmatch(text):
        return Authorization(access_key_id=match[1], secret_access_key=match[2], session_token=match[3] or "")
    raise RedshiftError(
        "42601",
        "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or"
        " 'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'",
    )
