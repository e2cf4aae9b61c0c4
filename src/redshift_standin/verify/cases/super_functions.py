"""Rule 35: SUPER by functions: JSON_PARSE, JSON_SERIALIZE, JSON_SIZE and what asks a value for its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows

_PARSE: Final = "JSON_PARSE"
_SWITCHES: Final = "super-configurations"
_TWICE: Final = """json_parse('{"a":1,"a":2}')"""


def _case(name: str, run: str | Sequence[str], expect: Expected, page: str = _PARSE) -> Case:
    return Case(rule=35, name=name, run=run, expect=expect, page=page)


def _gives(name: str, expression: str, wanted: Any, page: str = _PARSE) -> Case:
    return _case(name, f"select {expression}", Rows([[wanted]]), page)


_PARSING = (
    _gives("JSON_PARSE and JSON_SERIALIZE give the JSON without blanks", """json_serialize(json_parse('{"a": [1, true, null, "x y"]}'))""", '{"a":[1,true,null,"x y"]}'),
    _gives("JSON_PARSE takes a scalar", "json_serialize(json_parse('7'))", "7"),
    _gives("JSON_PARSE of NULL is NULL", "json_parse(null) is null", True),
    _gives("JSON_SERIALIZE of NULL is NULL", "json_serialize(null::super) is null", True, "JSON_SERIALIZE"),
    _gives("JSON_PARSE of null is no SQL NULL", "json_serialize(json_parse('null'))", "null"),
    _case("JSON_PARSE refuses what is no JSON", "select json_parse('{a}')", Refused("")),
    _case("JSON_PARSE refuses JSON cut short", "select json_parse('[1, 2')", Refused("")),
    _case("JSON_PARSE refuses an empty text", "select json_parse('')", Refused("")),
    _case("JSON_PARSE refuses a number", "select json_parse(7)", Refused("42883")),
    _case("JSON_PARSE refuses a key twice", f"select {_TWICE}", Refused(""), _SWITCHES),
    _case("JSON_PARSE refuses a key twice in an inner object", """select json_parse('[{"a":{"b":1,"b":1}}]')""", Refused(""), _SWITCHES),
    _case("JSON_PARSE refuses a text of 65536 bytes", "select json_parse('\"' || repeat('x', 65536) || '\"')", Refused(""), _SWITCHES),
    _gives("JSON_PARSE takes a text of 65535 bytes", "json_size(json_parse('\"' || repeat('x', 65535) || '\"'))", 65_537, _SWITCHES),
    _case("json_parse_dedup_attributes makes JSON_PARSE take a key's first value", ["set json_parse_dedup_attributes to on", f"select json_serialize({_TWICE})"], Rows([['{"a":1}']]), _SWITCHES),
    _case("json_parse_truncate_strings makes JSON_PARSE cut a long text", ["set json_parse_truncate_strings to on", "select json_size(json_parse('\"' || repeat('x', 65536) || '\"'))"], Rows([[65_537]]), _SWITCHES),
    _case("a SUPER that JSON_PARSE made is stored and comes back", ["create table t (a super)", """insert into t select json_parse('{"b": 1}')""", "select json_serialize(a) from t"], Rows([['{"b":1}']])),
    _gives("JSON_SIZE is the bytes of the JSON", """json_size(json_parse('[1, "é"]'))""", 8, "JSON_SIZE"),
)  # fmt: skip

_KINDS: Final[dict[str, dict[str, object]]] = {
    "json_typeof": {"7": "number", '"x"': "string", "true": "boolean", "null": "null", "{}": "object", "[]": "array"},
    "is_object": {"{}": True, "[]": False},
    "is_array": {"[]": True, "{}": False},
    "is_scalar": {"7": True, "{}": False},
    "is_varchar": {'"x"': True, "7": False},
    "is_boolean": {"true": True, "7": False},
    "is_integer": {"7": True, "7.5": False},
}
_ASKING = (
    *(
        _case(
            f"{function.upper()} tells kinds apart",
            "select " + ", ".join(f"{function}(json_parse('{text}'))" for text in answers),
            Rows([list(answers.values())]),
            function.upper(),
        )
        for function, answers in _KINDS.items()
    ),
    _gives("GET_ARRAY_LENGTH counts", "get_array_length(json_parse('[1,[2,3]]'))", 2, "get_array_length"),
    _gives(
        "GET_ARRAY_LENGTH of what is no array is NULL",
        "get_array_length(json_parse('7')) is null",
        True,
        "get_array_length",
    ),
    _gives("CAN_JSON_PARSE says what JSON_PARSE takes", "can_json_parse('[1]')", True, "CAN_JSON_PARSE"),
    _gives("CAN_JSON_PARSE says what JSON_PARSE refuses", "can_json_parse('[1')", False, "CAN_JSON_PARSE"),
    _gives("IS_VALID_JSON knows JSON", """is_valid_json('{"a":1}')""", True, "IS_VALID_JSON"),
    _gives("IS_VALID_JSON knows other texts", "is_valid_json('{a}')", False, "IS_VALID_JSON"),
    _gives("ARRAY makes an array", "json_serialize(array(1, 'x', true))", '[1,"x",true]', "r_array"),
    _gives("OBJECT makes an object", "json_serialize(object('a', 1))", '{"a":1}', "r_object_function"),
)
_EQUAL = (
    _gives("SUPER values are equal whatever the order of keys", """json_parse('{"a":1,"b":[2]}') = json_parse('{"b":[2],"a":1}')""", True, "r_SUPER_type"),
    _gives("SUPER arrays of another order are not equal", "json_parse('[1,2]') = json_parse('[2,1]')", False, "r_SUPER_type"),
    _gives("a SUPER number equals a number", "json_parse('7') = 7", True, "r_SUPER_type"),
    _gives("a SUPER text equals a VARCHAR", "json_parse('\"x\"') = 'x'::varchar", True, "r_SUPER_type"),
    _gives("a SUPER text without its quotes is a VARCHAR", "json_parse('\"x\"')::varchar", "x", "r_SUPER_type"),
    _gives("a SUPER number casts to a number", "json_parse('7')::int + 1", 8, "r_SUPER_type"),
)  # fmt: skip

CASES: tuple[Case, ...] = _PARSING + _ASKING + _EQUAL
