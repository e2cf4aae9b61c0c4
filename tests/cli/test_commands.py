"""What commands hand on, and how they end: one line of what, one line of what to do, and the exit code."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import re_dms
from re_dms import errors
from re_dms.cli import confirm
from re_dms.cli.group import invoke
from re_dms.lsn import LSN

RUN = ["run", "--source", "host=h", "--warehouse", "duckdb:///srv/w.duckdb"]
SECRET = "geheim-4711"


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("PGHOST", "PGSERVICE", "PGUSER", "PGDATABASE", "PGPORT", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service(monkeypatch):
    """The calls of `service.run`; `answer` is what it returns or raises."""

    class Service:
        def __init__(self):
            self.calls = []
            self.answer: object = 0

        def run(self, settings, **keywords):
            self.calls.append((settings, keywords))
            if isinstance(self.answer, BaseException):
                raise self.answer
            return self.answer

    fake = Service()
    monkeypatch.setattr("re_dms.service.run", fake.run)
    return fake


@pytest.mark.parametrize(
    ("words", "halves", "source", "warehouse"),
    [
        (RUN, {"capture", "apply"}, True, True),
        (["capture", "--source", "host=h", "--journal", "file:///j"], {"capture"}, True, False),
        (["apply", "--journal", "file:///j", "--warehouse", "duckdb:///w.duckdb"], {"apply"}, False, True),
    ],
)
def test_the_halves_are_run_with_their_settings(words, halves, source, warehouse, service):
    assert invoke(words) == 0
    ((settings, keywords),) = service.calls
    assert keywords == {"halves": frozenset(halves), "until_caught_up": False, "until_lsn": None, "json": False}
    assert (settings.source is not None, settings.warehouse is not None) == (source, warehouse)


def test_options_reach_the_service(service):
    words = ["--tables", "public.*", "shop.orders", "--exclude=public.tmp_*,public.x", "--tables", "a.b"]
    assert invoke([*RUN, *words, "--flush-mb", "7", "--until-lsn", "16/B374D848", "--json", "--name", "shop"]) == 0
    ((settings, keywords),) = service.calls
    assert settings.source.tables == ("public.*", "shop.orders", "a.b")
    assert settings.source.exclude == ("public.tmp_*", "public.x")
    assert (settings.capture.flush_mb, settings.source.slot) == (7, "shop")
    assert keywords["until_lsn"] == LSN.parse("16/B374D848")
    assert keywords["json"] is True
    assert invoke([*RUN, "--until-caught-up"]) == 0
    assert service.calls[1][1]["until_caught_up"] is True


def test_debug_logs_everything(service):
    assert invoke([*RUN, "--debug"]) == 0
    assert service.calls[0][0].log.level == "debug"


@pytest.mark.parametrize("code", [0, 3, 6, 130, 143])
def test_the_exit_code_of_the_service_is_that_of_the_command(code, service):
    service.answer = code
    assert invoke(RUN) == code


LEAVES = [
    errors.ReDmsError, errors.InvariantError, errors.ConfigurationError, errors.SourceError, errors.SourceUnavailable,
    errors.DecodeError, errors.JournalError, errors.JournalUnavailable, errors.WarehouseError,
    errors.WarehouseUnavailable, errors.RelationChanged, errors.ValueDoesNotFit, errors.TargetNotOurs,
    errors.ChangesMissing, errors.PipelineHeld,
]  # fmt: skip


@pytest.mark.parametrize("error", LEAVES)
def test_an_error_is_two_lines_and_its_exit_code(error, service, capsys):
    service.answer = error("batch 7 is missing", remedy="run `re-dms reset`")
    assert invoke(RUN) == error.exit_code
    output = capsys.readouterr()
    assert output.out == ""
    first, second = output.err.splitlines()
    assert first == "re-dms: batch 7 is missing"
    assert second.startswith("  what to do: run `re-dms reset`")


def test_an_unknown_error_is_a_bug_without_its_text(service, capsys):
    service.answer = ValueError(SECRET)
    assert invoke(RUN) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[0] == "re-dms: unexpected builtins.ValueError"
    assert "--debug" in said.splitlines()[1]
    assert SECRET not in said
    assert "Traceback" not in said


def test_with_debug_the_places_are_shown_and_still_no_text(service, capsys):
    service.answer = ValueError(SECRET)
    assert invoke([*RUN, "--debug"]) == 1
    said = capsys.readouterr().err
    assert "  at " in said
    assert "cli/run.py:" in said
    assert SECRET not in said


def test_an_interrupt_is_130(service, capsys):
    service.answer = KeyboardInterrupt()
    assert invoke(RUN) == 130
    assert capsys.readouterr().err.split("\n") == ["", "re-dms: interrupted", ""]


def test_a_real_interrupt_is_130_without_a_traceback():
    program = (
        "import os, signal\nfrom re_dms.cli.group import invoke\nfrom re_dms.config import template\n"
        # As in a terminal: what starts in the background of a shell inherits that SIGINT is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "template.write_template = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        "raise SystemExit(invoke(['init']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(re_dms.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "\nre-dms: interrupted\n")


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ([], "no command given"),
        (["statsu"], "no such command; did you mean status?"),
        (["nonsense"], "no such command"),
        (["run", "--sorce", "x"], "no such option: --sorce; did you mean --source?"),
        (["run", "--source"], "--source: needs a value, or takes none"),
        (["run", f"postgresql://u:{SECRET}@h/d"], "a word on the command line is out of place"),
        (["demo", "--scale", SECRET], "--scale: its value is not as it must be"),
        (["run", "--until-lsn", "x"], "--until-lsn: must be a position as Postgres prints it, like 16/B374D848"),
        (["run", "--until-lsn", "1/2", "--until-caught-up"], "--until-caught-up and --until-lsn cannot be combined"),
        (
            ["check", "--print-grants", "--json"],
            "--print-grants prints SQL and policies: it cannot be combined with --json",
        ),
    ],
)
def test_a_misused_command_line_is_told_and_exits_2(words, first, capsys):
    assert invoke(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"re-dms: {first}"
    assert lines[1].startswith("  what to do: see `re-dms")
    assert SECRET not in "".join(lines)


def test_init_writes_the_file_once(tmp_path, capsys):
    assert invoke(["init"]) == 0
    path = tmp_path / "re_dms.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert invoke(["init"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert invoke(["init", "--force", "--config", "re_dms.toml"]) == 0


def test_the_file_of_init_leads_to_a_run(tmp_path, service):
    assert invoke(["init"]) == 0
    path = tmp_path / "re_dms.toml"
    text = path.read_text().replace('#url = "duckdb:', 'url = "duckdb:').replace("#dsn = ", "dsn = ")
    path.write_text(text)
    assert invoke(["run"]) == 0
    assert service.calls[0][0].warehouse.url == "duckdb:///srv/re_dms/shop.duckdb"


def test_warnings_are_in_the_log(service, capsys):
    assert invoke(["run", "--source", f"host=h password={SECRET}", *RUN[3:]]) == 0
    output = capsys.readouterr()
    assert output.out == ""
    said = json.loads(output.err)
    assert "command line holds a password" in said["message"]
    assert SECRET not in output.err


def test_nobody_to_ask_is_told_to_say_yes(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(errors.ConfigurationError, match="nothing was done"):
        confirm.confirmed(["what will happen"], yes=False)
    confirm.confirmed(["what will happen"], yes=True)
    assert capsys.readouterr().out == "what will happen\n" * 2


def test_the_demo_gets_its_options(monkeypatch, tmp_path):
    calls = []

    def run(**options):
        calls.append(options)
        return 1

    monkeypatch.setattr("re_dms.demo.command.run", run)
    assert invoke(["demo"]) == 1
    more = ["--scale", "0.5", "--seconds", "3", "--keep", "k", "--pg-bin", "b", "--json"]
    assert invoke(["demo", *more, "--warehouse", "redshift-standin"]) == 1
    assert calls == [
        {"scale": 1.0, "seconds": None, "keep": None, "json": False, "pg_bin": None, "warehouse": "duckdb"},
        {
            "scale": 0.5,
            "seconds": 3.0,
            "keep": Path("k"),
            "json": True,
            "pg_bin": Path("b"),
            "warehouse": "redshift-standin",
        },
    ]
