"""The main statements as literal text, and that they are the same from batch to batch."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence

import pytest

from fix_redshift import Benches
from re_dms.journal.csv import new_null_token
from re_dms.manifest import DataFile, TableChanges
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Relation
from re_dms.warehouse.redshift import ddl, design, sql
from re_dms.warehouse.redshift.drivers import Result, Session
from re_dms.warehouse.redshift.names import Target
from re_dms.warehouse.redshift.sql import Staged
from warehouse.building import BYTEA, DATE, INT4, ORDERS, TEXT, Row, column, relation, table

TARGET = Target(schema="public", table='or"ders')
NUMERIC = PgType(oid=1700, typmod=(10 << 16 | 2) + 4, name="numeric(10,2)", kind=Kind.NUMERIC)
JSONB = PgType(oid=3802, typmod=-1, name="jsonb", kind=Kind.JSONB)
CHAR_5 = PgType(oid=1042, typmod=9, name="character(5)", kind=Kind.BPCHAR)
VARCHAR_10 = PgType(oid=1043, typmod=14, name="character varying(10)", kind=Kind.TEXT)
COLUMNS = (
    column(1, "id", INT4),
    column(3, "No", VARCHAR_10),
    column(4, "b", BYTEA),
    column(5, "j", JSONB),
    column(6, "c", CHAR_5),
)
ORDER_LINES = relation(*COLUMNS, key=(1, 3), name='or"ders')
NAMES = {1: "id", 3: "no", 4: "b", 5: "j", 6: "c"}
STAGE = 're_dms_stage."shop.7.100.0"'
FILE = DataFile(
    key="k",
    bytes=1,
    sha256="0",
    rows=1,
    null="n'1\\",
    row_bytes_max=1,
    columns=("op", "mask", "f1", "f3", "c1", "c3", "c4", "c5", "c6"),
)
STAGED = Staged(target=TARGET, relation=ORDER_LINES, names=NAMES, table=STAGE)
ODD = dataclasses.replace(STAGED, odd=frozenset({4, 5}))


def test_stage() -> None:
    assert sql.create_stage(STAGE, sql.stage_columns(ORDER_LINES, FILE, frozenset())) == (
        'create table re_dms_stage."shop.7.100.0" (op character varying(1), mask character varying(16384), f1 integer, '
        "f3 character varying(40), c1 integer, c3 character varying(40), c4 binary varying(1024000), "
        "c5 character varying(65535), c6 character varying(20)) backup no"
    )
    assert ("c5", "super") in sql.stage_columns(ORDER_LINES, FILE, frozenset({5}))


def test_copy() -> None:
    assert sql.copy(STAGE, "s3://b/it's/m.manifest", FILE, "arn:aws:iam::123456789012:role/loader") == (
        "copy re_dms_stage.\"shop.7.100.0\" (op, mask, f1, f3, c1, c3, c4, c5, c6) from 's3://b/it''s/m.manifest' "
        "iam_role 'arn:aws:iam::123456789012:role/loader' manifest format as csv null as 'n''1\\\\' timeformat 'auto' "
        "dateformat 'auto' zstd compupdate off statupdate off"
    )
    gzip = FILE.model_copy(update={"compression": "gzip"})
    assert " iam_role default manifest format as csv " in sql.copy(STAGE, "s3://b/m", gzip, "default")
    assert sql.copy(STAGE, "s3://b/m", gzip, "default").endswith(" gzip compupdate off statupdate off")
    elsewhere = sql.copy(STAGE, "s3://b/m", gzip, "default", "eu-north-1")
    assert elsewhere.endswith(" gzip region 'eu-north-1' compupdate off statupdate off")


def test_count() -> None:
    assert sql.count_staged(STAGED, partial=False) == (
        "select op, '' as mask, count(*), 0 from re_dms_stage.\"shop.7.100.0\" as staged group by op"
    )
    assert sql.count_staged(STAGED, partial=True) == (
        "select op, coalesce(mask, '') as mask, count(*), sum(case when op = 'P' and not (staged.f1 = staged.c1 and "
        "staged.f3 = staged.c3 and octet_length(staged.f3) = octet_length(staged.c3)) then 1 else 0 end) "
        "from re_dms_stage.\"shop.7.100.0\" as staged group by op, coalesce(mask, '')"
    )


def test_delete() -> None:
    assert sql.delete_touched(STAGED, moves=False) == (
        'delete from "public"."or""ders" using re_dms_stage."shop.7.100.0" as staged where "or""ders"."id" = staged.c1 '
        'and "or""ders"."no" = staged.c3 and octet_length("or""ders"."no") = octet_length(staged.c3) and staged.op <> \'P\''
    )
    assert sql.delete_touched(STAGED, moves=True) == (
        'delete from "public"."or""ders" using re_dms_stage."shop.7.100.0" as staged where "or""ders"."id" = staged.c1 '
        'and "or""ders"."no" = staged.c3 and octet_length("or""ders"."no") = octet_length(staged.c3) and not exists '
        "(select 1 from re_dms_stage.\"shop.7.100.0\" as leaving where leaving.op = 'P' and leaving.f1 = staged.c1 and "
        "leaving.f3 = staged.c3 and octet_length(leaving.f3) = octet_length(staged.c3))"
    )
    assert sql.delete_all(TARGET) == 'delete from "public"."or""ders"'


def test_move_and_fill() -> None:
    assert sql.move(STAGED) == (
        'update "public"."or""ders" set "id" = staged.c1, "no" = staged.c3 from re_dms_stage."shop.7.100.0" as staged '
        "where staged.op = 'P' and not (staged.f1 = staged.c1 and staged.f3 = staged.c3 and "
        'octet_length(staged.f3) = octet_length(staged.c3)) and "or""ders"."id" = staged.f1 and '
        '"or""ders"."no" = staged.f3 and octet_length("or""ders"."no") = octet_length(staged.f3)'
    )
    by_key = (
        'from re_dms_stage."shop.7.100.0" as staged where staged.op = \'P\' and staged.mask = \'{}\' and "or""ders"."id" '
        '= staged.c1 and "or""ders"."no" = staged.c3 and octet_length("or""ders"."no") = octet_length(staged.c3)'
    )
    assert (
        sql.fill(STAGED, "4,6") == f'update "public"."or""ders" set "j" = json_parse(staged.c5) {by_key.format("4,6")}'
    )
    assert sql.fill(ODD, "6") == (
        f'update "public"."or""ders" set "b" = substring(staged.c4, 2), "j" = staged.c5 {by_key.format("6")}'
    )
    assert sql.fill(STAGED, "4,5,6") == (
        f'update "public"."or""ders" set "id" = staged.c1, "no" = staged.c3 {by_key.format("4,5,6")}'
    )


def test_insert() -> None:
    assert sql.insert(STAGED, "U") == (
        'insert into "public"."or""ders" ("id", "no", "b", "j", "c") select staged.c1, staged.c3, staged.c4, '
        "json_parse(staged.c5), rtrim(staged.c6, ' ') from re_dms_stage.\"shop.7.100.0\" as staged where staged.op = 'U'"
    )
    assert "substring(staged.c4, 2), staged.c5, rtrim(staged.c6, ' ')" in sql.insert(ODD, "I")


def test_the_staging_tables_alias_is_no_targets_name() -> None:
    staged = dataclasses.replace(STAGED, target=Target(schema="s", table="staged"))
    assert sql.delete_touched(staged, moves=False).startswith(
        'delete from "s"."staged" using re_dms_stage."shop.7.100.0" as staged_rows where "staged"."id" = staged_rows.c1'
    )


def test_definitions() -> None:
    assert ddl.create(TARGET, ORDER_LINES, NAMES, ()) == (
        'create table "public"."or""ders" ("id" integer not null, "no" character varying(40) not null, '
        '"b" binary varying(1024000), "j" super, "c" character varying(20))'
    )
    designs = design.parse(['public.or"ders=distkey(No) compound sortkey(id, No)'])
    assert ddl.create(TARGET, ORDER_LINES, NAMES, designs).endswith(' distkey ("no") compound sortkey ("id", "no")')
    assert ddl.add_column(TARGET, column(7, "d", DATE, "2000-01-01"), {7: "d"}) == [
        'alter table "public"."or""ders" add column "d" date',
        'update "public"."or""ders" set "d" = cast(\'2000-01-01\' as date)',
    ]
    assert ddl.add_column(TARGET, column(7, "t", TEXT, "it's \\ "), {7: "t"})[1] == (
        'update "public"."or""ders" set "t" = cast(\'it\'\'s \\\\ \' as character varying(65535))'
    )
    assert ddl.add_column(TARGET, column(7, "t"), {7: "t"}) == [
        'alter table "public"."or""ders" add column "t" character varying(65535)'
    ]
    assert ddl.drop_column(TARGET, "d") == 'alter table "public"."or""ders" drop column "d"'
    assert ddl.rename_column(TARGET, "d", 'e"') == 'alter table "public"."or""ders" rename column "d" to "e"""'
    assert ddl.widen(TARGET, "no", "character varying(80)") == (
        'alter table "public"."or""ders" alter column "no" type character varying(80)'
    )


def test_no_option_that_alters_values_is_ever_sent() -> None:
    statement = sql.copy(STAGE, "s3://b/m", FILE, "default")
    forbidden = (
        "emptyasnull blanksasnull trimblanks truncatecolumns acceptinvchars acceptanydate roundec maxerror ignoreallerrors "
        "fillrecord escape removequotes ignoreblanklines nullify explicit_ids"
    )
    assert not set(re.findall(r"[a-z]+", statement)) & set(forbidden.split())


JSON_TABLE = relation(column(1, "k"), column(2, "j", JSONB), column(3, "n", NUMERIC), oid=101, name="documents")


@pytest.fixture(name="sent")
def sent_fixture(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All statements of all sessions, without what names one object: the manifest's URL and the NULL token."""
    sent: list[str] = []
    execute = Session.execute

    def recorded(self: Session, statement: str, parameters: Sequence[object] = ()) -> Result:
        sent.append(re.sub(r"from 's3://[^']*'|null as '[^']*'", "…", statement))
        return execute(self, statement, parameters)

    monkeypatch.setattr(Session, "execute", recorded)
    return sent


def test_the_statements_of_a_batch_are_the_same_for_the_next(redshift_benches: Benches, sent: list[str]) -> None:
    """Redshift compiles what it has not seen: rows, counts, tokens, files and batch numbers are not in the texts."""
    bench = redshift_benches("psycopg")
    bench.load(
        table(ORDERS, bench.journal.copy(ORDERS, *([str(n), "x", "1"] for n in range(9)))),
        table(JSON_TABLE, bench.journal.copy(JSON_TABLE, *([str(n), "[1]", "1.50"] for n in range(9)))),
    )

    def batch(first: int, note: str, more: int) -> list[str]:
        def changes(rel: Relation, *rows: Row) -> TableChanges:
            return table(rel, bench.journal.changes(rel, *rows))

        bench.journal.null = new_null_token()
        sent.clear()
        bench.load(
            changes(
                ORDERS,
                {"op": "P", "mask": "2", "f1": str(first), "c1": str(first + 100), "c3": str(more)},
                {"op": "P", "mask": "2,3", "f1": str(first + 1), "c1": str(first + 1)},
                {"op": "D", "c1": str(first + 2)},
                *({"op": "U", "c1": str(first + 200 + n), "c2": note} for n in range(more)),
            ),
            changes(JSON_TABLE, {"op": "U", "c1": note, "c2": json.dumps([note]), "c3": str(more)}),
        )
        return sorted(sent)  # two sessions copy at once

    batch(0, "warm", 1)
    second, third = batch(3, "one", 1), batch(6, "it's another \\", 3)
    assert second == third
    assert len(second) == len(set(second)) + _repeated(second)


def _repeated(statements: Sequence[str]) -> int:
    """Only these come more than once in a batch: transactions, and what each copy asks."""
    more = [text for text in set(statements) for _ in range(statements.count(text) - 1)]
    assert {text.split(" ")[0] for text in more} <= {"begin", "commit", "select"}, more
    return len(more)
