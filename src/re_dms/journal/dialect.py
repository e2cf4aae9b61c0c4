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
from re_dms.journal.odd_texts import count_odd
from re_dms.journal.texts import Texts
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
    there = set(frame.columns)
    for column in relation.columns:
        if column.type.kind is not Kind.BYTEA and column.type.kind not in _TO_JSON:
            continue
        for name in (f"c{column.attnum}", f"f{column.attnum}"):
            if name not in there:
                continue
            if column.type.kind is Kind.BYTEA:
                changed.append(pl.col(name).str.strip_prefix("\\x"))
            else:
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


def odd_counts(rows: pl.DataFrame | Texts, relation: Relation) -> dict[str, int]:
    """Per attnum (as text), how many values of its `c` column a warehouse may not hold; zeros are left out.

    What is odd is told by `re_dms.odd`. Structured values are judged as JSON: call it after `encode`.
    """
    texts = rows if isinstance(rows, Texts) else Texts(rows)
    counts: dict[str, int] = {}
    unclear: dict[str, PgType] = {}
    for column in relation.columns:
        name = f"c{column.attnum}"
        if name not in texts.names:
            continue
        count = count_odd(texts, name, column.type)
        if count is None:
            unclear[name] = column.type
        elif count:
            counts[str(column.attnum)] = count
    tests = {name: suspect(pg, pl.col(name), longest=texts.longest(name)) for name, pg in unclear.items()}
    sums = [test.sum().alias(name) for name, test in tests.items() if test is not None]
    for name, suspected in texts.frame.select(sums).row(0, named=True).items() if sums else ():
        # The tests of JSON take some for odd that are not.
        exact = not suspected or unclear[name].kind not in JSON_KINDS
        counts[name[1:]] = int(suspected or 0) if exact else int(is_odd(unclear[name], texts.frame[name]).sum())
    attnums = (str(column.attnum) for column in relation.columns)
    return {attnum: counts[attnum] for attnum in attnums if counts.get(attnum)}
