"""Lines of prepared and of streamed transactions, read one by one: they are rare, and most slots never write them.

Source: contrib/test_decoding/test_decoding.c (pg_decode_prepare_txn, pg_decode_commit_prepared_txn, pg_decode_stream_start
        and what follows them)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from re_dms.decode.frames import PAD, Offsets

COMMIT_PREPARED: Final = b"COMMIT PREPARED "
ITS_WORDS: Final = b"pg_recvlogical: "
_TWO_PHASE: Final = re.compile(
    rb"(PREPARE TRANSACTION|COMMIT PREPARED|ROLLBACK PREPARED)  ?(E?'(?:[^']|'')*')(?:, txid (\d+))?(?: \(at [-+0-9:. BC]*\))?"
)
_STREAMED: Final = re.compile(
    rb"(opening a streamed block|closing a streamed block) for transaction(?: TXN \d+)?"
    rb"|(streaming change|streaming truncate) for (?:TXN \d+|transaction)"
    rb"|(streaming message): transactional: [01] prefix: .*, sz: \d+(?: content:.*)?"
    rb"|(aborting streamed) \(sub\)transaction(?: TXN \d+)?"
    rb"|(committing streamed) transaction(?: TXN \d+)?(?: \(at [-+0-9:. BC]*\))?"
    rb"|(preparing streamed) transaction (?:TXN )? ?E?'(?:[^']|'')*'(?:, txid \d+)?(?: \(at [-+0-9:. BC]*\))?",
    re.DOTALL,
)
_TXN: Final = re.compile(rb"TXN (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPhase:
    """PREPARE TRANSACTION, COMMIT PREPARED or ROLLBACK PREPARED of `gid` (as it is written). `xid` 0: not told."""

    prepares: bool
    rolls_back: bool
    gid: bytes
    xid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """A line of a transaction that was sent before its end (stream-changes). `xid` 0: not told."""

    what: bytes
    xid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The lines of a prepared transaction, as if it were committed: `starts` and `ends` of each in `payload`."""

    xid: int
    payload: bytes
    starts: Offsets
    ends: Offsets
    crc: int
    place: str

    @classmethod
    def of(cls, texts: Sequence[bytes], *, xid: int, crc: int, place: str) -> Self:
        """From BEGIN to COMMIT."""
        ends = np.cumsum([len(text) + 1 for text in texts]) - 1
        starts = np.concatenate([[0], ends[:-1] + 1])
        return cls(xid=xid, payload=b"\n".join(texts) + bytes(PAD + 1), starts=starts, ends=ends, crc=crc, place=place)


@dataclass
class StreamedTransactions:
    """Which streamed transactions have changes: with stream-changes the plugin tells of them, and not what they are."""

    _changed: set[int] = field(default_factory=set)

    def lacks_rows(self, line: Streamed) -> bool:
        """Take in a line. True for the end of a transaction whose rows are not in the stream."""
        if line.what in (b"streaming change", b"streaming truncate"):
            self._changed.add(line.xid)
        elif line.what == b"aborting streamed":
            self._changed.discard(line.xid)
        return line.what in (b"committing streamed", b"preparing streamed") and line.xid in self._changed


def read_rare(text: bytes) -> TwoPhase | Streamed | None:
    """The line, None when it is neither kind."""
    found = _TWO_PHASE.fullmatch(text)
    if found is not None:
        word = found[1]
        return TwoPhase(
            prepares=word.startswith(b"PREPARE"),
            rolls_back=word.startswith(b"ROLLBACK"),
            gid=found[2],
            xid=int(found[3] or 0),
        )
    found = _STREAMED.fullmatch(text)
    if found is None:
        return None
    number = _TXN.search(text)
    return Streamed(what=found[found.lastindex or 0], xid=int(number[1]) if number is not None else 0)
