"""Passwords: md5 for every client, and the sha256 digest that Redshift's own drivers know.

Source: AWS Management Guide, "Configuring connections"; the digest's bytes as AWS's open-source Python driver has them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable
from typing import Final, Literal

from redshift_standin.errors import RedshiftError
from redshift_standin.wire import messages
from redshift_standin.wire.channel import Channel
from redshift_standin.wire.messages import Body, violation
from redshift_standin.wire.startup import Startup

Method = Literal["md5", "digest", "trust"]

_MD5: Final = 5
_DIGEST: Final = 13
_SHA256: Final = 0
_ANSWER_BYTES_MAX: Final = 64 * 1024
_MD5_SALT_BYTES: Final = 4
_SALT_BYTES: Final = 16


def authenticate(channel: Channel, startup: Startup, password_of: Callable[[str], str | None], method: Method) -> None:
    """Ask for the password and check it; "digest" asks clients that are none of Redshift's drivers for md5.

    Raises RedshiftError 28000, the same for a wrong password and for a user that `password_of` does not know, which is
    asked for a password all the same. "trust" asks nobody, but the user must be known.
    """
    password = password_of(startup.user)
    if method == "trust":
        right = password is not None
    elif method == "digest" and startup.from_redshift_driver:
        right = _digest(channel, password)
    else:
        right = _md5(channel, startup.user, password)
    if not right:
        message = f'password authentication failed for user "{startup.user}"'
        raise RedshiftError("28000", message, severity="FATAL")
    channel.send(messages.AUTHENTICATION_OK)


def _md5(channel: Channel, user: str, password: str | None) -> bool:
    salt = os.urandom(_MD5_SALT_BYTES)
    channel.send(messages.authentication(_MD5, salt))
    answer = _answer(channel, b"p").string().encode()
    inner = _md5_hexadecimal((password or "").encode() + user.encode())
    expected = b"md5" + _md5_hexadecimal(inner + salt)
    return hmac.compare_digest(answer, expected) and password is not None


def _digest(channel: Channel, password: str | None) -> bool:
    salt, server_nonce = os.urandom(_SALT_BYTES), os.urandom(_SALT_BYTES)
    body = struct.pack("!ii", _SHA256, len(salt)) + salt + struct.pack("!i", len(server_nonce)) + server_nonce
    channel.send(messages.authentication(_DIGEST, body))
    answer = _answer(channel, b"d")
    digest = answer.take(answer.int32())
    client_nonce = answer.take(answer.int32())
    answer.end()
    inner = hashlib.sha256((password or "").encode() + salt).digest()
    expected = hashlib.sha256(inner + server_nonce + client_nonce).digest()
    return hmac.compare_digest(digest, expected) and password is not None


def _answer(channel: Channel, expected: bytes) -> Body:
    channel.flush()
    kind, body = channel.message(_ANSWER_BYTES_MAX)
    if kind != expected:
        raise violation(f"expected password response, got message type {kind[0]}")
    return Body(body)


def _md5_hexadecimal(raw: bytes) -> bytes:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest().encode()
