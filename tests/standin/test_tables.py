"""What the stand-in keeps beside a table, where its own ways could show."""

from __future__ import annotations

from datetime import UTC, time

import psycopg
import pytest

from redshift_standin.names import BYTES_MAX
from standin.fix_standin import Clients

LONG = "c" * BYTES_MAX


def test_rule_20_a_name_of_127_bytes_is_a_key_like_any_other(clients: Clients) -> None:
    schema, connection = clients.schema(), clients.psycopg()
    connection.execute(f"set search_path to {schema}")
    connection.execute(f"create table t ({LONG} int distkey sortkey, other int)")
    shown = connection.execute('select "column", distkey, sortkey from pg_table_def order by 2 desc').fetchall()
    assert shown == [(LONG, True, 1), ("other", False, 0)]
    with pytest.raises(psycopg.Error, match="distkey"):
        connection.execute(f"alter table t drop column {LONG}")
    connection.execute(f"alter table t rename column {LONG} to short")
    assert connection.execute('select "column" from pg_table_def where distkey').fetchall() == [("short",)]


def test_a_time_with_zone_is_kept_in_utc_in_every_column(clients: Clients) -> None:
    schema, connection = clients.schema(), clients.psycopg()
    connection.execute(f"set search_path to {schema}")
    connection.execute("create table t (id int, a timetz)")
    connection.execute("alter table t add column b timetz")
    connection.execute("alter table t rename column a to c")
    connection.execute("insert into t values (1, '01:00:00+02', '23:30:00-01')")
    assert connection.execute("select c, b from t").fetchall() == [(time(23, tzinfo=UTC), time(0, 30, tzinfo=UTC))]
    connection.execute("alter table t drop column c")
    connection.execute("update t set b = '02:00:00+02'")
    assert connection.execute("select b from t").fetchall() == [(time(0, tzinfo=UTC),)]


@pytest.mark.parametrize("name", ["table_info", "load_error", "user_column", "late_view", "operators"])
def test_a_users_table_may_have_the_name_of_one_of_ours(clients: Clients, name: str) -> None:
    schema, connection = clients.schema(), clients.psycopg()
    connection.execute(f"set search_path to {schema}")
    connection.execute(f"create table {name} (id int)")
    connection.execute(f"insert into {name} values (1)")
    connection.execute(f"grant select on {name} to public")
    assert connection.execute(f"select * from {name}").fetchall() == [(1,)]
    assert connection.execute(f"select * from {schema}.{name}").fetchall() == [(1,)]
    connection.execute(f"drop table {name}")


def test_the_stand_ins_own_schemas_are_not_there_for_a_client(clients: Clients) -> None:
    connection = clients.psycopg()
    for statement in (
        "select * from redshift_standin.table_info",
        "insert into redshift_standin.table_info values (1)",
        "create table redshift_standin.t (id int)",
        "drop schema redshift_standin cascade",
        "select redshift_standin.cut('a', 1)",
    ):
        with pytest.raises(psycopg.Error):
            connection.execute(statement)
    names = connection.execute("select nspname from pg_namespace where nspname like 'redshift_standin%'").fetchall()
    assert names == []


def test_a_bare_string_does_not_become_json_unasked(clients: Clients) -> None:
    schema, connection = clients.schema(), clients.psycopg()
    connection.execute(f"set search_path to {schema}")
    connection.execute("create table t (id int, s super, b varbyte)")
    connection.execute("insert into t values (1, json_parse('{\"a\": 1}'), from_hex('00ff'))")
    for statement in (
        "insert into t values (2, '{}', null)",
        "insert into t (id, b) values (2, '00ff')",
        "update t set s = '{}'",
        "merge into t using (select 1 as id) x on t.id = x.id when matched then update set s = '1'"
        " when not matched then insert values (x.id, null, null)",
    ):
        with pytest.raises(psycopg.Error, match="bare string"):
            connection.execute(statement)
    with pytest.raises(psycopg.Error, match="bare string"):
        connection.execute("insert into t values (2, %s, null)", ("{}",))
    assert connection.execute("select id, json_serialize(s), to_hex(b) from t").fetchall() == [(1, '{"a":1}', "00ff")]
