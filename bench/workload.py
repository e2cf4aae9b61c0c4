"""The load that is measured: ten columns, about 210 bytes a row, transactions of 5,000 changes."""

from __future__ import annotations

from typing import Final

from localpg import LocalPostgres

CHANGES_A_TRANSACTION: Final = 5000
DATABASE: Final = "bench"
TABLE: Final = (
    "create table measured (id bigint primary key, customer int not null, status text not null, amount numeric(12, 2),"
    " created timestamptz not null, updated timestamp, note text, code uuid, flag boolean, ratio double precision)"
)
_ROW: Final = (
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
    server.create_database(DATABASE)
    server.execute(TABLE, dbname=DATABASE)
    server.execute("create publication bench for table measured", dbname=DATABASE)


def load(server: LocalPostgres, rows: int) -> dict[str, int]:
    """`rows` changes: of every transaction 60 % inserts, 30 % updates, 10 % deletes of earlier rows. What was done."""
    done = {"inserts": 0, "updates": 0, "deletes": 0, "transactions": 0}
    first = 1
    for start in range(0, rows, CHANGES_A_TRANSACTION):
        size = min(CHANGES_A_TRANSACTION, rows - start)
        inserts, updates = size * 6 // 10, size * 3 // 10
        deletes = size - inserts - updates
        last = first + inserts
        # Updates and deletes take the transaction's own new rows as well: there are always enough of them.
        statements = [
            f"insert into measured select {_ROW} from generate_series({first}, {last - 1}) i",
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
    server.execute(_ONE_BY_ONE.format(last=rows - 1, row=_ROW), dbname=DATABASE)
    return {name: int(counts.get(name, 0)) for name in ("inserts", "updates", "deletes")} | {"transactions": rows}


def sent(server: LocalPostgres, slot: str) -> tuple[dict[str, int], int]:
    """What a slot has to send, by the first letter of the message, and the bytes of all messages."""
    found = server.execute(
        "select chr(get_byte(data, 0)), count(*), sum(length(data))::int8"
        f" from pg_logical_slot_peek_binary_changes('{slot}', null, null, 'proto_version', '1', 'publication_names', 'bench')"
        " group by 1",
        dbname=DATABASE,
    )
    return {tag: count for tag, count, _ in found}, sum(size for _, _, size in found)
