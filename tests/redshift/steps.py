"""Loads that use every kind of step, what they have to end in, and the rule by which the service loads them.

`ENDS` is written by hand: the rows of the source after the last batch.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from re_dms.errors import ReDmsError
from re_dms.manifest import Manifest, Truncate
from re_dms.pgtypes import Kind, PgType
from re_dms.pipeline.group import fold_group
from re_dms.schema import KeyKind
from re_dms.warehouse.base import LoadReport
from re_dms.warehouse.redshift.drivers import Result, Session
from warehouse.building import FLOAT8, INT4, TEXT, Journal, RedshiftBench, column, relation, table

ATTEMPTS_MAX: Final = 30
POLICIES: Final = ("*.orders.ratio=null",)
_PAUSE_SECONDS: Final = 0.02
_PLACES: Final = {
    "re_dms_stage": "stage",
    "re_dms.": "own",
    '"re_dms".': "own",
    '"public".': "target",
    "pg_": "catalog",
}


def _varchar(length: int) -> PgType:
    return PgType(oid=1043, typmod=length + 4, name=f"character varying({length})", kind=Kind.TEXT)


_COLUMNS: Final = (column(1, "id", INT4), column(2, "note"), column(3, "amount", INT4), column(4, "ratio", FLOAT8))
ORDERS: Final = relation(*_COLUMNS)
WIDER: Final = relation(*_COLUMNS, column(5, "more", TEXT, missing="m"))
OTHER: Final = relation(column(1, "id"), column(2, "code", _varchar(4)), oid=101, name="other")
OTHER_WIDE: Final = relation(column(1, "id"), column(2, "code", _varchar(12)), oid=101, name="other")
EVENTS: Final = relation(column(1, "word"), column(2, "n", INT4), oid=102, name="events", kind=KeyKind.APPEND)
LATE: Final = relation(column(1, "id", INT4), oid=103, name="late")

ENDS: Final[dict[str, list[tuple[Any, ...]]]] = {
    "orders": [
        (1, "b", 11, 0.5, "m"),
        (2, "a", 22, None, "grouped"),
        (4, "new", None, None, "m"),
        (6, "six", 66, 6.5, "y"),
        (50, "five", 5, 5.5, "z"),
    ],
    "other": [("9", "a longer one"), ("again", "abc")],
    "events": [("copied", 1), ("one", 2), ("one", 2), ("two", 3), ("three", 4), ("four", 5), ("last", 6)],
    "late": [(7,), (8,)],
}
"""Every row of the source at the end, by table; `events` has no key, so that a row loaded twice shows."""

Loads = tuple[tuple[Manifest, ...], ...]


def loads(journal: Journal) -> Loads:
    """Batches 1 to 5 as they are loaded: copies; several segments with DDL, moves and a TRUNCATE; a group of two;
    a copy again into a narrower table, beside a new table."""
    return (
        (journal.batch(1, *_copies(journal)),),
        (journal.batch(2, *_segments(journal)),),
        (journal.batch(3, *_third(journal)), journal.batch(4, *_fourth(journal))),
        (journal.batch(5, *_again(journal)),),
    )


def _copies(journal: Journal) -> list[Any]:
    first = journal.copy(ORDERS, ["1", "a", "1", "NaN"], ["2", "b", "2", "0.5"])
    second = journal.copy(ORDERS, ["3", "c", "3", None])
    return [
        table(ORDERS, first.model_copy(update={"files": first.files + second.files}), copied=3),
        table(OTHER, journal.copy(OTHER, ["1", "abcd"], ["2", None]), copied=2),
        table(EVENTS, journal.copy(EVENTS, ["copied", "1"]), copied=1),
    ]


def _segments(journal: Journal) -> list[Any]:
    return [
        table(
            (ORDERS, WIDER),
            journal.changes(
                ORDERS,
                # Keys 1 and 2 are swapped while their notes stay unsent.
                {"op": "P", "mask": "2", "f1": "1", "c1": "2", "c3": "1", "c4": None},
                {"op": "P", "mask": "2", "f1": "2", "c1": "1", "c3": "2", "c4": "0.5"},
                {"op": "D", "c1": "3"},
                {"op": "U", "c1": "4", "c2": "new", "c4": "Infinity"},
            ),
            journal.changes(
                WIDER,
                {"op": "U", "c1": "5", "c2": "five", "c3": "5", "c4": "5.5", "c5": "x"},
                {"op": "P", "mask": "2,4,5", "f1": "1", "c1": "1", "c3": "11"},
                index=1,
            ),
            inserts=2, updates=3, deletes=1,
        ),
        table(OTHER, Truncate(relation=0), journal.changes(OTHER, {"op": "U", "c1": "9"}), truncates=1, inserts=1),
        table(EVENTS, _appended(journal, ("one", "2"), ("one", "2"), ("two", "3")), inserts=3),
    ]  # fmt: skip


def _third(journal: Journal) -> list[Any]:
    changes = journal.changes(
        WIDER,
        {"op": "P", "mask": "2,4,5", "f1": "2", "c1": "2", "c3": "22"},
        {"op": "U", "c1": "6", "c2": "six", "c3": "6", "c4": "6.5", "c5": "y"},
        {"op": "D", "c1": "99"},
    )
    return [
        table(WIDER, changes, inserts=1, updates=1, deletes=1),
        table(EVENTS, _appended(journal, ("three", "4")), inserts=1),
    ]


def _fourth(journal: Journal) -> list[Any]:
    changes = journal.changes(
        WIDER,
        {"op": "P", "mask": "2,3,4", "f1": "2", "c1": "2", "c5": "grouped"},
        {"op": "P", "mask": "2,4,5", "f1": "6", "c1": "6", "c3": "66"},
        {"op": "P", "mask": "2,3,4", "f1": "5", "c1": "50", "c5": "z"},
    )
    return [
        table(WIDER, changes, updates=3),
        table(EVENTS, _appended(journal, ("four", "5")), inserts=1),
    ]


def _again(journal: Journal) -> list[Any]:
    again = journal.copy(OTHER_WIDE, ["9", "a longer one"], ["again", "abc"])
    return [
        table(OTHER_WIDE, again, copied=2),
        table(LATE, journal.copy(LATE, ["7"]), journal.changes(LATE, {"op": "U", "c1": "8"}), copied=1, inserts=1),
        table(EVENTS, _appended(journal, ("last", "6")), inserts=1),
    ]


def _appended(journal: Journal, *rows: tuple[str, str]) -> Any:
    return journal.changes(EVENTS, *({"op": "I", "c1": word, "c2": n} for word, n in rows))


def load_once(bench: RedshiftBench, batches: Sequence[Manifest]) -> LoadReport:
    """Fold and load as apply does."""
    with bench.journal.files(batches[-1].number, bench.owner) as files:
        folded = fold_group(batches, files) if len(batches) > 1 else batches[0]
        return bench.load_manifest(folded, files, after=batches[0].number - 1)


def insist(action: Callable[[], Any], figures: Counter[str] | None = None) -> Any:
    """The service's rule: again while the error says so, at most ATTEMPTS_MAX times. Other errors are raised."""
    for attempt in range(ATTEMPTS_MAX):
        try:
            return action()
        except ReDmsError as error:
            if not error.retry or attempt == ATTEMPTS_MAX - 1:
                raise
            if figures is not None:
                figures["retries"] += 1
            threading.Event().wait(_PAUSE_SECONDS)
    raise AssertionError("not reached")


def rows_of(bench: RedshiftBench) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of all targets that are there, as ENDS has them."""
    there = [name for schema, name in bench.tables() if schema == "public"]
    return {name: bench.query(f"select * from public.{name}") for name in there}


def compare(bench: RedshiftBench, figures: Counter[str]) -> None:
    """Count the rows that were lost or doubled, and the runs."""
    figures["runs"] += 1
    found = rows_of(bench)
    for name in ENDS.keys() | found.keys():
        wanted, have = Counter(ENDS.get(name, ())), Counter(found.get(name, ()))
        figures["lost"] += (wanted - have).total()
        figures["doubled"] += (have - wanted).total()


def records_of(bench: RedshiftBench) -> dict[str, list[tuple[Any, ...]]]:
    """What is recorded of the loads: watermark, tables with their counts, altered values."""
    altered = "(select * from re_dms.altered_values where pipeline = 'shop')"
    found = {"watermark": bench.watermark, "tables": bench.records, "altered": altered}
    return {name: sorted(bench.query(f"select * from {part} t"), key=repr) for name, part in found.items()}


def wipe(bench: RedshiftBench) -> None:
    """An empty warehouse with a claimed journal, as at the beginning."""
    bench.warehouse.close()
    tables = [f'"{schema}"."{name}"' for schema, name in bench.tables() if name not in ("warehouse", "altered_values")]
    bench.execute(*(f"drop table {name}" for name in [*tables, *staged(bench)]), "delete from re_dms.altered_values")
    bench.claim()


def staged(bench: RedshiftBench) -> list[str]:
    """The staging tables that are there."""
    found = bench.query("select tablename from pg_tables where schemaname = 're_dms_stage' order by 1")
    return [f're_dms_stage."{name}"' for (name,) in found]


@dataclass
class Spy:
    """Sees the statements of all sessions, each as a step: who sends it, its first word, what it is about.

    `before(step, statement)` is called first; `struck` counts the steps that came to grief, `codes` by which error.
    """

    before: Callable[[str, str], None] = lambda step, statement: None
    steps: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    in_apply: bool = False

    def step(self, statement: str) -> str:
        """For example "copy commit", "main select own", "apply insert target"."""
        word = statement.split(maxsplit=1)[0]
        who = "copy" if threading.current_thread().name.startswith("copy") else "apply" if self.in_apply else "main"
        # What a statement is about comes first in it: where it writes, or reads.
        text = statement.split(" from 's3:", maxsplit=1)[0]
        found = [(text.find(part), name) for part, name in _PLACES.items() if part in text]
        what = min(found)[1] if found else ""
        if who != "copy":
            self.in_apply = word == "lock" or (self.in_apply and word != "commit")
        return f"{who} {word} {what}".strip()


@contextmanager
def spying(spy: Spy) -> Iterator[Spy]:
    """While the block lasts, `spy` sees every statement."""
    execute = Session.execute

    def seen(self: Session, sql: str, parameters: Sequence[object] = ()) -> Result:
        step = spy.step(sql)
        spy.before(step, sql)
        spy.steps.append(step)
        try:
            return execute(self, sql, parameters)
        except Exception as error:
            spy.struck[step] += 1
            refusal = getattr(error, "refusal", None)
            spy.codes["lost" if refusal is None else f"{refusal.sqlstate} {refusal.code or ''}".strip()] += 1
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "execute", seen)
        yield spy
