"""`bench snapshot`: our initial copy to an fsynced journal against `psql -c "copy … to stdout" | zstd -1 > file`, in turn.

Ours from `copy_started` to the last durable batch of the copy; theirs from start to end of the shell (it starts in
milliseconds), not synced. Every run of ours has a slot and a journal of its own. A round counts only when the files have a
line for every row and our manifests count as many copied rows.

Beside several connections of ours the same command runs as often at once, each with its part of every table: what this machine
has to give.
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
        theirs = {
            _name_of(number): partial(_theirs, server, directory, names, rows // tables * tables, number)
            for number in sorted({1, *known})
        }
        sides = in_turn(rounds, {**theirs, **ours})
        one = sides["psql_zstd"]
        return {
            "bench": "snapshot",
            "rows": rows // tables * tables,
            "tables": tables,
            "table_megabytes": round(size / 1_000_000, 1),
            "rounds": rounds,
            "ratio": ratio(one, sides[next(iter(ours))]),
            "ratios": {name: ratio(one, side) for name, side in sides.items() if side is not one},
            "rows_per_second": {
                name: spread([rows / side.seconds for side in found], 0) for name, found in sides.items()
            },
            "cpu_seconds_per_million": {name: cpu_per_million(found, rows) for name, found in sides.items()},
            "megabytes": {name: round(found[0].more["bytes"] / 1_000_000, 1) for name, found in sides.items()},
            "peak_pss_mb": {name: peak_pss_mb(sides[name]) for name in ours},
            **facts(server),
        }


def _table(name: str, rows: int) -> str:
    table = ten.TABLE.replace("create table measured", f"create table {name}")
    return f"{table}; insert into {name} select {ten.ROW} from generate_series(1, {rows}) i"


def _name_of(connections: int) -> str:
    return "psql_zstd" if connections == 1 else f"psql_zstd_{connections}"


def _theirs(server: LocalPostgres, directory: Path, names: Sequence[str], rows: int, connections: int, _: int) -> Side:
    targets = [directory / f"copy_{part}.zst" for part in range(connections)]
    commands = []
    for part, target in enumerate(targets):
        queries = [_part(server, name, part, connections) for name in names]
        copies = " ".join(f"-c {quote(f'copy ({query}) to stdout')}" for query in queries)
        psql = f"{quote(program(server, 'psql'))} -X -q {copies} -d {quote(server.dsn(DATABASE))}"
        commands.append(f"{psql} | zstd -1 -q -c > {quote(str(target))} & ")
    words = ["sh", "-c", f"{''.join(commands)} wait"]
    side = measured(words, server=server, environment=os.environ, log=directory / "copy.log")
    files = " ".join(quote(str(target)) for target in targets)
    lines = subprocess.run(f"zstd -dc {files} | wc -l", shell=True, capture_output=True, check=True).stdout
    if int(lines) != rows:
        raise DifferentWork(f"psql and zstd have {int(lines)} rows, the tables {rows}")
    size = sum(target.stat().st_size for target in targets)
    for target in targets:
        target.unlink()
    return replace(side, more={"bytes": size})


def _part(server: LocalPostgres, name: str, part: int, parts: int) -> str:
    """All rows of a table, or those of its share of the pages."""
    if parts == 1:
        return f"select * from {name}"
    (pages,) = server.execute(
        f"select pg_relation_size('{name}') / current_setting('block_size')::int", dbname=DATABASE
    )[0]
    low, high = (f"'({pages * each // parts},0)'" for each in (part, part + 1))
    return f"select * from {name} where ctid >= {low} and ctid < {high}"


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
