"""JSON that SUPER may refuse is found, all of it and nothing else. Python's own parser is the oracle."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from re_dms.odd import TEXT_BYTES_MAX, is_odd, suspect
from re_dms.odd_json import DEPTH_MAX, DIGITS_MAX
from re_dms.pgtypes import Kind, PgType

JSON = PgType(oid=114, typmod=-1, name="json", kind=Kind.JSON)
JSONB = PgType(oid=3802, typmod=-1, name="jsonb", kind=Kind.JSONB)


def odd(pg: PgType, *texts: str | None) -> list[bool]:
    return is_odd(pg, pl.Series("c1", list(texts), dtype=pl.String)).to_list()


ODD = [
    '{"a":1,"a":2}',
    '{"a" : 1 , "b":{}, "a" : 2}',
    '[1,{"x":{"a":1,"b":2,"a":3}}]',
    '{"a":1,"\\u0061":2}',
    '{"a/":1,"a\\/":2}',
    '{"x":"v",":":1,":":2}',
    '{"":1,"":2}',
    '{"é":1,"\\u00e9":2}',
    '"\\u0000"',
    '{"a\\u0000":1}',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ud83dx\\ude00"',
    '"\\\\\\ud800"',
    "[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1),
    '{"a":' * (DEPTH_MAX + 1) + "1" + "}" * (DEPTH_MAX + 1),
    "1" * (DIGITS_MAX + 1),
    '{"n": -0.' + "1" * DIGITS_MAX + "}",
    "[1e301]",
    "1E-0400",
    "-1.5e+99999",
]
FINE = [
    '{"a":1,"b":{"a":1}}',
    '[{"a":1},{"a":2}]',
    '{"a":{"b":1},"c":{"b":1},"b":2}',
    '{"a:":"a:","a":"a:"}',
    '{"{":1,"}":{"{":2}}',
    '{"a":"b","c":"b"}',
    '"\\\\u0000"',
    '"\\\\\\\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\uD83D\\uDE00"',
    "[" * DEPTH_MAX + "]" * DEPTH_MAX,
    json.dumps("[" * 5000),
    json.dumps([[]] * 3000),
    "1" * DIGITS_MAX,
    "-0." + "1" * (DIGITS_MAX - 1),
    "[1e300, 1e-300, 1e0000000300]",
    json.dumps("1" * 100),
    json.dumps({"sha": "5e123456789", "x": ", 1e999, "}),
    "null",
    "0",
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_what_super_may_refuse_is_odd(text: str) -> None:
    assert odd(JSON, "[1]", None, text, "{}") == [False, False, True, False]


@pytest.mark.parametrize("text", FINE, ids=range(len(FINE)))
def test_all_else_is_not_odd(text: str) -> None:
    assert odd(JSON, text, None, ODD[0]) == [False, False, True]


@pytest.mark.parametrize("kind", [Kind.JSON, Kind.JSONB, Kind.ARRAY, Kind.HSTORE, Kind.COMPOSITE])
def test_a_text_that_is_too_long_for_varchar_is_odd(kind: Kind) -> None:
    pg = PgType(oid=0, typmod=-1, name=kind, kind=kind)
    texts = [json.dumps("x" * size) for size in (TEXT_BYTES_MAX - 2, TEXT_BYTES_MAX - 1)]
    assert odd(pg, *texts, json.dumps("é" * (TEXT_BYTES_MAX // 2), ensure_ascii=False)) == [False, True, True]


def test_numbers_are_odd_where_a_type_can_hold_such() -> None:
    long, steep = "[" + "1" * 39 + "]", "[1e+308]"

    def array(element: Kind) -> PgType:
        return PgType(oid=0, typmod=-1, name="a", kind=Kind.ARRAY, element=element)

    assert odd(array(Kind.NUMERIC), long) == [True]
    assert odd(array(Kind.FLOAT8), steep) == [True]
    assert odd(array(Kind.TEXT), json.dumps(["1" * 39])) == [False]
    fields = (("a", Kind.TEXT), ("n", Kind.NUMERIC))
    pair = PgType(oid=0, typmod=-1, name="pair", kind=Kind.COMPOSITE, fields=fields)
    assert odd(pair, '{"a":"' + "1" * 50 + '","n":1}', '{"a":"x","n":' + "1" * 39 + "}") == [False, True]
    assert odd(JSONB, long, json.dumps("1" * 50)) == [True, False]


KEYS = st.sampled_from(["a", "b", ":", ",", '"', "\\", "a/", "é", "{", "}", "[", "\n", " :", "😀", ""])
VALUES = st.recursive(
    st.one_of(
        KEYS.map(json.dumps),
        st.sampled_from(["1", "-1.5", "1e301", "1" * 39, "null", "true", '"\\u0000"', '"\\ud800"']),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{' , '.join(items)}]"),
        st.lists(st.tuples(KEYS, st.booleans(), inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{json.dumps(k, ensure_ascii=a)} : {v}" for k, a, v in pairs) + "}"
        ),
    ),
    max_leaves=12,
)


@given(texts=st.lists(VALUES, min_size=1, max_size=5))
def test_any_json_is_judged_as_pythons_parser_sees_it(texts: list[str]) -> None:
    assert odd(JSON, *texts) == [model(text) for text in texts]
    test = suspect(JSON, pl.col("c1"))
    assert test is not None
    suspected = pl.DataFrame({"c1": texts}).select(test).to_series().to_list()
    assert all(mark or not model(text) for mark, text in zip(suspected, texts, strict=True))


def model(text: str) -> bool:
    found = False

    def pairs(items: list[tuple[str, Any]]) -> None:
        nonlocal found
        found |= len(dict(items)) < len(items) or any(bad(key) for key, _ in items)
        for _, value in items:
            walk(value)

    def number(digits: str) -> float:
        nonlocal found
        mantissa, _, exponent = digits.lower().partition("e")
        found |= len(re.sub("[-.]", "", mantissa)) > 38 or abs(int(exponent or 0)) > 300
        return 0

    def bad(string: str) -> bool:
        return "\0" in string or re.search("[\ud800-\udfff]", string) is not None

    def walk(value: Any) -> None:
        nonlocal found
        if isinstance(value, str):
            found |= bad(value)
        for item in value if isinstance(value, list) else ():
            walk(item)

    walk(json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_int=number))
    return found


def test_ordinary_json_costs_little_to_judge() -> None:
    """Printed: microseconds a value of 170 bytes. The bound is wide: it finds a loop over rows, not a slow machine."""
    count = 50_000
    plain = [
        f'{{"id": {n}, "name": "name {n}", "sha": "{n:064x}", "tags": ["a", "b"], "o": {{"x": 1.5}}}}'
        for n in range(count)
    ]
    lists = [f'[{{"id": {n}, "x": 1}}, {{"id": {n}, "x": 2}}, {{"id": {n}, "x": "\\u00e9"}}]' for n in range(count)]
    for name, pg, texts in (
        ("json", JSON, plain),
        ("jsonb", JSONB, plain),
        ("json with lists of objects", JSON, lists),
    ):
        series = pl.Series("c1", texts)
        begun = time.perf_counter()
        assert not is_odd(pg, series).any()
        micros = (time.perf_counter() - begun) / count * 1e6
        print(f"{name}: {micros:.2f} µs a value")
        assert micros < 50
