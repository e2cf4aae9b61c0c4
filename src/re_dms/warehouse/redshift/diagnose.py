"""Why a COPY failed: Redshift's own record of it, and the key of the row, which the data file knows.

Redshift's words may quote the value and are not told; its code says the reason.
https://docs.aws.amazon.com/redshift/latest/dg/r_Load_Error_Reference.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from re_dms.errors import ReDmsError, ValueDoesNotFit, WarehouseError
from re_dms.manifest import DataFile
from re_dms.schema import Relation
from re_dms.warehouse.base import Files
from re_dms.warehouse.redshift.failures import ConnectionLost, Refused
from re_dms.warehouse.redshift.types import redshift_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from re_dms.warehouse.redshift.drivers import Session

KEY_TEXT_MAX: Final = 100

_REASONS: Final = {
    1204: "a value out of range, or too long",
    1205: "no date",
    1206: "no timestamp",
    1207: "not a digit",
    1208: "no float",
    1209: "no decimal",
    1210: "no boolean",
    1213: "NULL in a column that is NOT NULL",
    1216: "a row of more than 4 MB",
    1218: "a NUL byte",
    1220: "a character that is no UTF-8",
    1222: "an integer out of range",
    1224: "JSON that SUPER cannot hold",
}


def bad_load(
    session: Session, relation: Relation, files: Sequence[DataFile], at: Files, batch_words: str
) -> ReDmsError:
    """The error that names file, line, column, reason and key of what Redshift refused; the value is not told."""
    found = _recorded(session, files, at)
    if found is None:
        return WarehouseError(
            f"{relation.full_name}: COPY failed, and Redshift recorded no reason; {batch_words} was not loaded",
            remedy="see sys_load_error_detail in the warehouse; this user may lack the right to read it",
        )
    file, line, name, code = found
    reason = _REASONS.get(code, "see the code in AWS's table of load errors")
    where = f"file {file.key}, line {line}, code {code}: {reason}; {batch_words}"
    if name[:1] not in ("c", "f") or not name[1:].isdigit():
        return WarehouseError(
            f"{relation.full_name}: Redshift refused a row: {where}",
            remedy="see whether the journal's objects are whole; if not, run `re-dms reset`",
        )
    column = relation.column(int(name[1:]))
    return ValueDoesNotFit(
        f"{relation.full_name}: column {column.name!r} ({column.type.name})"
        f"{_key_words(relation, name, file, line, at)} holds a value that {redshift_type(column.type)} cannot "
        f"hold: {where}",
        remedy=f"change the value in the source and run `re-dms reset --table {relation.full_name}`, set a policy "
        f'(warehouse.policies = ["{relation.full_name}.{column.name}=null"]), or exclude the table',
    )


def _recorded(session: Session, files: Sequence[DataFile], at: Files) -> tuple[DataFile, int, str, int] | None:
    """File, line, column and code of the newest record about one of these files."""
    by_url = {at.url(file.key): file for file in files}
    try:
        rows = session.execute(
            "select file_name, line_number, column_name, error_code from sys_load_error_detail "
            "order by start_time desc limit 100"
        ).rows
    except (Refused, ConnectionLost):
        return None
    for url, line, name, code in rows:
        if url.strip() in by_url:
            return by_url[url.strip()], int(line), str(name or "").strip(), int(code)
    return None


def _key_words(relation: Relation, name: str, file: DataFile, line: int, at: Files) -> str:
    if not relation.key:
        return ""
    try:
        row = _row(at.read(file), name, line)
    except ReDmsError:
        return ""
    if row is None:
        return ""
    names = ", ".join(relation.column(attnum).name for attnum in relation.key)
    texts = [row[f"c{attnum}"] for attnum in relation.key]
    text = ", ".join("NULL" if each is None else each for each in texts)[:KEY_TEXT_MAX]
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return f" of the row with key ({names})=({shown})"


def _row(frame: pl.DataFrame, name: str, line: int) -> dict[str, Any] | None:
    """The row at that line of the file. Quoted line breaks count as lines."""
    import polars as pl

    breaks = frame.select(
        pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0)) + 1
    ).to_series()
    ends = breaks.cum_sum()
    at = int(ends.search_sorted(line, side="left"))
    if at >= frame.height or frame[name][at] is None:
        return None
    return frame.row(at, named=True)
