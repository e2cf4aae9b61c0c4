"""Fold the events of a keyed table to the last state of every touched key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.compact.chains import Said, follow
from re_dms.compact.folded import DELETE, new, new_columns, old, origin
from re_dms.compact.normalise import Events, normalise
from re_dms.schema import Relation


def fold_keyed(relation: Relation, frame: pl.DataFrame) -> pl.DataFrame:
    """One row per touched key, in the order of the last change, deletes of keys that rows moved away from at the end.

    Every key that an event names is touched, so a row that lives and dies within the segment still gives a delete.
    The key must be unique at every moment, as it is for a replica identity (never for a deferrable constraint).
    """
    events = normalise(relation, frame)
    steps = _steps(relation, events)
    last = steps.group_by(_key(relation)).agg(pl.col("at").max())["at"].sort().to_numpy()
    rows = last[last & 1 == 1] >> 1
    said = follow(relation, events, steps, rows) if events.unsent else None
    folded = _states(relation, events.frame, rows, said)
    left = last[last & 1 == 0] >> 1
    return pl.concat([folded, _left(relation, events.frame, left, folded.columns)]) if len(left) else folded


def _key(relation: Relation) -> list[str]:
    return [new(attnum) for attnum in relation.key]


def _steps(relation: Relation, events: Events) -> pl.DataFrame:
    """What happened to which key: the key's columns and `at`, in stream order.

    An event is one step at 2 * row + 1. One that changes the key is two: the old key goes at 2 * row, just before.
    """
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    steps = events.frame.select(*_key(relation), at=row * 2 + 1)
    if events.moved is None:
        return steps
    left = events.frame.select(*(pl.col(old(attnum)).alias(new(attnum)) for attnum in relation.key), at=row * 2)
    return pl.concat([steps, left.filter(events.moved)]).sort("at")


def _states(relation: Relation, frame: pl.DataFrame, rows: npt.NDArray[np.int64], said: Said | None) -> pl.DataFrame:
    deleted = pl.col("op") == DELETE
    last = frame.select("op", *new_columns(relation))[rows]
    if said is None:
        return last.with_columns(op=pl.when(deleted).then(pl.lit("D")).otherwise(pl.lit("U")))
    last = last.with_columns(frame[new(attnum)][source].alias(new(attnum)) for attnum, source in said.rows.items())
    if said.mask is None:
        return last.with_columns(op=pl.when(deleted).then(pl.lit("D")).otherwise(pl.lit("U")))
    partial = pl.col("mask").is_not_null()
    op = pl.when(partial).then(pl.lit("P")).when(deleted).then(pl.lit("D")).otherwise(pl.lit("U"))
    return last.with_columns(said.mask, *said.origins).select(
        op.alias("op"), "mask", *(origin(attnum) for attnum in relation.key), *new_columns(relation)
    )


def _left(relation: Relation, frame: pl.DataFrame, rows: npt.NDArray[np.int64], columns: list[str]) -> pl.DataFrame:
    """Deletes of the keys that the rows moved away from, and that nobody took again."""
    keys = {new(attnum): pl.col(old(attnum)).alias(new(attnum)) for attnum in relation.key}
    nothing = pl.lit(None, dtype=pl.String)
    return frame[rows].select(
        pl.lit("D").alias("op"), *(keys.get(column, nothing.alias(column)) for column in columns if column != "op")
    )
