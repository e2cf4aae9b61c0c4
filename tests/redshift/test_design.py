"""Layouts of targets: Redshift's own words, and nothing else, get into CREATE TABLE."""

import pytest

from re_dms.errors import ConfigurationError
from re_dms.warehouse.redshift.design import design_of, parse
from warehouse.building import INT4, column, relation

NAMES = {"id": "id", "Customer Id": "customer id"}
ORDERS = relation(column(1, "id", INT4), column(2, "Customer Id", INT4))


@pytest.mark.parametrize(
    ("line", "sql"),
    [
        ("public.orders=diststyle even", " diststyle even"),
        ("public.*=DISTSTYLE KEY distkey(Customer Id)", ' diststyle key distkey ("customer id")'),
        ("*=sortkey(id, Customer Id)", ' sortkey ("id", "customer id")'),
        ("*.orders = interleaved  sortkey ( id ) ", ' interleaved sortkey ("id")'),
        ("public.orders=compound sortkey(id) diststyle all", ' diststyle all compound sortkey ("id")'),
        ("public.orders=sortkey auto", ""),
    ],
)
def test_a_line_becomes_attributes(line: str, sql: str) -> None:
    design = design_of(parse([line]), ORDERS)
    assert design is not None
    assert design.sql(NAMES) == sql


@pytest.mark.parametrize(
    "line",
    [
        "",
        "public.orders",
        "public.orders=",
        "=diststyle all",
        "public.orders=diststyle some",
        "public.orders=distkey(a, b)",
        "public.orders=distkey(a); drop table x",
        "public.orders=sortkey(a) encode zstd",
        "public.orders=backup no",
    ],
)
def test_a_line_that_says_anything_else_is_refused(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"warehouse\.design") as caught:
        parse([line])
    assert "distkey(customer_id)" in caught.value.remedy


def test_the_last_line_that_names_a_table_wins_and_others_have_none() -> None:
    designs = parse(["public.*=diststyle even", "public.orders=diststyle all", "crm.*=diststyle key"])
    found = design_of(designs, ORDERS)
    assert found is not None
    assert found.style == "all"
    assert design_of(designs, relation(column(1, "a"), schema="other")) is None


def test_a_column_that_the_table_has_not_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"public\.orders has no column 'customer_id'"):
        design_of(parse(["public.*=distkey(customer_id)"]), ORDERS)
