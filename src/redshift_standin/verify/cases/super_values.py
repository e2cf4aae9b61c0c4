"""Rule 35: SUPER from CSV: which JSON texts load, and as what."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from redshift_standin.verify.case import Case, Expected, LoadError, Refused, Unknown
from redshift_standin.verify.loads import load, rows

_SUPER: Final = "r_SUPER_type"
_LIMITS: Final = "limitations-super"
_SERIALIZED: Final = "select json_serialize(a) from t"
_STRING_MAX: Final = 65_535
_DEPTH_MAX: Final = 1_000
_MIB: Final = 1024 * 1024
_in = partial(load, 35, columns="a super")


def _quoted(text: str) -> str:
    """The text as a field of CSV, on a line of its own."""
    return '"' + text.replace('"', '""') + '"\n'


def _json(name: str, text: str, expect: Any, *, page: str = _SUPER) -> Case:
    """`expect`: what JSON_SERIALIZE gives, or an outcome."""
    wanted: Expected = rows(expect, query=_SERIALIZED) if isinstance(expect, str) else expect
    return _in(name, body=_quoted(text), expect=wanted, page=page)


def _bad(what: str, text: str) -> Case:
    return _json(f"{what} is no JSON", text, LoadError(1224, column="a", line=1))


_VALUES = (
    _json("an object loads", '{"a": 1, "b": [true, null]}', '{"a":1,"b":[true,null]}'),
    _json("an array loads", '[1, "x", {"y": 2.5}]', '[1,"x",{"y":2.5}]'),
    _json("an empty object loads", "{}", "{}"),
    _json("an empty array loads", " [ ] ", "[]"),
    _json("a text loads", '"x y"', '"x y"'),
    _json("an empty text loads", '""', '""'),
    _json("a number loads", "12.5", "12.5"),
    _json("a negative number loads", "-3", "-3"),
    _json("true loads", "true", "true"),
    _json("blanks within a text are kept", '{"a": "x  :  ,y"}', '{"a":"x  :  ,y"}'),
    _json("escapes in a text load", r'"a\"b\\c\/d\n\t"', r'"a\"b\\c/d\n\t"'),
    _json("an escaped character is the character", r'"\u00e9"', '"é"'),
    _json("an escaped pair of surrogates is one character", r'"\ud83d\ude00"', '"😀"'),
    _json("characters beyond ASCII load", '{"é": "😀"}', '{"é":"😀"}'),
    _json("38 digits are kept", "12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    _json("line feeds between tokens load", '{\n"a":\n1\n}', '{"a":1}'),
    _in("a field without quotes loads", body="[1]\n7\ntrue\n", expect=rows("[1]", "7", "true", query=_SERIALIZED), page=_SUPER),
    _in("JSON's null is no SQL NULL", body="null\n", expect=rows(1, query="select count(*) from t where json_serialize(a) = 'null'"), page=_SUPER),
    _in("objects are equal by value", body=_quoted('{"a":1,"b":2}'), expect=rows(1, query="select count(*) from t where a = json_parse('{\"b\":2, \"a\":1}')"), page=_SUPER),
    _in("objects of other values are not equal", body=_quoted('{"a":1,"b":2}'), expect=rows(0, query="select count(*) from t where a = json_parse('{\"b\":2}')"), page=_SUPER),
    _in("dots and brackets navigate", body=_quoted('{"a":[{"b":7}]}'), expect=rows(1, query="select count(*) from t where t.a.a[0].b = 7"), page="query-super"),
    _in("what navigation does not find is NULL", body=_quoted('{"a":1}'), expect=rows(1, query="select count(*) from t where t.a.z is null"), page="query-super"),
    _in("a SUPER column takes a default when it is NOT NULL", columns="n int, a super not null default json_parse('{}')", body="1,\n", expect=rows("{}", query=_SERIALIZED), page=_SUPER),
    _in("an empty field fails a NOT NULL SUPER", columns="n int, a super not null", body="1,\n", expect=LoadError(1213, column="a"), page=_SUPER),
)  # fmt: skip

_BAD = (
    _bad("a word", "hello"),
    _bad("a text without quotes in an object", "{a: 1}"),
    _bad("an apostrophe for a quote", "{'a': 1}"),
    _bad("an object cut short", '{"a": 1'),
    _bad("an array cut short", "[1, 2"),
    _bad("a text cut short", '"abc'),
    _bad("a comma at an object's end", '{"a": 1,}'),
    _bad("a comma at an array's end", "[1,]"),
    _bad("a missing comma", "[1 2]"),
    _bad("a missing colon", '{"a" 1}'),
    _bad("a second document", "{} {}"),
    _bad("NaN", "NaN"),
    _bad("Infinity in an array", "[Infinity]"),
    _bad("a leading zero", "01"),
    _bad("a point at a number's end", "1."),
    _bad("a plus sign", "+1"),
    _bad("True with a capital", "True"),
    _bad("an unknown escape", r'"\x41"'),
    _bad("an escape cut short", r'"\u12"'),
    _bad("a line feed within a text", '"a\nb"'),
    _bad("a tab within a text", '"a\tb"'),
    _bad("a comment", "{} /* x */"),
    _in("bytes that are not UTF-8 are no JSON", body=b'"""\xff"""\n', expect=LoadError(1224, column="a"), page=_SUPER),
    _in("an object without CSV's quotes falls apart", body='{"a":1,"b":2}\n', expect=Unknown("quote"), page=_SUPER),
)
_KEYS = (
    _json(
        "a key twice in one object fails", '{"a": 1, "a": 2}', LoadError(1224, column="a"), page="super-configurations"
    ),
    _json(
        "a key twice in an inner object fails",
        '[{"a": 1, "b": {"c": 1, "c": 1}}]',
        LoadError(1224),
        page="super-configurations",
    ),
    _json(
        "a key twice, once with an escape, fails",
        r'{"a": 1, "\u0061": 2}',
        LoadError(1224),
        page="super-configurations",
    ),
    _json("one key in two objects loads", '[{"a":1},{"a":2}]', '[{"a":1},{"a":2}]', page="super-configurations"),
)


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def _of_bytes(size: int) -> str:
    """An array of short texts whose JSON has this many bytes."""
    text = json.dumps(["x" * 1_000] * (size // 1_003), separators=(",", ":"))
    return text[:-1] + " " * (size - len(text)) + "]"


_SIZE: Final = "select json_size(a) > 0 from t"
_LIMIT_CASES = (
    _in("a text of 65535 bytes loads", body=_quoted('"' + "x" * _STRING_MAX + '"'), expect=rows(_STRING_MAX + 2, query="select json_size(a) from t"), page=_LIMITS),
    _json("a text of 65536 bytes fails", '"' + "x" * (_STRING_MAX + 1) + '"', LoadError(1224, column="a"), page=_LIMITS),
    _json("a text of 65536 bytes fails in an object", json.dumps({"a": {"b": "x" * (_STRING_MAX + 1)}}), LoadError(1224), page=_LIMITS),
    _json("a text's length is bytes", '"' + "é" * 32_768 + '"', LoadError(1224), page=_LIMITS),
    _json("an escape counts as the character it means", '"' + r"\n" * 40_000 + '"', rows(1, query="select count(*) from t"), page=_LIMITS),
    _json("1000 levels load", _nested(_DEPTH_MAX), rows(1, query="select count(*) from t"), page=_LIMITS),
    _json("1001 levels fail", _nested(_DEPTH_MAX + 1), LoadError(1224, column="a"), page=_LIMITS),
    _json("brackets within a text are no levels", '"' + "[" * (_DEPTH_MAX + 1) + '"', rows(1, query="select count(*) from t"), page=_LIMITS),
    _json("an object of 1 MB loads", _of_bytes(_MIB), rows(True, query=_SIZE), page=_LIMITS),
    _json("an object of more than 1 MB is not known", _of_bytes(_MIB + 1), Unknown("1 MB"), page=_LIMITS),
    _json("an escaped NUL is not known", r'"a\u0000b"', Unknown("u0000"), page=_LIMITS),
    _json("half a pair of surrogates is not known", r'"\ud83d"', Unknown("surrogate"), page=_LIMITS),
    _json("a number of 39 digits is not known", "1" * 39, Unknown("38 digits"), page=_LIMITS),
    Case(rule=35, name="a SUPER column cannot be the DISTKEY", run="create table t (a super distkey)", expect=Refused(""), page=_LIMITS),
    Case(rule=35, name="a SUPER column cannot be in the SORTKEY", run="create table t (a super) sortkey (a)", expect=Refused(""), page=_LIMITS),
    Case(rule=35, name="part of a SUPER value cannot be updated", setup=("create table t (a super)",), run="update t set a.b = 1", expect=Refused(""), page=_LIMITS),
)  # fmt: skip

CASES: tuple[Case, ...] = _VALUES + _BAD + _KEYS + _LIMIT_CASES
