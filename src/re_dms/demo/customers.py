"""What the shop's customers do: one transaction a method, with what databases do in practice, also the rare things."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import psycopg

from re_dms.demo.shop import Sizes

Done = Counter[tuple[str, str]]
"""Changes by (table, kind); the kinds are inserts, updates, deletes, truncates."""

# Who has waited for a row whose key another transaction changed no longer finds it, and may meet another row of that key.
_ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(1)"


class Customers:
    """Random transactions over one connection (in autocommit). `done` counts what was committed, exactly."""

    def __init__(self, connection: psycopg.Connection[Any], sizes: Sizes, seed: int) -> None:
        self.done: Done = Counter()
        self._connection = connection
        self._sizes = sizes
        self._random = random.Random(seed)
        self._in_hand: Done = Counter()
        actions: tuple[tuple[Callable[[], None], int], ...] = (
            (self.order, 10),
            (self.ship, 8),
            (self.browse, 8),
            (self.fill_cart, 5),
            (self.touch_reserved_words, 4),
            (self.cancel, 3),
            (self.edit_document, 3),
            (self.change_keys, 2),
            (self.swap_keys, 1),
            (self.think_better_of_it, 2),
            (self.join, 2),
        )
        self._actions, self._weights = zip(*actions, strict=True)

    def act(self) -> None:
        """One random transaction. Raises psycopg.Error; nothing is counted then."""
        self._random.choices(self._actions, self._weights)[0]()

    # ------------------------------------------------------------------ counting

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._in_hand = Counter()
        with self._connection.transaction():
            yield
        # Only here is it committed.
        self.done.update(self._in_hand)

    def _do(self, table: str, kind: str, statement: LiteralString, *values: int) -> None:
        count = self._connection.execute(statement, values).rowcount
        if count:
            self._in_hand[table, kind] += count

    def _customer(self) -> int:
        return self._random.randint(1, self._sizes.customers)

    def _order(self) -> int:
        return self._random.randint(1, self._sizes.orders)

    def _document(self) -> int:
        return self._random.randint(1, self._sizes.documents)

    # ------------------------------------------------------------------ every day

    def order(self) -> None:
        """Three tables in one transaction."""
        with self._transaction():
            self._do(
                "orders",
                "inserts",
                "insert into orders (customer_id, status, total, details) values (%s, 'new', 0, '{}')",
                self._customer(),
            )
            self._do(
                "order_items",
                "inserts",
                "insert into order_items select currval('orders_id_seq'), i, 'sku-' || i, i, i + 0.5, null"
                " from generate_series(1, %s) i",
                self._random.randint(1, 40),
            )
            self._do("customers", "updates", "update customers set credit = credit + 1 where id = %s", self._customer())

    def ship(self) -> None:
        """Ranges of rows, and an array that grows special characters."""
        first = self._order()
        with self._transaction():
            self._do(
                "orders",
                "updates",
                "update orders set status = 'shipped', tags = array['shipped', 'x''y', e'new\\nline', null]"
                " where id between %s and %s",
                first,
                first + self._random.randint(1, 60),
            )
            self._do(
                "order_items", "updates", "update order_items set quantity = quantity + 1 where order_id = %s", first
            )

    def browse(self) -> None:
        """Keys that are random, so that every page of the table is touched."""
        rows = self._random.randint(1, 30)
        with self._transaction():
            self._do(
                "sessions",
                "inserts",
                "insert into sessions (customer_id, minutes, token) select i, random() * 100,"
                " decode(md5(i || random()::text), 'hex') from generate_series(1, %s) i",
                rows,
            )
            self._do(
                "sessions",
                "updates",
                "update sessions set pages = pages + 1, minutes = nullif(minutes + 0.1, pages) where id in"
                " (select id from sessions where id > gen_random_uuid() order by id limit %s for update skip locked)",
                rows,
            )

    def fill_cart(self) -> None:
        """The same few rows again and again: the table that is truncated."""
        with self._transaction():
            self._do(
                "carts",
                "inserts",
                "insert into carts (content) select jsonb_build_array(i) from generate_series(1, %s) i",
                self._random.randint(1, 8),
            )
            self._do(
                "carts",
                "updates",
                """update carts set content = content || '[{"a": null}]', changed_at = clock_timestamp() where id in"""
                " (select id from carts order by id desc limit %s for update skip locked)",
                7,
            )
            self._do(
                "carts",
                "deletes",
                "delete from carts where id in (select id from carts order by id limit %s for update skip locked)",
                2,
            )

    def touch_reserved_words(self) -> None:
        """Names that need quotes, and text that looks like CSV."""
        group = self._random.randint(1, 2 * self._sizes.groups)
        with self._transaction():
            self._do(
                "Order",
                "inserts",
                """insert into "Order" ("Group", "select") values (%s, 'é "quoted", \\N') on conflict do nothing""",
                group,
            )
            self._do(
                "Order",
                "updates",
                'update "Order" set "from" = "select", "Mixed ""Case""" = "Mixed ""Case""" + 1'
                ' where "Group" %% 50 = %s',
                group % 50,
            )
            self._do("Order", "deletes", """delete from "Order" where "Group" = %s""", group // 2 + 1)

    def cancel(self) -> None:
        """Deletes in several tables."""
        order = self._order()
        with self._transaction():
            self._do("orders", "deletes", "delete from orders where id = %s", order)
            self._do("order_items", "deletes", "delete from order_items where order_id = %s", order)
            self._do(
                "sessions",
                "deletes",
                "delete from sessions where id in (select id from sessions limit %s for update skip locked)",
                5,
            )
            self._do("customers", "deletes", "delete from customers where id = %s", self._customer())

    def join(self) -> None:
        """A savepoint that is rolled back inside a transaction that is not."""
        with self._transaction():
            self._do(
                "customers",
                "inserts",
                "insert into customers (email, name) select 'new@shop.example', 'New' from generate_series(1, %s)",
                self._random.randint(1, 3),
            )
            with self._connection.transaction(force_rollback=True):
                self._connection.execute("update customers set name = 'never seen' where id < 50")
            self._do("customers", "updates", "update customers set vip = not vip where id = %s", self._customer())

    # ------------------------------------------------------------------ now and then

    def edit_document(self) -> None:
        """The body is long and mostly left alone: Postgres does not send it then (unchanged TOAST)."""
        document = self._document()
        with self._transaction():
            self._do(
                "documents",
                "updates",
                "update documents set version = version + 1, title = 'edited ' || version where id = %s",
                document,
            )
            if self._random.random() < 0.1:
                self._do("documents", "updates", "update documents set body = reverse(body) where id = %s", document)
            if self._random.random() < 0.2:
                self._do(
                    "documents",
                    "inserts",
                    "insert into documents (title, body) select 'copy', body from documents where id = %s",
                    document,
                )
                self._do(
                    "documents",
                    "deletes",
                    "delete from documents where title = 'copy' and id %% %s = 0",
                    2,
                )

    def change_keys(self) -> None:
        """Keys shift (the lines of an order move up and back) and move (a document, with a body that is not sent)."""
        order, document = self._order(), self._document()
        move = "update order_items set line = line + %s where order_id = %s"
        rename = "update documents set id = %s where id = %s"
        with self._transaction():
            self._connection.execute(_ONE_AT_A_TIME)
            self._do("order_items", "updates", move, 1000, order)
            self._do("order_items", "updates", move, -999 if self._random.random() < 0.1 else -1000, order)
            self._do("documents", "updates", rename, -document, document)
            self._do("documents", "updates", rename, document, -document)

    def swap_keys(self) -> None:
        """Two documents take each other's key; neither body is sent."""
        one, other = self._document(), self._document()
        if one == other:
            return
        rename = "update documents set id = %s where id = %s"
        with self._transaction():
            self._connection.execute(_ONE_AT_A_TIME)
            for new, old in ((-one, one), (one, other), (other, -one)):
                self._do("documents", "updates", rename, new, old)

    def think_better_of_it(self) -> None:
        """A rollback of a large transaction: Postgres writes it into its log, and the stream must not show it."""
        with self._connection.transaction(force_rollback=True):
            self._connection.execute("delete from customers where id % 100 = 1")
            self._connection.execute("""update "Order" set "select" = 'never seen'""")

    def empty_carts(self) -> None:
        """The TRUNCATE: the keys start again, so that rows with known keys come back with other contents."""
        self._connection.execute("truncate carts restart identity")
        self.done["carts", "truncates"] += 1
