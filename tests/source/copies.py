"""Copies as tests read them: whole, in memory."""

from __future__ import annotations

import re
import select
from typing import Any

import numpy as np
import polars as pl
import psycopg

from re_dms.decode.copy import find_lines
from re_dms.journal.dialect import encode
from re_dms.journal.raw_csv import Lines, read_lines, take_lines
from re_dms.pipeline.borders import messages
from re_dms.pipeline.buffers import PAD
from re_dms.schema import Relation
from re_dms.source.copy_stream import COPY_DATA, CopyEnded
from re_dms.source.export import open_rows, refused

NULL = "nabcdef0123456789abcdef01"
_FIELD = re.compile(rb'("(?:[^"]|"")*"|[^,"]*)(?:,|\n)')


def copy_region(session: psycopg.Connection[Any], relation: Relation, **options: Any) -> bytes:
    """The CopyData messages of a copy, inside `under_snapshot`; `options` as of `open_rows`."""
    given = {"partitioned": False, "null": NULL, **options}
    stream = open_rows(session, relation, **given)
    data, piece, read, lines = bytearray(), memoryview(bytearray(64 * 1024)), 0, bytearray()
    try:
        while True:
            size = stream.receive(piece)
            data += piece[:size]
            if size == 0:
                select.select([session.pgconn.socket], [], [])
            for kind, body, end in messages(memoryview(bytes(data)), read, len(data)):
                if kind == COPY_DATA:
                    lines += data[read:end]
                else:
                    stream.other(kind, bytes(data[body:end]))
                read = end
    except CopyEnded:
        return bytes(lines)
    except psycopg.Error as error:
        if not stream.ended:
            session.close()
        raise refused(error, relation) from None


def lines_of(region: bytes, relation: Relation, *, null: str = NULL) -> Lines:
    """The lines in the CopyData messages of a region."""
    laid = np.frombuffer(bytearray(region + bytes(PAD)), dtype=np.uint8)
    return take_lines(laid, *find_lines(laid[:-PAD]), relation, null=null)


def copied_frame(session: psycopg.Connection[Any], relation: Relation, **options: Any) -> pl.DataFrame:
    """The rows of a copy in the journal's dialect: `op` and a `c<attnum>` for each column."""
    return encode(read_lines(lines_of(copy_region(session, relation, **options), relation)), relation)


def copied_rows(session: psycopg.Connection[Any], relation: Relation, **options: Any) -> list[tuple[bytes | None, ...]]:
    """The rows of a copy, parsed one by one, as Postgres printed the values; bytea as bare hex."""
    region = copy_region(session, relation, **options)
    bodies = [region[body:end] for _, body, end in messages(memoryview(region), 0, len(region))]
    return [_values(body) if relation.columns else () for body in bodies]


def _values(line: bytes) -> tuple[bytes | None, ...]:
    found = _FIELD.findall(line)
    assert b"".join(field + b"," for field in found)[:-1] + b"\n" == line
    return tuple(None if field == NULL.encode() else _unquoted(field) for field in found)


def _unquoted(field: bytes) -> bytes:
    assert field[:1] == field[-1:] == b'"'
    return field[1:-1].replace(b'""', b'"')
