"""What `re-dms check` says of a Redshift warehouse, and maintenance."""

from collections.abc import Sequence

import pytest

from fix_redshift import Benches
from re_dms.errors import ChangesMissing, WarehouseError
from re_dms.finding import Finding
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.drivers import connect
from re_dms.warehouse.redshift.maintenance import Maintenance, advice
from re_dms.warehouse.redshift.names import Target
from re_dms.warehouse.redshift.warehouse import RedshiftWarehouse
from warehouse.building import ORDERS, redshift_settings


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


class Canned:
    """A session that answers with the same rows: the stand-in has no ghosts and no stale statistics."""

    def __init__(self, rows: Sequence[tuple[object, ...]]) -> None:
        self.rows = rows

    def execute(self, sql: str, parameters: object = ()) -> "Canned":
        return self


def test_a_fresh_warehouse_is_ok_and_nothing_is_made(redshift_benches: Benches) -> None:
    bench = redshift_benches()
    fresh = redshift_benches()
    fresh.execute("drop schema re_dms cascade", "drop schema re_dms_stage cascade")
    found = by_name(list(fresh.warehouse.findings("shop", None)))
    assert {finding.state for finding in found.values()} == {"ok"}
    assert "nothing of this pipeline yet" in found["warehouse"].message
    assert fresh.query("select nspname from pg_namespace where nspname like 're\\\\_dms%'") == []
    bench.copied(ORDERS, ["1", "a", "1"])
    found = by_name(list(bench.warehouse.findings("shop", "journal-1")))
    assert "batch 1 of this pipeline" in found["warehouse"].message
    assert found["maintenance"].message == "nothing to vacuum or analyze among 1 targets"
    with pytest.raises(ChangesMissing, match="another journal"):
        list(bench.warehouse.findings("shop", "journal-2"))


def test_missing_rights_are_errors_with_the_grant_that_mends_them(redshift_benches: Benches) -> None:
    bench = redshift_benches()
    bench.execute("drop schema re_dms_stage cascade", "create user loader password 'Loader-1234'")
    settings = redshift_settings(bench.server, "psycopg")
    url = settings.url.replace(f"{bench.server.user}@", "loader@")
    settings = type(settings)(url=url, password="Loader-1234")
    loader = RedshiftWarehouse(settings)
    try:
        found = by_name(list(loader.findings("shop", None)))
    finally:
        loader.close()
    assert found["warehouse_rights"].state == "error"
    assert found["warehouse_rights"].exit_code == 5
    assert "re_dms and re_dms_stage" in found["warehouse_rights"].message
    assert found["warehouse_rights"].mend == (
        'grant usage, create on schema re_dms to "loader"; create schema re_dms_stage; '
        'grant usage, create on schema re_dms_stage to "loader";'
    )
    assert found["iam_role"].state == "warning"


def test_ghosts_and_stale_statistics_are_advised_about_with_the_statement() -> None:
    rows = [
        ("public", "orders", 100, 79, 0),
        ("public", "fresh", 100, 81, 10),
        ("public", "stale", 100, None, 11),
        ("other", "orders", 100, 1, 99),
        ("public", "empty", 0, 0, None),
    ]
    targets = [Target(schema="public", table=name) for name in ("orders", "fresh", "stale", "empty")]
    found = advice(Canned(rows), targets)  # type: ignore[arg-type]
    assert [(each.statement, each.reason) for each in found] == [
        ('vacuum delete only "public"."orders"', "21% of its rows are deleted and take room"),
        ('analyze "public"."stale"', "its statistics are 11% off"),
    ]


def test_advised_statements_run_one_at_a_time_when_the_settings_ask_for_it(
    redshift_benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy, eager = redshift_benches(), redshift_benches(maintain=True)
    rows = [("public", "orders", 100, 10, 50)]
    monkeypatch.setattr(
        "re_dms.warehouse.redshift.maintenance.advice",
        lambda _, targets: advice(Canned(rows), targets),  # type: ignore[arg-type]
    )
    for bench in (lazy, eager):
        bench.copied(ORDERS, ["1", "a", "1"])
    assert lazy.warehouse.maintain("journal-1") == ()
    ran = [eager.warehouse.maintain("journal-1") for _ in range(3)]
    assert ran == [('vacuum delete only "public"."orders"',), ('analyze "public"."orders"',), ()]
    eager.changed(ORDERS, {"op": "U", "c1": "2"})
    assert len(eager.rows()) == 2


def test_a_statement_that_fails_is_told_and_the_others_go_on_until_the_next_look(redshift_benches: Benches) -> None:
    bench, now = redshift_benches(), [0.0]
    bench.copied(ORDERS, ["1", "a", "1"])
    targets = [Target(schema="public", table="gone"), Target(schema="public", table="orders")]
    rows = [("public", "gone", 100, 10, 0), ("public", "orders", 100, 100, 50)]
    address = redshift_settings(bench.server, "psycopg")

    class Advised:
        """A session whose svv_table_info says what the test says."""

        def __init__(self) -> None:
            self.real = connect(Address.of(address), address, application="tests")

        def execute(self, sql: str) -> object:
            return Canned(rows) if "svv_table_info" in sql else self.real.execute(sql)

        def close(self) -> None:
            self.real.close()

    maintenance = Maintenance(Advised, clock=lambda: now[0])  # type: ignore[arg-type]
    with pytest.raises(WarehouseError, match="vacuum delete only"):
        maintenance.run(lambda: targets)
    assert maintenance.run(lambda: targets) == ('analyze "public"."orders"',)
    assert maintenance.run(lambda: targets) == ()
    now[0] = 3600.0
    with pytest.raises(WarehouseError):
        maintenance.run(lambda: targets)


def test_targets_of_another_user_are_named_with_the_statement_that_mends_it(redshift_benches: Benches) -> None:
    bench = redshift_benches()
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.execute(
        "create user keeper password 'Keeper-1234'",
        "grant usage on schema re_dms to keeper",
        "grant usage, create on schema re_dms_stage to keeper",
        "grant select on all tables in schema re_dms to keeper",
    )
    settings = redshift_settings(bench.server, "psycopg")
    url = settings.url.replace(f"{bench.server.user}@", "keeper@")
    loader = RedshiftWarehouse(type(settings)(url=url, password="Keeper-1234"))
    try:
        found = by_name(list(loader.findings("shop", "journal-1")))
    finally:
        loader.close()
    assert found["warehouse_rights"].mend == 'grant usage, create on schema re_dms to "keeper";'
    assert found["target_ownership"].state == "error"
    assert found["target_ownership"].mend == 'alter table "public"."orders" owner to "keeper";'
