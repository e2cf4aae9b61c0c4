"""`redshift-standin verify`: the same cases against a real cluster, and where the stand-in is wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import click
from psycopg.conninfo import conninfo_to_dict

from redshift_standin.verify.case import Case, Unknown
from redshift_standin.verify.cases import all_cases
from redshift_standin.verify.clients import ConnectorClient, Failure
from redshift_standin.verify.run import Runner, Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """Verdicts of a run. A case of an unknown is never wrong: what the cluster did is what we wanted to learn."""

    verdicts: list[Verdict]

    @property
    def wrong(self) -> list[Verdict]:
        return [each for each in self.verdicts if not each.right and not isinstance(each.case.expect, Unknown)]

    @property
    def learnt(self) -> list[Verdict]:
        return [each for each in self.verdicts if isinstance(each.case.expect, Unknown)]

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        for verdict in self.wrong:
            yield f"DIFFERS  {verdict.case.id}"
            yield f"         {'; '.join(verdict.case.statements)}"
            yield f"         the stand-in: {verdict.case.expect}"
            yield f"         this server:  {verdict.answer}"
        for verdict in self.learnt:
            yield f"LEARNT   {verdict.case.id}"
            yield f"         {'; '.join(verdict.case.statements)}"
            yield f"         this server:  {verdict.answer}"
        right = sum(each.right for each in self.verdicts)
        yield f"{len(self.verdicts)} cases: {right} as the stand-in has them, {len(self.wrong)} differ, {len(self.learnt)} were unknown"


def run_cases(runner: Runner, cases: Iterable[Case], told: Any = None) -> Report:
    """All verdicts; a case that cannot even be set up counts as wrong, with the reason."""
    verdicts = []
    for case in cases:
        try:
            verdict = runner.judge(case)
        except Failure as failure:
            verdict = Verdict(case, False, f"its set-up was refused: {failure}")
        verdicts.append(verdict)
        if told is not None:
            told(verdict)
    return Report(verdicts)


@click.command()
@click.option("--live", required=True, help="The server to ask: a libpq DSN; the password may come from PGPASSWORD.")
@click.option(
    "--bucket",
    required=True,
    help="A bucket that the server's COPY can read and we can write; objects below redshift-standin-verify/.",
)
@click.option(
    "--iam-role", help="The role for COPY; without it, the keys that boto3 finds are put into the statements."
)
@click.option("--s3-endpoint", help="Where the bucket is, when it is not AWS.")
@click.option("--rule", "rules", type=int, multiple=True, help="Only cases of this rule; may be repeated.")
@click.option("--insecure", is_flag=True, help="Without TLS: for a server on this machine.")
def verify(
    live: str, bucket: str, iam_role: str | None, s3_endpoint: str | None, rules: tuple[int, ...], insecure: bool
) -> None:
    """Run the rules' cases against a server and say where the stand-in is wrong.

    Meant for a real cluster, once: it makes schemas named verify_… and drops them. Exit code 5 if a case differs.
    """
    session = boto3.session.Session()
    client = session.client("s3", endpoint_url=s3_endpoint)
    prefix = f"redshift-standin-verify/{int(time.time())}"
    runner = Runner(
        lambda: ConnectorClient(**_arguments(live, insecure=insecure)),
        url=f"s3://{bucket}/{prefix}",
        authorization=f"iam_role '{iam_role}'" if iam_role else _keys(session),
        put=lambda key, body: client.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=body),
    )
    cases = [case for case in all_cases() if not case.standin_only and (not rules or case.rule in rules)]
    report = run_cases(runner, cases, lambda verdict: click.echo("." if verdict.right else "x", nl=False))
    click.echo()
    for line in report.lines():
        click.echo(line)
    raise SystemExit(5 if report.wrong else 0)


def _arguments(dsn: str, *, insecure: bool) -> dict[str, Any]:
    """redshift_connector's arguments of a libpq DSN."""
    given = conninfo_to_dict(dsn)
    password = given.get("password") or os.environ.get("PGPASSWORD", "")
    return {
        "host": given.get("host", "127.0.0.1"),
        "port": int(given.get("port") or 5439),
        "user": given.get("user"),
        "password": password,
        "database": given.get("dbname", "dev"),
        **({"ssl": False} if insecure else {"ssl": True, "sslmode": "verify-full"}),
    }


def _keys(session: boto3.session.Session) -> str:
    found = session.get_credentials()
    if found is None:
        raise click.UsageError("give --iam-role, or keys that boto3 finds")
    frozen = found.get_frozen_credentials()
    token = f" session_token '{frozen.token}'" if frozen.token else ""
    return f"access_key_id '{frozen.access_key}' secret_access_key '{frozen.secret_key}'{token}"
