"""hstores and composites in the journal, with Postgres as the oracle of what they hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from fix_postgres import Database
from journal.columns import HOSTILE, decoded, relation
from re_dms.errors import DecodeError
from re_dms.journal.dialect import encode
from re_dms.pgtypes import Kind, PgType


def encoded_as(kind: Kind, literals: list[str | None], *fields: tuple[str, Kind]) -> list[str | None]:
    type_ = PgType(oid=0, typmod=-1, name=kind, kind=kind, fields=fields)
    return encode(pl.DataFrame({"c1": literals}, schema={"c1": pl.String}), relation(type_))["c1"].to_list()


PAIRS = ["=>", '"=>', "=>NULL, ", ", ", '"a"=>"b"', "NULL, "]


def test_hstores_hold_what_postgres_says(database: Database) -> None:
    """Every hostile text as a key and as a value; the extension's own array of keys and values is the oracle."""
    database.execute("create extension hstore")
    texts = [*HOSTILE, *PAIRS]
    with database.connect() as connection:
        query = "select h::text, akeys(h), avals(h) from (select hstore(%s::text[], %s::text[]) h) x"
        rows = [
            connection.execute(query, given).fetchone()
            for given in [
                ([], []),
                (texts, texts[::-1]),
                (texts, [None] * len(texts)),
                *(([text], [text]) for text in texts),
                *((["k", text], [None, text]) for text in texts),
            ]
        ]
    found = encoded_as(Kind.HSTORE, [row[0] for row in rows if row] + [None])
    expected = [dict(zip(row[1], row[2], strict=True)) for row in rows if row]
    assert [decoded(text) for text in found] == [*expected, None]
    assert expected[1] == dict(zip(texts, texts[::-1], strict=True)), "the test itself lost nothing on the way"


def test_json_of_hstores_is_plain_json() -> None:
    assert encoded_as(Kind.HSTORE, ['"a"=>"1", "b"=>NULL, "N"=>"NULL"', "", None]) == [
        '{"a":"1","b":null,"N":"NULL"}',
        "{}",
        None,
    ]


def test_composites_hold_what_postgres_says(database: Database) -> None:
    """Every hostile text as a field beside NULLs, numbers and nested values; Postgres's own field access is the oracle."""
    database.execute("create type inner_ as (x int, y text)")
    database.execute('create type outer_ as (n numeric, "t t" text, b bool, f float8, a text[], r inner_, i int)')
    kinds = (
        ("n", Kind.NUMERIC),
        ("t t", Kind.TEXT),
        ("b", Kind.BOOL),
        ("f", Kind.FLOAT8),
        ("a", Kind.ARRAY),
        ("r", Kind.COMPOSITE),
        ("i", Kind.INT4),
    )
    hostile = [*HOSTILE, "(", ")", "()", "(,)", '""', '"")', "\\,"]
    rows: list[Any] = [(None,) * 7, ("1.50", "", True, "NaN", [], (None, None), 0)]
    rows += [("-Infinity", text, False, "1e300", [text, None], (1, text), None) for text in hostile]
    literals, expected = [], []
    with database.connect() as connection:
        for n, t, b, f, a, r, i in rows:
            query = (
                'select v::text, (v).n::text, (v)."t t", (v).b, (v).f::text, (v).a::text, (v).r::text, (v).i from'
                " (select row(%s::numeric, %s::text, %s::bool, %s::float8, %s::text[], row(%s::int, %s::text)::inner_,"
                " %s::int)::outer_ v) x"
            )
            row = connection.execute(query, (n, t, b, f, a, *(r or (None, None)), i)).fetchone()
            assert row is not None
            literals.append(row[0])
            values = dict(zip((name for name, _ in kinds), row[1:], strict=True))
            for name in ("n", "f"):
                odd = values[name] in ("NaN", "Infinity", "-Infinity", None)
                values[name] = values[name] if odd else Decimal(values[name])
            expected.append(values)
    assert [decoded(text) for text in encoded_as(Kind.COMPOSITE, [*literals, None], *kinds)] == [*expected, None]


def test_json_of_composites_is_plain_json() -> None:
    fields = (("a", Kind.INT4), ('q"\\', Kind.TEXT), ("c", Kind.BOOL), ("d", Kind.TEXT))
    assert encoded_as(Kind.COMPOSITE, ['(1,"a b",,"x""y")', '(,"",t,"\\\\")', "(,,,)", None], *fields) == [
        '{"a":1,"q\\"\\\\":"a b","c":null,"d":"x\\"y"}',
        '{"a":null,"q\\"\\\\":"","c":true,"d":"\\\\"}',
        '{"a":null,"q\\"\\\\":null,"c":null,"d":null}',
        None,
    ]
    assert encoded_as(Kind.COMPOSITE, ["()", None]) == ["{}", None]
    assert encoded_as(Kind.COMPOSITE, ["()", "(x)"], ("only", Kind.TEXT)) == ['{"only":null}', '{"only":"x"}']


def test_a_row_of_an_altered_composite_keeps_its_text() -> None:
    """An attribute was added, and the catalog was read before: the watcher stops the table, rows must not."""
    found = encoded_as(Kind.COMPOSITE, ["(1)", '(1,"a""\n")', "()"], ("a", Kind.INT4))
    assert [decoded(text) for text in found] == [{"a": 1}, '(1,"a""\n")', {"a": None}]


@pytest.mark.parametrize("kind", [Kind.HSTORE, Kind.COMPOSITE])
@pytest.mark.parametrize("text", ["secret", "{1}"])
def test_a_text_that_is_no_value_is_refused_without_telling_it(kind: Kind, text: str) -> None:
    with pytest.raises(DecodeError, match=r"'column1' of s\.t") as refused:
        encoded_as(kind, [text], ("a", Kind.INT4))
    assert text not in str(refused.value)
