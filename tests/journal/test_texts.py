"""What is read off the views of a frame is what Polars says of its values."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from re_dms.journal.dialect import odd_counts
from re_dms.journal.texts import FIELD_BYTES, Texts
from re_dms.odd import is_odd
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation

TOKEN = "n0123456789abcdef01234567"
VALUES = (
    st.none()
    | st.sampled_from(["", TOKEN, TOKEN[:-1] + "0", "short", "just 12 byte", "thirteen byte"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Frames of one to three columns: sliced, in several chunks, gathered."""
    width, height = draw(st.integers(1, 3)), draw(st.integers(0, 20))
    columns = {f"c{number}": draw(st.lists(VALUES, min_size=height, max_size=height)) for number in range(1, width + 1)}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    match draw(st.integers(0, 3)):
        case 1:
            start = draw(st.integers(0, height))
            return frame.slice(start, draw(st.integers(0, height)))
        case 2:
            return pl.concat([frame, frame.slice(height // 2)], rechunk=False)
        case 3 if height:
            return frame[draw(st.lists(st.integers(0, height - 1), max_size=30))]
        case _:
            return frame


@given(frame=frames())
def test_lengths_and_nulls_are_those_of_the_values(frame: pl.DataFrame) -> None:
    texts = Texts(frame)
    for name in frame.columns:
        assert texts.of_length(name).tolist() == frame[name].str.len_bytes().fill_null(0).to_list()
        assert texts.nulls(name) == frame[name].null_count()
        assert texts.longest(name) == (frame[name].str.len_bytes().max() or 0)
    rows = [sum(len((value or "").encode()) + FIELD_BYTES for value in row) for row in frame.rows()]
    assert texts.row_bytes.tolist() == rows
    assert texts.text_bytes == sum(rows)


@given(frame=frames(), enough=st.integers(0, 100))
def test_no_row_is_longer_than_the_bound_which_is_exact_above_enough(frame: pl.DataFrame, enough: int) -> None:
    longest = max((sum(len((TOKEN if v is None else v).encode()) for v in row) for row in frame.rows()), default=0)
    bound = Texts(frame).longest_row(TOKEN, enough=enough)
    assert bound >= longest
    assert bound <= enough or bound == longest


@given(frame=frames())
def test_a_value_that_equals_the_token_is_never_missed(frame: pl.DataFrame) -> None:
    if any(TOKEN in row for row in frame.rows()):
        assert Texts(frame).may_hold(TOKEN)


def test_what_only_is_as_long_as_the_token_is_not_suspected() -> None:
    frame = pl.DataFrame({"c1": ["x" + TOKEN[1:], None, "a"]})
    assert not Texts(frame).may_hold(TOKEN)


@given(frame=frames())
def test_bytes_are_those_that_stand_there(frame: pl.DataFrame) -> None:
    texts = Texts(frame)
    for name in frame.columns:
        data = [(value or "").encode() for value in frame[name]]
        for place in (0, 4, 11, -1, -4):
            found = texts.byte_at(name, place)
            if found is not None:
                wanted = [value[place : place + 1 or None] or b"\0" for value in data]
                wanted = [
                    b"\0" if place < 0 and len(value) < -place else byte
                    for value, byte in zip(data, wanted, strict=True)
                ]
                assert found.tobytes() == b"".join(wanted)
        there = frame[name].is_not_null().to_numpy()
        prefix = [list(value[:4].ljust(4, b"\0")) for value in data]
        assert texts.prefix(name)[there].tolist() == [
            each for each, is_there in zip(prefix, there, strict=True) if is_there
        ]


PLAIN = ["2024-02-29 12:00:00", "2024-02-29 12:00:00.1", "2024-02-29 12:00:00.123456+00", "0001-01-01 00:00:00"]
ODD = ["infinity", "-infinity", "10000-01-01 00:00:00", "294276-12-31 23:59:59.999999", "0044-03-15 12:00:00 BC"]
NUMBERS = [
    "1",
    "-1",
    "0.5",
    "1e+20",
    "-1.5e-7",
    "NaN",
    "Infinity",
    "-Infinity",
    "5e-324",
    "1e-45",
    "1e-300",
    "9" * 1_100,
]
OF_KIND = {
    Kind.TIMESTAMP: [*PLAIN, *ODD],
    Kind.TIMESTAMPTZ: [*PLAIN, *ODD],
    Kind.DATE: ["2024-02-29", "infinity", "-infinity", "10000-01-01", "0044-03-15 BC"],
    Kind.NUMERIC: [number for number in NUMBERS if "e" not in number],
    Kind.FLOAT4: NUMBERS,
    Kind.FLOAT8: NUMBERS,
    Kind.INTERVAL: ["1 day", "01:02:03", "infinity", "-infinity"],
    Kind.BYTEA: ["", "00", "ff" * 1_024_000],
    Kind.TEXT: ["", "x", "x" * 65_535, "x" * 65_536],
    Kind.JSONB: ["{}", '{"a": 1}', "1" * 50],
    Kind.INT4: ["1", "-1"],
}


@pytest.mark.parametrize("kind", OF_KIND)
@given(data=st.data())
def test_odd_values_are_counted_as_they_are_judged_one_by_one(kind: Kind, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | st.sampled_from(OF_KIND[kind]), max_size=12))
    frame = pl.DataFrame({"c1": values}, schema={"c1": pl.String})
    if data.draw(st.booleans()):  # several chunks with a buffer each
        frame = pl.concat([frame, pl.DataFrame({"c1": values[:5]}, schema={"c1": pl.String})], rechunk=False)
    pg = PgType(oid=1, name=kind.value, typmod=-1, kind=kind)
    relation = Relation(
        oid=1, schema="s", name="t", identity="d", key_kind=KeyKind.APPEND, key=(),
        columns=(Column(attnum=1, name="a", type=pg),),
    )  # fmt: skip
    count = int(is_odd(pg, frame["c1"]).sum())
    assert odd_counts(frame, relation) == ({"1": count} if count else {})
