"""Every native type holds exactly what Postgres holds, or refuses.

A real Postgres makes the literals and tells, besides their text, what they are by another way: the bytes of the type's
send function. DuckDB's value is compared with those bytes, not with the text that it was read from.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import psycopg
import pytest

from localpg import LocalPostgres
from re_dms.errors import ValueDoesNotFit
from re_dms.journal.dialect import encode
from re_dms.pgtypes import KIND_BY_OID, Kind, PgType
from re_dms.schema import Relation
from re_dms.warehouse.duckdb.types import duckdb_type
from warehouse.building import Bench, column, relation, table

FORCED = """set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set extra_float_digits = 1;
set bytea_output = 'hex'; set timezone = 'UTC';"""


@dataclass(frozen=True)
class Case:
    """`send` gives bytes in Postgres, `seen` a value in DuckDB; `decoded` makes one of the other."""

    type: str
    literals: list[str]
    send: str
    seen: str
    decoded: Any
    unfit: tuple[str, ...] = ()


def _int(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _days(data: bytes) -> Any:
    return {2**31 - 1: "infinity", -(2**31): "-infinity"}.get(_int(data), _int(data))


def _micros(data: bytes) -> Any:
    return {2**63 - 1: "infinity", -(2**63): "-infinity"}.get(_int(data), _int(data))


def _repr(value: float) -> str:
    return repr(value)


def _seen(of: str, zero: str) -> str:
    return f"case when isinf(v) then v::varchar else ({of} - {zero})::varchar end"


TIMES = [
    "4714-11-24 00:00:00 BC",
    "0044-03-15 12:34:56.000001 BC",
    "0001-12-31 23:59:59.999999 BC",
    "0001-01-01 00:00:00",
    "1582-10-10 00:00:00",
    "1900-02-28 23:59:59.5",
    "1969-12-31 23:59:59.999999",
    "1970-01-01 00:00:00",
    "2000-02-29 12:00:00.123456",
    "9999-12-31 23:59:59.999999",
    "10000-01-01 00:00:00",
    "294246-12-31 23:59:59.999999",
    "infinity",
    "-infinity",
]
LATE = ("294276-12-31 23:59:59.999999", "294248-01-01 00:00:00")
FLOATS = [
    "0",
    "-0",
    "1",
    "0.1",
    "-0.30000000000000004",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e15",
    "123456789.123",
    "1e-5",
]

CASES = [
    Case("boolean", ["true", "false"], "boolsend(v)", "v::integer", _int),
    Case("smallint", ["-32768", "0", "32767"], "int2send(v)", "v", _int),
    Case("integer", ["-2147483648", "-1", "2147483647"], "int4send(v)", "v", _int),
    Case("bigint", ["-9223372036854775808", "9223372036854775807"], "int8send(v)", "v", _int),
    Case(
        "real",
        [*FLOATS, "1e-45", "3.4028235e38", "1.17549435e-38", "16777217", "0.3", "7.0064923e-45"],
        "float4send(v)",
        "v",
        lambda data: _repr(struct.unpack(">f", data)[0]),
    ),
    Case(
        "double precision",
        [*FLOATS, "5e-324", "1.7976931348623157e308", "2.2250738585072014e-308", "9007199254740993", "1e23", "-4.35"],
        "float8send(v)",
        "v",
        lambda data: _repr(struct.unpack(">d", data)[0]),
    ),
    Case(
        "numeric(38,10)",
        [
            "9999999999999999999999999999.9999999999",
            "-9999999999999999999999999999.9999999999",
            "0",
            "0.0000000001",
            "-1.5",
        ],
        "convert_to((v * 10000000000)::numeric(38,0)::text, 'utf8')",
        "(v::varchar)",
        lambda data: _scaled(int(data), 10),
        unfit=("NaN",),
    ),
    Case(
        "numeric(38,38)",
        ["0.99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001"],
        "convert_to((v * 1e38)::numeric(38,0)::text, 'utf8')",
        "(v::varchar)",
        lambda data: _scaled(int(data), 38).replace("0.", ".", 1),  # as DuckDB prints it
    ),
    Case(
        "numeric(4,2)",
        ["99.99", "-99.99", "1", "0.005"],
        "convert_to((v * 100)::numeric(6,0)::text, 'utf8')",
        "(v::varchar)",
        lambda data: _scaled(int(data), 2),
        unfit=("NaN",),
    ),
    Case(
        "date",
        [
            "4714-11-24 BC",
            "0044-03-15 BC",
            "0001-12-31 BC",
            "0001-01-01",
            "1582-10-10",
            "1900-02-28",
            "1970-01-01",
            "2000-02-29",
            "9999-12-31",
            "10000-01-01",
            "5874897-12-31",
            "infinity",
            "-infinity",
        ],
        "date_send(v)",
        _seen("v", "date '2000-01-01'"),
        lambda data: str(_days(data)),
    ),
    Case("time", ["00:00:00", "23:59:59.999999", "24:00:00", "12:00:00.1"], "time_send(v)", "epoch_us(v)", _int),
    Case(
        "timestamp",
        TIMES,
        "timestamp_send(v)",
        _seen("epoch_us(v)", "946684800000000"),
        lambda data: str(_micros(data)),
        unfit=LATE,
    ),
    Case(
        "timestamptz",
        [*TIMES, "2020-06-01 12:00:00+05:30"],
        "timestamptz_send(v)",
        _seen("epoch_us(v)", "946684800000000"),
        lambda data: str(_micros(data)),
        unfit=LATE,
    ),
    Case(
        "uuid",
        [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        ],
        "uuid_send(v)",
        "v",
        bytes,
    ),
    Case("bytea", ["", "\\x00", "\\x00ff7f80", "\\x5c783030", "\\x" + "00ff" * 100_000], "byteasend(v)", "v", bytes),
    Case(
        "jsonb",
        [
            '{"b": 1.10, "a": [null, true, "\\u00e9 \\"x\\" \\\\"], "": {}}',
            "1e300",
            "-0.0",
            '"\\ud83d\\ude00"',
            "null",
            "12345678901234567890.123456789012345678901234567890",
            "[" * 500 + "]" * 500,
        ],
        "convert_to(v::text, 'utf8')",
        "v::varchar",
        lambda data: data.decode(),
    ),
    Case(
        "json",
        ['{"a":  1, "a": 2}', '"\\ud800"', " [1 ,2]", '"\\u0000"', "1E+5"],
        "convert_to(v::text, 'utf8')",
        "v",
        lambda data: data.decode(),
    ),
    Case(
        "integer[]",
        ["{}", "{1,NULL,-3}", "{{1,2},{3,4}}"],
        "convert_to(array_to_json(v)::text, 'utf8')",
        "v::varchar",
        lambda data: data.decode(),
    ),
    Case(
        "text[]",
        ['{a,"b \\"c\\" \\\\",NULL,"NULL",""}', '{"é\n"}', '{"{}",","}'],
        "convert_to(array_to_json(v)::text, 'utf8')",
        "v::varchar",
        lambda data: data.decode().replace("\\n", "\\u000a"),
    ),
    Case(
        "numeric",
        ["1" + "0" * 200 + ".5", "NaN", "Infinity", "1.10", "0.0000"],
        "convert_to(v::text, 'utf8')",
        "v",
        lambda data: data.decode(),
    ),
    Case("numeric(2,5)", ["0.00012"], "convert_to(v::text, 'utf8')", "v", lambda data: data.decode()),
    Case("numeric(5,-2)", ["1234500"], "convert_to(v::text, 'utf8')", "v", lambda data: data.decode()),
    Case("character(5)", ["a", "", "é"], "bpcharsend(v)", "v", lambda data: data.decode()),
    Case("text", ["", " é\n\t\\ ", "NULL", "\ufeff"], "textsend(v)", "v", lambda data: data.decode()),
    Case(
        "interval",
        ["1 year -2 mons +3 days -04:05:06.000001", "0", "-178000000 years"],
        "convert_to(v::text, 'utf8')",
        "v",
        lambda data: data.decode(),
    ),
    Case(
        "timetz",
        ["12:00:00.000001+15:59", "24:00:00-15:59"],
        "convert_to(v::text, 'utf8')",
        "v",
        lambda data: data.decode(),
    ),
    Case("money", ["-92233720368547758.08", "1"], "convert_to(v::text, 'utf8')", "v", lambda data: data.decode()),
    Case("inet", ["::1/64", "10.0.0.1"], "convert_to(v::text, 'utf8')", "v", lambda data: data.decode()),
]


def _scaled(units: int, scale: int) -> str:
    digits = f"{abs(units):0{scale + 1}d}"
    return ("-" if units < 0 else "") + f"{digits[:-scale]}.{digits[-scale:]}"


@pytest.fixture(scope="module", name="source")
def source_fixture(postgres: LocalPostgres) -> Iterator["psycopg.Connection[Any]"]:
    """A session under the settings that every connection of ours forces; it makes temporary tables only."""
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(FORCED)
        yield connection


def _type_of(source: "psycopg.Connection[Any]", name: str) -> PgType:
    source.execute(f"create temporary table t (v {name})")
    ((oid, typmod, element),) = source.execute(
        "select atttypid::int, atttypmod, case typcategory when 'A' then typelem::int end from pg_attribute "
        "join pg_type on pg_type.oid = atttypid where attrelid = 't'::regclass and attname = 'v'"
    ).fetchall()
    source.execute("drop table t")
    kind = Kind.ARRAY if element else KIND_BY_OID.get(oid, Kind.OTHER)
    return PgType(oid=oid, typmod=typmod, name=name, kind=kind, element=KIND_BY_OID[element] if element else None)


def _postgres(source: "psycopg.Connection[Any]", case: Case, literals: Sequence[str]) -> list[tuple[str, bytes]]:
    """The output function's text and the independent bytes, for every literal."""
    text = "textin(bpcharout(v))" if case.type.startswith("character") else "v::text"
    query = f"select {text}, {case.send} from unnest(%s::text[]) with ordinality x(l, n), lateral (select l::{case.type} as v) y order by n"
    return [(row[0], bytes(row[1])) for row in source.execute(query, [list(literals)]).fetchall()]


def _load(bench: Bench, rel: Relation, texts: list[str]) -> None:
    rows = pl.DataFrame(
        {"c1": [str(i) for i in range(len(texts))], "c2": texts}, schema={"c1": pl.String, "c2": pl.String}
    )
    bench.load(table(rel, bench.journal.copy(rel, *encode(rows, rel).rows())))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.type)
def test_duckdb_holds_what_postgres_holds_or_refuses(bench: Bench, source: Any, case: Case) -> None:
    pg = _type_of(source, case.type)
    rel = relation(column(1, "id"), column(2, "v", pg))
    _load(bench, rel, [])
    for text, _ in _postgres(source, case, list(case.unfit)):
        with pytest.raises(ValueDoesNotFit, match=r"column 'v'"):
            bench.changed(rel, {"op": "U", "c1": "x", "c2": text})
    made = _postgres(source, case, case.literals)
    bench.warehouse.await_copy("journal-1", rel.oid)
    _load(bench, rel, [text for text, _ in made])
    found = [row[0] for row in bench.query(f"select {case.seen} from public.orders order by id::integer")]
    assert [_plain(value, pg) for value in found] == [case.decoded(data) for _, data in made]
    assert [row[1] for row in bench.query("describe public.orders")] == ["VARCHAR", duckdb_type(pg)]
    # The same values as keys, merged: the rows that are deleted are those that have these values.
    keyed = relation(column(1, "id"), column(2, "v", pg), key=(2,), name="keyed", oid=200)
    rows = encode(pl.DataFrame({"c1": ["1"] * len(made), "c2": [text for text, _ in made]}), keyed).rows()
    bench.load(
        table(
            keyed,
            bench.journal.copy(keyed, *rows),
            bench.journal.changes(keyed, *({"op": "D", "c2": v} for _, v in rows)),
        )
    )
    assert bench.rows("public.keyed") == []


def _plain(value: Any, pg: PgType) -> Any:
    if pg.kind in (Kind.FLOAT4, Kind.FLOAT8):
        return _repr(value)
    return value.bytes if pg.kind is Kind.UUID else value
