"""Whether bare values are numbers: the digits of many values at once, eight bytes a step.

A reader that takes what only begins like a number lets damage through: `1.2` in an integer column is a row that a
warehouse rounds. Source: numeric_out, float8out, bit_out (src/backend/utils/adt)
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import Bits, Frames, Offsets

_BYTE: Final = np.dtype("u1")
_WORD: Final = np.dtype("<u8")
_BYTES: Final = 8
_MASKS: Final = np.array([(1 << 8 * n) - 1 for n in range(_BYTES)] + [2**64 - 1], dtype=np.uint64)
_WORDS: Final = (b"NaN", b"Infinity", b"-Infinity")
Words = npt.NDArray[np.uint64]


def _each(byte: int) -> np.uint64:
    """A word of eight such bytes."""
    return np.uint64(byte * 0x0101010101010101)


_ZEROS, _POINTS, _LOWS, _HIGHS = _each(ord("0")), _each(ord(".")), _each(0x7F), _each(0x80)
_FILL: Final = _ZEROS & ~_MASKS


def are_numbers(frames: Frames, start: Offsets, end: Offsets, *, whole: bool) -> Bits:
    """Which of these values are numbers as Postgres prints them. `whole`: without point, exponent, NaN and Infinity."""
    found = are_digits(frames, start, end)
    if found.all():
        return found
    left = np.flatnonzero(~found)
    start, end = start[left], end[left]
    unsigned = start + (_byte_at(frames, start) == ord("-"))
    found[left] = rest = are_digits(frames, unsigned, end, points=0 if whole else 1)
    if whole or rest.all():
        return found
    for digits in (2, 3):  # 1e+30, 1e-300
        e = end - digits - 2
        here = (e > unsigned) & (_byte_at(frames, e) == ord("e"))
        if here.any():
            here &= np.isin(_byte_at(frames, e + 1), (ord("+"), ord("-")))
            rest |= here & are_digits(frames, unsigned, e, points=1) & are_digits(frames, e + 2, end)
    for word in _WORDS:
        text = frames.read(np.minimum(start, frames.size), np.dtype(f"S{len(word)}"))
        rest |= (text == word) & (end - start == len(word))
    found[left] = rest
    return found


def are_digits(frames: Frames, start: Offsets, end: Offsets, *, points: int = 0, last: int = ord("9")) -> Bits:
    """Which of these values are digits up to `last` alone, at least one, with no more than `points` points between."""
    over = _each(0x7F - last)  # what takes the byte behind `last` to 0x80
    good = start < end
    if points:
        good &= (_byte_at(frames, start) != ord(".")) & (_byte_at(frames, end - 1) != ord("."))
    seen = np.zeros(len(start), dtype=np.uint8)
    open_: Offsets | slice = slice(None)
    cursor, left = start, end - start
    while len(cursor):
        size = np.clip(left, 0, _BYTES)
        word: Words = (frames.read(np.minimum(cursor, frames.size), _WORD) & _MASKS[size]) | _FILL[size]
        if points:
            word, count = _without_points(word)
            seen[open_] = np.minimum(seen[open_] + count, 2)
        bad = ((word - _ZEROS) | (word + over)) & _HIGHS != 0
        good[open_] &= ~bad
        goes_on = np.flatnonzero(~bad & (left > _BYTES))
        open_ = goes_on if isinstance(open_, slice) else open_[goes_on]
        cursor, left = cursor[goes_on] + _BYTES, left[goes_on] - _BYTES
    within: Bits = good & (seen <= points)
    return within


def _without_points(word: Words) -> tuple[Words, npt.NDArray[np.uint8]]:
    """The words with zeros in place of their points, and how many those are."""
    other = word ^ _POINTS
    is_point = ~(((other & _LOWS) + _LOWS) | other | _LOWS)  # 0x80 in each byte that is a point
    return word ^ ((is_point >> np.uint64(7)) * np.uint64(ord(".") ^ ord("0"))), np.bitwise_count(is_point)


def _byte_at(frames: Frames, at: Offsets) -> npt.NDArray[np.uint8]:
    return frames.read(np.clip(at, 0, frames.size), _BYTE)
