"""Every operation under every replica identity and kind of key, through the real pipeline."""

from __future__ import annotations

import pytest

from fix_pipeline import Pipeline
from nightly import nightly

BIG = "repeat(md5('{}'), 400)"  # external storage: 12,800 characters that an UPDATE leaves unsent

# name: (DDL, statements after it)
TABLES = {
    "pk_default": ("(id int primary key, a text, big text)", ""),
    "pk_composite": ("(x int, id text, a text, big text, primary key (id, x))", ""),
    "pk_full": ("(id int primary key, a text, big text)", "alter table {t} replica identity full"),
    "pk_toast": (
        "(id int, k text, a text, big text, primary key (k, id))",
        "alter table {t} alter k set storage external",
    ),
    "by_index": (
        "(id int not null, a text, big text)",
        "create unique index on {t} (id); alter table {t} replica identity using index {t}_id_idx",
    ),
    "full_keyless": ("(id int, a text, big text)", "alter table {t} replica identity full"),
}

OPERATIONS = """
insert into {t} ({k}, a, big) select {v}, 'a' || i, case when i %% 4 > 0 then repeat(md5(i::text), 400) end from generate_series(1, 40) i;
update {t} set a = 'b' where id::int between 1 and 10;
update {t} set a = 'same' where id::int between 5 and 6;
update {t} set big = repeat('y', 9000) where id::int between 8 and 12;
update {t} set big = null where id::int = 13;
delete from {t} where id::int between 20 and 25;
begin; update {t} set a = null where id::int = 1; update {t} set big = 'x', a = '' where id::int = 1; commit;
begin; delete from {t} where id::int = 2; insert into {t} ({k}, a) select {v}, 'again' from generate_series(2, 2) i; commit;
begin; insert into {t} ({k}, a) select {v}, 'short' from generate_series(99, 99) i; delete from {t} where id::int = 99; commit;
begin; update {t} set a = 'never'; rollback;
begin; update {t} set a = 'kept' where id::int = 3; savepoint s; delete from {t}; rollback to s; update {t} set a = a || '!' where id::int = 3; commit;
"""

KEY_CHANGES = """
update {t} set {key} = {next1000} where id::int between 30 and 33;
update {t} set a = 'moved and changed', {key} = {next1000} where id::int between 34 and 36;
begin; update {t} set {key} = {minus} where id::int = 4; update {t} set {key} = {four} where id::int = 7; update {t} set {key} = {seven} where id::int = -4; commit;
begin; update {t} set {key} = {next1000} where id::int = 15; update {t} set a = 'twice' where id::int = 1015; update {t} set {key} = {back1000} where id::int = 1015; commit;
begin; update {t} set {key} = {next1000} where id::int = 16; delete from {t} where id::int = 1016; commit;
update {t} set {key} = {key};
"""


def _statements(name: str, template: str) -> list[str]:
    text_key = name == "pk_composite"
    columns, values = {
        "pk_composite": ("x, id", "i % 3, i::text"),
        "pk_toast": ("id, k", "i, repeat(md5('k' || i), 75)"),
    }.get(name, ("id", "i"))
    cast = "::text" if text_key else ""
    text = template.replace("%%", "%")
    for word, value in {
        "t": name,
        "k": columns,
        "v": values,
        "key": "id",
        "next1000": f"(id::int + 1000){cast}",
        "back1000": f"(id::int - 1000){cast}",
        "minus": f"(-id::int){cast}",
        "four": f"4{cast}",
        "seven": f"7{cast}",
    }.items():
        text = text.replace("{" + word + "}", value)
    return [line for line in text.strip().splitlines() if line]


@pytest.mark.parametrize(
    "flush", ["each transaction", pytest.param("all at once", marks=nightly("by day in test_what_is_there"))]
)
def test_every_operation_arrives_under_every_identity(pipeline: Pipeline, flush: str) -> None:
    database = pipeline.database
    for name, (columns, after) in TABLES.items():
        database.execute(f"create table {name} {columns}")
        database.execute(f"alter table {name} alter big set storage external")
        if after:
            database.execute(after.format(t=name))
    database.execute("create table append_only (id int, a text)")
    database.execute("alter table append_only replica identity nothing")
    # Tables without identity are never published by us: an UPDATE of the application would fail.
    database.execute("create publication " + pipeline.name + " for table " + ", ".join([*TABLES, "append_only"]))
    pipeline.catch_up()
    flush_seconds = "0.001" if flush == "each transaction" else "30"
    # Regions are overwritten before they go back: a file made from one too late would show it.
    running = pipeline.start(
        "run", "--flush-seconds", flush_seconds, "--flush-mb", "2", environment={"RE_DMS_POISON_BUFFERS": "1"}
    )
    running.wait_for("streaming")
    with database.connect() as connection:
        for name in TABLES:
            for statement in _statements(name, OPERATIONS) + _statements(name, KEY_CHANGES):
                for part in statement.split("; "):
                    connection.execute(part)
        connection.execute("insert into append_only select i % 3, 'x' from generate_series(1, 9) i")
    running.signal(15)
    assert running.finish().code == 143
    pipeline.catch_up()
    pipeline.assert_equal(*TABLES, "append_only")


def test_what_is_there_is_copied_and_then_followed(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    database.execute("insert into t select i, 'v' || i from generate_series(1, 1000) i")
    first = pipeline.catch_up()
    assert first.summary["tables"]["public.t"]["copied"] == 1000
    database.execute(
        "update t set a = 'changed' where id <= 10; delete from t where id > 990; insert into t values (5000, '')"
    )
    second = pipeline.catch_up()
    assert second.summary["tables"]["public.t"] == {
        "inserts": 1, "updates": 10, "deletes": 10, "truncates": 0, "copied": 0,
    }  # fmt: skip
    assert second.summary["transactions"] == 1
    assert pipeline.catch_up().summary["changes"] == 0
    pipeline.assert_equal("t")


def test_the_halves_share_only_the_journal(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key, a text)")
    database.execute("insert into t select i, 'v' || i from generate_series(1, 10) i")
    captured = pipeline.run(
        "capture", "--until-caught-up", "--json", environment={"RE_DMS_JOURNAL__COMPRESSION": "gzip"}
    )
    assert (captured.code, captured.summary["batches"]) == (0, 1)
    assert not pipeline.warehouse_path.exists()
    assert pipeline.run("apply", "--until-caught-up").code == 0
    pipeline.assert_equal("t")
    database.execute("update t set a = null where id < 4")
    lsn = database.fetch("select pg_current_wal_lsn()::text")[0][0]
    database.execute("delete from t")
    both = [pipeline.start("capture", "--until-lsn", lsn), pipeline.start("apply", "--until-lsn", lsn)]
    assert [running.finish().code for running in both] == [0, 0]
    assert pipeline.run("apply", "--until-caught-up").code == 0
    pipeline.catch_up()
    pipeline.assert_equal("t")
