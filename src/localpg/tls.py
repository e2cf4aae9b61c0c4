"""A server that speaks TLS over TCP, with a certificate that nobody has to trust."""

from __future__ import annotations

import os
import subprocess

import psycopg

from localpg.server import LocalPostgres


def serve_tls(server: LocalPostgres) -> None:
    """Make a certificate of a day with the program openssl, and start the running server again with it.

    From then on libpq encrypts what goes over TCP, unless it is told otherwise. Raises RuntimeError when it does not.
    """
    words = "req -x509 -nodes -newkey rsa:2048 -subj /CN=localhost -days 1 -keyout server.key -out server.crt"
    subprocess.run(["openssl", *words.split()], cwd=server.data, check=True, capture_output=True)
    owner = server.data.stat()
    for name in ("server.crt", "server.key"):
        os.chown(server.data / name, owner.st_uid, owner.st_gid)
        (server.data / name).chmod(0o600)
    server.execute("alter system set ssl = on")
    server.restart()
    with psycopg.connect(server.dsn(tcp=True)) as connection:
        if not connection.pgconn.ssl_in_use:
            raise RuntimeError(
                "the server was given a certificate, and a connection over TCP is not encrypted: is PGSSLMODE set?"
            )
