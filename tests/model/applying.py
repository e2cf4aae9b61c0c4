"""The steps of apply and of retention (protocol lines 1, 9, 11)."""

from __future__ import annotations

from collections.abc import Iterator

from model.words import TABLES, Apply, Manifest, Rules, State, Step, Warehouse

JOURNAL_LACKS = "exit 6: a manifest is missing and a later one exists"
JOURNAL_SHORT = "exit 6: the watermark is beyond the last manifest"
DATA_LACKS = "exit 6: a data file is missing or altered"
NOT_A_CHAIN = "exit 6: a batch does not begin where the watermark ends"


def apply_steps(state: State, i: int, rules: Rules) -> Iterator[Step]:
    """Everything that apply process `i` may do next."""
    me, who, watermark = state.applies[i], f"apply {i}", state.warehouse.watermark
    match me.phase:
        case "off":
            yield Step(who, "claims", _claim(state, i))
        case "ready":
            yield from _find(state, i, who, rules)
        case "found" if not rules.checked_inside:
            ok = _may_load(state, me, rules)
            next_state = _with(state, i, me._replace(phase="checked")) if ok else stop(state, i)
            yield Step(who, "checks fence and watermark", next_state)
        case "found" | "checked":
            yield from _load(state, i, who, rules)
        case "doubt":
            done = rules.doubtful_commit_reads and watermark >= me.seen + 1
            yield Step(who, "reads the watermark", _with(state, i, me._replace(phase="committed" if done else "found")))
        case "data":
            written = state._replace(warehouse=_with_watermark(state.warehouse, me))
            yield Step(who, "writes the watermark", _with(written, i, me._replace(phase="committed")))
        case "committed":
            ready = _with(state, i, me._replace(phase="ready", seen=me.seen + 1, manifest=()))
            mirrored = state.journal._replace(mirrored=me.seen + 1)
            yield Step(who, "mirrors", ready._replace(journal=mirrored))


def stop(state: State, i: int, *, alarm: str = "") -> State:
    """Apply `i` has ended; an open transaction is rolled back by the warehouse."""
    return _with(state, i, Apply())._replace(alarm=state.alarm or alarm)


def _with(state: State, i: int, me: Apply) -> State:
    return state._replace(applies=(*state.applies[:i], me, *state.applies[i + 1 :]))


def _claim(state: State, i: int) -> State:
    """A new epoch: nobody else's is current any more."""
    watermark = state.warehouse.watermark
    if watermark > state.journal.newest:
        return stop(state, i, alarm=JOURNAL_SHORT)
    applies = tuple(
        Apply(phase="ready", current=True, seen=watermark) if j == i else other._replace(current=False)
        for j, other in enumerate(state.applies)
    )
    return state._replace(applies=applies)


def _find(state: State, i: int, who: str, rules: Rules) -> Iterator[Step]:
    me, journal = state.applies[i], state.journal
    manifest = journal.manifest(me.seen + 1)
    if manifest:
        yield Step(who, "finds a batch", _with(state, i, me._replace(phase="found", manifest=manifest)))
    elif journal.newest > me.seen + 1:
        # Before we cry: has somebody else applied it, and retention removed it?
        moved = rules.absence_rechecked and state.warehouse.watermark != me.seen
        yield Step(who, "misses a batch", stop(state, i, alarm="" if moved else JOURNAL_LACKS))


def _may_load(state: State, me: Apply, rules: Rules) -> bool:
    fenced = rules.epoch_checked and not me.current
    moved = rules.watermark_checked and state.warehouse.watermark != me.seen
    return not fenced and not moved


def _load(state: State, i: int, who: str, rules: Rules) -> Iterator[Step]:
    """One warehouse transaction under the fence's lock: check, stage, merge, watermark, commit (line 9)."""
    me, warehouse, journal = state.applies[i], state.warehouse, state.journal
    manifest = me.manifest
    assert manifest
    if rules.checked_inside and not _may_load(state, me, rules):
        yield Step(who, "is fenced off", stop(state, i))
        return
    checks = rules.checked_inside and rules.watermark_checked
    if checks and warehouse.watermark and manifest.start != warehouse.end:
        yield Step(who, "commits", stop(state, i, alarm=NOT_A_CHAIN))
        return
    if (manifest.number, manifest.rows) not in journal.data:
        yield Step(who, "commits", stop(state, i, alarm=DATA_LACKS))
        return
    loaded = with_rows(warehouse, manifest)
    if rules.one_warehouse_transaction:
        loaded = _with_watermark(loaded, me)
    committed = state._replace(warehouse=loaded)
    after = "committed" if rules.one_warehouse_transaction else "data"
    yield Step(who, "commits", _with(committed, i, me._replace(phase=after)))  # type: ignore[arg-type]
    if state.may("commit_reply_lost"):
        lost = _with(committed, i, me._replace(phase="doubt")).spend("commit_reply_lost")
        yield Step(who, "commits, reply lost", lost)


def with_rows(warehouse: Warehouse, manifest: Manifest) -> Warehouse:
    rows = tuple(manifest.rows[t] if t in manifest.copies else warehouse.rows[t] + manifest.rows[t] for t in TABLES)
    return warehouse._replace(rows=rows, copied_at=manifest.copied_at)  # type: ignore[arg-type]


def _with_watermark(warehouse: Warehouse, me: Apply) -> Warehouse:
    assert me.manifest
    return warehouse._replace(watermark=me.manifest.number, end=me.manifest.end)


def retention_steps(state: State, rules: Rules) -> Iterator[Step]:
    """Remove the oldest batch below the watermark: its data first, then its manifest (line 11)."""
    journal = state.journal
    if not journal.manifests:
        return
    oldest = journal.manifests[0].number
    match rules.retention:
        case "below watermark":
            removable = oldest < journal.mirrored and oldest != journal.newest
        case "up to watermark, newest too":
            removable = oldest <= journal.mirrored
        case "by age":
            removable = oldest != journal.newest
    if not removable:
        return
    data = tuple(item for item in journal.data if item[0] != oldest)
    if data != journal.data:
        yield Step("retention", "removes data", state._replace(journal=journal._replace(data=data)))
    else:
        pruned = journal._replace(manifests=journal.manifests[1:])
        yield Step("retention", "removes a manifest", state._replace(journal=pruned))
