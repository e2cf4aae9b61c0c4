"""What must hold in every state, and what every state must be able to reach."""

from __future__ import annotations

from model.applying import with_rows
from model.words import NONE, NOT_CARRIED, OTHERS, TABLES, Rows, State, Warehouse


def broken_promise(state: State) -> str:
    """The promise that this state breaks, in words; empty when all hold."""
    if state.broken:
        return state.broken
    if wrong := _difference(state, state.warehouse):
        return f"warehouse: {wrong}"
    reached = applied_in_full(state)
    if reached != state.warehouse and (wrong := _difference(state, reached)):
        return f"journal: {wrong}"
    if wrong := _slot_beyond(state, reached):
        return wrong
    if state.alarm and not state.source.slot_moved and not state.source.abandoned:
        return f"needless halt ({state.alarm})"
    return ""


def is_finished(state: State) -> bool:
    """All that the source holds is in the warehouse, and the source may forget it; or somebody has been told."""
    if state.alarm:
        return True
    source, warehouse = state.source, state.warehouse
    if source.confirmed != len(source.wal) or (state.copy_asked and NOT_CARRIED in warehouse.copied_at):
        return False
    return warehouse.rows == _expected(source.wal, len(source.wal), warehouse.copied_at)


def applied_in_full(state: State) -> Warehouse:
    """The warehouse as it will be when every batch that the journal holds is applied."""
    reached = state.warehouse
    for manifest in state.journal.manifests:
        if manifest.number == reached.watermark + 1:
            reached = with_rows(reached, manifest)._replace(watermark=manifest.number, end=manifest.end)
    return reached


def _expected(wal: tuple[str, ...], end: int, copied_at: tuple[int, int]) -> Rows:
    """What the tables hold when they are as of `end`; a copied table may be ahead, as of its copy."""
    return tuple(  # type: ignore[return-value]
        () if copied_at[t] == NOT_CARRIED else tuple(r for r in wal[: max(end, copied_at[t])] if r != OTHERS)
        for t in TABLES
    )


def _difference(state: State, warehouse: Warehouse) -> str:
    """How the rows differ from every history that there was: the source's own, and one that a roll-back cut off."""
    expected = _expected(state.source.wal, warehouse.end, warehouse.copied_at)
    if warehouse.rows == expected:
        return ""
    if state.source.abandoned and warehouse.rows == _expected(
        state.source.abandoned, warehouse.end, warehouse.copied_at
    ):
        return ""
    return _name(warehouse.rows, expected, state.source.wal)


def _name(rows: Rows, expected: Rows, wal: tuple[str, ...]) -> str:
    if any(len(set(rows[t])) != len(rows[t]) for t in TABLES):
        return "a row is doubled"
    if any(row not in wal for t in TABLES for row in rows[t]):
        return "rows of two histories"
    for row in wal:
        alike = (row in expected[0]) == (row in expected[1])
        if alike and (row in rows[0]) != (row in rows[1]):
            return "a transaction is torn"
    if any(row not in rows[t] for t in TABLES for row in expected[t]):
        return "the watermark covers a row that was not applied"
    return "rows that the watermark does not cover"


def _slot_beyond(state: State, reached: Warehouse) -> str:
    """The slot vouches for nothing that the journal does not hold."""
    source, journal = state.source, state.journal
    if source.slot_moved or source.confirmed == NONE or journal.known == NONE:
        return ""
    if source.confirmed > journal.known:
        return "the slot is confirmed beyond what the journal knows"
    for t in TABLES:
        if reached.copied_at[t] != NOT_CARRIED:
            lost = [r for r in source.wal[: source.confirmed] if r != OTHERS and r not in reached.rows[t]]
            if lost:
                return "the slot is confirmed beyond a row that is not in the journal"
    return ""
