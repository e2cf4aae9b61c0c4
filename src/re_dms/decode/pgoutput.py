"""pgoutput (proto_version 1) to columnar changes of each table.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from re_dms.decode.events import event_frame
from re_dms.decode.frames import HEADER, Frames, Offsets
from re_dms.decode.transactions import Commits, OpenTransaction, Transactions, read_transactions
from re_dms.decode.wire import IGNORED, BadMessage, WireColumn, WireRelation, read_relation, read_truncate
from re_dms.errors import InvariantError
from re_dms.lsn import LSN
from re_dms.schema import Relation

__all__ = [
    "Commits",
    "Decoded",
    "PgOutputDecoder",
    "Resolve",
    "TableEvents",
    "WireColumn",
    "WireRelation",
]

Resolve = Callable[[Sequence[WireRelation]], Sequence[Relation | None]]
"""The schema version of each Relation message, in the same order. None: a table that we do not carry.

A Relation must have the message's OID and column names in the message's order: values are assigned by place.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEvents:
    """One segment of one table, or the TRUNCATE between two.

    `truncate`: the table was emptied here, and `frame` is None. Otherwise `frame` has the columns that
    `events.event_frame` describes; its texts point into the region that was decoded.
    """

    relation: Relation
    truncate: bool
    frame: pl.DataFrame | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What one buffer held: per carried table (ascending OIDs) its events in order, and the COMMITs.

    Tables without rows or TRUNCATEs are not listed. `messages` counts all messages of the buffer.
    """

    tables: tuple[tuple[int, tuple[TableEvents, ...]], ...]
    commits: Commits
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Barrier:
    """From message `at` on, a table has this version (None: not carried); or it was emptied there."""

    at: int
    relation: Relation | None
    truncate: bool = False


_ROWS: Final = b"IUD"
_IN_TRANSACTION: Final = _ROWS + b"TRYO"
_ROW_MIN: Final = HEADER + 8  # tag, OID, kind of tuple, count of columns
_OID: Final = np.dtype(">u4")
_NOTHING: Final = np.empty(0, dtype=np.int64)
T = TypeVar("T")


def _table_of(tags: bytes) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(tags)] = True
    return table


_IS_KNOWN: Final = _table_of(_IN_TRANSACTION + b"BCM")
_IS_ROW: Final = _table_of(_ROWS)
_IS_IN_TRANSACTION: Final = _table_of(_IN_TRANSACTION)


class PgOutputDecoder:
    """Decodes the buffers of one stream (proto_version 1, text format), in the order in which they were received.

    Between buffers it keeps each table's version and the transaction that is still open. A change of version that
    `resolve` finds different (`!=`) and a TRUNCATE are barriers: they end a segment of that table alone.
    After an error the decoder is as it was before that buffer.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._relations: dict[int, Relation | None] = {}
        self._open: OpenTransaction | None = None

    def decode(self, frames: Frames, skip_before: Mapping[int, LSN]) -> Decoded:
        """The changes of one buffer.

        `skip_before`: by OID, rows and TRUNCATEs of transactions whose Begin has a final LSN before it are dropped (they
        are in the copy). Tables that `resolve` gives as None are dropped without a word. `resolve` is called once, with
        all Relation messages of the buffer; not at all when there are none.
        Raises DecodeError, with the byte and the LSN, for all that is unknown, short, too long or out of order.
        """
        tags = _tags(frames)
        transactions = read_transactions(frames, tags, self._open)
        transactions.require(frames, np.flatnonzero(_IS_IN_TRANSACTION[tags]))
        for tag, check in IGNORED.items():
            for index in np.flatnonzero(tags == tag).tolist():
                _read(frames, index, check)
        versions = self._versions(frames, tags, transactions)
        rows, truncates = _rows(frames, tags), _truncates(frames, tags)
        tables: list[tuple[int, tuple[TableEvents, ...]]] = []
        for oid in sorted(rows.keys() | truncates.keys()):
            mine, emptied = rows.get(oid, _NOTHING), truncates.get(oid, _NOTHING)
            barriers = versions.get(oid) or self._known(oid)
            _require_relation(frames, mine, emptied, barriers)
            if oid in skip_before:
                since = np.uint64(skip_before[oid])
                mine = mine[transactions.final_lsns(mine) >= since]
                emptied = emptied[transactions.final_lsns(emptied) >= since]
            barriers = [*barriers, *(_Barrier(at=at, relation=None, truncate=True) for at in emptied.tolist())]
            events = tuple(_segments(frames, tags, mine, barriers))
            if events:
                tables.append((oid, events))
        self._relations |= {oid: changes[-1].relation for oid, changes in versions.items()}
        self._open = transactions.open
        return Decoded(tables=tuple(tables), commits=transactions.commits, messages=len(frames))

    def _known(self, oid: int) -> list[_Barrier]:
        """The version that the buffers before left, as if it stood before the first message."""
        return [_Barrier(at=-1, relation=self._relations[oid])] if oid in self._relations else []

    def _versions(
        self, frames: Frames, tags: npt.NDArray[np.uint8], transactions: Transactions
    ) -> dict[int, list[_Barrier]]:
        """By OID, for the tables that a Relation message names: the versions from the buffer's start on, each different
        from the one before it."""
        messages = np.flatnonzero(tags == ord("R"))
        if not messages.size:
            return {}
        wires = [
            _read(frames, at, partial(read_relation, lsn=LSN(lsn)))
            for at, lsn in zip(messages.tolist(), transactions.final_lsns(messages).tolist(), strict=True)
        ]
        resolved = self._resolve(wires)
        if len(resolved) != len(wires):
            raise InvariantError(f"{len(wires)} Relation messages were resolved to {len(resolved)} relations")
        versions: dict[int, list[_Barrier]] = {}
        for at, wire, relation in zip(messages.tolist(), wires, resolved, strict=True):
            if relation is not None and not _fits(relation, wire):
                raise InvariantError(f"{wire.schema}.{wire.name} was resolved to a relation with other columns")
            known = versions.setdefault(wire.oid, self._known(wire.oid))
            if not known or known[-1].relation != relation:
                known.append(_Barrier(at=at, relation=relation))
        return versions


def _fits(relation: Relation, wire: WireRelation) -> bool:
    return relation.oid == wire.oid and [c.name for c in relation.columns] == [c.name for c in wire.columns]


def _tags(frames: Frames) -> npt.NDArray[np.uint8]:
    """The tag of each message, known ones only, behind a whole header."""
    everyone = np.arange(len(frames), dtype=np.int64)
    sizes = frames.ends - frames.starts
    frames.refuse(everyone, sizes <= HEADER, 0, "a message without its header and tag")
    frames.refuse(everyone, frames.bytes[frames.starts] != ord("w"), 0, "something else than XLogData")
    tags = frames.bytes[frames.starts + HEADER]
    frames.refuse(everyone, ~_IS_KNOWN[tags], HEADER, "an unknown message")
    frames.refuse(everyone, _IS_ROW[tags] & (sizes < _ROW_MIN), HEADER, "a message that is too short")
    return tags


def _read(frames: Frames, index: int, reader: Callable[[bytes], T]) -> T:
    try:
        return reader(frames.message(index, HEADER))
    except BadMessage as bad:
        raise frames.refusal(index, HEADER + bad.offset, bad.what) from None


def _rows(frames: Frames, tags: npt.NDArray[np.uint8]) -> dict[int, Offsets]:
    """By OID, the indices of its Insert, Update and Delete messages, ascending."""
    messages = np.flatnonzero(_IS_ROW[tags])
    if not messages.size:
        return {}
    oids = frames.read(frames.starts[messages] + HEADER + 1, _OID).astype(np.uint32)
    order = np.argsort(oids, kind="stable")
    oids, messages = oids[order], messages[order]
    cuts = np.flatnonzero(oids[1:] != oids[:-1]) + 1
    return {int(oids[at]): part for at, part in zip([0, *cuts.tolist()], np.split(messages, cuts), strict=True)}


def _truncates(frames: Frames, tags: npt.NDArray[np.uint8]) -> dict[int, Offsets]:
    """By OID, the indices of the Truncate messages that list it, ascending."""
    found: dict[int, list[int]] = {}
    for index in np.flatnonzero(tags == ord("T")).tolist():
        for oid in dict.fromkeys(_read(frames, index, read_truncate)):
            found.setdefault(oid, []).append(index)
    return {oid: np.array(messages, dtype=np.int64) for oid, messages in found.items()}


def _require_relation(frames: Frames, rows: Offsets, truncates: Offsets, barriers: Sequence[_Barrier]) -> None:
    known_from = barriers[0].at if barriers else len(frames)
    for messages in (rows, truncates):
        frames.refuse(messages, messages < known_from, HEADER + 1, "a table whose Relation message never came")


def _segments(
    frames: Frames, tags: npt.NDArray[np.uint8], rows: Offsets, barriers: Sequence[_Barrier]
) -> Iterator[TableEvents]:
    """The events of one table in order."""
    relation: Relation | None = None
    end = _Barrier(at=len(frames), relation=None)
    for barrier, following in pairwise([*sorted(barriers, key=lambda barrier: barrier.at), end]):
        if not barrier.truncate:
            relation = barrier.relation
        if relation is None:
            continue
        if barrier.truncate:
            yield TableEvents(relation=relation, truncate=True, frame=None)
        first, last = np.searchsorted(rows, [barrier.at, following.at])
        if first < last:
            mine = rows[first:last]
            yield TableEvents(relation=relation, truncate=False, frame=event_frame(frames, mine, tags[mine], relation))
