"""Transactions of one change, as pgbench makes them: its accounts, and the UPDATE of its simple-update script alone."""

from __future__ import annotations

from typing import Final

from bench.workloads.base import DATABASE, Workload, make_database, pgbench
from localpg import LocalPostgres

ACCOUNTS: Final = 100_000
_TABLE: Final = "create table pgbench_accounts (aid int primary key, bid int, abalance int, filler char(84))"
_ROWS: Final = f"insert into pgbench_accounts select i, 1, 0, '' from generate_series(1, {ACCOUNTS}) i"
SCRIPT: Final = f"""\\set aid random(1, {ACCOUNTS})
\\set delta random(-5000, 5000)
update pgbench_accounts set abalance = abalance + :delta where aid = :aid;
"""
CLIENTS: Final = 2


def make(server: LocalPostgres) -> None:
    """pgbench's accounts, of scale one."""
    make_database(server, [_TABLE, _ROWS], ["pgbench_accounts"])


def load(server: LocalPostgres, rows: int) -> dict[str, int]:
    """`rows` transactions of one UPDATE, by two clients."""
    each = max(1, rows // CLIENTS)
    pgbench(server, {SCRIPT: 1}, "-c", str(CLIENTS), "-j", "1", "-t", str(each))
    count = server.execute("select count(*) from pgbench_accounts", dbname=DATABASE)[0][0]
    if count != ACCOUNTS:
        raise RuntimeError(f"pgbench_accounts has {count} rows")
    return {"inserts": 0, "updates": each * CLIENTS, "deletes": 0, "transactions": each * CLIENTS}


WORKLOAD: Final = Workload(
    name="tiny",
    about="pgbench -M prepared -c 2 -j 1: transactions of one UPDATE of pgbench_accounts",
    changes=1_200_000,
    make=make,
    load=load,
)
