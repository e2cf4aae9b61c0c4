"""Fold what was folded: the changes of consecutive segments of one relation become those of one, in columns. Pure.

Within a segment all rows apply at once; the segments apply in turn. A row's values that were not sent stand where its
key, or the key that it left, was touched last in the segments before. A step back always leads to an earlier segment, so
following takes no more rounds than there are segments, whatever the keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.compact.folded import column_names, copy_again, mask_of, new, new_columns, origin
from re_dms.errors import InvariantError, SourceError
from re_dms.schema import KeyKind, Relation

Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_PART: Final = "part"
_PARTS_MAX: Final = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Refolded:
    """The fold of several segments. `frame` has the columns of a data file, as `Folded.frame`; `ops` counts its rows per
    op (no zeros). Both are empty when the segments cancel each other out."""

    frame: pl.DataFrame
    ops: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the last rows, of which there is one an entry, do not say themselves.

    `rows`: per attnum the rows whose value it is (for one that nobody said, a row where it is NULL).
    `missing`: per attnum whether nobody said it. `roots`: the partial row that a row's unsent values lead to, or -1.
    """

    rows: dict[int, Positions]
    missing: dict[int, Flags]
    roots: Positions


def refold(relation: Relation, frames: Sequence[pl.DataFrame]) -> Refolded:
    """One frame that does what `frames` (data files' rows, all String, in order) do one after the other.

    KEYED: the last row per key, every touched key stays touched; a `P` is completed from the segments before it, what
    nobody said stays unsent under the key that the row had before all of them. COUNTED: net copies per distinct row.
    APPEND: all rows. The order of the output depends on the input alone. Raises SourceError, naming table and columns
    but no values, when unsent values lead to a row that was deleted before; InvariantError for no frames.
    """
    if not frames:
        raise InvariantError(f"{relation.full_name}: there is nothing to fold")
    match relation.key_kind:
        case KeyKind.KEYED:
            frame = _keyed(relation, _laid_out(frames))
        case KeyKind.COUNTED:
            frame = _counted(relation, _laid_out(frames))
        case KeyKind.APPEND:
            frame = pl.concat([frame.select("op", *new_columns(relation)) for frame in frames])
        case _:
            assert_never(relation.key_kind)
    return Refolded(frame=frame, ops=dict(frame["op"].value_counts(sort=True).iter_rows()))


def _laid_out(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows in order, with the number of their frame; columns that a frame lacks are NULL."""
    numbered = [frame.with_columns(pl.lit(part, dtype=pl.Int64).alias(_PART)) for part, frame in enumerate(frames)]
    return pl.concat(numbered, how="diagonal", rechunk=True)


def _counted(relation: Relation, steps: pl.DataFrame) -> pl.DataFrame:
    columns = new_columns(relation)
    copies = pl.col("n").cast(pl.Int64)
    signed = steps.select(
        *columns,
        n=pl.when(pl.col("op") == "I").then(copies).otherwise(-copies),
        at=pl.int_range(pl.len(), dtype=pl.Int64),
    )
    net = signed.group_by(columns).agg(pl.col("n").sum(), pl.col("at").max()).filter(pl.col("n") != 0).sort("at")
    op = pl.when(pl.col("n") > 0).then(pl.lit("I")).otherwise(pl.lit("X"))
    return net.select(op.alias("op"), pl.col("n").abs().cast(pl.String), *columns)


def _keyed(relation: Relation, steps: pl.DataFrame) -> pl.DataFrame:
    key = [new(attnum) for attnum in relation.key]
    at = steps.select(*key, at=pl.int_range(pl.len(), dtype=pl.Int64))
    last = at.group_by(key).agg(pl.col("at").max())["at"].sort().to_numpy()
    frame = steps.select("op", *new_columns(relation))[last]
    found = _follow(relation, steps, last) if "mask" in steps.columns else None
    if found is None:
        return frame
    frame = frame.with_columns(
        steps[new(attnum)].gather(rows).alias(new(attnum)) for attnum, rows in found.rows.items()
    )
    whole = pl.when(pl.col("op") == "P").then(pl.lit("U")).otherwise("op").alias("op")
    mask = mask_of(found.missing)
    if mask is None:
        return frame.with_columns(whole)
    roots = pl.Series(found.roots).set(pl.Series(found.roots < 0), None)
    origins = [steps[origin(attnum)].gather(roots).alias(origin(attnum)) for attnum in relation.key]
    return frame.with_columns(mask, *origins).select(
        pl.when(pl.col("mask").is_not_null()).then(pl.lit("P")).otherwise(whole).alias("op"),
        "mask",
        *(origin(attnum) for attnum in relation.key),
        *new_columns(relation),
    )


def _follow(relation: Relation, steps: pl.DataFrame, last: Positions) -> _Found | None:
    """Complete the last rows from the rows before them; None when they all are whole already."""
    mask, op = steps["mask"], steps["op"]
    needs = mask.gather(last)
    if needs.null_count() == len(needs):
        return None
    before, gone = _before(relation, steps), (op == "D").to_numpy()
    rows: dict[int, Positions] = {}
    missing: dict[int, Flags] = {}
    roots = np.full(len(last), -1, dtype=np.int64)
    for attnum, silent in _silent(mask).items():
        need = silent[last]
        end = last[need]
        while (further := silent[end] & (before[end] >= 0)).any():
            end[further] = before[end[further]]
        if gone[end].any():
            raise SourceError(
                f"{relation.full_name}: a change leaves out the value of column {column_names(relation, (attnum,))} "
                f"of a row that was deleted before (found by key {column_names(relation, relation.key)})",
                remedy=copy_again(relation),
            )
        rows[attnum], missing[attnum] = last.copy(), np.zeros(len(last), dtype=np.bool_)
        rows[attnum][need], missing[attnum][need] = end, silent[end]
        # All columns of a row that nobody said lead to the same row: the first that the segments know of it.
        roots[missing[attnum]] = end[silent[end]]
    return _Found(rows=rows, missing=missing, roots=roots)


def _before(relation: Relation, steps: pl.DataFrame) -> Positions:
    """Per row the one that its unsent values stand in: that of its origin's key, in the nearest frame before its own that
    touches it. -1 where there is none, and for all rows but partial ones."""
    key, left = [new(attnum) for attnum in relation.key], [origin(attnum) for attnum in relation.key]
    at = pl.int_range(pl.len(), dtype=pl.Int64).alias("at")
    partial = steps.select(*left, _PART, at, "op").filter(pl.col("op") == "P")
    chains = partial.select(pl.col(old).alias(now) for old, now in zip(left, key, strict=True)).unique()
    chains = chains.with_columns(chain=pl.int_range(pl.len(), dtype=pl.Int64))
    touched = steps.select(*key, _PART, at).join(chains, on=key, maintain_order="left")
    wanted = partial.join(chains, left_on=left, right_on=key, maintain_order="left")
    code = pl.col("chain") * _PARTS_MAX + pl.col(_PART)
    touched = touched.select("chain", "at", code=code).sort("code")
    place = np.searchsorted(touched["code"].to_numpy(), wanted.select(code).to_series().to_numpy()) - 1
    # One that stands in another chain is of another key: the first row of a chain has none before it.
    same = (place >= 0) & (touched["chain"].to_numpy()[place] == wanted["chain"].to_numpy())
    before = np.full(steps.height, -1, dtype=np.int64)
    before[wanted["at"].to_numpy()[same]] = touched["at"].to_numpy()[place[same]]
    return before


def _silent(mask: pl.Series) -> dict[int, Flags]:
    """Per attnum, ascending, the rows that do not say its value. Distinct masks are few: an UPDATE statement gives one."""
    texts: dict[int, list[str]] = {}
    for text in mask.drop_nulls().unique():
        for attnum in text.split(","):
            texts.setdefault(int(attnum), []).append(text)
    return {attnum: mask.is_in(texts[attnum]).fill_null(value=False).to_numpy() for attnum in sorted(texts)}
