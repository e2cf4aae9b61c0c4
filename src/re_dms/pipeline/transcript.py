"""What pg_recvlogical wrote, transaction by transaction: which are whole, which are new, which were sent again.

The record of a stream has no positions. A transaction is known by its xid: pg_recvlogical begins again after a lost
connection, at the last position that it had confirmed, and with it the transactions since then; one that it was in the
middle of comes again from its BEGIN. Each transaction's rows have a checksum: the same xid with other rows is another
server's, or another history's.

One Python step a transaction, none a row.
Source: contrib/test_decoding/test_decoding.c
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from re_dms.decode.line_frames import BEGIN, COMMIT, MESSAGE, OTHER, TABLE, Lines
from re_dms.decode.line_transactions import read_borders
from re_dms.errors import ChangesMissing, DecodeError, SourceError
from re_dms.pipeline.rare_lines import (
    COMMIT_PREPARED,
    ITS_WORDS,
    Held,
    Streamed,
    StreamedTransactions,
    TwoPhase,
    read_rare,
)
from re_dms.pipeline.sifted import Elsewhere, Known, OpenTransaction, Part, Sifted

_OTHER_STREAM: Final = "give it a stream name of its own with --stream, or replay the file that belongs to this one"


class Transcript:
    """The transactions of one stream, over all its blocks.

    `known` looks into the journal's progress. `elsewhere`: a file under another name is another stream, and what both
    hold must count once; where an xid has other rows there, it is another history's, and counts.
    """

    def __init__(self, known: Known, elsewhere: Elsewhere = lambda _xids: {}) -> None:
        self._known = known
        self._elsewhere = elsewhere
        self._open: OpenTransaction | None = None
        self._held: dict[bytes, Held] = {}
        self._streamed = StreamedTransactions()
        self._abandoned: dict[int, str] = {}
        self.skipped = 0
        self._ordinal = 0
        self._without_xids: bool | None = None

    def sift(self, payload: bytes | bytearray | memoryview, lines: Lines, *, full: bool, ends: bool) -> Sifted:
        """The transactions of one block. `full`: the block could not be larger; `ends`: its file ends with it.

        Raises DecodeError for lines that no server writes and for what is out of order, ChangesMissing for an xid that
        was seen with other rows, SourceError for transactions whose rows are not in the stream.
        """
        return _Block(self, payload, lines, full=full, ends=ends).sift()

    def torn(self) -> list[str]:
        """The transactions that were begun and have not come to their end so far, with their places."""
        return [f"transaction {xid or 'without xid'}, begun at {place}" for xid, place in self._abandoned.items()]

    def prepared(self) -> list[str]:
        """Places of the transactions that were prepared, and neither committed nor rolled back."""
        return [f"transaction {each.xid}, prepared at {each.place}" for each in self._held.values()]


class _Block:
    """One block of a transcript being sifted."""

    def __init__(
        self, transcript: Transcript, payload: bytes | bytearray | memoryview, lines: Lines, *, full: bool, ends: bool
    ) -> None:
        self.script = transcript
        self.payload = payload
        self.view = memoryview(payload)
        self.lines = lines
        self.full = full
        self.ends = ends
        self.kinds = lines.kinds
        tables = self.kinds == TABLE
        self.tables_before = np.concatenate([[0], np.cumsum(tables)])
        self.found = Sifted()
        self.keep = np.zeros(len(lines), dtype=np.bool_)
        self.cut = 0  # what is before this record was given out
        self.seen: dict[int, int] = {}
        self.known: dict[int, int] = {}
        self.elsewhere: dict[int, frozenset[int]] = {}

    def sift(self) -> Sifted:
        kinds = self.kinds
        self.lines.refuse_nul()
        marks = np.flatnonzero((kinds != TABLE) & (kinds != MESSAGE))
        borders = (kinds[marks] == BEGIN) | (kinds[marks] == COMMIT)
        borders &= ~self.lines.matches(self.lines.starts[marks], COMMIT_PREPARED)
        xids, bare = np.zeros(len(marks), dtype=np.int64), np.zeros(len(marks), dtype=np.bool_)
        numbered, bare[borders] = read_borders(self.lines, marks[borders])
        xids[borders] = numbered
        self._look_up(np.unique(numbered[numbered > 0]).tolist())
        at = 0
        for record, border, xid, no_xid in zip(
            marks.tolist(), borders.tolist(), xids.tolist(), bare.tolist(), strict=True
        ):
            self._require_no_rows(at, record)
            at = record + 1
            if not border:
                self._other(record)
            elif kinds[record] == BEGIN:
                self._begin(record, xid, no_xid=no_xid)
            else:
                self._commit(record, xid, no_xid=no_xid)
        self._require_no_rows(at, len(self.lines))
        self._end()
        return self.found

    def _look_up(self, xids: Sequence[int]) -> None:
        self.known |= self.script._known(xids)
        self.elsewhere |= self.script._elsewhere(xids)

    # ------------------------------------------------------------------ borders

    def _begin(self, record: int, xid: int, *, no_xid: bool) -> None:
        script = self.script
        if script._open is not None:
            self._abandon(script._open, record)
        if script._without_xids not in (None, no_xid):
            raise self._refusal(record, "some transactions have xids and some have none")
        script._without_xids = no_xid
        if no_xid:
            xid = script._ordinal + 1
            self.known |= script._known([xid])
        known = xid in self.known or xid in self.seen
        script._open = OpenTransaction(xid=xid, numbered=not no_xid, first=record, known=known)

    def _abandon(self, left: OpenTransaction, record: int) -> None:
        """A BEGIN inside of a transaction: pg_recvlogical has begun again, and sends it once more."""
        if not left.numbered:
            raise SourceError(
                f"{self.lines.place(record)}: pg_recvlogical began again, and without xids nobody can tell what was sent"
                " before",
                remedy="write the stream with its xids (include-xids, which is the default)",
            )
        self._leave(left)

    def _leave(self, left: OpenTransaction) -> None:
        """It may come again, whole; until then it is torn."""
        self.found.drop = self.found.drop or left.given
        if not left.known:
            self.script._abandoned.setdefault(left.xid if left.numbered else 0, self._begun_at(left))
        self.script._open = None

    def _commit(self, record: int, xid: int, *, no_xid: bool) -> None:
        open_ = self.script._open
        if open_ is None:
            raise self._refusal(record, "a COMMIT without its BEGIN")
        if open_.numbered == no_xid or (open_.numbered and xid != open_.xid):
            raise self._refusal(record, "a COMMIT of another transaction")
        first = max(open_.first, 0)
        crc, rows = self._read_on(open_, record)
        self.script._abandoned.pop(open_.xid, None)
        if not self._is_new(open_.xid, crc, record):
            self.found.drop = self.found.drop or open_.given  # only its end told that it is known
        elif rows or open_.given:
            self._require_no_gap(open_)
            self.keep[first : record + 1] = True
            self._complete(open_.xid, crc)
        self.script._ordinal += not open_.numbered
        self.script._open = None

    def _require_no_gap(self, of: OpenTransaction | Held) -> None:
        """Commits are in order: what comes behind a torn transaction cannot be applied before it is there, whole."""
        for torn in self.script.torn()[:1]:
            raise SourceError(
                f"{self._begun_at(of)}: a new transaction behind one that is not whole, {torn}",
                remedy="replay first what has that one whole, with the same --stream; if nothing has it any more, what it"
                " changed is lost, and only what comes behind it, replayed alone, goes on without",
            )

    def _begun_at(self, of: OpenTransaction | Held) -> str:
        """Its place, in words: newlines are counted for it, so that it is made only where it is told."""
        return of.place or self.lines.place(of.first if isinstance(of, OpenTransaction) else 0)

    def _read_on(self, open_: OpenTransaction, record: int) -> tuple[int, int]:
        """The checksum of the open transaction's rows up to `record`, and how many they are."""
        first = open_.first + 1
        start = int(self.lines.starts[first]) if first < len(self.lines) else len(self.view)
        end = int(self.lines.starts[record]) if record < len(self.lines) else int(self.lines.ends[-1]) + 1
        rows = int(self.tables_before[record] - self.tables_before[min(first, record)])
        return zlib.crc32(self.view[start:end], open_.crc) if start < end else open_.crc, open_.rows + rows

    def _is_new(self, xid: int, crc: int, record: int) -> bool:
        before = self.known.get(xid, self.seen.get(xid))
        if before is None and crc not in self.elsewhere.get(xid, ()):
            return True
        if before is not None and before != crc:
            raise ChangesMissing(
                f"{self.lines.place(record)}: transaction {xid} is done already, and had other rows: this is another"
                " server's or another history's stream",
                remedy=_OTHER_STREAM,
            )
        self.script.skipped += 1
        return False

    def _complete(self, xid: int, crc: int) -> None:
        self.seen[xid] = crc
        self.found.xids.append(xid)
        self.found.crcs.append(crc)

    # ------------------------------------------------------------------ rare lines

    def _other(self, record: int) -> None:
        text = self.lines.text(record)
        if text.startswith(ITS_WORDS):
            return
        match read_rare(text):
            case TwoPhase(prepares=True) as line:
                self._prepare(record, line)
            case TwoPhase() as line:
                self._end_prepared(record, line)
            case Streamed() as line:
                if self.script._streamed.lacks_rows(line):
                    raise SourceError(
                        f"{self.lines.place(record)}: transaction {line.xid} was streamed, and its rows are not in the"
                        " file: test_decoding leaves them out with stream-changes",
                        remedy="write the stream without stream-changes",
                    )
            case None:
                raise self._refusal(record, "an unknown line")

    def _end_prepared(self, record: int, line: TwoPhase) -> None:
        script = self.script
        held = script._held.pop(line.gid, None)
        if line.rolls_back:
            return
        xid = held.xid if held is not None else line.xid
        self._look_up([xid])
        if held is None:
            if xid not in self.known and xid not in self.seen:
                raise SourceError(
                    f"{self.lines.place(record)}: a prepared transaction is committed whose rows are not in this stream",
                    remedy="replay it from the file that has its PREPARE TRANSACTION on",
                )
            script.skipped += 1
        elif self._is_new(xid, held.crc, record):
            self._require_no_gap(held)
            self._flush(record)
            self.found.parts.append(Part(payload=held.payload, starts=held.starts, ends=held.ends, place=held.place))
            self._complete(xid, held.crc)

    def _prepare(self, record: int, line: TwoPhase) -> None:
        """Its rows wait for the COMMIT PREPARED, which may come at any time."""
        open_ = self.script._open
        if open_ is None:
            raise self._refusal(record, "a PREPARE TRANSACTION without its BEGIN")
        if line.xid != (open_.xid if open_.numbered else 0):
            raise self._refusal(record, "a PREPARE TRANSACTION of another transaction")
        if open_.given or (open_.first < 0 and not open_.known):
            raise SourceError(
                f"{self.lines.place(record)}: a prepared transaction is larger than a block and cannot be kept",
                remedy="let the source decode it at its commit: a slot without two_phase",
            )
        crc, _ = self._read_on(open_, record)
        rows = [at for at in range(max(open_.first, 0), record) if self.kinds[at] != OTHER]
        texts = [*map(self.lines.text, rows), b"COMMIT %d" % open_.xid if open_.numbered else b"COMMIT"]
        self.script._held[line.gid] = Held.of(texts, xid=open_.xid, crc=crc, place=self.lines.place(record))
        self.script._abandoned.pop(open_.xid, None)
        self.script._ordinal += not open_.numbered
        self.script._open = None

    # ------------------------------------------------------------------ the end

    def _end(self) -> None:
        open_, count = self.script._open, len(self.lines)
        if open_ is not None and self.ends:
            self._leave(open_)
            open_ = None
        if open_ is None:
            self._flush(count)
            return
        is_all = open_.first < 0 or (open_.first == 0 and self.full)
        if not is_all:
            self._flush(open_.first)
            self.found.hold = open_.first
            self.script._open = None
            return
        first = max(open_.first, 0)
        open_.place = self._begun_at(open_)
        open_.crc, open_.rows = self._read_on(open_, count)
        open_.first = -1
        if not open_.known:
            self.keep[first:] = True
            open_.given = self.found.alone = True
            self._flush(count)

    def _flush(self, record: int) -> None:
        """What is kept before this record is a part."""
        kept = np.flatnonzero(self.keep[self.cut : record]) + self.cut
        kept = kept[self.kinds[kept] != OTHER]
        if len(kept):
            self.found.parts.append(
                Part(payload=self.payload, starts=self.lines.starts[kept], ends=self.lines.ends[kept])
            )
        self.cut = record

    def _require_no_rows(self, first: int, record: int) -> None:
        if self.script._open is None and self.tables_before[record] > self.tables_before[first]:
            found = np.flatnonzero(self.kinds[first:record] == TABLE)
            raise self._refusal(first + int(found[0]), "a change outside of a transaction")

    def _refusal(self, record: int, what: str) -> DecodeError:
        return self.lines.refusal(record, int(self.lines.starts[record]), what)
