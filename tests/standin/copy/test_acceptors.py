"""The quick judges never accept what the slow ones refuse, and give the same text."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redshift_standin.copy.acceptors import accept
from redshift_standin.copy.csv import Field
from redshift_standin.copy.outcome import TargetColumn
from redshift_standin.copy.values import Converter
from redshift_standin.names import TableName
from redshift_standin.sql.statements import Authorization, Copy
from redshift_standin.types import ALIASES, checked

NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
    st.floats().map(repr),
    st.from_regex(r"\A-?[0-9]{0,22}(\.[0-9]{0,8})?([eE][+-]?[0-9]{1,3})?\Z"),
)
MOMENTS = st.one_of(
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.times().map(str),
    st.from_regex(
        r"\A[0-9]{4}-[0-3][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,7})?)?(\+00|Z|[+-]0[0-9])?\Z"
    ),
    st.from_regex(r"\A[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,7})?(\+00|[+-]0[0-9])?\Z"),
)
WORDS = st.text(alphabet='ab é€"\\\t\n \x1f\xa0{}[]:,0', max_size=12) | st.sampled_from(
    ["t", "F", "yes", "nil", "", " "]
)
HEX = st.from_regex(r"\A[0-9a-fA-F]{0,12}\Z")
JSON = st.sampled_from(
    ["1", "-0", "0.5", "1e5", '"x"', '"\\u0000"', "true", "{}", '""', "007", "null", '"\x7f"', '"é"']
)

TYPES = {
    "smallint": NUMBERS, "int": NUMBERS, "bigint": NUMBERS, "numeric(5,2)": NUMBERS, "numeric(19,4)": NUMBERS,
    "numeric(38,10)": NUMBERS, "numeric(18,0)": NUMBERS, "numeric(3,3)": NUMBERS, "real": NUMBERS, "float8": NUMBERS,
    "boolean": NUMBERS, "date": MOMENTS, "timestamp": MOMENTS, "timestamptz": MOMENTS, "time": MOMENTS,
    "timetz": MOMENTS, "varchar(6)": HEX, "char(6)": HEX, "varbyte(3)": HEX, "super": JSON,
}  # fmt: skip
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "empty_as_null": st.booleans(),
        "blanks_as_null": st.booleans(),
        "trim_blanks": st.booleans(),
        "truncate_columns": st.booleans(),
        "round_dec": st.booleans(),
        "time_format": st.sampled_from(["auto", "epochsecs", "YYYY-MM-DD HH:MI:SS"]),
        "date_format": st.sampled_from(["auto", "YYYY-MM-DD"]),
        "null_as": st.sampled_from(["", "nil", "1"]),
    },
)


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=settings().max_examples // 2)  # of twenty fields each, and a type shares its judge with others
@given(data=st.data())
def test_what_the_quick_judge_accepts_the_slow_one_accepts_with_the_same_text(kind, data):
    name, _, arguments = kind.partition("(")
    column = TargetColumn(
        name="c",
        type=checked(ALIASES[name], tuple(int(each) for each in re.findall(r"\d+", arguments))),
        not_null=data.draw(st.booleans()),
    )
    command = Copy(
        table=TableName(None, "t"), columns=None, url="", authorization=Authorization(), csv=True, **data.draw(OPTIONS)
    )
    fields = data.draw(st.lists(st.tuples(TYPES[kind] | WORDS, st.booleans()), min_size=1, max_size=20))
    frame = pl.DataFrame({"text": [text for text, _ in fields], "quoted": [quoted for _, quoted in fields]})
    good, text = accept(pl.col("text"), pl.col("quoted"), column, command)
    result = frame.select(good.alias("good"), text.alias("text"))
    converter = Converter(column, command)
    for (given_text, quoted), sure, rendered in zip(fields, result["good"], result["text"], strict=True):
        if sure:
            assert converter(Field(given_text.encode(), quoted)) == rendered


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("bigint", ["0", "-5", "9223372036854775807"]),
        ("numeric(18,4)", ["1", "-12.5", "99999999999999.9999"]),
        ("float8", ["1.5", "-2e10", "3"]),
        ("boolean", ["t", "f", "true", "0"]),
        ("date", ["2024-02-29", "1970-01-01"]),
        ("timestamp", ["2024-01-02 03:04:05", "2024-01-02 03:04:05.123456"]),
        ("timestamptz", ["2024-01-02 03:04:05+00", "2024-01-02 03:04:05.1+00"]),
        ("varchar(10)", ["", "abc", "éé"]),
        ("varbyte(4)", ["00ff", "DEADBEEF"]),
    ],
)
def test_the_common_forms_are_accepted_quickly(kind, texts):
    name, _, arguments = kind.partition("(")
    kind_of = checked(ALIASES[name], tuple(int(each) for each in re.findall(r"\d+", arguments)))
    command = Copy(table=TableName(None, "t"), columns=None, url="", authorization=Authorization(), csv=True)
    frame = pl.DataFrame({"text": texts, "quoted": [False] * len(texts)})
    good, _ = accept(pl.col("text"), pl.col("quoted"), TargetColumn(name="c", type=kind_of), command)
    assert frame.select(good).to_series().all()
