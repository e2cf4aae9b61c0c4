"""What a load is, and what a slot has of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localpg import LocalPostgres

DATABASE: Final = "bench"
_TAGS: Final = {"inserts": "I", "updates": "U", "deletes": "D", "transactions": "C"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Tables and a load of them.

    `make`: the database, its tables with their first rows, and the publication `bench`. `load` makes about so many
    changes, and returns what it knows of what it did: inserts, updates, deletes, transactions, or some of these.
    """

    name: str
    about: str
    changes: int
    make: Callable[[LocalPostgres], None]
    load: Callable[[LocalPostgres, int], Mapping[str, int]]


def make_database(server: LocalPostgres, statements: Sequence[str], tables: Sequence[str]) -> None:
    """The database, and a publication of the tables."""
    server.create_database(DATABASE)
    for statement in statements:
        server.execute(statement, dbname=DATABASE)
    server.execute(f"create publication bench for table {', '.join(tables)}", dbname=DATABASE)


def sent(server: LocalPostgres, slot: str) -> tuple[dict[str, int], int, int]:
    """What a slot has to send: how many changes by kind and transactions, all messages, and their bytes together."""
    found = server.execute(
        "select chr(get_byte(data, 0)), count(*), sum(length(data))::int8"
        f" from pg_logical_slot_peek_binary_changes('{slot}', null, null, 'proto_version', '1', 'publication_names', 'bench')"
        " group by 1",
        dbname=DATABASE,
    )
    by_tag = {tag: count for tag, count, _ in found}
    done = {name: by_tag.get(tag, 0) for name, tag in _TAGS.items()}
    return done, sum(by_tag.values()), sum(size for _, _, size in found)


def pgbench(server: LocalPostgres, scripts: Mapping[str, int], *words: str, durable: bool = False) -> str:
    """Run scripts (text and weight) with pgbench, prepared; what it printed. Raises RuntimeError with what it said.

    A load that only has to be there need not wait for the disk at every commit: `durable` False.
    """
    beside = server.binaries / "pgbench"
    program = str(beside) if os.access(beside, os.X_OK) else shutil.which("pgbench")
    if program is None:
        raise RuntimeError("there is no pgbench beside the server's programs nor on PATH: install postgresql-contrib")
    options = {} if durable else {"PGOPTIONS": "-c synchronous_commit=off"}
    with tempfile.TemporaryDirectory(prefix="re_dms-bench-") as directory:
        files = []
        for number, (text, weight) in enumerate(scripts.items()):
            path = Path(directory) / f"{number}.sql"
            path.write_text(text)
            files += ["-f", f"{path}@{weight}"]
        command = [program, "-n", "-M", "prepared", "--random-seed=7", *words, *files, server.dsn(DATABASE)]
        finished = subprocess.run(command, env=os.environ | options, capture_output=True, text=True, check=False)
    if finished.returncode != 0 or "aborted" in finished.stderr:
        raise RuntimeError(f"pgbench ended with {finished.returncode}: {finished.stderr[-2000:]}")
    return finished.stdout
