"""pgoutput (proto_version 1) to columnar changes of each table.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from re_dms.decode.decoded import Decoded, TableEvents
from re_dms.decode.events import event_frame
from re_dms.decode.frames import HEADER, Frames, Offsets
from re_dms.decode.transactions import OpenTransaction, Transactions, read_transactions
from re_dms.decode.wire import IGNORED, BadMessage, WireColumn, WireRelation, read_relation, read_truncate
from re_dms.errors import InvariantError
from re_dms.lsn import LSN
from re_dms.schema import Relation

__all__ = ["PgOutputDecoder", "Resolve", "WireColumn", "WireRelation"]

Resolve = Callable[[Sequence[WireRelation]], Sequence[Relation | None]]
"""The schema version of each Relation message, in the same order. None: a table that we do not carry.

A Relation must have the message's OID and column names in the message's order: values are assigned by place.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Barrier:
    """From message `at` on, a table has this version (None: not carried); or it was emptied there."""

    at: int
    relation: Relation | None
    truncate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """A Relation message, in force from message `at` on (-1: since an earlier buffer), and what it was resolved to."""

    at: int
    wire: WireRelation
    relation: Relation | None = None
    resolved: bool = False


_ROWS: Final = b"IUD"
_IN_TRANSACTION: Final = _ROWS + b"TO"
_ANYWHERE: Final = b"RYM"  # relations and types of transactions that the reader skipped stand between two others
_ROW_BYTES_MIN: Final = 7  # OID, kind of tuple, count of columns
_OID: Final = np.dtype(">u4")
_NOTHING: Final = np.empty(0, dtype=np.int64)
T = TypeVar("T")


def _table_of(tags: bytes) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(tags)] = True
    return table


_IS_KNOWN: Final = _table_of(_IN_TRANSACTION + _ANYWHERE + b"BC")
_IS_ROW: Final = _table_of(_ROWS)
_IS_IN_TRANSACTION: Final = _table_of(_IN_TRANSACTION)


class PgOutputDecoder:
    """Decodes the buffers of one stream (text format; whole transactions, also when they were sent in parts), in the order in which they were received.

    Between buffers it keeps each table's version and the transaction that is still open. A change of version that
    `resolve` finds different (`!=`) and a TRUNCATE are barriers: they end a segment of that table alone. A version that
    no row of ours belongs to (of a transaction that is in the journal or in the copy already) is never resolved: the
    catalog may have gone on since.
    After an error the decoder is as it was before that buffer.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._announced: dict[int, _Version] = {}
        self._open: OpenTransaction | None = None

    def decode(self, frames: Frames, skip_before: Mapping[int, LSN]) -> Decoded:
        """The changes of one buffer.

        `skip_before`: by OID, rows and TRUNCATEs of transactions whose Begin has a final LSN before it are dropped (they
        are in the copy). Tables that `resolve` gives as None are dropped without a word. `resolve` is called once, with
        the Relation messages that kept rows belong to, in stream order; not at all when there are none.
        Raises DecodeError, with the byte and the LSN, for all that is unknown, short, too long or out of order.
        """
        tags = _tags(frames)
        transactions = read_transactions(frames, tags, self._open)
        transactions.require(frames, np.flatnonzero(_IS_IN_TRANSACTION[tags]))
        for tag, check in IGNORED.items():
            for index in np.flatnonzero(tags == tag).tolist():
                _read(frames, index, check)
        announced = self._announcements(frames, tags, transactions)
        rows, truncates = _rows(frames, tags), _truncates(frames, tags)
        kept: dict[int, tuple[Offsets, Offsets]] = {}
        for oid in sorted(rows.keys() | truncates.keys()):
            mine, emptied = rows.get(oid, _NOTHING), truncates.get(oid, _NOTHING)
            _require_relation(frames, mine, emptied, announced.get(oid, []))
            if oid in skip_before:
                since = np.uint64(skip_before[oid])
                mine = mine[transactions.final_lsns(mine) >= since]
                emptied = emptied[transactions.final_lsns(emptied) >= since]
            kept[oid] = mine, emptied
        versions = self._resolved(announced, kept)
        tables: list[tuple[int, tuple[TableEvents, ...]]] = []
        for oid, (mine, emptied) in kept.items():
            barriers = _changes(versions.get(oid, []))
            barriers += (_Barrier(at=at, relation=None, truncate=True) for at in emptied.tolist())
            events = tuple(_segments(frames, tags, mine, barriers))
            if events:
                tables.append((oid, events))
        last = {oid: (versions.get(oid) or listed)[-1] for oid, listed in announced.items()}
        last |= {oid: listed[-1] for oid, listed in announced.items() if listed[-1].at > last[oid].at}
        self._announced |= {oid: replace(version, at=-1) for oid, version in last.items()}
        self._open = transactions.open
        truncated_by = {oid: tuple(transactions.xids(emptied).tolist()) for oid, emptied in truncates.items()}
        return Decoded(
            tables=tuple(tables), commits=transactions.commits, messages=len(frames), truncated_by=truncated_by
        )

    def _announcements(
        self, frames: Frames, tags: npt.NDArray[np.uint8], transactions: Transactions
    ) -> dict[int, list[_Version]]:
        """By OID, the versions in force from the buffer's start on, in stream order."""
        announced = {oid: [version] for oid, version in self._announced.items()}
        messages = np.flatnonzero(tags == ord("R"))
        for at, lsn in zip(messages.tolist(), transactions.final_lsns_near(messages).tolist(), strict=True):
            wire = _read(frames, at, partial(read_relation, lsn=LSN(lsn)))
            announced.setdefault(wire.oid, []).append(_Version(at=at, wire=wire))
        return announced

    def _resolved(
        self, announced: Mapping[int, Sequence[_Version]], kept: Mapping[int, tuple[Offsets, Offsets]]
    ) -> dict[int, list[_Version]]:
        """By OID, the versions that kept messages belong to, resolved."""
        used: dict[int, list[_Version]] = {}
        for oid, messages in kept.items():
            listed = announced.get(oid, [])
            starts = [version.at for version in listed]
            owners = np.unique(np.searchsorted(starts, np.concatenate(messages), side="right") - 1)
            used[oid] = [listed[owner] for owner in owners.tolist()]
        asked = sorted(
            (version for listed in used.values() for version in listed if not version.resolved),
            key=lambda version: version.at,
        )
        if not asked:
            return used
        answers = self._resolve([version.wire for version in asked])
        if len(answers) != len(asked):
            raise InvariantError(f"{len(asked)} Relation messages were resolved to {len(answers)} relations")
        found: dict[tuple[int, int], _Version] = {}
        for version, relation in zip(asked, answers, strict=True):
            if relation is not None and not _fits(relation, version.wire):
                name = f"{version.wire.schema}.{version.wire.name}"
                raise InvariantError(f"{name} was resolved to a relation with other columns")
            found[version.wire.oid, version.at] = replace(version, relation=relation, resolved=True)
        return {oid: [found.get((oid, version.at), version) for version in listed] for oid, listed in used.items()}


def _changes(versions: Sequence[_Version]) -> list[_Barrier]:
    """A barrier for each version that differs from the one before it."""
    barriers: list[_Barrier] = []
    for version in versions:
        if not barriers or barriers[-1].relation != version.relation:
            barriers.append(_Barrier(at=version.at, relation=version.relation))
    return barriers


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
    frames.refuse(
        everyone, _IS_ROW[tags] & (sizes < frames.body + _ROW_BYTES_MIN), HEADER, "a message that is too short"
    )
    return tags


def _read(frames: Frames, index: int, reader: Callable[[bytes], T]) -> T:
    try:
        return reader(frames.fields(index))
    except BadMessage as bad:
        raise frames.refusal(index, frames.body - 1 + bad.offset, bad.what) from None


def _rows(frames: Frames, tags: npt.NDArray[np.uint8]) -> dict[int, Offsets]:
    """By OID, the indices of its Insert, Update and Delete messages, ascending."""
    messages = np.flatnonzero(_IS_ROW[tags])
    if not messages.size:
        return {}
    oids = frames.read(frames.starts[messages] + frames.body, _OID).astype(np.uint32)
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


def _require_relation(frames: Frames, rows: Offsets, truncates: Offsets, listed: Sequence[_Version]) -> None:
    known_from = listed[0].at if listed else len(frames)
    for messages in (rows, truncates):
        frames.refuse(messages, messages < known_from, frames.body, "a table whose Relation message never came")


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
