"""Raw Postgres text → the journal's dialect 1, as expressions on whole columns.

bytea becomes bare hex; arrays, hstores and composites become JSON; every other text stays as Postgres printed it (json and
ranges too). Which values a warehouse may not hold is counted, not changed: what to do about them is apply's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import polars as pl

from re_dms.journal.json_forms import arrays, composites, hstores
from re_dms.odd import JSON_KINDS, is_odd, suspect
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Relation

_TO_JSON: Final[dict[Kind, Callable[[pl.Series, PgType, str], pl.Series]]] = {
    Kind.ARRAY: arrays,
    Kind.HSTORE: hstores,
    Kind.COMPOSITE: composites,
}


def encode(frame: pl.DataFrame, relation: Relation) -> pl.DataFrame:
    """The frame with its `c<attnum>` and `f<attnum>` columns in the journal's dialect; all else passes unchanged.

    What becomes JSON, and how, is told by `json_forms`. Raises DecodeError for a text that is no value of its type.
    """
    changed: list[pl.Expr | pl.Series] = []
    for column in relation.columns:
        for name in (f"c{column.attnum}", f"f{column.attnum}"):
            if name not in frame.columns:
                continue
            if column.type.kind is Kind.BYTEA:
                changed.append(pl.col(name).str.strip_prefix("\\x"))
            elif column.type.kind in _TO_JSON:
                where = f"column {column.name!r} of {relation.full_name}"
                changed.append(_TO_JSON[column.type.kind](frame[name], column.type, where))
    return frame.with_columns(changed) if changed else frame


def encode_missing(relation: Relation) -> Relation:
    """The relation with the constants of its added columns (`Column.missing`, as Postgres prints them) in the dialect."""
    constants = {f"c{column.attnum}": [column.missing] for column in relation.columns if column.missing is not None}
    if not constants:
        return relation
    encoded = encode(pl.DataFrame(constants, schema=dict.fromkeys(constants, pl.String)), relation).row(0, named=True)
    columns = tuple(
        replace(column, missing=encoded.get(f"c{column.attnum}", column.missing)) for column in relation.columns
    )
    return replace(relation, columns=columns)


def odd_counts(frame: pl.DataFrame, relation: Relation) -> dict[str, int]:
    """Per attnum (as text), how many values of its `c` column a warehouse may not hold; zeros are left out.

    What is odd is told by `re_dms.odd`. Structured values are judged as JSON: call it after `encode`.
    """
    tests, types = [], {}
    for column in relation.columns:
        name = f"c{column.attnum}"
        test = suspect(column.type, pl.col(name)) if name in frame.columns else None
        if test is not None:
            tests.append(test.sum().alias(str(column.attnum)))
            types[str(column.attnum)] = column.type
    if not tests:
        return {}
    counts = {attnum: int(count or 0) for attnum, count in frame.select(tests).row(0, named=True).items()}
    for attnum, pg in types.items():
        if counts[attnum] and pg.kind in JSON_KINDS:  # the tests of JSON take some for odd that are not
            counts[attnum] = int(is_odd(pg, frame[f"c{attnum}"]).sum())
    return {attnum: count for attnum, count in counts.items() if count}
