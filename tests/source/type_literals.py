"""One column a type, and its literals, as Postgres takes them. Add a type of Postgres here."""

SETUP = """
create schema kinds;
set search_path = kinds, public;
create extension hstore schema public;
create extension citext schema public;
create type mood as enum ('sad', 'o''k', 'very "happy", indeed');
create domain posint as int check (value > 0);
create domain posint2 as posint check (value < 1000000);
create domain tags as text[];
create type pair as (a int, b text, c bool);
create function pair_text(pair) returns text language sql immutable as 'select ''cast of its own''';
create cast (pair as text) with function pair_text(pair);
create function mood_text(mood) returns text language sql immutable as 'select ''cast of its own''';
create cast (mood as text) with function mood_text(mood) as assignment;
create table refers (id int primary key);
"""

LITERALS: dict[str, list[str]] = {
    "boolean": ["true", "false"],
    "smallint": ["-32768", "32767"],
    "integer": ["-2147483648", "0"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "numeric": ["'NaN'", "1e130", "-0.000000000000000000000000000000000000001", "'0.00'"],
    "numeric(20,5)": ["12345.678", "-0.00001"],
    "real": ["'NaN'", "'-Infinity'", "3.4028235e38", "0.1", "'-0'", "1e-45"],
    "double precision": ["'NaN'", "'Infinity'", "0.1::float8 + 0.2::float8", "'-0'", "5e-324", "1e22"],
    "money": ["12345678.9", "-1"],
    "text": [
        "''",
        "' '",
        "'NULL'",
        "E'\\\\N'",
        "E'tab\\tlf\\ncr\\r\"quote\"'",
        "'žluťoučký 🐎'",
        "repeat('long', 5000)",
    ],
    "varchar(20)": ["''", "'trailing  '"],
    "char(7)": ["'a'", "''", "'é'"],
    '"char"': ["'a'", "''", "E'\\\\303'"],
    "name": ["'A name'", "''"],
    "bytea": [r"'\x'", r"'\x00ff5c27'"],
    "date": ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'2024-02-29'", "'5874897-12-31'"],
    "time": ["'24:00:00'", "'23:59:59.999999'"],
    "time(0)": ["'12:34:56.789'"],
    "timetz": ["'12:00:00-07:30'", "'24:00:00+15:59'"],
    "timestamp": ["'infinity'", "'-infinity'", "'0001-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'"],
    "timestamptz": ["'infinity'", "'2024-07-01 12:00:00.5+02'", "'1883-11-18 12:00:00 America/New_York'"],
    "interval": ["'1 year -2 months 3 days -04:05:06.789'", "'0'", "'-178000000 years'", "'1 day'"],
    "uuid": ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
    "json": ['\'{"b": 1,  "a":null, "a": 2}\'', "'null'"],
    "jsonb": ['\'{"b": 1,  "a":null, "a": 2, "e": "\\u00e9"}\'', "'null'", "'1.0e2'"],
    "jsonpath": ["'$.a[*] ? (@ > 1)'"],
    "bit(5)": ["B'10101'"],
    "bit varying": ["B''", "B'1'"],
    "inet": ["'192.168.0.1/24'", "'::1'", "'10.0.0.1'"],
    "cidr": ["'10.0.0.0/8'", "'2001:db8::/32'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "macaddr8": ["'08:00:2b:01:02:03:04:05'"],
    "point": ["'(1.5,-0)'"],
    "line": ["'{1,-1,0}'"],
    "lseg": ["'[(1,2),(3,4)]'"],
    "box": ["'(3,4),(1,2)'"],
    "path": ["'[(1,2),(3,4)]'", "'((1,2),(3,4))'"],
    "polygon": ["'((1,2),(3,4),(5,6))'"],
    "circle": ["'<(1,2),3>'"],
    "pg_lsn": ["'16/B374D848'"],
    "pg_snapshot": ["'10:20:10,14,15'"],
    "xid8": ["'18446744073709551615'"],
    "oid": ["4294967295"],
    "regclass": ["'kinds.refers'", "'pg_class'", "0"],
    "tsvector": ["'a:1A fat:2B,4C cat:5'", "''"],
    "tsquery": ["'fat & (rat | cat:*)'"],
    "int4range": ["'[1,5]'", "'empty'", "'(,)'"],
    "tstzrange": ["'[2024-01-01 00:00+01,infinity)'"],
    "int[]": ["'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,4}}'", "'[0:1]={1,2}'"],
    "text[]": ['\'{"a,b","q\\"q","",NULL,"NULL"," "}\''],
    "bool[]": ["'{t,f,NULL}'"],
    "char(3)[]": ["'{a,\"b \"}'"],
    "box[]": ["'{(3,4),(1,2);(5,6),(0,0)}'"],
    "bytea[]": ["array['\\x00ff'::bytea, '']"],
    "int2vector": ["'1 2 3'"],
    "hstore": ['\'a=>1, "b c"=>NULL, q=>"\\""\'', "''"],
    "citext": ["'MiXed'", "''"],
    "citext[]": ["'{A,b}'"],
    "mood": ["'o''k'", "'very \"happy\", indeed'"],
    "mood[]": ["array['sad', 'very \"happy\", indeed']::mood[]"],
    "posint": ["7"],
    "posint2": ["42"],
    "posint2[]": ["'{1,2}'"],
    "tags": ["'{x,\"y z\"}'"],
    "pair": ["row(1, 'x \"y\"', true)", "row(null, null, null)", "row(null, '', false)"],
    "pair[]": ["array[row(1, 'a,b', false), null]::pair[]"],
}
SINCE: dict[str, tuple[int, list[str]]] = {"int4multirange": (140_000, ["'{[1,3),[5,9)}'", "'{}'"])}
XML = {"xml": ["'<a b=\"c\">é</a>'"]}
