"""What the world does to us: the source's life, kills, cuts, crashes, operators, a disk put back to an earlier copy."""

from __future__ import annotations

from collections.abc import Iterator

from model import applying
from model.words import FREE, NONE, NOT_CARRIED, ORPHAN, OTHERS, Rules, Scope, State, Step


def world_steps(state: State, scope: Scope, rules: Rules) -> Iterator[Step]:
    """Everything that may happen from outside, faults while their budget lasts."""
    yield from _source_lives(state, scope)
    if state.source.holder == ORPHAN and rules.parent_watched:
        left = state.source._replace(holder=FREE)
        yield Step("the orphaned reader", "leaves after its supervisor", state._replace(source=left))
    if state.may("kill"):
        yield from _kills(state)
    yield from _connections_fail(state)
    yield from _operators_fail(state)


def _source_lives(state: State, scope: Scope) -> Iterator[Step]:
    """The source goes on; its disk is checkpointed and copied where a fault can make that matter."""
    source = state.source
    others = source.wal.count(OTHERS)
    if len(source.wal) - others < scope.transactions:
        name = f"{source.history}{len(source.wal) + 1}"
        yield Step("the source", "commits a transaction", _grown(state, name))
    if others < scope.others:
        yield Step("the source", "writes WAL of others", _grown(state, OTHERS))
    if not state.copy_asked and NOT_CARRIED in state.journal.registry:
        yield Step("the operator", "asks for a copy", state._replace(copy_asked=True))
    if state.may("postgres_crash") and source.checkpointed != source.confirmed:
        checkpointed = source._replace(checkpointed=source.confirmed)
        yield Step("the source", "checkpoints", state._replace(source=checkpointed))
    if state.may("rolled_back") and not source.disk_copy and source.confirmed != NONE:
        copied = source._replace(disk_copy=(len(source.wal), source.confirmed))
        yield Step("the source", "has its disk copied", state._replace(source=copied))


def _grown(state: State, record: str) -> State:
    return state._replace(source=state.source._replace(wal=(*state.source.wal, record)))


def _kills(state: State) -> Iterator[Step]:
    for i, capture in enumerate(state.captures):
        if capture.phase != "off":
            killed = state.without_capture(i).spend("kill")
            if state.source.holder == i:  # the supervisor died; the reader streams on until it notices
                killed = killed._replace(source=killed.source._replace(holder=ORPHAN))
            yield Step(f"capture {i}", "is killed", killed)
    for i, apply in enumerate(state.applies):
        if apply.phase != "off":
            yield Step(f"apply {i}", "is killed", applying.stop(state, i).spend("kill"))


def _connections_fail(state: State) -> Iterator[Step]:
    source = state.source
    if state.may("cut") and source.holder not in (FREE, ORPHAN):
        cut = state._replace(source=source._replace(holder=FREE)).spend("cut")
        yield Step(f"capture {source.holder}", "loses its connection", cut)
    if state.may("postgres_crash") and source.confirmed != NONE:
        crashed = source._replace(confirmed=source.checkpointed, holder=FREE)
        yield Step("the source", "crashes", state._replace(source=crashed).spend("postgres_crash"))


def _operators_fail(state: State) -> Iterator[Step]:
    source = state.source
    if state.may("slot_moved") and source.holder == FREE and NONE < source.confirmed < len(source.wal):
        now = len(source.wal)
        moved = source._replace(confirmed=now, checkpointed=now, slot_moved=True)
        yield Step("the operator", "moves the slot", state._replace(source=moved).spend("slot_moved"))
    if state.may("rolled_back") and source.disk_copy and source.disk_copy[0] < len(source.wal):
        length, confirmed = source.disk_copy
        back = source._replace(
            wal=source.wal[:length],
            confirmed=confirmed,
            checkpointed=confirmed,
            holder=FREE,
            disk_copy=(),
            abandoned=source.wal,
            history="b",
        )
        yield Step("the source", "has its disk rolled back", state._replace(source=back).spend("rolled_back"))
