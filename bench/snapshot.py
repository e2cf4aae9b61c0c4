"""`bench snapshot`: our initial copy to an fsynced journal against `psql -c "copy … to stdout" | zstd -1 > file`, in turn.

Ours from `copy_started` to the last durable batch of the copy; theirs from start to end of the shell (it starts in
milliseconds), not synced. Every run of ours has a slot and a journal of its own. A round counts only when the file has a
line for every row and our manifests count as many copied rows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from bench.capture import journal_bytes, place
from bench.machine import facts
from bench.rounds import DifferentWork, Side, cpu_per_million, in_turn, peak_pss_mb, ratio, spread
from bench.running import Pipeline, has_key, measured, moment, program
from bench.workloads import DATABASE, make_database, ten
from localpg import LocalPostgres
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore

_CONNECTIONS = "capture.copy_connections"


def measure(
    *, rows: int, tables: int, rounds: int, connections: Sequence[int], pg_bin: Path | None = None
) -> dict[str, Any]:
    """The figures for each number of connections. Raises DifferentWork; RuntimeError where there is no zstd or psql."""
    if shutil.which("zstd") is None:
        raise RuntimeError("there is no zstd on PATH: install it, for the other side")
    known = [number for number in connections if number == 1 or has_key(_CONNECTIONS)]
    with place(pg_bin) as (server, directory):
        names = [f"measured_{number}" for number in range(tables)]
        make_database(server, [_table(name, rows // tables) for name in names], names)
        size = sum(server.execute(f"select pg_table_size('{name}')", dbname=DATABASE)[0][0] for name in names)
        server.execute("checkpoint")
        ours = {
            f"re_dms_{number}": partial(_ours, server, directory, number, rows // tables * tables) for number in known
        }
        sides = in_turn(
            rounds, {"psql_zstd": partial(_theirs, server, directory, names, rows // tables * tables), **ours}
        )
        theirs = sides.pop("psql_zstd")
        return {
            "bench": "snapshot",
            "rows": rows // tables * tables,
            "tables": tables,
            "table_megabytes": round(size / 1_000_000, 1),
            "rounds": rounds,
            "ratio": ratio(theirs, next(iter(sides.values()))),
            "ratios": {name: ratio(theirs, side) for name, side in sides.items()},
            "rows_per_second": {
                name: spread([rows / side.seconds for side in found], 0)
                for name, found in {"psql_zstd": theirs, **sides}.items()
            },
            "cpu_seconds_per_million": {
                name: cpu_per_million(found, rows) for name, found in {"psql_zstd": theirs, **sides}.items()
            },
            "megabytes": {
                name: round(found[0].more["bytes"] / 1_000_000, 1)
                for name, found in {"psql_zstd": theirs, **sides}.items()
            },
            "peak_pss_mb": {name: peak_pss_mb(side) for name, side in sides.items()},
            **facts(server),
        }


def _table(name: str, rows: int) -> str:
    table = ten.TABLE.replace("create table measured", f"create table {name}")
    return f"{table}; insert into {name} select {ten.ROW} from generate_series(1, {rows}) i"


def _theirs(server: LocalPostgres, directory: Path, names: Sequence[str], rows: int, _: int) -> Side:
    target = directory / "copy.zst"
    copies = " ".join(f"-c {quote(f'copy (select * from {name}) to stdout')}" for name in names)
    psql = f"{quote(program(server, 'psql'))} -X -q {copies} -d {quote(server.dsn(DATABASE))}"
    words = ["sh", "-c", f"{psql} | zstd -1 -q -c > {quote(str(target))}"]
    side = measured(words, server=server, environment=os.environ, log=directory / "copy.log")
    lines = subprocess.run(f"zstd -dc {quote(str(target))} | wc -l", shell=True, capture_output=True, check=True).stdout
    if int(lines) != rows:
        raise DifferentWork(f"psql and zstd have {int(lines)} rows, the tables {rows}")
    size = target.stat().st_size
    target.unlink()
    return replace(side, more={"bytes": size})


def _ours(server: LocalPostgres, directory: Path, connections: int, rows: int, number: int) -> Side:
    pipeline = Pipeline(
        server=server,
        directory=directory,
        name=f"copy_{connections}_{number}",
        settings={_CONNECTIONS: str(connections)} if has_key(_CONNECTIONS) else {},
    )
    side = pipeline.finish("--until-caught-up", mark="copy_started")
    events = pipeline.events()
    began = next(moment(event) for event in events if event["event"] == "copy_started")
    ended = max(moment(event) for event in events if event["event"] == "sealed" and event["kind"] == "copy")
    journal = Journal(LocalStore(pipeline.journal))
    manifests = [journal.manifest(batch) for batch in journal.numbers()]
    copied = sum(table.counts.copied for manifest in manifests if manifest is not None for table in manifest.tables)
    if copied != rows:
        raise DifferentWork(f"our manifests have {copied} copied rows, the tables {rows}")
    size = journal_bytes(pipeline.journal)
    pipeline.drop()
    return replace(side, seconds=ended - began, more={"bytes": size})
