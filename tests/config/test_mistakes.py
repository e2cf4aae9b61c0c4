"""Whatever is wrong with a configuration: exit code 2, one line a mistake, no value repeated, nothing connected to."""

import string
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from re_dms.cli.group import invoke
from re_dms.config import load
from re_dms.config.keys import keys
from re_dms.config.template import toml_value
from re_dms.errors import ConfigurationError

SECRET = "hunter2.Geheim"
DSN = f"postgresql://re_dms:{SECRET}@db.example.com/shop"

NUMBERS = (SECRET, "", True, [1], {"a": 1}, 0, -1, 10**12, float("nan"), float("inf"), -0.5)
WHOLE = (*NUMBERS, 1.5)
WORDS: tuple[Any, ...] = (SECRET, 1, True, [], {"a": SECRET})
NAMES: tuple[Any, ...] = (SECRET, "", "A", "ä", "a b", "a-b", "x" * 64, 7, False, ["a"], {})
PATTERNS = (f"{SECRET} x", f'"{SECRET}', ["a.b", 7], 7, {"a": 1}, ["a b"], [["a.b"]], [f"a.b.{SECRET}"])
BAD = {
    "pipeline.name": NAMES,
    "pipeline.forget": (SECRET, 7, "", [True], {}),
    "source.dsn": (f"{DSN}?nonsense=1", f"password {SECRET}", f"mysql://u:{SECRET}@h/d", 7, [DSN], {"password": SECRET}),
    "source.slot": tuple(name for name in NAMES if name != ""),
    "source.publication": ("x" * 64, f"{SECRET}\n", 7, True, [SECRET]),
    "source.plugin": (*WORDS, "", "wal2json", "PGOUTPUT"),
    "source.tables": PATTERNS,
    "source.exclude": PATTERNS,
    "source.ca_file": (7, [SECRET], True, {}),
    "source.insecure_tls": (SECRET, 7, "", []),
    "journal.url": (
        SECRET, f"/{SECRET}", f"s3://{SECRET}/x", f"gs://{SECRET}", f"file://{SECRET}/x", f"file:/{SECRET}", "file:///",
        f"file:///{SECRET}?x=1", f"file:///{SECRET}%20", DSN, 7, [SECRET], True, f"FILE:///{SECRET}",
    ),
    "journal.compression": (*WORDS, "", "ZSTD", "none"),
    "journal.region": (SECRET, "eu central", True, [SECRET], {}),
    "journal.encryption": (*WORDS, "", "AES256"),
    "journal.kms_key_id": (f"{SECRET} x", f"{SECRET}\n", "ä", [SECRET]),
    "journal.slices": (*WHOLE, 129),
    "warehouse.url": (
        SECRET, f"/{SECRET}", f"duckdb://{SECRET}", f"duckdb:{SECRET}", f"redshift://u:{SECRET}@c/d", f"duckdb:///{SECRET}/",
        f"duckdb:///{SECRET}#x", "duckdb://", "duckdb://:memory:", ":memory:", f"duckdb:///{SECRET}\n", DSN, 7, [SECRET],
        f"redshift://{SECRET}", f"redshift://u@{SECRET}:x/d", f"redshift://u@h:65536/{SECRET}", f"redshift://u@[{SECRET}]/d",
        f"redshift://u@h/{SECRET}%0a", f"redshift://{SECRET}%ff@h/d", f"redshift://u@h/{SECRET}?driver={SECRET}",
        f"redshift://u@h/{SECRET}/x", f"redshift://u@{SECRET}..x/d", f"redshift://u@h/d#{SECRET}", "redshift:///", "redshift://",
    ),
    "warehouse.password": ([SECRET], True, {"a": SECRET}),
    "warehouse.password_file": ([SECRET], True, {}),
    "warehouse.cluster": (SECRET, "A", "1a", "a b", "x" * 64, 7, True, [SECRET]),
    "warehouse.workgroup": (SECRET, "ab", "Abc", "a b c", "x" * 65, 7, [SECRET]),
    "warehouse.region": (SECRET, "eu central", True, [SECRET], {}),
    "warehouse.iam_role": (
        SECRET, "", "Default", f"arn:aws:iam::123456789012:role/{SECRET}'", "arn:aws:iam::1:role/x", "default,default",
        "arn:aws:iam::123456789012:role/a, arn:aws:iam::123456789012:role/b", 7, [SECRET],
    ),
    "warehouse.ca_file": ([SECRET], True, {}),
    "warehouse.insecure_tls": (SECRET, 7, "", []),
    "warehouse.copy_sessions": (*WHOLE, 17),
    "warehouse.group_batches": (*WHOLE, 101),
    "warehouse.maintain": (SECRET, 7, "", []),
    "warehouse.policies": (SECRET, f"{SECRET}=x", f"a.b={SECRET}", [7], 7, {"a": SECRET}, [[SECRET]]),
    "warehouse.design": (SECRET, f"{SECRET}=x", f"a.b=distkey({SECRET}", "a.b=", "=diststyle all", [7], 7, {"a": SECRET}),
    "capture.flush_seconds": (*(number for number in NUMBERS if number != ""), 3601),
    "capture.flush_mb": (*WHOLE, 1025),
    "capture.flush_rows": WHOLE,
    "capture.position_seconds": NUMBERS,
    "capture.status_seconds": (*NUMBERS, 10.5),
    "capture.pause_seconds_max": (*NUMBERS, 31),
    "capture.catalog_seconds": NUMBERS,
    "capture.copy_connections": (*WHOLE, 17),
    "capture.streaming": (SECRET, 7, "", []),
    "capture.spill_directory": (SECRET, 7, True, [SECRET], {"a": SECRET}),
    "log.level": (*WORDS, "", "INFO", "trace"),
    "log.format": (*WORDS, "", "xml"),
}  # fmt: skip
BROKEN_FILES = (
    f"dsn = '{SECRET}'", f"[sorce]\ndsn = '{SECRET}'", f"source = '{SECRET}'", f"[[source]]\ndsn = '{SECRET}'",
    f"[source]\ndsn = '{SECRET}", f"[source\ndsn = '{SECRET}'", f"[source]\ndsn = {SECRET}", f"[source]\n{SECRET}",
    f"[source]\npassword = '{SECRET}'", f"[source.dsn]\npassword = '{SECRET}'", f"'a\\nb' = '{SECRET}'", "\ufeff[source",
    f"[source]\n'a b\\u0007' = '{SECRET}'", f"[source]\nslot = 's'\nslot = '{SECRET}'", f"x = {'[' * 3000}", "[a]\n[a]",
    f"[source]\ndsn = 1979-05-27\nslot = '{SECRET}'", f"[Source]\nDSN = '{SECRET}'", f"[{'k' * 500}]\nx='{SECRET}'",
)  # fmt: skip
BAD_ENVIRONMENTS = (
    {"RE_DMS_SOURCE__DNS": SECRET}, {"RE_DMS_SOURCE_SLOT": SECRET}, {"RE_DMS__SOURCE__SLOT": SECRET},
    {"RE_DMS_CAPTURE__FLUSH__MB": SECRET}, {"RE_DMS_FOO__BAR": SECRET}, {"RE_DMS_SOURCE__": SECRET},
    {"RE_DMS_SOURCE__X\n": SECRET}, {"RE_DMS_SOURCE__SLOT": SECRET, "RE_DMS_LOG__LEVEL": SECRET},
)  # fmt: skip
BAD_ARGUMENTS = (
    (DSN,), ("--bogus", SECRET), (f"--bogus={SECRET}",), ("--forget=" + SECRET,), ("--until-lsn", SECRET),
    ("--until-lsn", "1/2", "--until-caught-up"), ("--config", DSN), ("--config", f"/none/{SECRET.lower()}x"),
    ("--source", DSN, SECRET), ("--tables",), ("--source",),
)  # fmt: skip


def as_toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {as_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    if isinstance(value, float):
        return repr(value)
    return toml_value(value)


def cases() -> Iterator[tuple[str, str | None, dict[str, str], list[str]]]:
    by_name = {key.name: key for key in keys()}
    assert set(BAD) == set(by_name)
    for name, values in BAD.items():
        section, _, word = name.partition(".")
        for number, value in enumerate(values):
            yield f"file-{name}-{number}", f"[{section}]\n{word} = {as_toml(value)}\n", {}, []
            text = isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool))
            # As text, 7 is a fine name and pattern, "" is not set, and 1.0 is a whole number.
            if not text or value == "" or (isinstance(value, int) and section in ("pipeline", "source")):
                continue
            yield f"environment-{name}-{number}", None, {by_name[name].environment: str(value)}, []
            option = by_name[name].option
            if option is not None and by_name[name].kind == "value":
                yield f"option-{name}-{number}", None, {}, [f"{option.flag}={value}"]
    for number, file in enumerate(BROKEN_FILES):
        yield f"broken-file-{number}", file, {}, []
    for number, environment in enumerate(BAD_ENVIRONMENTS):
        yield f"bad-environment-{number}", None, environment, []
    for number, arguments in enumerate(BAD_ARGUMENTS):
        yield f"bad-arguments-{number}", None, {}, list(arguments)


CASES = list(cases())


def test_there_are_enough_bad_configurations():
    assert len(CASES) >= 200


@pytest.mark.parametrize(("file", "environment", "arguments"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_bad_configuration_is_told_in_lines_and_exits_2(file, environment, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("re_dms.service.run", lambda *_, **__: pytest.fail("it started"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if file is not None:
        (tmp_path / "re_dms.toml").write_text(file)
    needed = ["--source", DSN, "--warehouse", "duckdb:///srv/re_dms/w.duckdb"]
    # Options given twice: the last counts, so what is bad comes last; variables and files must not be outvoted.
    given_elsewhere = {
        "--source": "RE_DMS_SOURCE__DSN" in environment or "dsn" in (file or ""),
        "--warehouse": "RE_DMS_WAREHOUSE__URL" in environment or "[warehouse]\nurl" in (file or ""),
    }
    words = [
        word for pair in zip(needed[::2], needed[1::2], strict=True) if not given_elsewhere[pair[0]] for word in pair
    ]
    assert invoke(["run", *words, *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert SECRET.lower() not in output.err.lower()
    lines = output.err.splitlines()
    assert lines[-1].startswith("  what to do: ")
    assert all(line.startswith("re-dms: ") and line.isprintable() and len(line) < 500 for line in lines[:-1])
    assert len(lines) >= 2


text = st.text(string.ascii_letters + " .*/:@=\"'\\\n\x00é%", max_size=12).map(
    lambda around: f"{around}{SECRET}{around}"
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=5,
)


@given(options=st.dictionaries(st.sampled_from([key.name for key in keys()]), values, max_size=6))
def test_no_value_however_odd_is_ever_repeated(options):
    said = ""
    try:
        load(needs=frozenset({"source", "warehouse"}), options=options, environment={})
    except ConfigurationError as refused:
        said = f"{refused.message}\n{refused.remedy}"
    assert SECRET not in said
    assert all(line.isprintable() for line in said.split("\n"))
