"""Values that are right alone and wrong together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from re_dms.config import checks
from re_dms.settings import TEST_DECODING
from re_dms.warehouse.redshift.address import USER_NEEDED, Address

Value = Callable[[str], Any]
"""The value of a key (section.key); None where it is not set, or its section is not valid."""


def contradictions(value: Value) -> Iterator[str]:
    """One line each, with the key that has to change."""
    if value("source.insecure_tls") and value("source.ca_file"):
        yield "source.insecure_tls: cannot be combined with source.ca_file, which asks for a check"
    if value("source.plugin") == TEST_DECODING and value("source.publication"):
        yield "source.publication: goes with source.plugin pgoutput; test_decoding sends the tables of the whole database"
    if value("journal.kms_key_id") and value("journal.encryption") == "sse-s3":
        yield "journal.kms_key_id: goes with journal.encryption sse-kms, not sse-s3"
    if checks.is_redshift(value("warehouse.url")):
        yield from _of_redshift(value)
    else:
        yield from _of_duckdb(value)


def _of_duckdb(value: Value) -> Iterator[str]:
    journal, warehouse = value("journal.url"), value("warehouse.url")
    if journal and warehouse and journal.startswith("file:"):
        directory, database = (Path(os.path.normpath(checks.url_path(url))) for url in (journal, warehouse))
        if database == directory or directory.is_relative_to(database):
            yield "journal.url: cannot be the warehouse's file or lie below it"
        elif database.is_relative_to(directory):
            yield "warehouse.url: cannot lie inside the journal's directory"


def _of_redshift(value: Value) -> Iterator[str]:
    address = Address.parse(value("warehouse.url"))
    by_iam = [key for key in ("warehouse.cluster", "warehouse.workgroup") if value(key)]
    by_password = [key for key in ("warehouse.password", "warehouse.password_file") if value(key)]
    if (value("journal.url") or "").startswith("file:"):
        yield "journal.url: must be s3://bucket/prefix: Redshift cannot read files of this machine"
    if len(by_iam) > 1:
        yield "warehouse.cluster: cannot be combined with warehouse.workgroup"
    if len(by_password) > 1:
        yield "warehouse.password: cannot be combined with warehouse.password_file"
    if by_iam and by_password:
        yield f"{by_password[0]}: cannot be combined with {by_iam[0]}, for which AWS gives the password"
    if by_iam and address.driver == "psycopg":
        yield f"{by_iam[0]}: goes with AWS's own driver; take ?driver=psycopg off warehouse.url"
    if not address.user and not value("warehouse.workgroup"):
        yield f"warehouse.url: {USER_NEEDED}"
    if value("warehouse.insecure_tls") and value("warehouse.ca_file"):
        yield "warehouse.insecure_tls: cannot be combined with warehouse.ca_file, which asks for a check"
