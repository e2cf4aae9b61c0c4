"""Values at the edge, made by Postgres itself, through the whole pipeline: copied, inserted, updated and as keys they are
the same at both ends, or counted as odd, or the pipeline stops and names the place. Never silently another value.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from fix_pipeline import Pipeline
from fix_postgres import Database
from nightly import NIGHTLY
from refusals.rig import assert_refused, until_applied

# Every row is (name, SQL that makes the text).
TEXTS = (
    "''", "' '", "'  '", "E'\\\\0'", "E'\\\\N'", "'NULL'", "'null'", "'__artie_null_value'", "'n0123456789abcdef01234567'",
    "E'\\r'", "E'\\n'", "E'\\r\\n'", "E'a\\rb\\nc\\r\\nd'", "E'\\t'", "'\"'", "'\"\"'", "''''", "E'\\\\'", "E'\\\\\\\\'", "','",
    "'a,b'", "'\"a\",\"b\"'", "'{}'", "'{a,b}'", "'[1]'", "'2024-02-30'", "'1e5'", "'true'", "'NaN'", "'-Infinity'",
    "chr(65279) || 'bom'", "chr(8203) || 'zero width'", "chr(8238) || 'rtl'", "chr(128512)", "chr(1114111)",
    "'e' || chr(769)", "chr(233)", "chr(1) || chr(31) || chr(127)", "chr(133) || chr(8232) || chr(8233)", "E'trailing\\n'",
    "repeat('x', 65535)", "repeat('x', 65536)", "repeat(chr(128512), 16383) || 'abc'", "repeat(chr(128512), 16384)",
    "repeat(chr(233), 32767) || 'x'", "repeat('\"', 70000)", "repeat(E'\\n', 3000)", "E'\\\\x00'", "'%s ? $1 :x'",
)  # fmt: skip
JSONS = (
    """'{"a": 1, "a": 2}'""", """'"\\u0000"'""", """'"\\ud83d\\ude00"'""", "'null'", "'  [1, 2 ]  '", """'{"": ""}'""",
    "(repeat('[', 1001) || repeat(']', 1001))", """('"' || repeat('x', 15000000) || '"')""", "'1e400'", "'-0'", "'1.10'",
)  # fmt: skip
ARRAYS = (
    "'{}'", "'{NULL}'", "'{\"NULL\"}'", "array['', ' ', 'a,b', '\"', E'\\\\', '{}', E'\\n', E'\\r\\n', 'null', NULL]",
    "'{{a,b},{c,NULL}}'", "'[2:3]={x,y}'", "array[chr(65279), chr(128512), repeat('z', 70000)]",
)  # fmt: skip

DDL = """
create table texts (id int primary key, t text, v varchar, b bytea);
create table keys (k text primary key, n int);
create table jsons (id int primary key, j json, b jsonb);
create table arrays (id int primary key, a text[])
"""


def rows(values: tuple[str, ...], *, first: int) -> list[tuple[int, str]]:
    return list(enumerate(values, start=first))


def fill(database: Database, first: int) -> None:
    """All values once, under keys from `first` on."""
    with database.connect() as connection:
        for number, text in rows(TEXTS, first=first):
            connection.execute(
                f"insert into texts values ({number}, {text}, {text}, convert_to({text}, 'UTF8'))".encode()
            )
            connection.execute(
                f"insert into keys values ({text} || 'a{first}', {number}), ('b{first}' || {text}, {number})".encode()
            )
        for number, text in rows(JSONS, first=first):
            connection.execute(f"insert into jsons (id, j) values ({number}, ({text})::json)".encode())
            try:
                connection.execute(f"update jsons set b = ({text})::jsonb where id = {number}".encode())
            except psycopg.DataError:
                continue  # jsonb holds no U+0000
        for number, text in rows(ARRAYS, first=first):
            connection.execute(f"insert into arrays values ({number}, {text})".encode())


SAME = {
    "texts": ("id, t, v, encode(b, 'hex')", "id, t, v, lower(hex(b))"),
    "keys": ("k, n", "k, n"),
    "jsons": ("id, j::text, b::text", "id, j::varchar, b::varchar"),
    "arrays": ("id, array_to_json(a)::text", "id, a::varchar"),
}


def assert_same(pipeline: Pipeline) -> None:
    with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as connection:
        for table, (there, here) in SAME.items():
            source = {row[0]: row for row in pipeline.database.fetch(f"select {there} from {table}")}
            target = {row[0]: row for row in connection.execute(f"select {here} from public.{table}").fetchall()}
            assert source.keys() == target.keys(), table
            for key, row in source.items():
                if table == "arrays":
                    assert json.loads(row[1]) == json.loads(target[key][1]), key
                else:
                    assert row == target[key], (table, str(key)[:40])


def odd_counts(pipeline: Pipeline) -> dict[str, int]:
    """What the manifests count as odd, per table and column of the copy and the changes alike."""
    found: dict[str, int] = {}
    for path in sorted((pipeline.journal_path / "batches").glob("*.json")):
        manifest = json.loads(path.read_bytes())
        for table in manifest["tables"]:
            name = table["relations"][-1]["name"]
            names = {str(column["attnum"]): column["name"] for column in table["relations"][-1]["columns"]}
            for step in table["steps"]:
                for file in step.get("files") or [step["file"]]:
                    for attnum, count in file["odd"].items():
                        found[f"{name}.{names[attnum]}"] = found.get(f"{name}.{names[attnum]}", 0) + count
    return found


def test_rows_47_48_50_texts_are_the_same_copied_inserted_updated_and_as_keys(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute(DDL)
    fill(database, 1000)
    pipeline.catch_up()
    assert_same(pipeline)
    copied = odd_counts(pipeline)
    long = "select count(*) filter (where octet_length(t) > 65535), count(*) filter (where octet_length(v) > 65535) from texts"
    [(texts, varchars)] = database.fetch(long)
    assert (copied["texts.t"], copied["texts.v"]) == (texts, varchars)
    assert copied["jsons.j"] == 5  # a key twice, U+0000, too deep, too long, a number beyond a double

    fill(database, 2000)
    database.execute(
        "update texts set v = t || 'x' where id < 1020; update keys set k = k || chr(65279) where n % 2 = 0"
    )
    database.execute("update texts set t = v, v = null where id between 1030 and 1060; update keys set n = -n")
    database.execute("delete from keys where n % 5 = 0; update jsons set j = to_json('x'::text) where id = 2001")
    pipeline.catch_up()
    assert_same(pipeline)


def test_rows_45_46_49_numbers_and_times_at_their_ends(pipeline: Pipeline) -> None:
    """What DuckDB holds exactly is native, the rest text; both nights in which clocks are changed, whatever the session's zone."""
    database = pipeline.database
    database.execute("""
        create table numbers (id int primary key, n numeric, p numeric(38, 10), f float8, r real, i int8);
        create table moments (id int primary key, d date, ts timestamp, tz timestamptz, t time, ttz timetz, iv interval)
    """)
    for first in (0, 100):
        with database.connect() as connection:
            connection.execute(
                f"""
                insert into numbers values ({first + 1}, 'NaN', 1, 'NaN', 'NaN', 9223372036854775807),
                    ({first + 2}, 10::numeric ^ 130, 9999999999999999999999999999.9999999999, 'Infinity', '-Infinity', -9223372036854775808),
                    ({first + 3}, 1e-40, -0.0000000001, '-0', 1e-45, 0), ({first + 4}, repeat('9', 131072)::numeric, null, 5e-324, 3.4028235e38, 1),
                    ({first + 5}, 1.10, 0, 0.1::float8 + 0.2::float8, 0.1, 2), ({first + 6}, '-0.000', -0.0, 1.7976931348623157e308, 1, 3)
            """.encode()
            )
            connection.execute(
                f"""
                insert into moments values ({first + 1}, 'infinity', '-infinity', 'infinity', '24:00', '24:00+05:30', '1 mon -1 day'),
                    ({first + 2}, '4713-01-01 BC', '0044-03-15 12:00 BC', '0001-01-01 00:00+00 BC', '00:00:00.000001', '01:02:03.4-12:34:56', '178000000 years'),
                    ({first + 3}, '9999-12-31', '9999-12-31 23:59:59.999999', '294247-01-01 00:00+00', '23:59:59.999999', '00:00+15:59', '-1 year 2 mons'),
                    ({first + 4}, '1970-01-01', '1883-11-18 12:03:58', '1883-11-18 12:03:58+00', '12:00', '12:00-00:00:01', '0')
            """.encode()
            )
            for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
                connection.execute(f"set timezone = '{zone}'".encode())
                connection.execute(
                    f"""
                    insert into moments (id, tz) select {first} + 10 + row_number() over () + (select count(*) from moments), m
                    from generate_series('2024-03-31 00:15+00'::timestamptz, '2024-03-31 02:15+00', '30 min') m
                """.encode()
                )
                connection.execute(
                    f"""
                    insert into moments (id, tz) select {first} + 1000 + row_number() over () + (select count(*) from moments), m
                    from generate_series('2024-11-03 04:45+00'::timestamptz, '2024-11-03 07:45+00', '30 min') m
                """.encode()
                )
        pipeline.catch_up()
    with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as target:
        target.execute("set TimeZone = 'UTC'")
        here = target.execute("select id, n, p::varchar, f, r, i from public.numbers order by 1").fetchall()
        there = database.fetch("select id, n::text, p::text, f, r::float8, i from numbers order by 1")
        assert [tuple(map(str, row)) for row in here] == [tuple(map(str, row)) for row in there]
        moments = target.execute(
            "select id, epoch_us(tz), t::varchar, ttz, iv from public.moments where isfinite(tz) order by 1"
        ).fetchall()
        expected = database.fetch(
            "set intervalstyle = postgres; set extra_float_digits = 1;"
            " select id, (extract(epoch from tz) * 1000000)::int8, t::text, ttz::text, iv::text from moments where isfinite(tz) order by 1"
        )
        assert moments == expected
        odd = target.execute(
            "select id, isinf(d), isinf(ts), isinf(tz) from public.moments where id in (1, 101) order by 1"
        ).fetchall()
        assert odd == [(1, True, True, True), (101, True, True, True)]
    counts = odd_counts(pipeline)  # of the last batch: the one before was pruned
    assert {name: counts[name] for name in ("numbers.n", "moments.d", "moments.tz")} == {
        "numbers.n": 2,  # NaN, more than 1,024 digits
        "moments.d": 2,  # infinity, BC
        "moments.tz": 3,  # infinity, BC, a year of six digits
    }


HOSTILE_SETTINGS = {
    "datestyle": "'SQL, DMY'", "intervalstyle": "'sql_standard'", "extra_float_digits": "-10", "bytea_output": "'escape'",
    "timezone": "'America/New_York'", "lc_monetary": "'C'", "xmlbinary": "'hex'", "search_path": "'nowhere'",
    "standard_conforming_strings": "off", "array_nulls": "off", "client_encoding": "'LATIN1'", "quote_all_identifiers": "on",
    "row_security": "off", "statement_timeout": "'1ms'", "default_transaction_isolation": "'serializable'",
}  # fmt: skip


def test_row_41_settings_of_role_and_database_rewrite_nothing(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("""
        create table t (id int primary key, d date, tz timestamptz, iv interval, f float8, b bytea, a text[], x text, m money);
        insert into t select i, '2024-02-03', '2024-07-01 12:00+00', '1 day 02:03', 0.1::float8 + 0.2::float8, '\\xdeadbeef',
            '{a,NULL}', chr(233), 12.34 from generate_series(1, 3) i
    """)
    role = f"hostile_{database.name}"
    database.execute(f"create role {role} superuser login")
    for number, (name, value) in enumerate(HOSTILE_SETTINGS.items()):
        whose = f"role {role}" if number % 2 else f"role {role} in database {database.name}"
        database.execute(f"alter {whose} set {name} = {value}")
    dsn = psycopg.conninfo.make_conninfo(database.dsn, user=role)
    pipeline.environment = {
        "RE_DMS_SOURCE__DSN": dsn,
        "PGTZ": "Asia/Tokyo",
        "PGDATESTYLE": "German",
        "PGOPTIONS": "-c bytea_output=escape",
    }
    try:
        pipeline.catch_up()
        database.execute(
            "insert into t select i + 10, d, tz, iv, f, b, a, x, m from t, generate_series(1, 2) i where id = 1"
        )
        database.execute("update t set x = x || 'u' where id = 2")
        pipeline.catch_up()
    finally:
        database.execute(f"drop owned by {role}")
        database.execute(f"drop role if exists {role}")
    with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as target:
        target.execute("set TimeZone = 'UTC'")
        here = target.execute(
            "select id, d::varchar, epoch(tz), iv, f, hex(b), a, x, m from public.t order by 1"
        ).fetchall()
    there = database.fetch(
        "select id, d::text, extract(epoch from tz)::float8, '1 day 02:03:00', f, upper(encode(b, 'hex')),"
        " '[\"a\",null]', x, '$12.34' from t order by 1"
    )
    assert here == there


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_row_44_other_encodings_are_exact_or_stop_by_name(pipeline: Pipeline, encoding: str) -> None:
    server, name = pipeline.database.server, f"{pipeline.database.name}_{encoding.lower()}"
    server.create_database(name, template="template0", encoding=encoding, lc_collate="C", lc_ctype="C")
    pipeline.database = Database(server=server, name=name)
    pipeline.name = name
    try:
        _other_encoding(pipeline, encoding)
    finally:
        for running in pipeline.started:
            if running.process.poll() is None:
                running.kill_group()
        for (slot,) in server.execute("select slot_name from pg_replication_slots where database = %s", [name]):
            server.execute("select pg_drop_replication_slot(%s)", [slot])
        server.execute(f"drop database {name} with (force)")


def _other_encoding(pipeline: Pipeline, encoding: str) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    raw = (
        "convert_from('\\xe9ff'::bytea, 'LATIN1')"
        if encoding == "LATIN1"
        else "convert_from('\\xc3a9c3bf'::bytea, 'SQL_ASCII')"
    )
    database.execute(f"insert into t values (1, {raw})")
    pipeline.catch_up()
    database.execute(f"insert into t values (2, {raw}); update t set a = a || 'x' where id = 1")
    pipeline.catch_up()
    assert sorted(pipeline.target_rows("t")) == [(1, "éÿx"), (2, "éÿ")]
    if encoding == "SQL_ASCII":
        database.execute("insert into t values (3, convert_from('\\xe9'::bytea, 'SQL_ASCII'))")
        refused = pipeline.run("run", "--until-caught-up")
        assert_refused(refused, 3, "public.t", "'a'", "UTF-8")
        assert sorted(pipeline.target_rows("t")) == [(1, "éÿx"), (2, "éÿ")]


def test_row_82_sixteen_hundred_columns(pipeline: Pipeline) -> None:
    database = pipeline.database
    columns = ", ".join(f"c{number} smallint" for number in range(1599))
    database.execute(f"create table wide (id int primary key, {columns})")
    database.execute("insert into wide (id, c0, c1598) select i, i, -i from generate_series(1, 50) i")
    pipeline.catch_up()
    database.execute("update wide set c700 = id, c1598 = null where id < 20; delete from wide where id > 40")
    database.execute("insert into wide (id, c1) values (100, 1); update wide set id = 200 where id = 1")
    pipeline.catch_up()
    pipeline.assert_equal("wide")


HUGE_MB = 300 if NIGHTLY else 20


def test_row_43_one_huge_value(pipeline: Pipeline) -> None:
    """20 MB in the suite, more than any region; RE_DMS_NIGHTLY=1 takes 300 MB and prints the peak."""
    database = pipeline.database
    database.execute("create table t (id int primary key, a text, b bytea); create table other (id int primary key)")
    pipeline.catch_up()
    running = pipeline.start("run")
    running.wait_for("streaming")
    peaks: dict[str, int] = {}
    database.execute(f"insert into t values (1, repeat('x', {HUGE_MB} * 1000000), null); insert into other values (1)")
    database.execute(f"insert into t values (2, null, convert_to(repeat('y', {HUGE_MB} * 400000), 'UTF8'))")
    until_applied(running, database)
    for role, pid in running.children().items():
        [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        peaks[role] = int(peak) // 1024
    print(f"\n{HUGE_MB} MB: peak MB {peaks}")
    running.signal(15)
    assert running.finish().code == 143
    pipeline.catch_up()
    lengths: Any = database.fetch("select id, length(a), md5(a), length(b) from t order by 1")
    with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as target:
        assert (
            target.execute("select id, length(a), md5(a), octet_length(b) from public.t order by 1").fetchall()
            == lengths
        )
    pipeline.assert_equal("other")
