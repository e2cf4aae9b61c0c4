"""File, environment and command line together: who wins, what is derived, what is warned of."""

import dataclasses

import pytest

from re_dms.config import Half, load
from re_dms.config.keys import SECTIONS, keys
from re_dms.errors import ConfigurationError
from re_dms.settings import CaptureSettings, LogSettings, Settings, SourceSettings

BOTH: frozenset[Half] = frozenset({"source", "warehouse"})
DSN = "host=db.example.com dbname=shop user=re_dms"
MINIMAL = {"source.dsn": DSN, "warehouse.url": "duckdb:///srv/shop.duckdb"}
ROLE = "arn:aws:iam::123456789012:role/loader"


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def settings(options=None, *, environment=None, text=None, tmp_path=None, **more):
    file = None
    if text is not None:
        file = tmp_path / "some.toml"
        file.write_text(text)
        file.chmod(0o600)
    return load(options=options, environment=environment or {}, file=file, **{"needs": BOTH, **more}).settings


def mistakes(*arguments, **keywords):
    with pytest.raises(ConfigurationError) as failure:
        settings(*arguments, **keywords)
    return failure.value.message.splitlines()


def test_defaults_are_those_of_the_settings():
    loaded = settings(MINIMAL)
    assert loaded.capture == CaptureSettings()
    assert loaded.log == LogSettings()
    assert (loaded.name, loaded.forget) == (Settings.__dataclass_fields__["name"].default, False)


def test_slot_and_publication_are_called_like_the_pipeline():
    source = settings({**MINIMAL, "pipeline.name": "shop"}).source
    assert source == SourceSettings(dsn=DSN, slot="shop", publication="shop")
    source = settings({**MINIMAL, "pipeline.name": "shop", "source.slot": "a", "source.publication": "B c"}).source
    assert (source.slot, source.publication) == ("a", "B c")


def test_the_journal_of_a_duckdb_file_is_beside_it():
    assert settings(MINIMAL).journal.url == "file:///srv/shop.duckdb.journal"
    assert settings({**MINIMAL, "journal.url": "file:///srv/j"}).journal.url == "file:///srv/j"


def test_the_command_line_is_stronger_than_the_environment_and_that_than_the_file(tmp_path):
    text = "[capture]\nflush_seconds = 1.5\nflush_mb = 10\nflush_rows = 100\n"
    environment = {"RE_DMS_CAPTURE__FLUSH_MB": "20", "RE_DMS_CAPTURE__FLUSH_ROWS": "200"}
    options = {**MINIMAL, "capture.flush_rows": "300"}
    capture = settings(options, environment=environment, text=text, tmp_path=tmp_path).capture
    assert (capture.flush_seconds, capture.flush_mb, capture.flush_rows) == (1.5, 20, 300)


def test_a_re_dms_toml_of_the_working_directory_is_read(tmp_path):
    (tmp_path / "re_dms.toml").write_text('[pipeline]\nname = "here"\n')
    assert settings(MINIMAL).name == "here"


def test_every_key_can_be_set_by_its_environment_variable():
    values = {
        "pipeline.name": ("shop", "shop"),
        "pipeline.forget": ("true", True),
        "source.dsn": (DSN, DSN),
        "source.slot": ("s", "s"),
        "source.publication": ("p", "p"),
        "source.plugin": ("pgoutput", "pgoutput"),
        "source.tables": ('public.*, "Odd, name".t', ("public.*", '"Odd, name".t')),
        "source.exclude": ("public.tmp_*", ("public.tmp_*",)),
        "source.ca_file": ("/ca.pem", "/ca.pem"),
        "source.insecure_tls": ("0", False),
        "journal.url": ("s3://bucket/j", "s3://bucket/j"),
        "journal.compression": ("gzip", "gzip"),
        "journal.region": ("eu-west-1", "eu-west-1"),
        "journal.encryption": ("sse-kms", "sse-kms"),
        "journal.kms_key_id": ("alias/journal", "alias/journal"),
        "journal.slices": ("8", 8),
        "warehouse.url": ("redshift://host/dev", "redshift://host/dev"),
        "warehouse.workgroup": ("analytics", "analytics"),
        "warehouse.region": ("eu-west-1", "eu-west-1"),
        "warehouse.iam_role": (f"{ROLE},{ROLE}2", f"{ROLE},{ROLE}2"),
        "warehouse.ca_file": ("/ca.pem", "/ca.pem"),
        "warehouse.insecure_tls": ("0", False),
        "warehouse.copy_sessions": ("16", 16),
        "warehouse.group_batches": ("1", 1),
        "warehouse.maintain": ("true", True),
        "warehouse.policies": ('public."a,b".c=null,public.*=truncate', ('public."a,b".c=null', "public.*=truncate")),
        "warehouse.design": (
            "public.orders=sortkey(a, b), public.x=diststyle all",
            ("public.orders=sortkey(a, b)", "public.x=diststyle all"),
        ),
        "capture.flush_seconds": ("0.5", 0.5),
        "capture.flush_mb": ("1024", 1024),
        "capture.flush_rows": ("7", 7),
        "capture.position_seconds": ("2", 2.0),
        "capture.status_seconds": ("3", 3.0),
        "capture.pause_seconds_max": ("4", 4.0),
        "capture.catalog_seconds": ("5", 5.0),
        "capture.copy_connections": ("3", 3),
        "capture.streaming": ("false", False),
        "capture.spill_directory": ("/srv/spill", "/srv/spill"),
        "log.level": ("debug", "debug"),
        "log.format": ("json", "json"),
    }
    others = {"warehouse.password", "warehouse.password_file", "warehouse.cluster"}  # in place of the workgroup
    assert set(values) == {key.name for key in keys()} - others
    loaded = settings(environment={key.environment: values[key.name][0] for key in keys() if key.name in values})
    plain = dataclasses.asdict(loaded)
    plain["pipeline"] = {"name": plain["name"], "forget": plain["forget"]}
    for name, (_, expected) in values.items():
        section, _, key = name.partition(".")
        assert plain[section][key] == expected, name


def test_an_empty_variable_counts_as_not_set():
    assert settings(MINIMAL, environment={"RE_DMS_PIPELINE__NAME": ""}).name == "re_dms"


def test_variables_of_other_kinds_are_left_alone():
    settings(MINIMAL, environment={"RE_DMS_FAILPOINTS": "", "RE_DMS_TEST_PG_BIN": "/x", "RE_DMS_PORT": "1", "A__B": ""})


def test_libpq_may_know_the_source_alone():
    options = {"warehouse.url": "duckdb:///w.duckdb"}
    assert settings(options, environment={"PGHOST": "/run"}).source.dsn == ""
    assert settings({**options, "source.dsn": ""}, environment={"PGSERVICE": "shop"}).source.dsn == ""
    assert "source.dsn: is needed" in mistakes(options, environment={"PGPASSWORD": "x"})[0]


def test_halves_that_a_command_does_not_take_are_none():
    options = {**MINIMAL, "journal.url": "file:///j"}
    loaded = settings(options, needs=frozenset({"warehouse"}), environment={"PGHOST": "/run"})
    assert loaded.source is None
    assert settings(options, needs=frozenset({"source"})).warehouse is None
    loaded = settings({"journal.url": "file:///j"}, needs=frozenset(), wants=BOTH)
    assert (loaded.source, loaded.warehouse) == (None, None)
    assert mistakes({"source.dsn": DSN}, needs=frozenset({"source"})) == [
        "journal.url: is needed (--journal or RE_DMS_JOURNAL__URL)"
    ]


def test_a_password_in_a_file_that_others_can_read_is_warned_of(tmp_path):
    file = tmp_path / "some.toml"
    file.write_text('[source]\ndsn = "postgresql://u:geheim@h/d"\n[warehouse]\nurl = "duckdb:///w.duckdb"\n')
    file.chmod(0o640)
    (warning,) = load(needs=BOTH, environment={}, file=file).warnings
    assert "others can read it" in warning
    assert "geheim" not in warning
    file.chmod(0o600)
    assert load(needs=BOTH, environment={}, file=file).warnings == ()
    file.write_text('[source]\ndsn = "postgresql://u@h/d"\n[warehouse]\nurl = "duckdb:///w.duckdb"\n')
    file.chmod(0o644)
    assert load(needs=BOTH, environment={}, file=file).warnings == ()


def test_a_password_on_the_command_line_is_warned_of():
    options = {**MINIMAL, "source.dsn": "host=h password=geheim"}
    (warning,) = load(needs=BOTH, options=options, environment={}).warnings
    assert "command line" in warning
    assert "geheim" not in warning


def test_unchecked_tls_is_said_at_every_start():
    options = {**MINIMAL, "source.insecure_tls": True}
    assert ["certificate is not checked" in line for line in load(needs=BOTH, options=options, environment={}).warnings]


def test_the_password_is_in_no_repr():
    loaded = load(needs=BOTH, options={**MINIMAL, "source.dsn": "host=h password=geheim"}, environment={})
    assert "geheim" not in repr(loaded)
    assert "geheim" not in repr(SECTIONS["source"].model_validate({"dsn": "host=h password=geheim"}))


def test_every_mistake_is_told_at_once(tmp_path):
    text = """
    dsn = "host=h"
    [sorce]
    slot = "x"
    [source]
    tabels = ["public.*"]
    [capture]
    flush_seconds = 0
    [warehouse]
    url = "redshift://user:geheim@cluster/x"
    """
    environment = {"RE_DMS_CAPTURE__FLUSH_MB": "2000", "RE_DMS_SOURCE_DSN": "host=h"}
    found = mistakes({"pipeline.name": "Shop"}, environment=environment, text=text, tmp_path=tmp_path)
    for line in (
        "dsn: is not known; did you mean source.dsn?",
        "sorce: is not known; did you mean source?",
        "source.tabels: is not known; did you mean source.tables?",
        "RE_DMS_SOURCE_DSN: is not known; did you mean RE_DMS_SOURCE__DSN?",
        "capture.flush_seconds: must be above 0",
        "capture.flush_mb: must be at most 1024 (from RE_DMS_CAPTURE__FLUSH_MB)",
        "pipeline.name: must be 1 to 63 of the characters a-z, 0-9 and _ (from --name)",
        "warehouse.url: must not hold a password",
        "source.dsn: is needed",
    ):
        assert [each for each in found if each.startswith(line)], (line, found)
    assert len(found) == 9


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("shop.duckdb", "write duckdb://{here}/…"),
        ("duckdb://shop.duckdb", "write duckdb://{here}/…"),
        ("duckdb:shop.duckdb", "with three slashes"),
        ("/srv/shop.duckdb", "must be an absolute path like duckdb:///"),
        ("postgresql://h/d", "other schemes than duckdb:// and redshift:// are not known"),
        ("REDSHIFT://u@h/d", "other schemes than duckdb:// and redshift:// are not known"),
        ("redshift://u:secret@h/d", "must not hold a password: give it as RE_DMS_WAREHOUSE__PASSWORD"),
        ("redshift://u@h/d?sslmode=disable", "takes no options but ?driver=redshift_connector or ?driver=psycopg"),
        ("redshift://u@[::1]/d", "AWS's driver takes no IPv6 address"),
        ("duckdb:///srv/", "must name a file"),
        ("duckdb:///srv/a.duckdb?x=1", "must be a path without"),
    ],
)
def test_a_warehouse_that_cannot_be_is_told_how_to_be_written(url, words, tmp_path):
    (line,) = mistakes({**MINIMAL, "warehouse.url": url})
    assert words.format(here=tmp_path) in line


@pytest.mark.parametrize(
    ("warehouse", "journal"),
    [
        ("duckdb:///srv/a.duckdb", "file:///srv/a.duckdb"),
        ("duckdb:///srv/a.duckdb", "file:///srv/x/../a.duckdb/j"),
        ("duckdb:///srv/j/a.duckdb", "file:///srv/j"),
    ],
)
def test_journal_and_warehouse_are_apart(warehouse, journal):
    assert len(mistakes({**MINIMAL, "warehouse.url": warehouse, "journal.url": journal})) == 1


def test_a_check_and_no_check_contradict_each_other():
    (line,) = mistakes({**MINIMAL, "source.insecure_tls": True, "source.ca_file": "/ca.pem"})
    assert line.startswith("source.insecure_tls: cannot be combined")


def test_test_decoding_has_no_publication():
    assert settings({**MINIMAL, "source.plugin": "test_decoding"}).source.publication == ""
    (line,) = mistakes({**MINIMAL, "source.plugin": "test_decoding", "source.publication": "p"})
    assert line.startswith("source.publication: goes with source.plugin pgoutput")


def test_settings_survive_the_way_to_a_child():
    options = {**MINIMAL, "source.tables": ("a.b", "c.*")}
    loaded = settings(options)
    assert Settings.from_json(loaded.to_json()) == loaded
