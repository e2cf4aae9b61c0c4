"""redshift-standin: the command line.

Exit codes: 0 ended as asked, 1 our own bug, 2 options or set-up, 5 a case of `verify` differs, 130/143 signals.
"""

from __future__ import annotations

import json
import signal
import ssl
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click

from localpg import PostgresNotFound, PostgresNotStarted
from redshift_standin.errors import RedshiftError
from redshift_standin.faults import Faults
from redshift_standin.server import Server


class _Lazy(click.Group):
    """`verify` brings the drivers with it: it is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "verify"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "verify":
            from redshift_standin.verify.command import verify

            return verify
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A strict local stand-in for Amazon Redshift: it refuses what Redshift refuses, and what nobody here is sure of."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=5439, show_default=True, help="0: any free one.")
@click.option("--user", default="awsuser", show_default=True, help="The superuser.")
@click.option("--password", envvar="REDSHIFT_STANDIN_PASSWORD", default="", help="Default: one is made up and printed.")
@click.option("--database", default="dev", show_default=True)
@click.option(
    "--pg-bin", type=click.Path(path_type=Path, exists=True), help="Where Postgres's programs are (15 or later)."
)
@click.option("--backend", help="In place of a Postgres of our own: the DSN of a superuser; a database is made there.")
@click.option("--s3-endpoint", help="Where COPY reads: the URL of an S3 server such as moto's. Default: AWS.")
@click.option("--region", default="us-east-1", show_default=True, help="The cluster's region.")
@click.option("--isolation", type=click.Choice(["serializable", "snapshot"]), default="serializable", show_default=True)
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True), help="The server's certificate (PEM).")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True), help="Its key (PEM).")
@click.option("--faults", type=click.Path(path_type=Path, exists=True), help="A TOML file of [[fault]] tables.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON instead of the connection string.")
def serve(
    tls_cert: Path | None, tls_key: Path | None, faults: Path | None, as_json: bool, password: str, **options: Any
) -> None:
    """Serve until SIGINT or SIGTERM."""
    stopped = threading.Event()
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        orders = Faults.read(faults) if faults else Faults()
        server = Server(tls=_tls(tls_cert, tls_key), faults=orders, password=password, **options)
        with server:
            _announce(server, as_json=as_json, shown=not password)
            stopped.wait()
    except (PostgresNotFound, PostgresNotStarted, OSError, RedshiftError, ValueError) as error:
        raise SystemExit(_mistake(str(error))) from None
    # Being asked to stop is how it is meant to end.
    raise SystemExit(0 if received[0] == signal.SIGTERM else 128 + received[0])


def _announce(server: Server, *, as_json: bool, shown: bool) -> None:
    if as_json:
        line = {
            "host": server.host,
            "port": server.port,
            "user": server.user,
            "password": server.password,
            "dsn": server.dsn,
        }
        click.echo(json.dumps(line | {"database": server.options.database}))
        return
    click.echo(f"A stand-in for Redshift listens on {server.host}:{server.port}; end it with Ctrl-C.")
    password = server.password if shown else "…"
    click.echo(
        f"  psql 'host={server.host} port={server.port} user={server.user} password={password} dbname={server.options.database}'",
    )


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ValueError("--tls-cert and --tls-key go together")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _mistake(text: str) -> int:
    click.echo(f"redshift-standin: {text}", err=True)
    return 2
