"""`re-dms check --print-grants`: the least rights that a pipeline needs, with its own names. Connects to nothing.

Source: https://www.postgresql.org/docs/current/logical-replication-security.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from re_dms.errors import ConfigurationError
from re_dms.journal.s3_session import Place
from re_dms.settings import Settings, SourceSettings
from re_dms.source.failures import printable
from re_dms.source.patterns import parse_patterns
from re_dms.source.plugins import has_publication
from re_dms.warehouse.redshift.grants import login_statement, redshift_grants

_CONNECTIONS_MAX: Final = 10  # of the role: the stream, the watcher, copies and commands


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What `source.tables` says by itself: tables (schema, name), schemas named by patterns, and whether there may be
    tables in other schemas."""

    tables: tuple[tuple[str, str], ...]
    schemas: tuple[str, ...]
    anywhere: bool


def grants(settings: Settings) -> Iterator[str]:
    """Lines: SQL for the source, policies for the bucket, SQL for Redshift; of each, what is configured.

    Raises ConfigurationError for an address or a pattern that cannot be read.
    """
    if settings.source is not None:
        yield from source_grants(settings.source)
        yield ""
    policy = bucket_policy(settings)
    if policy is not None:
        yield "-- IAM policy of whatever runs re_dms (run, capture, apply, check)."
        yield from _shown(policy)
        yield ""
    if settings.warehouse is None or urlsplit(settings.warehouse.url).scheme != "redshift":
        return
    reading = copy_policy(settings)
    if reading is not None:
        yield f"-- IAM policy of the role that Redshift reads the journal with (warehouse.iam_role: {settings.warehouse.iam_role})."
        yield from _shown(reading)
        yield ""
    wanted = _wanted(() if settings.source is None else settings.source.tables)
    schemas = {schema for schema, _ in wanted.tables} | set(wanted.schemas)
    yield from redshift_grants(settings.warehouse, schemas, makes_schemas=wanted.anywhere)


def source_grants(source: SourceSettings) -> Iterator[str]:
    """Lines of SQL and comments. The role reads; it owns nothing and can write nothing.

    Tables that a pattern chooses cannot be named here: SELECT is then on their whole schema, and the publication (where
    the plugin has one) is left to whoever owns them.
    """
    database, user = _names(source)
    role, wanted = _quoted(user), _wanted(source.tables)
    schemas = set(wanted.schemas) | ({"public"} if wanted.anywhere else set())
    yield f"-- Postgres, database {printable(_quoted(database))}: run it there, as a superuser."
    yield f"create role {role} login replication connection limit {_CONNECTIONS_MAX};"
    yield f"grant connect on database {_quoted(database)} to {role};"
    for schema in sorted(schemas | {schema for schema, _ in wanted.tables}):
        yield f"grant usage on schema {_quoted(schema)} to {role};"
    for schema in sorted(schemas):
        yield f"grant select on all tables in schema {_quoted(schema)} to {role};"
    if wanted.anywhere:
        yield "-- Usage and select likewise on every other schema whose tables are carried."
    tables = ", ".join(_quoted(*table) for table in wanted.tables)
    if tables:
        yield f"grant select on table {tables} to {role};"
    if has_publication(source):
        yield from _publication(source, tables, by_name=not schemas)
    else:
        yield f"-- No publication: {source.plugin} sends the changes of every table of the database to this role."
    yield f"-- Slot {printable(_quoted(source.slot))} is made by re_dms at its first start."


def _publication(source: SourceSettings, tables: str, *, by_name: bool) -> Iterator[str]:
    publication = f"create publication {_quoted(source.publication)} for table"
    made = "with (publish_via_partition_root = true);"
    yield "-- A table without a usable key refuses UPDATE and DELETE once it is published: `re-dms check` names those."
    if by_name:
        yield f"{publication} {tables} {made}"
    else:
        yield "-- The owner names the tables, since patterns are not looked up here:"
        yield f"-- {printable(publication)} … {made}"


def bucket_policy(settings: Settings) -> dict[str, Any] | None:
    """The policy of the identity that capture and apply have: the journal's prefix, its KMS key, the warehouse's
    credentials if AWS gives them. None when nothing of that is AWS's."""
    statements = []
    place = _place(settings)
    if place is not None:
        statements = _on_objects(place, ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"])
        statements += _on_key(place, ["kms:GenerateDataKey", "kms:Decrypt"])
    login = None if settings.warehouse is None else login_statement(settings.warehouse)
    if login is not None:
        statements.append(login)
    return _policy(statements) if statements else None


def copy_policy(settings: Settings) -> dict[str, Any] | None:
    """The policy of the role that COPY reads with; None for a journal that is not on S3."""
    place = _place(settings)
    return None if place is None else _policy(_on_objects(place, ["s3:GetObject"]) + _on_key(place, ["kms:Decrypt"]))


def _place(settings: Settings) -> Place | None:
    return Place.of(settings.journal) if urlsplit(settings.journal.url).scheme == "s3" else None


def _on_objects(place: Place, actions: Sequence[str]) -> list[dict[str, Any]]:
    bucket = f"arn:aws:s3:::{place.bucket}"
    below = f"{place.prefix}/*" if place.prefix else "*"
    listing: dict[str, Any] = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket}
    if place.prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [below]}}
    return [{"Effect": "Allow", "Action": list(actions), "Resource": f"{bucket}/{below}"}, listing]


def _on_key(place: Place, actions: Sequence[str]) -> list[dict[str, Any]]:
    """Nothing without a key of one's own: AWS's key for S3 serves everybody who may use the objects.

    A policy names keys by ARN; an alias is a condition on the key that has it.
    https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    """
    key = place.kms_key_id
    if key is None:
        return []
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions)}
    owner = f"arn:aws:kms:{place.region or '*'}:*" if not key.startswith("arn:") else key.rpartition(":")[0]
    name = key.rpartition(":")[2]
    if not name.startswith("alias/"):
        return [statement | {"Resource": f"{owner}:{name if name.startswith('key/') else f'key/{name}'}"}]
    condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}}
    return [statement | {"Resource": f"{owner}:key/*", "Condition": condition}]


def _policy(statements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _shown(policy: dict[str, Any]) -> Iterator[str]:
    yield from json.dumps(policy, indent=2, ensure_ascii=False).splitlines()


def _names(source: SourceSettings) -> tuple[str, str]:
    """Database and role, as libpq finds them. https://www.postgresql.org/docs/current/libpq-envars.html"""
    try:
        given = conninfo_to_dict(source.dsn)
    except psycopg.Error:
        raise ConfigurationError(
            "the source's DSN is not a valid connection string",
            remedy="write it as postgresql://user@host:port/database or as key=value pairs",
        ) from None
    user = str(given.get("user") or os.environ.get("PGUSER") or getpass.getuser())
    return str(given.get("dbname") or os.environ.get("PGDATABASE") or user), user


def _quoted(*names: str) -> str:
    return sql.Identifier(*names).as_string(None)


def _wanted(texts: Sequence[str]) -> _Wanted:
    patterns = parse_patterns(texts)
    named = [(_literal(pattern.schema), _literal(pattern.name)) for pattern in patterns]
    tables = {(schema, name) for schema, name in named if schema is not None and name is not None}
    schemas = {schema for schema, name in named if schema is not None and name is None}
    return _Wanted(
        tables=tuple(sorted(tables)),
        schemas=tuple(sorted(schemas)),
        anywhere=not patterns or any(schema is None for schema, _ in named),
    )


def _literal(pattern: re.Pattern[str]) -> str | None:
    """The one name that a part of a table's pattern matches; None when it has a `*`."""
    escaped = re.compile(r"\\(.)", re.DOTALL)
    return None if "." in escaped.sub("", pattern.pattern) else escaped.sub(r"\1", pattern.pattern)
