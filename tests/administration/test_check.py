"""`re-dms check` against deliberately broken databases: the line that tells it, and the SQL beside it that mends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest
from psycopg import sql

from fix_pipeline import Pipeline
from fix_postgres import Database, PostgresFactory
from nightly import nightly
from re_dms.administration.check import check, exit_code
from re_dms.finding import Finding
from re_dms.settings import JournalSettings, Settings, SourceSettings, WarehouseSettings
from re_dms.source.preflight import server as server_checks

Checked = Callable[..., list[Finding]]


@pytest.fixture
def checked(database: Database, tmp_path: Path) -> Checked:
    """Check a pipeline over the test's database; keywords go into the source's settings."""

    def run(**source: object) -> list[Finding]:
        name = database.name
        values = {"dsn": database.dsn, "slot": name, "publication": name} | source
        return check(
            Settings(
                name=name,
                source=SourceSettings(**values),  # type: ignore[arg-type]
                journal=JournalSettings(url=f"file://{tmp_path}/journal"),
                warehouse=WarehouseSettings(url=f"duckdb://{tmp_path}/w.duckdb"),
            )
        )

    return run


def the(findings: list[Finding], name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.name == name]
    return found


def told(findings: list[Finding], name: str, state: str, *words: str) -> Finding:
    """The finding of this name: its state, its words, and something that mends it. Printed, to be read aloud."""
    found = the(findings, name)
    print(f"\n{found.state} {found.name}: {found.message}\n  mend: {found.mend}")
    assert found.state == state, found
    for word in words:
        assert word in found.message + found.mend, found
    assert bool(found.mend) == (state != "ok")
    assert exit_code(findings) == 0 or any(finding.state == "error" for finding in findings)
    return found


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """A role that may log in and nothing else."""
    name = f"role_{database.name}"
    database.execute(f"create role {name} login")
    yield name
    database.execute(f"drop owned by {name}; drop role {name}")


def dsn_of(database: Database, role: str) -> str:
    return psycopg.conninfo.make_conninfo(database.dsn, user=role)


def test_a_healthy_database_has_no_error(database: Database, checked: Checked) -> None:
    database.execute("create table t (id int primary key, a text)")
    findings = checked()
    assert exit_code(findings) == 0
    assert {finding.place for finding in findings} == {"source", "journal", "warehouse", "together"}
    assert [finding.name for finding in findings if finding.state == "error"] == []
    assert len({(finding.place, finding.name) for finding in findings}) == len(findings)


def test_a_role_lacks_what_it_needs(database: Database, role: str, checked: Checked) -> None:
    """REPLICATION, USAGE, SELECT, the right to make a publication: each with the statement that gives it."""
    database.execute("create schema shop; create table shop.t (id int primary key)")
    findings = checked(dsn=dsn_of(database, role))
    assert exit_code(findings) == 3
    for name, word in (
        ("replication", "may not replicate"),
        ("publication_right", "may not make the publication"),
        ("schema_usage", "shop"),
        ("select", "shop.t"),
    ):
        database.execute(told(findings, name, "error", word).mend)
    told(findings, "ownership", "error", "shop.t")
    database.execute(f"create publication {database.name} for table shop.t")
    findings = checked(dsn=dsn_of(database, role))
    assert [finding for finding in findings if finding.state == "error"] == []


def test_row_27_rights_beyond_need_are_told(database: Database, role: str, checked: Checked) -> None:
    database.execute(f"create table t (id int primary key); create publication {database.name} for table t")
    database.execute(f"alter role {role} replication createdb bypassrls; grant select on t to {role}")
    database.execute(f"grant create on schema public to {role}")
    findings = checked(dsn=dsn_of(database, role))
    for name in ("beyond_need", "schema_create"):
        database.execute(told(findings, name, "warning").mend)
    findings = checked(dsn=dsn_of(database, role))
    told(findings, "beyond_need", "ok")
    assert not [finding for finding in findings if finding.name == "schema_create"]


def test_row_33_a_policy_that_hides_rows_is_told(database: Database, role: str, checked: Checked) -> None:
    database.execute("create table t (id int primary key); alter table t enable row level security")
    database.execute(f"create policy p on t using (id > 1); create publication {database.name} for table t")
    database.execute(f"alter role {role} replication; grant select on t to {role}")
    mend = told(checked(dsn=dsn_of(database, role)), "row_security", "error", "public.t").mend
    assert "bypassrls" in mend
    database.execute(f"alter role {role} bypassrls")
    told(checked(dsn=dsn_of(database, role)), "row_security", "ok")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("create table t (id int)", "no primary key"),
        ("create table t (id int primary key deferrable)", "deferrable"),
        ("create table t (id int primary key); alter table t replica identity nothing", "NOTHING"),
        (
            "create table t (a int not null, g int generated always as (a) stored not null unique);"
            " alter table t replica identity using index t_g_key",
            "generated column",
        ),
    ],
    ids=["row_64_keyless", "row_65_deferrable", "nothing", "generated_key"],
)
def test_tables_whose_updates_would_fail_are_told_with_their_sql(
    database: Database, checked: Checked, table: str, words: str
) -> None:
    database.execute(table)
    found = told(checked(), "publication", "error", words, "public.t")
    mend = found.message.rpartition(" — ")[2]
    if "generated" not in words:
        database.execute(mend)
        told(checked(), "publication", "ok")


def test_publications_that_do_not_send_everything_are_told(database: Database, checked: Checked) -> None:
    database.execute("create table t (id int primary key)")
    database.execute(f"create publication {database.name} for table t with (publish = 'insert')")
    database.execute(told(checked(), "publication", "error", "update, delete, truncate").mend)
    told(checked(), "publication", "ok")


def test_row_37_row_filters_that_could_lose_large_values_are_told(database: Database, checked: Checked) -> None:
    if database.fetch("show server_version_num")[0][0] < "150000":
        pytest.skip("row filters came with Postgres 15")
    database.execute("create table t (id int primary key, big text)")
    database.execute(f"create publication {database.name} for table t where (id > 10)")
    found = told(checked(), "publication", "error", "'big'")
    database.execute(found.message.rpartition(" — ")[2])
    told(checked(), "publication", "ok")


@nightly("by day the check that tells of it")
def test_row_37_what_enters_a_row_filter_arrives_whole(pipeline: Pipeline) -> None:
    """Under REPLICA IDENTITY FULL; the same rows without it are refused before they are copied."""
    database = pipeline.database
    if database.fetch("show server_version_num")[0][0] < "150000":
        pytest.skip("row filters came with Postgres 15")
    database.execute("create table t (id int primary key, big text); alter table t alter big set storage external")
    database.execute(f"create publication {pipeline.name} for table t where (id > 10)")
    refused = pipeline.run("run", "--until-caught-up")
    assert refused.code == 2
    database.execute("alter table t replica identity full")
    database.execute("insert into t select i, repeat(md5(i::text), 300) from generate_series(1, 12) i")
    pipeline.catch_up()
    database.execute(
        "update t set id = id + 20 where id < 3; update t set id = -5 where id = 12; delete from t where id = 11"
    )
    pipeline.catch_up()
    assert pipeline.target_rows("t") == pipeline.source_rows("(select * from t where id > 10) t")


def test_row_44_encodings_are_told(database: Database, checked: Checked) -> None:
    database.execute("create table t (id int primary key)")
    told(checked(), "encoding", "ok", "UTF8")
    for encoding, state in (("SQL_ASCII", "warning"), ("LATIN1", "ok")):
        other = f"{database.name}_{encoding.lower()}"
        database.server.create_database(other, template="template0", encoding=encoding, lc_collate="C", lc_ctype="C")
        database.server.execute("create table t (id int primary key)", dbname=other)
        told(checked(dsn=database.server.dsn(other)), "encoding", state, encoding)
        database.server.execute(f"drop database {other}")


def test_rows_53_and_60_what_is_not_carried_is_named(database: Database, checked: Checked) -> None:
    database.execute("create table t (id int primary key, g int generated always as (id * 2) stored)")
    database.execute(
        "create sequence numbers; create view seen as select 1; create unlogged table scratch (id int primary key)"
    )
    database.execute("select lo_create(0)")
    findings = checked()
    told(findings, "generated_columns", "warning", "public.t (g)")
    told(findings, "not_carried", "ok", "numbers", "seen", "scratch", "large object")
    told(checked(tables=("public.scratch",)), "publication", "error", "unlogged", "set logged")


def test_row_28_old_transactions_are_told(
    database: Database, checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_checks, "_OLD_TRANSACTION_SECONDS", 0)
    database.execute("create table t (id int primary key)")
    with database.connect(autocommit=False) as connection:
        connection.execute("insert into t values (1)")
        connection.execute("prepare transaction 'for''gotten'")
    found = told(checked(), "old_transactions", "warning", "prepared transaction")
    database.execute(found.mend.partition(";")[0])
    assert "gotten" not in the(checked(), "old_transactions").message


def test_limits_of_the_server_are_told(postgres_factory: PostgresFactory, tmp_path: Path) -> None:
    server = postgres_factory(settings={"max_replication_slots": "1", "wal_sender_timeout": "0"})
    server.execute("create table t (id int primary key)")
    source = SourceSettings(dsn=server.dsn(), slot="s", publication="p")
    settings = Settings(name="s", source=source, journal=JournalSettings(url=f"file://{tmp_path}/j"))
    findings = check(settings)
    told(findings, "max_replication_slots", "warning", "0 of 1")
    for name in ("max_slot_wal_keep_size", "wal_sender_timeout"):
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            for statement in told(findings, name, "warning").mend.partition("--")[0].split(";"):
                if statement.strip():
                    connection.execute(statement.encode())
    server.execute("select pg_create_physical_replication_slot('taken')")
    findings = check(settings)
    told(findings, "max_slot_wal_keep_size", "ok", "102,400 MB")
    told(findings, "wal_sender_timeout", "ok")
    told(findings, "max_replication_slots", "error", "1 of 1", "alter system set max_replication_slots")
    assert exit_code(findings) == 3
    server.execute("select pg_drop_replication_slot('taken')")
    server.execute("alter system set wal_level = 'replica'")
    server.restart()
    found = told(check(settings), "wal_level", "error", "replica")
    assert found.exit_code == 2
    server.execute(found.mend.partition(",")[0])
    server.restart()
    told(check(settings), "wal_level", "ok")
    nobody = check(replace(settings, source=replace(source, dsn="host=127.0.0.1 port=1")))
    told(nobody, "connection", "error", "127.0.0.1:1")
    assert exit_code(nobody) == 3


def test_what_a_start_would_refuse_is_told_of_a_pipeline_that_ran(pipeline: Pipeline) -> None:
    """The command itself: a slot that was made again, a target of somebody else, a locked file; exit codes and JSON."""
    database, name = pipeline.database, pipeline.name
    database.execute("create table t (id int primary key, a text); insert into t values (1, 'canary')")
    pipeline.catch_up()
    healthy = pipeline.run("check", "--json")
    assert healthy.code == 0, healthy.out + healthy.log
    found = json.loads(healthy.out)
    assert found["ok"]
    assert {"place", "name", "state", "message", "mend"} == set(found["checks"][0])
    with duckdb.connect(str(pipeline.warehouse_path)) as connection:
        connection.execute("create table public.other (id int); insert into public.other values (1)")
    database.execute("create table other (id int primary key)")
    foreign = pipeline.run("check")
    assert foreign.code == 5
    assert "targets: 1 target tables exist with rows, and this pipeline did not make them: public.other" in foreign.out
    database.execute("drop table other")
    database.execute(f"select pg_drop_replication_slot('{name}'); insert into t values (2, 'lost')")
    gone = pipeline.run("check")
    assert gone.code == 6
    assert f"slot '{name}' has gone" in gone.out
    assert "mend: run `re-dms reset`" in gone.out
    database.execute(f"select pg_create_logical_replication_slot('{name}', 'pgoutput')")
    again = pipeline.run("check", "--json")
    assert again.code == 6
    assert "canary" not in "".join(each.out + each.log for each in (healthy, foreign, gone, again))


def test_names_cannot_break_the_terminal_or_the_sql(database: Database, checked: Checked, role: str) -> None:
    hostile = 'a"; drop table t; --\x1b[31m'
    with database.connect() as connection:
        connection.execute(sql.SQL("create table {} (id int primary key)").format(sql.Identifier(hostile)))
    database.execute("create table t (id int primary key)")
    database.execute(f"alter role {role} replication; grant usage on schema public to {role}")
    findings = checked(dsn=dsn_of(database, role))
    assert "\x1b" not in "".join(finding.message for finding in findings)
    database.execute(told(findings, "select", "error").mend)
    told(checked(dsn=dsn_of(database, role)), "select", "ok", "all 2 tables")
