"""Random histories: whatever Postgres can do, and wherever it is cut, the folds applied in turn end where the source is.

RE_DMS_HISTORIES sets how many (nightly: 100000). Many small sources share a frame, since Polars' cost is per frame; the
first hundreds are folded alone too, so that every mixture of absent columns occurs.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from itertools import pairwise

import pytest

from compact.meaning import apply, apply_moving, fold_rows, read
from compact.source import BIG, Chance, Event, Key, Row, Source, frame_of, relation
from re_dms.compact import fold
from re_dms.schema import KeyKind, Relation

HISTORIES = int(os.environ.get("RE_DMS_HISTORIES", "20000"))
TOGETHER = 250
TABLES = {
    "default identity": relation(4, (1,)),
    "composite key with a toastable column, not in column order": relation(5, (4, 1)),
    "index identity on a later column": relation(4, (3,), identity="i"),
    "full identity with a key": relation(4, (1,), identity="f"),
    "full identity with a composite key": relation(4, (1, 3), identity="f"),
}


def cuts(rnd: random.Random, length: int, parts: int) -> list[int]:
    return [0, *sorted(rnd.randrange(length + 1) for _ in range(parts - 1)), length]


def histories(
    table: Relation, seed: int, count: int, parts: int
) -> tuple[dict[Key, Row], list[list[Event]], list[Source]]:
    """`count` histories of one table in one: the rows at the start, the events part by part, the sources at the end."""
    rnd = random.Random(seed)
    start: dict[Key, Row] = {}
    together: list[list[Event]] = [[] for _ in range(parts)]
    sources: list[Source] = []
    for number in range(count):
        chance = Chance(rnd, table, f"{seed}-{number}")
        start |= {key: dict(row) for key, row in chance.source.keyed.items()}
        for _ in range(rnd.randrange(1, 12)):
            chance.step()
        events = chance.source.events
        bounds = cuts(rnd, len(events), parts)
        for part, (low, high) in enumerate(pairwise(bounds)):
            together[part] += events[low:high]
        sources.append(chance.source)
    return start, together, sources


def check(table: Relation, seed: int, count: int, parts: int) -> None:
    start, together, sources = histories(table, seed, count, parts)
    target = other = start
    for events in together:
        folded = fold(table, frame_of(table, events))
        state = read(table, folded)
        assert state == fold_rows(table, events), f"seed {seed}"
        assert sum(folded.ops.values()) == len(state)
        target, other = apply(target, state), apply_moving(other, state)
    end: dict[Key, Row] = {}
    for source in sources:
        end |= source.keyed
    assert target == end, f"seed {seed}"
    assert other == end, f"seed {seed}"


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
@pytest.mark.timeout(3600)
def test_folds_applied_in_turn_end_where_the_source_is(table: Relation) -> None:
    batches = -(-HISTORIES // (TOGETHER * len(TABLES)))
    for seed in range(batches):
        check(table, seed, TOGETHER, parts=1 + seed % 5)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_a_small_segment_folds_as_a_large_one(table: Relation) -> None:
    for seed in range(1_000_000, 1_000_000 + 100):
        check(table, seed, 1, parts=1 + seed % 3)


def whole_rows(rows: list[Row]) -> Counter[tuple[str | None, ...]]:
    return Counter(tuple(row.values()) for row in rows)


@pytest.mark.parametrize("seed", range(100))
def test_counted_rows_are_a_multiset(seed: int) -> None:
    table = relation(3, (), identity="f", kind=KeyKind.COUNTED)
    rnd = random.Random(seed)

    def some_row() -> Row:
        return {c.attnum: rnd.choice([None, "", "a", f"{BIG}1"]) for c in table.columns}

    source = Source(table, [some_row() for _ in range(rnd.randrange(6))])
    target = whole_rows(source.rows)
    for _ in range(rnd.randrange(1, 60)):
        op = rnd.choice("IUUD") if source.rows else "I"
        if op == "I":
            source.insert(some_row())
        elif op == "U":
            assigned = {a: v for a, v in some_row().items() if rnd.random() < 0.5}
            source.update(rnd.choice(source.rows), assigned)
        else:
            source.delete(rnd.choice(source.rows))
    bounds = cuts(rnd, len(source.events), rnd.randrange(1, 4))
    for low, high in pairwise(bounds):
        folded = fold(table, frame_of(table, source.events[low:high]))
        seen = set()
        for op, n, *values in folded.frame.iter_rows():
            row = tuple(values)
            assert row not in seen, "a row twice"
            seen.add(row)
            assert int(n) > 0
            assert op == "I" or target[row] >= int(n), "takes away what is not there"
            target[row] += int(n) if op == "I" else -int(n)
    assert +target == whole_rows(source.rows)
