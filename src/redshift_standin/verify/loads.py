"""How cases of COPY are put together: one table t, one file, one COPY that reads it as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redshift_standin.verify.case import Case, Expected, Rows


def load(
    rule: int,
    name: str,
    columns: str,
    body: bytes | str,
    expect: Expected,
    *,
    options: str = "",
    column_list: str = "",
    page: str,
    setup: Sequence[str] = (),
    before: Sequence[str] = (),
    block: bool = False,
    standin_only: bool = False,
) -> Case:
    """COPY of `body` into `create table t (columns)`. `before` is run ahead of it, in the same transaction if `block`."""
    return Case(
        rule=rule,
        name=name,
        setup=(f"create table t ({columns})", *setup),
        files={"part": _bytes(body)},
        run=(*before, f"copy t {column_list} from '{{s3}}/part' {{auth}} csv {options}"),
        expect=expect,
        page=page,
        block=block,
        standin_only=standin_only,
    )


def load_files(
    rule: int,
    name: str,
    files: Mapping[str, bytes | str],
    source: str,
    expect: Expected,
    *,
    page: str,
    columns: str = "a int",
    block: bool = False,
) -> Case:
    """COPY of several files; `source`: the statement from the URL's end on, as in `"a' {auth} csv"`."""
    return Case(
        rule=rule,
        name=name,
        setup=(f"create table t ({columns})",),
        files={key: _bytes(body) for key, body in files.items()},
        run=f"copy t from '{{s3}}/{source}",
        expect=expect,
        page=page,
        block=block,
    )


def rows(*wanted: Any, query: str = "select * from t") -> Rows:
    """The rows of t afterwards; a row that is no tuple has one column."""
    return Rows([row if isinstance(row, tuple) else (row,) for row in wanted], query)


def _bytes(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body
