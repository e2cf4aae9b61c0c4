"""The fold of one segment of one table: between two schema changes or truncates, or a part of that."""

from __future__ import annotations

from typing import assert_never

import numpy as np
import polars as pl

from re_dms.compact.folded import DELETE, INSERT, UPDATE, Folded, new_columns
from re_dms.compact.keyed import fold_keyed
from re_dms.compact.unkeyed import fold_append, fold_counted
from re_dms.manifest import Counts
from re_dms.schema import KeyKind, Relation


def fold(relation: Relation, frame: pl.DataFrame) -> Folded:
    """Fold an event frame (`decode`'s, in stream order) to what the warehouse has to do: see `manifest.Changes`.

    KEYED: one row per touched key, `U`, `P` or `D`. COUNTED: net copies per distinct row, `I` or `X` with `n`.
    APPEND: the inserts as they came, `I`. Folds of consecutive frames applied in order have the same end as the fold
    of their concatenation. Pure; the output's order depends on the input alone.

    Raises SourceError, naming table and columns but no values, when the stream cannot be folded: an unsent value of a
    row that cannot exist, a key column without a value, an old row that is not whole, an update where none can be.
    """
    counts = _counts(frame)
    if frame.is_empty():
        folded = pl.DataFrame(schema=dict.fromkeys(["op", *new_columns(relation)], pl.String))
        return Folded(frame=folded, ops={}, counts=counts)
    match relation.key_kind:
        case KeyKind.KEYED:
            folded, ops = fold_keyed(relation, frame)
        case KeyKind.COUNTED:
            folded = fold_counted(relation, frame)
            ops = dict(folded["op"].value_counts(sort=True).iter_rows())
        case KeyKind.APPEND:
            folded = fold_append(relation, frame)
            ops = {"I": folded.height}
        case _:
            assert_never(relation.key_kind)
    return Folded(frame=folded, ops=ops, counts=counts)


def _counts(frame: pl.DataFrame) -> Counts:
    count = np.bincount(frame["op"].to_numpy(), minlength=UPDATE + 1)
    return Counts(inserts=int(count[INSERT]), updates=int(count[UPDATE]), deletes=int(count[DELETE]))
