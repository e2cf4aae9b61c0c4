"""Hand-made transcripts through the sieve, in blocks of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from re_dms.decode.frames import Frames
from re_dms.decode.line_frames import Lines
from re_dms.pipeline.inputs import Block, Input
from re_dms.pipeline.transcript import Transcript


@dataclass
class Sieve:
    """`given`: the transactions that came out, each as its lines; `known`: xid to checksum of those that are done."""

    directory: Path
    known: dict[int, int] = field(default_factory=dict)
    elsewhere: dict[int, frozenset[int]] = field(default_factory=dict)
    given: list[list[str]] = field(default_factory=list)
    dropped: int = 0

    def run(self, *files: str, block_bytes: int = 1 << 20) -> Transcript:
        paths = []
        for number, text in enumerate(files):
            paths.append(self.directory / f"part-{number}.txt")
            paths[-1].write_bytes(text.encode())
        source = Input(paths, block_bytes=block_bytes)
        script = Transcript(
            lambda xids: {xid: self.known[xid] for xid in xids if xid in self.known},
            lambda xids: {xid: self.elsewhere[xid] for xid in xids if xid in self.elsewhere},
        )
        lines: list[str] = []
        last = False
        while not last:
            block = source.next(1.0)
            assert block is not None
            frames = Frames.at(block.payload, block.starts, block.ends)
            lsn = np.zeros(len(block.starts), dtype=np.uint64)
            whole = Lines(frames, starts=block.starts, lsn=lsn, place=partial(_place, block))
            full = bool(len(whole)) and int(whole.ends[-1]) >= block_bytes // 2
            sifted = script.sift(block.payload, whole, full=full, ends=block.file_ends)
            if sifted.drop:
                lines = []
                self.dropped += 1
            for part in sifted.parts:
                texts = [bytes(part.payload[a:b]).decode() for a, b in zip(part.starts, part.ends, strict=True)]
                for text in texts:
                    lines.append(text)
                    if text.startswith("COMMIT"):
                        self.given.append(lines)
                        lines = []
            self.known |= dict(zip(sifted.xids, sifted.crcs, strict=True))
            if sifted.hold is not None:
                source.hold(sifted.hold)
            last = block.last
        source.close()
        return script


def _place(block: Block, _line: int, at: int) -> str:
    return block.where.place(at)


def transaction(xid: int, *rows: str, end: str | None = None) -> str:
    """BEGIN, these rows of table t, and its end."""
    lines = [f"BEGIN {xid}", *(f"table public.t: INSERT: id[integer]:{row}" for row in rows), end or f"COMMIT {xid}"]
    return "".join(f"{line}\n" for line in lines)


def rows(given: Sequence[Sequence[str]]) -> list[list[str]]:
    """The ids of each transaction."""
    return [[line.rpartition(":")[2] for line in lines if line.startswith("table")] for lines in given]
