"""Fold the events of a keyed table to the last state of every touched key."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.compact.chains import Said, follow
from re_dms.compact.folded import DELETE, new, new_columns, old, origin
from re_dms.compact.normalise import Events, normalise
from re_dms.schema import Relation

_OPS: Final = pl.Series("op", ["U", "D"])
_FEW_ROWS_MAX: Final = 1_000


def fold_keyed(relation: Relation, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """One row per touched key, in the order of the last change, deletes of keys that rows moved away from at the end;
    and the rows per op.

    Every key that an event names is touched, so a row that lives and dies within the segment still gives a delete.
    The key must be unique at every moment, as it is for a replica identity (never for a deferrable constraint).
    """
    events = normalise(relation, frame)
    if events.moved is None:
        rows, left = _last(_key(relation), events.frame), np.empty(0, dtype=np.int64)
    else:
        steps = _steps(relation, events)
        last = steps["at"].to_numpy()[_last(_key(relation), steps)]
        rows, left = last[last & 1 == 1] >> 1, last[last & 1 == 0] >> 1
    said = follow(relation, events, _steps(relation, events), rows) if events.unsent else None
    folded, ops = _states(relation, events.frame, rows, said)
    if len(left):
        folded = pl.concat([folded, _left(relation, events.frame, left, folded.columns)])
        ops["D"] += len(left)
    return folded, {op: count for op, count in ops.items() if count}


def _last(key: list[str], frame: pl.DataFrame) -> npt.NDArray[np.int64]:
    """The rows behind which their key does not stand again, in order."""
    if frame.height <= _FEW_ROWS_MAX and _are_unique(key, frame):
        return np.arange(frame.height)
    names: list[pl.Expr] = [pl.col(name) for name in key]
    whole = names[0] if len(names) == 1 else pl.struct(names)
    return frame.select(whole.is_last_distinct().arg_true().cast(pl.Int64)).to_series().to_numpy()


def _are_unique(key: list[str], frame: pl.DataFrame) -> bool:
    """Whether no key stands twice; for a few rows this costs less than a query does to start."""
    if len(key) == 1:
        return frame[key[0]].n_unique() == frame.height
    return frame.height == 1 or bool(frame[key].is_unique().all())


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


def _states(
    relation: Relation, frame: pl.DataFrame, rows: npt.NDArray[np.int64], said: Said | None
) -> tuple[pl.DataFrame, dict[str, int]]:
    deleted = frame["op"].to_numpy() == DELETE
    last = frame[new_columns(relation)]
    if len(rows) < frame.height:
        last, deleted = last[rows], deleted[rows]
    deletes = int(np.count_nonzero(deleted))
    mixed = 0 < deletes < len(rows)
    op = _OPS[deleted.astype(np.uint32)] if mixed else _OPS.new_from_index(1 if deletes else 0, len(rows))
    ops = {"U": len(rows) - deletes, "P": 0, "D": deletes}
    if said is None:
        return last.insert_column(0, op), ops
    last = last.with_columns(frame[new(attnum)][source].alias(new(attnum)) for attnum, source in said.rows.items())
    if said.mask is None:
        return last.insert_column(0, op), ops
    partial = len(said.mask) - said.mask.null_count()
    last = last.with_columns(op, said.mask, *said.origins).select(
        pl.when(pl.col("mask").is_not_null()).then(pl.lit("P")).otherwise("op").alias("op"),
        "mask",
        *(origin(attnum) for attnum in relation.key),
        *new_columns(relation),
    )
    return last, ops | {"U": ops["U"] - partial, "P": partial}


def _left(relation: Relation, frame: pl.DataFrame, rows: npt.NDArray[np.int64], columns: list[str]) -> pl.DataFrame:
    """Deletes of the keys that the rows moved away from, and that nobody took again."""
    keys = {new(attnum): pl.col(old(attnum)).alias(new(attnum)) for attnum in relation.key}
    nothing = pl.lit(None, dtype=pl.String)
    return frame[rows].select(
        pl.lit("D").alias("op"), *(keys.get(column, nothing.alias(column)) for column in columns if column != "op")
    )
