"""Values that Redshift may not hold: per type and literal, what each policy makes of them. Postgres makes the values.

A policy that is not named has no way to mend the value: the load stops by name. `null` mends everything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Odd:
    """`clamp`, `truncate`: the value then (...: the policy has no way). `always`: the value under every policy, recorded
    as `string`."""

    type: str
    literal: str
    reason: str
    clamp: Any = ...
    truncate: Any = ...
    always: Any = ...

    def outcome(self, policy: str) -> Any:
        """The value in the target under the policy; ... when the load has to stop."""
        if self.always is not ...:
            return self.always
        return {"null": None, "fail": ..., "clamp": self.clamp, "truncate": self.truncate}[policy]

    @property
    def recorded(self) -> str | None:
        """The policy that is recorded whatever the configuration says."""
        return None if self.always is ... else "string"


LONG = "more than 65,535 bytes"
BC = "a date before Christ"
YEAR = "a year of more than four digits"
SMALL = "a number too small for its type's normal range"
TWICE = "a key twice in a JSON object"
NUL = "\\u0000 in JSON"
HALF = "half of a surrogate pair in JSON"
DEEP = "JSON nested deeper than 1,000"
STRING = "a string of more than 65,535 bytes in JSON"
BIG = "JSON of more than 1,048,576 bytes"
DIGITS = "a number of more than 38 digits, or beyond a double, in JSON"
SMILE = "😀"

NUMBERS = [
    Odd("numeric(10,2)", "'NaN'", "NaN", clamp=None),
    Odd("numeric(38,10)", "'NaN'", "NaN", clamp=None),
    Odd("numeric", "('1' || repeat('0', 1024))::numeric", "more than 1,024 bytes"),
    Odd("numeric", "-1e-1030", "more than 1,024 bytes"),
    Odd("real", "'NaN'", "NaN", clamp=None),
    Odd("real", "'Infinity'", "infinity", clamp="3.4028235e+38"),
    Odd("real", "'-Infinity'", "infinity", clamp="-3.4028235e+38"),
    Odd("real", "1e-45", SMALL, clamp="0"),
    Odd("double precision", "'NaN'", "NaN", clamp=None),
    Odd("double precision", "'Infinity'", "infinity", clamp="1.7976931348623157e+308"),
    Odd("double precision", "'-Infinity'", "infinity", clamp="-1.7976931348623157e+308"),
    Odd("double precision", "-5e-324", SMALL, clamp="0"),
]
TIMES = [
    Odd("date", "'infinity'", "infinity", clamp="9999-12-31"),
    Odd("date", "'-infinity'", "infinity", clamp="0001-01-01"),
    Odd("date", "'4714-11-24 BC'", BC, clamp="0001-01-01"),
    Odd("date", "'0001-12-31 BC'", BC, clamp="0001-01-01"),
    Odd("date", "'10000-01-01'", YEAR, clamp="9999-12-31"),
    Odd("date", "'5874897-12-31'", YEAR, clamp="9999-12-31"),
    Odd("timestamp", "'infinity'", "infinity", clamp="9999-12-31 23:59:59.999999"),
    Odd("timestamp", "'-infinity'", "infinity", clamp="0001-01-01 00:00:00"),
    Odd("timestamp", "'0044-03-15 12:00:00.5 BC'", BC, clamp="0001-01-01 00:00:00"),
    Odd("timestamp", "'294276-12-31 23:59:59.999999'", YEAR, clamp="9999-12-31 23:59:59.999999"),
    Odd("timestamptz", "'infinity'", "infinity", clamp="9999-12-31 23:59:59.999999+00"),
    Odd("timestamptz", "'-infinity'", "infinity", clamp="0001-01-01 00:00:00+00"),
    Odd("timestamptz", "'0044-03-15 12:00+00 BC'", BC, clamp="0001-01-01 00:00:00+00"),
    Odd("timestamptz", "'294276-12-31 23:59:59.999999+00'", YEAR, clamp="9999-12-31 23:59:59.999999+00"),
    Odd("timestamptz", "'9999-12-31 23:30:00-01'", YEAR, clamp="9999-12-31 23:59:59.999999+00"),
]
TEXTS = [
    Odd("text", "repeat('x', 65536)", LONG, truncate="x" * 65_535),
    Odd("text", "repeat(chr(128512), 16384)", LONG, truncate=SMILE * 16_383),
    Odd("text", "'a' || repeat(chr(128512), 16384)", LONG, truncate="a" + SMILE * 16_383),
    Odd("text", "'ab' || repeat(chr(128512), 16384)", LONG, truncate="ab" + SMILE * 16_383),
    Odd("text", "'abc' || repeat(chr(128512), 16384)", LONG, truncate="abc" + SMILE * 16_383),
    Odd("text", "repeat(chr(233), 32768)", LONG, truncate="é" * 32_767),
    Odd("text", "'a' || repeat(chr(8364), 21845)", LONG, truncate="a" + "€" * 21_844),
    Odd("varchar(20000)", "repeat(chr(128512), 20000)", LONG, truncate=SMILE * 16_383),
    Odd("char(20000)", "repeat(chr(128512), 20000)", LONG, truncate=SMILE * 16_383),
    Odd("citext", "repeat('x', 65536)", LONG, truncate="x" * 65_535),
    Odd("xml", "xmlparse(content repeat('x', 65536))", LONG, truncate="x" * 65_535),
    Odd("bit(70000)", "repeat('1', 70000)::bit(70000)", LONG, truncate="1" * 65_535),
    Odd("bit varying", "repeat('10', 35000)::varbit", LONG, truncate="10" * 32_767 + "1"),
    Odd("bytea", "convert_to(repeat('x', 1024000), 'UTF8')", "more than 1,023,999 bytes", truncate="78" * 1_023_999),
]
JSONS = [
    Odd("json", '\'{"a": 1, "b": {"a": 1.10, "a": 2}}\'', TWICE, clamp={"a": 1, "b": {"a": 2}}),
    Odd("json", '\'{"a": 1, "\\u0061": 2}\'', TWICE, clamp={"a": 2}),
    Odd("json", "'\"\\u0000\"'", NUL),
    Odd("json", "'{\"\\u0000a\": [1]}'", NUL),
    Odd("json", "'[\"\\ud800\"]'", HALF),
    Odd("json", "'{\"\\udc00\": 1}'", HALF),
    Odd("json", '\'{"a": 1, "a": "\\u0000"}\'', f"{NUL}; {TWICE}"),
    Odd("jsonb", "(repeat('[', 1001) || repeat(']', 1001))::jsonb", DEEP),
    Odd("json", "(repeat('[', 1001) || repeat(']', 1001))::json", DEEP),
    Odd("jsonb", "(repeat('{\"a\":', 1001) || '1' || repeat('}', 1001))::jsonb", DEEP),
    Odd("jsonb", "to_jsonb(repeat('x', 65536))", STRING),
    Odd("jsonb", "jsonb_build_object(repeat(chr(233), 32768), 1)", STRING),
    Odd("jsonb", "(select jsonb_agg(repeat('x', 60000)) from generate_series(1, 20))", BIG),
    Odd("json", "to_json(repeat('x', 16000000))", BIG),
    Odd("text[]", "array[repeat('x', 65536)]", STRING),
    Odd("hstore", "hstore('k', repeat(chr(128512), 16384))", STRING),
    Odd("pair", "row(1, repeat('x', 65536), true)", STRING),
    Odd("jsonb", '\'{"n": 1e130, "m": 1.10}\'', DIGITS, always={"n": "1" + "0" * 130, "m": Decimal("1.10")}),
    Odd("json", "'[1e400, -1E-301, 1e300]'", DIGITS, always=["1e400", "-1E-301", Decimal("1e300")]),
    Odd(
        "numeric[]",
        "array[1e38, 1e37, 'NaN', null]::numeric[]",
        DIGITS,
        always=["1" + "0" * 38, Decimal(10**37), "NaN", None],
    ),
    Odd(
        "double precision[]",
        "array[1.5e308, 5e-324, 1]",
        DIGITS,
        always=["1.5e+308", "5e-324", Decimal(1)],
    ),
]
GROUPS: dict[str, list[Odd]] = {"numbers": NUMBERS, "times": TIMES, "texts": TEXTS, "jsons": JSONS}
POLICIES = ("fail", "null", "clamp", "truncate")


def parsed(text: str | None) -> Any:
    """JSON with exact numbers."""
    return None if text is None else json.loads(text, parse_float=Decimal, parse_int=Decimal)


def exact(value: Any) -> Any:
    """An expected JSON value with exact numbers."""
    return parsed(json.dumps(value, default=lambda number: int(number) if number == int(number) else float(number)))
