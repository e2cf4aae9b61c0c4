"""Who said the values that an update did not send: follow rows back through updates and key changes, in columns.

An UPDATE that leaves a TOASTed value alone does not send it; the value is what the row had before. The row before is
the previous step of the same key, or, when this update changed the key, the previous step of the key that it left.
Following is pointer doubling: each round every step points twice as far back, so a chain of n updates takes log2(n)
rounds whatever its keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.compact.folded import DELETE, column_names, copy_again, mask_of, new, old, origin, unsent
from re_dms.compact.normalise import Events
from re_dms.errors import SourceError
from re_dms.schema import Relation

Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Said:
    """Where the last rows' values stand, one entry a last row.

    `rows`: per attnum the rows whose value it is (for an unsent one a row where it is NULL).
    `mask`: still unsent attnums joined by commas, NULL for whole rows and deletes; None when every row is whole.
    `origins`: `f` columns, filled where the mask is.
    """

    rows: dict[int, Positions]
    mask: pl.Series | None
    origins: list[pl.Series]


@dataclass(frozen=True, kw_only=True)
class _Chains:
    """The steps of those keys that unsent values lead through, key by key, each key's in stream order.

    `at` is a step's place in the stream and `place` finds the step at a place, `row` its event; `before` is the step
    before, -1 at a chain's start; `gone` ends a row, `moved` goes on from the key that its event left.
    """

    keys: pl.DataFrame
    at: Positions
    place: Positions
    row: Positions
    before: Positions
    gone: Flags
    moved: Flags


def follow(relation: Relation, events: Events, steps: pl.DataFrame, rows: Positions) -> Said | None:
    """Complete the last rows `rows` within the segment; None when they all are whole already.

    An INSERT can have unsent values too (an UPDATE that a row filter turned into one): it stands on the row of its
    own key. Raises SourceError when unsent values lead to a row that was deleted before.
    """
    needs = {attnum: _flags(events.frame[unsent(attnum)])[rows] for attnum in events.unsent}
    needy = np.logical_or.reduce(list(needs.values()))
    if not needy.any():
        return None
    chains = _chains(relation, events, steps, rows[needy])
    start = chains.place[rows * 2 + 1]
    sources: dict[int, Positions] = {}
    missing: dict[int, Flags] = {}
    roots = np.full(len(rows), -1, dtype=np.int64)
    for attnum, need in needs.items():
        silent = _flags(events.frame[unsent(attnum)])[chains.row] & ~chains.gone
        end = _ends(np.where(silent & (chains.before >= 0), chains.before, np.arange(len(silent))))[start[need]]
        if chains.gone[end].any():
            raise SourceError(
                f"{relation.full_name}: a change leaves out the value of column {column_names(relation, (attnum,))} "
                f"of a row that was deleted before (found by key {column_names(relation, relation.key)})",
                remedy=copy_again(relation),
            )
        open_ = silent[end]
        sources[attnum] = rows.copy()
        sources[attnum][need] = chains.row[end]
        missing[attnum] = np.zeros(len(rows), dtype=np.bool_)
        missing[attnum][need] = open_
        # All columns of a row that nobody said lead to the same step: the first that the segment knows of it.
        roots[missing[attnum]] = end[open_]
    return Said(rows=sources, mask=mask_of(missing), origins=_origins(relation, chains, roots))


def _chains(relation: Relation, events: Events, steps: pl.DataFrame, needy: Positions) -> _Chains:
    """Only keys of needy rows, and keys that an update with unsent values left, can be on a chain."""
    key = [new(attnum) for attnum in relation.key]
    wanted = [events.frame.select(key)[needy]]
    if events.moved is not None:
        leaving = events.moved & pl.Series(
            np.logical_or.reduce([_flags(events.frame[unsent(attnum)]) for attnum in events.unsent])
        )
        wanted.append(
            events.frame.filter(leaving).select(pl.col(old(attnum)).alias(new(attnum)) for attnum in relation.key)
        )
    chained = pl.concat(wanted).unique().with_row_index("chain")
    keys = steps.join(chained, on=key, maintain_order="left").sort("chain", maintain_order=True)
    chain, at = keys["chain"].to_numpy(), keys["at"].to_numpy()
    place = np.full(events.frame.height * 2, -1, dtype=np.int64)
    place[at] = np.arange(len(at))
    before = np.arange(-1, len(at) - 1)
    before[1:][chain[1:] != chain[:-1]] = -1
    row, whole_event = at >> 1, at & 1 == 1
    moved = np.zeros(len(at), dtype=np.bool_)
    if events.moved is not None:
        moved = _flags(leaving)[row] & whole_event
        # What came before the same event's delete of the old key is the row's past.
        before[moved] = before[place[at[moved] - 1]]
    gone = ~whole_event | (events.frame["op"].to_numpy()[row] == DELETE)
    return _Chains(keys=keys, at=at, place=place, row=row, before=before, gone=gone, moved=moved)


def _ends(step: Positions) -> Positions:
    """Follow every pointer to a step that points at itself."""
    while True:
        further = step[step]
        if np.array_equal(further, step):
            return step
        step = further


def _flags(series: pl.Series) -> Flags:
    return series.to_numpy()


def _origins(relation: Relation, chains: _Chains, roots: Positions) -> list[pl.Series]:
    """The key that each partial row had before the segment: its chain's first. NULL where `roots` is -1."""
    known = roots >= 0
    # Where the first step changed the key, the key that it left stands at the place just before.
    first = chains.place[chains.at[roots] - chains.moved[roots]]
    where = pl.Series(first).set(pl.Series(~known), None)
    return [chains.keys[new(attnum)].gather(where).alias(origin(attnum)) for attnum in relation.key]
