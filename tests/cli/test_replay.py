"""What `replay` and `run --stdin` take and refuse, before anything is opened."""

import json
import os

import pytest

from re_dms.cli.group import invoke
from re_dms.settings import ReplaySettings, Settings

SOURCE = ["--source", "host=h"]
WAREHOUSE = ["--warehouse", "duckdb:///srv/w.duckdb"]
SECRET = "geheim-4711"


@pytest.fixture(autouse=True)
def _directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("PGHOST", "PGSERVICE", "PGUSER", "PGDATABASE", "PGPORT", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("data.txt", "more.txt", "schema.json"):
        (tmp_path / name).write_text("")
    (tmp_path / "wal").mkdir()


@pytest.fixture
def calls(monkeypatch):
    """The calls of `service.run`."""
    found = []

    def run(settings, **keywords):
        found.append((settings, keywords))
        return 0

    monkeypatch.setattr("re_dms.service.run", run)
    return found


def replayed(calls, *words) -> Settings:
    assert invoke(["replay", *words, *WAREHOUSE]) == 0
    settings: Settings
    ((settings, keywords),) = calls
    assert keywords == {"halves": frozenset({"capture", "apply"}), "json": "--json" in words}
    return settings


def refused(capsys, *words) -> str:
    assert invoke([*words]) == 2
    said: str = capsys.readouterr().err
    assert "what to do" in said
    assert SECRET not in said
    return said.splitlines()[0]


def test_a_file_is_a_stream_of_its_name(calls, tmp_path):
    settings = replayed(calls, "data.txt", *SOURCE, "--json")
    assert settings.replay == ReplaySettings(inputs=(str(tmp_path / "data.txt"),), stream="data.txt")
    assert settings.source is not None
    assert settings.source.dsn == "host=h"


def test_what_is_replayed_has_no_publication(calls):
    source = replayed(calls, "data.txt", *SOURCE).source
    assert source is not None
    assert (source.plugin, source.publication) == ("test_decoding", "")


@pytest.mark.parametrize(
    ("words", "inputs", "stream"),
    [
        (["-"], ["-"], "stdin"),
        (["-", "--stream", "nightly"], ["-"], "nightly"),
        (["wal"], ["wal"], "wal"),
        (["wal/../wal/."], ["wal/../wal"], "wal"),
        (["data.txt", "more.txt", "--stream", "both"], ["data.txt", "more.txt"], "both"),
        (["data.txt", "--stream", "Größe 1 / \N{SNOWMAN}"], ["data.txt"], "Größe 1 / \N{SNOWMAN}"),
    ],
)
def test_inputs_become_absolute_and_streams_have_names(calls, tmp_path, words, inputs, stream):
    replay = replayed(calls, *words, *SOURCE).replay
    assert replay is not None
    assert replay.inputs == tuple(each if each == "-" else str(tmp_path / each) for each in inputs)
    assert replay.stream == stream


def test_the_directory_one_is_in_has_its_name(calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "wal")
    replay = replayed(calls, ".", *SOURCE).replay
    assert replay is not None
    assert replay.stream == "wal"


def test_a_schema_file_takes_the_place_of_the_source(calls, tmp_path):
    settings = replayed(calls, "data.txt", "--schema", "schema.json", "--tables", "public.*", "--exclude", "public.x")
    assert settings.source is None
    assert settings.replay == ReplaySettings(
        inputs=(str(tmp_path / "data.txt"),),
        stream="data.txt",
        schema=str(tmp_path / "schema.json"),
        tables=("public.*",),
        exclude=("public.x",),
    )


def test_a_schema_file_on_the_command_line_is_stronger_than_a_source_in_the_environment(calls, monkeypatch):
    monkeypatch.setenv("RE_DMS_SOURCE__DSN", "host=h")
    assert replayed(calls, "data.txt", "--schema", "schema.json").source is None


def test_the_settings_reach_the_children_as_they_are(calls):
    settings = replayed(calls, "data.txt", "more.txt", "--stream", "s", *SOURCE, "--tables", "a.b", "c.*")
    assert Settings.from_json(settings.to_json()) == settings
    assert settings.replay is not None
    assert settings.replay.tables == ("a.b", "c.*")


def test_options_reach_the_service(calls):
    words = ["--flush-mb", "7", "--name", "shop", "--forget", "--journal", "file:///j", "--insecure-tls"]
    settings = replayed(calls, "-", *SOURCE, *words)
    assert settings.source is not None
    assert (settings.capture.flush_mb, settings.name, settings.forget) == (7, "shop", True)
    assert (settings.journal.url, settings.source.insecure_tls) == ("file:///j", True)


def test_run_reads_standard_input_as_replay_does(calls):
    assert invoke(["run", "--stdin", *SOURCE, *WAREHOUSE, "--json"]) == 0
    assert invoke(["replay", "-", *SOURCE, *WAREHOUSE, "--json"]) == 0
    assert calls[0] == calls[1]


@pytest.mark.parametrize("words", [["--until-caught-up"], ["--until-lsn", "1/2"]])
def test_run_from_standard_input_ends_with_it_alone(calls, capsys, words):
    assert "--stdin ends with its input" in refused(capsys, "run", "--stdin", *SOURCE, *WAREHOUSE, *words)
    assert calls == []


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ([], "nothing is named to replay"),
        (["--tables", "public.*", "data.txt"], "nothing is named to replay"),
        (["missing.txt"], "missing.txt cannot be read (No such file or directory)"),
        (["data.txt", "dir/missing.txt", "--stream", "s"], "dir/missing.txt cannot be read (No such file or directory)"),
        (["data.txt", "wal", "--stream", "s"], "wal is a directory"),
        (["wal", "wal", "--stream", "s"], "wal is a directory"),
        (["/dev/null"], "/dev/null is no file"),
        (["data.txt", "more.txt"], "several files are one stream, which needs a name"),
        (["-", "-"], "- is standard input: it goes once, and alone"),
        (["-", "data.txt", "--stream", "s"], "- is standard input: it goes once, and alone"),
        (["data.txt", "--stream", ""], "--stream is no name for a stream: 1 to 200 printable characters"),
        (["data.txt", "--stream", "a\nb"], "--stream is no name for a stream: 1 to 200 printable characters"),
        (["data.txt", "--stream", "a" * 201], "--stream is no name for a stream: 1 to 200 printable characters"),
        (["data.txt\x1b[0m"], "'data.txt\\x1b[0m' cannot be read (No such file or directory)"),
        ([f"postgresql://u:{SECRET}@h/d"], "an input that looks like a setting cannot be read (No such file or directory)"),
        ([f"host=h password={SECRET}"], "an input that looks like a setting cannot be read (No such file or directory)"),
    ],
)  # fmt: skip
def test_inputs_that_cannot_be_replayed_are_refused_by_name(calls, capsys, words, first):
    assert refused(capsys, "replay", *SOURCE, *WAREHOUSE, *words) == f"re-dms: {first}"
    assert calls == []


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["--schema", "schema.json", *SOURCE], "--source and --schema exclude each other: the tables are told by one of them"),
        (["--schema", "missing.json"], "missing.json cannot be read (No such file or directory)"),
        (["--schema", "wal"], "wal is a directory"),
        ([], "source.dsn: is needed (--source, RE_DMS_SOURCE__DSN, or libpq's PGHOST and the like), or a schema file in its place (--schema)"),
    ],
)  # fmt: skip
def test_the_tables_are_told_by_exactly_one_of_source_and_schema(calls, capsys, words, first):
    assert refused(capsys, "replay", "data.txt", *WAREHOUSE, *words) == f"re-dms: {first}"
    assert calls == []


def test_a_warehouse_is_needed(calls, capsys):
    said = refused(capsys, "replay", "data.txt", "--schema", "schema.json")
    assert said == "re-dms: warehouse.url: is needed (--warehouse or RE_DMS_WAREHOUSE__URL)"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_refused_by_name(calls, capsys, tmp_path):
    (tmp_path / "data.txt").chmod(0)
    assert refused(capsys, "replay", "data.txt", *SOURCE, *WAREHOUSE) == "re-dms: data.txt cannot be read"


def test_a_name_that_is_no_text_needs_a_stream(calls, capsys, tmp_path):
    name = os.fsdecode(b"data\xff.txt")
    (tmp_path / name).write_text("")
    assert "the input's name is no name for a stream" in refused(capsys, "replay", name, *SOURCE, *WAREHOUSE)
    settings = replayed(calls, name, "--stream", "s", *SOURCE)
    assert Settings.from_json(settings.to_json()) == settings
    assert json.loads(settings.to_json())["replay"]["inputs"] == [str(tmp_path / name)]
