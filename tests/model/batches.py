"""The steps that make a batch exist: close it at a COMMIT, put its data, then its manifest (protocol line 3)."""

from __future__ import annotations

from collections.abc import Iterator

from model.words import NONE, NOT_CARRIED, SINCE_START, Journal, Manifest, Rules, State, Step


def seal_steps(state: State, i: int, who: str, rules: Rules) -> Iterator[Step]:
    """Close a batch at a COMMIT: after the first transaction, or after all that were received."""
    me = state.captures[i]
    if me.batch or me.to_claim or (me.to_copy and rules.stream_waits_for_copy):
        return
    for count in sorted({1, len(me.buffer)}) if me.buffer else ():
        yield Step(who, "seals a batch", _sealed(state, i, count, (), rules))
    if me.half == 1 and not rules.cut_at_commit:
        open_row = (state.source.wal[me.at],)
        yield Step(who, "seals a batch", _sealed(state, i, len(me.buffer), open_row, rules))


def _sealed(state: State, i: int, count: int, open_row: tuple[str, ...], rules: Rules) -> State:
    """The first `count` transactions are a batch, its data is in the store. `open_row`: half a transaction (a variant)."""
    me = state.captures[i]
    shipped = me.buffer[:count]
    rows = (_rows(shipped, 0, me.copied_at[0], rules) + open_row, _rows(shipped, 1, me.copied_at[1], rules))
    end, last_commit = (shipped[-1][0], shipped[-1][:2]) if shipped else (me.tail, me.last_commit)
    batch = Manifest(me.number, NONE, me.tail, end, rows, (), me.copied_at, last_commit)
    half = 2 if open_row else me.half
    sealed = state.with_capture(i, me._replace(batch=batch, buffer=me.buffer[count:], half=half))
    return sealed if rules.data_keys_per_writer else sealed._replace(journal=_with_data(state.journal, batch))


def _rows(
    shipped: tuple[tuple[int, str, tuple[int, ...]], ...], table: int, copied_at: int, rules: Rules
) -> tuple[str, ...]:
    """The table's rows, without those that its copy holds: Begin's final LSN is where the commit record starts."""
    if copied_at == NOT_CARRIED:
        return ()
    return tuple(
        name for end, name, tables in shipped if table in tables and not _is_in_copy(end - 1, end, copied_at, rules)
    )


def _is_in_copy(start: int, end: int, copied_at: int, rules: Rules) -> bool:
    if copied_at == SINCE_START:
        return False
    match rules.copy_drops:
        case "start < S":
            return start < copied_at
        case "start <= S":
            return start <= copied_at
        case "end < S":
            return end < copied_at
        case "nothing":
            return False


def _with_data(journal: Journal, batch: Manifest) -> Journal:
    kept = [item for item in journal.data if item[0] != batch.number]
    return journal._replace(data=tuple(sorted([*kept, (batch.number, batch.rows)])))


def put_steps(state: State, i: int, who: str, rules: Rules) -> Iterator[Step]:
    """The manifest, last, by a create-only put (line 3). A lost reply is settled by reading."""
    me, journal = state.captures[i], state.journal
    assert me.batch
    there = journal.manifest(me.batch.number)
    if me.doubt and rules.doubtful_put == "read":
        if not there:
            yield Step(who, "settles the lost reply", state.with_capture(i, me._replace(doubt=False)))
        elif there.writer == i:
            yield Step(who, "settles the lost reply", _won(state, i, rules))
        else:
            yield Step(who, "settles the lost reply", state.without_capture(i))
        return
    if there and rules.manifests_create_only:
        won = rules.doubtful_put == "exists means won"
        yield Step(who, "puts the manifest", _won(state, i, rules) if won else state.without_capture(i))
        return
    put = _with_manifest(state, me.batch, i, rules)
    yield Step(who, "puts the manifest", _won(put, i, rules))
    if state.may("put_reply_lost"):
        lost = put.with_capture(i, me._replace(doubt=True)).spend("put_reply_lost")
        yield Step(who, "puts the manifest, reply lost", lost)


def _with_manifest(state: State, batch: Manifest, writer: int, rules: Rules) -> State:
    """The manifest is in the store, and its data (under keys of the writer's own nobody else could have seen it)."""
    journal = state.journal
    if rules.data_keys_per_writer:
        journal = _with_data(journal, batch)
    before = journal.manifest(batch.number)
    others = [m for m in journal.manifests if m.number != batch.number]
    manifests = tuple(sorted([*others, batch._replace(writer=writer)]))
    broken = state.broken
    if before and before._replace(writer=NONE) != batch:
        broken = f"batch {batch.number} has two contents"
    return state._replace(journal=journal._replace(manifests=manifests), broken=broken)


def _won(state: State, i: int, rules: Rules) -> State:
    """The batch is durable and ours, unless a later one exists: then our number had been used and pruned."""
    me, journal = state.captures[i], state.journal
    assert me.batch
    if rules.later_manifest_means_lost and journal.newest > me.batch.number:
        return state.without_capture(i)
    moved = me._replace(
        number=me.number + 1,
        tail=me.batch.end,
        last_commit=me.batch.last_commit,
        copied_at=me.batch.copied_at,
        batch=(),
        doubt=False,
    )
    return state.with_capture(i, moved)._replace(journal=journal.forget_writer(i))
