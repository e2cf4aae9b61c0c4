"""Sizes beyond which Redshift refuses (rule 34)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows

_STATEMENT_BYTES_MAX: Final = 16 * 1024 * 1024
_COLUMNS_MAX: Final = 1600


def _columns(count: int) -> str:
    return ", ".join(f"c{number} int" for number in range(count))


def _statement(size: int) -> str:
    """A query of so many bytes."""
    query = "select 1 /* */"
    return query.replace("/* ", "/* " + "x" * (size - len(query)))


def _limit(name: str, *run: str, expect: Expected, page: str = "amazon-redshift-limits") -> Case:
    return Case(rule=34, name=name, run=run, expect=expect, page=page)


_TOO_LARGE: Final = Refused(
    "54000", "Statement is too large. Statement Size: 16777217 bytes. Maximum Allowed: 16777216 bytes"
)
_TOO_MANY: Final = Refused("54011", "tables can have at most 1600 columns")

CASES: Final[tuple[Case, ...]] = (
    _limit("a statement of 16 MB runs", _statement(_STATEMENT_BYTES_MAX), expect=Rows([[1]])),
    _limit("a statement of 16 MB and a byte is refused", _statement(_STATEMENT_BYTES_MAX + 1), expect=_TOO_LARGE),
    _limit(
        "a table of 1600 columns is made",
        f"create table t ({_columns(_COLUMNS_MAX)})",
        expect=Rows([[0]], "select count(c1599) from t"),
    ),
    _limit("a table of 1601 columns is refused", f"create table t ({_columns(_COLUMNS_MAX + 1)})", expect=_TOO_MANY),
    _limit(
        "a column beyond 1600 cannot be added",
        f"create table t ({_columns(_COLUMNS_MAX)})",
        "alter table t add column z int",
        expect=_TOO_MANY,
    ),
    _limit(
        "a VARCHAR of 65535 bytes is kept whole",
        "create table t (c varchar(65535))",
        "insert into t select repeat('x', 65535)",
        expect=Rows([[65535]], "select octet_length(c) from t"),
    ),
    _limit(
        "a VARCHAR of 65536 bytes is refused",
        "create table t (c varchar(65535))",
        f"insert into t values ('{'x' * 65536}')",
        expect=Refused("22001"),
    ),
)
