"""The journal's dialect, with Postgres and psycopg as the oracle of what an array holds.

Not tested for want of a way to tell: arrays of user-defined types with a delimiter of their own (only box[] is known).
"""

import itertools
import math
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_postgres import Database
from journal.columns import HOSTILE, decoded, relation
from re_dms.errors import DecodeError
from re_dms.journal.dialect import encode, odd_counts
from re_dms.odd import BYTEA_BYTES_MAX, NUMERIC_BYTES_MAX, TEXT_BYTES_MAX
from re_dms.pgtypes import Kind, PgType

NUMBERS = (Kind.INT2, Kind.INT4, Kind.INT8, Kind.FLOAT4, Kind.FLOAT8, Kind.NUMERIC)


def encoded(literals: list[str | None], element: Kind, oid: int = 0) -> list[str | None]:
    type_ = PgType(oid=oid, typmod=-1, name=f"{element}[]", kind=Kind.ARRAY, element=element)
    frame = pl.DataFrame({"c1": literals}, schema={"c1": pl.String})
    return encode(frame, relation(type_))["c1"].to_list()


# --- Arrays

ARRAYS: list[tuple[str, Kind, list[str]]] = [
    ("int4", Kind.INT4, ["'{1,-2,NULL,0}'", "'{}'", "NULL", "'{{1,2},{3,NULL}}'", "'[0:1]={7,8}'"]),
    ("int8", Kind.INT8, ["'{9223372036854775807,-9223372036854775808}'", "'[-5:-4][2:2]={{1},{2}}'"]),
    ("int2", Kind.INT2, ["'{{{1,2},{3,4}},{{5,6},{7,8}}}'"]),
    ("float8", Kind.FLOAT8, ["'{1e300,1e-7,-0,NaN,Infinity,-Infinity,NULL,0.1}'", "'{1}'"]),
    ("float4", Kind.FLOAT4, ["'{1e30,3.4,NaN}'"]),
    ("numeric", Kind.NUMERIC, ["'{1.10,-0.001,NaN,Infinity,-Infinity,NULL,123456789012345678901234567890.5}'"]),
    ("bool", Kind.BOOL, ["'{t,f,NULL}'", "'{{t},{f}}'", "'{}'"]),
    ("uuid", Kind.UUID, ["'{00000000-0000-0000-0000-00000000000a,NULL}'"]),
    ("timestamptz", Kind.TIMESTAMPTZ, ["'{2026-01-01 00:00:00+00,infinity,NULL}'", "'{0044-03-15 00:00:00+00 BC}'"]),
    ("timestamp", Kind.TIMESTAMP, ["'{2026-01-01 00:00:00.5}'"]),
    ("date", Kind.DATE, ["'{2026-01-01,-infinity}'"]),
    ("interval", Kind.INTERVAL, ["'{1 day 02:00:00,-1 mon}'"]),
    ("mood", Kind.TEXT, ['\'{fine,"not so, fine",NULL,"NULL"}\'']),
    ("jsonb", Kind.JSONB, [r"""array['{"a": [1, "x\"y\\z", null]}', '1', 'null', '"s"', 'true']::jsonb[]"""]),
    ("json", Kind.JSON, [r"""array['{"a":  1}', '[]']::json[]"""]),
    ("bytea", Kind.BYTEA, [r"array['\x00ff', '', null]::bytea[]"]),
    ("bpchar(3)", Kind.BPCHAR, ["array['a','abc']::bpchar(3)[]"]),
    ("int4range", Kind.OTHER, ["array['[1,5)','empty','(,)']::int4range[]"]),
    ("int4multirange", Kind.OTHER, ["array['{[1,5),[7,9)}','{}']::int4multirange[]"]),
    ("pair", Kind.OTHER, ["array[row(1,'a \"b\" \\,'),row(null,'')]::pair[]"]),
    ("box", Kind.OTHER, ["'{(3,4),(1,2);(7,8),(5,6);NULL}'"]),
    ("point", Kind.OTHER, ["array['(1,2)','(3,4)']::point[]"]),
    ("inet", Kind.OTHER, ["'{10.0.0.0/8,::1}'"]),
]


@pytest.mark.parametrize(("name", "element", "values"), ARRAYS, ids=[name for name, _, _ in ARRAYS])
def test_arrays_of_a_type_hold_what_postgres_says(
    database: Database, name: str, element: Kind, values: list[str]
) -> None:
    database.execute("create type mood as enum ('fine', 'not so, fine', 'NULL')")
    database.execute("create type pair as (a int, b text)")
    # Read again as text[], the literal gives every element as its type prints it (a cast would trim a bpchar; psycopg
    # cannot load an infinite date). A box[] has another delimiter.
    elements = {Kind.BOOL: "v"}.get(element, "v::text[]" if name == "box" else "v::text::text[]")
    with database.connect() as connection:
        connection.execute("set intervalstyle = postgres; set timezone = utc")
        for value in values:
            query = f"select v::text, {elements}, '{name}[]'::regtype::oid from (select {value}::{name}[] v) x"
            row = connection.execute(query).fetchone()
            assert row is not None
            literal, expected, oid = row
            (found,) = (decoded(text) for text in encoded([literal], element, int(oid)))
            if element in NUMBERS:
                assert comparable(found) == comparable(numbers(expected))
            else:
                assert found == expected


def numbers(texts: Any) -> Any:
    return [numbers(text) for text in texts] if isinstance(texts, list) else None if texts is None else Decimal(texts)


def comparable(value: Any) -> Any:
    """Decimals, where NaN equals NaN and the strings of the dialect are the numbers that they name."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if value is None:
        return None
    number = Decimal(value)
    return "NaN" if math.isnan(number) else number


def test_hostile_elements_are_what_psycopg_reads(database: Database) -> None:
    arrays: list[Any] = [[], HOSTILE, [None, *HOSTILE, None], *([text] for text in HOSTILE), [None]]
    arrays += [[[a, b], [b, None]] for a, b in zip(HOSTILE, reversed(HOSTILE), strict=True)]
    arrays += [[[[a], [b]], [[None], ["x"]]] for a, b in itertools.pairwise(HOSTILE)]
    database.execute("create table a (id int, v text[])")
    with database.connect() as connection:
        with connection.cursor() as cursor:
            cursor.executemany("insert into a values (%s, %s::text[])", list(enumerate(arrays)))
        rows = connection.execute("select v::text, v from a order by id").fetchall()
    found = encoded([literal for literal, _ in rows], Kind.TEXT)
    assert [decoded(text) for text in found] == [value for _, value in rows]
    assert [value for _, value in rows] == arrays, "the test itself lost nothing on the way"


ELEMENTS = (
    st.none() | st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
)


@given(rows=st.lists(st.lists(ELEMENTS, max_size=6), min_size=1, max_size=6))
def test_any_array_is_read_back(rows: list[list[str | None]]) -> None:
    """Against a model of array_out (src/backend/utils/adt/arrayfuncs.c); Postgres itself is asked above."""
    found = encoded([array_out(row) for row in rows], Kind.TEXT)
    assert [decoded(text) for text in found] == rows


def array_out(elements: list[str | None]) -> str:
    return "{" + ",".join("NULL" if element is None else quoted(element) for element in elements) + "}"


def quoted(element: str) -> str:
    if element and element.upper() != "NULL" and not set(element) & set('"\\{}, \t\n\r\v\f'):
        return element
    return '"' + element.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_json_of_arrays_is_plain_json() -> None:
    assert encoded(["{1,NULL,NaN,-Infinity}"], Kind.FLOAT8) == ['[1,null,"NaN","-Infinity"]']
    assert encoded(['{a,NULL,"NULL","b \\"c\\""}'], Kind.TEXT) == ['["a",null,"NULL","b \\"c\\""]']
    assert encoded(["{t,f}"], Kind.BOOL) == ["[true,false]"]
    assert encoded(["{1,true}"], Kind.JSONB) == ['["1","true"]']


def test_rows_of_one_column_do_not_meet() -> None:
    """Values with quotes, without, with bounds, with control characters, and NULL, in one frame."""
    values = ['{a,"b c"}', None, "{}", "[3:4]={x,NULL}", "{y\x01}", '{"\x02"}', None]
    assert [decoded(text) for text in encoded(values, Kind.TEXT)] == [
        ["a", "b c"],
        None,
        [],
        ["x", None],
        ["y\x01"],
        ["\x02"],
        None,
    ]


@pytest.mark.parametrize("text", ["", "1 2", "secret", "{1", "1}", "[1:1]=1"])
def test_a_text_that_is_no_array_is_refused_without_telling_it(text: str) -> None:
    with pytest.raises(DecodeError, match=r"'column1' of s\.t") as refused:
        encoded(["{}", text], Kind.TEXT)
    assert "secret" not in str(refused.value)


# --- Other kinds


def test_bytea_becomes_bare_hex_wherever_it_stands() -> None:
    kinds = relation((Kind.BYTEA, None), (Kind.TEXT, None))
    frame = pl.DataFrame(
        {"op": ["P", "D"], "mask": ["2", None], "f1": ["\\x00ff", None], "c1": ["\\x", "\\xAB"], "c2": ["\\x61", None]}
    )
    assert encode(frame, kinds).rows() == [("P", "2", "00ff", "", "\\x61"), ("D", None, None, "AB", None)]


def test_everything_else_passes_unchanged() -> None:
    rewritten = (Kind.ARRAY, Kind.BYTEA, Kind.HSTORE, Kind.COMPOSITE)
    kinds = relation(*[(kind, None) for kind in Kind if kind not in rewritten])
    frame = pl.DataFrame({f"c{column.attnum}": HOSTILE for column in kinds.columns})
    assert encode(frame, kinds).equals(frame)


@pytest.mark.parametrize("height", [0, 1, 2])
def test_frames_of_any_height_keep_it(height: int) -> None:
    kinds = relation((Kind.ARRAY, Kind.INT4), (Kind.TEXT, None))
    frame = pl.DataFrame({"c1": ["{1}"] * height, "c2": ["x"] * height}, schema={"c1": pl.String, "c2": pl.String})
    assert encode(frame, kinds).rows() == [("[1]", "x")] * height


# --- Odd values

ODD: list[tuple[Kind, str, list[str], list[str]]] = [
    (
        Kind.FLOAT4,
        "float4",
        ["NaN", "Infinity", "-Infinity", "1e-45", "-1e-39"],
        ["0", "-1.5", "1e30", "1e-37", "1e-4"],
    ),
    (Kind.FLOAT8, "float8", ["NaN", "Infinity", "-Infinity", "5e-324", "-1e-308"], ["0", "1e300", "1e-307", "1e-38"]),
    (
        Kind.NUMERIC,
        "numeric",
        ["NaN", "Infinity", "-Infinity", "1" + "0" * NUMERIC_BYTES_MAX],
        ["0.00", "1" + "0" * (NUMERIC_BYTES_MAX - 1)],
    ),
    (Kind.DATE, "date", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"], ["9999-12-31", "0001-01-01"]),
    (
        Kind.TIMESTAMP,
        "timestamp",
        ["infinity", "-infinity", "0044-03-15 12:00 BC", "294276-12-31 23:59:59.999999"],
        ["9999-12-31 23:59:59.999999", "0001-01-01"],
    ),
    (
        Kind.TIMESTAMPTZ,
        "timestamptz",
        ["infinity", "-infinity", "0001-12-31 00:00+00 BC", "10000-01-01 00:00+00"],
        ["9999-12-31 00:00+00", "0001-01-02 00:00+00"],
    ),
]


@pytest.mark.parametrize(("kind", "name", "odd", "plain"), ODD, ids=[kind for kind, *_ in ODD])
def test_odd_values_are_counted(database: Database, kind: Kind, name: str, odd: list[str], plain: list[str]) -> None:
    with database.connect() as connection:
        connection.execute("set timezone = utc")
        rows = connection.execute(f"select v::{name}::text from unnest(%s::text[]) v", [[*odd, *plain]]).fetchall()
    texts = [text for (text,) in rows]
    frame = pl.DataFrame({"c1": [*texts, None], "c2": [*texts, None]})
    assert odd_counts(frame, relation((kind, None), (Kind.TEXT, None))) == {"1": len(odd)}
    assert odd_counts(frame[len(odd) :], relation((kind, None))) == {}


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.BPCHAR, Kind.OTHER])
def test_long_texts_are_counted_in_bytes(kind: Kind) -> None:
    texts = ["x" * TEXT_BYTES_MAX, "x" * (TEXT_BYTES_MAX + 1), "é" * (TEXT_BYTES_MAX // 2 + 1), None, ""]
    frame = pl.DataFrame({"op": ["U"] * 5, "c1": texts})
    assert odd_counts(frame, relation((kind, None))) == {"1": 2}


def test_bytea_is_counted_when_it_is_empty_or_too_long() -> None:
    frame = pl.DataFrame({"c1": ["", "00", "00" * BYTEA_BYTES_MAX, "00" * (BYTEA_BYTES_MAX + 1), None]})
    assert odd_counts(frame, relation((Kind.BYTEA, None))) == {"1": 2}


def test_infinite_intervals_are_counted() -> None:
    """Postgres 17 has them."""
    frame = pl.DataFrame({"c1": ["infinity", "-infinity", "1 day", None]})
    assert odd_counts(frame, relation((Kind.INTERVAL, None))) == {"1": 2}


def test_nothing_odd_counts_nothing() -> None:
    frame = pl.DataFrame({"op": ["U"], "c1": ["1"]})
    assert odd_counts(frame, relation((Kind.INT4, None), (Kind.FLOAT8, None))) == {}
    assert odd_counts(frame[:0], relation((Kind.FLOAT8, None))) == {}
