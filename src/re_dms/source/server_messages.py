"""ErrorResponse and NoticeResponse, where libpq does not read them for us.

Source: https://www.postgresql.org/docs/current/protocol-error-fields.html
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import errors as postgres
from psycopg import pq


def notice_fields(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Field type and value of an ErrorResponse's or NoticeResponse's body."""
    for field in body.split(b"\0"):
        if field:
            yield field[0], field[1:]


def server_error(body: bytes) -> psycopg.Error:
    """The error that psycopg would raise for an ErrorResponse."""
    fields: dict[int, bytes | None] = dict.fromkeys(pq.DiagnosticField)
    fields.update(notice_fields(body))
    state = (fields[pq.DiagnosticField.SQLSTATE] or b"").decode(errors="replace")
    try:
        kind = postgres.lookup(state)
    except KeyError:
        kind = postgres.get_base_exception(state)
    return kind((fields[pq.DiagnosticField.MESSAGE_PRIMARY] or b"").decode(errors="replace"), info=fields)
