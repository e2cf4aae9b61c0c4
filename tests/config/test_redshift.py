"""The section [warehouse] for Redshift: what is derived, what cannot be together, and where the password comes from."""

import pytest

from re_dms.config import Half, load
from re_dms.config.keys import SECTIONS, keys
from re_dms.errors import ConfigurationError
from re_dms.settings import Settings, WarehouseSettings

BOTH: frozenset[Half] = frozenset({"source", "warehouse"})
CANARY = "geheim"
ROLE = "arn:aws:iam::123456789012:role/loader"
REDSHIFT = {
    "source.dsn": "host=db.example.com dbname=shop user=re_dms",
    "warehouse.url": "redshift://re_dms@cluster.example.com/shop",
    "journal.url": "s3://bucket/shop",
    "warehouse.password": CANARY,
}


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def settings(environment, **more):
    return load(environment=environment, **{"needs": BOTH, **more}).settings


def mistakes(environment):
    with pytest.raises(ConfigurationError) as failure:
        settings(environment)
    return failure.value.message.splitlines()


def redshift(**more):
    """The environment of a Redshift warehouse. Keys without a section are the warehouse's; None takes one away."""
    given = REDSHIFT | {name.replace("__", ".") if "__" in name else f"warehouse.{name}": more[name] for name in more}
    by_name = {key.name: key for key in keys()}
    return {by_name[name].environment: str(value) for name, value in given.items() if value is not None}


def test_a_redshift_warehouse_has_its_settings():
    loaded = settings(redshift(design="a.b=diststyle even", iam_role=ROLE))
    assert loaded.warehouse == WarehouseSettings(
        url="redshift://re_dms@cluster.example.com/shop", password=CANARY, design=("a.b=diststyle even",), iam_role=ROLE
    )
    assert loaded.journal.url == "s3://bucket/shop"


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"url": "duckdb:///w.duckdb"}, 1.0),
        ({}, 30.0),
        ({"capture__flush_seconds": 1}, 1.0),
        ({"url": "duckdb:///w.duckdb", "capture__flush_seconds": 30}, 30.0),
    ],
    ids=["duckdb", "redshift", "redshift-told", "duckdb-told"],
)
def test_batches_close_less_often_for_redshift_unless_told_otherwise(more, seconds):
    assert settings(redshift(**more)).capture.flush_seconds == seconds
    assert settings(redshift(**more), needs=frozenset({"source"})).capture.flush_seconds == seconds


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"journal__url": "file:///srv/j"}, "journal.url: must be s3://bucket/prefix"),
        ({"journal__url": None}, "journal.url: is needed for Redshift"),
        ({"password": None}, "warehouse.password: is needed"),
        ({"password": None, "cluster": "a", "workgroup": "abc"}, "warehouse.cluster: cannot be combined"),
        ({"cluster": "a"}, "warehouse.password: cannot be combined with warehouse.cluster"),
        ({"password": None, "password_file": "none", "workgroup": "abc"}, "warehouse.password_file: cannot be combined"),
        ({"password_file": "none"}, "warehouse.password: cannot be combined with warehouse.password_file"),
        ({"insecure_tls": True, "ca_file": "/ca.pem"}, "warehouse.insecure_tls: cannot be combined"),
        ({"url": "redshift://host/dev"}, "warehouse.url: names no user"),
        (
            {"password": None, "cluster": "a", "url": "redshift://u@host/dev?driver=psycopg"},
            "warehouse.cluster: goes with AWS's own driver",
        ),
    ],
    ids=[
        "file-journal", "no-journal", "no-login", "cluster-and-workgroup", "password-and-cluster", "file-and-workgroup",
        "two-passwords", "check-and-no-check", "no-user", "iam-and-psycopg",
    ],
)  # fmt: skip
def test_what_cannot_be_with_redshift_is_told_at_once(more, words):
    found = mistakes(redshift(**more))
    assert [line for line in found if line.startswith(words)], found
    assert CANARY not in "".join(found)


def test_a_serverless_workgroup_needs_neither_user_nor_password():
    loaded = settings(redshift(url="redshift://host/dev", password=None, workgroup="analytics")).warehouse
    assert (loaded.workgroup, loaded.password) == ("analytics", None)


def test_only_who_connects_to_the_warehouse_needs_its_password(tmp_path):
    environment = redshift(password=None)
    assert settings(environment, needs=frozenset({"source"})).warehouse is None
    assert settings(environment, needs=frozenset(), wants=BOTH).warehouse.password is None
    environment = redshift(password=None, password_file=tmp_path / "none")
    assert settings(environment, needs=frozenset({"source"})).warehouse is None


def test_the_password_may_be_the_first_line_of_a_file(tmp_path):
    file = tmp_path / "password"
    file.write_text(f"{CANARY} ü \nanother line\n", encoding="utf-8")
    file.chmod(0o600)
    assert settings(redshift(password=None, password_file=str(file))).warehouse.password == f"{CANARY} ü "


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (CANARY.encode(), 0o640, "can be read by others than its owner: chmod 600"),
        (CANARY.encode(), 0o604, "can be read by others than its owner: chmod 600"),
        (b"", 0o600, "must hold 1 to 1024 characters"),
        (f"\n{CANARY}".encode(), 0o600, "must hold 1 to 1024 characters"),
        (CANARY.encode() * 200, 0o600, "must hold 1 to 1024 characters"),
        (CANARY.encode() + b"\xff", 0o600, "is not UTF-8 text"),
        (None, 0o600, "cannot be read"),
    ],
    ids=["group", "others", "empty", "second-line", "too-long", "bytes", "missing"],
)
def test_a_password_file_that_cannot_be_is_refused(content, mode, words, tmp_path):
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    (line,) = mistakes(redshift(password=None, password_file=str(file)))
    assert line.startswith(f"warehouse.password_file: {words}")
    assert CANARY not in line


def test_a_warehouse_password_in_a_file_that_others_can_read_is_warned_of(tmp_path):
    file = tmp_path / "some.toml"
    file.write_text(f'[warehouse]\npassword = "{CANARY}"\n')
    for mode, expected in ((0o644, 1), (0o600, 0)):
        file.chmod(mode)
        warnings = load(needs=BOTH, environment=redshift(password=None), file=file).warnings
        assert len(warnings) == expected
        assert CANARY not in "".join(warnings)
    assert load(needs=BOTH, environment=redshift()).warnings == ()


def test_an_unchecked_warehouse_is_said_at_every_start():
    (warning,) = load(needs=BOTH, environment=redshift(insecure_tls=True)).warnings
    assert warning == "warehouse.insecure_tls is set: the warehouse's certificate is not checked"


def test_the_warehouse_password_is_in_no_repr():
    loaded = load(needs=BOTH, environment=redshift())
    assert CANARY not in repr(loaded)
    assert CANARY not in repr(SECTIONS["warehouse"].model_validate({"password": CANARY}))


def test_settings_survive_the_way_to_a_child():
    loaded = settings(redshift(policies="a.b=null", design="a.b=diststyle all"))
    assert Settings.from_json(loaded.to_json()) == loaded
