"""`redshift-standin verify`: the command that asks a real cluster, asked of the stand-in itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fix_s3 import CREDENTIALS, S3
from redshift_standin.verify.case import Case, LoadError, Refused, Rows, Succeeds, Unknown
from redshift_standin.verify.cases import all_cases
from redshift_standin.verify.command import run_cases
from standin.fix_standin import ROLE, Clients


def verify(clients: Clients, s3: S3, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-m",
        "redshift_standin",
        "verify",
        "--live",
        clients.server.dsn,
        "--bucket",
        clients.bucket,
    ]
    words += ["--s3-endpoint", s3.endpoint, "--insecure", *arguments]
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | CREDENTIALS, timeout=120)


@pytest.mark.parametrize("authorization", [["--iam-role", ROLE], []])
def test_the_stand_in_verifies_against_itself(clients: Clients, s3: S3, authorization: list[str]) -> None:
    finished = verify(clients, s3, *authorization, "--rule", "13", "--rule", "6", "--rule", "26")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "0 differ" in finished.stdout
    assert "LEARNT   rule 06" in finished.stdout
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("expect", "answer"),
    [
        (Rows([["2"]]), "succeeded; rows: [('1',)]"),
        (Refused("42601", "syntax"), "succeeded"),
        (Unknown("it"), "succeeded"),
        (LoadError(1204), "succeeded"),
    ],
)
def test_a_server_that_answers_otherwise_is_told_with_both_answers(
    clients: Clients, expect: object, answer: str
) -> None:
    case = Case(rule=99, name="an example", run="select 1", expect=expect)  # type: ignore[arg-type]
    report = run_cases(clients.runner("psycopg"), [case])
    text = "\n".join(report.lines())
    assert "rule 99: an example" in text
    assert "select 1" in text
    assert answer in text
    assert (report.wrong == []) == isinstance(expect, Unknown)


def test_a_set_up_that_fails_counts_as_a_difference(clients: Clients) -> None:
    case = Case(rule=99, name="an example", setup=["select nonsense"], run="select 1", expect=Succeeds())
    report = run_cases(clients.runner("redshift_connector"), [case])
    assert [verdict.answer.split(":")[0] for verdict in report.wrong] == ["its set-up was refused"]


def test_every_case_names_its_page() -> None:
    assert [case.id for case in all_cases() if not case.page] == []


def test_every_rule_has_cases_or_tests_of_its_own() -> None:
    """Rules 15, 30 and 31 take several sessions (test_concurrency, test_isolation); 38 is for later."""
    missing = set(range(1, 41)) - {case.rule for case in all_cases()} - {15, 30, 31, 38}
    assert missing == set()
