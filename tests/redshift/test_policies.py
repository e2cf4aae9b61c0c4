"""Policies as the configuration says them: which line is about which column."""

from __future__ import annotations

import tomllib

import pytest

from re_dms.errors import ConfigurationError
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation
from re_dms.warehouse.redshift.policies import Policies, Policy, line_for

TEXT = PgType(oid=25, typmod=-1, name="text", kind=Kind.TEXT)


def relation(schema: str = "public", name: str = "orders", column: str = "note") -> Relation:
    columns = (Column(attnum=1, name="id", type=TEXT), Column(attnum=2, name=column, type=TEXT))
    return Relation(oid=1, schema=schema, name=name, identity="d", key_kind=KeyKind.KEYED, key=(1,), columns=columns)


def policy_of(lines: list[str], table: Relation | None = None, attnum: int = 2) -> Policy:
    table = table or relation()
    return Policies.parse(lines).of(table, table.column(attnum))


@pytest.mark.parametrize(
    ("lines", "policy"),
    [
        ([], Policy.FAIL),
        (["*=null"], Policy.NULL),
        (["public.orders=clamp"], Policy.CLAMP),
        (["public.orders.note=truncate"], Policy.TRUNCATE),
        (["public.*.no*e=null"], Policy.NULL),
        (["*.orders=null"], Policy.NULL),
        (["public.orders.other=null"], Policy.FAIL),
        (["public.orde=null"], Policy.FAIL),
        (["other.orders=null"], Policy.FAIL),
        (["PUBLIC.orders=null"], Policy.FAIL),
        (["*=null", "public.orders=clamp", "public.orders.note=fail"], Policy.FAIL),
        (["public.orders.note=truncate", "*=null"], Policy.NULL),
        ([' "public"."orders"."note" = null '], Policy.NULL),
        (['public."*"=null'], Policy.FAIL),
    ],
    ids=lambda value: "; ".join(value) or "nothing" if isinstance(value, list) else None,
)
def test_the_last_line_that_names_the_column_counts(lines: list[str], policy: Policy) -> None:
    assert policy_of(lines) is policy


def test_a_key_is_never_altered() -> None:
    assert policy_of(["*=null", "public.orders.id=truncate"], attnum=1) is Policy.FAIL


@pytest.mark.parametrize("name", ["a.b", 'q"q', "a=b", "with blank", "*", "é\u200b", "x]"])
def test_the_line_that_an_error_shows_is_one_that_names_the_column(name: str) -> None:
    table = relation(name, name, name)
    shown = tomllib.loads(line_for(table, table.column(2), Policy.NULL))
    lines = shown["warehouse"]["policies"]
    assert policy_of(lines, table) is Policy.NULL
    assert policy_of(lines, relation("public", name, name)) is Policy.FAIL


@pytest.mark.parametrize(
    "line", ["", "*", "=null", "orders=null", "*=nothing", "a.b.c.d=null", "a..b=null", 'a."b=null', "s.t=NULL", "s ecret=null"]
)  # fmt: skip
def test_what_is_no_line_is_refused_by_its_number_alone(line: str) -> None:
    with pytest.raises(ConfigurationError, match="entry 2 cannot be read") as refused:
        Policies.parse(["*=fail", line])
    assert "ecret" not in refused.value.message + refused.value.remedy
    assert "public.orders.note=truncate" in refused.value.remedy
