"""Which transactions may stand beside one another: conflicts are judged by table, as Redshift judges them.

The backend keeps snapshots and locks; this tracker adds what Postgres does not have: a transaction that would close a cycle
with others that overlap it is refused (1023), even when they touched different rows; and a table that was made after a
transaction's snapshot is not there for it (1018).
Source: AWS Database Developer Guide, "Serializable isolation" (c_serial_isolation).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from redshift_standin.errors import RedshiftError

Level = Literal["serializable", "snapshot"]
_ACTIVE: Final = 2**62


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction from its snapshot on. Tables are OIDs. `ended`: when it committed, far away while it is open."""

    number: int
    pid: int
    snapshot: int
    ended: int = _ACTIVE
    reads: set[int] = field(default_factory=set)
    writes: set[int] = field(default_factory=set)
    created: set[int] = field(default_factory=set)

    def overlaps(self, other: Transaction) -> bool:
        """Neither was committed before the other took its snapshot."""
        return self.ended > other.snapshot and other.ended > self.snapshot


class Tracker:
    """All open transactions of a server, and those committed ones that an open one overlaps."""

    def __init__(self, level: Level = "serializable") -> None:
        self.level: Level = level
        self._lock = threading.Lock()
        self._clock = itertools.count(1)
        self._numbers = itertools.count(1001)
        self._known: list[Transaction] = []
        self._made: dict[int, int] = {}

    def begin(self, pid: int, take_snapshot: Callable[[], object]) -> Transaction:
        """A transaction whose snapshot the backend takes now, at one moment with ours."""
        with self._lock:
            take_snapshot()
            found = Transaction(number=next(self._numbers), pid=pid, snapshot=next(self._clock))
            self._known.append(found)
            return found

    def touch(self, mine: Transaction, reads: Iterable[int], writes: Iterable[int]) -> None:
        """Note what a statement is about to read and write.

        Raises RedshiftError XX000: "1018" for a table made after the snapshot, "1023" where a cycle would close.
        """
        with self._lock:
            reads, writes = set(reads), set(writes)
            for table in sorted(reads | writes):
                if self._made.get(table, 0) > mine.snapshot and table not in mine.created:
                    raise RedshiftError(
                        "XX000", "1018", f"Relation {table} is not in the snapshot of this transaction."
                    )
            mine.reads |= reads
            mine.writes |= writes
            self._refuse_cycle(mine)

    def created(self, mine: Transaction, table: int) -> None:
        """This transaction made a table; others see it once it has committed."""
        with self._lock:
            mine.created.add(table)

    def commit(self, mine: Transaction, commit: Callable[[], object]) -> None:
        """The backend commits it now. Raises "1023" in place of it."""
        with self._lock:
            self._refuse_cycle(mine)
            commit()
            mine.ended = next(self._clock)
            self._made.update(dict.fromkeys(mine.created, mine.ended))
            self._forget()

    def roll_back(self, mine: Transaction) -> None:
        """As if it had never been."""
        with self._lock:
            self._known.remove(mine)
            self._forget()

    def open_transactions(self) -> int:
        with self._lock:
            return sum(each.ended == _ACTIVE for each in self._known)

    def _forget(self) -> None:
        """Committed transactions that no open one overlaps cannot be part of a cycle any more."""
        oldest = min((each.snapshot for each in self._known if each.ended == _ACTIVE), default=_ACTIVE)
        self._known = [each for each in self._known if each.ended > oldest]

    def _refuse_cycle(self, mine: Transaction) -> None:
        if self.level == "snapshot":
            return
        cycle = self._cycle(mine)
        if cycle:
            table = min((mine.reads | mine.writes) & (cycle[-1].reads | cycle[-1].writes))
            raise violation(table, [each.number for each in cycle], mine.pid)

    def _cycle(self, mine: Transaction) -> list[Transaction]:
        """A way from this transaction back to it, each before the next in every serial order; empty if there is none."""
        waiting: list[list[Transaction]] = [[mine]]
        seen: set[int] = set()
        while waiting:
            way = waiting.pop()
            for other in self._known:
                if not _before(way[-1], other):
                    continue
                if other is mine:
                    return way
                if other.number not in seen:
                    seen.add(other.number)
                    waiting.append([*way, other])
        return []


def _before(first: Transaction, second: Transaction) -> bool:
    """`first` has to come before `second` in every serial order that gives what they saw."""
    if first is second:
        return False
    if not first.overlaps(second):
        shared = first.writes & (second.reads | second.writes) or first.reads & second.writes
        return bool(shared) and first.ended <= second.snapshot
    if first.reads & second.writes:
        return True  # it read the table as it was without the other's rows
    return bool(first.writes & second.writes) and first.ended < second.ended  # the lock made the second wait


def violation(table: int, numbers: Iterable[int], pid: int) -> RedshiftError:
    """Error 1023 in the form that is seen on the wire."""
    cycle = ", ".join(str(number) for number in numbers)
    return RedshiftError(
        "XX000",
        "1023",
        f"Serializable isolation violation on table - {table}, transactions forming the cycle are: {cycle} (pid:{pid})",
    )


def not_in_snapshot(table: int) -> RedshiftError:
    """Error 1018: the relation was made after the transaction's snapshot."""
    return RedshiftError("XX000", "1018", f"Relation {table} is not in the snapshot of this transaction.")
