"""`re-dms check --print-grants`: what it prints is enough, by running whole pipelines with nothing else, and no more than that.

The stand-in knows rights on schemas and tables; it knows none on svv_table_info, databases and roles (ASSUMEROLE).
"""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fix_postgres import Database
from fix_redshift import Benches
from fix_s3 import REGION, S3
from re_dms.administration.grants import bucket_policy, copy_policy, grants, source_grants
from re_dms.errors import ConfigurationError, ReDmsError
from re_dms.settings import JournalSettings, Settings, SourceSettings, WarehouseSettings
from re_dms.warehouse.opening import open_warehouse
from re_dms.warehouse.redshift.grants import login_statement, redshift_grants
from redshift.pipelines import RedshiftPipeline, gate_before
from redshift_standin import Server
from refusals.rig import until_applied
from warehouse.building import ORDERS, redshift_settings

ROOT = Path(__file__).resolve().parents[2]
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd"
ROLE = "arn:aws:iam::123456789012:role/loader"
PASSWORD = "Loader-1234"
TABLES = ("public.orders", "billing.lines")
SOURCE = SourceSettings(dsn="host=db.example.com dbname=shop user=reader", slot="s", publication="p")
WAREHOUSE = WarehouseSettings(url="redshift://loader@h.example.com:5439/dw", iam_role=ROLE)
SETTINGS = Settings(source=SOURCE, journal=JournalSettings(url="s3://bucket/shop"), warehouse=WAREHOUSE)


def statements(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("--")]


# ---------------------------------------------------------------------------------------------- what is printed


def test_tables_that_are_named_are_granted_and_published_by_their_names() -> None:
    source = replace(SOURCE, tables=("orders", 'billing."Li""nes"'))
    assert statements(list(source_grants(source))) == [
        'create role "reader" login replication connection limit 10;',
        'grant connect on database "shop" to "reader";',
        'grant usage on schema "billing" to "reader";',
        'grant usage on schema "public" to "reader";',
        'grant select on table "billing"."Li""nes", "public"."orders" to "reader";',
        'create publication "p" for table "billing"."Li""nes", "public"."orders" with (publish_via_partition_root = true);',
    ]


def test_tables_that_a_pattern_chooses_are_granted_with_their_schema_and_published_by_nobody() -> None:
    lines = list(source_grants(replace(SOURCE, tables=("billing.*", "public.orders"))))
    granted = statements(lines)
    assert 'grant select on all tables in schema "billing" to "reader";' in granted
    assert 'grant select on table "public"."orders" to "reader";' in granted
    assert not any("create publication" in line for line in granted)
    assert any(line.startswith('-- create publication "p" for table …') for line in lines)


@pytest.mark.parametrize("tables", [(), ("*.orders",)], ids=["all", "any_schema"])
def test_tables_anywhere_need_the_right_to_make_schemas(tables: tuple[str, ...]) -> None:
    lines = list(grants(replace(SETTINGS, source=replace(SOURCE, tables=tables))))
    assert 'grant create on database "dw" to "loader";' in lines
    assert "-- Usage and select likewise on every other schema whose tables are carried." in lines


def test_redshift_gets_schemas_rights_on_them_and_nothing_else() -> None:
    assert statements(list(redshift_grants(WAREHOUSE, ["Billing", "public"], makes_schemas=False))) == [
        'create user "loader" password disable;',
        'create schema if not exists "re_dms";',
        'grant usage, create on schema "re_dms" to "loader";',
        'create schema if not exists "re_dms_stage";',
        'grant usage, create on schema "re_dms_stage" to "loader";',
        'create schema if not exists "billing";',
        'grant usage, create on schema "billing" to "loader";',
        'create schema if not exists "public";',
        'grant usage, create on schema "public" to "loader";',
        'grant select on svv_table_info to "loader";',
    ]


@pytest.mark.parametrize(("role", "said"), [(ROLE, f"'{ROLE}'"), ("default", "default")], ids=["arn", "default"])
def test_the_copy_role_is_granted_where_roles_are_restricted(role: str, said: str) -> None:
    lines = list(redshift_grants(replace(WAREHOUSE, iam_role=role), [], makes_schemas=False))
    assert f'-- grant assumerole on {said} to "loader" for copy;' in lines


def test_a_serverless_workgroup_has_a_user_of_the_iam_role() -> None:
    settings = replace(WAREHOUSE, url="redshift://h.example.com:5439/dw", workgroup="analytics")
    lines = list(redshift_grants(settings, [], makes_schemas=False))
    assert not any(line.startswith("create user") for line in lines)
    assert 'grant usage, create on schema "re_dms" to "IAMR:ROLE";' in lines
    assert login_statement(settings) == {
        "Effect": "Allow",
        "Action": "redshift-serverless:GetCredentials",
        "Resource": "arn:aws:redshift-serverless:*:*:workgroup/*",
    }


def actions(policy: dict[str, Any] | None) -> set[str]:
    assert policy is not None
    found = [statement["Action"] for statement in policy["Statement"]]
    return {action for each in found for action in ([each] if isinstance(each, str) else each)}


def test_capture_and_apply_write_and_redshift_only_reads() -> None:
    reads = {"s3:GetObject", "s3:ListBucket"}
    assert actions(copy_policy(SETTINGS)) == reads
    assert actions(bucket_policy(SETTINGS)) == reads | {"s3:PutObject", "s3:DeleteObject"}
    encrypted = replace(SETTINGS, journal=JournalSettings(url="s3://bucket/shop", kms_key_id=KEY))
    assert actions(copy_policy(encrypted)) == reads | {"kms:Decrypt"}
    assert actions(bucket_policy(encrypted)) >= {"kms:GenerateDataKey", "kms:Decrypt"}
    by_iam = replace(SETTINGS, warehouse=replace(WAREHOUSE, cluster="analytics", region=REGION))
    assert actions(bucket_policy(by_iam)) - actions(bucket_policy(SETTINGS)) == {"redshift:GetClusterCredentials"}
    assert f"arn:aws:redshift:{REGION}:*:dbuser:analytics/loader" in json.dumps(bucket_policy(by_iam))


@pytest.mark.parametrize(
    ("key", "resource", "condition"),
    [
        (KEY, KEY, None),
        ("1234abcd-12ab-34cd", f"arn:aws:kms:{REGION}:*:key/1234abcd-12ab-34cd", None),
        ("alias/shop", f"arn:aws:kms:{REGION}:*:key/*", "alias/shop"),
        (KEY.replace("key/1234abcd-12ab-34cd", "alias/shop"), KEY.replace("1234abcd-12ab-34cd", "*"), "alias/shop"),
    ],
    ids=["arn", "id", "alias", "alias_arn"],
)
def test_a_kms_key_is_named_by_its_arn_however_it_is_configured(key: str, resource: str, condition: str | None) -> None:
    journal = JournalSettings(url="s3://bucket/shop", region=REGION, kms_key_id=key)
    for policy in (bucket_policy(replace(SETTINGS, journal=journal)), copy_policy(replace(SETTINGS, journal=journal))):
        assert policy is not None
        on_key = policy["Statement"][-1]
        assert on_key["Resource"] == resource
        said = on_key.get("Condition", {}).get("ForAnyValue:StringEquals", {})
        assert said.get("kms:ResourceAliases") == condition


def test_policies_end_at_the_journals_prefix() -> None:
    for policy in (bucket_policy(SETTINGS), copy_policy(SETTINGS)):
        assert policy is not None
        on_objects, listing = policy["Statement"]
        assert on_objects["Resource"] == "arn:aws:s3:::bucket/shop/*"
        assert listing["Condition"] == {"StringLike": {"s3:prefix": ["shop/*"]}}
    whole = copy_policy(replace(SETTINGS, journal=JournalSettings(url="s3://bucket")))
    assert whole is not None
    assert "Condition" not in whole["Statement"][1]


def test_the_policy_in_the_docs_is_the_one_that_is_printed() -> None:
    [shown] = re.findall(r"```json\n(.*?)```", (ROOT / "docs/journal.md").read_text(encoding="utf-8"), re.DOTALL)
    settings = Settings(journal=JournalSettings(url="s3://bucket-of-ours/prefix-of-ours"))
    printed = (
        json.dumps(bucket_policy(settings)).replace("bucket-of-ours", "BUCKET").replace("prefix-of-ours", "PREFIX")
    )
    assert json.loads(printed) == json.loads(shown)


def test_what_is_not_configured_or_not_on_aws_is_left_out() -> None:
    local = Settings(
        source=SOURCE,
        journal=JournalSettings(url="file:///srv/journal"),
        warehouse=WarehouseSettings(url="duckdb:///srv/w.duckdb"),
    )
    said = "\n".join(grants(local))
    assert "create role" in said
    assert "IAM" not in said
    assert "Redshift" not in said
    assert "create role" not in "\n".join(grants(replace(SETTINGS, source=None)))


def test_names_break_out_of_neither_statements_nor_comments() -> None:
    hostile = 'x"; drop table t; --\n drop table u; --'
    dsn = psycopg.conninfo.make_conninfo(host="h", dbname=hostile, user=hostile)
    lines = list(source_grants(replace(SOURCE, dsn=dsn, publication=hostile, slot=hostile, tables=("billing.*",))))
    assert not any("\n" in line for line in lines if line.startswith("--"))
    quoted = '"' + hostile.replace('"', '""') + '"'
    assert not any("drop table" in line.replace(quoted, "") for line in statements(lines))


def test_a_dsn_that_cannot_be_read_is_a_mistake_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as mistake:
        list(source_grants(replace(SOURCE, dsn="canary=hunter2")))
    assert "hunter2" not in mistake.value.message + mistake.value.remedy


# ---------------------------------------------------------------------------------------------- it is enough


@dataclass
class LeastPipeline(RedshiftPipeline):
    """Both of its users have what was printed, and nothing else."""

    user: str = ""

    @property
    def warehouse(self) -> str:
        return f"redshift://{self.user}@127.0.0.1:{self.gate.port}/{self.server.options.database}"

    def printed(self) -> tuple[list[str], list[str]]:
        """The statements for the source, and those for Redshift."""
        done = self.run("check", "--print-grants", "--tables", *TABLES)
        assert done.code == 0, done.log
        source, *_, redshift = done.out.split("\n\n")
        return statements(source.splitlines()), statements(redshift.splitlines())


@pytest.fixture
def least(database: Database, redshift_backend: str, s3: S3, tmp_path: Path) -> Iterator[LeastPipeline]:
    """A pipeline whose users do not exist yet."""
    user = f"u_{database.name}"
    database.execute(
        "create schema billing; create table orders (id int primary key, note text);"
        "create table billing.lines (id int primary key, amount numeric(10,2));"
        "create table kept_from_us (id int primary key);"
        "revoke create on schema public from public;"
        "insert into orders values (1, 'one'), (2, 'two'); insert into billing.lines values (1, 9.50)"
    )
    with (
        Server(backend=redshift_backend, s3_endpoint=s3.endpoint, region=REGION) as server,
        gate_before(server) as gate,
    ):
        made = LeastPipeline(
            database=database,
            directory=tmp_path,
            name=database.name,
            journal_url=f"s3://{s3.new_bucket()}/shop",
            server=server,
            gate=gate,
            user=user,
            environment={
                **s3.environment,
                "RE_DMS_SOURCE__DSN": psycopg.conninfo.make_conninfo(database.dsn, user=user),
                "RE_DMS_WAREHOUSE__PASSWORD": PASSWORD,
                "RE_DMS_WAREHOUSE__IAM_ROLE": ROLE,
                "RE_DMS_CAPTURE__FLUSH_SECONDS": "0.3",
            },
        )
        yield made
        made.end()
        if database.fetch(f"select from pg_roles where rolname = '{user}'"):
            database.execute(f"drop owned by {user}; drop role {user}")


def given_in_redshift(server: Server, printed: list[str]) -> None:
    """Run the statements; those that the stand-in has no notion of are left out, and are these only."""
    left_out = []
    with psycopg.connect(server.dsn, autocommit=True, prepare_threshold=None) as admin:
        for statement in printed:
            if "svv_table_info" in statement:
                left_out.append(statement)
                continue
            admin.execute(statement.removesuffix(";").encode())
        name = printed[0].split('"')[1]
        admin.execute(f"alter user \"{name}\" password '{PASSWORD}'".encode())
    assert len(left_out) == 1


def test_row_27_the_printed_grants_are_enough_for_a_pipeline_and_its_commands(least: LeastPipeline) -> None:
    """From the printed text to a drop: nothing was connected to when it was printed, since the users were not there."""
    source, redshift = least.printed()
    for statement in source:
        least.database.execute(statement)
    given_in_redshift(least.server, redshift)
    tables = ("--tables", *TABLES)

    checked = least.run("check", *tables)
    assert checked.code == 0, checked.out
    assert "ERROR" not in checked.out
    assert not re.search("WARNING  (beyond_need|schema_create)", checked.out)

    running = least.start("run", *tables)
    running.wait_for("loaded")
    least.database.execute(
        "alter table orders add column extra text default 'd'; update orders set note = 'changed' where id = 1;"
        "delete from orders where id = 2; insert into orders values (3, null);"
        "update billing.lines set amount = 1; truncate billing.lines;"
        "insert into billing.lines values (7, 0.01)"
    )
    until_applied(running, least.database)
    running.signal(signal.SIGTERM)
    assert running.finish().code == 128 + signal.SIGTERM
    least.assert_equal(*TABLES)

    status = least.run("status", "--json")
    assert status.code == 0, status.log
    assert status.summary["warehouse"]["exists"]
    assert not status.summary["problems"]
    dropped = least.run("drop", "--yes")
    assert dropped.code == 0, dropped.log
    assert "the tables stay" in dropped.out
    assert least.target_rows("public.orders") == least.source_rows("public.orders")


def test_printing_connects_to_nothing(least: LeastPipeline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        port = silent.getsockname()[1]
        done = least.run(
            "check",
            "--print-grants",
            environment={
                "RE_DMS_SOURCE__DSN": f"host=127.0.0.1 port={port} dbname=shop user=reader password=canary-1",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "RE_DMS_WAREHOUSE__URL": f"redshift://loader@127.0.0.1:{port}/dw",
            },
        )
        assert done.code == 0, done.log
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert "canary-1" not in done.out + done.log
    assert PASSWORD not in done.out + done.log


def test_without_one_of_the_rights_the_command_that_prints_them_is_named(redshift_benches: Benches) -> None:
    bench = redshift_benches()
    bench.warehouse.close()
    bench.execute("drop schema re_dms cascade", "drop schema re_dms_stage cascade")
    settings = redshift_settings(bench.server, "redshift_connector")
    url = settings.url.replace(f"{bench.server.user}@", f"loader_{bench.server.port}@")
    settings = replace(settings, url=url, password=PASSWORD)
    granted = statements(list(redshift_grants(settings, ["public", "billing"], makes_schemas=False)))
    given_in_redshift(bench.server, [line for line in granted if 'grant usage, create on schema "billing"' not in line])
    with closing(open_warehouse(settings)) as bench.warehouse:
        bench.claim()
        bench.copied(ORDERS, ["1", "a", "1"])
        with pytest.raises(ReDmsError) as failed:
            bench.copied(replace(ORDERS, schema="billing", oid=2), ["1", "a", "1"])
    assert failed.value.exit_code == 5
    assert "permission denied for schema billing" in failed.value.message
    assert "--print-grants" in failed.value.remedy
