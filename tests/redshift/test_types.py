"""Every type of Postgres has a type of Redshift that holds all of its values which are not odd."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from re_dms.journal.dialect import odd_counts
from re_dms.odd import is_odd
from re_dms.pgtypes import Kind, PgType
from re_dms.warehouse.redshift.adapt import adapt, needs
from re_dms.warehouse.redshift.policies import Policies
from re_dms.warehouse.redshift.types import (
    SUPER,
    bytes_max,
    can_be_key,
    constant,
    redshift_type,
    same,
    stage_type,
    value,
)
from redshift.sources import Source, source_fixture
from redshift.values import data_file, loaded, made, printed
from source.type_literals import LITERALS
from standin.fix_standin import Clients

__all__ = ["source_fixture"]

TYPES = {
    "boolean": "boolean",
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "serial": "integer",
    "oid": "bigint",
    "xid": "bigint",
    "cid": "bigint",
    "xid8": "numeric(20,0)",
    "real": "real",
    "double precision": "double precision",
    "numeric(1,0)": "numeric(1,0)",
    "numeric(20,5)": "numeric(20,5)",
    "numeric(19,4)": "numeric(20,4)",
    "numeric(19)": "numeric(20,0)",
    "numeric(38,37)": "numeric(38,37)",
    "numeric(38,38)": "character varying(1024)",
    "numeric(39,2)": "character varying(1024)",
    "numeric": "character varying(1024)",
    "numeric(5,-2)": "numeric(7,0)",
    "numeric(17,-2)": "numeric(20,0)",
    "numeric(30,-9)": "character varying(1024)",
    "numeric(2,5)": "numeric(5,5)",
    "numeric(2,19)": "numeric(20,19)",
    "numeric(2,40)": "character varying(1024)",
    "money": "character varying(256)",
    "text": "character varying(65535)",
    "varchar": "character varying(65535)",
    "citext": "character varying(65535)",
    "varchar(1)": "character varying(4)",
    "varchar(16383)": "character varying(65532)",
    "varchar(16384)": "character varying(65535)",
    "varchar(10485760)": "character varying(65535)",
    "char(7)": "character varying(28)",
    "char(20000)": "character varying(65535)",
    "bpchar": "character varying(65535)",
    '"char"': "character varying(4)",
    "name": "character varying(256)",
    "mood": "character varying(256)",
    "uuid": "character varying(36)",
    "bytea": "binary varying(1024000)",
    "date": "date",
    "time(3)": "time without time zone",
    "timetz": "character varying(24)",
    "timestamp": "timestamp without time zone",
    "timestamptz(0)": "timestamp with time zone",
    "interval": "character varying(128)",
    "json": "super",
    "jsonb": "super",
    "int[]": "super",
    "text[]": "super",
    "box[]": "character varying(65535)",
    "hstore": "super",
    "pair": "super",
    "pair[]": "super",
    "tags": "super",
    "inet": "character varying(64)",
    "cidr": "character varying(64)",
    "macaddr": "character varying(64)",
    "macaddr8": "character varying(64)",
    "bit(5)": "character varying(5)",
    "bit": "character varying(1)",
    "bit(70000)": "character varying(65535)",
    "bit varying": "character varying(65535)",
    "bit varying(9)": "character varying(9)",
    "int4range": "character varying(128)",
    "int8range": "character varying(128)",
    "daterange": "character varying(128)",
    "tsrange": "character varying(128)",
    "tstzrange": "character varying(128)",
    "numrange": "character varying(65535)",
    "posint2": "integer",
    "xml": "character varying(65535)",
    "tsvector": "character varying(65535)",
    "polygon": "character varying(65535)",
}
# Per type, the longest texts that Postgres makes.
LONGEST = {
    "timetz": ["'23:59:59.999999+15:59:59'", "'23:59:59.999999-15:59:59'"],
    "interval": ["'-178000000 years -11 mons -2147483648 days -2562047788:00:54.775807'"],
    "time": ["'23:59:59.999999'", "'24:00:00'"],
    "money": ["-92233720368547758.08"],
    "name": ["repeat('é', 31)"],
    '"char"': ["E'\\\\377'"],
    "inet": ["'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/127'", "'1111:2222:3333:4444:5555:6666:7777:8888/127'"],
    "macaddr8": ["'ff:ff:ff:ff:ff:ff:ff:ff'"],
    "int4range": ["'[-2147483648,2147483646)'"],
    "int8range": ["'[-9223372036854775808,9223372036854775806)'"],
    "daterange": ["'[4714-11-24 BC,5874897-12-30)'"],
    "tsrange": ['\'["4714-11-24 00:00:00.000001 BC","294276-12-31 23:59:59.999999"]\''],
    "tstzrange": ['\'["4714-11-24 00:00:00.000001+00 BC","4714-11-24 00:00:00.000002+00 BC"]\''],
    "numeric(19)": ["9999999999999999999", "-9999999999999999999"],
    "numeric(5,-2)": ["9999949"],
    "numeric(2,5)": ["-0.00099"],
    "numeric(38,37)": ["-9.9999999999999999999999999999999999999"],
    "bigint": ["-9223372036854775808"],
    "xid8": ["'18446744073709551615'"],
    "oid": ["4294967295"],
    "varchar(3)": ["repeat(chr(128512), 3)"],
    "char(3)": ["repeat(chr(128512), 3)", "'a'", "''"],
    "numeric": ["('1' || repeat('0', 1023))::numeric", "('1' || repeat('0', 1024))::numeric"],
    "real": ["-3.4028235e38", "1.17549435e-38"],
    "double precision": ["-1.7976931348623157e308", "2.2250738585072014e-308"],
    "timestamptz": ["'9999-12-31 23:59:59.999999+00'", "'0001-01-01 00:00:00+00'"],
}


def test_every_type_has_its_target(source: Source) -> None:
    relation, _ = made(source, {f"c{number}": name for number, name in enumerate(TYPES)}, [])
    found = {name: redshift_type(column.type) for name, column in zip(TYPES, relation.columns, strict=True)}
    assert found == TYPES


def test_redshift_spells_every_type_as_we_do(clients: Clients) -> None:
    schema = clients.schema()
    spelt = sorted(set(TYPES.values()))
    defined = ", ".join(f"c{number} {name}" for number, name in enumerate(spelt))
    clients.psycopg().execute(f"create table {schema}.t ({defined})".encode())
    query = (
        "select format_type(atttypid, atttypmod) from pg_attribute a join pg_class c on c.oid = a.attrelid "
        f"join pg_namespace n on n.oid = c.relnamespace where n.nspname = '{schema}' and relname = 't' and attnum > 0 order by attnum"
    )
    assert [name for (name,) in printed(clients, query)] == spelt


@pytest.mark.parametrize("name", sorted(LITERALS.keys() | LONGEST.keys()))
def test_a_value_is_in_the_target_what_it_was_in_postgres_or_is_odd(
    source: Source, clients: Clients, name: str
) -> None:
    literals = [*LITERALS.get(name, ()), *LONGEST.get(name, ())]
    rows = [[str(number), literal] for number, literal in enumerate([*literals, "NULL"])]
    relation, frame = made(source, {"id": "int", "v": name}, rows)
    pg = relation.columns[1].type
    odd = needs(relation, data_file(frame, relation))
    expected = frame["c2"].to_list()
    if odd:
        doubtful = is_odd(pg, frame["c2"]).to_list()
        adapted = adapt(frame, relation, odd, Policies.parse(["*=null"]), batch_words="batch 1")
        lost = [
            not after and before != after and before is not None
            for before, after in zip(expected, adapted.frame["c2"], strict=True)
        ]
        assert sum(lost) == adapted.altered.height
        assert all(doubtful[row] for row, is_lost in enumerate(lost) if is_lost), "only odd values are altered"
        expected = [None if is_lost else text for text, is_lost in zip(expected, lost, strict=True)]
        frame, odd = adapted.frame, adapted.odd
    found = [row[1] for row in sorted(loaded(clients, frame, relation, odd), key=lambda row: int(row[0] or 0))]
    assert [comparable(text, pg) for text in found] == [comparable(text, pg) for text in expected]
    size = bytes_max(pg)
    assert size is None or all(
        len((text or "").encode()) // (2 if pg.kind is Kind.BYTEA else 1) <= size for text in found
    )


def comparable(text: str | None, pg: PgType) -> Any:
    """Equal for texts of equal values: SUPER keeps no blanks, char(n) no padding, and floats may print otherwise."""
    if text is None:
        return None
    if redshift_type(pg) == SUPER:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    if pg.kind in (Kind.FLOAT4, Kind.FLOAT8):
        return float(text)
    if redshift_type(pg).startswith("numeric"):
        return Decimal(text)
    return text.rstrip(" ") if pg.kind is Kind.BPCHAR else text


def test_super_is_staged_as_text_unless_its_file_is_odd() -> None:
    pg = PgType(oid=3802, typmod=-1, name="jsonb", kind=Kind.JSONB)
    assert (stage_type(pg, odd=False), value(pg, "c1", odd=False)) == ("character varying(65535)", "json_parse(c1)")
    assert (stage_type(pg, odd=True), value(pg, "c1", odd=True)) == ("super", "c1")


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("boolean", "true"),
        ("integer", "-7"),
        ("numeric(10,2)", "1.50"),
        ("numeric", "1e30"),
        ("double precision", "0.1"),
        ("text", "E'it''s a \\\\ \"q\" \\n '"),
        ("char(5)", "'a'"),
        ("bytea", "'\\x005cff'"),
        ("date", "'2024-02-29'"),
        ("time", "'24:00'"),
        ("timestamptz", "'2024-07-01 12:00:00.5+02'"),
        ("interval", "'1 day 02:00'"),
        ("jsonb", '\'{"a": ["\\\\", "it\'\'s"]}\''),
        ("text[]", "array['a\"b', null, E'\\\\']"),
        ("hstore", "'a=>1,b=>NULL'"),
        ("pair", "row(1, 'x \"y\"', true)"),
    ],
)
def test_the_constant_of_older_rows_is_what_a_loaded_value_is(
    source: Source, clients: Clients, name: str, default: str
) -> None:
    relation, frame = made(source, {"v": name}, [[default]])
    (column,), text = relation.columns, frame["c1"].item()
    schema = clients.schema()
    client = clients.psycopg()
    client.execute(f"create table {schema}.t (id integer, v {redshift_type(column.type)})".encode())
    client.execute(f"insert into {schema}.t (id) values (1)".encode())
    client.execute(f"update {schema}.t set v = {constant(column.type, text)}".encode())
    assert printed(clients, f"select v from {schema}.t") == loaded(clients, frame, relation)


def test_keys_that_differ_in_trailing_blanks_are_not_the_same(clients: Clients) -> None:
    text = PgType(oid=25, typmod=-1, name="text", kind=Kind.TEXT)
    schema = clients.schema()
    client = clients.psycopg()
    client.execute(f"create table {schema}.t (a {redshift_type(text)}, b {redshift_type(text)})".encode())
    client.execute(f"insert into {schema}.t values ('a', 'a '), ('a', 'a'), ('', ' '), ('é', 'é')".encode())
    assert printed(clients, f"select a, b from {schema}.t where {same(text, 'a', 'b')} order by 1") == [
        ("a", "a"),
        ("é", "é"),
    ]


@pytest.mark.parametrize("name", ["integer", "text", "char(4)", "bytea", "timestamptz", "numeric", "uuid", "boolean"])
def test_equal_keys_are_the_same(source: Source, clients: Clients, name: str) -> None:
    literal = {"bytea": "'\\x00ff'", "timestamptz": "'2024-01-01'", "boolean": "true", "uuid": "gen_random_uuid()"}
    relation, frame = made(source, {"v": name}, [[literal.get(name, "'1'")]])
    (column,) = relation.columns
    schema = clients.schema()
    kind = redshift_type(column.type)
    clients.psycopg().execute(f"create table {schema}.t (a {kind}, b {kind})".encode())
    text = constant(column.type, frame["c1"].item())
    clients.psycopg().execute(f"insert into {schema}.t values ({text}, {text})".encode())
    assert printed(clients, f"select count(*) from {schema}.t where {same(column.type, 'a', 'b')}") == [("1",)]
    assert can_be_key(column.type)


def test_super_is_no_key(source: Source) -> None:
    relation, _ = made(source, {"a": "jsonb", "b": "int[]", "c": "hstore", "d": "pair"}, [])
    assert not any(can_be_key(column.type) for column in relation.columns)


def test_nothing_that_is_not_odd_asks_for_another_file(source: Source) -> None:
    """NaN in a numeric that is text on Redshift, and an infinite interval, are loaded as they are."""
    relation, frame = made(source, {"n": "numeric", "d": "date"}, [["'NaN'", "'2024-01-01'"], ["'-Infinity'", "null"]])
    assert odd_counts(frame, relation) == {"1": 2}
    assert needs(relation, data_file(frame, relation)) == frozenset()
    interval = PgType(oid=1186, typmod=-1, name="interval", kind=Kind.INTERVAL)
    other = replace(relation, columns=(replace(relation.columns[0], type=interval),))
    frame = pl.DataFrame({"c1": ["infinity"]})
    assert odd_counts(frame, other) == {"1": 1}
    assert needs(other, data_file(frame, other)) == frozenset()
