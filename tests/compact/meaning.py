"""What a fold means: a row-by-row fold, and the two plans by which warehouses apply a folded frame."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from compact.source import Event, Key, Row
from re_dms.compact import Folded
from re_dms.schema import Relation


class Unsent(Enum):
    TOKEN = "unsent"


UNSENT = Unsent.TOKEN
Partial = dict[int, str | Unsent | None]
State = dict[Key, tuple[Key | None, Partial] | None]
"""Per touched key: None when it is gone, else (key of the target row that has the unsent values, the row)."""


def fold_rows(relation: Relation, events: Sequence[Event]) -> State:
    """The state of every touched key, event by event."""
    attnums = [column.attnum for column in relation.columns]
    state: State = {}
    for event in events:
        before = tuple(event.old[a] for a in relation.key) if event.kind else None
        if event.op == "D":
            assert before is not None
            state[before] = None
            continue
        row: Partial = {a: event.new[a] if a in event.new else event.old.get(a, UNSENT) for a in attnums}
        assert not any(row[a] is UNSENT for a in relation.key), "the history is impossible: an unsent key"
        key: Key = tuple(row[a] for a in relation.key)  # type: ignore[misc]
        source = key if before is None else before
        untouched: Partial = dict.fromkeys(attnums, UNSENT)
        previous = state.get(source, (source, untouched))
        if source != key:
            state[source] = None
        if UNSENT in row.values():
            assert previous is not None, "the history is impossible: unsent values of a row that is gone"
            row = {a: previous[1][a] if v is UNSENT else v for a, v in row.items()}
        state[key] = (previous[0] if previous is not None and UNSENT in row.values() else None, row)
    return state


def read(relation: Relation, folded: Folded) -> State:
    """The state that a folded frame of a keyed table says, its form checked."""
    attnums = [column.attnum for column in relation.columns]
    state: State = {}
    for row in folded.frame.iter_rows(named=True):
        key = tuple(row[f"c{a}"] for a in relation.key)
        assert None not in key
        assert key not in state, "a key twice"
        mask, origin = row.get("mask"), tuple(row.get(f"f{a}") for a in relation.key)
        assert (row["op"] == "P") == (mask is not None) == (None not in origin)
        if row["op"] == "D":
            assert all(row[f"c{a}"] is None for a in attnums if a not in relation.key)
            state[key] = None
            continue
        missing = {int(a) for a in mask.split(",")} if mask else set()
        assert not missing & set(relation.key)
        assert all(row[f"c{a}"] is None for a in missing)
        assert mask is None or mask == ",".join(str(a) for a in sorted(missing))
        values: Partial = {a: UNSENT if a in missing else row[f"c{a}"] for a in attnums}
        state[key] = (origin if mask else None, values)
    return state


def apply(target: dict[Key, Row], state: State) -> dict[Key, Row]:
    """DuckDB's plan: complete partial rows from the target, delete every touched key, insert."""
    completed: dict[Key, Row] = {}
    for key, final in state.items():
        if final is not None:
            origin, row = final
            assert origin is None or origin in target, "a partial row without its target row"
            completed[key] = {a: target[origin][a] if v is UNSENT else v for a, v in row.items()}  # type: ignore[index]
    return {key: row for key, row in target.items() if key not in state} | completed


def apply_moving(target: dict[Key, Row], state: State) -> dict[Key, Row]:
    """Redshift's plan: delete touched keys save those that move, one update of moved keys, one update a mask, insert."""
    partial = {key: final for key, final in state.items() if final is not None and final[0] is not None}
    moves = {origin: key for key, (origin, _) in partial.items()}
    assert len(moves) == len(partial), "two rows with one origin"
    assert moves.keys() <= state.keys(), "a key was left, and nothing says so"
    kept = [(key, row) for key, row in target.items() if key not in state or key in moves]
    moved = [(moves.get(key, key), row) for key, row in kept]
    assert sum(key in partial for key, _ in moved) == len(partial), "a partial row without its target row"
    rows = [
        (key, row | {a: v for a, v in partial[key][1].items() if not isinstance(v, Unsent)} if key in partial else row)
        for key, row in moved
    ]
    for key, final in state.items():
        if final is not None and final[0] is None:
            rows.append((key, {a: v for a, v in final[1].items() if not isinstance(v, Unsent)}))
    by_key = dict(rows)
    assert len(by_key) == len(rows), "a key twice"
    return by_key
