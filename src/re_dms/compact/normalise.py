"""Make the events of a keyed table alike: what the old tuple tells is filled in, a key is where a key belongs."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from re_dms.compact.folded import DELETE, UPDATE, column_names, copy_again, new, old, unsent
from re_dms.errors import SourceError
from re_dms.schema import KeyKind, Relation


@dataclass(frozen=True, kw_only=True)
class Events:
    """Events of a keyed table, in stream order, after filling.

    `frame`: `op`, the `c` columns (a delete's key stands in them), `u` columns that still mark something, the key's
    `k` columns if any row has an old tuple. Key columns hold no NULL.
    `moved`: updates that change the key, None when there is none.
    `unsent`: attnums with values that nobody sent, never of the key, in the relation's order.
    """

    frame: pl.DataFrame
    moved: pl.Series | None
    unsent: tuple[int, ...]


def fill_unsent(relation: Relation, frame: pl.DataFrame) -> pl.DataFrame:
    """Fill unsent values from the old tuple where it holds their column; a delete's key goes into its `c` columns.

    A `K` tuple holds the key's columns only, an `O` tuple holds all. Neither ever has unsent values itself: Postgres
    detoasts what it logs (ExtractReplicaIdentity in src/backend/access/heap/heapam.c).
    """
    deleted = pl.col("op") == DELETE
    filled: list[pl.Expr] = []
    there = set(frame.columns)
    for column in relation.columns:
        attnum = column.attnum
        if old(attnum) not in there and unsent(attnum) not in there:
            continue
        in_key = attnum in relation.key
        here: pl.Expr | None = deleted if in_key and relation.key_kind is KeyKind.KEYED else None
        if unsent(attnum) in there:
            told = pl.lit(False)
            if old(attnum) in there:
                told = pl.col("old") != 0 if in_key else pl.col("old") == ord("O")
            take = pl.col(unsent(attnum)) & told
            here = take if here is None else here | take
            filled.append((pl.col(unsent(attnum)) & ~told & ~deleted).alias(unsent(attnum)))
        if here is not None and old(attnum) in there:
            filled.append(pl.when(here).then(old(attnum)).otherwise(new(attnum)).alias(new(attnum)))
    return frame.with_columns(filled) if filled else frame


def normalise(relation: Relation, frame: pl.DataFrame) -> Events:
    """The events of a KEYED table. Raises SourceError when a key column has no value."""
    frame = fill_unsent(relation, frame)
    moved = _moved(relation, frame)
    for attnum in relation.key:
        # Replica identity columns are NOT NULL. Minor releases before mid-2022 left an unchanged TOASTed key column
        # out of an UPDATE altogether ("WAL log unchanged toasted replica identity key attributes").
        if frame[new(attnum)].null_count() or (moved is not None and frame[old(attnum)].filter(moved).null_count()):
            raise SourceError(
                f"{relation.full_name}: a change came without the value of the key column "
                f"{column_names(relation, (attnum,))}",
                remedy=copy_again(relation),
            )
    there = set(frame.columns)
    marked = tuple(
        column.attnum
        for column in relation.columns
        if column.attnum not in relation.key and unsent(column.attnum) in there and frame[unsent(column.attnum)].any()
    )
    return Events(frame=frame, moved=moved, unsent=marked)


def _moved(relation: Relation, frame: pl.DataFrame) -> pl.Series | None:
    # An insert has no old tuple, and a delete's key columns are the old tuple's by now: only updates can differ.
    # `K` does not mean that the key changed (a TOASTed key is always sent with it), nor does `O`: the values decide.
    there = set(frame.columns)
    if any(old(attnum) not in there for attnum in relation.key):
        return None
    updated = frame["op"].to_numpy() == UPDATE
    if not frame["old"].to_numpy()[updated].any():
        return None
    differs = pl.any_horizontal(pl.col(old(attnum)).ne_missing(pl.col(new(attnum))) for attnum in relation.key)
    moved = frame.select(moved=(pl.col("old") != 0) & differs)["moved"]
    return moved if moved.any() else None
