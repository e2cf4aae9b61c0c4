"""What the stream does not tell, and the catalog does: followed exactly, or stopped by name and mended by a copy.

The numbers are those of the failure modes' table. Every statement is run while capture is away, so that all it has is the
catalog of now and what the journal keeps of then.
"""

from __future__ import annotations

import re

import duckdb

from fix_pipeline import Pipeline
from fix_postgres import Database
from refusals.rig import assert_refused, stopped_words, until

_PARTITIONED = """
create table {t} (id int, k int, a text, primary key (id, k)) partition by range (k);
create table {t}_1 partition of {t} for values from (0) to (100);
create table {t}_2 partition of {t} for values from (100) to (200);
insert into {t} select i, i * 20, 'first' from generate_series(1, 8) i
"""
_PLAIN = "create table {t} (id int primary key, a text, n int); insert into {t} select i, 'a' || i, i from generate_series(1, 5) i"
_ENUM = """
create type {t}_mood as enum ('low', 'high');
create table {t} (id int primary key, m {t}_mood, a {t}_mood[]);
insert into {t} values (1, 'low', '{{low,high}}'), (2, 'high', null)
"""
_COMPOSITE = """
create type {t}_pair as (x int, y text); create table {t} (id int primary key, p {t}_pair);
insert into {t} values (1, '(1,a)')
"""

STOPPED: dict[str, tuple[str, str, str]] = {
    "row_52_label": (_ENUM, "alter type {t}_mood rename value 'low' to 'lower'", "a label of an enum was renamed"),
    "row_52_composite": (_COMPOSITE, "alter type {t}_pair add attribute z int", "a composite type was altered"),
    "row_66_index": (
        _PLAIN + "; alter table {t} alter n set not null; create unique index {t}_n on {t} (n)",
        "update {t} set a = 'by id' where id = 1; alter table {t} replica identity using index {t}_n; delete from {t} where n = 2",
        "its key changed from ('id') to ('n')",
    ),
    "row_66_nothing": (_PLAIN, "alter table {t} replica identity nothing; insert into {t} values (6, 'sent', 6)", "its key changed from"),
    "row_67_key_again": (
        _PLAIN,
        "alter table {t} replica identity full; alter table {t} drop constraint {t}_pkey;"
        " insert into {t} values (1, 'twice', 1); delete from {t} where a = 'a1'; alter table {t} add primary key (id);"
        " alter table {t} replica identity default",
        "its key was dropped and made again",
    ),
    "row_70_same_type": (
        _PLAIN,
        "alter table {t} drop column a; alter table {t} add column a text; insert into {t} (id) values (6)",
        "'a' was dropped and added again",
    ),
    "row_70_idle": (_PLAIN, "alter table {t} drop column n; alter table {t} add column n int", "'n' was dropped and added again"),
    "row_71_idle": (_PLAIN, "alter table {t} rename column a to b", "column 'a' was renamed to 'b'"),
    "row_72_volatile": (
        _PLAIN,
        "alter table {t} add column r double precision default random()",
        "what older rows hold cannot be told",
    ),
    "row_73_using": (_PLAIN, "alter table {t} alter n type int using n * 100", "it was rewritten by ALTER TABLE"),
    "row_73_type": (_PLAIN, "alter table {t} alter n type bigint using n * 100", "changed its type from integer to bigint"),
    "row_77_truncate": (_PARTITIONED, "truncate {t}_1", "partition public.{t}_1 was truncated or rewritten"),
    "row_77_attach": (
        _PARTITIONED,
        "create table {t}_3 (id int not null, k int not null, a text, primary key (id, k));"
        " insert into {t}_3 values (9, 205, 'unsent');"
        " alter table {t} attach partition {t}_3 for values from (200) to (300)",
        "partition public.{t}_3 was attached with rows",
    ),
    "row_77_attach_at_once": (
        _PARTITIONED,
        "begin; create table {t}_3 (id int not null, k int not null, a text, primary key (id, k));"
        " insert into {t}_3 values (9, 205, 'unsent');"
        " alter table {t} attach partition {t}_3 for values from (200) to (300); commit",
        "partition public.{t}_3 was attached with rows",
    ),
    "row_77_detach": (_PARTITIONED, "alter table {t} detach partition {t}_2", "1 of its partitions were detached or dropped"),
    "row_77_drop": (_PARTITIONED, "drop table {t}_2", "1 of its partitions were detached or dropped"),
    "row_79_out_and_back": (
        _PLAIN,
        "alter publication {p} drop table {t}; insert into {t} values (6, 'unseen', 6); alter publication {p} add table {t}",
        "it was out of the publication for a time",
    ),
    "row_79_taken_out": (
        _PLAIN,
        "alter publication {p} drop table {t}; insert into {t} values (6, 'unseen', 6)",
        "it was out of the publication for a time",
    ),
}  # fmt: skip

FOLLOWED: dict[str, tuple[str, str]] = {
    "row_52_new_label": (_ENUM, "alter type {t}_mood add value 'middle'; insert into {t} values (3, 'middle', null)"),
    "row_66_identity": (
        _PLAIN,
        "update {t} set a = 'one' where id = 1; alter table {t} replica identity full; update {t} set a = 'two' where id = 2;"
        " update {t} set id = 30 where id = 3; alter table {t} replica identity default; delete from {t} where id = 4",
    ),
    "row_72_constant": (_PLAIN, "alter table {t} add column c int not null default 7, add column d text default 'it''s'"),
    "row_75_dropped": (_PLAIN, "alter table {t} drop column n"),
    "row_76_truncate": (_PARTITIONED, "truncate {t}; insert into {t} values (1, 5, 'after')"),
    "row_77_empty": (
        _PARTITIONED,
        "create table {t}_3 partition of {t} for values from (200) to (300); insert into {t} values (9, 250, 'sent');"
        " create table {t}_4 (like {t} including all); alter table {t} attach partition {t}_4 for values from (300) to (400)",
    ),
    "harmless": (
        _PLAIN,
        "analyze {t}; vacuum {t}; grant select on {t} to public; create index on {t} (a); comment on table {t} is 'x';"
        " alter table {t} alter a set statistics 500; alter table {t} alter n set default 5;"
        " reindex table concurrently {t}; alter table {t} alter a set not null",
    ),
    "harmless_rewritten": (_PLAIN, "vacuum full {t}; cluster {t} using {t}_pkey; grant select on {t} to public"),
    "harmless_partitioned": (_PARTITIONED, "analyze {t}; vacuum {t}; grant select on {t} to public; create index on {t} (a)"),
    "harmless_missing": (
        _PLAIN + "; alter table {t} add column m int default 3",
        "vacuum full {t}; update {t} set m = 4 where id = 1",
    ),
}  # fmt: skip

QUICK = {"RE_DMS_CAPTURE__CATALOG_SECONDS": "0.2"}


def make(database: Database, cases: dict[str, tuple[str, str]] | dict[str, tuple[str, str, str]]) -> None:
    for table, case in cases.items():
        database.execute(case[0].format(t=table))


def change(pipeline: Pipeline, table: str, statements: str) -> None:
    with pipeline.database.connect() as connection:
        for statement in filter(
            None, (part.strip() for part in statements.format(t=table, p=pipeline.name).split(";"))
        ):
            connection.execute(statement)


def compared(pipeline: Pipeline, *tables: str) -> None:
    """Row by row, every column as text: the target holds arrays and composites as JSON and enums as text."""
    for table in tables:
        names = pipeline.database.fetch(
            "select attname, case when typtype = 'c' then 'cast(row_to_json(%%I) as text)'"
            " when typcategory = 'A' then 'array_to_json(%%I)' else '%%I' end from pg_attribute join pg_type t on t.oid = atttypid"
            " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attname",
            [table],
        )
        columns = ", ".join(how.replace("%I", name) for name, how in names)
        source = pipeline.database.fetch(f"select {columns} from {table}")
        target = pipeline.target_rows(f"(select {', '.join(name for name, _ in names)} from {table}) as rows")
        assert sorted(map(_texts, source)) == sorted(map(_texts, target.elements())), table


def _texts(row: tuple[object, ...]) -> list[str]:
    return [re.sub(r"[\s'\[\]]|(?<=\W)\"|\"(?=\W)", "", str(value).replace('"', "")) for value in row]


def test_rows_52_66_67_70_71_72_73_77_79_stop_by_name_and_are_mended(pipeline: Pipeline) -> None:
    database = pipeline.database
    make(database, STOPPED)
    database.execute("create table other (id int primary key)")
    pipeline.catch_up()
    for table, (_, statements, _) in STOPPED.items():
        change(pipeline, table, statements)
        database.execute("insert into other select count(*) from other")
    captured = pipeline.run("capture", "--until-caught-up")
    assert captured.code == 0, captured.log  # the journal keeps all of it
    told = {entry["name"]: entry["diverged"] for entry in pipeline.run("status", "--json").summary["tables"]}
    # The next row of the table tells these, as it tells a rename.
    with_a_row = {"row_66_index", "row_66_nothing", "row_70_same_type", "row_72_volatile"}
    for table, (_, _, words) in STOPPED.items():
        assert table in with_a_row or words.format(t=table) in (told[f"public.{table}"] or ""), told

    stops = []
    for one_by_one in (True, True, False):
        stopped = pipeline.run("apply", "--until-caught-up")
        _, remedy = stopped_words(stopped)
        [named] = re.findall(r"reset --table public\.(\S+?)`", remedy)
        assert_refused(stopped, 5, f"public.{named}", STOPPED[named][2].format(t=named), remedy="reset --table")
        stops.append(named)
        asked = pipeline.run("reset", "--table", f"public.{named}" if one_by_one else "public.row_*", "--yes")
        assert asked.code == 0, asked.log
    assert len(set(stops)) == len(stops)
    ended = pipeline.run("apply", "--until-caught-up")
    assert ended.code == 0, ended.log
    pipeline.assert_equal("other")  # what did not change has gone on
    pipeline.catch_up()
    compared(pipeline, "other", *STOPPED)
    again = pipeline.catch_up()
    assert again.summary["changes"] == 0
    assert not [entry for entry in pipeline.run("status", "--json").summary["tables"] if entry["diverged"]]


def test_rows_52_66_72_75_76_77_what_does_no_harm_is_followed(pipeline: Pipeline) -> None:
    make(pipeline.database, FOLLOWED)
    pipeline.catch_up()
    for table, (_, statements) in FOLLOWED.items():
        change(pipeline, table, statements)
    pipeline.catch_up()
    compared(pipeline, *FOLLOWED)
    for table in FOLLOWED:
        pipeline.database.execute(f"update {table} set id = id + 100 where id = 1")
    pipeline.catch_up()
    compared(pipeline, *FOLLOWED)


def test_row_75_a_change_without_rows_is_told_while_running(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute(_PLAIN.format(t="quiet") + ";" + _PLAIN.format(t="grows"))
    running = pipeline.start("run", environment=QUICK)
    running.wait_for("streaming")
    database.execute("alter table grows add column more int default 3; alter table grows drop column n")
    until(lambda: "more" in columns(pipeline, "grows"))
    compared(pipeline, "grows")
    database.execute("alter table quiet alter n type bigint")
    finished = running.finish()
    assert_refused(
        finished, 5, "public.quiet", "changed its type from integer to bigint", remedy="reset --table public.quiet"
    )


def test_row_69_a_table_that_was_dropped_is_told(pipeline: Pipeline) -> None:
    """Also when another has its name by now: another OID is another table."""
    database = pipeline.database
    database.execute(_PLAIN.format(t="t") + "; create table other (id int primary key)")
    running = pipeline.start("run", environment=QUICK)
    running.wait_for("streaming")
    database.execute("drop table t; " + _PLAIN.format(t="t") + "; insert into t values (77, 'of the new one', 7)")
    finished = running.finish()
    assert_refused(finished, 2, "public.t", "no longer included", remedy="--forget")
    refused = pipeline.run("run", "--until-caught-up", "--forget")
    assert_refused(refused, 5, "public.t")
    assert pipeline.run("reset", "--yes").code == 0
    pipeline.catch_up()
    pipeline.assert_equal("t", "other")


def test_row_78_a_publication_that_was_made_again_or_altered_is_told(pipeline: Pipeline) -> None:
    database, name = pipeline.database, pipeline.name
    database.execute(_PLAIN.format(t="t"))
    pipeline.catch_up()
    database.execute(f"alter publication {name} owner to postgres")
    database.execute(f"comment on publication {name} is 'made by re_dms {name}'; analyze t")
    pipeline.catch_up()
    database.execute(f"alter publication {name} set (publish = 'insert'); update t set a = 'unseen' where id = 1")
    database.execute(f"alter publication {name} set (publish = 'insert, update, delete, truncate')")
    assert_refused(pipeline.run("run", "--until-caught-up"), 6, name, "was altered", remedy="re-dms reset")
    assert pipeline.run("reset", "--yes").code == 0
    pipeline.catch_up()
    pipeline.assert_equal("t")
    database.execute(f"drop publication {name}; create publication {name} for table t")
    assert_refused(pipeline.run("run", "--until-caught-up"), 6, name, "made again", remedy="re-dms reset")


def test_row_74_a_table_that_becomes_logged_joins_with_all_its_rows(pipeline: Pipeline) -> None:
    database, name = pipeline.database, pipeline.name
    database.execute("create table t (id int primary key); create unlogged table u (id int primary key)")
    database.execute(f"insert into u values (1); create publication {name} for all tables")
    running = pipeline.start("run", environment=QUICK)
    running.wait_for("streaming")
    database.execute("alter table u set logged")
    until(lambda: columns(pipeline, "u") == ["id"])
    database.execute("insert into u values (2)")
    running.signal(15)
    assert running.finish().code == 143
    pipeline.catch_up()
    pipeline.assert_equal("t", "u")


def test_row_32_rows_of_transactions_open_while_a_table_joins_arrive(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute("create table t (id int primary key); create table late (id int primary key)")
    pipeline.catch_up("--tables", "public.t")
    with database.connect(autocommit=False) as writing:
        writing.execute("insert into late values (1)")
        running = pipeline.start("run", "--until-caught-up", "--tables", "public.t", "public.late")
        until(
            lambda: bool(
                database.fetch(
                    "select 1 from pg_publication_tables where pubname = %s and tablename = 'late'", [pipeline.name]
                )
            )
        )
        writing.execute("insert into late values (2)")
        writing.commit()
    finished = running.finish()
    assert finished.code == 0, finished.log
    pipeline.assert_equal("late")


def columns(pipeline: Pipeline, table: str) -> list[str]:
    try:
        with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as connection:
            found = connection.execute(
                "select column_name from duckdb_columns() where table_name = ?", [table]
            ).fetchall()
    except duckdb.IOException:
        return []
    return [name for (name,) in found]
