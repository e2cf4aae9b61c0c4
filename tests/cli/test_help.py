"""The words of the command line are a contract: other tools call them."""

import re
import subprocess
import sys

import click
import pytest

from re_dms import __version__
from re_dms.cli.group import COMMANDS, group, invoke
from re_dms.config.keys import keys

FILE = {"--config", "--debug", "--help"}
WAREHOUSE = {"--warehouse", "--iam-role"}
SOURCE = {"--source", "--slot", "--publication", "--plugin", "--ca-file", "--insecure-tls"}
LOG = {"--log-level", "--log-format"}
UNTIL = {"--until-caught-up", "--until-lsn", "--json"}
CAPTURE = {"--flush-seconds", "--flush-mb", "--flush-rows"}
OPTIONS = {
    "run": FILE | SOURCE | LOG | UNTIL | CAPTURE
    | WAREHOUSE | {"--name", "--forget", "--tables", "--exclude", "--journal", "--compression", "--stdin"},
    "capture": FILE | SOURCE | LOG | UNTIL | CAPTURE
    | {"--name", "--forget", "--tables", "--exclude", "--journal", "--compression"},
    "apply": FILE | LOG | UNTIL | WAREHOUSE | {"--name", "--journal"},
    "replay": FILE | LOG | CAPTURE | WAREHOUSE | {"--source", "--ca-file", "--insecure-tls"}
    | {"--name", "--forget", "--tables", "--exclude", "--journal", "--compression", "--stream", "--schema", "--json"},
    "check": FILE | SOURCE | LOG | WAREHOUSE
    | {"--name", "--tables", "--exclude", "--journal", "--json", "--print-grants"},
    "status": FILE | SOURCE | LOG | WAREHOUSE | {"--name", "--journal", "--json"},
    "journal": {"--help"},
    "schema": {"--help"},
    "reset": FILE | SOURCE | LOG | WAREHOUSE | {"--name", "--journal", "--table", "--cascade", "--yes"},
    "drop": FILE | SOURCE | LOG | WAREHOUSE | {"--name", "--journal", "--yes"},
    "init": {"--config", "--force", "--debug", "--help"},
    "demo": {"--warehouse", "--scale", "--seconds", "--keep", "--json", "--pg-bin", "--debug", "--help"},
    "version": {"--help"},
}  # fmt: skip


def said(capsys, *arguments):
    code = invoke(arguments)
    return code, capsys.readouterr()


def test_the_help_names_every_command_with_a_sentence(capsys):
    code, output = said(capsys, "--help")
    assert code == 0
    assert list(COMMANDS) == list(OPTIONS)
    for name, sentence in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(sentence)}$", output.out, re.MULTILINE)


@pytest.mark.parametrize("command", OPTIONS)
def test_the_help_of_a_command_names_its_options_and_no_others(command, capsys):
    code, output = said(capsys, command, "--help")
    assert code == 0
    listed = re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", output.out.partition("Options:")[2], re.MULTILINE)
    assert set(listed) == OPTIONS[command]
    assert output.out.partition("\n\n")[2].strip()


@pytest.mark.parametrize("command", OPTIONS)
def test_every_option_has_its_sentence(command):
    found = group.get_command(click.Context(group), command)
    assert found is not None
    assert all(option.help and option.help.endswith(".") for option in found.params if isinstance(option, click.Option))


def test_every_key_that_names_an_option_has_it_in_a_command(capsys):
    _, output = said(capsys, "run", "--help")
    assert all(key.option is None or key.option.flag in output.out for key in keys())


def test_the_version_is_said(capsys):
    assert said(capsys, "version")[1].out == f"{__version__}\n"
    assert said(capsys, "--version")[1].out == f"{__version__}\n"


def test_help_imports_neither_engines_nor_drivers():
    program = (
        "import sys\nfrom re_dms.cli.group import invoke\n"
        "assert invoke(['--help']) == 0 and invoke(['version']) == 0\n"
        "assert not {'pydantic', 'polars', 'duckdb', 'psycopg', 'structlog', 'rich'} & set(sys.modules)\n"
        "for name in ('run', 'capture', 'apply', 'status', 'reset', 'drop', 'init', 'demo'):\n"
        "    assert invoke([name, '--help']) == 0\n"
        "assert not {'polars', 'duckdb', 'psycopg', 'structlog', 'rich'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_python_m_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "re_dms", "version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{__version__}\n"
