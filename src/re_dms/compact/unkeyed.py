"""Fold the events of tables whose rows have no key: whole rows with a count, or inserts alone."""

from __future__ import annotations

import polars as pl

from re_dms.compact.folded import DELETE, INSERT, UPDATE, column_names, copy_again, new, new_columns, old, unsent
from re_dms.compact.normalise import fill_unsent
from re_dms.errors import SourceError
from re_dms.schema import Relation


def fold_counted(relation: Relation, frame: pl.DataFrame) -> pl.DataFrame:
    """The net count of every distinct row (NULL equals NULL): `I` adds `n` copies, `X` takes `n` away.

    An update is the old row taken away and the new one added. Rows are the same when their texts are.
    """
    if frame.filter((pl.col("op") != INSERT) & (pl.col("old") != ord("O"))).height:
        raise SourceError(
            f"{relation.full_name}: an update or delete came without the whole old row, by which its rows are found",
            remedy=f"set REPLICA IDENTITY FULL, then {copy_again(relation)}",
        )
    frame = fill_unsent(relation, frame)
    _all_sent(relation, frame)
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    columns = new_columns(relation)
    added = frame.select("op", *columns, at=row * 2 + 1, n=pl.lit(1, dtype=pl.Int64)).filter(pl.col("op") != DELETE)
    rows = [added]
    if old(relation.columns[0].attnum) in frame.columns:
        before = [pl.col(old(column.attnum)).alias(new(column.attnum)) for column in relation.columns]
        taken = frame.select("op", *before, at=row * 2, n=pl.lit(-1, dtype=pl.Int64))
        rows.append(taken.filter(pl.col("op") != INSERT))
    net = pl.concat(rows).group_by(columns).agg(pl.col("n").sum(), pl.col("at").max())
    return (
        net.filter(pl.col("n") != 0)
        .sort("at")
        .select(
            pl.when(pl.col("n") > 0).then(pl.lit("I")).otherwise(pl.lit("X")).alias("op"),
            pl.col("n").abs().cast(pl.String),
            *columns,
        )
    )


def fold_append(relation: Relation, frame: pl.DataFrame) -> pl.DataFrame:
    """Every insert as `I`, in order. Raises SourceError for an update or delete: its row cannot be found."""
    op = frame["op"].to_numpy()
    if (op != INSERT).any():
        what = "an update" if (op == UPDATE).any() else "a delete"
        raise SourceError(
            f"{relation.full_name}: {what} came for a table without a key and without REPLICA IDENTITY FULL",
            remedy=f"give the table a primary key, then {copy_again(relation)}",
        )
    _all_sent(relation, frame)
    return frame[new_columns(relation)].insert_column(0, pl.Series("op", ["I"]).new_from_index(0, frame.height))


def _all_sent(relation: Relation, frame: pl.DataFrame) -> None:
    there = set(frame.columns)
    for column in relation.columns:
        if unsent(column.attnum) in there and frame[unsent(column.attnum)].any():
            raise SourceError(
                f"{relation.full_name}: a change leaves out the value of column "
                f"{column_names(relation, (column.attnum,))}, and the row cannot be found without a key",
                remedy=copy_again(relation),
            )
