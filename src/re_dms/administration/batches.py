"""What is in a journal, batch by batch, and taking away what the warehouse has: `re-dms journal`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from re_dms.administration.places import open_places, require_ours
from re_dms.errors import ChangesMissing, ConfigurationError, JournalError
from re_dms.journal.journal import Journal
from re_dms.journal.opening import open_store
from re_dms.journal.retention import Removed, prune
from re_dms.manifest import Changes, Copy, DataFile, Diverged, Manifest, Step
from re_dms.settings import Settings

_READERS_MAX: Final = 16


def open_journal(settings: Settings) -> Journal:
    """The pipeline's journal. Raises JournalError when there is none, ConfigurationError when it is another's."""
    journal = Journal(open_store(settings.journal))
    root = journal.root()
    if root is None:
        raise JournalError(f"there is no journal at {settings.journal.url} yet", remedy="check --journal")
    if root.pipeline != settings.name:
        require_ours(root, settings)
    return journal


def batches(settings: Settings, *, last: int | None = None) -> Iterator[dict[str, Any]]:
    """A summary of each batch that is there, ascending; only the `last` ones when told. JSON-ready."""
    journal = open_journal(settings)
    numbers = journal.numbers()
    numbers = numbers if last is None else numbers[max(0, len(numbers) - last) :]
    with ThreadPoolExecutor(_READERS_MAX) as pool:
        found = pool.map(lambda number: journal.manifest(number, look_beyond=False), numbers)
        # What retention takes away while we read is no longer there.
        yield from (summary(manifest) for manifest in found if manifest is not None)


def batch(settings: Settings, number: int, *, verify: bool = False) -> dict[str, Any]:
    """All that one batch holds, JSON-ready; with `verify` every file is read and compared with its checksum.

    Raises JournalError when it is not there.
    """
    journal = open_journal(settings)
    manifest = journal.manifest(number)
    if manifest is None:
        numbers = journal.numbers()
        there = f"{numbers[0]} to {numbers[-1]} are" if numbers else "no batch is"
        raise JournalError(f"batch {number} is not in the journal; {there} there", remedy="see `re-dms journal ls`")
    tables = [
        {
            "table": changes.relations[-1].full_name if changes.relations else f"OID {changes.oid}",
            "oid": changes.oid,
            "counts": {name: count for name, count in changes.counts.model_dump().items() if count},
            "steps": [_step(journal, step, verify=verify) for step in changes.steps],
        }
        for changes in manifest.tables
    ]
    return summary(manifest) | {
        "writer": manifest.writer,
        "dialect": manifest.dialect,
        "registry": manifest.registry.key,
        "dropped_tables": list(manifest.dropped_tables),
        "by_table": tables,
    }


def summary(manifest: Manifest) -> dict[str, Any]:
    """One batch in a line's worth of facts. Times are ISO 8601 in UTC, of the first and last commit."""
    times = manifest.commit_times_us
    files = [file for changes in manifest.tables for step in changes.steps for file in _files(step)]
    return {
        "number": manifest.number,
        "kind": manifest.kind,
        "start": str(manifest.start),
        "end": str(manifest.end),
        "transactions": manifest.transactions,
        "changes": manifest.changes,
        "tables": len(manifest.tables),
        "files": len(files),
        "bytes": sum(file.bytes for file in files),
        "first_commit": _time(times[0]) if times else None,
        "last_commit": _time(times[-1]) if times else None,
    }


def prune_now(settings: Settings, *, dry_run: bool = False) -> tuple[int, Removed]:
    """Remove what the warehouse has: all batches below its watermark, never the newest (protocol line 11).

    The watermark is read in the warehouse itself. Returns its batch (0: nothing was applied) and what was removed, or,
    with `dry_run`, what would be.
    """
    open_journal(settings)
    places = open_places(settings)
    if places.warehouse is None or places.root is None:
        raise ConfigurationError("pruning needs the warehouse, whose watermark decides", remedy="give --warehouse")
    mark = places.warehouse.watermark(places.root.journal_id)
    return (0, Removed()) if mark is None else (mark.batch, prune(places.journal, mark.batch, dry_run=dry_run))


def damaged(document: dict[str, Any]) -> int:
    """The exit code for a batch that was verified: 6 when a file is not as it was written, else 0."""
    states = [
        file.get("state", "whole")
        for table in document["by_table"]
        for step in table["steps"]
        for file in step["files"]
    ]
    return 0 if all(state == "whole" for state in states) else ChangesMissing.exit_code


def lines(document: dict[str, Any]) -> Iterator[str]:
    """A batch's details for people."""
    for name in ("number", "kind", "start", "end", "transactions", "changes", "first_commit", "last_commit", "writer"):
        yield f"{name.replace('_', ' '):13} {document[name] if document[name] is not None else '-'}"
    for table in document["by_table"]:
        counts = ", ".join(f"{count:,} {name}" for name, count in table["counts"].items()) or "no changes"
        yield f"\n{json.dumps(table['table'], ensure_ascii=False)[1:-1]} (OID {table['oid']}): {counts}"
        for step in table["steps"]:
            ops = ", ".join(f"{op} {count:,}" for op, count in step.get("ops", {}).items())
            at = f" as of {step['position']}" if "position" in step else ""
            reason = f": {step['reason']}" if "reason" in step else ""
            yield f"  {step['step']}{at}{f' ({ops})' if ops else ''}{reason}"
            for file in step["files"]:
                odd = f", odd values {sum(file['odd'].values()):,}" if file["odd"] else ""
                state = f", {file['state']}" if "state" in file else ""
                yield f"    {file['key']}: {file['rows']:,} rows, {file['bytes']:,} bytes{odd}{state}"


def _step(journal: Journal, step: Step, *, verify: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"step": step.step}
    if isinstance(step, Changes):
        found["ops"] = step.ops
    if isinstance(step, Copy):
        found["position"] = str(step.position)
    if isinstance(step, Diverged):
        found["reason"] = step.reason
    found["files"] = [_file(journal, file, verify=verify) for file in _files(step)]
    return found


def _file(journal: Journal, file: DataFile, *, verify: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"key": file.key, "rows": file.rows, "bytes": file.bytes, "odd": file.odd}
    if verify:
        try:
            journal.fetch(file)
        except ChangesMissing as error:
            found["state"] = error.message
        else:
            found["state"] = "whole"
        journal.release()
    return found


def _files(step: Step) -> tuple[DataFile, ...]:
    return step.files if isinstance(step, Changes | Copy) else ()


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat(timespec="milliseconds")
