"""The main statements as literal text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from re_dms.manifest import DataFile
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import KeyKind
from re_dms.warehouse.duckdb import ddl, sql
from re_dms.warehouse.duckdb.sql import Target
from re_dms.warehouse.duckdb.types import duckdb_type
from warehouse.building import BYTEA, DATE, FLOAT8, INT4, TEXT, column, relation

TARGET = Target(catalog="wh", schema="public", table='or"ders')
ORDERS = relation(column(1, "id", INT4), column(3, "No"), column(4, "b", BYTEA), key=(1, 3), name='or"ders')
COUNTED = relation(column(1, "a"), column(2, "f", FLOAT8), kind=KeyKind.COUNTED)
FILE = DataFile(
    key="k",
    bytes=1,
    sha256="0",
    rows=1,
    null="n'1",
    row_bytes_max=3_000_000,
    columns=("op", "mask", "f1", "f3", "c1", "c3", "c4"),
)


def test_stage() -> None:
    source = sql.read_file(Path("/j/a[1].csv.zst"), FILE)
    assert source == (
        "read_csv('/j/a[[]1].csv.zst', columns = {'op': 'VARCHAR', 'mask': 'VARCHAR', 'f1': 'VARCHAR', 'f3': 'VARCHAR', "
        "'c1': 'VARCHAR', 'c3': 'VARCHAR', 'c4': 'VARCHAR'}, auto_detect = false, header = false, delim = ',', "
        "quote = '\"', escape = '\"', new_line = '\\n', nullstr = 'n''1', allow_quoted_nulls = false, "
        "compression = 'zstd', max_line_size = 3001024, parallel = false, strict_mode = true, null_padding = false, "
        "ignore_errors = false, comment = '', skip = 0, encoding = 'utf-8', hive_partitioning = false, "
        "union_by_name = false, filename = false)"
    )
    assert sql.stage("SOURCE", sql.values(ORDERS, FILE)) == (
        "create temporary table re_dms_stage as select op as op, mask as mask, cast(f1 as INTEGER) as f1, f3 as f3, "
        "cast(c1 as INTEGER) as c1, c3 as c3, unhex(c4) as c4 from SOURCE"
    )


def test_merge_of_keyed_changes() -> None:
    assert sql.complete(TARGET, ORDERS, "3,4") == (
        'update temp.main.re_dms_stage as stage set c3 = target."No", c4 = target."b" '
        'from "wh"."public"."or""ders" as target where stage.op = \'P\' and stage.mask = \'3,4\' '
        'and target."id" = stage.f1 and target."No" = stage.f3'
    )
    assert sql.delete_touched(TARGET, ORDERS) == (
        'delete from "wh"."public"."or""ders" as target using temp.main.re_dms_stage as stage '
        'where target."id" = stage.c1 and target."No" = stage.c3'
    )
    assert sql.insert_staged(TARGET, ORDERS, ["U", "P"]) == (
        'insert into "wh"."public"."or""ders" ("id", "No", "b") '
        "select c1, c3, c4 from temp.main.re_dms_stage where op in ('U', 'P')"
    )


def test_merge_of_counted_changes() -> None:
    assert sql.delete_counted(TARGET, COUNTED) == (
        'delete from "wh"."public"."or""ders" as target using temp.main.re_dms_stage as stage where stage.op = \'X\' '
        'and target."a" is not distinct from stage.c1 and target."f" is not distinct from stage.c2 '
        'and signbit(target."f") is not distinct from signbit(stage.c2)'
    )
    assert sql.insert_counted(TARGET, COUNTED) == (
        'insert into "wh"."public"."or""ders" ("a", "f") select c1, c2 '
        "from (select *, unnest(range(n)) from temp.main.re_dms_stage where op = 'I')"
    )


def test_definitions() -> None:
    assert ddl.create(TARGET, ORDERS) == (
        'create schema if not exists "wh"."public"',
        'create table "wh"."public"."or""ders" ("id" INTEGER, "No" VARCHAR, "b" BLOB)',
    )
    assert ddl.add_column(TARGET, column(5, "d", DATE, "2000-01-01")) == (
        """alter table "wh"."public"."or""ders" add column "d" DATE default cast(case when '2000-01-01' like '% BC' then replace('2000-01-01', ' BC', ' (BC)') else '2000-01-01' end as DATE)""",
        'alter table "wh"."public"."or""ders" alter column "d" drop default',
    )
    assert ddl.add_column(TARGET, column(5, "t", TEXT)) == (
        'alter table "wh"."public"."or""ders" add column "t" VARCHAR',
    )
    assert ddl.drop_column(TARGET, ORDERS.columns[0]) == 'alter table "wh"."public"."or""ders" drop column "id"'


@pytest.mark.parametrize(
    ("precision", "scale", "expected"),
    [(38, 10, "DECIMAL(38,10)"), (39, 10, "VARCHAR"), (2, 5, "VARCHAR"), (5, -2, "VARCHAR"), (4, 4, "DECIMAL(4,4)")],
)
def test_numeric_is_a_decimal_where_duckdb_has_it(precision: int, scale: int, expected: str) -> None:
    typmod = (precision << 16 | scale & 0x7FF) + 4
    assert duckdb_type(PgType(oid=1700, typmod=typmod, name="numeric", kind=Kind.NUMERIC)) == expected


@given(st.text())
def test_folding_is_what_duckdb_does_to_ascii_and_leaves_all_else(name: str) -> None:
    assert not name.isascii() or sql.folded(name) == name.lower()
    assert sql.folded(sql.folded(name)) == sql.folded(name)
    assert [c for c in sql.folded(name) if c > "\x7f"] == [c for c in name if c > "\x7f"]
