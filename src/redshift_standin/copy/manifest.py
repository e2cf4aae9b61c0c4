"""Which files a COPY reads: all that share the prefix, or those that a manifest names.

Source: AWS Database Developer Guide, "Using a manifest to specify data files", "COPY from Amazon S3".
"""

from __future__ import annotations

import json
from typing import Any, Final

from redshift_standin.copy.s3 import S3Connection, S3Object, parse_url, s3_error
from redshift_standin.errors import RedshiftError, unknown
from redshift_standin.sql.statements import Copy

MANIFEST_BYTES_MAX: Final = 64 * 1024 * 1024


def objects(command: Copy, connection: S3Connection) -> list[S3Object]:
    """The files to read, each as often as it is to be loaded; never none.

    Raises RedshiftError XX000: no file, no manifest, a manifest that is not as documented, a mandatory file that is
    missing. Every file is known to exist before the first is read.
    """
    parts = parse_url(command.url)
    if parts is None:
        raise s3_error(f"Invalid S3 path '{command.url}'", "Parsing the S3 path")
    bucket, key = parts
    if command.manifest:
        return _present(_entries(connection, bucket, key), connection, command.url)
    found = [S3Object(bucket=bucket, key=each) for each in connection.matching(bucket, key)]
    if not found:
        raise s3_error(f"The specified S3 prefix '{key}' does not exist", f"Listing bucket={bucket} prefix={key}")
    return found


def _present(entries: list[S3Object], connection: S3Connection, manifest: str) -> list[S3Object]:
    present = []
    for entry in entries:
        if connection.exists(entry.bucket, entry.key):
            present.append(entry)
        elif entry.mandatory:
            raise s3_error(
                "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey,Rid ,ExtRid ,CanRetry 1",
                f"S3 key being read : {entry.url}",
            )
    if not present:
        raise s3_error("No valid S3 files found in the manifest", f"Manifest {manifest}")
    return present


def _entries(connection: S3Connection, bucket: str, key: str) -> list[S3Object]:
    url = f"s3://{bucket}/{key}"
    content = bytearray()
    try:
        for chunk in connection.body(bucket, key):
            content += chunk
            if len(content) > MANIFEST_BYTES_MAX:
                raise _bad(url, f"larger than {MANIFEST_BYTES_MAX} bytes")
    except RedshiftError as error:
        raise RedshiftError(
            error.sqlstate, f"Problem reading manifest file - {error.message}", detail=error.detail
        ) from None
    return parse(bytes(content), url)


def parse(content: bytes, url: str) -> list[S3Object]:
    """The entries of a manifest in their order; keys that mean nothing to COPY are ignored."""
    try:
        document = json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _bad(url, "not a JSON document in UTF-8") from None
    entries = document.get("entries") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise _bad(url, 'no list "entries"')
    return [_entry(entry, number, url) for number, entry in enumerate(entries, 1)]


def _entry(entry: Any, number: int, url: str) -> S3Object:
    if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
        raise _bad(url, f'entry {number} has no "url"')
    mandatory = entry.get("mandatory", False)
    if not isinstance(mandatory, bool):
        raise _bad(url, f'"mandatory" of entry {number} is neither true nor false')
    parts = parse_url(entry["url"])
    if parts is None:
        raise _bad(url, f"the url of entry {number} is not a full path s3://bucket/key")
    return S3Object(bucket=parts[0], key=parts[1], mandatory=mandatory)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise unknown("a key that a manifest has twice")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _bad(url: str, what: str) -> RedshiftError:
    return s3_error(f"Invalid manifest file {url}: {what}", f"Manifest {url}")
