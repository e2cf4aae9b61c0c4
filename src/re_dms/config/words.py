"""Pydantic's findings in our words: one line each, with the key and its origin, never the value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from re_dms.config.layers import Given

_WORDS: Final = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list of texts",
    "missing": "is needed",
    "extra_forbidden": "is not known",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}


def in_words(section: str, invalid: ValidationError, given: Mapping[str, Given]) -> Iterator[str]:
    """One line a key: the first finding of each (a list's items share a key)."""
    told = set()
    for finding in invalid.errors(include_input=False, include_url=False):
        name = f"{section}.{finding['loc'][0]}"
        if name not in told:
            told.add(name)
            origin = f" (from {given[name].origin})" if name in given else ""
            yield f"{name}: {_words_for(dict(finding))}{origin}"


def _words_for(finding: dict[str, Any]) -> str:
    words = _WORDS.get(finding["type"], "is not valid")
    if len(finding["loc"]) > 1 and finding["type"] == "string_type":
        words = _WORDS["tuple_type"]
    context = finding.get("ctx", {})
    return words.format(**{name: _plain(value) for name, value in context.items()}) if context else words


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    # Our own words stay as they are; Pydantic quotes the values that it expects.
    return str(value) if isinstance(value, ValueError) else str(value).replace("'", "")
