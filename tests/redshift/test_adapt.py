"""Values that do not fit: mended as their column's policy says and recorded, or named; never another value in silence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from re_dms.errors import ValueDoesNotFit
from re_dms.journal.dialect import odd_counts
from re_dms.warehouse.redshift import json_values
from redshift.sources import Source, source_fixture
from redshift.values import WORDS, adapted, loaded, made
from standin.fix_standin import Clients

__all__ = ["source_fixture"]

# Type, literal, policy, what becomes of it (a callable: a test of it), the reason. None: it stops by name.
CASES: list[tuple[str, str, str, Any, str]] = [
    ("numeric(10,2)", "'NaN'", "null", None, "NaN"),
    ("numeric(10,2)", "'NaN'", "clamp", None, "NaN"),
    ("double precision", "'NaN'", "clamp", None, "NaN"),
    ("double precision", "'Infinity'", "clamp", "1.7976931348623157e+308", "infinity"),
    ("double precision", "'-Infinity'", "clamp", "-1.7976931348623157e+308", "infinity"),
    ("double precision", "5e-324", "clamp", "0", "a number too small for its type's normal range"),
    ("real", "'Infinity'", "clamp", "3.4028235e+38", "infinity"),
    ("real", "1e-45", "null", None, "a number too small for its type's normal range"),
    ("date", "'infinity'", "clamp", "9999-12-31", "infinity"),
    ("date", "'-infinity'", "clamp", "0001-01-01", "infinity"),
    ("date", "'0044-03-15 BC'", "clamp", "0001-01-01", "a date before Christ"),
    ("date", "'0044-03-15 BC'", "null", None, "a date before Christ"),
    ("date", "'5874897-12-31'", "clamp", "9999-12-31", "a year of more than four digits"),
    ("timestamp", "'294276-12-31 23:59:59.999999'", "clamp", "9999-12-31 23:59:59.999999", "a year of more than four digits"),
    ("timestamp", "'-infinity'", "clamp", "0001-01-01 00:00:00", "infinity"),
    ("timestamptz", "'infinity'", "clamp", "9999-12-31 23:59:59.999999+00", "infinity"),
    ("timestamptz", "'0044-03-15 12:00+00 BC'", "clamp", "0001-01-01 00:00:00+00", "a date before Christ"),
    ("text", "repeat('x', 65536)", "truncate", "x" * 65535, "more than 65,535 bytes"),
    ("text", "'ab' || repeat(chr(128512), 16384)", "truncate", "ab" + "😀" * 16383, "more than 65,535 bytes"),
    ("text", "'abc' || repeat(chr(128512), 16384)", "truncate", "abc" + "😀" * 16383, "more than 65,535 bytes"),
    ("text", "repeat(chr(233), 32768)", "truncate", "é" * 32767, "more than 65,535 bytes"),
    ("text", "repeat('x', 65536)", "null", None, "more than 65,535 bytes"),
    ("varchar(20000)", "repeat(chr(128512), 20000)", "truncate", "😀" * 16383, "more than 65,535 bytes"),
    ("xml", "xmlparse(content repeat('x', 70000))", "truncate", "x" * 65535, "more than 65,535 bytes"),
    ("bytea", "convert_to(repeat('x', 1024000), 'UTF8')", "truncate", "78" * 1_023_999, "more than 1,023,999 bytes"),
    ("numeric", "('1' || repeat('0', 1024))::numeric", "null", None, "more than 1,024 bytes"),
    ("json", "'{\"a\": 1, \"b\": {\"a\": 1.10, \"a\": 2}}'", "clamp", {"a": 1, "b": {"a": 2}}, "a key twice in a JSON object"),
    ("json", "'{\"a\": 1, \"\\u0061\": 2}'", "clamp", {"a": 2}, "a key twice in a JSON object"),
    ("json", "'{\"a\": 1, \"a\": 2}'", "null", None, "a key twice in a JSON object"),
    ("json", "'\"\\u0000\"'", "null", None, "\\u0000 in JSON"),
    ("json", "'{\"\\ud800\": 1}'", "null", None, "half of a surrogate pair in JSON"),
    ("jsonb", "(repeat('[', 1001) || repeat(']', 1001))::jsonb", "null", None, "JSON nested deeper than 1,000"),
    ("jsonb", "to_jsonb(repeat('x', 65536))", "null", None, "a string of more than 65,535 bytes in JSON"),
    ("jsonb", "jsonb_build_object(repeat(chr(233), 32768), 1)", "null", None, "a string of more than 65,535 bytes in JSON"),
    ("jsonb", "(select jsonb_agg(repeat('x', 60000)) from generate_series(1, 20))", "null", None, "JSON of more than 1,048,576 bytes"),
    ("json", "to_json(repeat('x', 16000000))", "null", None, "JSON of more than 1,048,576 bytes"),
    ("text[]", "array[repeat('x', 65536)]", "null", None, "a string of more than 65,535 bytes in JSON"),
]  # fmt: skip
STRINGS: list[tuple[str, str, Any]] = [
    ("jsonb", '\'{"n": 1e130, "m": 1.10}\'', {"n": "1" + "0" * 130, "m": 1.10}),
    ("json", "'[1e400, -1E-301, 1e300]'", ["1e400", "-1E-301", 10**300]),
    ("numeric[]", "array[1e38, 1e37, 'NaN', null]::numeric[]", ["1" + "0" * 38, 10**37, "NaN", None]),
    ("double precision[]", "array[1.5e308, 5e-324, 1]", ["1.5e+308", "5e-324", 1]),
]
UNMENDED = [
    ("text", "repeat('x', 65536)", "clamp"),
    ("numeric", "('1' || repeat('0', 1024))::numeric", "truncate"),
    ("numeric", "('1' || repeat('0', 1024))::numeric", "clamp"),
    ("date", "'infinity'", "truncate"),
    ("double precision", "'NaN'", "truncate"),
    ("json", '\'{"a": 1, "a": 2}\'', "truncate"),
    ("json", "'\"\\u0000\"'", "clamp"),
    ("jsonb", "(repeat('[', 1001) || repeat(']', 1001))::jsonb", "clamp"),
    ("text", "repeat('x', 65536)", "fail"),
]


def case_id(case: Sequence[Any]) -> str:
    return f"{case[0]} {case[1][:30]} {case[2] if isinstance(case[2], str) else ''}"


@pytest.mark.parametrize(("name", "literal", "policy", "expected", "reason"), CASES, ids=map(case_id, CASES))
def test_a_policy_mends_what_does_not_fit_and_records_it(
    source: Source, clients: Clients, name: str, literal: str, policy: str, expected: Any, reason: str
) -> None:
    rows = [["1", "NULL"], ["2", literal], ["3", "NULL"]]
    relation, frame = made(source, {"id": "int", "v": name}, rows, key="id")
    assert odd_counts(frame, relation) == {"2": 1}
    found = adapted(frame, relation, f"kinds.t.v={policy}")
    assert found.altered.rows() == [("v", '["2"]', reason, policy)]
    values = dict(loaded(clients, found.frame, relation, found.odd))
    assert (values["1"], values["3"]) == (None, None)
    value = values["2"]
    if isinstance(expected, dict):
        assert json.loads(value or "null") == expected
    elif name in ("real", "double precision") and expected is not None:
        assert float(value or "nan") == float(expected)
    else:
        assert value == expected


@pytest.mark.parametrize(("name", "literal", "expected"), STRINGS, ids=map(case_id, STRINGS))
def test_numbers_that_super_may_not_hold_become_strings_whatever_the_policy(
    source: Source, clients: Clients, name: str, literal: str, expected: Any
) -> None:
    relation, frame = made(source, {"id": "int", "v": name}, [["1", literal], ["2", "NULL"]], key="id")
    found = adapted(frame, relation)
    assert found.altered.rows() == [("v", '["1"]', json_values.BIG_NUMBER, "string")]
    values = dict(loaded(clients, found.frame, relation, found.odd))
    assert (json.loads(values["1"] or ""), values["2"]) == (expected, None)


@pytest.mark.parametrize(("name", "literal", "policy"), UNMENDED, ids=map(case_id, UNMENDED))
def test_what_no_policy_mends_stops_by_name_and_never_tells_the_value(
    source: Source, name: str, literal: str, policy: str
) -> None:
    relation, frame = made(source, {"id": "text", "v": name}, [["'k1'", "NULL"], ["'k2'", literal]], key="id")
    with pytest.raises(ValueDoesNotFit) as refused:
        adapted(frame, relation, f"kinds.t={policy}")
    words = refused.value.message
    assert words.startswith(
        f"kinds.t: column 'v' ({relation.columns[1].type.name}) of the row with key (id)=(k2) holds"
    )
    assert words.endswith(WORDS)
    assert (f"its policy {policy} has no way" in words) == (policy != "fail")
    for way in ("change the value in the source", 'warehouse.policies = ["kinds.t.v=null"]', "exclude the table"):
        assert way in refused.value.remedy
    value = frame["c2"][1]
    assert value[:20] not in (words + refused.value.remedy) or len(value) < 20
