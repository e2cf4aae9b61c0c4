"""The events of one relation in order: rows that were read table by table (a root's from each of its partitions), cut at
what happened between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import polars as pl

from re_dms.decode.decoded import TableEvents
from re_dms.errors import InvariantError
from re_dms.schema import Relation

_END: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows of one table under one layout, from line `first` on."""

    first: int
    relation: Relation
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Barrier:
    """At line `at`: the relation was emptied (no `diverged`), or something that cannot be followed."""

    at: int
    diverged: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The events of a relation, and its version behind them."""

    events: tuple[TableEvents, ...]
    relation: Relation


def timeline(
    pieces: Sequence[Piece], barriers: Sequence[Barrier], relation: Relation, *, tentative_from: int | None
) -> Timeline:
    """Everything of one relation in the order of the lines.

    `relation`: its version before the first of them. `tentative_from`: what happens from this line on is tentative.
    """
    points: list[tuple[int, Barrier | Relation | None]] = [(barrier.at, barrier) for barrier in barriers]
    now = relation
    for piece in sorted(pieces, key=lambda piece: piece.first):
        if piece.relation != now:
            now = piece.relation
            points.append((piece.first, now))
    if tentative_from is not None:
        points.append((tentative_from, None))
    points = sorted(points, key=lambda point: point[0])
    events: list[TableEvents] = []
    current = relation
    for (at, point), (following, _) in pairwise([(-1, None), *points, (_END, None)]):
        tentative = tentative_from is not None and at >= tentative_from
        match point:
            case Relation():
                current = point
            case Barrier():
                events.append(
                    TableEvents(
                        relation=current,
                        truncate=point.diverged is None,
                        frame=None,
                        diverged=point.diverged,
                        tentative=tentative,
                    )
                )
        frame = _between(pieces, at, following, current)
        if frame is not None:
            events.append(TableEvents(relation=current, frame=frame, tentative=tentative))
    return Timeline(events=tuple(events), relation=current)


def _between(pieces: Sequence[Piece], at: int, following: int, current: Relation) -> pl.DataFrame | None:
    """The rows of the lines from `at` up to `following`."""
    found: list[pl.DataFrame] = []
    for piece in pieces:
        seq = piece.frame["seq"]
        first, last = seq.search_sorted(at, side="left"), seq.search_sorted(following, side="left")
        if first == last:
            continue
        if piece.relation != current:
            raise InvariantError(f"{current.full_name}: rows of another version came after its columns had changed")
        found.append(piece.frame.slice(first, last - first))
    if len(found) < 2:
        return found[0] if found else None
    flags = [name for frame in found for name in frame.columns if name.startswith("u")]
    together = pl.concat(found, how="diagonal")
    return together.with_columns(pl.col(sorted(set(flags))).fill_null(value=False)).sort("seq")
