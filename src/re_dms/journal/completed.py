"""Which transactions of a replayed stream the journal has: a replay has no slot that would know.

Each batch adds one segment, an object of its own that is durable before the manifest refers to it; a manifest refers to
all segments of all streams, so that the newest alone tells everything, and a batch and its progress exist together.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from re_dms.errors import InvariantError, JournalError
from re_dms.journal import keys
from re_dms.journal.journal import Journal
from re_dms.journal.objects import RESET
from re_dms.manifest import CompletedRef

XidArray = npt.NDArray[np.uint32]
CrcArray = npt.NDArray[np.uint32]
PositionArray = npt.NDArray[np.uint64]

SEGMENTS_MAX: Final = 16
"""A stream with more segments has them merged into one."""

# Magic, version, count; then, zstd, the little-endian columns one after the other: xid u4, crc u4, position u8.
_HEADER: Final = struct.Struct("<8sIQ")
_MAGIC: Final = b"RE_DMS:X"
_VERSION: Final = 1
_ROW_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """Columns of one length; `xid` ascending, each once."""

    xid: XidArray
    crc: CrcArray
    position: PositionArray

    def look(self, xids: XidArray, known: npt.NDArray[np.bool_], crc: CrcArray) -> None:
        """Mark in `known` the xids that are here, and take over their CRCs."""
        place = np.minimum(np.searchsorted(self.xid, xids), len(self.xid) - 1)
        found = self.xid[place] == xids
        known |= found
        crc[found] = self.crc[place[found]]


class Completed:
    """The completed transactions of one stream: those of the journal's batches, and those of the open batch.

    An xid that is added again (after 2^32 transactions) stands for the newer transaction. 16 bytes of memory for each.
    """

    def __init__(
        self,
        journal: Journal,
        stream: str,
        others: tuple[CompletedRef, ...],
        sealed: list[tuple[CompletedRef, _Segment]],
    ) -> None:
        self._journal = journal
        self._stream = stream
        self._others = others
        self._sealed = sealed
        self._open: list[_Segment] = []

    @classmethod
    def open(cls, journal: Journal, stream: str, refs: Sequence[CompletedRef]) -> Self:
        """The stream's progress as of the manifest that has these references (all of them, other streams' too).

        Raises ChangesMissing when a segment of the stream is missing or altered, JournalError for one of a newer version.
        """
        others = tuple(ref for ref in refs if ref.stream != stream)
        return cls(journal, stream, others, [(ref, _read(journal, ref)) for ref in refs if ref.stream == stream])

    def lookup(self, xids: XidArray) -> tuple[npt.NDArray[np.bool_], CrcArray]:
        """For each xid whether it is completed, and the CRC of its rows (0 where it is not)."""
        known, crc = np.zeros(len(xids), dtype=np.bool_), np.zeros(len(xids), dtype=np.uint32)
        for segment in (*(segment for _, segment in self._sealed), *self._open):
            segment.look(xids, known, crc)
        return known, crc

    def add(self, xids: XidArray, crcs: CrcArray, positions: PositionArray) -> None:
        """These transactions are in the open batch, in this order: their CRCs and their ordinals in the journal."""
        if not len(xids) == len(crcs) == len(positions):
            raise InvariantError("completed transactions with columns of different lengths")
        if len(xids):
            self._open.append(_sorted(np.asarray(xids), np.asarray(crcs), np.asarray(positions)))
        if len(self._open) > SEGMENTS_MAX:
            self._open = [_merged(self._open)]

    def seal(self, number: int, writer: str) -> tuple[CompletedRef, ...]:
        """What the manifest of batch `number` has to refer to: all of all streams. What was added is durable then.

        To be called before the manifest is put. Once it has returned, what was added counts as the journal's: where the
        manifest cannot be put, open anew from the journal's tail. Safe to repeat.
        """
        if self._open:
            whole = len(self._sealed) == SEGMENTS_MAX
            segment = _merged([*(segment for _, segment in self._sealed if whole), *self._open])
            key = keys.segment_key(self._stream, number, writer)
            sha256 = self._journal.write(key, _pack(segment))
            ref = CompletedRef(stream=self._stream, key=key, sha256=sha256, count=len(segment.xid))
            self._sealed = [*([] if whole else self._sealed), (ref, segment)]
            self._open = []
        return (*self._others, *(ref for ref, _ in self._sealed))

    def revert(self) -> None:
        """The open batch was given up: forget what was added since `seal`."""
        self._open = []


def _sorted(xid: XidArray, crc: CrcArray, position: PositionArray) -> _Segment:
    """The columns by xid; of several with one xid the last."""
    order = np.argsort(xid, kind="stable")
    ascending = xid[order]
    order = order[np.append(ascending[1:] != ascending[:-1], True)]
    return _Segment(
        xid=xid[order].astype(np.uint32, copy=False),
        crc=crc[order].astype(np.uint32, copy=False),
        position=position[order].astype(np.uint64, copy=False),
    )


def _merged(segments: Sequence[_Segment]) -> _Segment:
    """One segment of several, the oldest first."""
    return _sorted(
        np.concatenate([segment.xid for segment in segments]),
        np.concatenate([segment.crc for segment in segments]),
        np.concatenate([segment.position for segment in segments]),
    )


def _pack(segment: _Segment) -> bytes:
    columns = segment.xid.astype("<u4"), segment.crc.astype("<u4"), segment.position.astype("<u8")
    body: bytes = pa.compress(b"".join(column.tobytes() for column in columns), codec="zstd", asbytes=True)
    return _HEADER.pack(_MAGIC, _VERSION, len(segment.xid)) + body


def _read(journal: Journal, ref: CompletedRef) -> _Segment:
    return _unpack(ref, journal.read(ref.key, ref.sha256))


def _unpack(ref: CompletedRef, data: bytes) -> _Segment:
    """The segment in bytes that are those that were written. Raises JournalError when a newer re_dms wrote them."""
    magic, version, count = _HEADER.unpack_from(data.ljust(_HEADER.size, b"\0"))
    if (magic, version) != (_MAGIC, _VERSION):
        raise JournalError(
            f"{ref.key} is no segment of completed transactions of version {_VERSION}",
            remedy="run the version of re_dms that wrote it, or a newer one",
        )
    if count != ref.count:
        raise JournalError(f"{ref.key} holds {count} transactions, its manifest says {ref.count}", remedy=RESET)
    body = pa.decompress(data[_HEADER.size :], decompressed_size=count * _ROW_BYTES, codec="zstd", asbytes=True)
    return _Segment(
        xid=np.frombuffer(body, dtype="<u4", count=count),
        crc=np.frombuffer(body, dtype="<u4", count=count, offset=4 * count),
        position=np.frombuffer(body, dtype="<u8", count=count, offset=8 * count),
    )
