"""The worlds in which the protocol is checked, and the variants that must break in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from model.words import PROTOCOL, Faults, Rules, Scope

WORLDS: Final[dict[str, Scope]] = {
    "set-up, two captures, a kill": Scope(setup=True, captures=2, written=1, faults=Faults(total=1, kill=1)),
    "two captures, a kill, a cut, a lost PUT reply": Scope(
        captures=2, faults=Faults(total=2, kill=1, cut=1, put_reply_lost=1)
    ),
    "two captures, a cut, a crash of Postgres": Scope(captures=2, faults=Faults(total=2, cut=1, postgres_crash=1)),
    "two applies, kills, a lost COMMIT reply": Scope(applies=2, faults=Faults(total=3, kill=2, commit_reply_lost=1)),
    "idle source, a kill, a crash of Postgres": Scope(
        others=1, written=1, faults=Faults(total=2, kill=1, postgres_crash=1)
    ),
    "slot moved by an operator, a kill": Scope(others=1, written=1, faults=Faults(total=2, kill=1, slot_moved=1)),
    "disk rolled back": Scope(others=1, written=0, faults=Faults(total=1, rolled_back=1)),
    "disk rolled back, a kill": Scope(
        transactions=1, others=1, written=0, faults=Faults(total=2, rolled_back=1, kill=1)
    ),
    "a table joins by a copy, a kill, a cut": Scope(copy=True, written=1, faults=Faults(total=2, kill=1, cut=1)),
    "a table joins, two captures": Scope(copy=True, captures=2, written=1, transactions=2),
    "retention, two captures, a cut": Scope(
        retention=True, captures=2, transactions=3, written=3, faults=Faults(total=1, cut=1)
    ),
    "retention, two applies, a lost COMMIT reply": Scope(
        retention=True, applies=2, transactions=3, written=3, faults=Faults(total=1, commit_reply_lost=1)
    ),
}
"""Small enough for every run of the suite: at most three faults, two or three transactions of two rows."""

_EVERYTHING: Final = Faults(
    total=2, kill=2, cut=1, postgres_crash=1, put_reply_lost=1, commit_reply_lost=1, slot_moved=1
)
LARGER_WORLDS: Final[dict[str, Scope]] = {
    "every fault but a roll-back, two at once, two captures, two applies": Scope(
        captures=2, applies=2, faults=_EVERYTHING
    ),
    "three faults, two captures": Scope(captures=2, faults=_EVERYTHING._replace(total=3)),
    "three transactions, two faults": Scope(transactions=3, written=3, captures=2, faults=_EVERYTHING),
    "idle source, two captures, two faults": Scope(others=1, written=1, captures=2, faults=_EVERYTHING),
    "disk rolled back, every fault but a moved slot": Scope(
        others=1, written=0, faults=_EVERYTHING._replace(rolled_back=1, slot_moved=0)
    ),
    "a table joins, two captures, two faults": Scope(copy=True, captures=2, written=1, faults=_EVERYTHING),
    "set-up, two captures, two faults": Scope(setup=True, captures=2, written=1, faults=_EVERYTHING),
    "retention, two captures, two applies, a fault": Scope(
        retention=True, captures=2, applies=2, transactions=3, written=3, faults=_EVERYTHING._replace(total=1)
    ),
}
"""For a nightly run: minutes and gigabytes."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The protocol with rules broken, a world in which that shows, and a part of the promise that breaks first."""

    name: str
    rules: Rules
    scope: Scope
    breaks: str


def _variant(name: str, breaks: str, scope: Scope, **broken_rules: Any) -> Variant:
    return Variant(name=name, breaks=breaks, scope=scope, rules=replace(PROTOCOL, **broken_rules))


_CUT: Final = Scope(captures=2, faults=Faults(total=1, cut=1))
_IDLE: Final = Scope(transactions=1, others=1, written=1)
_ROLLED_BACK: Final = Scope(transactions=1, others=1, written=0, faults=Faults(total=2, rolled_back=1, kill=1))
_TWO_APPLIES: Final = Scope(transactions=1, written=1, applies=2)
_COMMIT_LOST: Final = Scope(transactions=1, written=1, faults=Faults(total=1, commit_reply_lost=1))
_COPY: Final = Scope(copy=True, written=1)
_PRUNED: Final = Scope(retention=True, transactions=3, written=3)
_BEYOND_ROW: Final = "the slot is confirmed beyond a row that is not in the journal"
_BEYOND: Final = "the slot is confirmed beyond what the journal knows"
_TORN: Final = "a transaction is torn"
_DOUBLED: Final = "a row is doubled"
_UNAPPLIED: Final = "the watermark covers a row that was not applied"
_NEEDLESS: Final = "needless halt"
_DEAD_END: Final = "dead end"

BROKEN: Final[tuple[Variant, ...]] = (
    _variant("manifests are overwritten", "has two contents", _CUT, manifests_create_only=False),
    _variant("data keys are shared by writers", _NEEDLESS, _CUT, data_keys_per_writer=False),
    _variant("an existing manifest is taken for ours", _BEYOND, _CUT, doubtful_put="exists means won"),
    _variant(
        "a manifest may come back under a pruned number",
        _BEYOND,
        WORLDS["retention, two captures, a cut"],
        later_manifest_means_lost=False,
    ),
    _variant("confirmed before the manifest is durable", _BEYOND, Scope(written=1), confirm_after_manifest=False),
    _variant("a batch is cut inside a transaction", _TORN, Scope(), cut_at_commit=False),
    _variant("a position is confirmed before it is recorded", _BEYOND, _IDLE, positions_recorded_first=False),
    _variant("the slot is read before it is held", _NEEDLESS, _CUT, slot_checked_while_held=False),
    _variant(
        "an operator moves the slot after it was read, before it is held",
        _UNAPPLIED,
        Scope(written=1, faults=Faults(total=1, slot_moved=1)),
        slot_checked_while_held=False,
    ),
    _variant("the tail need not go by", _BEYOND_ROW, _ROLLED_BACK, tail_must_go_by=False),
    _variant("the tail is known by end LSN and xid alone", _BEYOND_ROW, _ROLLED_BACK, tail_known_by_time=False),
    _variant("the tail is confirmed before it went by", _BEYOND_ROW, _ROLLED_BACK, nothing_confirmed_before_tail=False),
    _variant(
        "a keepalive beyond the unseen tail is taken for nothing",
        _DEAD_END,
        _ROLLED_BACK,
        keepalive_beyond_unseen_tail_refused=False,
    ),
    _variant(
        "a position of an earlier life is confirmed", _BEYOND_ROW, _ROLLED_BACK, inherited_positions_confirmed=True
    ),
    _variant(
        "the slot before the publication",
        _DEAD_END,
        Scope(setup=True, transactions=1, written=0),
        publication_before_slot=False,
    ),
    _variant(
        "children do not watch their parent",
        _DEAD_END,
        Scope(captures=2, faults=Faults(total=1, kill=1)),
        parent_watched=False,
    ),
    _variant("stream rows that the copy holds are kept", _DOUBLED, _COPY, copy_drops="nothing"),
    _variant("stream rows are dropped by end < S", _DOUBLED, _COPY, copy_drops="end < S"),
    _variant("stream rows are dropped by start <= S", _TORN, _COPY, copy_drops="start <= S"),
    _variant("the stream goes on during a copy", _TORN, _COPY, stream_waits_for_copy=False),
    _variant(
        "two warehouse transactions",
        "rows that the watermark does not cover",
        Scope(transactions=1, written=1),
        one_warehouse_transaction=False,
    ),
    _variant("no fence and no compare-and-set", _DOUBLED, _TWO_APPLIES, epoch_checked=False, watermark_checked=False),
    _variant("fence and watermark read before the transaction", _DOUBLED, _TWO_APPLIES, checked_inside=False),
    _variant(
        "a lost COMMIT reply is retried blindly",
        _DOUBLED,
        _COMMIT_LOST,
        doubtful_commit_reads=False,
        epoch_checked=False,
        watermark_checked=False,
    ),
    _variant(
        "a missing manifest is told without a second look at the watermark",
        _NEEDLESS,
        Scope(retention=True, applies=2, transactions=3, written=3),
        absence_rechecked=False,
    ),
    _variant("retention removes the newest manifest", _BEYOND, _PRUNED, retention="up to watermark, newest too"),
    _variant("retention by age", _BEYOND_ROW, _PRUNED, retention="by age"),
)
"""Each must be caught. What breaks first is what the shortest trace shows."""

_REPLIES: Final = WORLDS["two applies, kills, a lost COMMIT reply"]
SAFE: Final[tuple[Variant, ...]] = (
    _variant("compare-and-set without the fence", "", _REPLIES, epoch_checked=False),
    _variant("the fence without compare-and-set", "", _REPLIES, watermark_checked=False),
    _variant("a lost COMMIT reply retried blindly under compare-and-set", "", _REPLIES, doubtful_commit_reads=False),
    _variant(
        "a transaction below a recorded position is taken for new",
        "",
        WORLDS["disk rolled back, a kill"],
        position_is_evidence=False,
    ),
    _variant(
        "a lost PUT reply retried blindly: the own manifest is taken for another's, a restart",
        "",
        WORLDS["two captures, a kill, a cut, a lost PUT reply"],
        doubtful_put="exists means lost",
    ),
)
"""Belts beside braces: these hold too."""

_LATE_MANIFEST: Final = Scope(captures=2, transactions=1, others=1, written=0, faults=Faults(total=1, rolled_back=1))
_COPY_ROLLED_BACK: Final = Scope(copy=True, written=0, faults=Faults(total=1, rolled_back=1))
LIMITS: Final[tuple[Variant, ...]] = (
    _variant(
        "a manifest of the old history arrives after the disk was rolled back and the next capture had started",
        "rows of two histories",
        _LATE_MANIFEST,
    ),
    _variant(
        "a copy is newer than the point to which the disk is rolled back", "rows of two histories", _COPY_ROLLED_BACK
    ),
    _variant(
        "the disk is rolled back, then an operator moves the slot, to below a recorded position",
        _UNAPPLIED,
        Scope(others=1, written=0, faults=Faults(total=2, rolled_back=1, slot_moved=1)),
    ),
)
"""What the protocol does not see: known, told in docs/protocol.md. A test says so, lest one is mended unnoticed."""
MENDED: Final[tuple[Variant, ...]] = (
    _variant(
        "an empty batch at every start closes the door",
        "",
        _LATE_MANIFEST,
        start_puts_empty_batch=True,
        position_is_evidence=False,  # else a start can put its batch and be refused, again and again: no end of states
    ),
)
"""What a further rule would buy; for a nightly run."""
