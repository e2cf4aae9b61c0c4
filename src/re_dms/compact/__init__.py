"""Compaction: the changes of one table fold to the last state per key, in columns. Pure: no I/O, no state."""

from re_dms.compact.folded import Folded
from re_dms.compact.segment import fold

__all__ = ["Folded", "fold"]
