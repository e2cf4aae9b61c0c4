"""COPY BINARY: synthetic tuples, and those that Postgres itself makes."""

import struct

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import messages as m
from fix_postgres import Database
from re_dms.decode.copy import decode_copy
from re_dms.errors import DecodeError

T = m.table(16_384, 2, step=2)
SIGNATURE = b"PGCOPY\n\xff\r\n\0"
ODD = [
    "",
    " ",
    "NULL",
    "\\N",
    "a\tb\r\n\"c\",'d'",
    "12 bytes: é€",
    "13 bytes: é€x",
    "🐘" * 4,
    "\ufeffbom",
    "x" * 100_000,
]


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.text(max_size=20), st.sampled_from(ODD[:-1]))] * 2), max_size=20))
def test_rows_come_back_as_inserts_in_their_order(rows: list[tuple[str | None, str | None]]) -> None:
    frame = decode_copy(m.frames([m.copy_tuple(row) for row in rows], tail=b"\1" * 32), T)
    assert frame.columns == ["seq", "op", "old", "c1", "c3"]
    assert frame.rows() == [(at, ord("I"), 0, *row) for at, row in enumerate(rows)]


@given(
    st.lists(st.tuples(*[st.one_of(st.none(), st.text(max_size=14))] * 2), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(0, 60),
    st.sampled_from([*range(8), 116, 127, 128, 255]),
    st.sampled_from(["set", "shorten", "lengthen"]),
)
def test_damaged_rows_decode_to_what_they_say_or_are_refused(rows, which, where, value, what) -> None:
    listed = [bytearray(m.copy_tuple(row)) for row in rows]
    hit = listed[which % len(listed)]
    if what == "set":
        hit[where % len(hit)] = value
    elif what == "shorten":
        del hit[where % len(hit) :]
    else:
        hit.append(value)
    expected = [reference(bytes(row)) for row in listed]
    frames = m.frames([bytes(row) for row in listed], tail=b"\0" * 32)
    if None in expected:
        with pytest.raises(DecodeError, match=r"^row \d+ of this buffer of the copy of public.t16384"):
            decode_copy(frames, T)
    else:
        assert decode_copy(frames, T).select("c1", "c3").rows() == expected


def reference(row: bytes) -> tuple[str | None, ...] | None:
    """The row's values one by one; None when it is no row of two texts."""
    values: list[str | None] = []
    try:
        (count,) = struct.unpack_from(">h", row)
        at = 2
        for _ in range(2):
            (length,) = struct.unpack_from(">i", row, at)
            at += 4
            if length < -1 or at + length > len(row):
                return None
            values.append(None if length == -1 else row[at : at + length].decode())
            at += max(length, 0)
    except (struct.error, UnicodeDecodeError):
        return None
    return tuple(values) if count == 2 and at == len(row) else None


def test_a_bad_byte_names_table_row_and_column_and_not_the_value() -> None:
    frames = m.frames([m.copy_tuple(["1", "a"]), m.copy_tuple(["2", b"secret\xff"])])
    with pytest.raises(DecodeError) as caught:
        decode_copy(frames, T)
    assert "row 2 of this buffer of the copy of public.t16384, column 'c3'" in caught.value.message
    assert "secret" not in str(caught.value)


def test_no_rows_are_an_empty_frame() -> None:
    assert decode_copy(m.frames([]), T).shape == (0, 5)


def test_rows_that_postgres_copies_are_the_rows_that_it_selects(database: Database) -> None:
    database.execute("create table t (c1 int primary key, gone text, c3 text)")
    database.execute("alter table t drop column gone")
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("insert into t values (%s, %s)", list(enumerate([*ODD, None])))
        data = b"".join(_copied(cursor, "copy (select c1::text, c3::text from t) to stdout (format binary)"))
    selected = database.fetch("select c1::text, c3::text from t")
    rows = _rows(data, columns=2)
    assert decode_copy(m.frames(rows), T).select("c1", "c3").rows() == selected
    assert len(selected) == len(ODD) + 1


def _copied(cursor: psycopg.Cursor, statement: str) -> list[bytes]:
    with cursor.copy(statement) as copy:
        return [bytes(part) for part in copy]


def _rows(data: bytes, columns: int) -> list[bytes]:
    """The tuples of a whole binary copy, without its header and trailer."""
    assert data.startswith(SIGNATURE)
    assert data.endswith(b"\xff\xff")
    at, rows = len(SIGNATURE) + 8, []
    while at < len(data) - 2:
        begin = at
        at += 2
        for _ in range(columns):
            (length,) = struct.unpack_from(">i", data, at)
            at += 4 + max(length, 0)
        rows.append(data[begin:at])
    return rows
