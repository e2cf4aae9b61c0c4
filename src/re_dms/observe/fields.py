"""The names of all fields that a log line may carry: names, counts, positions and times. Never values of rows.

A new field is added here, after asking whether it can ever hold what a user stored.
"""

from __future__ import annotations

from typing import Final

FIELDS: Final[frozenset[str]] = frozenset(
    {
        # where
        "pipeline", "half", "role", "process", "pid", "parent", "writer", "version",
        "server_version", "system_identifier", "timeline", "database", "slot", "publication", "temporary_slot",
        "journal", "journal_id", "warehouse", "warehouse_id", "key", "path",
        # what
        "table", "tables", "oid", "relation", "column", "columns", "what", "kind", "step", "failpoint",
        "library", "template", "signal", "state", "wal_status", "of", "do", "done",
        # positions
        "batch", "batches", "batches_waiting", "epoch", "tail", "snapshot", "target", "watermark", "number", "xid",
        "lsn", "start", "end", "position", "confirmed", "restart", "wal_end", "server_lsn",
        # counts
        "rows", "changes", "transactions", "inserts", "updates", "deletes", "truncates", "copied", "altered", "skipped", "files",
        "messages", "buffers", "parts", "segments", "waiting", "removed", "objects", "attempt",
        # sizes, times and speeds
        "bytes", "lag_bytes", "retained_bytes", "retained_wal_bytes", "applied_us", "commit_times_us", "lag_seconds", "seconds", "wait_seconds", "age_seconds",
        "rows_per_second", "bytes_per_second",
        # errors
        "exit_code", "retry", "sqlstate",
    }
)  # fmt: skip

WORDS: Final[frozenset[str]] = frozenset({"message", "remedy", "reason"})
"""Fields that hold our own sentences: long ones are cut, not refused."""
