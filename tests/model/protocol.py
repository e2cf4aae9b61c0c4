"""The protocol as a transition system: the first state of a scope, and all steps out of a state."""

from __future__ import annotations

from collections.abc import Iterator

from model.applying import apply_steps, retention_steps
from model.capture import capture_steps
from model.words import (
    EMPTY,
    FREE,
    NONE,
    NOT_CARRIED,
    OTHERS,
    SINCE_START,
    Apply,
    Capture,
    Journal,
    Rules,
    Scope,
    Source,
    State,
    Step,
    Warehouse,
)
from model.world import world_steps


def first_state(scope: Scope) -> State:
    """A pipeline that was just set up (or is about to be), beside a source that has written `scope.written` records."""
    wal = tuple(f"a{n + 1}" if n < scope.transactions else OTHERS for n in range(scope.written))
    copied_at = (SINCE_START, SINCE_START)
    if scope.setup:
        copied_at = (NOT_CARRIED, NOT_CARRIED)
    elif scope.copy:
        copied_at = (SINCE_START, NOT_CARRIED)
    at = NONE if scope.setup else 0
    return State(
        source=Source(wal, at, at, FREE, at, (), (), "a", slot_moved=False),
        journal=Journal(not scope.setup, (), (), at, 0, copied_at),
        warehouse=Warehouse(0, 0, EMPTY, copied_at),
        captures=(Capture(),) * scope.captures,
        applies=(Apply(),) * scope.applies,
        faults=scope.faults,
        copy_asked=scope.setup,
        alarm="",
        broken="",
    )


def steps(state: State, scope: Scope, rules: Rules) -> Iterator[Step]:
    """Every step that any process, or the world, may take next."""
    for i in range(len(state.captures)):
        yield from capture_steps(state, i, rules)
    for i in range(len(state.applies)):
        yield from apply_steps(state, i, rules)
    if scope.retention:
        yield from retention_steps(state, rules)
    yield from world_steps(state, scope, rules)


def canonical(state: State) -> State:
    """One state of those that differ only in which process is called 0 and which 1."""
    if len(state.captures) == 2 and state.captures[0] > state.captures[1]:
        first, second = state.captures
        holder = state.source.holder
        source = state.source._replace(holder=1 - holder) if holder in (0, 1) else state.source
        manifests = tuple(m._replace(writer=1 - m.writer) if m.writer in (0, 1) else m for m in state.journal.manifests)
        state = state._replace(
            source=source, journal=state.journal._replace(manifests=manifests), captures=(second, first)
        )
    if len(state.applies) == 2 and state.applies[0] > state.applies[1]:
        state = state._replace(applies=state.applies[::-1])
    return state
