"""What a fold gives, and the names of the columns that it reads and writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.manifest import Counts
from re_dms.schema import Relation

INSERT: Final = ord("I")
UPDATE: Final = ord("U")
DELETE: Final = ord("D")


@dataclass(frozen=True, kw_only=True)
class Folded:
    """The folded changes of one segment of one table.

    `frame` has the columns of a data file, in a file's order: `op`, then where it has them `n`, `mask` and `f<attnum>`
    (in key order), then `c<attnum>` of all columns in the relation's order; all of them String. Its values are windows
    on the buffer that the events came from. `ops` counts the rows per op (no zeros). `counts` counts the input.
    """

    frame: pl.DataFrame
    ops: dict[str, int]
    counts: Counts


def new(attnum: int) -> str:
    """The column of the values after the change."""
    return f"c{attnum}"


def old(attnum: int) -> str:
    """The column of the old tuple's values."""
    return f"k{attnum}"


def unsent(attnum: int) -> str:
    """The column that marks values that Postgres did not send."""
    return f"u{attnum}"


def origin(attnum: int) -> str:
    """The column of the key that a partial row had before the segment."""
    return f"f{attnum}"


def new_columns(relation: Relation) -> list[str]:
    """The value columns in the relation's order."""
    return [new(column.attnum) for column in relation.columns]


def column_names(relation: Relation, attnums: Iterable[int]) -> str:
    """The columns' names, for messages."""
    names = {column.attnum: column.name for column in relation.columns}
    return ", ".join(repr(names[attnum]) for attnum in attnums)


def copy_again(relation: Relation) -> str:
    """The remedy for a table whose stream cannot be folded."""
    return f"copy the table again: re-dms reset --table {relation.full_name}"


def mask_of(missing: Mapping[int, npt.NDArray[np.bool_]]) -> pl.Series | None:
    """The `mask` column: attnums of missing values joined by commas, NULL where nothing is missing; None when nothing is."""
    flags = pl.DataFrame({str(attnum): flag for attnum, flag in missing.items() if flag.any()})
    if not flags.width:
        return None
    named = [pl.when(name).then(pl.lit(name)) for name in flags.columns]
    return flags.select(
        mask=pl.when(pl.any_horizontal(flags.columns)).then(pl.concat_str(named, separator=",", ignore_nulls=True))
    )["mask"]
