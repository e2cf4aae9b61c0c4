"""A mix in the manner of TPC-C (new orders, payments, deliveries), as functions in the server that pgbench calls.

https://www.tpc.org/tpcc/ : its tables and three of its five transactions; sizes are small, and the two that only read are
left out. It is no TPC-C, and no figure of it is one.
"""

from __future__ import annotations

from typing import Final

from bench.workloads.base import DATABASE, Workload, make_database, pgbench
from localpg import LocalPostgres

_WAREHOUSES: Final = 2
_CUSTOMERS: Final = 300  # of a district
_ITEMS: Final = 5_000
_CHANGES_A_TRANSACTION: Final = 19  # about, over the mix
_TABLES: Final = {
    "warehouse": "w_id int primary key, w_name text, w_tax numeric(4, 4), w_ytd numeric(12, 2) not null",
    "district": "d_w_id int, d_id int, d_name text, d_tax numeric(4, 4), d_ytd numeric(12, 2) not null,"
    " d_next_o_id int not null, primary key (d_w_id, d_id)",
    "customer": "c_w_id int, c_d_id int, c_id int, c_first text, c_last text, c_credit char(2), c_discount numeric(4, 4),"
    " c_balance numeric(12, 2) not null, c_payments int not null, c_data text, primary key (c_w_id, c_d_id, c_id)",
    "history": "h_id bigint generated always as identity primary key, h_w_id int, h_d_id int, h_c_id int,"
    " h_date timestamptz not null, h_amount numeric(6, 2)",
    "orders": "o_w_id int, o_d_id int, o_id int, o_c_id int, o_entry timestamptz not null, o_carrier int,"
    " o_lines int not null, primary key (o_w_id, o_d_id, o_id)",
    "new_order": "no_w_id int, no_d_id int, no_o_id int, primary key (no_w_id, no_d_id, no_o_id)",
    "order_line": "ol_w_id int, ol_d_id int, ol_o_id int, ol_number int, ol_i_id int not null, ol_delivery timestamptz,"
    " ol_quantity int, ol_amount numeric(6, 2), ol_info char(24), primary key (ol_w_id, ol_d_id, ol_o_id, ol_number)",
    "stock": "s_w_id int, s_i_id int, s_quantity int not null, s_ytd int not null, s_orders int not null, s_data text,"
    " primary key (s_w_id, s_i_id)",
}
_ROWS: Final = f"""
    insert into warehouse select w, 'house ' || w, 0.1, 0 from generate_series(1, {_WAREHOUSES}) w;
    insert into district select w, d, 'district ' || d, 0.05, 0, 1
        from generate_series(1, {_WAREHOUSES}) w, generate_series(1, 10) d;
    insert into customer select w, d, c, 'first ' || c, 'last ' || c % 100, 'GC', 0.1, 0, 0, repeat(md5(c::text), 6)
        from generate_series(1, {_WAREHOUSES}) w, generate_series(1, 10) d, generate_series(1, {_CUSTOMERS}) c;
    insert into stock select w, i, 50, 0, 0, md5(i::text)
        from generate_series(1, {_WAREHOUSES}) w, generate_series(1, {_ITEMS}) i;
"""
_NEW_ORDER: Final = f"""
create function new_order(w int, d int, c int) returns void language plpgsql as $$
declare o int; count int := 5 + floor(random() * 11); item int;
begin
    update district set d_next_o_id = d_next_o_id + 1 where d_w_id = w and d_id = d returning d_next_o_id - 1 into o;
    insert into orders values (w, d, o, c, now(), null, count);
    insert into new_order values (w, d, o);
    for number in 1 .. count loop
        -- Ascending, so that no two orders wait for each other.
        item := (o * 17 + d * 101) % ({_ITEMS} - 500) + number * 31;
        update stock set s_quantity = case when s_quantity > 14 then s_quantity - 5 else s_quantity + 86 end,
            s_ytd = s_ytd + 5, s_orders = s_orders + 1 where s_w_id = w and s_i_id = item;
        insert into order_line values (w, d, o, number, item, null, 5, (item % 9000) / 100.0, left(md5(item::text), 24));
    end loop;
end $$
"""
_PAYMENT: Final = """
create function payment(w int, d int, c int, amount numeric) returns void language sql as $$
    update warehouse set w_ytd = w_ytd + amount where w_id = w;
    update district set d_ytd = d_ytd + amount where d_w_id = w and d_id = d;
    update customer set c_balance = c_balance - amount, c_payments = c_payments + 1
        where c_w_id = w and c_d_id = d and c_id = c;
    insert into history (h_w_id, h_d_id, h_c_id, h_date, h_amount) values (w, d, c, now(), amount);
$$
"""
# One delivery at a time: two that take customers in different order would wait for each other.
_DELIVERY: Final = """
create function delivery(w int) returns void language plpgsql as $$
declare o int; total numeric;
begin
    perform pg_advisory_xact_lock(1);
    for d in 1 .. 10 loop
        delete from new_order where (no_w_id, no_d_id, no_o_id) =
            (select no_w_id, no_d_id, no_o_id from new_order where no_w_id = w and no_d_id = d order by no_o_id limit 1)
            returning no_o_id into o;
        continue when o is null;
        update orders set o_carrier = 7 where o_w_id = w and o_d_id = d and o_id = o;
        update order_line set ol_delivery = now() where ol_w_id = w and ol_d_id = d and ol_o_id = o;
        select sum(ol_amount) into total from order_line where ol_w_id = w and ol_d_id = d and ol_o_id = o;
        update customer set c_balance = c_balance + total where c_w_id = w and c_d_id = d
            and c_id = (select o_c_id from orders where o_w_id = w and o_d_id = d and o_id = o);
    end loop;
end $$
"""
_SET: Final = f"\\set w random(1, {_WAREHOUSES})\n\\set d random(1, 10)\n\\set c random(1, {_CUSTOMERS})\n"
_SCRIPTS: Final = {
    f"{_SET}select new_order(:w, :d, :c);\n": 45,
    f"{_SET}\\set a random(100, 500000)\nselect payment(:w, :d, :c, :a / 100.0);\n": 43,
    f"{_SET}select delivery(:w);\n": 4,
}


def _make(server: LocalPostgres) -> None:
    tables = [f"create table {name} ({columns})" for name, columns in _TABLES.items()]
    make_database(server, [*tables, _ROWS, _NEW_ORDER, _PAYMENT, _DELIVERY], list(_TABLES))


def _load(server: LocalPostgres, rows: int) -> dict[str, int]:
    """About `rows` changes; how many is known by the server alone."""
    pgbench(server, _SCRIPTS, "-c", "2", "-j", "1", "-t", str(max(10, rows // _CHANGES_A_TRANSACTION // 2)))
    if not server.execute("select count(*) from order_line", dbname=DATABASE)[0][0]:
        raise RuntimeError("no order was made")
    return {}


WORKLOAD: Final = Workload(
    name="tpcc",
    about="in the manner of TPC-C: new orders, payments, deliveries over eight tables, by pgbench with two clients",
    changes=1_200_000,
    make=_make,
    load=_load,
)
