"""The loads that are measured."""

from __future__ import annotations

from typing import Final

from bench.workloads import documents, ten, tiny, tpcc, wide
from bench.workloads.base import DATABASE, Workload, make_database, pgbench, sent

WORKLOADS: Final[dict[str, Workload]] = {
    each.name: each for each in (ten.WORKLOAD, wide.WORKLOAD, tiny.WORKLOAD, documents.WORKLOAD, tpcc.WORKLOAD)
}

__all__ = ["DATABASE", "WORKLOADS", "Workload", "make_database", "pgbench", "sent"]
