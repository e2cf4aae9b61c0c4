"""The bytes of a file or pipe, unpacked when they are gzip or zstd: told by how they begin, not by a name.

Source: https://www.rfc-editor.org/rfc/rfc1952 (gzip), https://www.rfc-editor.org/rfc/rfc8878#section-3.1 (zstd frames)
"""

from __future__ import annotations

import io
import os
import select
import stat
import time
import zlib
from pathlib import Path
from typing import Any, Final, Protocol

from re_dms.errors import SourceError

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPED: Final = tuple(
    bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60)
)  # pzstd begins with such a frame
_MAGIC: Final = (_GZIP, _ZSTD, *_ZSTD_SKIPPED)
_PACKED_BYTES: Final = 64 * 1024  # read at once of a compressed file, and to see what a file is
_UNPACKED_BYTES: Final = 1024 * 1024  # given at once of a compressed file
_ZSTD_STEP_BYTES: Final = 8 * 1024  # so much of what comes before a broken place may be lost with it


class ByteStream:
    """One file or pipe from its beginning to its end. `name` is for messages, `offset` the unpacked bytes given so far."""

    def __init__(self, place: Path | int) -> None:
        """`place`: a path, or an open descriptor, which stays open. Raises SourceError for a file that cannot be opened."""
        self.name = str(place) if isinstance(place, Path) else _descriptor_name(place)
        self.offset = 0
        self._raw = _Raw(place, self.name)
        self._packing: _Packing | None = None
        self._peeked = b""

    def read_into(self, view: memoryview, deadline: float | None) -> int | None:
        """Fill the beginning of `view` (not empty) and tell how many bytes that are: 0 at the end.

        None: nothing came until `deadline` (time.monotonic; None: no limit). A zstd file in a pipe may be waited for
        longer. Raises SourceError, with `offset`, when the file cannot be read on, is cut or is broken; what came before
        that place has been given before.
        """
        if self._peeked:
            count = min(len(view), len(self._peeked))
            view[:count] = self._peeked[:count]
            self._peeked = self._peeked[count:]
        else:
            read = self._unpack_into(view, deadline)
            if read is None:
                return None
            count = read
        self.offset += count
        return count

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, or as many as there are, without taking them. Waits for them as long as it takes."""
        while len(self._peeked) < count:
            more = bytearray(count - len(self._peeked))
            read = self._unpack_into(memoryview(more), None)
            if not read:
                break
            self._peeked += more[:read]
        return self._peeked

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._raw.close()

    def _unpack_into(self, view: memoryview, deadline: float | None) -> int | None:
        if self._packing is None:
            self._packing = _packing_of(self._raw, deadline)
            if self._packing is None:
                return None
        try:
            return self._packing.read_into(view, deadline)
        except _Broken as error:
            raise SourceError(
                f"{self.name} is {error}: its content could be read up to byte {self.offset}",
                remedy="what came before was taken; get the whole file and replay it again",
            ) from None


class _Broken(Exception):
    """What is wrong with a compressed file."""


class _Packing(Protocol):
    """How the bytes of a file are packed."""

    def read_into(self, view: memoryview, deadline: float | None) -> int | None:
        """As ByteStream.read_into. Raises _Broken."""


class _Raw:
    """A descriptor that is waited for, and the bytes read ahead of it. As a _Packing: nothing to unpack."""

    def __init__(self, place: Path | int, name: str) -> None:
        self._name = name
        self._owned = isinstance(place, Path)
        try:
            self._descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC) if isinstance(place, Path) else place
            self._always_ready = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        except OSError as error:
            raise _unreadable(name, error) from error
        self.ahead = b""

    def read_into(self, view: memoryview, deadline: float | None) -> int | None:
        if self.ahead:
            count = min(len(view), len(self.ahead))
            view[:count] = self.ahead[:count]
            self.ahead = self.ahead[count:]
            return count
        try:
            while self._is_ready(deadline):
                try:
                    return os.readv(self._descriptor, [view])
                except BlockingIOError:  # somebody else took the bytes, or the descriptor says ready too early
                    continue
        except OSError as error:
            raise _unreadable(self._name, error) from error
        return None

    def read(self, size: int, deadline: float | None) -> bytes | None:
        """Up to `size` bytes; empty at the end, None after the deadline."""
        data = bytearray(size)
        count = self.read_into(memoryview(data), deadline)
        return None if count is None else bytes(data[:count])

    def close(self) -> None:
        if self._owned:
            os.close(self._descriptor)
            self._owned = False

    def _is_ready(self, deadline: float | None) -> bool:
        if self._always_ready:
            return True
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        return bool(waiting.poll(left))


class _Gzip:
    """Members one behind the other, with zeros between or behind them."""

    def __init__(self, raw: _Raw) -> None:
        self._raw = raw
        self._packed = b""
        self._member: Any = None  # zlib's object; None between members
        self._has_more = False

    def read_into(self, view: memoryview, deadline: float | None) -> int | None:
        while True:
            if not self._has_more:
                packed = self._raw.read(_PACKED_BYTES, deadline)
                if packed is None:
                    return None
                if not packed and self._member is not None:
                    raise _Broken("cut gzip")
                if not packed:
                    return 0
                self._packed = packed
            unpacked = self._unpack(min(len(view), _UNPACKED_BYTES))
            if unpacked:
                view[: len(unpacked)] = unpacked
                return len(unpacked)

    def _unpack(self, size_max: int) -> bytes:
        if self._member is None:
            self._packed = self._packed.lstrip(b"\0")
            if not self._packed:
                self._has_more = False
                return b""
            self._member = zlib.decompressobj(wbits=31)
        try:
            unpacked: bytes = self._member.decompress(self._packed, size_max)
        except zlib.error as error:
            raise _Broken(f"broken gzip ({error})") from None
        if self._member.eof:
            self._packed, self._member = self._member.unused_data, None
        else:
            self._packed = self._member.unconsumed_tail
        # A full answer: zlib may hold more of it, even without more input.
        self._has_more = bool(self._packed) or (len(unpacked) == size_max and self._member is not None)
        return unpacked


class _Zstd:
    """Frames one behind the other. pyarrow unpacks them, and reads the pipe by itself: without a limit of time."""

    def __init__(self, raw: _Raw) -> None:
        import pyarrow as pa

        self._stream = pa.CompressedInputStream(pa.PythonFile(_Feed(raw), mode="r"), "zstd")
        self._broken: Exception | None = None

    def read_into(self, view: memoryview, deadline: float | None) -> int | None:
        if self._broken is not None:
            raise self._broken
        count = 0
        size = min(len(view), _UNPACKED_BYTES)
        # In small steps: a step that fails gives nothing of what it had unpacked.
        while count < size and (count == 0 or deadline is None or time.monotonic() < deadline):
            try:
                step = self._stream.readinto(view[count : min(size, count + _ZSTD_STEP_BYTES)])
            except SourceError as error:
                self._broken = error
            except OSError as error:
                self._broken = _Broken(f"cut or broken zstd ({error})")
            if self._broken is not None:
                return count or self.read_into(view, deadline)
            if step == 0:
                break
            count += step
        return count


class _Feed(io.RawIOBase):
    """What pyarrow reads: the packed bytes as they come."""

    def __init__(self, raw: _Raw) -> None:
        super().__init__()
        self._raw = raw

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._raw.read(size if size >= 0 else _PACKED_BYTES, None) or b""


def _packing_of(raw: _Raw, deadline: float | None) -> _Packing | None:
    """How the file begins decides. None: what is there until the deadline does not tell yet."""
    while len(raw.ahead) < len(_ZSTD) and any(magic.startswith(raw.ahead) for magic in _MAGIC):
        ahead, raw.ahead = raw.ahead, b""
        more = raw.read(_PACKED_BYTES, deadline)
        raw.ahead = ahead + (more or b"")
        if more is None:
            return None
        if not more:
            break
    if raw.ahead.startswith(_GZIP):
        return _Gzip(raw)
    if raw.ahead.startswith((_ZSTD, *_ZSTD_SKIPPED)):
        return _Zstd(raw)
    return raw


def _descriptor_name(descriptor: int) -> str:
    return "standard input" if descriptor == 0 else f"descriptor {descriptor}"


def _unreadable(name: str, error: OSError) -> SourceError:
    return SourceError(f"{name} cannot be read: {error.strerror}", remedy="check the file, its owner and its mode")
