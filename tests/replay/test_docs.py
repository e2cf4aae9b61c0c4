"""docs/from-the-seed.md and docs/replay.md say what is there: variables, keys, options, commands, files."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cli.test_help import OPTIONS
from re_dms.cli.group import COMMANDS
from re_dms.config.keys import keys

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SEED = (DOCS / "from-the-seed.md").read_text(encoding="utf-8")
REPLAY = (DOCS / "replay.md").read_text(encoding="utf-8")
# The environment of the Rust re_dms, as its main.rs, file_uploader.rs, database_writer.rs and others read it.
VARIABLES = (
    *("SOURCE_CONNECTION_STRING", "REPLICATION_SLOT", "PG_RECVLOGICAL_PATH", "OUTPUT_WAL_DIRECTORY"),
    *("SECONDS_UNTIL_WAL_SWITCH", "MAX_BYTES_UNTIL_WAL_SWITCH", "TABLE_BLACKLIST", "SCHEMA_BLACKLIST"),
    *("TARGET_SCHEMA_NAME", "PARTITION_SUFFIX_REGEXP", "BUCKET_NAME", "BUCKET_FOLDER", "AWS_REGION"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "IAM_ROLE", "SECONDS_UNTIL_END_OF_EXPONENTIAL_BACKOFF"),
    *("CLIENT_SIDE_DB_QUERY_TIMEOUT_IN_SECONDS", "STATSD_IP_AND_PORT", "IGNORE_UPDATES_TO_MISSING_TABLES"),
    *("PG__HOST", "PG__USER", "PG__PASSWORD", "PG__PORT", "PG__DBNAME", "PG__POOL__MAX_SIZE"),
    *("PG__CONNECT_TIMEOUT__SECS", "PG__CONNECT_TIMEOUT__NANOS", "SENTRY_DSN", "RUST_LOG"),
    *(
        f"PG__POOL__TIMEOUTS__{what}__{unit}"
        for what in ("WAIT", "CREATE", "RECYCLE")
        for unit in ("SECS", "NANOS")
    ),
)  # fmt: skip
KEY = re.compile(r"`((?:pipeline|source|journal|warehouse|capture|log)\.\w+)`")
SETTING = re.compile(r"`(RE_DMS_[A-Z]+__\w+)`")
OPTION = re.compile(r"(?<![\w-])(--[a-z]+(?:-[a-z]+)*)")
# What other programs, and the old service, are given in the examples.
FOREIGN = {"--start", "--file"}


def rows(text: str) -> list[list[str]]:
    """The cells of the page's tables."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def rows_of_variables() -> dict[str, str]:
    """By variable what stands beside it."""
    return {name: cells[1] for cells in rows(SEED) for name in re.findall(r"`([A-Z_]+)`", cells[0])}


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_variable_of_the_seed_has_its_line_with_a_key_an_option_or_a_reason(variable: str) -> None:
    beside = rows_of_variables()[variable]
    assert KEY.search(beside) or beside.startswith("the same variable") or re.match(r"none: .{10,}", beside)


def test_no_line_is_of_a_variable_that_the_seed_did_not_have() -> None:
    assert set(rows_of_variables()) == set(VARIABLES)


@pytest.mark.parametrize("text", [SEED, REPLAY], ids=["from-the-seed", "replay"])
def test_each_key_and_variable_of_ours_that_is_named_exists(text: str) -> None:
    known = {key.name for key in keys()}
    named = set(KEY.findall(text))
    named |= {name.removeprefix("RE_DMS_").lower().replace("__", ".") for name in SETTING.findall(text)} - {
        "section.key"
    }
    assert named
    assert named <= known


@pytest.mark.parametrize("text", [SEED, REPLAY], ids=["from-the-seed", "replay"])
def test_each_option_and_command_that_is_named_exists(text: str) -> None:
    options = {option for each in OPTIONS.values() for option in each} | {"--print-grants"}
    assert set(OPTION.findall(text)) <= options | FOREIGN
    assert set(re.findall(r"re-dms ([a-z]+)", text)) <= set(COMMANDS)


@pytest.mark.parametrize("name", ["from-the-seed", "replay", "architecture"])
def test_each_link_leads_to_a_file(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (DOCS / f"{name}.md").read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (DOCS / link).is_file()]
    assert not missing


def test_the_drawing_is_svg_that_needs_nothing_from_elsewhere() -> None:
    text = (DOCS / "architecture.svg").read_text(encoding="utf-8")
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(r"href|@import|url\((?!#)|<script|<image|foreignObject", text)
    said = " ".join(re.findall(r">([^<>]+)<", text)).lower()
    for word in (
        "slot",
        "pgoutput",
        "test_decoding",
        "reader",
        "encoder",
        "decode",
        "compact",
        "csv",
        "journal",
        "stage",
    ):
        assert word in said, word
    for word in ("merge", "watermark", "one commit", "warehouse", "confirm", "standard input", "replay"):
        assert word in said, word


def test_exit_codes_of_replays_are_those_that_are_documented() -> None:
    known = set(re.findall(r"^\| (\d+) \|", (DOCS / "exit-codes.md").read_text(encoding="utf-8"), re.MULTILINE))
    table = REPLAY.partition("## What is told")[2]
    codes = [code for cells in rows(table)[2:] for code in cells[2].split(", ")]
    assert codes
    assert set(codes) <= known
