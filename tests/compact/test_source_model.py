"""The simulated source against a real one: the same statements give the same messages.

What the histories prove rests on `source.Source` telling what Postgres tells, so Postgres is asked.
"""

from __future__ import annotations

import random
import struct
from typing import Any, Protocol

import pytest

from compact.source import BIG, Chance, Event, Row, relation
from re_dms.schema import Relation

PADDING = "-" * 2300
"""Makes a value that starts with BIG too long for its page (2 kB), and keeps it short enough for an index entry."""


class Database(Protocol):
    """What this file uses of the `database` fixture."""

    def execute(self, query: str) -> None: ...

    def fetch(self, query: str) -> list[Any]: ...


TABLES = {
    "default": relation(4, (1,)),
    "composite": relation(4, (3, 1)),
    "full": relation(4, (1,), identity="f"),
    "index": relation(4, (3, 1), identity="i"),
}


def literal(value: str | None) -> str:
    if value is None:
        return "null"
    return f"'{value + PADDING if value.startswith(BIG) else value}'"


def create(table: Relation) -> str:
    columns = ", ".join(f"n{c.attnum} text{' not null' if c.attnum in table.key else ''}" for c in table.columns)
    key = ", ".join(f"n{attnum}" for attnum in table.key)
    external = "; ".join(f"alter table orders alter n{c.attnum} set storage external" for c in table.columns)
    identity = {
        "f": "alter table orders replica identity full",
        "i": "alter table orders replica identity using index by_key",
    }
    unique = f"create unique index by_key on orders ({key})" if table.identity == "i" else ""
    primary = "" if table.identity == "i" else f", primary key ({key})"
    return f"create table orders ({columns}{primary}); {external}; {unique}; {identity.get(table.identity, '')}"


def statement(table: Relation, before: Row, assigned: Row, op: str) -> str:
    where = " and ".join(f"n{a} = {literal(before.get(a))}" for a in table.key)
    if op == "I":
        return f"insert into orders values ({', '.join(literal(v) for v in assigned.values())})"
    if op == "D":
        return f"delete from orders where {where}"
    # Assigning a column to itself keeps its TOAST pointer.
    to = ", ".join(f"n{a} = {literal(v)}" for a, v in assigned.items()) or f"n{table.key[0]} = n{table.key[0]}"
    return f"update orders set {to} where {where}"


def read_message(table: Relation, message: bytes) -> Event | None:
    """One message of pgoutput, protocol version 1, by the letter; None for all but row changes.

    https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
    """
    if message[:1] not in (b"I", b"U", b"D"):
        return None
    at = 5
    tuples: dict[str, Row] = {}
    while at < len(message):
        name, count = chr(message[at]), struct.unpack_from(">h", message, at + 1)[0]
        at += 3
        row: Row = {}
        for column in table.columns[:count]:
            sent = message[at : at + 1]
            at += 1
            if sent == b"t":
                (length,) = struct.unpack_from(">i", message, at)
                row[column.attnum] = message[at + 4 : at + 4 + length].decode().removesuffix(PADDING)
                at += 4 + length
            elif sent == b"n":
                row[column.attnum] = None
        tuples[name] = row
    kind = next((name for name in tuples if name in "KO"), "")
    old = tuples.get(kind, {})
    if kind == "K":
        old = {attnum: old[attnum] for attnum in table.key}
    return Event(op=chr(message[0]), new=tuples.get("N", {}), kind=kind, old=old)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_postgres_tells_what_the_simulated_source_tells(database: Database, table: Relation) -> None:
    database.execute(create(table))
    rnd = random.Random(7)
    chance = Chance(rnd, table, "0")
    source = chance.source
    for row in source.rows:
        database.execute(f"insert into orders values ({', '.join(literal(v) for v in row.values())})")
    database.execute("create publication p for table orders")
    database.execute("select pg_create_logical_replication_slot('slot_of_model', 'pgoutput')")
    while len(source.events) < 200:
        chance.step()
    done = zip(source.statements, source.events, strict=True)
    database.execute(";".join(statement(table, before, assigned, event.op) for (before, assigned), event in done))
    told = database.fetch(
        "select data from pg_logical_slot_get_binary_changes('slot_of_model', null, null, "
        "'proto_version', '1', 'publication_names', 'p')"
    )
    events = [event for (data,) in told if (event := read_message(table, bytes(data)))]
    assert events == source.events
    kinds = {(event.op, event.kind) for event in events}
    assert ("U", "O") in kinds if table.identity == "f" else {("U", "K"), ("U", "")} <= kinds
