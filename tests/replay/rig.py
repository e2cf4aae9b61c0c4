"""A recorder: pg_recvlogical itself writes what a real server's test_decoding slot sends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fix_pipeline import Finished, Pipeline
from fix_postgres import Database

OPTIONS = ("include-xids=1", "include-timestamp=1", "skip-empty-xacts=0")
# What our own connections force: a file's values are as its writer's session printed them.
SESSION = "-c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 -c TimeZone=UTC"


@dataclass
class Recorder:
    """A slot of test_decoding; `record` writes what happened since the last time."""

    database: Database
    slot: str = "recorded"
    two_phase: bool = False

    def __post_init__(self) -> None:
        more = ", false, true" if self.two_phase else ""
        self.database.execute(f"select pg_create_logical_replication_slot('{self.slot}', 'test_decoding'{more})")

    def record(self, path: Path, options: Sequence[str] = OPTIONS) -> bytes:
        """What was committed since the last recording, appended to the file; its bytes now."""
        end = self.database.fetch("select pg_current_wal_insert_lsn()::text")[0][0]
        words: list[str | Path] = [self.database.server.binaries / "pg_recvlogical", "-d", self.database.dsn]
        words += ["--slot", self.slot, "--start", "--no-loop", "--endpos", end, "--file", path, "--fsync-interval=0"]
        for option in options:
            words += ["-o", option]
        subprocess.run(words, check=True, timeout=60, env=os.environ | {"PGOPTIONS": SESSION}, capture_output=True)
        return path.read_bytes()


def replay(pipeline: Pipeline, *words: str | Path, code: int = 0) -> Finished:
    """`re-dms replay --json …`, which must end with this code."""
    finished = pipeline.run("replay", *map(str, words), "--json")
    assert finished.code == code, f"exit {finished.code}:\n{finished.log}"
    return finished
