"""Whatever a client sends, its thread ends without an exception, and its session is closed once."""

import logging
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redshift_standin.errors import RedshiftError
from redshift_standin.wire.channel import Channel
from redshift_standin.wire.connection import Terms, serve
from redshift_standin.wire.roster import Roster
from redshift_standin.wire.session import Result
from redshift_standin.wire.startup import Startup
from standin.wire.fake_session import FakeSession, column, one_value
from standin.wire.raw_client import message, startup_packet, string

SECONDS_MAX = 20.0
ANSWERS: dict[str, Any] = {
    "a": one_value(23, "1"),
    "b": Result(tag="SELECT 2", columns=[column("n", 1700), column("m", 1082)], rows=[[b"1.5", b"2000-01-01"]] * 2),
    "c": RedshiftError("XX000", "1023"),
    "d": one_value(4000, "{}"),
}

names = st.sampled_from(["", "s", "t"])
texts = st.sampled_from(["a", "b", "c", "d", "begin", "commit", "rollback", "a; b", "$1", ""])
int16s = st.integers(-(2**15), 2**15 - 1).map(lambda n: struct.pack("!h", n))
int32s = st.integers(-(2**31), 2**31 - 1).map(lambda n: struct.pack("!i", n))
small = st.sampled_from([-1, 0, 1, 2]).map(lambda n: struct.pack("!h", n))
kinds = st.sampled_from([b"S", b"P", b"X"])


@st.composite
def plausible(draw: st.DrawFn) -> bytes:
    """A message that may be right."""
    name, other, text = draw(names), draw(names), draw(texts)
    return draw(
        st.sampled_from(
            [
                message(b"Q", string(text)),
                message(b"P", string(name) + string(text) + draw(small) + b"\0\0\0\x17"),
                message(b"P", string(name) + string(text) + b"\0\0"),
                message(b"B", string(other) + string(name) + b"\0\0\0\0\0\0"),
                message(b"B", string(other) + string(name) + b"\0\0\0\0\0\1\0\1"),
                message(b"B", string(other) + string(name) + draw(small) + draw(small) + draw(int32s) + draw(small)),
                message(b"D", draw(kinds) + string(name)),
                message(b"C", draw(kinds) + string(name)),
                message(b"E", string(name) + draw(int32s)),
                message(b"S"), message(b"H"), message(b"d", b"x"), message(b"F", draw(int16s)),
            ]
        )
    )  # fmt: skip


garbage = st.binary(max_size=40)
odd = st.builds(lambda kind, length, body: kind + length + body, st.binary(min_size=1, max_size=1), int32s, garbage)
conversations = st.lists(st.one_of(plausible(), plausible(), plausible(), odd, garbage), max_size=12).map(b"".join)
cut_conversations = st.builds(lambda whole, at: whole[: at % (len(whole) + 1)], conversations, st.integers(0, 10_000))
# Threads and sockets are quick: each test tries five times what the profile says.
more = settings(max_examples=5 * settings().max_examples)
HELLO = startup_packet(user="ann", database="dev", client_protocol_version="2")


@pytest.fixture(autouse=True)
def no_mistake_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A mistake of ours would be told to the client and logged, not raised."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


def led(sent: bytes, *, then_ends: bool = True, startup_seconds_max: float = 60.0) -> tuple[bytes, list[FakeSession]]:
    """What a client is answered that sends these bytes and then ends, or waits; the connection has ended by then."""
    ours, theirs = socket.socketpair()
    sessions: list[FakeSession] = []

    def open_session(startup: Startup) -> FakeSession:
        sessions.append(FakeSession(ANSWERS, startup))
        return sessions[-1]

    users = {"ann": "x"}.get
    terms = Terms(
        users=users, open_session=open_session, tls=None, auth="trust", startup_seconds_max=startup_seconds_max
    )
    escaped: list[BaseException] = []

    def lead() -> None:
        try:
            serve(Channel(theirs), terms, Roster(5))
        except BaseException as exc:
            escaped.append(exc)
            raise

    thread = threading.Thread(target=lead)
    thread.start()
    with ours:
        ours.settimeout(SECONDS_MAX)
        answered = b""
        try:
            ours.sendall(sent)
            if then_ends:
                ours.shutdown(socket.SHUT_WR)
            while chunk := ours.recv(65536):
                answered += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass
    thread.join(SECONDS_MAX)
    assert not thread.is_alive()
    assert escaped == []
    assert theirs.fileno() == -1
    return answered, sessions


def messages_of(answered: bytes) -> list[bytes]:
    """The types of whole, well-formed messages; fails on anything else."""
    found = []
    while answered:
        kind, length = struct.unpack("!ci", answered[:5])
        assert 4 <= length <= len(answered) - 1
        found.append(kind)
        answered = answered[length + 1 :]
    return found


@more
@given(st.binary(max_size=200))
def test_any_first_bytes_end_the_connection(sent: bytes) -> None:
    _, sessions = led(sent)
    assert [session.closed for session in sessions] == [1] * len(sessions)


@more
@given(st.binary(max_size=80), st.sampled_from([3 << 16, 80877102, 80877103, 80877104, (3 << 16) + 9]))
def test_any_start_up_packet_ends_the_connection(body: bytes, version: int) -> None:
    _, sessions = led(struct.pack("!ii", len(body) + 8, version) + body)
    assert [session.closed for session in sessions] == [1] * len(sessions)


@more
@given(cut_conversations)
def test_any_messages_after_start_up_are_answered_with_messages_until_the_end(sent: bytes) -> None:
    answered, sessions = led(HELLO + sent)
    assert [session.closed for session in sessions] == [1]
    found = messages_of(answered)
    assert found[0] == b"R"
    assert b"Z" in found


@more
@given(st.lists(plausible(), max_size=10).map(b"".join))
def test_every_sync_is_answered_however_bad_the_batch_was(sent: bytes) -> None:
    answered, _ = led(HELLO + sent + message(b"S") + message(b"Q", string("a")) + message(b"X"))
    found = messages_of(answered)
    fatal = b"SFATAL\0" in answered
    assert fatal or found[-4:] in ([b"T", b"D", b"C", b"Z"], [b"Z", b"Z", b"E", b"Z"]) or found[-2:] == [b"E", b"Z"]


def test_an_announced_length_is_believed_up_to_64_mb_and_the_missing_bytes_end_the_connection() -> None:
    answered, _ = led(HELLO + b"Q" + struct.pack("!i", 60 * 1024 * 1024) + b"x" * 100)
    assert messages_of(answered)[-1] == b"Z"
    answered, _ = led(HELLO + b"Q" + struct.pack("!i", 64 * 1024 * 1024 + 1))
    assert messages_of(answered)[-1] == b"E"


@pytest.mark.parametrize("sent", [b"", HELLO[:20], startup_packet(user="ann")[:-1]])
def test_a_client_that_does_not_finish_its_start_up_is_let_go(sent: bytes) -> None:
    assert led(sent, then_ends=False, startup_seconds_max=0.05) == (b"", [])
