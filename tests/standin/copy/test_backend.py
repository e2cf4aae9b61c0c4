"""What the backend makes of the text that it gets: a real Postgres reads it, and says what it has read."""

from __future__ import annotations

import json

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = [
    ("smallint", "-32768", "-32768"),
    ("bigint", "9223372036854775807", "9223372036854775807"),
    ("numeric(5,2)", "1.999", "1.99"),
    ("numeric(5,2)", "-0.001", "0.00"),
    ("numeric(38,37)", "1." + "9" * 40, "1." + "9" * 37),
    ("real", "3.4028235e+38", "3.4028235e+38"),
    ("real", "1.1754944e-38", "1.1754944e-38"),
    ("float8", ".5", "0.5"),
    ("float8", "1.7976931348623157e308", "1.7976931348623157e+308"),
    ("float8", "2.2250738585072014e-308", "2.2250738585072014e-308"),
    ("boolean", "YES", "true"),
    ("char(3)", "a     ", "a  "),
    ("varchar(3)", "abc   ", "abc"),
    ("varchar(9)", "\\N.", "\\N."),
    ("varchar(9)", "\\.", "\\."),
    ("varchar(9)", "\\x41", "\\x41"),
    ("varchar(9)", "a\tb", "a\tb"),
    ("date", "0001-01-01", "0001-01-01"),
    ("date", "9999-12-31", "9999-12-31"),
    ("timestamp", "2024-01-02 03:04:05.000001", "2024-01-02 03:04:05.000001"),
    ("timestamptz", "2024-01-02 03:04:05-05:30", "2024-01-02 08:34:05+00"),
    ("time", "24:00:00", "24:00:00"),
    ("timetz", "01:00:00+02", "23:00:00+00"),
    ("varbyte(3)", "00FF7f", "\\x00ff7f"),
    ("super", '"{""a"": ""\\\\n\\t\\u00e9""}"', '{"a": "\\\\n\\té"}'),
    ("super", "[" * 1000 + "]" * 1000, "[" * 1000 + "]" * 1000),
]


@pytest.fixture(scope="module")
def backend(postgres):
    """A session that makes temporary tables only."""
    postgres.start()  # a test before may have ended it
    with psycopg.connect(postgres.dsn(), autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


def copied(connection: psycopg.Connection, kind: str, data: bytes) -> list[str | None]:
    """The second of three columns as text."""
    connection.execute(f"create temp table t (a int, v {kind}, b int)")
    try:
        with connection.cursor() as cursor, cursor.copy("copy t from stdin") as stream:
            stream.write(data)
        # A cast to text would take the blanks from CHAR.
        value = "rpad(v, octet_length(v))" if kind.startswith("char") else "v::text"
        rows = connection.execute(f"select {value} from t where (a, b) = (1, 2)").fetchall()
        return [value for (value,) in rows]
    finally:
        connection.execute("drop table t")


@pytest.mark.parametrize(("kind", "field", "expected"), CASES)
def test_the_backend_reads_the_value_that_was_judged(loads, backend, make_column, kind, field, expected):
    loads.run(b"1," + field.encode() + b",2\n", ["int", kind, "int"])
    postgres = make_column("v", kind).type.postgres
    assert copied(backend, postgres, b"".join(loads.seen)) == [expected]


TEXTS = st.lists(st.none() | st.text(alphabet='aN.,"\\\t\n\r\x01\x7fé€😀 ', max_size=10), min_size=1, max_size=30)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_any_text_and_any_null_arrive(loads, backend, texts):
    def field(text: str | None) -> str:
        return "nil" if text is None else '"' + text.replace('"', '""') + '"'

    content = "".join(f"1,{field(text)},2\n" for text in texts).encode()
    loads.run(content, ["int", "varchar(100)", "int"], null_as="nil")
    assert copied(backend, "varchar(100)", b"".join(loads.seen)) == texts


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(alphabet='a"\\\t\n/é😀', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='k"\\é', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NESTED, min_size=1, max_size=10), st.booleans())
def test_rule_35_any_json_arrives(loads, backend, values, ascii_only):
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    content = "".join('1,"{}",2\n'.format(text.replace('"', '""')) for text in texts).encode()
    loads.run(content, ["int", "super", "int"])
    assert [json.loads(text or "") for text in copied(backend, "jsonb", b"".join(loads.seen))] == values
