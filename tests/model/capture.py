"""The steps of capture: set-up, start, copy, stream, batch, confirm (protocol lines 1, 3, 4, 5, 8, 16)."""

from __future__ import annotations

from collections.abc import Iterator

from model.batches import put_steps, seal_steps
from model.words import EMPTY, FREE, NO_COMMIT, NONE, NOT_CARRIED, OTHERS, TABLES, Capture, Manifest, Rules, State, Step

SLOT_BEYOND = "exit 6: the slot is beyond all that the journal knows"
SOURCE_BEHIND = "exit 6: the source is behind the journal"
OTHER_HISTORY = "exit 6: the journal's last COMMIT did not go by: another history"


def capture_steps(state: State, i: int, rules: Rules) -> Iterator[Step]:
    """Everything that capture `i` may do next."""
    me, who = state.captures[i], f"capture {i}"
    if me.phase == "off":
        yield _start(state, i, who, rules)
        return
    if me.batch:
        yield from put_steps(state, i, who, rules)
    elif me.to_copy and _may_copy(state, i, rules):
        yield _copy(state, i, who)
    elif state.copy_asked and NOT_CARRIED in me.copied_at:
        yield Step(who, "restarts", state.without_capture(i))  # the request came after it had read the journal
    match me.phase:
        case "planned":
            copies_first = rules.stream_waits_for_copy and not rules.copy_waits_for_tail
            if state.source.holder == FREE and not me.batch and not (me.to_copy and copies_first):
                yield _open(state, i, who, rules)
        case "opening":
            if state.source.holder == FREE:
                yield Step(who, "takes the slot", _streaming(state, i, me.slot_seen, rules))
        case "streaming":
            yield from _stream(state, i, who, rules)


# ---------------------------------------------------------------------- start


def _start(state: State, i: int, who: str, rules: Rules) -> Step:
    """Make what is missing, in order; then read the journal. Every step finds what a killed one has made."""
    source, journal = state.source, state.journal
    now = len(source.wal)
    if not journal.root:
        return Step(who, "creates the root", state._replace(journal=journal._replace(root=True)))
    publication = Step(who, "creates the publication", state._replace(source=source._replace(published_at=now)))
    slot = Step(who, "creates the slot", state._replace(source=source._replace(confirmed=now, checkpointed=now)))
    missing = [(source.published_at == NONE, publication), (source.confirmed == NONE, slot)]
    for is_missing, step in missing if rules.publication_before_slot else reversed(missing):
        if is_missing:
            return step
    if journal.known == NONE:
        return Step(who, "records the slot", state._replace(journal=journal._replace(position=source.confirmed)))
    tail = journal.tail
    me = Capture(
        phase="planned",
        number=journal.newest + 1,
        tail=tail.end if tail else 0,
        last_commit=tail.last_commit if tail else NO_COMMIT,
        copied_at=journal.copied_at,
        known=journal.position if rules.position_is_evidence else NONE,
        to_copy=tuple(t for t in TABLES if state.copy_asked and journal.copied_at[t] == NOT_CARRIED),
        recorded=journal.position if rules.inherited_positions_confirmed else NONE,
    )
    return Step(who, "reads the journal", state.with_capture(i, me))


def _open(state: State, i: int, who: str, rules: Rules) -> Step:
    """Take the slot; while nobody else can move it, compare it with the journal (line 5)."""
    me, source, journal = state.captures[i], state.source, state.journal
    if len(source.wal) < max(journal.known, *journal.copied_at):
        return Step(who, "reads the slot", state.without_capture(i, alarm=SOURCE_BEHIND))
    if not rules.slot_checked_while_held:
        if source.confirmed > max(me.tail, journal.position):
            return Step(who, "reads the slot", state.without_capture(i, alarm=SLOT_BEYOND))
        return Step(
            who, "reads the slot", state.with_capture(i, me._replace(phase="opening", slot_seen=source.confirmed))
        )
    if journal.newest + 1 != me.number:  # another capture wrote since we read the journal: read it again
        return Step(who, "restarts", state.without_capture(i))
    if source.confirmed > journal.known:
        return Step(who, "takes the slot", state.without_capture(i, alarm=SLOT_BEYOND))
    return Step(who, "takes the slot", _streaming(state, i, source.confirmed, rules))


def _streaming(state: State, i: int, confirmed: int, rules: Rules) -> State:
    """The stream runs from the slot's own position; `confirmed` is where this process believes that to be."""
    me = state.captures[i]
    unseen = rules.tail_must_go_by and confirmed < me.last_commit[0]
    me = me._replace(
        phase="streaming",
        slot_seen=NONE,
        unseen_tail=unseen,
        at=state.source.confirmed,
        to_claim=rules.start_puts_empty_batch,
    )
    return state.with_capture(i, me)._replace(source=state.source._replace(holder=i))


# ---------------------------------------------------------------------- copy


def _may_copy(state: State, i: int, rules: Rules) -> bool:
    me = state.captures[i]
    if rules.copy_waits_for_tail:
        return state.source.holder == i and not me.unseen_tail
    return me.phase == "planned" or not rules.stream_waits_for_copy


def _copy(state: State, i: int, who: str) -> Step:
    """A snapshot with its position S, from a temporary slot; then the rows, as a batch that covers nothing (line 16)."""
    me, wal = state.captures[i], state.source.wal
    if not me.snapshot:
        rows = tuple(record for record in wal if record != OTHERS)
        return Step(
            who, "takes a snapshot", state.with_capture(i, me._replace(snapshot=(len(wal),), snapshot_rows=rows))
        )
    batch = Manifest(
        number=me.number,
        writer=NONE,
        start=me.tail,
        end=me.tail,
        rows=(me.snapshot_rows if 0 in me.to_copy else (), me.snapshot_rows if 1 in me.to_copy else ()),
        copies=me.to_copy,
        copied_at=tuple(me.snapshot[0] if t in me.to_copy else me.copied_at[t] for t in TABLES),  # type: ignore[arg-type]
        last_commit=me.last_commit,
    )
    me = me._replace(batch=batch, to_copy=(), snapshot=(), snapshot_rows=())
    return Step(who, "streams the copy", state.with_capture(i, me))


# ---------------------------------------------------------------------- stream


def _stream(state: State, i: int, who: str, rules: Rules) -> Iterator[Step]:
    me, source = state.captures[i], state.source
    if source.holder == i:
        if me.to_claim and not me.unseen_tail and not me.batch:
            empty = Manifest(me.number, NONE, me.tail, me.tail, EMPTY, (), me.copied_at, me.last_commit)
            yield Step(who, "seals an empty batch", state.with_capture(i, me._replace(batch=empty, to_claim=False)))
        if me.at < len(source.wal):
            yield from _receive(state, i, who, rules)
        yield from _confirm(state, i, who, rules)
    else:
        yield Step(who, "restarts", state.without_capture(i))
        if not me.batch:
            recorded = me.recorded if rules.inherited_positions_confirmed else NONE
            again = me._replace(
                phase="planned", buffer=(), half=0, unseen_tail=False, to_claim=False, at=0, recorded=recorded
            )
            yield Step(who, "opens the stream again", state.with_capture(i, again))
    yield from seal_steps(state, i, who, rules)


def _receive(state: State, i: int, who: str, rules: Rules) -> Iterator[Step]:
    me, source = state.captures[i], state.source
    record, end = source.wal[me.at], me.at + 1
    if record == OTHERS:
        passed = me.unseen_tail and end >= me.last_commit[0]
        if passed and rules.keepalive_beyond_unseen_tail_refused:
            yield Step(who, "passes WAL of others", state.without_capture(i, alarm=OTHER_HISTORY))
        else:
            yield Step(who, "passes WAL of others", state.with_capture(i, me._replace(at=end)))
    elif me.at < source.published_at:
        pass  # "publication does not exist" at this position, for ever (line 8)
    elif not me.half:
        yield Step(who, "receives a row", state.with_capture(i, me._replace(half=1)))
    else:
        yield Step(who, "receives a commit", _commit_received(state, i, record, end, rules))


def _commit_received(state: State, i: int, record: str, end: int, rules: Rules) -> State:
    me = state.captures[i]
    tables = TABLES if me.half == 1 else (1,)
    moved = me._replace(at=end, half=0)
    if end > me.tail:
        if me.unseen_tail or end <= me.known:
            return state.without_capture(i, alarm=OTHER_HISTORY)
        return state.with_capture(i, moved._replace(buffer=(*me.buffer, (end, record, tables))))
    if me.unseen_tail and end == me.last_commit[0]:
        # A name is history and end LSN; a server that was rolled back gives the same xids again.
        same = record == me.last_commit[1] or not rules.tail_known_by_time
        return (
            state.with_capture(i, moved._replace(unseen_tail=False))
            if same
            else state.without_capture(i, alarm=OTHER_HISTORY)
        )
    return state.with_capture(i, moved)


def _confirm(state: State, i: int, who: str, rules: Rules) -> Iterator[Step]:
    me, source = state.captures[i], state.source
    if me.to_claim or (me.unseen_tail and rules.nothing_confirmed_before_tail):
        return
    target = max(me.tail, me.recorded)
    if not me.half and not rules.confirm_after_manifest:
        target = max(target, me.at)
    if target > source.confirmed:
        yield Step(who, "confirms", state._replace(source=source._replace(confirmed=target)))
    idle = not (me.buffer or me.half or me.batch)
    if idle and me.at > max(me.tail, me.recorded):
        recorded = state.with_capture(i, me._replace(recorded=me.at))
        if rules.positions_recorded_first:
            journal = state.journal._replace(position=max(state.journal.position, me.at))
            yield Step(who, "records a position", recorded._replace(journal=journal))
        else:
            yield Step(
                who, "confirms", recorded._replace(source=source._replace(confirmed=max(source.confirmed, me.at)))
            )
