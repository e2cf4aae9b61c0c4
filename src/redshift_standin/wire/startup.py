"""The first bytes of a connection: TLS or not, a cancel request, or who wants what.

Source: PostgreSQL, "Frontend/Backend Protocol: Start-up"; the keys are those that AWS's open-source drivers send.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from redshift_standin.errors import RedshiftError, not_yet, refused
from redshift_standin.wire import messages
from redshift_standin.wire.channel import Channel
from redshift_standin.wire.messages import Body, violation

PACKET_BYTES_MAX: Final = 10_000
PROTOCOL_VERSION_MAX: Final = 2

_CANCEL_REQUEST: Final = 80877102
_SSL_REQUEST: Final = 80877103
_GSSENC_REQUEST: Final = 80877104
_MAJOR_VERSION: Final = 3

# What Redshift's drivers tell beside the session's settings.
_DRIVER_KEYS: Final = frozenset((
    "client_protocol_version", "driver_version", "os_version", "driver_discovery_version", "plugin_name", "idp_type",
    "provider_name", "identity_namespace", "token_type", "idc_client_display_name",
))  # fmt: skip
# Settings that drivers send as keys of their own; any other setting may come in `options`.
_SETTING_KEYS: Final = frozenset((
    "application_name", "client_encoding", "datestyle", "extra_float_digits", "query_group", "search_path",
    "statement_timeout", "timezone",
))  # fmt: skip
_ENCODINGS: Final = frozenset(("utf8", "unicode"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """What a client asked for, checked.

    `protocol_version`: Redshift's, as it will be spoken (0, 1 or 2); None when the client did not ask.
    `settings`: of the session, names in lower case, values as sent; from keys and from `options` (`-c name=value`).
    They are not checked further: an unknown name in `options` is for the session to refuse.
    `driver`: the other keys of Redshift's drivers.
    """

    user: str
    database: str
    protocol_version: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    driver: Mapping[str, str] = field(default_factory=dict)

    @property
    def from_redshift_driver(self) -> bool:
        """Whether one of AWS's drivers is calling, which know the digest authentication."""
        return self.protocol_version is not None or "driver_version" in self.driver


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """End what the session of this process is doing, if the secret is right."""

    pid: int
    secret: int


def read(channel: Channel, tls: ssl.SSLContext | None) -> Startup | CancelRequest:
    """Answer requests for encryption, then read what the connection is for.

    Raises RedshiftError, with severity FATAL, for what no client may send; Gone when TLS fails.
    """
    answered = set()
    while True:
        packet = _packet(channel)
        code = packet.int32()
        if code in (_SSL_REQUEST, _GSSENC_REQUEST) and code not in answered:
            answered.add(code)
            packet.end()
            _answer_encryption(channel, tls if code == _SSL_REQUEST else None)
        elif code == _CANCEL_REQUEST:
            request = CancelRequest(packet.oid(), packet.oid())
            packet.end()
            return request
        else:
            return _startup(channel, code, packet)


def fatal(error: RedshiftError) -> RedshiftError:
    """The same error as one that ends the connection."""
    return RedshiftError(error.sqlstate, error.message, error.detail, error.hint, error.position, severity="FATAL")


def _packet(channel: Channel) -> Body:
    length = int.from_bytes(channel.exactly(4), "big", signed=True)
    if not 8 <= length <= PACKET_BYTES_MAX:
        raise violation("invalid length of startup packet")
    return Body(channel.exactly(length - 4))


def _answer_encryption(channel: Channel, tls: ssl.SSLContext | None) -> None:
    channel.send(b"N" if tls is None else b"S")
    channel.flush()
    if tls is not None:
        channel.secure(tls)


def _startup(channel: Channel, code: int, packet: Body) -> Startup:
    major, minor = divmod(code, 1 << 16)
    if major != _MAJOR_VERSION:
        versions = f"unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0"
        raise fatal(refused(versions))
    try:
        keys = _keys(packet)
        extensions = [key for key in keys if key.startswith("_pq_.")]
        if minor or extensions:
            channel.send(messages.negotiate_protocol_version(extensions))
        return _checked({key: value for key, value in keys.items() if key not in extensions})
    except RedshiftError as error:
        raise fatal(error) from None


def _keys(packet: Body) -> dict[str, str]:
    keys = {}
    while key := packet.string():
        keys[key] = packet.string()
    packet.end()
    return keys


def _checked(keys: dict[str, str]) -> Startup:
    user = keys.pop("user", "")
    if not user:
        raise RedshiftError("28000", "no user name specified in startup packet")
    if "replication" in keys:
        raise refused("replication connections are not supported")
    settings = _options(keys.pop("options", ""))
    database = keys.pop("database", "") or user
    driver: dict[str, str] = {}
    for key, value in keys.items():
        if key in _DRIVER_KEYS:
            driver[key] = value
        elif key.lower() in _SETTING_KEYS:
            settings[key.lower()] = value
        else:
            raise RedshiftError("42704", f'unrecognized configuration parameter "{key}"')
    encoding = settings.get("client_encoding", "utf8")
    if encoding.lower().replace("-", "").strip("'\"") not in _ENCODINGS:
        raise not_yet(f'client_encoding "{encoding}"')
    version = _protocol_version(driver.get("client_protocol_version"))
    return Startup(user=user, database=database, protocol_version=version, settings=settings, driver=driver)


def _protocol_version(asked: str | None) -> int | None:
    if asked is None:
        return None
    if not (asked.isascii() and asked.isdigit()):
        raise RedshiftError("22023", f'invalid value for parameter "client_protocol_version": "{asked}"')
    # A number of any length: more than two digits is more than the highest version.
    return PROTOCOL_VERSION_MAX if len(asked) > 2 else min(PROTOCOL_VERSION_MAX, int(asked))


def _options(text: str) -> dict[str, str]:
    """`-c name=value`, `-cname=value` and `--name=value`, separated by blanks; a backslash keeps the next character."""
    settings: dict[str, str] = {}
    words = _words(text)
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word += words.pop(0)
        name, equals, value = word[2:].partition("=")
        if word[:2] not in ("-c", "--") or not equals or not name:
            raise RedshiftError("42601", f"invalid command-line argument for server process: {word}")
        settings[name.lower().replace("-", "_")] = value
    return settings


def _words(text: str) -> list[str]:
    words: list[str] = []
    word: str | None = None
    characters = iter(text)
    for character in characters:
        if character.isspace():
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + (next(characters, "") if character == "\\" else character)
    return words + ([] if word is None else [word])
