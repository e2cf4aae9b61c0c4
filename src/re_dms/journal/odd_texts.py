"""Odd values (`re_dms.odd`) counted by their lengths, their first bytes and their last: for most types that is all it takes."""

from __future__ import annotations

from typing import Final

import numpy as np

from re_dms.journal.texts import Texts
from re_dms.odd import BYTEA_BYTES_MAX, NUMERIC_BYTES_MAX, TEXT_BYTES_MAX
from re_dms.pgtypes import Kind, PgType

_DATE_BYTES: Final = len("YYYY-MM-DD")
_WORD_BYTES_MIN: Final = len("NaN")
_INFINITE_BYTES_MIN: Final = len("infinity")
_DENORMAL_BYTES_MIN: Final = len("1e-45")
_FLOATS: Final = (Kind.FLOAT4, Kind.FLOAT8)
_MOMENTS: Final = (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_TEXTS: Final = (Kind.TEXT, Kind.BPCHAR, Kind.OTHER)


def count_odd(texts: Texts, name: str, pg: PgType) -> int | None:
    """How many values of the column are odd; None when only `re_dms.odd` can tell."""
    lengths, longest, kind = texts.of_length(name), texts.longest(name), pg.kind
    match kind:
        case Kind.BYTEA:
            empty = len(lengths) - int(np.count_nonzero(lengths)) - texts.nulls(name)
            return empty + int(np.count_nonzero(lengths > 2 * BYTEA_BYTES_MAX))
        case _ if not longest:
            return 0
        case Kind.DATE:
            # BC and years of five digits make a date longer, the two infinite ones are shorter.
            return int(np.count_nonzero(lengths != _DATE_BYTES)) - (len(lengths) - int(np.count_nonzero(lengths)))
        case Kind.INTERVAL:
            return 0 if longest < _INFINITE_BYTES_MIN else None
        case _ if kind in _TEXTS:
            return int(np.count_nonzero(lengths > TEXT_BYTES_MAX)) if longest > TEXT_BYTES_MAX else 0
        case _ if kind in _MOMENTS:
            return _odd_moments(texts, name)
        case _ if kind in _FLOATS and longest >= _DENORMAL_BYTES_MIN and _may_be_denormal(texts, name, kind):
            return None
        case _ if kind in _FLOATS or kind is Kind.NUMERIC:
            long = kind is Kind.NUMERIC and longest > NUMERIC_BYTES_MAX
            words = _words(texts, name) if longest >= _WORD_BYTES_MIN else 0
            return words + (int(np.count_nonzero(lengths > NUMERIC_BYTES_MAX)) if long else 0)
        case _:
            return None


def _odd_moments(texts: Texts, name: str) -> int | None:
    """Infinite ones are shorter than all others; a year of four digits is followed by a dash, and BC is what ends in a C."""
    lengths = texts.of_length(name)
    fifth, last = texts.byte_at(name, 4), texts.byte_at(name, -1)
    if fifth is None or last is None:
        return None
    odd = (fifth != ord("-")) | (last == ord("C"))
    return int(np.count_nonzero(odd)) - (len(lengths) - int(np.count_nonzero(lengths)))


def _may_be_denormal(texts: Texts, name: str, kind: Kind) -> bool:
    """An exponent below zero of two digits (float4) or three (float8) has its sign before them."""
    sign = texts.byte_at(name, -3 if kind is Kind.FLOAT4 else -4)
    return sign is None or bool((sign == ord("-")).any())


def _words(texts: Texts, name: str) -> int:
    """NaN, Infinity and -Infinity: no number begins like them, with a letter or one behind its sign."""
    prefix = texts.prefix(name)
    word = (prefix[:, 0] > ord("9")) | (prefix[:, 1] == ord("I"))
    return int(np.count_nonzero(word & (texts.of_length(name) > 0)))
