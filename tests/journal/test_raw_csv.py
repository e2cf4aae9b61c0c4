"""Lines of a copy become the file that their values would make, and the manifest says the same of it."""

from __future__ import annotations

import gzip
import io
import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import messages as m
from fix_postgres import Database
from nightly import NIGHTLY
from re_dms.decode.copy import find_lines
from re_dms.errors import DecodeError, InvariantError
from re_dms.journal.csv import read_csv
from re_dms.journal.dialect import odd_counts
from re_dms.journal.raw_csv import STRUCTURED, Lines, count_odd, read_lines, take_lines, write_lines
from re_dms.pgtypes import Kind, PgType
from re_dms.pipeline.buffers import PAD
from re_dms.schema import Column, KeyKind, Relation
from re_dms.source.catalog import describe
from re_dms.source.connection import connect
from re_dms.source.relations import relation_from_catalog
from source import type_literals
from source.copies import NULL, copied_frame, copy_region, lines_of
from source.given import settings_for
from values.test_edges import JSONS, TEXTS

Row = Sequence[str | bytes | None]
KINDS = [kind for kind in Kind if kind not in STRUCTURED]


def relation_of(kinds: Sequence[Kind], *, typmod: int = -1) -> Relation:
    columns = tuple(
        Column(attnum=number, name=f"column {number}", type=PgType(oid=1, typmod=typmod, name="?", kind=kind))
        for number, kind in enumerate(kinds, start=1)
    )
    return Relation(oid=7, schema="s", name="t", identity="d", key_kind=KeyKind.APPEND, key=(), columns=columns)


def line(row: Row) -> bytes:
    """As COPY writes it with FORCE_QUOTE *."""
    values = [value.encode() if isinstance(value, str) else value for value in row]
    return b",".join(NULL.encode() if v is None else b'"' + v.replace(b'"', b'""') + b'"' for v in values) + b"\n"


def taken(rows: Sequence[Row], kinds: Sequence[Kind], *, typmod: int = -1) -> Lines:
    region = b"".join(m.copy_data(line(row)) for row in rows)
    return lines_of(region, relation_of(kinds, typmod=typmod))


def unpacked(data: bytes, lines: Lines, compression: str) -> bytes:
    if compression == "gzip":
        return gzip.decompress(data)
    return pa.CompressedInputStream(io.BytesIO(data), "zstd").read() if len(lines.lengths) else b""


VALUES = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=30), st.sampled_from(["zstd", "gzip"]))
def test_the_file_holds_the_rows(rows: list[Row], compression: Any) -> None:
    lines = taken(rows, [Kind.TEXT, Kind.TEXT])
    data, stats = write_lines(lines, compression=compression)
    assert unpacked(data, lines, compression) == b"".join(b'"I",' + line(row) for row in rows)
    file = stats.data_file(key="k", odd=count_odd(lines))
    frame = read_csv(data, file)
    assert frame.columns == ["op", "c1", "c2"]
    assert frame.rows() == [("I", *row) for row in rows] == read_lines(lines).rows()
    assert file.row_bytes_max == max(len(line(row)) + 4 for row in rows)
    assert file.odd == {}


@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=30), st.integers(1, 9))
def test_lines_are_cut_between_rows(rows: list[Row], count: int) -> None:
    lines = taken(rows, [Kind.TEXT, Kind.TEXT])
    parts = lines.cut(count)
    assert len(parts) <= count
    assert all(len(part.lengths) for part in parts)
    assert pl.concat([read_lines(part) for part in parts]).equals(read_lines(lines))
    assert b"".join(bytes(part.data) for part in parts) == bytes(lines.data)


PROVOKING = [
    "NaN", "Infinity", "-Infinity", "infinity", "-infinity", "1e-45", "5e-324", "1.1e-38", "2e-308", "1e-39", "1e-307",
    "0044-03-15 BC", "0001-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "10000-01-01", "9999-12-31", "5874897-12-31",
    "", "x", '"NaN"', "a,\"\",b", " BC", "12345-67", "0" * 39, "1." + "0" * 37, "1." + "0" * 38, "9" * 1024, "9" * 1025,
    "y" * 65_535, "y" * 65_536, "é" * 32_768, "[" * 1001 + "]" * 1001, '{"a": 1, "a": 2}', '{"a": 1, "\\u0061": 2}', '"\\u0000"',
    '"\\ud800"', "1e400", '{"n": 1e400}', '{"n": ' + "7" * 40 + "}", "{}", "null", '{"long": "' + "z" * 3000 + '"}', '"\\/"',
]  # fmt: skip


NUMBER = r"-?[0-9]{1,1100}(\.[0-9]{1,9})?|NaN|-?Infinity"
DATE = r"-?infinity|[0-9]{4,7}-[01][0-9]-[0-3][0-9]( BC)?"
MOMENT = r"-?infinity|[0-9]{4,6}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(\+00)?( BC)?"
FLOAT = r"NaN|-?Infinity|-?[0-9]{1,3}(\.[0-9]{1,5})?(e[+-][0-9]{2,3})?"
SHAPES = {
    Kind.FLOAT4: FLOAT,
    Kind.FLOAT8: FLOAT,
    Kind.INTERVAL: r"-?infinity|-?[0-9]{1,3} days|[0-9]{2}:[0-9]{2}:[0-9]{2}",
    Kind.BYTEA: r"([0-9a-f]{2}){0,9}",
    Kind.NUMERIC: NUMBER,
    Kind.DATE: DATE,
    Kind.TIMESTAMP: MOMENT,
    Kind.TIMESTAMPTZ: MOMENT,
}


def is_possible(value: Any, kind: Kind) -> bool:
    """Whether a text may be one of the kind, as far as what is looked for depends on it."""
    return value is None or kind not in SHAPES or re.fullmatch(SHAPES[kind], value) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_each_odd_value_is_counted_in_each_kind(kind: Kind) -> None:
    """Whatever the values: the counts are those of the columns."""
    for typmod in (-1, 4 + (12 << 16) + 2):
        rows: list[Row] = [(value, "other") for value in PROVOKING] + [(None, "Infinity"), ("1", None)]
        rows = [row for row in rows if is_possible(row[0], kind)]
        if kind is Kind.NUMERIC and typmod > 0:
            rows = [row for row in rows if len(row[0] or "") <= 1000]  # as numeric(p,s) has it
        if kind in (Kind.JSON, Kind.JSONB):
            rows = [row for row in rows if row[0] is not None and row[0][:1] in ("{", "[", '"', "n")]
        for some in (rows, *([row] for row in rows), rows[::3], rows * 2):
            for kinds in ([kind, Kind.TEXT], [kind, Kind.UUID]):
                lines = taken(some, kinds, typmod=typmod)
                assert count_odd(lines) == odd_counts(read_lines(lines), lines.relation), (kind, len(some))


@given(st.data())
def test_odd_values_among_others_are_counted(data: st.DataObject) -> None:
    kinds = data.draw(
        st.lists(st.sampled_from([kind for kind in KINDS if kind is not Kind.JSON]), min_size=1, max_size=4)
    )
    texts = st.sampled_from(PROVOKING) | st.text(st.sampled_from('0123456789.-e"\\, nfiBCNa{}[]:'), max_size=50)
    values = {
        kind: st.none() | (st.from_regex(SHAPES[kind], fullmatch=True) if kind in SHAPES else texts) for kind in kinds
    }
    rows = data.draw(st.lists(st.tuples(*(values[kind] for kind in kinds)), min_size=1, max_size=8))
    lines = taken(rows, kinds)
    assert count_odd(lines) == odd_counts(read_lines(lines), lines.relation)


@pytest.mark.parametrize("value", ["x", '"', "é,", '"",""', "1"][:: 1 if NIGHTLY else 3])
@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.BYTEA, Kind.JSON, *[Kind.JSONB, Kind.ENUM, Kind.NUMERIC] * NIGHTLY])
def test_a_line_that_is_very_long_is_judged_without_a_copy_of_it(value: str, kind: Kind) -> None:
    long = value * (17 * 1024 * 1024 // len(value.encode()))
    kinds = [Kind.FLOAT8, kind, Kind.TEXT, Kind.BYTEA]
    lines = taken([("NaN", long, "a,\n", "")], kinds)
    assert lines.rows.str.len_bytes().max() < lines.data.size
    assert count_odd(lines) == {"1": 1, "4": 1} | ({} if kind is Kind.ENUM else {"2": 1})
    data, stats = write_lines(lines, compression="zstd")
    assert read_csv(data, stats.data_file(key="k", odd={})).row(0) == ("I", "NaN", long, "a,\n", "")
    with pytest.raises(DecodeError, match="column 'column 2'"):
        taken([("NaN", long.encode() + b"\xff", "a", "")], kinds)


def test_the_null_token_as_a_value_is_refused() -> None:
    with pytest.raises(InvariantError, match="NULL token"):
        count_odd(taken([("a", "b"), ("c", NULL)], [Kind.TEXT, Kind.INT4]))
    assert count_odd(taken([("a", None), (f"say {NULL}", None)], [Kind.TEXT, Kind.INT4])) == {}


@pytest.mark.parametrize("value", [b"secret\xff", b'"secret" \xc3', b"a,b\n\xed\xa0\x80"])
def test_a_bad_byte_names_table_row_and_column_and_not_the_value(value: bytes) -> None:
    rows: list[Row] = [("1", "é,\n", "x"), ("2", '","', value), ("3", b"\xff", "y")]
    with pytest.raises(DecodeError) as caught:
        taken(rows, [Kind.INT4, Kind.TEXT, Kind.TEXT])
    assert "row 2 of this buffer of the copy of s.t, column 'column 3'" in caught.value.message
    assert "secret" not in str(caught.value)


def test_no_lines_and_lines_without_columns() -> None:
    nothing = taken([], [Kind.TEXT])
    assert read_lines(nothing).shape == (0, 2)
    assert count_odd(nothing) == {}
    bare = lines_of(m.copy_data(b"\n") * 3, relation_of([]))
    assert read_lines(bare).rows() == [("I",)] * 3
    assert count_odd(bare) == {}


def test_short_lines_lie_in_place() -> None:
    """Values of up to 12 bytes stand in their view itself."""
    rows: list[Row] = [("",), ("1",), ("12",), ("123456789",), (None,), ("é" * 9,)]
    assert read_lines(taken(rows, [Kind.TEXT])).rows() == [("I", *row) for row in rows]


def test_the_lines_of_every_type_are_the_values_that_postgres_prints(database: Database) -> None:
    """Each type's literals (type_literals), and the texts at the edge, as Postgres copies them."""
    types = {**type_literals.LITERALS, "text ": [*TEXTS], "varchar": [*TEXTS], "json ": [*JSONS]}
    types["bytea "] = [f"convert_to({text}, 'UTF8')" for text in TEXTS]
    columns = ", ".join(f'"c{number}" {name}' for number, name in enumerate(types))
    database.execute(type_literals.SETUP + f"create table kinds.t ({columns})")
    for row in range(max(map(len, types.values())) + 1):
        values = [f"({some[row]})::{name}" if row < len(some) else "null" for name, some in types.items()]
        database.execute(f"set search_path = kinds, public; insert into kinds.t values ({', '.join(values)})")
    with connect(settings_for(database), purpose="copy") as session:
        oid = session.execute("select 'kinds.t'::regclass::oid::int8").fetchall()[0][0]
        relation = relation_from_catalog(describe(session, [oid])[oid])
        session.execute("begin")
        frame = copied_frame(session, relation)
        wanted = ", ".join(
            f"encode(\"c{number}\", 'hex')" if name.startswith("bytea ") or name == "bytea" else
            f'case when "c{number}" is distinct from null then concat("c{number}") end'
            for number, name in enumerate(types)
        )  # fmt: skip
        selected = session.execute(f"select {wanted} from kinds.t".encode()).fetchall()
        lines = lines_of(copy_region(session, relation), relation)
        session.execute("rollback")
    for number, column in enumerate(relation.columns):
        if column.type.kind not in STRUCTURED:
            assert frame[f"c{column.attnum}"].to_list() == [row[number] for row in selected], column.type.name
    plain = [column for column in relation.columns if column.type.kind not in STRUCTURED]
    assert len(plain) > 50
    # One column at a time, so that no other column's values make the line suspicious.
    for column in plain:
        alone = Relation(
            oid=1, schema="s", name="t", identity="d", key_kind=KeyKind.APPEND, key=(), columns=(column,)
        )  # fmt: skip
        values = frame[f"c{column.attnum}"].to_list()
        one = lines_of(b"".join(m.copy_data(line([value])) for value in values), alone)
        assert count_odd(one) == odd_counts(frame, alone), column.type.name
    assert odd_counts(frame, relation)
    assert len(lines.lengths) == frame.height


def test_a_region_may_be_written_again_once_its_file_is_there() -> None:
    region = np.frombuffer(bytearray(m.copy_data(line(["a value that is long enough"])) + bytes(PAD)), dtype=np.uint8)
    lines = take_lines(region, *find_lines(region[:-PAD]), relation_of([Kind.TEXT]), null=NULL)
    data, stats = write_lines(lines, compression="zstd")
    region[:] = 0xEE
    assert read_csv(data, stats.data_file(key="k", odd={})).rows() == [("I", "a value that is long enough")]


def test_structured_kinds_are_the_ones_that_the_dialect_changes() -> None:
    texts = {Kind.ARRAY, Kind.HSTORE, Kind.COMPOSITE}
    assert texts == STRUCTURED
    assert not texts & set(itertools.chain(KINDS))
