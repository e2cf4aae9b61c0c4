"""The schema file gives the answers that the live catalog gave, and is refused by name when it is none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fix_postgres import Database
from re_dms.cli.group import invoke
from re_dms.errors import ConfigurationError
from re_dms.source.candidates import choose, read_tables
from re_dms.source.catalog import describe
from re_dms.source.patterns import parse_patterns
from re_dms.source.schema_file import FORMAT, SchemaFile, dump, load
from source import type_literals

Session = psycopg.Connection[Any]

TABLES = """
create table plain (id int primary key, "A ""b"" ü" text not null, m kinds.mood[], g int generated always as (id + 1) stored);
alter table plain add column late numeric(10,2) default 1.50, add column gone int;
alter table plain drop column gone;
create table bare (a int, b kinds.tags);
create table whole (a int); alter table whole replica identity full;
create unlogged table fleeting (a int primary key);
create table part (id int, day date, primary key (id, day)) partition by range (day);
create table part_1 partition of part for values from ('2020-01-01') to ('2021-01-01');
create table part_2 partition of part for values from ('2021-01-01') to ('2022-01-01') partition by list (id);
create table part_2_1 partition of part_2 for values in (1);
create schema "My ""Schema"; create table "My ""Schema"."a.b" (x int primary key, p kinds.pair, h public.hstore)
"""


@pytest.fixture
def filled(database: Database) -> None:
    database.execute(type_literals.SETUP)
    database.execute("set search_path = public;" + TABLES)


def loaded(tmp_path: Path, text: str) -> SchemaFile:
    path = tmp_path / "schema.json"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.mark.usefixtures("filled")
def test_the_file_gives_the_answers_of_the_catalog(session: Session, database: Database, tmp_path: Path) -> None:
    read = loaded(tmp_path, dump(session))
    live = read_tables(session)
    assert dict(read.tables) == dict(live)
    assert list(read.tables) == list(live)
    assert read.describe(live) == describe(session, live)
    assert read.describe([1]) == {}
    some = next(iter(live))
    assert read.describe([some, 1, some]) == describe(session, [some])
    assert read.database == database.name
    assert read.server_version == session.info.server_version
    identifier = session.execute("select system_identifier::text from pg_control_system()").fetchall()[0][0]
    assert read.system_identifier == identifier


@pytest.mark.usefixtures("filled")
def test_partitions_keep_their_line(session: Session, tmp_path: Path) -> None:
    tables = loaded(tmp_path, dump(session)).tables
    names = {table.name: oid for oid, table in tables.items()}
    assert [table.name for table in tables.line(names["part_2_1"])] == ["part_2_1", "part_2", "part"]
    assert [table.name for table in tables.leaves(names["part"])] == ["part_1", "part_2_1"]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        (["part"], [], {"part", "part_1", "part_2", "part_2_1"}),
        (["part_2"], [], {"part_2", "part_2_1"}),
        (["public.*"], ["public.part", "public.b*"], {"plain", "whole"}),
        (['"My ""Schema"."a.b"'], [], {"a.b"}),
        ([], ["public.*", "kinds.*"], {"a.b"}),
    ],
)
def test_patterns_choose_with_partitions_as_a_replay_would(
    session: Session, tmp_path: Path, include: list[str], exclude: list[str], names: set[str]
) -> None:
    patterns = parse_patterns(include), parse_patterns(exclude)
    tables = loaded(tmp_path, dump(session, *patterns)).tables
    assert {table.name for table in tables.values()} == names
    live = read_tables(session)
    assert choose(tables, (), ()) == choose(live, *patterns), "without patterns the file means what was asked for"


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("include", "exclude", "words"),
    [
        (["public.missing"], [], "'public.missing' names no table"),
        ([], ["public.missing"], "'public.missing' names no table"),
        (["fleeting"], [], "table public.fleeting cannot be published"),
        (["public.fleet*"], [], "there is no table to describe"),
    ],
)
def test_patterns_that_leave_something_out_in_silence_are_refused(
    session: Session, include: list[str], exclude: list[str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        dump(session, parse_patterns(include), parse_patterns(exclude))
    assert session.execute("select 1").fetchall() == [(1,)]
    assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_the_command_prints_the_file_and_nothing_else(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database.execute("create table a (x int primary key); create table b (x int primary key)")
    assert invoke(["schema", "dump", "--source", database.dsn, "--tables", "public.*", "--exclude", "b"]) == 0
    read = loaded(tmp_path, capsys.readouterr().out)
    assert [table.full_name for table in read.tables.values()] == ["public.a"]
    assert invoke(["schema", "dump", "--source", database.dsn, "--tables", "public.missing"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "names no table" in output.err


def test_the_command_needs_a_source_and_no_journal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PGHOST", "PGSERVICE", "PGUSER", "PGDATABASE", "PGPORT", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    assert invoke(["schema", "dump"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("re-dms: source.dsn: is needed")
    assert "journal" not in said[0] + said[1].partition("what to do")[0]


# What a file may look like without a database: one table with its partition.
COLUMN = {
    "attnum": 1, "name": "id", "type": {"oid": 23, "typmod": -1, "name": "integer", "kind": "int4", "element": None, "fields": []},
    "printed": "integer", "bare": "integer", "quoted": "id", "not_null": True, "generated": "", "has_default": False,
    "old_rows": "null", "missing": None,
}  # fmt: skip
TABLE = {
    "oid": 7, "schema": "public", "name": "t", "kind": "r", "identity": "d", "filenode": 7, "columns": [COLUMN],
    "primary_key": [1], "primary_key_immediate": True, "identity_index": [],
}  # fmt: skip


def document() -> dict[str, Any]:
    tables = [
        {"persistence": "p", "parent": None, "table": TABLE | {"kind": "p"}},
        {"persistence": "p", "parent": 7, "table": TABLE | {"oid": 8, "name": "t_1"}},
    ]
    whole = {"re_dms_schema": FORMAT, "postgres": 150004, "system_identifier": "1", "database": "d", "tables": tables}
    copied: dict[str, Any] = json.loads(json.dumps(whole))
    return copied


def change(*keys: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def applied(whole: dict[str, Any]) -> None:
        at: Any = whole
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = to

    return applied


def test_the_smallest_file_is_read(tmp_path: Path) -> None:
    read = loaded(tmp_path, json.dumps(document()))
    assert [table.name for table in read.tables.line(8)] == ["t_1", "t"]
    assert read.describe([8])[8].columns[0].bare == "integer"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (change("re_dms_schema", to=FORMAT + 1), f"is a schema file of format {FORMAT + 1}; this re_dms reads {FORMAT}"),
        (change("re_dms_schema", to="geheim"), "is not a schema file, or was cut"),
        (change("tables", to="geheim"), r"is broken \(at tables\)"),
        (change("tables", 0, "table", "columns", 0, "type", "kind", to="geheim"), r"is broken \(at tables.0.table.columns.0.type.kind\)"),
        (change("tables", 1, "table", "oid", to=None), r"is broken \(at tables.1.table.oid\)"),
        (change("tables", 1, "table", "oid", to=7), "is broken: it has two tables with one OID"),
        (change("tables", 1, "parent", to=8), "is broken: a table is a partition of itself"),
        (change("tables", 0, "parent", to=8), "is broken: a table is a partition of itself"),
        (change("unknown", to=1), r"is broken \(at unknown\)"),
    ],
    ids=["newer", "version", "tables", "kind", "oid", "twice", "itself", "circle", "unknown"],
)  # fmt: skip
def test_a_broken_file_is_told_by_name_and_place(
    tmp_path: Path, harm: Callable[[dict[str, Any]], None], words: str
) -> None:
    whole = document()
    harm(whole)
    with pytest.raises(ConfigurationError, match=words) as found:
        loaded(tmp_path, json.dumps(whole))
    assert str(tmp_path / "schema.json") in found.value.message
    assert found.value.remedy
    assert "geheim" not in found.value.message


@pytest.mark.parametrize(
    "data",
    [b"", b"BEGIN 745\n", b"[]", b"{}", b"null", b'{"re_dms_schema": 1.5}', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "lines", "list", "object", "null", "fraction", "bytes", "deep"],
)
def test_another_file_is_told_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"data\.txt is not a schema file, or was cut"):
        load(path)


def test_a_file_that_was_cut_anywhere_is_refused(tmp_path: Path) -> None:
    text = json.dumps(document())
    path = tmp_path / "schema.json"
    for end in range(0, len(text), 7):
        path.write_text(text[:end])
        with pytest.raises(ConfigurationError, match="is not a schema file, or was cut"):
            load(path)


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"schema file .*missing\.json cannot be read \(No such file"):
        load(tmp_path / "missing.json")
    with pytest.raises(ConfigurationError, match=r"cannot be read \(Is a directory\)"):
        load(tmp_path)
