"""docs/redshift.md says what the code does: types, rights, policies, and the tables that are made."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

from re_dms.config.load import load
from re_dms.settings import REDSHIFT_FLUSH_SECONDS, WarehouseSettings
from re_dms.warehouse.redshift import maintenance, names, state, types
from re_dms.warehouse.redshift.ddl import COLUMNS_MAX
from re_dms.warehouse.redshift.design import parse
from re_dms.warehouse.redshift.grants import redshift_grants
from re_dms.warehouse.redshift.names import NAME_BYTES_MAX
from re_dms.warehouse.redshift.policies import Policies, Policy

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "redshift.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table that begins with this heading."""
    lines = iter(text.splitlines())
    assert any(line.startswith(heading) for line in lines)
    next(lines)
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def joined(table: list[list[str]]) -> dict[str, str]:
    """Postgres to Redshift, rows that go on in the next line put together: they say no more in the first cell, or a
    part of a list."""
    found: dict[str, str] = {}
    last = ""
    for postgres, redshift, _ in table:
        goes_on = last and (not postgres or last.endswith(",") or postgres.startswith("and "))
        if goes_on:
            target = found.pop(last)
            last = f"{last} {postgres}".strip()
            found[last] = f"{target} {redshift}".strip()
        else:
            last = postgres
            found[last] = redshift
    return found


def test_the_types_are_those_of_the_code() -> None:
    assert types.__doc__ is not None
    code = joined(rows(inspect.cleandoc(types.__doc__), "| Postgres"))
    assert joined(rows(PAGE, "| Postgres")) == code


def test_the_rights_are_those_that_are_printed() -> None:
    [shown] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    settings = WarehouseSettings(
        url="redshift://re_dms@host:5439/dw", iam_role="arn:aws:iam::123456789012:role/re_dms-copy"
    )
    assert shown.splitlines() == list(redshift_grants(settings, ["billing", "public"], makes_schemas=False))


def test_every_policy_has_its_line() -> None:
    assert [row[0] for row in rows(PAGE, "| policy")] == [f"`{policy}`" for policy in Policy]


def test_every_table_of_ours_is_named() -> None:
    for name in state._OWN:
        assert f"`{name}_<pipeline>`" in PAGE
    for name in state._SHARED:
        assert f"`{name}`" in PAGE


def test_limits_are_those_of_the_code() -> None:
    assert f"more than {COLUMNS_MAX:,} columns" in PAGE
    assert f"cut at {NAME_BYTES_MAX} bytes" in PAGE
    assert f"more than {maintenance.GHOSTS_MAX:.0%}".replace("%", " %") in PAGE
    assert f"more than {maintenance.STALE_PERCENT_MAX:.0f} % off" in PAGE


def test_the_configuration_is_one_and_says_what_the_code_reads(tmp_path: Path) -> None:
    [whole, some] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file, password = tmp_path / "re_dms.toml", tmp_path / "warehouse.password"
    password.write_text("secret\n", encoding="utf-8")
    password.chmod(0o600)
    file.write_text(whole.replace("/etc/re_dms/warehouse.password", str(password)), encoding="utf-8")
    loaded = load(needs=frozenset({"source", "warehouse"}), environment={}, file=file)
    assert loaded.warnings == ()
    settings = loaded.settings
    assert settings.warehouse is not None
    assert settings.warehouse.maintain
    assert settings.capture.flush_seconds == REDSHIFT_FLUSH_SECONDS
    assert parse(settings.warehouse.design)
    assert Policies.parse(settings.warehouse.policies).rules
    assert len(Policies.parse(tomllib.loads(some)["warehouse"]["policies"]).rules) == 5


def test_columns_of_the_system_are_all_named() -> None:
    [listed] = re.findall(r"system columns\s*\(([^:]*):", PAGE)
    assert set(re.findall(r"`(\w+)`", listed)) == names._SYSTEM_COLUMNS


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (DOCS / target).exists()
