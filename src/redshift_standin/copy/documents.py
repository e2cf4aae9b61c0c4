"""SUPER in a load: the field is one JSON text.

Source: AWS Database Developer Guide, "Limitations" of SUPER (16 MB an object, depth 1000, strings of 65535 bytes), "SUPER
configurations" (duplicate keys and long strings are errors by default), "Load error reference" (1224).
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

from redshift_standin.copy.outcome import Bad, NotKnown

DEPTH_MAX: Final = 1_000
# Python's parser recurses once a level, on top of whoever called.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 3 * DEPTH_MAX))
STRING_BYTES_MAX: Final = 65_535
FIELD_BYTES_KNOWN: Final = 1024 * 1024
_DIGITS_KNOWN: Final = 38
_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def document(data: bytes) -> str:
    """The JSON text as it stands. 1224 for what is not JSON or beyond a limit that the guide gives."""
    if len(data) > FIELD_BYTES_KNOWN:
        raise NotKnown("a SUPER field of more than 1 MB in CSV")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Bad(1224, "Invalid JSON: not UTF-8", error.start) from None
    _check_depth(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Bad(1224, f"Invalid JSON: {error.msg}", error.pos) from None
    _check_items([value])
    if "\\u" in text:
        _check_escapes(value)
    return text


def _check_depth(text: str) -> None:
    """Before the parser, which recurses."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return
    depth = 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise Bad(1224, f"Invalid JSON: nested deeper than {DEPTH_MAX}", match.start())
        elif match[0] in "]}":
            depth -= 1


def _check_escapes(value: Any) -> None:
    """A NUL or half of a surrogate pair in a string or a name, anywhere."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            if "\0" in each:
                raise NotKnown("\\u0000 in a SUPER value")
            if _SURROGATE.search(each):
                raise NotKnown("half of a surrogate pair in a SUPER value")
        elif isinstance(each, list):
            left += each
        elif isinstance(each, dict):
            left += each
            left += each.values()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Bad(1224, "Invalid JSON: duplicate key in an object")
    for name, value in pairs:
        _checked(name)
        if isinstance(value, str):
            _checked(value)
        elif isinstance(value, list):
            _check_items(value)
    return found


def _check_items(items: list[Any]) -> None:
    """Strings of arrays: objects check their own when they are built."""
    left = [items]
    while left:
        for each in left.pop():
            if isinstance(each, str):
                _checked(each)
            elif isinstance(each, list):
                left.append(each)


def _checked(text: str) -> None:
    if len(text) * 4 > STRING_BYTES_MAX and len(text.encode(errors="surrogatepass")) > STRING_BYTES_MAX:
        raise Bad(1224, f"Invalid JSON: String value exceeds the max size of {STRING_BYTES_MAX} bytes")


def _number(text: str) -> str:
    """Numbers are not converted, so the result stands for any."""
    mantissa, _, exponent = text.lower().partition("e")
    if len(re.sub(r"[-.]", "", mantissa)) > _DIGITS_KNOWN or abs(int(exponent[:6] or "0")) > 300:
        raise NotKnown("a number in SUPER beyond 38 digits or a double's range")
    return ""


def _constant(text: str) -> Any:
    raise Bad(1224, f"Invalid JSON: {text}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_int=_number, parse_constant=_constant, strict=True
)
