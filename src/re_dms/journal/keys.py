"""How the journal's objects are named. Numbers and positions sort as text in their own order."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from re_dms.lsn import LSN

ROOT: Final = "root.json"
WAREHOUSE: Final = "warehouse.json"
APPLIED: Final = "applied.json"
BATCHES: Final = "batches/"
DATA: Final = "data/"
REGISTRIES: Final = "registry/"
STREAMS: Final = "streams/"
POSITIONS: Final = "positions/"
REQUESTS: Final = "requests/"
LOADS: Final = "loads/"
PREFIXES: Final = (DATA, LOADS, BATCHES, REGISTRIES, STREAMS, POSITIONS, REQUESTS)
"""In the order in which a journal is taken away."""

_NUMBERED: Final = re.compile(
    r"(?:batches/(\d{12})\.json|data/(\d{12})/.+|loads/(\d{12})/.+|registry/(\d{12})-.+\.json"
    r"|streams/[0-9a-f]{32}/(\d{12})-.+\.xids)"
)
_POSITION: Final = re.compile(r"positions/([0-9A-F]{16})\.json")
_REQUEST: Final = re.compile(r"requests/copy-(\d+)-[0-9a-f]+\.json")


def manifest_key(number: int) -> str:
    """batches/<number>.json"""
    return f"{BATCHES}{number:012d}.json"


def data_prefix(number: int) -> str:
    """data/<number>/: all data of the batch, orphans of other writers included."""
    return f"{DATA}{number:012d}/"


def data_key(number: int, writer: str, name: str) -> str:
    """data/<number>/<writer>-<name>: writers never share a key (protocol line 3)."""
    return f"{data_prefix(number)}{writer}-{name}"


def load_key(number: int, owner: str, name: str) -> str:
    """loads/<number>/<owner>-<name>: what one load of the batch needs beside its data."""
    return f"{LOADS}{number:012d}/{owner}-{name}"


def registry_key(number: int, writer: str) -> str:
    """registry/<number>-<writer>.json"""
    return f"{REGISTRIES}{number:012d}-{writer}.json"


def segment_key(stream: str, number: int, writer: str) -> str:
    """streams/<hash of the stream's name>/<number>-<writer>.xids; the name may have any characters"""
    return f"{STREAMS}{hashlib.sha256(stream.encode()).hexdigest()[:32]}/{number:012d}-{writer}.xids"


def position_key(position: LSN) -> str:
    """positions/<16 hexadecimal digits>.json"""
    return f"{POSITIONS}{position.hex16}.json"


def request_key(oid: int, request: str) -> str:
    """requests/copy-<oid>-<request>.json; `request` is random and hexadecimal"""
    return f"{REQUESTS}copy-{oid}-{request}.json"


def number_of(key: str) -> int | None:
    """The batch number in the key of a manifest, a data file, a load's file, a registry or a segment; None for others."""
    found = _NUMBERED.fullmatch(key)
    return None if found is None else int(next(filter(None, found.groups())))


def position_of(key: str) -> LSN | None:
    """The position in the key of a position; None for every other name."""
    found = _POSITION.fullmatch(key)
    return None if found is None else LSN(int(found[1], 16))


def requested_oid(key: str) -> int | None:
    """The table in the key of a copy request; None for every other name."""
    found = _REQUEST.fullmatch(key)
    return None if found is None else int(found[1])
