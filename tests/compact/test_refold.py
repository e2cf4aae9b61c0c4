"""Folding folded segments: the fold of their folds does what they do in turn, whatever the histories and the cuts."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compact.meaning import UNSENT, Partial, State, apply, apply_moving, fold_rows, read
from compact.source import BIG, Event, Key, Row, Source, frame_of, relation
from compact.test_histories import TABLES, cuts, histories, whole_rows
from nightly import nightly
from re_dms.compact import Folded, fold
from re_dms.compact.refold import Refolded, refold
from re_dms.errors import InvariantError, SourceError
from re_dms.manifest import Counts
from re_dms.schema import KeyKind, Relation

HISTORIES = int(os.environ.get("RE_DMS_HISTORIES", "20000"))
TOGETHER = 250


def as_folded(refolded: Refolded) -> Folded:
    assert set(refolded.frame.dtypes) <= {pl.String}
    assert sum(refolded.ops.values()) == refolded.frame.height
    return Folded(frame=refolded.frame, ops=refolded.ops, counts=Counts())


# ------------------------------------------------------------------ what a source does


def check(table: Relation, seed: int, count: int, parts: int) -> None:
    start, together, sources = histories(table, seed, count, parts)
    frames = [fold(table, frame_of(table, events)).frame for events in together]
    state = read(table, as_folded(refold(table, frames)))
    assert state == fold_rows(table, [event for events in together for event in events]), f"seed {seed}"
    end: dict[Key, Row] = {}
    for source in sources:
        end |= source.keyed
    assert apply(start, state) == end, f"seed {seed}"
    assert apply_moving(start, state) == end, f"seed {seed}"
    # Groups of groups: some of the folds are folded before, as another grouping of the same batches does.
    half = len(frames) // 2
    if half:
        again = refold(table, [refold(table, frames[:half]).frame, refold(table, frames[half:]).frame])
        assert read(table, as_folded(again)) == state, f"seed {seed}"


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
@pytest.mark.timeout(3600)
def test_the_fold_of_folds_is_the_fold_of_all(table: Relation) -> None:
    batches = -(-HISTORIES // (TOGETHER * len(TABLES)))
    for seed in range(batches):
        check(table, seed, TOGETHER, parts=1 + seed % 9)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_small_segments_refold_as_large_ones(table: Relation) -> None:
    for seed in range(2_000_000, 2_000_000 + 60):
        check(table, seed, 1, parts=1 + seed % 6)


# ------------------------------------------------------------------ whatever the files hold


def frame_from(table: Relation, state: State) -> pl.DataFrame:
    """A data file's rows: columns that only partial rows have are left out where there are none."""
    partial = any(final is not None and final[0] is not None for final in state.values())
    extra = ["mask", *(f"f{a}" for a in table.key)] if partial else []
    names = ["op", *extra, *(f"c{c.attnum}" for c in table.columns)]
    rows: list[dict[str, str | None]] = []
    for key, final in state.items():
        row: dict[str, str | None] = {f"c{a}": value for a, value in zip(table.key, key, strict=True)}
        if final is None:
            rows.append(row | {"op": "D"})
            continue
        origin, values = final
        row |= {f"c{a}": value for a, value in values.items() if value is not UNSENT}
        if origin is not None:
            row |= {f"f{a}": value for a, value in zip(table.key, origin, strict=True)}
            row["mask"] = ",".join(str(a) for a, value in values.items() if value is UNSENT)
        rows.append(row | {"op": "U" if origin is None else "P"})
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


@st.composite
def segments(draw: Any) -> tuple[Relation, dict[Key, Row], list[State]]:
    """A table, its rows, and up to seven segments that may follow: moves and swaps too, all at once in each."""
    table = relation(4, draw(st.sampled_from([(1,), (4, 1)])))
    others = [c.attnum for c in table.columns if c.attnum not in table.key]
    keys = [(f"{n}",) if len(table.key) == 1 else (f"{n % 2}", f"{n // 2}") for n in range(5)]
    value = st.sampled_from([None, "", "a", "b,3", "c"])

    def row(key: Key) -> Row:
        return dict(zip(table.key, key, strict=True)) | {a: draw(value) for a in others}

    def in_order(values: Partial) -> Partial:
        return {c.attnum: values[c.attnum] for c in table.columns}

    start = {key: row(key) for key in draw(st.sets(st.sampled_from(keys)))}
    rows, parts = dict(start), []
    for _ in range(draw(st.integers(1, 7))):
        state: State = {}
        free = sorted(rows)
        for key in draw(st.permutations(keys))[: draw(st.integers(0, 5))]:
            what = draw(st.sampled_from("UDPPP"))
            if what == "P" and free:
                source = free.pop(draw(st.integers(0, len(free) - 1)))
                unsent = draw(st.sets(st.sampled_from(others), min_size=1))
                values: Partial = dict(row(key))
                state[key] = (source, in_order(values | dict.fromkeys(unsent, UNSENT)))
            else:
                state[key] = None if what == "D" else (None, in_order(dict(row(key))))
        # A key that a row moved away from is touched too.
        for final in list(state.values()):
            if final is not None and final[0] is not None:
                state.setdefault(final[0], None)
        rows = apply(rows, state)
        parts.append(state)
    return table, start, parts


@given(segments())
def test_applied_once_it_ends_where_the_segments_end_in_turn(
    history: tuple[Relation, dict[Key, Row], list[State]],
) -> None:
    table, start, parts = history
    rows = start
    for state in parts:
        rows = apply(rows, state)
    state = read(table, as_folded(refold(table, [frame_from(table, part) for part in parts])))
    assert apply(start, state) == rows
    assert apply_moving(start, state) == rows
    assert state.keys() == {key for part in parts for key in part}, "every touched key stays touched"


def test_the_same_frames_give_the_same_bytes() -> None:
    table = TABLES["composite key with a toastable column, not in column order"]
    _, together, _ = histories(table, 7, 50, 4)
    frames = [fold(table, frame_of(table, events)).frame for events in together]
    assert refold(table, frames).frame.equals(refold(table, frames).frame)


KEYED = relation(3, (1,))
COUNTED = relation(3, (), identity="f", kind=KeyKind.COUNTED)
APPEND = relation(3, (), identity="n", kind=KeyKind.APPEND)


def rows_of(names: str, *rows: Sequence[str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(names.split(), pl.String), orient="row")


def test_an_unsent_value_is_taken_from_the_segment_that_said_it() -> None:
    frames = [
        rows_of("op c1 c3 c4", ["U", "1", "large", "a"], ["U", "9", "x", "x"]),
        rows_of("op mask f1 c1 c3 c4", ["P", "3", "1", "2", None, "b"], ["D", None, None, "1", None, None]),
        rows_of("op mask f1 c1 c3 c4", ["P", "3,4", "2", "2", None, None]),
    ]
    assert refold(KEYED, frames).frame.sort("c1").rows() == [
        ("D", "1", None, None), ("U", "2", "large", "b"), ("U", "9", "x", "x"),
    ]  # fmt: skip


def test_an_update_of_the_next_batch_keeps_what_the_insert_said() -> None:
    events = [
        Event(op="I", new={1: "1", 3: f"{BIG}v", 4: "a"}),
        Event(op="U", new={1: "1", 4: "b"}),
    ]
    frames = [fold(KEYED, frame_of(KEYED, [event])).frame for event in events]
    assert refold(KEYED, frames).frame.rows() == [("U", "1", f"{BIG}v", "b")]


def test_what_nobody_said_stays_unsent_under_the_key_that_the_row_had_first() -> None:
    frames = [
        rows_of("op mask f1 c1 c3 c4", ["P", "3,4", "1", "2", None, None], ["D", None, None, "1", None, None]),
        rows_of("op mask f1 c1 c3 c4", ["P", "3", "2", "3", None, "b"], ["D", None, None, "2", None, None]),
    ]
    refolded = refold(KEYED, frames)
    assert refolded.frame.columns == ["op", "mask", "f1", "c1", "c3", "c4"]
    assert refolded.frame.sort("c1").rows() == [
        ("D", None, None, "1", None, None), ("D", None, None, "2", None, None), ("P", "3", "1", "3", None, "b"),
    ]  # fmt: skip
    assert refolded.ops == {"D": 2, "P": 1}


def test_an_unsent_value_of_a_deleted_row_stops_by_name() -> None:
    frames = [
        rows_of("op c1 c3 c4", ["D", "secret", None, None]),
        rows_of("op mask f1 c1 c3 c4", ["P", "3", "secret", "secret", None, "b"]),
    ]
    with pytest.raises(SourceError, match="'n3' of a row that was deleted before") as raised:
        refold(KEYED, frames)
    assert "secret" not in str(raised.value)
    assert "public.orders" in str(raised.value)


def test_no_frames_are_refused() -> None:
    with pytest.raises(InvariantError, match="nothing to fold"):
        refold(KEYED, [])


def test_frames_without_rows_give_no_rows() -> None:
    for table, names in ((KEYED, "op c1 c3 c4"), (COUNTED, "op n c1 c3 c4"), (APPEND, "op c1 c3 c4")):
        refolded = refold(table, [rows_of(names), rows_of(names)])
        assert refolded.frame.is_empty()
        assert refolded.ops == {}


@pytest.mark.parametrize("seed", range(100))
def test_counted_folds_give_the_net_count(seed: int) -> None:
    rnd = random.Random(seed)

    def some_row() -> Row:
        return {c.attnum: rnd.choice([None, "", "a", f"{BIG}1"]) for c in COUNTED.columns}

    source = Source(COUNTED, [some_row() for _ in range(rnd.randrange(6))])
    target = whole_rows(source.rows)
    for _ in range(rnd.randrange(1, 60)):
        op = rnd.choice("IUUD") if source.rows else "I"
        if op == "I":
            source.insert(some_row())
        elif op == "U":
            source.update(rnd.choice(source.rows), some_row())
        else:
            source.delete(rnd.choice(source.rows))
    bounds = cuts(rnd, len(source.events), rnd.randrange(2, 6))
    frames = [fold(COUNTED, frame_of(COUNTED, source.events[low:high])).frame for low, high in pairwise(bounds)]
    frames = [frame for frame in frames if frame.height]  # a fold without rows makes no file
    seen: Counter[tuple[str | None, ...]] = Counter()
    for op, n, *values in refold(COUNTED, frames).frame.iter_rows() if frames else ():
        assert tuple(values) not in seen, "a row twice"
        seen[tuple(values)] += 1
        assert int(n) > 0
        assert op == "I" or target[tuple(values)] >= int(n), "takes away what is not there"
        target[tuple(values)] += int(n) if op == "I" else -int(n)
    assert +target == whole_rows(source.rows)


def test_counted_folds_that_cancel_out_leave_nothing() -> None:
    frames = [rows_of("op n c1 c3 c4", ["I", "2", "1", None, ""]), rows_of("op n c1 c3 c4", ["X", "2", "1", None, ""])]
    assert refold(COUNTED, frames).ops == {}


def test_appended_rows_are_all_kept_in_order() -> None:
    frames = [rows_of("op c1 c3 c4", ["I", "1", None, ""]), rows_of("op c1 c3 c4", ["I", "1", None, ""])]
    refolded = refold(APPEND, frames)
    assert refolded.frame.rows() == [("I", "1", None, ""), ("I", "1", None, "")]
    assert refolded.ops == {"I": 2}


# ------------------------------------------------------------------ how long it takes


@nightly("a million rows")
@pytest.mark.parametrize("partial", [False, True], ids=["whole", "a third partial"])
def test_a_million_rows_in_twenty_frames(partial: bool) -> None:
    """Prints seconds: no promise but that it is not a loop over rows."""
    table = relation(10, (1,))
    rnd = random.Random(1)
    names = ["op", *(["mask", "f1"] if partial else []), *(f"c{c.attnum}" for c in table.columns)]
    frames = []
    for part in range(20):
        rows = pl.DataFrame({"c1": rnd.sample(range(300_000), 50_000)}).with_columns(pl.col("c1").cast(pl.String))
        rows = rows.with_columns(
            op=pl.lit("U"),
            mask=pl.lit(None, dtype=pl.String),
            f1=pl.lit(None, dtype=pl.String),
            **{f"c{c.attnum}": pl.format("value {} of {}", pl.col("c1"), pl.lit(part)) for c in table.columns[1:]},
        )
        if partial:
            third = pl.int_range(pl.len()) % 3 == 0
            rows = rows.with_columns(
                op=pl.when(third).then(pl.lit("P")).otherwise("op"),
                mask=pl.when(third).then(pl.lit("4,5")),
                f1=pl.when(third).then("c1"),
                c4=pl.when(~third).then("c4"),
                c5=pl.when(~third).then("c5"),
            )
        frames.append(rows.select(names))
    began = time.perf_counter()
    refolded = refold(table, frames)
    seconds = time.perf_counter() - began
    print(f"1,000,000 rows in 20 frames, {refolded.ops}: {seconds:.2f} s")
    assert seconds < 20
