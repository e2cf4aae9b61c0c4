"""The inputs of `bench replay`: what the server's own pg_recvlogical writes of a test_decoding slot."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.workloads import DATABASE, ten
from localpg import LocalPostgres

# As our own connections set it: a file's values are as its writer's session printed them.
_SESSION: Final = "-c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 -c TimeZone=UTC"
_OPTIONS: Final = ("include-xids=on", "include-timestamp=on", "skip-empty-xacts=on")
_SLOT: Final = "transcript"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptFile:
    """A file, the bytes that it is unpacked, and what was done in it (inserts, updates, deletes, transactions)."""

    path: Path
    size_bytes: int
    done: dict[str, int]

    @property
    def rows(self) -> int:
        """The lines of changes."""
        return self.done["inserts"] + self.done["updates"] + self.done["deletes"]


def make(server: LocalPostgres, directory: Path, *, rows: int, small_rows: int) -> dict[str, TranscriptFile]:
    """`large`: transactions of 5,000 changes; `small`: of one; `gzip`: the large one, packed by Python's gzip, level 6."""
    ten.make(server)
    server.execute(f"select pg_create_logical_replication_slot('{_SLOT}', 'test_decoding')", dbname=DATABASE)
    large = _record(server, directory / "large.txt", ten.load(server, rows))
    server.execute("truncate measured", dbname=DATABASE)
    _record(server, directory / "between.txt", {})
    small = _record(server, directory / "small.txt", ten.load_one_by_one(server, small_rows))
    packed = directory / "large.txt.gz"
    with large.path.open("rb") as plain, gzip.open(packed, "wb", compresslevel=6) as pack:
        shutil.copyfileobj(plain, pack, 1 << 20)
    return {
        "large": large,
        "small": small,
        "gzip": TranscriptFile(path=packed, size_bytes=large.size_bytes, done=large.done),
    }


def _record(server: LocalPostgres, path: Path, done: dict[str, int]) -> TranscriptFile:
    end = server.execute("select pg_current_wal_insert_lsn()::text", dbname=DATABASE)[0][0]
    words: list[str | Path] = [server.binaries / "pg_recvlogical", "-d", server.dsn(DATABASE), "--slot", _SLOT]
    words += ["--start", "--no-loop", "--endpos", end, "--file", path]
    for option in _OPTIONS:
        words += ["-o", option]
    subprocess.run(words, check=True, env=os.environ | {"PGOPTIONS": _SESSION}, capture_output=True)
    return TranscriptFile(path=path, size_bytes=path.stat().st_size, done=done)
