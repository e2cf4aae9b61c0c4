"""Ten columns, about 210 bytes a row, transactions of 5,000 changes."""

from __future__ import annotations

from typing import Final

from bench.workloads.base import DATABASE, Workload, make_database
from localpg import LocalPostgres

CHANGES_A_TRANSACTION: Final = 5000
TABLE: Final = (
    "create table measured (id bigint primary key, customer int not null, status text not null, amount numeric(12, 2),"
    " created timestamptz not null, updated timestamp, note text, code uuid, flag boolean, ratio double precision)"
)
ROW: Final = (
    "i, i % 100000, (array['new','paid','sent','done'])[1 + i % 4], (i % 100000) / 7.0, now(), now(),"
    " repeat(md5(i::text), 2) || ' a note of some length', md5(i::text)::uuid, i % 3 = 0, i / 3.0"
)
_ONE_BY_ONE: Final = """
    do $$ begin
        perform set_config('synchronous_commit', 'off', false);
        for i in 0 .. {last} loop
            if i % 10 < 6 then insert into measured select {row};
            elsif i % 10 < 9 then
                update measured set status = 'seen', amount = amount + 1, updated = now() where id = i - 6;
            else delete from measured where id = i - 5; end if;
            commit;
        end loop;
    end $$
"""


def make(server: LocalPostgres) -> None:
    """The database with its empty table and its publication."""
    make_database(server, [TABLE], ["measured"])


def load(server: LocalPostgres, rows: int, size_max: int = CHANGES_A_TRANSACTION, first: int = 1) -> dict[str, int]:
    """`rows` changes: of every transaction 60 % inserts, 30 % updates, 10 % deletes of earlier rows. What was done.

    `first`: the first id that is free.
    """
    done = {"inserts": 0, "updates": 0, "deletes": 0, "transactions": 0}
    for start in range(0, rows, size_max):
        size = min(size_max, rows - start)
        inserts, updates = size * 6 // 10, size * 3 // 10
        deletes = size - inserts - updates
        last = first + inserts
        # Updates and deletes take the transaction's own new rows as well: there are always enough of them.
        statements = [
            f"insert into measured select {ROW} from generate_series({first}, {last - 1}) i",
            f"update measured set status = 'seen', amount = amount + 1, updated = now() where id >= {last - updates} and id < {last}",
            f"delete from measured where id >= {first} and id < {first + deletes}",
        ]
        server.execute("begin; " + "; ".join(statements) + "; commit", dbname=DATABASE)
        done["inserts"] += inserts
        done["updates"] += updates
        done["deletes"] += deletes
        done["transactions"] += 1
        first = last
    return done


def load_one_by_one(server: LocalPostgres, rows: int) -> dict[str, int]:
    """`rows` transactions of one change: of ten, six inserts, three updates and a delete of earlier rows. What was done."""
    kind = "case when i % 10 < 6 then 'inserts' when i % 10 < 9 then 'updates' else 'deletes' end"
    counts = dict(server.execute(f"select {kind}, count(*) from generate_series(0, {rows - 1}) i group by 1"))
    server.execute(_ONE_BY_ONE.format(last=rows - 1, row=ROW), dbname=DATABASE)
    return {name: int(counts.get(name, 0)) for name in ("inserts", "updates", "deletes")} | {"transactions": rows}


WORKLOAD: Final = Workload(
    name="ten",
    about="ten columns, 210 bytes a row, 60 % inserts, 30 % updates, 10 % deletes, transactions of 5,000",
    changes=3_000_000,
    make=make,
    load=load,
)
