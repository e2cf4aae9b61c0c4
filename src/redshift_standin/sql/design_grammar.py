"""A table's physical design: distribution, sort keys, encoding, backup; and what of it can be checked by itself.

Source: AWS Database Developer Guide, "CREATE TABLE" (r_CREATE_TABLE_NEW), "Working with data distribution styles",
"Working with sort keys".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from redshift_standin.errors import RedshiftError, refused, unknown
from redshift_standin.sql.ddl import ColumnDef, Design
from redshift_standin.sql.reader import Reader

SORT_COLUMNS_MAX: Final = 400
INTERLEAVED_COLUMNS_MAX: Final = 8
DIST_STYLES: Final = ("auto", "even", "key", "all")
NO_KEY_TYPES: Final = frozenset(("super", "varbyte"))
Fields = dict[str, Any]

# Postgres's table attributes that Redshift does not have.
_REFUSED: Final = ("inherits", "partition", "tablespace", "with", "without", "on", "using")


def read_design(reader: Reader) -> Design:
    """Table attributes in any order, each once; none is fine."""
    fields: Fields = {}
    while True:
        word = reader.token.value
        if reader.is_word(*_REFUSED):
            raise refused(f"CREATE TABLE … {word.upper()} is not supported")
        if not reader.is_word(*_ATTRIBUTES):
            return Design(**fields)
        new = _ATTRIBUTES[word](reader)
        if fields.keys() & new.keys():
            raise RedshiftError("42601", f"multiple {word.upper()} attributes specified for table")
        fields |= new


def read_sort_columns(reader: Reader, sort: str) -> tuple[str, ...]:
    """(column, …), not more than that kind of sort key may have."""
    columns = reader.expect_columns()
    most = INTERLEAVED_COLUMNS_MAX if sort == "interleaved" else SORT_COLUMNS_MAX
    if len(columns) > most:
        raise RedshiftError("54011", f"{sort} sort keys can have at most {most} columns")
    return columns


def check_design(design: Design, columns: Sequence[ColumnDef]) -> None:
    """Keys that are not there, that are doubled, or whose type cannot be a key."""
    by_name = {column.name: column for column in columns}
    distkeys = [*([design.distkey] if design.distkey else []), *(each.name for each in columns if each.distkey)]
    sortkeys = [each.name for each in columns if each.sortkey]
    if len(distkeys) > 1:
        raise RedshiftError("42601", "only one column can be the DISTKEY of a table")
    if len(sortkeys) > 1 or (sortkeys and design.sort):
        raise RedshiftError("42601", "SORTKEY of more than one column has to be written as a table attribute")
    check_style(design, distkey=bool(distkeys))
    for name in (*distkeys, *design.sortkey, *sortkeys):
        if name not in by_name:
            raise RedshiftError("42703", f'column "{name}" named in key does not exist')
        if by_name[name].type.name in NO_KEY_TYPES:
            kind = "distribution" if name in distkeys else "sort"
            raise refused(f'column "{name}" of type {by_name[name].type.name} cannot be a {kind} key')
    if design.encode_auto and any(column.encode not in ("", "auto") for column in columns):
        raise unknown("ENCODE AUTO of a table beside the encoding of a column")


def check_style(design: Design, *, distkey: bool) -> None:
    """DISTSTYLE KEY and a DISTKEY belong together."""
    if design.diststyle == "key" and not distkey:
        raise RedshiftError("42601", "DISTSTYLE KEY needs a DISTKEY")
    if distkey and design.diststyle not in ("", "key"):
        raise RedshiftError("42601", f"DISTKEY cannot be used with DISTSTYLE {design.diststyle.upper()}")


def _diststyle(reader: Reader) -> Fields:
    reader.expect("diststyle")
    word = reader.accept_any(*DIST_STYLES)
    if not word:
        reader.fail()
    return {"diststyle": word}


def _distkey(reader: Reader) -> Fields:
    reader.expect("distkey")
    columns = reader.expect_columns()
    if len(columns) > 1:
        raise RedshiftError("42601", "only one column can be the DISTKEY of a table")
    return {"distkey": columns[0]}


def _sortkey(reader: Reader) -> Fields:
    sort = reader.accept_any("compound", "interleaved")
    reader.expect("sortkey")
    if not sort and reader.accept("auto"):
        return {"sort": "auto"}
    sort = sort or "compound"
    return {"sort": sort, "sortkey": read_sort_columns(reader, sort)}


def _encode(reader: Reader) -> Fields:
    reader.expect("encode", "auto")
    return {"encode_auto": True}


def _backup(reader: Reader) -> Fields:
    reader.expect("backup")
    word = reader.accept_any("yes", "no")
    if not word:
        reader.fail()
    return {"backup": word == "yes"}


_ATTRIBUTES: Final[dict[str, Callable[[Reader], Fields]]] = {
    "diststyle": _diststyle,
    "distkey": _distkey,
    "sortkey": _sortkey,
    "compound": _sortkey,
    "interleaved": _sortkey,
    "encode": _encode,
    "backup": _backup,
}
