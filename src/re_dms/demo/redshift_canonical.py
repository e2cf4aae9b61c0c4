r"""SQL that writes a row as one text, the same in Postgres and in Redshift when, and only when, its values are the same.

Pure text. "The same" is what Redshift's types can tell apart: JSON and arrays are SUPER there, which keeps no blanks
between its parts, and VARCHARs made of char(n) have no trailing blanks. Each side has a route of its own to the text,
so that a mistake of the pipeline's own conversions shows. Every value becomes its MD5, NULL a `~`: a row's text is
short, whatever its values (a VARCHAR expression ends at 65,535 bytes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from re_dms.demo.canonical import quote, source_value
from re_dms.odd import JSON_KINDS
from re_dms.pgtypes import Kind
from re_dms.schema import Column

# {0} is the quoted column. Every expression is NULL exactly when the value is NULL.
_SOURCE_DEFAULT: Final = "case when {0} is distinct from null then format('%s', {0}) end"
# Without a length, a cast to VARCHAR cuts at 256 bytes.
_TARGET_DEFAULT: Final = "cast({0} as varchar(65535))"

_TRUTH: Final = "case when {0} then 'true' when not {0} then 'false' end"
_DAY: Final = "to_char({0}, 'YYYY-MM-DD')"
_MOMENT: Final = "to_char({0}, 'YYYY-MM-DD HH24:MI:SS.US')"

_SOURCE: Final[dict[Kind, str]] = {
    Kind.BOOL: _TRUTH,
    Kind.BPCHAR: "rtrim(cast({0} as text))",
    Kind.BYTEA: "encode({0}, 'hex')",
    Kind.DATE: _DAY,
    Kind.TIMESTAMP: _MOMENT,
    Kind.TIMESTAMPTZ: _MOMENT,
}
_TARGET: Final[dict[Kind, str]] = {
    Kind.BOOL: _TRUTH,
    Kind.BYTEA: "to_hex({0})",
    Kind.DATE: _DAY,
    Kind.TIMESTAMP: _MOMENT,
    Kind.TIMESTAMPTZ: _MOMENT,
    **dict.fromkeys(JSON_KINDS, "json_serialize({0})"),
}


def source_row(columns: tuple[Column, ...]) -> str:
    """Postgres's SQL for the canonical text of a row. The session is in UTC, with ISO dates and shortest floats."""
    return _row([_source_value(column) for column in columns])


def target_row(columns: tuple[Column, ...], names: Mapping[int, str]) -> str:
    """Redshift's SQL for the same; `names` are the target's columns per attnum. The session is in UTC."""
    return _row([_TARGET.get(c.type.kind, _TARGET_DEFAULT).format(quote(names[c.attnum])) for c in columns])


def _source_value(column: Column) -> str:
    if column.type.kind in JSON_KINDS:
        return _bare(source_value(column))
    return _SOURCE.get(column.type.kind, _SOURCE_DEFAULT).format(quote(column.name))


def _bare(json: str) -> str:
    """SQL for JSON text with its keys in jsonb's order, each once, and no blanks but those in strings."""
    return rf"""regexp_replace(cast(cast({json} as jsonb) as text), '("(?:[^"\\]|\\.)*")| ', '\1', 'g')"""


def _row(values: list[str]) -> str:
    texts = [f"coalesce(md5({value}), '~')" for value in values]
    return " || ".join(texts) if texts else "''"
