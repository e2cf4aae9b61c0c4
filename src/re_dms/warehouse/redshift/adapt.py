"""Rows as Redshift can hold them: what does not fit becomes what its column's policy says, or stops the load by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from re_dms.errors import ValueDoesNotFit
from re_dms.manifest import DataFile
from re_dms.odd import NUMERIC_BYTES_MAX
from re_dms.pgtypes import Kind
from re_dms.schema import Column, Relation
from re_dms.warehouse.redshift.mending import JUDGED, judge
from re_dms.warehouse.redshift.policies import Policies, Policy, line_for
from re_dms.warehouse.redshift.types import SUPER, bytes_max, redshift_type

ROW_BYTES_MAX: Final = 4_000_000
"""A CSV line, of which Redshift takes 4 MB: https://docs.aws.amazon.com/redshift/latest/dg/amazon-redshift-limits.html"""
KEY_TEXT_MAX: Final = 100
ALTERED: Final = {"column": pl.String, "key": pl.String, "reason": pl.String, "policy": pl.String}

_LONG_ROW: Final = f"the longest value of a row of more than {ROW_BYTES_MAX:,} bytes"
_EMPTY_KEY: Final = "no byte at all, which COPY takes for NULL"
_FIELD_BYTES: Final = 3  # two quotes, and a comma or the line's end
_NULL_BYTES: Final = 32  # a bare token is shorter
_FITS: Final = frozenset({Kind.INTERVAL})  # odd for others; its text fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """The rows to load. `altered`: a row for each value that is another one now, by ALTERED; `key` is a JSON array of the
    row's key as text. `odd`: the attnums that are staged otherwise (`types.stage_type`, `types.value`): SUPER as such, with
    "" for NULL, and bytea with a byte in front, since COPY takes an empty one for NULL."""

    frame: pl.DataFrame
    altered: pl.DataFrame
    odd: frozenset[int]


def needs(relation: Relation, file: DataFile) -> frozenset[int]:
    """The attnums of the file whose values may not fit their Redshift type; a file without any is loaded as it is."""
    found = {int(attnum) for attnum in file.odd if _matters(relation.column(int(attnum)), file)}
    if file.row_bytes_max > ROW_BYTES_MAX:
        given = {int(name[1:]) for name in file.columns if name[0] == "c"}
        found |= {column.attnum for column in relation.columns if column.attnum in given and _is_long(relation, column)}
    return frozenset(found)


def _matters(column: Column, file: DataFile) -> bool:
    if column.type.kind is Kind.NUMERIC and bytes_max(column.type) is not None:
        return file.row_bytes_max > NUMERIC_BYTES_MAX  # NaN and infinities are text there
    return column.type.kind not in _FITS


def _is_long(relation: Relation, column: Column) -> bool:
    """Whether the column may have made the row long, and may be altered."""
    size = redshift_type(column.type) == SUPER or bytes_max(column.type)
    return column.attnum not in relation.key and (size is True or (size or 0) > NUMERIC_BYTES_MAX)


def adapt(
    frame: pl.DataFrame, relation: Relation, odd: frozenset[int], policies: Policies, *, batch_words: str
) -> Adapted:
    """The rows of a data file, with the columns `odd` (as `needs` says, of all files of a step) made to fit.

    NULLs that say nothing (what a D row is not told by, what a P row keeps) stay. Raises ValueDoesNotFit for the first
    value that does not fit and that no policy mends.
    """
    altered = [pl.DataFrame(schema={"row": pl.UInt32, **ALTERED})]
    columns = [column for column in relation.columns if column.attnum in odd and f"c{column.attnum}" in frame.columns]
    for column in columns:
        name = f"c{column.attnum}"
        if column.type.kind is Kind.BYTEA and column.attnum in relation.key and (frame[name] == "").any():
            row = (frame[name] == "").fill_null(value=False).arg_max()
            raise _refused(frame, relation, column, row or 0, _EMPTY_KEY, policies, batch_words)
        if column.type.kind is Kind.BPCHAR:
            frame = frame.with_columns(pl.col(name).str.strip_chars_end(" "))
        judged = judge(column.type, frame[name], policies.of(relation, column))
        if not judged["mended"].all():
            worst = judged.filter(~pl.col("mended")).row(0, named=True)
            raise _refused(frame, relation, column, worst["row"], worst["reason"], policies, batch_words)
        if judged.height:
            frame = frame.with_columns(frame[name].scatter(judged["row"], judged["value"]))
            altered.append(_recorded(judged, column))
    if columns:
        frame, shortened = _shortened(frame, relation, policies, batch_words)
        altered += shortened
    keys = _with_keys(pl.concat(altered), frame, relation)
    staged = {column.attnum: _staged(column) for column in columns if column.attnum not in relation.key}
    otherwise = {attnum: field for attnum, field in staged.items() if field is not None}
    return Adapted(frame=frame.with_columns(otherwise.values()), altered=keys, odd=frozenset(otherwise))


def _staged(column: Column) -> pl.Expr | None:
    """The field as it is staged when its file is odd; None where that makes no difference."""
    field = pl.col(f"c{column.attnum}")
    if redshift_type(column.type) == SUPER:
        return field.fill_null("")
    if column.type.kind is Kind.BYTEA:
        return pl.concat_str(pl.lit("00"), field).alias(f"c{column.attnum}")
    return None


def constants(relation: Relation, policies: Policies, *, batch_words: str) -> Relation:
    """The relation with the constants of its added columns (`Column.missing`, in the journal's dialect) made to fit.

    One that its policy makes NULL is None. Raises ValueDoesNotFit.
    """
    columns = []
    for column in relation.columns:
        judged = pl.DataFrame(schema=JUDGED)
        if column.missing is not None:
            judged = judge(column.type, pl.Series([column.missing]), policies.of(relation, column))
        if not judged.height:
            columns.append(column)
            continue
        found = judged.row(0, named=True)
        if not found["mended"]:
            raise _refused(None, relation, column, 0, found["reason"], policies, batch_words)
        columns.append(replace(column, missing=found["value"]))
    return replace(relation, columns=tuple(columns))


def _shortened(
    frame: pl.DataFrame, relation: Relation, policies: Policies, batch_words: str
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Rows whose line is too long lose their longest values, as far as those have the policy null. A loop over such rows."""
    lengths = pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.UInt64).fill_null(_NULL_BYTES))
    if 2 * (frame.select(lengths.max()).item() or 0) + _FIELD_BYTES * frame.width <= ROW_BYTES_MAX:
        return frame, []
    sizes = frame.select(_size(pl.col(name)).alias(name) for name in frame.columns)
    rows = sizes.select(pl.sum_horizontal(pl.all()) > ROW_BYTES_MAX).to_series().arg_true()
    altered = []
    alterable = [column for column in relation.columns if column.attnum not in relation.key] or relation.columns
    for row in rows:
        size = sizes.row(row, named=True)
        while sum(size.values()) > ROW_BYTES_MAX:
            column = max(alterable, key=lambda column: size.get(f"c{column.attnum}", 0))
            policy, name = policies.of(relation, column), f"c{column.attnum}"
            if policy is not Policy.NULL or size.get(name, 0) <= _NULL_BYTES + _FIELD_BYTES:
                raise _refused(frame, relation, column, row, _LONG_ROW, policies, batch_words)
            size[name] = _NULL_BYTES + _FIELD_BYTES
            frame = frame.with_columns(frame[name].scatter(row, None))
            one = pl.DataFrame([(row, None, _LONG_ROW, policy.value, True)], schema=JUDGED, orient="row")
            altered.append(_recorded(one, column))
    return frame, altered


def _size(field: pl.Expr) -> pl.Expr:
    """The bytes of a field in its CSV line: quotes are doubled."""
    size = field.str.len_bytes().cast(pl.UInt64) + field.str.count_matches('"', literal=True)
    return size.fill_null(_NULL_BYTES) + _FIELD_BYTES


def _recorded(judged: pl.DataFrame, column: Column) -> pl.DataFrame:
    return judged.select("row", pl.lit(column.name).alias("column"), pl.lit("").alias("key"), "reason", "policy")


def _with_keys(altered: pl.DataFrame, frame: pl.DataFrame, relation: Relation) -> pl.DataFrame:
    """`altered` without its rows' numbers, and with their keys."""
    parts: list[pl.Expr] = []
    for attnum in relation.key:
        value = pl.col(f"c{attnum}").str.replace_many(_ESCAPES)
        quoted = pl.concat_str(pl.lit('"'), value, pl.lit('"')).fill_null("null")
        parts += [pl.lit(","), quoted] if parts else [quoted]
    rows = frame[altered["row"]]
    keys = rows.select(pl.concat_str(pl.lit("["), *parts, pl.lit("]")).alias("key")).to_series()
    if len(keys) != altered.height:  # a table without a key: one literal
        keys = pl.repeat("[]", altered.height, eager=True)
    return altered.with_columns(keys.alias("key")).select(*ALTERED)


_ESCAPES: Final = {"\\": "\\\\", '"': '\\"'} | {chr(code): f"\\u{code:04x}" for code in range(0x20)}


def _refused(
    frame: pl.DataFrame | None,
    relation: Relation,
    column: Column,
    row: int,
    reason: str,
    policies: Policies,
    batch_words: str,
) -> ValueDoesNotFit:
    policy = policies.of(relation, column)
    whose = _key_words(frame, relation, row) if frame is not None else " as the constant of its older rows"
    tried = "" if policy is Policy.FAIL else f"; its policy {policy} has no way to mend it"
    ways = ["change the value in the source and run " + f"`re-dms reset --table {relation.full_name}`"]
    if column.attnum not in relation.key:
        ways.append(f"set a policy ({line_for(relation, column, Policy.NULL)})")
    return ValueDoesNotFit(
        f"{relation.full_name}: column {column.name!r} ({column.type.name}){whose} holds a value that "
        f"{redshift_type(column.type)} cannot hold: {reason}{tried}; {batch_words}",
        remedy=f"{', '.join(ways)}, or exclude the table",
    )


def _key_words(frame: pl.DataFrame, relation: Relation, row: int) -> str:
    if not relation.key:
        return ""
    names = ", ".join(relation.column(attnum).name for attnum in relation.key)
    values = frame.select(f"c{attnum}" for attnum in relation.key).row(row)
    text = ", ".join("NULL" if value is None else value for value in values)[:KEY_TEXT_MAX]
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return f" of the row with key ({names})=({shown})"
