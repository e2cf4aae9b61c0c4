"""Arrays of catalog tables in binary: Redshift has no array columns, but drivers ask its catalogs for these."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final

from redshift_standin.errors import not_yet

# The array's OID -> its elements' OID.
ELEMENTS: Final = {
    1000: 16, 1002: 18, 1003: 19, 1005: 21, 1007: 23, 1009: 25, 1014: 1042, 1015: 1043, 1016: 20, 1021: 700,
    1022: 701, 1028: 26, 1034: 1033,
}  # fmt: skip

_ITEM: Final = re.compile(rb'"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^",{}\\]+)', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)


def encoder(element_oid: int, encode: Callable[[bytes], bytes] | None) -> Callable[[bytes], bytes]:
    """Postgres's binary form of an array of one dimension. The encoder raises RedshiftError for any other."""

    def encode_array(text: bytes) -> bytes:
        items = _items(text)
        if not items:
            return struct.pack("!iiI", 0, 0, element_oid)
        parts = [struct.pack("!iiIii", 1, None in items, element_oid, len(items), 1)]
        for item in items:
            if item is None:
                parts.append(struct.pack("!i", -1))
            else:
                value = encode(item) if encode else item
                parts += (struct.pack("!i", len(value)), value)
        return b"".join(parts)

    return encode_array


def _items(text: bytes) -> list[bytes | None]:
    if text == b"{}":
        return []
    items: list[bytes | None] = []
    at = 1
    while text[:1] == b"{" and (found := _ITEM.match(text, at)):
        if found["quoted"] is not None:
            items.append(_ESCAPE.sub(rb"\1", found["quoted"]))
        else:
            items.append(None if found["plain"] == b"NULL" else found["plain"])
        at = found.end() + 1
        if text[found.end() :] == b"}":
            return items
        if text[found.end() : at] != b",":
            break
    raise not_yet("the binary form of an array of several dimensions")
