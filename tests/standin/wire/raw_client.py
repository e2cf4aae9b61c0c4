"""A client that says exactly what a test tells it, byte by byte."""

import socket
import struct
from typing import Any, Self

SECONDS_MAX = 20.0


def string(text: str) -> bytes:
    return text.encode() + b"\0"


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def startup_packet(version: int = 3 << 16, **keys: Any) -> bytes:
    body = struct.pack("!i", version) + b"".join(string(k) + string(v) for k, v in keys.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def parse(name: str, text: str, oids: tuple[int, ...] = ()) -> bytes:
    return message(b"P", string(name) + string(text) + struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def bind(portal: str, statement: str, values: tuple[bytes | None, ...] = (), formats: tuple[int, ...] = ()) -> bytes:
    """Parameters in text; `formats` of the results."""
    body = string(portal) + string(statement) + struct.pack("!hh", 0, len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message(b"B", body + struct.pack(f"!h{len(formats)}h", len(formats), *formats))


def describe(kind: bytes, name: str) -> bytes:
    return message(b"D", kind + string(name))


def execute(portal: str, rows_max: int = 0) -> bytes:
    return message(b"E", string(portal) + struct.pack("!i", rows_max))


def query(text: str) -> bytes:
    return message(b"Q", string(text))


SYNC = message(b"S")


def fields(body: bytes) -> dict[str, str]:
    """Of an ErrorResponse or a NoticeResponse."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


class RawClient:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX)
        self._read = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._read.close()
        self.socket.close()

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(messages))

    def next(self) -> tuple[bytes, bytes]:
        """The next message; (b"", b"") when the server has closed the connection."""
        try:
            header = self._read.read(5)
            if not header:
                return b"", b""
            return header[:1], self._read.read(int.from_bytes(header[1:], "big") - 4)
        except ConnectionResetError:
            return b"", b""

    def until_ready(self) -> list[tuple[bytes, bytes]]:
        """Everything up to ReadyForQuery, which is the last; or up to the connection's end."""
        got: list[tuple[bytes, bytes]] = []
        while not got or got[-1][0] not in (b"Z", b""):
            got.append(self.next())
        return got

    def kinds(self) -> bytes:
        """The types of `until_ready`, as one word."""
        return b"".join(kind for kind, _ in self.until_ready())

    def raw(self, length: int) -> bytes:
        return self._read.read(length)

    def log_in(self, user: str = "ann", **keys: Any) -> list[tuple[bytes, bytes]]:
        """For servers that ask for no password."""
        self.send(startup_packet(user=user, database="dev", **keys))
        return self.until_ready()
