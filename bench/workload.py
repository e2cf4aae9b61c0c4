"""The ten-column load by its earlier name."""

from bench.workloads.base import DATABASE
from bench.workloads.ten import CHANGES_A_TRANSACTION, TABLE, load, load_one_by_one, make

__all__ = ["CHANGES_A_TRANSACTION", "DATABASE", "TABLE", "load", "load_one_by_one", "make"]
