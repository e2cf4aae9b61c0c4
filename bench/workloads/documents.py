"""300 bytes of jsonb and 2 kB of text a row, which does not compress; transactions of 1,000 changes."""

from __future__ import annotations

from typing import Final

from bench.workloads.base import DATABASE, Workload, make_database
from localpg import LocalPostgres

_CHANGES_A_TRANSACTION: Final = 1000
_TABLE: Final = "create table documents (id bigint primary key, details jsonb not null, body text not null)"
# 64 sums of 32 characters; eight words of 28 and their keys.
_BODY: Final = "(select string_agg(md5(i || '-' || k), '') from generate_series(1, 64) k)"
_DETAILS: Final = "(select jsonb_object_agg('k' || k, left(md5(k || '/' || i), 28)) from generate_series(1, 8) k)"


def _make(server: LocalPostgres) -> None:
    make_database(server, [_TABLE], ["documents"])


def _load(server: LocalPostgres, rows: int) -> dict[str, int]:
    """80 % inserts, 20 % updates of the jsonb: where the text lies out of line it is not sent with these."""
    done = {"inserts": 0, "updates": 0, "deletes": 0, "transactions": 0}
    first = 1
    for start in range(0, rows, _CHANGES_A_TRANSACTION):
        size = min(_CHANGES_A_TRANSACTION, rows - start)
        updates = size // 5
        last = first + size - updates
        server.execute(
            f"begin; insert into documents select i, {_DETAILS}, {_BODY} from generate_series({first}, {last - 1}) i;"
            """ update documents set details = details || '{"seen": true}'"""
            f" where id >= {first} and id < {first + updates}; commit",
            dbname=DATABASE,
        )
        done["inserts"] += size - updates
        done["updates"] += updates
        done["transactions"] += 1
        first = last
    return done


WORKLOAD: Final = Workload(
    name="documents",
    about="a key, 300 bytes of jsonb and 2 kB of text that does not compress, 80 % inserts, transactions of 1,000",
    changes=300_000,
    make=_make,
    load=_load,
)
