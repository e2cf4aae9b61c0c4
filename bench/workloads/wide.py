"""A hundred columns of eight types, every tenth value NULL; transactions of 5,000 changes."""

from __future__ import annotations

from typing import Final

from bench.workloads.base import DATABASE, Workload, make_database
from localpg import LocalPostgres

_CHANGES_A_TRANSACTION: Final = 5000
_COLUMNS: Final = 100
_KINDS: Final = (
    ("int", "i % 100000 + {n}"),
    ("text", "'text ' || (i * {n}) % 1000003"),
    ("numeric(12, 2)", "(i % 100000) / 7.0 + {n}"),
    ("timestamptz", "now() - make_interval(mins => (i + {n}) % 100000)"),
    ("boolean", "(i + {n}) % 3 = 0"),
    ("double precision", "(i + {n}) / 3.0"),
    ("date", "date '2020-01-01' + (i + {n}) % 2000"),
    ("bigint", "i * {n}::bigint"),
)


def columns(count: int) -> tuple[str, str]:
    """Of `count` columns behind the key: their definitions, and expressions of a number i for their values."""
    kinds = [_KINDS[number % len(_KINDS)] for number in range(count)]
    definitions = ", ".join(f"c{number} {kind}" for number, (kind, _) in enumerate(kinds, start=1))
    values = ", ".join(
        f"case when (i + {number}) % 10 > 0 then {value.format(n=number)} end"
        for number, (_, value) in enumerate(kinds, start=1)
    )
    return definitions, values


def _make(server: LocalPostgres) -> None:
    definitions, _ = columns(_COLUMNS - 1)
    make_database(server, [f"create table wide (id bigint primary key, {definitions})"], ["wide"])


def _load(server: LocalPostgres, rows: int) -> dict[str, int]:
    """Of every transaction 60 % inserts, 30 % updates, 10 % deletes."""
    _, values = columns(_COLUMNS - 1)
    done = {"inserts": 0, "updates": 0, "deletes": 0, "transactions": 0}
    first = 1
    for start in range(0, rows, _CHANGES_A_TRANSACTION):
        size = min(_CHANGES_A_TRANSACTION, rows - start)
        inserts, updates = size * 6 // 10, size * 3 // 10
        deletes = size - inserts - updates
        last = first + inserts
        server.execute(
            f"begin; insert into wide select i, {values} from generate_series({first}, {last - 1}) i;"
            f" update wide set c1 = c1 + 1, c2 = 'seen' where id >= {last - updates} and id < {last};"
            f" delete from wide where id >= {first} and id < {first + deletes}; commit",
            dbname=DATABASE,
        )
        for name, count in (("inserts", inserts), ("updates", updates), ("deletes", deletes), ("transactions", 1)):
            done[name] += count
        first = last
    return done


WORKLOAD: Final = Workload(
    name="wide",
    about="a hundred columns of eight types, a tenth of the values NULL, transactions of 5,000",
    changes=450_000,
    make=_make,
    load=_load,
)
