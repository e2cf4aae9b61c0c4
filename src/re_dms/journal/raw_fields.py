"""Single lines of a copy that need a closer look: one that is no text, and one that is very long."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from re_dms.errors import DecodeError
from re_dms.odd import BYTEA_BYTES_MAX
from re_dms.schema import Relation

_KEPT_BYTES: Final = 4 * (BYTEA_BYTES_MAX + 1)  # above every limit of `re_dms.odd`, though half of it be doubled quotes
_BLOCK_BYTES: Final = 1024 * 1024
_QUOTE, _COMMA = np.uint8(ord('"')), np.uint8(ord(","))

Bytes = npt.NDArray[np.uint8]


def shortened(line: Bytes) -> str:
    """The line with every value cut to a few megabytes: what is odd for its length is still."""
    return ",".join(_cut(line[low:high]) for low, high in _fields(line))


def is_utf8(line: Bytes) -> bool:
    """Whether the line is UTF-8, found block by block."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for low in range(0, len(line), _BLOCK_BYTES):
            decoder.decode(line[low : low + _BLOCK_BYTES].tobytes())
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def bad_text(lines: Iterable[bytes], relation: Relation) -> DecodeError:
    """The error for the first of the lines that is not UTF-8; names its column."""
    row, line = next((row, line) for row, line in enumerate(lines, start=1) if not is_utf8(_bytes(line)))
    fields = enumerate(_fields(_bytes(line)))
    number = next((number for number, (low, high) in fields if not is_utf8(_bytes(line[low:high]))), 0)
    column = relation.columns[number - 1] if 0 < number <= len(relation.columns) else None
    where = "" if column is None else f", column {column.name!r}"
    return DecodeError(
        f"row {row} of this buffer of the copy of {relation.full_name}{where}: a value that is not UTF-8",
        remedy="a database in SQL_ASCII can hold such bytes: mend the value at the source",
    )


def _bytes(data: bytes) -> Bytes:
    return np.frombuffer(data, dtype=np.uint8)


def _fields(line: Bytes) -> Iterator[tuple[int, int]]:
    """Where the fields begin and end: at the commas that no quotes are open around."""
    start, is_open = 0, 0
    for low in range(0, len(line), _BLOCK_BYTES):
        block = line[low : low + _BLOCK_BYTES]
        opened = np.cumsum(block == _QUOTE, dtype=np.uint8) + np.uint8(is_open)  # modulo 256: odd stays odd
        for comma in np.flatnonzero((block == _COMMA) & (opened % 2 == 0)).tolist():
            yield start, low + comma
            start = low + comma + 1
        is_open = int(opened[-1]) % 2
    yield start, len(line)


def _cut(field: Bytes) -> str:
    if len(field) <= _KEPT_BYTES:
        return field.tobytes().decode()
    kept = field[1:_KEPT_BYTES].tobytes().decode(errors="ignore")
    doubled = len(kept) - len(kept.rstrip('"'))
    return f'"{kept[:-1] if doubled % 2 else kept}"'
