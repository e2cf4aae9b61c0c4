"""Values of every type through both drivers and all protocol versions; Postgres itself is the oracle of binary forms."""

import datetime as dt
import decimal
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import redshift_connector.error
from hypothesis import given
from hypothesis import strategies as st

from localpg import LocalPostgres
from redshift_standin.errors import RedshiftError
from redshift_standin.wire.numbers import modifier, redshift_numeric
from redshift_standin.wire.session import Result
from redshift_standin.wire.values import encoders
from standin.wire.fake_session import column, one_value
from standin.wire.raw_client import SYNC, bind, describe, execute, fields, parse
from standin.wire.served import Served

Serve = Callable[..., Served]
UTC = dt.UTC
moment = dt.datetime.fromisoformat

# OID, the session's text, what redshift_connector makes of it, what psycopg makes of it where that differs.
CASES: list[tuple[Any, ...]] = [
    (16, "t", True), (16, "f", False),
    (21, "-32768", -32768), (23, "-2147483648", -(2**31)), (20, "9223372036854775807", 2**63 - 1), (20, "-1", -1),
    (26, "4294967295", 2**32 - 1),
    (700, "1.5", 1.5), (700, "-Infinity", -math.inf), (701, "-2.2250738585072014e-308", -2.2250738585072014e-308),
    (701, "0.1", 0.1), (701, "1e+308", 1e308), (701, "Infinity", math.inf),
    (25, "", ""), (1043, "æøå 🦆 \\ ' \"", "æøå 🦆 \\ ' \""), (1042, "ab  ", "ab  "), (19, "name", "name"),
    (705, "unknown", "unknown"),
    (1082, "1999-12-31", dt.date(1999, 12, 31)), (1082, "1700-02-28", dt.date(1700, 2, 28)),
    (1082, "2000-02-29", dt.date(2000, 2, 29)), (1082, "9999-12-31", dt.date(9999, 12, 31)),
    (1083, "00:00:00", dt.time(0, 0)), (1083, "23:59:59.125", dt.time(23, 59, 59, 125_000)),
    (1114, "1969-07-20 20:17:40.5", moment("1969-07-20T20:17:40.500000")),
    (1114, "0001-01-01 00:00:00", moment("0001-01-01T00:00:00")),
    (1114, "9999-12-31 23:59:59.999999", moment("9999-12-31T23:59:59.999999")),
    (1184, "2024-02-29 12:00:00.000001+00", dt.datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC)),
    (1184, "1999-12-31 23:30:00-05:30", dt.datetime(2000, 1, 1, 5, 0, tzinfo=UTC)),
    (1266, "01:02:03.5+00", dt.time(1, 2, 3, 500_000, tzinfo=UTC)),
    (4000, '{"a":[1,null,"x"]}', '{"a":[1,null,"x"]}'),
]  # fmt: skip
NUMERICS = [
    ("0", 18, 0), ("-1", 18, 0), ("0.00", 10, 2), ("-0.01", 10, 2), ("123.45", 5, 2), ("-123.45", 38, 2),
    ("999999999999999999", 18, 0), ("9223372036854775807", 19, 0), ("-9223372036854775807", 19, 0),
    ("-99999999999999999999.999999999999999999", 38, 18), ("9" * 38, 38, 0), ("-" + "9" * 38, 38, 0),
    ("0." + "0" * 36 + "1", 38, 37), ("1.5", 20, 10), ("12.3400", 18, 2),
]  # fmt: skip


@pytest.mark.parametrize("version", [0, 1, 2])
def test_redshift_connector_reads_every_type(serve: Serve, version: int) -> None:
    served = serve({f"case {n}": one_value(oid, text) for n, (oid, text, *_) in enumerate(CASES)})
    with served.redshift(client_protocol_version=version) as connection:
        cursor = connection.cursor()
        for number, (oid, text, expected) in enumerate(CASES):
            (row,) = cursor.execute(f"case {number}").fetchall()
            assert row == [expected], (oid, text)
        assert connection.notices == type(connection.notices)()


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_reads_every_type(serve: Serve, binary: bool) -> None:
    known = [case for case in CASES if not (binary and case[0] == 4000)]
    served = serve({f"case {n}": one_value(oid, text) for n, (oid, text, _) in enumerate(known)})
    with served.psycopg() as connection:
        for number, (oid, text, expected) in enumerate(known):
            row = connection.execute(f"case {number}", binary=binary).fetchone()
            assert row == (expected.encode() if oid == 705 and binary else expected,), (oid, text)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("oid", sorted({case[0] for case in CASES} | {1700, 6551, 1005}))
def test_null_is_none_for_every_type(serve: Serve, oid: int, version: int) -> None:
    served = serve({"null": one_value(oid, None)})
    with served.redshift(client_protocol_version=version) as connection:
        assert connection.cursor().execute("null").fetchall() == ([None],)
    with served.psycopg() as plain:
        assert plain.execute("null").fetchone() == (None,)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_numerics_of_all_sizes_are_exact(serve: Serve, version: int) -> None:
    answers = {f"{v} {p} {s}": one_value(1700, v, modifier(p, s)) for v, p, s in NUMERICS}
    served = serve(answers)
    with (
        served.redshift(client_protocol_version=version) as connection,
        served.psycopg() as other,
        decimal.localcontext(prec=38),
    ):
        for text, *_ in [key.split() for key in answers]:
            key = next(key for key in answers if key.startswith(text + " "))
            ((value,),) = connection.cursor().execute(key).fetchall()
            assert isinstance(value, Decimal)
            assert value == Decimal(text), key
            for binary in (False, True):
                assert other.execute(key, binary=binary).fetchone() == (Decimal(text),), key


def test_redshift_connector_rounds_in_protocol_version_2_to_the_precision_of_its_callers_decimal_context(
    serve: Serve,
) -> None:
    """The driver scales with Decimal.scaleb: whoever checks long numbers with it raises the precision first."""
    served = serve({"n": one_value(1700, "-" + "9" * 30 + ".5", modifier(38, 1))})
    with served.redshift(client_protocol_version=2) as connection:
        assert connection.cursor().execute("n").fetchall() == ([Decimal("-1E30")],)
        with decimal.localcontext(prec=38):
            assert connection.cursor().execute("n").fetchall() == ([Decimal("-" + "9" * 30 + ".5")],)


def test_redshift_connector_shifts_dates_before_1612_in_protocol_version_2(serve: Serve) -> None:
    """The driver's own arithmetic; whoever checks old dates with it reads them as text."""
    served = serve({"old": one_value(1082, "1600-01-01")})
    for version, expected in ((0, dt.date(1600, 1, 1)), (2, dt.date(1600, 1, 11))):
        with served.redshift(client_protocol_version=version) as connection:
            assert connection.cursor().execute("old").fetchall() == ([expected],)


def test_a_numeric_of_an_expression_is_told_as_38_18_to_protocol_version_2(serve: Serve) -> None:
    served = serve({"avg": one_value(1700, "-2.3333333333333333"), "long": one_value(1700, "0.00000000000000000001")})
    for version in (0, 1, 2):
        with served.redshift(client_protocol_version=version) as connection:
            cursor = connection.cursor()
            assert cursor.execute("avg").fetchall() == ([Decimal("-2.3333333333333333")],)
            if version < 2:
                assert cursor.execute("long").fetchall() == ([Decimal("1e-20")],)
                continue
            with pytest.raises(redshift_connector.error.ProgrammingError) as caught:
                cursor.execute("long")
            assert "does not fit the type told to the client, numeric(38,18)" in caught.value.args[0]["M"]
            assert cursor.execute("avg").fetchall() == ([Decimal("-2.3333333333333333")],)


@pytest.mark.parametrize(
    ("text", "precision", "scale"),
    [("0.005", 10, 2), ("NaN", 10, 2), ("9223372036854775808", 19, 0), ("1" + "0" * 39, 38, 0), ("1e5", 18, 0)],
)
def test_a_value_that_is_not_of_the_numeric_told_is_refused_and_not_rounded(
    text: str, precision: int, scale: int
) -> None:
    with pytest.raises(RedshiftError) as caught:
        redshift_numeric(modifier(precision, scale))(text.encode())
    assert caught.value.sqlstate == "0A000"


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 37))
def test_redshifts_numeric_is_the_unscaled_number(unscaled: int, scale: int) -> None:
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    text = ("-" if unscaled < 0 else "") + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)
    assert redshift_numeric(modifier(38, scale))(text.encode()) == unscaled.to_bytes(16, "big", signed=True)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_rule_36_varbyte_is_bare_hex(serve: Serve, version: int) -> None:
    served = serve({"v": one_value(6551, "616263c3a6")})
    with served.redshift(client_protocol_version=version) as connection:
        # The driver decodes the hex before version 2.
        assert connection.cursor().execute("v").fetchall() == (["616263c3a6" if version == 2 else "abcæ"],)
    with served.psycopg() as plain:
        assert plain.execute("v").fetchone() == ("616263c3a6",)


@pytest.mark.parametrize(
    ("oid", "text", "expected"),
    [
        (1005, "{1,-2}", [1, -2]), (1005, "{}", []), (1007, "{2147483647}", [2**31 - 1]), (1009, "{a,NULL}", ["a", None]),
        (1009, '{"a,b","c\\"d","NULL",""}', ["a,b", 'c"d', "NULL", ""]), (1015, '{"x y",z}', ["x y", "z"]),
    ],
)  # fmt: skip
def test_rule_40_arrays_of_the_catalog_are_read(serve: Serve, oid: int, text: str, expected: list[Any]) -> None:
    served = serve({"a": one_value(oid, text)})
    with served.redshift() as connection:
        assert connection.cursor().execute("a").fetchall() == ([expected],)
    with served.psycopg() as plain:
        assert plain.execute("a", binary=True).fetchone() == (expected,)


@pytest.mark.parametrize(
    ("oid", "what"),
    [(4000, "SUPER"), (6551, "VARBYTE"), (3000, "GEOMETRY"), (1186, "OID 1186"), (600, "OID 600"), (22, "OID 22")],
)
def test_rule_37_binary_forms_that_nobody_knows_are_refused_before_the_statement_runs(
    serve: Serve, oid: int, what: str
) -> None:
    served = serve({"x": one_value(oid, "1")})
    with served.psycopg() as connection:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match=what):
            connection.execute("x", binary=True)
        assert served.session.executed == []
        assert connection.execute("x").fetchone() is not None


def test_formats_are_obeyed_column_by_column(serve: Serve) -> None:
    columns = [column("a", 23), column("b", 23), column("c", 1700, modifier(5, 1)), column("d", 25)]
    served = serve({"x": Result(tag="SELECT 1", columns=columns, rows=[[b"1", b"2", b"3.5", None]])}, auth="trust")
    for version, numeric in (
        (0, bytes.fromhex("0002000000000001 0003 1388".replace(" ", ""))),
        (2, b"\0" * 7 + b"\x23"),
    ):
        with served.raw() as client:
            client.log_in(client_protocol_version=str(version))
            client.send(parse("", "x"), bind("", "", (), (0, 1, 1, 1)), describe(b"P", ""), execute(""), SYNC)
            told = dict(client.until_ready())
            row = b"\0\x04" + b"\0\0\0\x011" + b"\0\0\0\x04\0\0\0\x02"
            row += len(numeric).to_bytes(4, "big") + numeric + b"\xff\xff\xff\xff"
            assert told[b"D"] == row
            client.send(bind("", "", (), (1,)), SYNC)  # one format is for all
            assert client.kinds() == b"2Z"


def test_a_value_that_cannot_be_encoded_is_an_error_of_its_statement(serve: Serve) -> None:
    served = serve({"x": one_value(1082, "31.12.1999"), "y": one_value(24, "boolin")}, auth="trust")
    with served.raw() as client:
        client.log_in()
        for name in ("x", "y"):
            client.send(parse("", name), bind("", "", (), (1,)), execute(""), SYNC)
            told = client.until_ready()
            assert b"".join(kind for kind, _ in told) == b"12EZ"
            assert fields(told[2][1])["C"] == "0A000"


ORACLE = {
    "bool": ["t", "f"],
    "int2": ["-32768", "0"],
    "int4": ["-1", "2147483647"],
    "int8": ["-9223372036854775808"],
    "float4": ["1.1", "NaN", "-Infinity", "1e-40"],
    "float8": ["1.1", "-0", "NaN", "5e-324"],
    "text": ["", "æ"],
    "bpchar(3)": ["a"],
    "bytea": ["", "\\x00ff"],
    "date": ["2000-01-01", "1999-12-31", "1600-02-29", "0001-01-01", "4713-01-01 BC", "0001-12-31 BC", "0005-02-29 BC",
             "294276-12-31", "infinity", "-infinity", "1900-03-01", "2100-02-28", "1582-10-10"],
    "time": ["00:00:00", "24:00:00", "12:34:56.000001"],
    "timestamp": ["2000-01-01", "1999-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999", "4713-01-01 00:00:00 BC",
             "infinity", "-infinity", "0001-01-01 00:00:00 BC"],
    "timestamptz": ["2000-01-01 00:00:00+14", "1999-12-31 23:59:59.5-11:30", "1800-06-01 12:00:00", "infinity",
             "0044-03-15 12:00:00 BC", "2024-07-01"],
    "timetz": ["01:02:03.5+00", "24:00:00+00"],
    "numeric": ["0", "0.00", "-1", "1000000", "0.0001", "0.00010", "123456789.123456789", "NaN", "10000", "-0.5",
             "1" + "0" * 40, "1e-30", "99999999999999999999999999999999999999"],
    "oid": ["0", "4294967295"],
    "int2[]": ["{1,2}", "{}", "{NULL}"],
    "text[]": ['{a,"b c","\\"",NULL}'],
    "name": ["x"],
}  # fmt: skip


@pytest.fixture(scope="module")
def oracle(postgres: LocalPostgres) -> Iterator[psycopg.Connection[Any]]:
    """A session that makes nothing."""
    postgres.start()  # a test before may have ended it
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("zone", "name"),
    [*(("UTC", name) for name in ORACLE), ("America/St_Johns", "timestamptz"), ("Asia/Kolkata", "timestamptz")],
)
def test_binary_forms_are_those_that_postgres_sends(oracle: psycopg.Connection[Any], zone: str, name: str) -> None:
    oracle.execute(f"set timezone to '{zone}'")
    for text in ORACLE[name]:
        command = f"select $1::{name}".encode()
        plain, binary = (oracle.pgconn.exec_params(command, [text.encode()], result_format=code) for code in (0, 1))
        value = plain.get_value(0, 0)
        assert value is not None, plain.error_message
        (encode,) = encoders([column("c", plain.ftype(0))], [1], 0)
        assert (encode(value) if encode else value) == binary.get_value(0, 0), text


def test_a_time_with_zone_is_told_in_utc() -> None:
    (encode,) = encoders([column("c", 1266)], [1], 2)
    assert encode is not None
    assert encode(b"01:00:00+02:30") == encode(b"22:30:00+00")
