"""The fold's promises by name: each trap on a history that Postgres can make, and the form of what comes out."""

from __future__ import annotations

import time
from collections.abc import Callable

import polars as pl
import pytest

from compact.meaning import UNSENT, State, apply, apply_moving, fold_rows, read
from compact.source import BIG, Event, Key, Row, Source, frame_of, relation
from re_dms.compact import Folded, fold
from re_dms.errors import SourceError
from re_dms.manifest import Counts
from re_dms.schema import KeyKind, Relation

TABLE = relation(3, (1,))
COMPOSITE = relation(4, (3, 1))
FULL = relation(3, (1,), identity="f")
COUNTED = relation(2, (), identity="f", kind=KeyKind.COUNTED)
APPEND = relation(2, (), identity="n", kind=KeyKind.APPEND)
LARGE = f"{BIG}old"


def row(key: str, small: str | None = "s", big: str | None = LARGE) -> Row:
    return {1: key, 3: small, 4: big}


def folded(source: Source) -> State:
    """Fold what the source did since its start; the model and both plans agree."""
    state = read(source.relation, fold(source.relation, frame_of(source.relation, source.events)))
    assert state == fold_rows(source.relation, source.events)
    return state


def ends_as(source: Source, start: list[Row]) -> State:
    state = folded(source)
    target = {source.key(row): row for row in start}
    assert apply(target, state) == source.keyed
    assert apply_moving(target, state) == source.keyed
    return state


def play(start: list[Row], statements: Callable[[Source, dict[Key, Row]], object], table: Relation = TABLE) -> State:
    source = Source(table, start)
    statements(source, source.keyed)
    return ends_as(source, start)


# ------------------------------------------------------------------------------------------------ last state per key
def test_the_last_of_many_changes_of_a_key_wins() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        for n in range(50):
            source.update(rows["a",], {3: f"{n}", 4: f"{n}"})

    assert play([row("a")], statements) == {("a",): (None, {1: "a", 3: "49", 4: "49"})}


def test_insert_then_delete_folds_to_a_delete_and_never_to_nothing() -> None:
    assert play([], lambda source, _: source.delete(source.insert(row("a")))) == {("a",): None}


def test_delete_then_insert_is_the_new_row() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        source.delete(rows["a",])
        source.insert(row("a", "new", None))

    assert play([row("a")], statements) == {("a",): (None, row("a", "new", None))}


def test_values_that_look_like_marks_are_only_values() -> None:
    for text in (
        "",
        "NULL",
        "null",
        "\\N",
        "unsent",
        "unchanged-toast-datum",
        "__debezium_unavailable_value",
        "u",
        ",",
    ):
        source = Source(TABLE)
        source.insert(row(text, text, text))
        assert ends_as(source, []) == {(text,): (None, row(text, text, text))}


# ------------------------------------------------------------------------------------------------ unsent values
def test_an_unsent_value_is_never_null_but_kept_from_the_target() -> None:
    state = play([row("a")], lambda source, rows: source.update(rows["a",], {3: "t"}))
    assert state == {("a",): (("a",), {1: "a", 3: "t", 4: UNSENT})}


def test_an_unsent_value_is_taken_from_an_insert_or_update_of_the_same_segment() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        source.update(source.insert(row("b")), {3: "t"})
        source.update(rows["a",], {4: f"{BIG}new"})
        source.update(rows["a",], {3: "t"})
        source.update(rows["a",], {3: "v"})

    assert play([row("a")], statements) == {
        ("b",): (None, row("b", "t")),
        ("a",): (None, row("a", "v", f"{BIG}new")),
    }


def test_an_unsent_value_after_delete_and_insert_is_the_inserted_one() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        source.delete(rows["a",])
        source.update(source.insert(row("a", "s", f"{BIG}second")), {3: "t"})

    assert play([row("a")], statements) == {("a",): (None, row("a", "t", f"{BIG}second"))}


def test_columns_have_masks_of_their_own() -> None:
    table = relation(4, (1,))
    start: list[Row] = [{1: key, 3: "s", 4: f"{BIG}4", 5: f"{BIG}5"} for key in "abc"]

    def statements(source: Source, rows: dict[Key, Row]) -> None:
        source.update(rows["a",], {4: "x"})
        source.update(rows["b",], {5: None})
        source.update(rows["c",], {3: "t"})
        source.update(rows["a",], {3: "t"})

    assert play(start, statements, table) == {
        ("a",): (("a",), {1: "a", 3: "t", 4: "x", 5: UNSENT}),
        ("b",): (("b",), {1: "b", 3: "s", 4: UNSENT, 5: None}),
        ("c",): (("c",), {1: "c", 3: "t", 4: UNSENT, 5: UNSENT}),
    }


def test_a_null_that_was_said_is_not_an_unsent_value() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        source.update(rows["a",], {4: None})
        source.update(rows["a",], {3: "t"})

    assert play([row("a")], statements) == {("a",): (None, row("a", "t", None))}


def test_under_full_identity_the_old_row_has_what_was_not_sent() -> None:
    state = play([row("a")], lambda source, rows: source.update(rows["a",], {1: "b", 3: "t"}), FULL)
    assert state == {("a",): None, ("b",): (None, row("b", "t"))}


def test_an_old_key_tells_nothing_of_other_columns_even_beside_whole_old_rows() -> None:
    events = [
        Event(op="U", kind="O", old=row("a"), new={1: "a", 3: "t"}),
        Event(op="U", kind="K", old={1: "b"}, new={1: "c", 3: "t"}),
    ]
    state = read(TABLE, fold(TABLE, frame_of(TABLE, events)))
    assert state == {
        ("a",): (None, row("a", "t")),
        ("b",): None,
        ("c",): (("b",), {1: "c", 3: "t", 4: UNSENT}),
    }


def test_a_toasted_key_column_is_taken_from_the_old_key_and_is_no_key_change() -> None:
    start: list[Row] = [{1: "a", 3: f"{BIG}key", 4: "s", 5: LARGE}]
    key = (f"{BIG}key", "a")
    state = play(start, lambda source, rows: source.update(rows[key], {4: "t"}), COMPOSITE)
    assert state == {key: (key, {1: "a", 3: f"{BIG}key", 4: "t", 5: UNSENT})}


def test_half_of_a_composite_key_can_change_while_its_toasted_half_stays() -> None:
    start: list[Row] = [{1: "a", 3: f"{BIG}key", 4: "s", 5: LARGE}]
    old, new = (f"{BIG}key", "a"), (f"{BIG}key", "b")
    state = play(start, lambda source, rows: source.update(rows[old], {1: "b"}), COMPOSITE)
    assert state == {old: None, new: (old, {1: "b", 3: f"{BIG}key", 4: "s", 5: UNSENT})}


# ------------------------------------------------------------------------------------------------ key changes
def test_a_key_change_with_an_unsent_value_keeps_the_value() -> None:
    state = play([row("a")], lambda source, rows: source.update(rows["a",], {1: "b"}))
    assert state == {("a",): None, ("b",): (("a",), {1: "b", 3: "s", 4: UNSENT})}


def test_a_chain_of_key_changes_points_to_the_key_before_the_segment() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        for key, small in (("a", "0"), ("b", "1"), ("b", "2"), ("c", "3"), ("c", "4")):
            source.update(rows["a",], {1: key, 3: small})

    assert play([row("a")], statements) == {
        ("a",): None,
        ("b",): None,
        ("c",): (("a",), {1: "c", 3: "4", 4: UNSENT}),
    }


def test_two_keys_swap_through_a_third() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        one, two = rows["1",], rows["2",]
        source.update(one, {1: "-1"})
        source.update(two, {1: "1"})
        source.update(one, {1: "2"})

    assert play([row("1", "one", f"{BIG}1"), row("2", "two", f"{BIG}2")], statements) == {
        ("-1",): None,
        ("1",): (("2",), row("1", "two") | {4: UNSENT}),
        ("2",): (("1",), row("2", "one") | {4: UNSENT}),
    }


def test_all_keys_shift_by_one() -> None:
    start = [row(str(n), f"s{n}", f"{BIG}{n}") for n in range(9)]

    def statements(source: Source, rows: dict[Key, Row]) -> None:
        for n in reversed(range(9)):
            source.update(rows[str(n),], {1: str(n + 1)})

    state = play(start, statements)
    assert state["0",] is None
    assert state["9",] == (("8",), {1: "9", 3: "s8", 4: UNSENT})


def test_a_row_moves_to_a_key_that_was_deleted_and_its_own_key_is_taken_anew() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        source.delete(rows["b",])
        source.update(rows["a",], {1: "b"})
        source.update(source.insert(row("a", "new", f"{BIG}new")), {3: "newer"})

    assert play([row("a"), row("b")], statements) == {
        ("b",): (("a",), {1: "b", 3: "s", 4: UNSENT}),
        ("a",): (None, row("a", "newer", f"{BIG}new")),
    }


def test_a_row_that_goes_and_comes_back_is_its_own_origin() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        source.update(rows["a",], {1: "b"})
        source.update(rows["a",], {1: "a"})

    assert play([row("a")], statements) == {("b",): None, ("a",): (("a",), row("a") | {4: UNSENT})}


def test_a_moved_row_that_is_deleted_leaves_two_deletes() -> None:
    def statements(source: Source, rows: dict[Key, Row]) -> None:
        source.update(rows["a",], {1: "b"})
        source.delete(rows["a",])

    assert play([row("a")], statements) == {("a",): None, ("b",): None}


def test_keys_that_differ_only_in_where_their_parts_end_are_different() -> None:
    table = relation(3, (1, 3))
    start: list[Row] = [{1: "a", 3: "bc", 4: LARGE}, {1: "ab", 3: "c", 4: f"{BIG}2"}]
    state = play(start, lambda source, rows: source.update(rows["a", "bc"], {1: "x"}), table)
    assert state == {("a", "bc"): None, ("x", "bc"): (("a", "bc"), {1: "x", 3: "bc", 4: UNSENT})}


def test_a_row_that_moves_a_hundred_thousand_times_is_still_itself() -> None:
    source = Source(TABLE, [row("0")])
    for n in range(100_000):
        source.update(source.rows[0], {1: str(n + 1)})
    began = time.process_time()
    out = fold(TABLE, frame_of(TABLE, source.events))
    assert time.process_time() - began < 10, "followed row by row"
    assert out.ops == {"D": 100_000, "P": 1}
    last = out.frame.filter(pl.col("op") == "P").row(0, named=True)
    assert last == {"op": "P", "mask": "4", "f1": "0", "c1": "100000", "c3": "s", "c4": None}


# ------------------------------------------------------------------------------------------------ what cannot be
def test_an_insert_with_unsent_values_stands_on_the_row_of_its_own_key() -> None:
    event = Event(op="I", new={1: "a", 3: "t"})
    state = read(TABLE, fold(TABLE, frame_of(TABLE, [event])))
    assert state == {("a",): (("a",), {1: "a", 3: "t", 4: UNSENT})}


@pytest.mark.parametrize(
    "before",
    [
        [Event(op="D", kind="K", old={1: "secret"})],
        [Event(op="U", kind="K", old={1: "secret"}, new=row("b"))],
        [Event(op="I", new=row("secret")), Event(op="D", kind="K", old={1: "secret"})],
        [Event(op="U", new=row("secret")), Event(op="U", kind="K", old={1: "secret"}, new={1: "b", 3: "s"})],
    ],
    ids=["deleted", "moved away", "inserted and deleted", "moved away with an unsent value"],
)
@pytest.mark.parametrize(
    "event",
    [
        Event(op="I", new={1: "secret", 3: "t"}),
        Event(op="U", new={1: "secret", 3: "t"}),
        Event(op="U", kind="K", old={1: "secret"}, new={1: "c", 3: "t"}),
    ],
    ids=["insert", "update", "key change"],
)
def test_unsent_values_of_a_row_that_is_gone_stop_by_name(before: list[Event], event: Event) -> None:
    with pytest.raises(SourceError, match=r"public\.orders.*'n4'.*key 'n1'") as stopped:
        fold(TABLE, frame_of(TABLE, [*before, event]))
    assert "re-dms reset --table public.orders" in stopped.value.remedy
    assert "secret" not in stopped.value.message


@pytest.mark.parametrize(
    "event",
    [
        Event(op="U", new={1: "a", 4: "s", 5: "b"}),
        Event(op="D", kind="K", old={1: "a", 3: None}),
        Event(op="U", kind="K", old={1: "a", 3: None}, new={1: "a", 3: "b", 4: "s", 5: "b"}),
    ],
    ids=["toasted key column without old tuple", "delete", "old key of a key change"],
)
def test_a_key_column_without_a_value_stops_by_name(event: Event) -> None:
    with pytest.raises(SourceError, match=r"public\.orders.*key column 'n3'"):
        fold(COMPOSITE, frame_of(COMPOSITE, [event]))


def test_a_counted_table_needs_whole_old_rows() -> None:
    with pytest.raises(SourceError, match=r"public\.orders.*whole old row") as stopped:
        fold(COUNTED, frame_of(COUNTED, [Event(op="D", kind="K", old={1: "a"})]))
    assert "REPLICA IDENTITY FULL" in stopped.value.remedy


@pytest.mark.parametrize("table", [COUNTED, APPEND], ids=["counted", "append"])
def test_an_insert_with_unsent_values_into_a_table_without_key_stops_by_name(table: Relation) -> None:
    with pytest.raises(SourceError, match=r"public\.orders.*'n3'"):
        fold(table, frame_of(table, [Event(op="I", new={1: "a"})]))


@pytest.mark.parametrize("event", [Event(op="U", new={1: "a", 3: "b"}), Event(op="D", kind="K", old={1: "a"})])
def test_an_append_table_takes_inserts_alone(event: Event) -> None:
    with pytest.raises(SourceError, match=r"public\.orders.*without a key"):
        fold(APPEND, frame_of(APPEND, [event]))


# ------------------------------------------------------------------------------------------------ tables without key
def test_inserts_are_appended_in_order_with_their_repeats() -> None:
    rows: list[Row] = [{1: "b", 3: None}, {1: "a", 3: "x"}, {1: "b", 3: None}]
    out = fold(APPEND, frame_of(APPEND, [Event(op="I", new=row) for row in rows]))
    assert out.frame.columns == ["op", "c1", "c3"]
    assert out.frame.rows() == [("I", "b", None), ("I", "a", "x"), ("I", "b", None)]
    assert out.ops == {"I": 3}


def test_counted_rows_fold_to_net_counts_and_zero_vanishes() -> None:
    source = Source(COUNTED, [{1: "a", 3: None}, {1: "a", 3: None}, {1: None, 3: None}])
    one, two, nulls = source.rows
    source.delete(one)
    source.delete(two)
    source.update(nulls, {1: "b", 3: LARGE})
    source.update(nulls, {1: "c"})
    source.insert({1: "c", 3: LARGE})
    source.delete(source.insert({1: "fleeting", 3: None}))
    out = fold(COUNTED, frame_of(COUNTED, source.events))
    assert out.frame.columns == ["op", "n", "c1", "c3"]
    assert set(out.frame.dtypes) == {pl.String}
    assert out.frame.rows() == [("X", "2", "a", None), ("X", "1", None, None), ("I", "2", "c", LARGE)]
    assert out.ops == {"I": 1, "X": 2}
    assert out.counts == Counts(inserts=2, updates=2, deletes=3)


def test_counted_rows_come_in_the_order_of_their_last_change() -> None:
    source = Source(COUNTED)
    for n in range(2000):
        source.insert({1: str(n * 7919 % 1009), 3: None})
    out = fold(COUNTED, frame_of(COUNTED, source.events))
    last = {event.new[1]: n for n, event in enumerate(source.events)}
    assert out.frame["c1"].to_list() == sorted(last, key=lambda value: last[value])


# ------------------------------------------------------------------------------------------------ the form
@pytest.mark.parametrize("table", [TABLE, COMPOSITE, COUNTED, APPEND])
def test_nothing_folds_to_nothing(table: Relation) -> None:
    out = fold(table, frame_of(table, []))
    assert (out.frame.height, out.ops, out.counts) == (0, {}, Counts())
    assert out.frame.columns[0] == "op"


def test_columns_stand_in_a_files_order_and_only_where_they_are_used() -> None:
    full: Row = {1: "a", 3: "k", 4: "s", 5: LARGE}
    whole = fold(COMPOSITE, frame_of(COMPOSITE, [Event(op="I", new=full)]))
    assert whole.frame.columns == ["op", "c1", "c3", "c4", "c5"]
    source = Source(COMPOSITE, [full])
    source.update(source.rows[0], {1: "b"})
    partial = fold(COMPOSITE, frame_of(COMPOSITE, source.events))
    assert partial.frame.columns == ["op", "mask", "f3", "f1", "c1", "c3", "c4", "c5"]
    assert set(partial.frame.dtypes) == {pl.String}
    assert partial.frame.rows() == [
        ("P", "5", "k", "a", "b", "k", "s", None),
        ("D", None, None, None, "a", "k", None, None),
    ]
    assert partial.ops == {"P": 1, "D": 1}


def test_counts_are_of_the_changes_as_the_source_made_them() -> None:
    source = Source(TABLE)
    for n in range(3):
        row_ = source.insert(row(str(n)))
        source.update(row_, {3: "t"})
        source.update(row_, {1: f"moved {n}"})
    source.delete(source.rows[0])
    out = fold(TABLE, frame_of(TABLE, source.events))
    assert out.counts == Counts(inserts=3, updates=6, deletes=1)
    assert out.ops == {"U": 2, "D": 4}


def test_the_same_changes_give_the_same_frame_and_the_input_stays_as_it_was() -> None:
    source = Source(TABLE, [row(str(n)) for n in range(200)])
    for n in range(200):
        source.update(source.rows[n], {1: f"new {n}"} if n % 3 else {3: "t"})
    frame = frame_of(TABLE, source.events)
    before = frame.clone()

    def again() -> Folded:
        return fold(TABLE, frame)

    first = again()
    assert all(again().frame.equals(first.frame) for _ in range(5))
    assert frame.equals(before)
