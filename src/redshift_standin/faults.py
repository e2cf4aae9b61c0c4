"""Faults on order: what a real cluster does on a bad day, at a moment that a test chooses.

    [[fault]]
    kind = "kill-before-reply"    # what happens
    nth = 2                       # at the second occasion that fits (default 1)
    times = 1                     # and how often in a row (default 1; 0: for ever)

Read from a TOML file (`--faults`) or set by a superuser at run time:
`SET redshift_standin.fault = '{kind = "serializable", nth = 3}'`; an empty text removes all.
"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redshift_standin.errors import RedshiftError

# Kind -> the occasion that it waits for, and the keys that it needs besides.
KINDS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "kill-before-commit": ("commit", frozenset()),  # nothing was committed, the connection is cut
    "kill-before-reply": ("commit", frozenset()),  # it was committed, the connection is cut before the reply
    "kill-after-reply": ("commit", frozenset()),  # it was committed and said; the next statement finds no server
    "serializable": ("commit", frozenset()),  # error 1023 in place of the commit
    "slow-commit": ("commit", frozenset({"seconds"})),
    "timeout": ("statement", frozenset()),  # 57014 in place of the statement
    "restart": ("statement", frozenset({"seconds"})),  # all connections are cut, new ones are refused for a while
    "copy-error": ("copy", frozenset({"row", "code"})),  # a load error of this code at that row
    "s3-status": ("s3", frozenset({"status"})),  # 403, 404, 500 or 503 in place of an object
    "s3-slow": ("s3", frozenset({"seconds"})),
    "s3-cut": ("s3", frozenset({"bytes"})),  # the object's body ends early
    "connection-limit": ("connect", frozenset()),
}
_NUMBERS: Final = frozenset({"nth", "times", "row", "code", "status", "bytes"})


@dataclass(slots=True)
class Fault:
    """One order. `match`: only occasions whose text (the statement's first word, a table, an object's URL) holds it."""

    kind: str
    nth: int = 1
    times: int = 1
    match: str = ""
    seconds: float = 0.0
    row: int = 0
    code: int = 0
    status: int = 0
    bytes: int = 0
    met: int = field(default=0, init=False)

    @staticmethod
    def of(table: Mapping[str, Any]) -> Fault:
        """An order from a TOML table. Raises RedshiftError 22023 that names the mistake."""
        kind = str(table.get("kind"))
        if kind not in KINDS:
            raise RedshiftError("22023", f"unknown fault {kind!r}; there are: {', '.join(KINDS)}")
        needed = KINDS[kind][1]
        known = needed | {"kind", "nth", "times", "match"}
        if wrong := sorted(set(table) ^ (set(table) & known | needed)):
            raise RedshiftError(
                "22023", f"fault {kind}: it takes {', '.join(sorted(known))}; mistaken: {', '.join(wrong)}"
            )
        for key, value in table.items():
            wanted: tuple[type, ...] = (int,) if key in _NUMBERS else (int, float) if key == "seconds" else (str,)
            if not isinstance(value, wanted) or (isinstance(value, int | float) and value < 0):
                raise RedshiftError("22023", f"fault {kind}: {key} cannot be {value!r}")
        return Fault(**table)


class Faults:
    """The orders of a server. Occasions are counted by order, over all sessions."""

    def __init__(self, orders: Sequence[Fault] = ()) -> None:
        self._orders = list(orders)
        self._lock = threading.Lock()

    @staticmethod
    def read(path: Path) -> Faults:
        """From a file of [[fault]] tables."""
        return Faults(_orders(path.read_text(encoding="utf-8")))

    def order(self, text: str) -> None:
        """Add one order, an inline TOML table; an empty text removes all."""
        with self._lock:
            if text.strip():
                self._orders += _orders(f"fault = [{text}]")
            else:
                self._orders.clear()

    def due(self, occasion: str, text: str = "") -> list[Fault]:
        """The orders that are to be carried out on this occasion."""
        with self._lock:
            return [each for each in self._orders if self._is_due(each, occasion, text)]

    def _is_due(self, order: Fault, occasion: str, text: str) -> bool:
        if KINDS[order.kind][0] != occasion or order.match not in text:
            return False
        order.met += 1
        return order.met >= order.nth and (not order.times or order.met < order.nth + order.times)


def _orders(text: str) -> list[Fault]:
    try:
        tables = tomllib.loads(text).get("fault", [])
    except tomllib.TOMLDecodeError as error:
        raise RedshiftError("22023", f"the faults are no TOML: {error}") from None
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise RedshiftError("22023", "the faults are no list of [[fault]] tables")
    return [Fault.of(table) for table in tables]
