"""The inputs of a replay, in order, as blocks of whole records; and where each record of them stands."""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Final

import numpy as np

from re_dms.decode.frames import PAD, SIZE_MAX, Offsets
from re_dms.decode.records import Split, split_records
from re_dms.errors import ConfigurationError, DecodeError, InvariantError, SourceError
from re_dms.settings import MIB
from re_dms.source.files import ByteStream

_WAL_FILE: Final = re.compile(r"[0-9A-F]{16}\.wal")
_BEGIN: Final = b"BEGIN"
_COMMIT: Final = b"COMMIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """From byte `at` of a block on stands the file `name`, from its byte `byte` (from 0) in line `line` (from 1) on."""

    at: int
    name: str
    byte: int
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The places of a block's bytes. A block has bytes of several files only where the seed switched inside of a value."""

    payload: memoryview
    pieces: tuple[Piece, ...]

    def place(self, offset: int) -> str:
        """The byte at `offset` of the block in words, as `data.txt, line 17, byte 4711`: lines count from 1, bytes of the
        (unpacked) file from 0. Counts the newlines before it: for messages, not for each record."""
        piece = self.piece(offset)
        return f"{piece.name}, line {piece.line}, byte {piece.byte}"

    def piece(self, offset: int) -> Piece:
        """The place of that byte as a Piece of its own, with `at` 0."""
        piece = self.pieces[bisect_right([piece.at for piece in self.pieces], offset) - 1]
        lines = np.count_nonzero(np.frombuffer(self.payload[piece.at : offset], dtype=np.uint8) == ord("\n"))
        return replace(piece, at=0, byte=piece.byte + offset - piece.at, line=piece.line + int(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """What a file ends with that is no whole record: where it begins, in words, and how much it is."""

    where: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Whole records, in the order of the input; there may be none. Record i is `payload[starts[i]:ends[i]]`.

    Behind the last record at least PAD bytes can be read. `file_ends`: nothing of this file follows, and the next block
    begins another one afresh; `torn` tells of a rest that is not a whole record. `last`: no block follows.
    The payload is the block's own: it is not written again.
    """

    payload: memoryview
    starts: Offsets
    ends: Offsets
    where: Where
    file_ends: bool
    last: bool
    torn: Torn | None


class _Fill(Enum):
    """Why filling a block stopped."""

    FULL = auto()
    END = auto()
    WAITING = auto()
    FAILED = auto()


class Input:
    """One or many files, or an open descriptor, read in order. Plain, gzip and zstd files are told by their content.

    Each file is a stream of its own, but for the seed's files: it switched to the next one after any physical line that
    begins with COMMIT, inside of a record too. A file that ends so goes on in the next one.
    """

    def __init__(self, paths: Sequence[Path] | int, *, block_bytes: int = 16 * MIB) -> None:
        """`paths`: at least one path, or a descriptor (0: standard input), which stays open."""
        self._waiting: deque[Path | int] = deque([paths] if isinstance(paths, int) else paths)
        if not self._waiting or not 0 < block_bytes <= SIZE_MAX:
            raise InvariantError(f"{len(self._waiting)} inputs in blocks of {block_bytes} bytes")
        self._block_bytes = block_bytes
        self._current: ByteStream | None = None
        self._following: ByteStream | None = None  # opened early, to see how it begins
        self._failure: SourceError | None = None
        self._given: Block | None = None
        self._consumed = self._again = 0  # of the given block: where its records end, where the next block begins
        self._switches = False  # the seed may have gone on in another file behind what was read last
        self._take(b"", kept=0, pieces=())

    def _take(self, rest: bytes | memoryview, *, kept: int, pieces: tuple[Piece, ...]) -> None:
        """A new region that begins with `rest`, of which the first `kept` bytes are records that were given before."""
        capacity = min(max(self._block_bytes, 2 * len(rest)), SIZE_MAX)
        self._payload = np.empty(capacity + PAD, dtype=np.uint8).data
        self._payload[: len(rest)] = rest
        self._filled = len(rest)
        self._kept = kept
        self._pieces = pieces
        self._tried = -1  # bytes in which no new record was found

    def next(self, timeout_seconds: float) -> Block | None:
        """The next block; None if no new whole record came within the time, which only pipes let pass.

        What is whole when the time is over is given, however little it is. Not to be called after the last block.

        Raises:
            SourceError: A file cannot be opened, read or unpacked any further, or nobody can tell whether it goes on in
                the next one. All whole records before that place have been given.
            DecodeError: A record larger than any block can be.
        """
        deadline = time.monotonic() + timeout_seconds
        self._go_on_behind_the_given()
        while True:
            fill = self._fill(deadline)
            if fill is _Fill.WAITING and self._filled == self._tried:
                return None
            split = split_records(np.frombuffer(self._payload, dtype=np.uint8, count=self._filled))
            if fill is _Fill.END:
                fill = self._end_of_file(split)
                if fill is _Fill.FULL:  # the file goes on in the next one
                    continue
            if fill is _Fill.END or split.consumed > self._kept:
                return self._give(split, file_ends=fill is _Fill.END)
            self._tried = self._filled
            if fill is _Fill.WAITING:
                return None
            if self._failure is not None:
                raise self._failure
            self._grow()

    def hold(self, index: int) -> None:
        """Give the records of the last block from `index` on again, at the start of the next one.

        Not for a block with which its file ends: nothing would come to complete them.
        """
        block = self._given
        if block is None or block.file_ends or not 0 <= index <= len(block.starts):
            raise InvariantError(f"record {index} of the last block cannot be held")
        self._again = int(block.starts[index]) if index < len(block.starts) else self._consumed

    def close(self) -> None:
        """Close the files that are open."""
        for stream in (self._current, self._following):
            if stream is not None:
                stream.close()
        self._current = self._following = None

    def _go_on_behind_the_given(self) -> None:
        """Begin a new region with what the last block did not use up."""
        block, self._given = self._given, None
        if block is None:
            return
        if block.last:
            raise InvariantError("nothing comes after the last block")
        if block.file_ends:
            self._current = None
            self._take(b"", kept=0, pieces=())
            return
        where, begin = block.where, self._again
        pieces = [replace(piece, at=piece.at - begin) for piece in where.pieces if piece.at > begin]
        rest = block.payload[begin : self._filled]
        self._take(rest, kept=self._consumed - begin, pieces=(where.piece(begin), *pieces))

    def _fill(self, deadline: float) -> _Fill:
        if self._failure is not None:
            return _Fill.FAILED
        capacity = len(self._payload) - PAD
        try:
            if self._current is None:
                self._current, self._following = self._following or ByteStream(self._waiting.popleft()), None
                self._pieces = (Piece(at=0, name=self._current.name, byte=0, line=1),)
                self._switches = False
            while self._filled < capacity:
                count = self._current.read_into(self._payload[self._filled : capacity], deadline)
                if not count:
                    return _Fill.WAITING if count is None else _Fill.END
                self._filled += count
                if self._filled < capacity and time.monotonic() >= deadline:
                    return _Fill.WAITING
        except SourceError as error:
            self._failure = error
            return _Fill.FAILED
        return _Fill.FULL

    def _end_of_file(self, split: Split) -> _Fill:
        """END, or FULL when the file goes on in the next one, whose bytes are to be read behind it; or FAILED."""
        if self._filled:
            self._switches = self._may_switch(split)
        has_next = bool(self._waiting) or self._following is not None
        if not self._switches or not has_next or self._current is None:
            return _Fill.END
        try:
            self._following = self._following or ByteStream(self._waiting.popleft())
            if self._following.peek(len(_BEGIN)) == _BEGIN:
                if split.consumed == self._filled:
                    return _Fill.END
                raise self._ambiguous(self._current.name, self._following.name)
        except SourceError as error:
            self._failure = error
            return _Fill.FAILED
        self._current.close()
        self._current, self._following = self._following, None
        self._pieces += (Piece(at=self._filled, name=self._current.name, byte=0, line=1),)
        return _Fill.FULL

    def _may_switch(self, split: Split) -> bool:
        """Whether the seed may have gone on in another file behind these bytes, in the middle of a transaction.

        It did so behind a physical line that begins with COMMIT; here one that is not a record of its own, but the end of
        one with several lines, or in the middle of one.
        """
        if not len(split.newlines) or split.newlines[-1] != self._filled - 1:
            return False
        line = int(split.newlines[-2]) + 1 if len(split.newlines) > 1 else 0
        is_own_record = len(split) > 0 and line == split.starts[-1]
        return not is_own_record and self._payload[line : line + len(_COMMIT)].tobytes() == _COMMIT

    def _ambiguous(self, name: str, following: str) -> SourceError:
        return SourceError(
            f"{name} ends inside of a record and {following} begins with BEGIN: nobody can tell whether that is the rest of a"
            " value or a new transaction",
            remedy=f"look at both: if the record goes on, join them (cat {name} {following} > joined) and replay that;"
            f" if {name} was cut, replay them one by one with the same --stream",
        )

    def _give(self, split: Split, *, file_ends: bool) -> Block:
        if self._current is None:
            raise InvariantError("a block of no file")
        where = Where(payload=self._payload, pieces=self._pieces)
        rest = self._filled - split.consumed
        if self._filled:
            self._switches = self._may_switch(split)
        if file_ends:
            self._current.close()
        self._payload[self._filled :][:PAD] = bytes(PAD)
        self._consumed = self._again = split.consumed
        self._given = Block(
            payload=self._payload,
            starts=split.starts,
            ends=split.ends,
            where=where,
            file_ends=file_ends,
            last=file_ends and not self._waiting and self._following is None,
            torn=Torn(where=where.place(split.consumed), size_bytes=rest) if file_ends and rest else None,
        )
        return self._given

    def _grow(self) -> None:
        """Twice the room for a record that is larger than a block."""
        if len(self._payload) - PAD >= SIZE_MAX:
            name = Where(payload=self._payload, pieces=self._pieces).place(0)
            raise DecodeError(
                f"{name}: a record that has no end within {SIZE_MAX} bytes",
                remedy="Postgres makes no such records: a quote is missing there or before; get the file again",
            )
        self._take(self._payload[: self._filled], kept=self._kept, pieces=self._pieces)


def wal_files(directory: Path) -> list[Path]:
    """The seed's files in a directory, in the order in which it wrote them: 16 upper-case hex digits and `.wal`.

    Raises ConfigurationError for a directory that cannot be read or has none.
    """
    try:
        found = [path for path in directory.iterdir() if _WAL_FILE.fullmatch(path.name) and path.is_file()]
    except OSError as error:
        raise ConfigurationError(
            f"{directory} cannot be read: {error.strerror}", remedy="name a directory that can be read"
        ) from error
    if not found:
        raise ConfigurationError(
            f"{directory} holds no .wal files (16 upper-case hex digits and .wal)",
            remedy="name the directory that OUTPUT_WAL_DIRECTORY named, or the files themselves",
        )
    return sorted(found, key=lambda path: path.name)
