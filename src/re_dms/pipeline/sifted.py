"""What is made of a block of a transcript, and the transaction that a block may leave open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from re_dms.decode.frames import Offsets

Known = Callable[[Sequence[int]], dict[int, int]]
"""Of these xids those that are complete already, each with its rows' checksum."""

Elsewhere = Callable[[Sequence[int]], dict[int, frozenset[int]]]
"""Of these xids those that are complete in other streams of the same database, with their rows' checksums there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Lines of whole transactions, or of a piece of one that is larger than a block, in order. `place`: where it was
    prepared, for a transaction whose lines are of an earlier block."""

    payload: bytes | bytearray | memoryview
    starts: Offsets
    ends: Offsets
    place: str = ""


@dataclass(kw_only=True)
class Sifted:
    """What a block gives. `drop`: what was given of the open transaction is void, before anything else.

    `hold`: the first record that has to be given again with the next block, None when all was taken. `xids`, `crcs`:
    of the transactions that are complete and new, in order. `alone`: the parts are of one transaction that is larger than
    a block and still open.
    """

    drop: bool = False
    parts: list[Part] = field(default_factory=list)
    hold: int | None = None
    xids: list[int] = field(default_factory=list)
    crcs: list[int] = field(default_factory=list)
    alone: bool = False


@dataclass(kw_only=True)
class OpenTransaction:
    """A transaction without its end so far. `first`: its BEGIN in this block, -1 when that was in an earlier one; `place` is
    known from then on. `given`: pieces of it were given out."""

    xid: int
    numbered: bool
    first: int
    place: str = ""
    known: bool
    crc: int = 0
    given: bool = False
    rows: int = 0
