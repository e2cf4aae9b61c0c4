"""The pages for operators say what is so: the names of the checks, and the grants that are enough."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from fix_pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[2]
CHECK = (ROOT / "docs/check.md").read_text()
SOURCE = (ROOT / "docs/source.md").read_text()


def test_every_check_has_its_line_in_the_docs_and_no_other_is_there() -> None:
    code = "".join(path.read_text() for path in (ROOT / "src/re_dms/source/preflight").glob("*.py"))
    for path in ("administration/check.py", "warehouse/redshift/check.py", "warehouse/duckdb/warehouse.py"):
        code += (ROOT / "src/re_dms" / path).read_text()
    named = set(re.findall(r'(?:ok|warning|error|asked)\(\s*(?:PLACE|"\w+"),\s*"(\w+)"', code))
    named |= {"max_replication_slots", "max_wal_senders", "journal_room", "warehouse_room"}  # made from their names
    documented = {
        name
        for line in re.findall(r"^\| \w+ \| (`[^|]*) \|", CHECK, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", line)
    }
    assert named == documented


def test_row_27_the_documented_grants_are_enough(pipeline: Pipeline) -> None:
    """Exactly those of docs/source.md: nothing is missing, nothing is beyond need, and the pipeline runs."""
    database, role = pipeline.database, f"re_dms_{pipeline.name}"
    [statements] = re.findall(r"```sql\n(create role.*?)```", SOURCE, re.DOTALL)
    statements = re.sub(r"\bre_dms\b(?= for table)", pipeline.name, statements)
    statements = re.sub(r"(role|to) re_dms\b", rf"\1 {role}", statements)
    database.execute("create table orders (id int primary key, a text); create table customers (id int primary key)")
    database.execute("insert into orders values (1, 'first'); insert into customers select generate_series(1, 5)")
    database.execute("revoke create on schema public from public")
    database.execute(statements)
    pipeline.environment = {"RE_DMS_SOURCE__DSN": psycopg.conninfo.make_conninfo(database.dsn, user=role)}
    try:
        checked = pipeline.run("check")
        assert checked.code == 0, checked.out
        assert "beyond_need: role" in checked.out
        assert not re.search("ERROR|WARNING  beyond_need|schema_create", checked.out)
        pipeline.catch_up()
        database.execute("update orders set a = 'second'; delete from customers where id = 5")
        pipeline.catch_up()
        pipeline.assert_equal("orders", "customers")
        assert pipeline.run("check").code == 0
    finally:
        database.execute(f"drop owned by {role}; drop role {role}")
        pipeline.environment = {}
