"""Columns of Postgres's texts for tests of the dialect, and hostile texts to put into them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation

HOSTILE = [
    *["", " ", "NULL", "null", "Null", "nulls", "NaN", "t", "1", "a b", "a,b", ";", "{", "}", "{}", "[1:2]={", "x}"],
    *['"', '""', "\\", "\\\\", '\\"', '"\\', "a\\", "\\N", "\\u0041", "'", "/", "#", ",", "],[", "=", "\u2028", "\x7f"],
    *[
        "\n",
        "\r\n",
        "\t",
        "\x01",
        "a\x01b",
        "\x1f",
        "\x0b\x0c",
        "\x08",
        "é",
        "𝄞",
        "\ufeff",
        "\uffff",
        "\ue000",
        '"\x01"',
    ],
]


def relation(*types: tuple[Kind, Kind | None] | PgType) -> Relation:
    """A relation with columns of these kinds (and element kinds), attnums from 1."""
    columns = []
    for attnum, given_type in enumerate(types, 1):
        if isinstance(given_type, PgType):
            type_ = given_type
        else:
            kind, element = given_type
            type_ = PgType(oid=0, typmod=-1, name=kind, kind=kind, element=element)
        columns.append(Column(attnum=attnum, name=f"column{attnum}", type=type_))
    return Relation(oid=1, schema="s", name="t", identity="d", key_kind=KeyKind.APPEND, key=(), columns=tuple(columns))


def decoded(json_text: str | None) -> Any:
    return None if json_text is None else json.loads(json_text, parse_float=Decimal, parse_int=Decimal)
