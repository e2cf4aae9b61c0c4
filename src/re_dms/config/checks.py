"""Checks of single values. Pure; they raise ValueError with a message that never quotes the value.

A value may be a secret that was put in the wrong place (a DSN given as the warehouse's URL), so no message repeats one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from re_dms.errors import ConfigurationError
from re_dms.source.patterns import TablePattern
from re_dms.warehouse.redshift.address import SCHEME as REDSHIFT
from re_dms.warehouse.redshift.address import Address

_IDENTIFIER: Final = re.compile(r"[a-z0-9_]{1,63}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PARTS: Final = re.compile(r'(?:"[^"]*"|[^",]|")+')
_PARTS_IN_PARENTHESES: Final = re.compile(r"(?:\([^)]*\)|[^(,]|\()+")
_S3: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*/?")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_ARN: Final = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=.@_/-]{1,512}"
_ROLES: Final = re.compile(rf"default|{_ARN}(,{_ARN})*")
_CLUSTER: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_WORKGROUP: Final = re.compile(r"[a-z0-9-]{3,64}")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):(//)?", re.IGNORECASE)

KMS_KEY_BYTES_MAX: Final = 2048
SECRET_CHARACTERS_MAX: Final = 1024
IDENTIFIER_BYTES_MAX: Final = 63  # NAMEDATALEN - 1
PATTERN_BYTES_MAX: Final = 4 * IDENTIFIER_BYTES_MAX + 5  # both names quoted, every character a doubled quote


def identifier(text: str) -> str:
    """A pipeline's or slot's name. Postgres allows a slot no other characters.

    Source: https://www.postgresql.org/docs/current/warm-standby.html#STREAMING-REPLICATION-SLOTS-MANIPULATION
    """
    if _IDENTIFIER.fullmatch(text) is None:
        raise ValueError("must be 1 to 63 of the characters a-z, 0-9 and _")
    return text


def publication(text: str) -> str:
    """A publication's name: any identifier of Postgres."""
    if not 1 <= len(text.encode("utf-8", "replace")) <= IDENTIFIER_BYTES_MAX or _CONTROL.search(text):
        raise ValueError("must be 1 to 63 bytes without control characters")
    return text


def pattern(text: str) -> str:
    """What `re_dms.source.patterns` understands: schema.table, with `*` for any characters, "quoted" as in SQL."""
    try:
        TablePattern.parse(text)
    except ConfigurationError:
        raise ValueError(
            'must be patterns like schema.table, with * for any characters and "…" around unusual names'
        ) from None
    if len(text.encode("utf-8", "replace")) > PATTERN_BYTES_MAX or _CONTROL.search(text):
        raise ValueError(f"holds a pattern longer than {PATTERN_BYTES_MAX} bytes, or with control characters")
    return text


def split_patterns(text: str) -> tuple[str, ...]:
    """The patterns in a text that parts them by commas; a comma inside "…" belongs to a name."""
    return tuple(part.strip() for part in _PARTS.findall(text) if part.strip())


def split_designs(text: str) -> tuple[str, ...]:
    """The lines in a text that parts them by commas; a comma inside (…) belongs to a list of columns."""
    return tuple(part.strip() for part in _PARTS_IN_PARENTHESES.findall(text) if part.strip())


def designs(lines: tuple[str, ...]) -> tuple[str, ...]:
    """What `re_dms.warehouse.redshift.design` reads."""
    from re_dms.warehouse.redshift.design import parse

    try:
        parse(lines)
    except ConfigurationError:
        raise ValueError("must be lines like public.orders=distkey(customer_id) sortkey(created_at)") from None
    return lines


def policies(lines: tuple[str, ...]) -> tuple[str, ...]:
    """What `re_dms.warehouse.redshift.policies` reads."""
    if lines:  # it takes Polars with it
        from re_dms.warehouse.redshift.policies import Policies

        try:
            Policies.parse(lines)
        except ConfigurationError:
            raise ValueError("must be lines like public.orders.note=truncate: fail, null, clamp or truncate") from None
    return lines


def dsn(text: str) -> str:
    """Any connection string of libpq; the empty one leaves everything to libpq's environment variables.

    Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    _dsn_parts(text)
    return text


def dsn_has_password(text: str) -> bool:
    """Whether the connection string, which `dsn` accepted, carries a password."""
    parts = _dsn_parts(text)
    return bool(parts.get("password") or parts.get("sslpassword"))


def warehouse_url(text: str) -> str:
    """duckdb:///abs/file.duckdb or redshift://user@host:5439/database."""
    if is_redshift(text):
        Address.parse(text)
        return text
    path = _path_of(text, scheme="duckdb", example="duckdb:///srv/re_dms/shop.duckdb", what="file", other=REDSHIFT)
    if path.endswith("/"):
        raise ValueError("must name a file, not a directory: duckdb:///srv/re_dms/shop.duckdb")
    return text


def is_redshift(url: str | None) -> bool:
    """Whether a warehouse's URL means Redshift."""
    return url is not None and url.startswith(REDSHIFT)


def journal_url(text: str) -> str:
    """file:///abs/dir or s3://bucket/prefix."""
    if text.startswith("s3://"):
        if _S3.fullmatch(text) is None:
            raise ValueError(
                "must be s3://bucket/prefix: a bucket's name, and a prefix of letters, digits, dots, dashes, underscores"
            )
        return text
    path = _path_of(text, scheme="file", example="file:///srv/re_dms/journal", what="directory", other="s3://")
    if path.strip("/") == "":
        raise ValueError("must name a directory of its own: file:///srv/re_dms/journal")
    return text


def region(text: str) -> str:
    """An AWS region, as AWS writes it."""
    if _REGION.fullmatch(text) is None:
        raise ValueError("must be a region like eu-central-1")
    return text


def directory(text: str) -> str:
    """A directory of this machine, as an absolute path; whether it is there is seen when it is needed."""
    if not text.startswith("/"):
        raise ValueError("must be an absolute path: /srv/re_dms/spill")
    return text


def kms_key(text: str) -> str:
    """A KMS key: ARN, id or alias."""
    if not text.isprintable() or not text.isascii() or " " in text or len(text) > KMS_KEY_BYTES_MAX:
        raise ValueError("must be a KMS key's ARN, id or alias")
    return text


def iam_role(text: str) -> str:
    """What COPY assumes: a role's ARN, several of them chained by commas, or the cluster's default role.

    Source: https://docs.aws.amazon.com/redshift/latest/mgmt/authorizing-redshift-service.html
    """
    if _ROLES.fullmatch(text) is None:
        raise ValueError(
            'must be "default", a role\'s ARN like arn:aws:iam::123456789012:role/name, or a chain of them'
        )
    return text


def cluster(text: str) -> str:
    """A provisioned cluster's identifier."""
    if _CLUSTER.fullmatch(text) is None:
        raise ValueError("must be a cluster's identifier: 1 to 63 of the characters a-z, 0-9 and -")
    return text


def workgroup(text: str) -> str:
    """A serverless workgroup's name."""
    if _WORKGROUP.fullmatch(text) is None:
        raise ValueError("must be a workgroup's name: 3 to 64 of the characters a-z, 0-9 and -")
    return text


def others_can_read(path: Path) -> bool:
    """Whether anybody but its owner can read the file. Raises OSError."""
    return bool(path.stat().st_mode & 0o077)


def secret_in(path: Path) -> str:
    """The first line of a file that only its owner can read. Raises ValueError with what is wrong with it."""
    try:
        if others_can_read(path):
            raise ValueError("can be read by others than its owner: chmod 600")
        with path.open(encoding="utf-8") as file:
            secret = file.readline(SECRET_CHARACTERS_MAX + 1).rstrip("\r\n")
    except OSError as refused:
        raise ValueError(f"cannot be read ({refused.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    if not 1 <= len(secret) <= SECRET_CHARACTERS_MAX:
        raise ValueError(f"must hold 1 to {SECRET_CHARACTERS_MAX} characters in its first line")
    return secret


def url_path(url: str) -> str:
    """The absolute path in a URL that `warehouse_url` or `journal_url` accepted."""
    return url.partition("://")[2]


def _path_of(text: str, *, scheme: str, example: str, what: str, other: str) -> str:
    found = _SCHEME.match(text)
    if found and found[1].lower() != scheme:
        raise ValueError(f"must be {example}; other schemes than {scheme}:// and {other} are not known")
    if found and not text.startswith(f"{scheme}://"):
        raise ValueError(f"must be {example}, with three slashes and the scheme in lower case")
    path = text.removeprefix(f"{scheme}://")
    if not found or not path.startswith("/"):
        here = "" if path in ("", ":memory:") or path.startswith("/") else f"; for a {what} below this directory write "
        below = f"{scheme}://{Path.cwd()}/…" if here else ""
        raise ValueError(f"must be an absolute path like {example}{here}{below}")
    if _CONTROL.search(path) or any(character in path for character in "?#%"):
        raise ValueError("must be a path without control characters, ?, # and %")
    return path


def _dsn_parts(text: str) -> dict[str, object]:
    # psycopg takes 0.1 s to import: commands without a source do without it.
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    try:
        return dict(conninfo_to_dict(text))
    except (Error, ValueError):
        # libpq's own message quotes the string, password and all: not even a cause is kept.
        pass
    raise ValueError(
        "is not a connection string of libpq; write postgresql://user@host:5432/database or host=… dbname=… user=…"
    )
