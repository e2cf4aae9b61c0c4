"""Where and when a figure was taken."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localpg import LocalPostgres
from re_dms import __version__

SETTINGS = {
    # Postgres's own durability, and room for the WAL that several slots hold.
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "8GB",
    "max_replication_slots": "50",
    "max_wal_senders": "20",
    # Its workers would fall into one side's rounds and not into the other's.
    "autovacuum": "off",
}


def facts(server: LocalPostgres) -> dict[str, Any]:
    """Machine, versions, moment."""
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = next((int(line.split()[1]) // 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "machine": f"{os.cpu_count()} x {cpu}, {memory} MB",
        "postgres": ".".join(map(str, server.version)),
        "re_dms": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
