"""What a line of CSV looks like that may hold a value a warehouse may not: judged by the whole line, never missing one.

`re_dms.odd` and `re_dms.odd_json` say which values are odd; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.odd import BYTEA_BYTES_MAX, NUMERIC_BYTES_MAX, TEXT_BYTES_MAX
from re_dms.odd_json import DEPTH_MAX, DIGITS_MAX
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Relation

_FLOATS: Final = {Kind.FLOAT4: r'e-(?:3[89]|4[0-9])"', Kind.FLOAT8: r'e-3(?:0[89]|[12][0-9])"'}
_NOT_FINITE: Final = ('NaN"', 'nfinity"')
_DATES: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_LONG_YEAR: Final = r"[0-9]{5}-[0-9]{2}-"
_EMPTY: Final = r',""[,\n]'
_TEXTS: Final = frozenset({Kind.TEXT, Kind.BPCHAR, Kind.OTHER, Kind.JSON, Kind.JSONB})
_SAMPLES: Final = 10
_YEAR_BYTES: Final = 5  # where the digit too many stands, before the first dash
_MONTH_BYTES: Final = 3  # from dash to dash
_BLOCK_BYTES: Final = 128 * 1024  # what a test makes of it stays in the processor's cache
_DASH: Final = np.uint8(ord("-"))
_ZERO, _TEN, _DOT = np.uint8(ord("0")), np.uint8(10), np.uint8(ord("."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Of one table's lines: `all_lines` when only reading tells.

    `words`: a regular expression. `bytes_max`: no line longer than that is beyond suspicion. `digits`: nor is one with
    a longer run of digits and dots. `nests`: nor is one with more brackets than JSON may be deep.
    """

    words: str
    has_years: bool
    bytes_max: int | None
    digits: int | None
    nests: bool
    all_lines: bool

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, relation: Relation, null: str) -> Self:
        """How the lines of a table with these columns are looked at."""
        types = [column.type for column in relation.columns]
        kinds = {pg.kind for pg in types}
        words = [f'{null}"']
        words += _NOT_FINITE if kinds & {*_FLOATS, Kind.NUMERIC} else ()
        words += ['nfinity"'] if kinds & {*_DATES, Kind.INTERVAL} else []
        words += [' BC"'] if kinds & _DATES else []
        words += [word for kind, word in _FLOATS.items() if kind in kinds]
        words += [_EMPTY] if Kind.BYTEA in kinds else []
        digits = [NUMERIC_BYTES_MAX] * any(map(_is_unbounded, types)) + [DIGITS_MAX] * (Kind.JSONB in kinds)
        limits = [TEXT_BYTES_MAX] * bool(kinds & _TEXTS) + [2 * BYTEA_BYTES_MAX] * (Kind.BYTEA in kinds)
        return cls(
            words="|".join(dict.fromkeys(words)),
            has_years=bool(kinds & _DATES),
            bytes_max=min(limits, default=None),
            digits=min(digits, default=None),
            nests=Kind.JSONB in kinds,
            all_lines=Kind.JSON in kinds,  # a key that comes twice in an object has no look of its own
        )

    def suspects(self, rows: pl.Series, lengths: npt.NDArray[np.int64], data: Any) -> pl.Series | None:
        """Boolean, of the lines that have to be read; None when there are none. `data` holds the lines of `rows`."""
        if self.all_lines:
            return pl.repeat(value=True, n=len(rows), eager=True) if len(rows) else None
        found = [rows.str.contains(self.words)]
        if self.has_years and may_have_long_year(data):
            found.append(rows.str.contains(_LONG_YEAR))
        longest = int(lengths.max(initial=0))
        if self.bytes_max is not None and longest > self.bytes_max:
            found.append(pl.Series(lengths > self.bytes_max))
        if self.digits is not None and longest > self.digits and may_have_run(data, self.digits + 1):
            found.append(rows.str.contains(f"(?-u:[0-9.]{{{self.digits + 1}}})"))
        if self.nests and longest > 2 * DEPTH_MAX:
            long = pl.Series(lengths > 2 * DEPTH_MAX)
            deep = rows.filter(long).str.count_matches(r"[\[{]") > DEPTH_MAX
            if deep.any():
                found.append(long.scatter(long.arg_true(), deep))
        found = [each for each in found if each.any()]
        if not found:
            return None
        either = found[0]
        for each in found[1:]:
            either |= each
        return either


def _is_unbounded(pg: PgType) -> bool:
    return pg.kind is Kind.NUMERIC and pg.precision_scale is None


def may_have_long_year(data: Any) -> bool:
    """Whether a year of more than four digits may stand before a month. Never misses one."""
    text = np.frombuffer(data, dtype=np.uint8)
    for low in range(_YEAR_BYTES, len(text) - _MONTH_BYTES, _BLOCK_BYTES):
        block = text[low : low + _BLOCK_BYTES + _MONTH_BYTES]
        months = np.flatnonzero((block[:-_MONTH_BYTES] == _DASH) & (block[_MONTH_BYTES:] == _DASH))
        if ((text[low + months - _YEAR_BYTES] - _ZERO) < _TEN).any():
            return True
    return False


def may_have_run(data: Any, length: int) -> bool:
    """Whether `length` bytes in a row may be digits and dots. Never misses such a run; looks at every few bytes only."""
    step = max(1, length // _SAMPLES)
    sample = np.frombuffer(data, dtype=np.uint8)[::step]
    inside = ((sample - _ZERO) < _TEN) | (sample == _DOT)
    for _ in range(length // step - 1):
        inside = inside[:-1] & inside[1:]
    return bool(inside.any())
