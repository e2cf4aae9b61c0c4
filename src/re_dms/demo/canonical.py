"""SQL that writes a row as one text, the same in Postgres and in DuckDB when, and only when, its values are the same.

Pure text. Each side has a route of its own to the text, so that a mistake of the pipeline's own conversions shows:
floats by the bits of IEEE 754, times by microseconds, bytes by hex; arrays, hstores and composites as the JSON that the
journal writes.
"""

from __future__ import annotations

import json
from typing import Final

from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column

# {0} is the quoted column. Every expression is NULL exactly when the value is NULL.
# format('%s') is the type's output function, which is what the stream carries; a cast to text is not the same for
# char(n) (loses its padding), inet (gains a mask) and others. `is distinct from`: a row of NULLs "is null" too.
_SOURCE_DEFAULT: Final = "case when {0} is distinct from null then format('%s', {0}) end"
_TARGET_DEFAULT: Final = "cast({0} as varchar)"

_SOURCE_MICROSECONDS: Final = (
    "case when isfinite({0}) then cast(cast(extract(epoch from {0}) * 1000000 as bigint) as text)"
    " else cast({0} as text) end"
)
_TARGET_MICROSECONDS: Final = (
    "case when isfinite({0}) then cast(epoch_us({0}) as varchar) else cast({0} as varchar) end"
)
_NAN: Final = "case when {0} = 'NaN' then 'NaN' else "

_SOURCE: Final[dict[Kind, str]] = {
    Kind.BOOL: "cast({0} as text)",
    Kind.BYTEA: "encode({0}, 'hex')",
    Kind.FLOAT4: _NAN + "cast(cast('x' || encode(float4send({0}), 'hex') as bit(32)) as text) end",
    Kind.FLOAT8: _NAN + "cast(cast('x' || encode(float8send({0}), 'hex') as bit(64)) as text) end",
    Kind.DATE: ("case when isfinite({0}) then cast({0} - date '1970-01-01' as text) else cast({0} as text) end"),
    Kind.TIME: "cast(cast(extract(epoch from {0}) * 1000000 as bigint) as text)",
    Kind.TIMESTAMP: _SOURCE_MICROSECONDS,
    Kind.TIMESTAMPTZ: _SOURCE_MICROSECONDS,
}
_TARGET: Final[dict[Kind, str]] = {
    Kind.BYTEA: "lower(hex({0}))",
    Kind.FLOAT4: _NAN + "cast(cast({0} as bit) as varchar) end",
    Kind.FLOAT8: _NAN + "cast(cast({0} as bit) as varchar) end",
    Kind.DATE: ("case when isfinite({0}) then cast({0} - date '1970-01-01' as varchar) else cast({0} as varchar) end"),
    Kind.TIME: "cast(epoch_us({0}) as varchar)",
    Kind.TIMESTAMP: _TARGET_MICROSECONDS,
    Kind.TIMESTAMPTZ: _TARGET_MICROSECONDS,
}

_JSON_ELEMENTS: Final = frozenset({Kind.BOOL, Kind.INT2, Kind.INT4, Kind.INT8, Kind.FLOAT4, Kind.FLOAT8, Kind.NUMERIC})
"""What Postgres's JSON functions write as the journal does; of all others the text is what counts."""
_CONTROLS: Final = {"b": 8, "f": 12, "n": 10, "r": 13, "t": 9}


def quote(name: str) -> str:
    """An identifier, in both dialects."""
    return '"' + name.replace('"', '""') + '"'


def source_value(column: Column) -> str:
    """Postgres's SQL for the canonical text of a column."""
    match column.type.kind:
        case Kind.ARRAY:
            template = _source_array(column.type)
        case Kind.HSTORE:
            template = _SOURCE_HSTORE
        case Kind.COMPOSITE:
            template = _source_composite(column.type)
        case kind:
            template = _SOURCE.get(kind, _SOURCE_DEFAULT)
    return template.format(quote(column.name))


def target_value(column: Column) -> str:
    """DuckDB's SQL for the canonical text of a column."""
    return _TARGET.get(column.type.kind, _TARGET_DEFAULT).format(quote(column.name))


def source_row(columns: tuple[Column, ...]) -> str:
    """Postgres's SQL for the canonical text of a row: every value behind its length in bytes, NULL as `~`."""
    return _row([source_value(column) for column in columns], "octet_length")


def target_row(columns: tuple[Column, ...]) -> str:
    """DuckDB's SQL for the same."""
    return _row([target_value(column) for column in columns], "strlen")


def _row(values: list[str], length: str) -> str:
    # The length before each value keeps ('ab', 'c') and ('a', 'bc') apart.
    texts = [f"coalesce(cast({length}({value}) as varchar) || ':' || ({value}), '~')" for value in values]
    return " || ".join(texts) if texts else "''"


def _source_array(pg: PgType) -> str:
    if pg.element in _JSON_ELEMENTS:
        return "cast(array_to_json({0}) as text)"
    return _with_journals_controls("cast(array_to_json(cast({0} as text[])) as text)")


def _with_journals_controls(text: str) -> str:
    """SQL for JSON text whose control characters are written as the journal does: all as \\u00xx, where Postgres writes
    the usual five by a letter. An escaped backslash in front of such a letter is hidden behind a raw control character
    meanwhile: JSON text holds none."""
    text = f"replace({text}, '\\\\', chr(1))"
    for letter, code in _CONTROLS.items():
        text = f"replace({text}, '\\{letter}', '\\u{code:04x}')"
    return f"replace({text}, chr(1), '\\\\')"


# The cast needs no search path, as a function of the extension would; `each` keeps hstore's order.
_SOURCE_HSTORE: Final = _with_journals_controls(
    "case when {0} is not null then '{{' || coalesce((select string_agg(cast(to_json(key) as text) || ':' ||"
    " coalesce(cast(to_json(value) as text), 'null'), ',' order by n) from json_each_text(cast({0} as json))"
    " with ordinality each (key, value, n)), '') || '}}' end"
)


def _source_composite(pg: PgType) -> str:
    """Field by field; a row of NULLs is no NULL."""
    parts = []
    for name, kind in pg.fields:
        field = "({0})." + quote(name).replace("{", "{{").replace("}", "}}")
        text = field if kind in _JSON_ELEMENTS else f"format('%s', {field})"
        key = json.dumps(name, ensure_ascii=False).replace("'", "''").replace("{", "{{").replace("}", "}}")
        value = f"coalesce(case when {field} is distinct from null then cast(to_json({text}) as text) end, 'null')"
        parts.append(f"'{key}:' || {value}")
    row = " || ',' || ".join(parts)
    whole = f"'{{{{' || {row} || '}}}}'" if parts else "'{{}}'"
    return _with_journals_controls(f"case when {{0}} is distinct from null then {whole} end")
