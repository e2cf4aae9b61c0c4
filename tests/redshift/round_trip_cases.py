"""What the round trip sends through: per group of types a table, per type its literals and the road that compares them.

These all have to arrive; the values that Redshift may not hold are in `odd_cases`. Add a type of Postgres here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redshift import reading
from redshift.reading import Road, json_of, text_of


@dataclass(frozen=True, slots=True)
class Case:
    """A column of this type with these literals, each an SQL expression."""

    type: str
    literals: Sequence[str]
    road: Road


def same(type_: str, *literals: str) -> Case:
    return Case(type_, literals, text_of(type_))


def quoted(*texts: str) -> list[str]:
    """E'…' literals."""
    escaped = (text.replace("\\", "\\\\").replace("'", "\\'") for text in texts)
    return [f"E'{text}'" for text in escaped]


NUMBERS = [
    Case("boolean", ["true", "false"], reading.TRUTH),
    Case("smallint", ["-32768", "0", "32767"], reading.INTEGER),
    Case("integer", ["-2147483648", "-1", "2147483647"], reading.INTEGER),
    Case("bigint", ["-9223372036854775808", "9223372036854775807", "0"], reading.INTEGER),
    Case("posint2", ["1", "999999"], reading.INTEGER),
    Case("oid", ["0", "4294967295"], reading.INTEGER),
    Case("xid", ["'3'", "'4294967295'"], reading.UNSIGNED),
    Case("cid", ["'4294967295'"], reading.UNSIGNED),
    Case("xid8", ["'0'", "'18446744073709551615'"], reading.UNSIGNED),
    Case("numeric(1,0)", ["9", "-9", "0"], reading.EXACT),
    Case("numeric(18,2)", ["9999999999999999.99", "-0.01", "1"], reading.EXACT),
    Case("numeric(19)", ["9999999999999999999", "-9999999999999999999", "9223372036854775808"], reading.EXACT),
    Case("numeric(19,4)", ["999999999999999.9999", "-0.0001"], reading.EXACT),
    Case("numeric(20,5)", ["12345.678", "-0.00001", "0"], reading.EXACT),
    Case("numeric(38,0)", ["99999999999999999999999999999999999999", "-1"], reading.EXACT),
    Case("numeric(38,10)", ["9999999999999999999999999999.9999999999", "-0.0000000001", "1.5"], reading.EXACT),
    Case("numeric(38,37)", ["-9.9999999999999999999999999999999999999", "0.1"], reading.EXACT),
    Case("numeric(5,-2)", ["9999900", "-100", "0"], reading.EXACT),
    Case("numeric(2,5)", ["0.00099", "-0.00001"], reading.EXACT),
    Case("numeric(38,38)", ["0.99999999999999999999999999999999999999", "'NaN'"], reading.EXACT),
    Case("numeric(39,2)", ["-9999999999999999999999999999999999999.99", "0"], reading.EXACT),
    Case("numeric(30,-9)", ["1e38"], reading.EXACT),
    Case(
        "numeric",
        ["1e130", "-1e-130", "'NaN'", "1.10", "0.000", "'Infinity'", "'-Infinity'", "('1' || repeat('0', 1023))::numeric"],
        reading.EXACT,
    ),
    same("money", "12345678.9", "-1", "-92233720368547758.08", "92233720368547758.07"),
    Case("real", ["0", "'-0'", "0.1", "-3.4028235e38", "1.17549435e-38", "16777217", "1e-5"], reading.FLOAT4),
    Case(
        "double precision",
        ["0", "'-0'", "0.1::float8 + 0.2::float8", "-1.7976931348623157e308", "2.2250738585072014e-308", "9007199254740993", "1e22"],
        reading.FLOAT8,
    ),
]  # fmt: skip

HOSTILE = [
    *quoted("", " ", "  ", "a", "a ", " a", "\\N", "NULL", "null", "\\", "\\\\", "\\n", "\\0", "\\x00", "\\u0000", "'"),
    *quoted(
        '"', '""', '"a"', 'say "hi", and\nbye', ",", "a,b", "%s", "%", "{}", "$1", "|", "~", "n0123456789abcdef0123"
    ),
    *("E'\\n'", "E'\\r'", "E'\\r\\n'", "E'a\\r\\nb\\rc\\nd'", "E'\\t'", "E'tail\\n'", "chr(65279) || 'bom'", "chr(1)"),
    *("chr(127)", "chr(8232)", "chr(128512)", "'žluťoučký 🐎'", "'e' || chr(769)", "chr(65535)", "chr(64976)"),
    *("chr(8203)", "chr(1114111)", "'a' || chr(160)", "E'\\u200d'", "E'\\v\\f\\b'", "chr(28) || chr(31)"),
]
TEXTS = [
    Case(
        "text",
        [*HOSTILE, "repeat('x', 65535)", "repeat(chr(128512), 16383) || 'abc'", "repeat('\"', 40000)"],
        reading.TEXT,
    ),
    Case("varchar", ["'trailing   '", "repeat('y', 65535)", "''"], reading.TEXT),
    Case("varchar(3)", ["repeat(chr(128512), 3)", "'a '", "''", "'  b'"], reading.TEXT),
    Case("varchar(20000)", ["repeat(chr(233), 20000)", "repeat('x', 20000)"], reading.TEXT),
    Case("char(7)", ["'a'", "''", "'é'", "' b'", "repeat(chr(128512), 7)"], reading.BLANKLESS),
    Case("char(20000)", ["'a'", "repeat('x', 20000)"], reading.BLANKLESS),
    Case("bpchar", ["'a  '::bpchar", "''"], reading.BLANKLESS),
    same('"char"', "'a'", "''", "E'\\\\303'", "E'\\\\377'"),
    Case("name", ["'A name'", "''", "repeat('é', 31)"], reading.TEXT),
    Case("citext", ["'MiXed'", "''", "'mixed'", "'a '"], reading.TEXT),
    same("mood", "'sad'", "'o''k'", "'very \"happy\", indeed'"),
    same("uuid", "'00000000-0000-0000-0000-000000000000'", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"),
    same("xml", "'<a b=\"c\">é</a>'", "'<a>\n</a>'"),
    same("jsonpath", "'$.a[*] ? (@ > 1)'"),
    same("tsvector", "'a:1A fat:2B,4C cat:5'", "''"),
    same("tsquery", "'fat & (rat | cat:*)'"),
]

_DAYS = ["'0001-01-01'", "'1582-10-10'", "'1900-02-28'", "'1970-01-01'", "'2000-02-29'", "'9999-12-31'"]
_MOMENTS = [
    "'0001-01-01 00:00:00'",
    "'1883-11-18 17:00:00.5'",
    "'1969-12-31 23:59:59.999999'",
    "'2000-02-29 12:00:00.123456'",
    "'2024-12-31 23:59:60'",
    "'9999-12-31 23:59:59.999999'",
]
TIMES = [
    Case("date", _DAYS, reading.DAY),
    Case("time", ["'00:00:00'", "'23:59:59.999999'", "'24:00:00'", "'12:00:00.1'"], reading.CLOCK),
    Case("time(0)", ["'12:34:56.789'", "'23:59:59.9'"], reading.CLOCK),
    same("timetz", "'12:00:00-07:30'", "'24:00:00+15:59'", "'23:59:59.999999-15:59:59'", "'00:00:00+00'"),
    Case("timestamp", _MOMENTS, reading.MOMENT),
    Case("timestamp(3)", _MOMENTS[:5], reading.MOMENT),
    Case(
        "timestamptz",
        [*(f"{text[:-1]}+00'" for text in _MOMENTS), "'2024-07-01 12:00:00.5+02'", "'1883-11-18 12:00 America/New_York'"],
        reading.ZONED,
    ),
    same(
        "interval",
        "'1 year -2 months 3 days -04:05:06.789'",
        "'0'",
        "'-178000000 years'",
        "'1 day'",
        "'-178000000 years -11 mons -2147483648 days -2562047788:00:54.775807'",
    ),
]  # fmt: skip

BINARY = [
    Case("bytea", ["''", "'\\x00'", "'\\x00ff7f80'", "'\\x5c783030'", "'\\x20'", "'\\x0d0a22'", "'\\x5c4e'"], reading.BYTES),
    Case(
        "bytea",
        ["(select string_agg(set_byte('\\x00', 0, n), '' order by n) from generate_series(0, 255) n)",
         "convert_to(repeat('x', 1023999), 'UTF8')"],
        reading.BYTES,
    ),
    same("bit(5)", "B'10101'", "B'00000'"),
    same("bit", "B'1'"),
    same("bit(70)", "('x' || repeat('f', 17))::bit(70)"),
    same("bit varying", "B''", "B'1'", "repeat('10', 30000)::varbit"),
    same("bit varying(9)", "B'101010101'", "B''"),
]  # fmt: skip

_OBJECT = '{"b": 1.10, "a": [null, true, "\\\\u00e9 \\\\"x\\\\" \\\\\\\\"], "": {}}'
JSONS = [
    Case(
        "jsonb",
        [f"E'{_OBJECT}'", "'1e37'", "'-0.0'", "'\"\\ud83d\\ude00\"'", "'null'", "'\"\"'", "'[]'", "'{}'", "'0'", "'false'",
         "'\"NULL\"'", "'\" \"'", "'1.0e2'", "'12345678901234567890.123456789012345678'", "'99999999999999999999999999999999999999'",
         "(repeat('[', 1000) || repeat(']', 1000))::jsonb", "to_jsonb(repeat('x', 65000))", "to_jsonb(repeat(chr(128512), 16383))",
         "to_jsonb(repeat('\"', 32000))", "(select jsonb_agg(repeat('x', 60000)) from generate_series(1, 17))",
         "'{\"A\": 1, \"a\": 2, \"a \": 3}'", "'\"\\\\u0000\"'", "'\"\\u0001\\n\\r\\t\\u2028\"'"],
        reading.JSON,
    ),
    Case(
        "json",
        ["' [1 ,2]'", "'{ \"a\":  1,\n\"b\" : {\"a\":2, \"c\":[{\"a\": 3}]}}'", "'1E+5'", "'\"\\u00e9\\/\"'", "'null'", "'\"\\ud83d\\ude00\"'",
         "'{\"a\": \":\", \"b\": \"\\\"a\\\":\"}'", "'\"\\\\u0000\"'"],
        reading.JSON,
    ),
    Case("hstore", ["'a=>1, \"b c\"=>NULL, q=>\"\\\"\"'", "''", "hstore('k', E'a\\nb\\\\')"], json_of("hstore_to_jsonb({0})")),
    Case(
        "pair", ["row(1, 'x \"y\"', true)", "row(null, '', false)", "row(null, null, null)", "row(-1, E'a\\\\b\\n,(', null)"],
        json_of("to_jsonb({0})"),
    ),
]  # fmt: skip

PLAIN_ARRAY = json_of("to_jsonb({0})")
TEXT_ARRAY = json_of("to_jsonb({0}::text::text[])")
ARRAYS = [
    Case("int[]", ["'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,4}}'", "'[0:1]={1,2}'", "'{{{1},{2}},{{3},{NULL}}}'"], PLAIN_ARRAY),
    Case("bigint[]", ["'{-9223372036854775808,9223372036854775807}'"], PLAIN_ARRAY),
    Case("text[]", ['\'{"a,b","q\\"q","",NULL,"NULL"," "}\'', "'{}'", "array[E'\\n\\r\\t\\\\', '{', '}', ',']",
                    "array[['a', null], ['b', 'null']]", "array[chr(128512), chr(65279), chr(1)]", "'{NULL}'", "'{\"\"}'",
                    "array[repeat('x', 65000)]"], PLAIN_ARRAY),
    Case("boolean[]", ["'{t,f,NULL}'", "'{}'"], PLAIN_ARRAY),
    Case("numeric[]", ["'{1.10,-0.001,NaN,NULL}'", "'{12345678901234567890.5}'"], PLAIN_ARRAY),
    Case("double precision[]", ["'{0.1,-0,1e15,NaN,Infinity,NULL}'"], PLAIN_ARRAY),
    Case("citext[]", ["'{A,b}'"], TEXT_ARRAY),
    Case("char(3)[]", ["'{a,\"b \"}'"], json_of("to_jsonb({0})")),
    Case("uuid[]", ["'{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'"], TEXT_ARRAY),
    Case("date[]", ["'{2024-02-29,infinity,\"0044-03-15 BC\"}'"], TEXT_ARRAY),
    Case("timestamptz[]", ["'{\"2024-07-01 12:00+02\",NULL}'"], TEXT_ARRAY),
    Case("bytea[]", ["array['\\x00ff'::bytea, '']"], TEXT_ARRAY),
    Case("jsonb[]", ["array['{\"a\": \"b\\\\c\"}'::jsonb, null, 'null']"], TEXT_ARRAY),
    Case("mood[]", ["array['sad', 'very \"happy\", indeed']::mood[]"], json_of("to_jsonb({0})")),
    Case("posint2[]", ["'{1,2}'"], PLAIN_ARRAY),
    Case("tags", ["'{x,\"y z\"}'", "'{}'"], json_of("to_jsonb({0}::text[])")),
    Case("pair[]", ["array[row(1, 'a,b', false), null]::pair[]"], TEXT_ARRAY),
    same("box[]", "'{(3,4),(1,2);(5,6),(0,0)}'", "'{}'"),
]  # fmt: skip

OTHERS = [
    same("inet", "'192.168.0.1/24'", "'::1'", "'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/127'"),
    same("cidr", "'10.0.0.0/8'", "'2001:db8::/32'"),
    same("macaddr", "'08:00:2b:01:02:03'"),
    same("macaddr8", "'ff:ff:ff:ff:ff:ff:ff:ff'"),
    same("point", "'(1.5,-0)'", "'(0.1,NaN)'"),
    same("line", "'{1,-1,0}'"),
    same("lseg", "'[(1,2),(3,4)]'"),
    same("box", "'(3,4),(1,2)'"),
    same("path", "'[(1,2),(3,4)]'", "'((1,2),(3,4))'"),
    same("polygon", "'((1,2),(3,4),(5,6))'", "polygon(100, circle '<(1,2),3>')"),
    same("circle", "'<(1,2),3>'"),
    same("pg_lsn", "'16/B374D848'", "'0/0'"),
    same("pg_snapshot", "'10:20:10,14,15'"),
    same("tid", "'(4294967294,65534)'"),
    same("regclass", "'kinds.refers'", "'pg_catalog.pg_class'"),
    same("int4range", "'[1,5]'", "'empty'", "'(,)'", "'[-2147483648,2147483646)'"),
    same("int8range", "'[-9223372036854775808,9223372036854775806)'"),
    same("numrange", "'(1.50,)'", "'[1e100,2e100]'"),
    same("daterange", "'[4714-11-24 BC,5874897-12-30)'"),
    same("tsrange", '\'["4714-11-24 00:00:00.000001 BC","294276-12-31 23:59:59.999999"]\''),
    same("tstzrange", "'[2024-01-01 00:00+01,infinity)'"),
    same("int2vector", "'1 2 3'"),
]
SINCE_14 = [same("int4multirange", "'{[1,3),[5,9)}'", "'{}'")]

GROUPS = {
    "numbers": NUMBERS,
    "texts": TEXTS,
    "times": TIMES,
    "binary": BINARY,
    "jsons": JSONS,
    "arrays": ARRAYS,
    "others": OTHERS,
}
