"""Records of test_decoding's lines: whatever stands in values, names and messages, a record ends where it ends."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from re_dms.decode.records import Split, is_message, split_records

WORDS = (b"BEGIN", b"COMMIT", b"table ", b"message: ", b"pg_recvlogical: ")

SAMPLE = [
    b"pg_recvlogical: could not send: it's \"closed",
    b"BEGIN 745",
    b"table public.t: INSERT: id[bigint]:1 a[text]:'it''s' b[text]:'a\nCOMMIT 7\nmessage: x\r\n\"' c[\"char\"]:'x'",
    b'table "My Schema"."It\'s\na ""Table""": INSERT: "q\'\n"[text]:\'"\' x[bit]:B\'101\'',
    b"message: transactional: 1 prefix: it's, sz: 12 content:'\nCOMMIT 9\n\"",
    b"message: transactional: 1 prefix: , sz: 3 content:, sz: 6 content:hello\n",
    b"table public.t: DELETE: (no-tuple-data)",
    b"table public.t: UPDATE: old-key: id[bigint]:1 new-tuple: id[bigint]:2 a[text]:'\xff\xfe\n' b[text]:''",
    b"COMMIT 745 (at 2026-11-28 07:30:53.123456+00)",
    b"message: transactional: 0 prefix: p, sz: 0 content:",
    b"PREPARE TRANSACTION 'g''\nx', txid 9",
]


def split(data: bytes) -> Split:
    return split_records(np.frombuffer(data, dtype=np.uint8))


def records(data: bytes) -> list[bytes]:
    found = split(data)
    return [data[start:end] for start, end in zip(found.starts, found.ends, strict=True)]


def text(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def reference(data: bytes) -> tuple[list[bytes], int]:
    """The same, one character at a time; and what is consumed."""
    found = []
    start = 0
    while (end := _reference_end(data, start)) is not None:
        found.append(data[start:end])
        start = end + 1
    return found, start


def _reference_end(data: bytes, start: int) -> int | None:
    line_end = data.find(b"\n", start)
    if line_end < 0:
        return None
    if data.startswith(b"pg_recvlogical: ", start):
        return line_end
    if data.startswith(b"message: ", start):
        return _reference_end_of_message(data, start, line_end)
    quote = ""
    for at in range(start, len(data)):
        character = chr(data[at])
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "\n":
            return at
    return None


def _reference_end_of_message(data: bytes, start: int, line_end: int) -> int | None:
    heads = (b"message: transactional: 0 prefix: ", b"message: transactional: 1 prefix: ")
    if not data.startswith(heads, start):
        return line_end
    for at in range(start + len(heads[0]), len(data)):
        if data[at : at + 1] == b"\n" and data.startswith(WORDS, at + 1):
            return line_end
        if data.startswith(b", sz: ", at):
            number, found, _ = data[at + 6 : at + 26].partition(b" content:")
            if not found or not number.isdigit() or (number[0:1] == b"0" and number != b"0") or int(number) > 2**30:
                continue
            end = at + 6 + len(number) + 9 + int(number)
            if end >= len(data):
                return None
            if data[end : end + 1] == b"\n":
                return end
    return None


SOUP = st.lists(
    st.sampled_from(
        [b"'", b'"', b"\n", b"\r\n", b"a", b" ", b"\xff", b"\0", b"''", b"'\n", b"\n'"]
        + [b"\n" + word for word in WORDS]
        + [b"\nmessage: transactional: 1 prefix: ", b"message: transactional: 0 prefix: p, sz: 3 content:abc\n"]
        + [b", sz: %d content:" % size for size in (0, 1, 2, 5, 9, 40)]
        + [b", sz: 07 content:", b", sz: 99999999999999999999999999 content:", b", sz: 2000000000 content:", b", sz: "]
    ),
    max_size=40,
).map(b"".join)


@given(SOUP)
def test_any_text_is_split_as_one_character_at_a_time_would(data: bytes) -> None:
    found = split(data)
    assert (records(data), found.consumed) == reference(data)
    assert found.newlines.tolist() == [at for at, byte in enumerate(data) if byte == ord("\n")]


def quoted(content: bytes, quote: bytes) -> bytes:
    return quote + content.replace(quote, quote * 2) + quote


ANYTHING = st.lists(
    st.sampled_from([b"'", b'"', b"\n", b"\r\n", b"COMMIT 5", b"message: ", b"null", b"\xff", b"x"])
).map(b"".join)
NAMES = st.one_of(st.just(b"public.t"), ANYTHING.map(lambda name: quoted(name, b'"')))
VALUES = st.one_of(
    st.sampled_from([b"null", b"1", b"true", b"unchanged-toast-datum"]), ANYTHING.map(lambda v: quoted(v, b"'"))
)
ROWS = st.builds(
    lambda table, columns: (
        b"table " + table + b": INSERT:" + b"".join(b" " + name + b"[text]:" + v for name, v in columns)
    ),
    NAMES,
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
)
PREFIXES = st.sampled_from([b"", b"p", b"it's", b'a "b\nc', b", sz: ", b"p, sz: 9999 ", b"\r"])
MESSAGES = st.builds(
    lambda prefix, content: (
        b"message: transactional: 1 prefix: " + prefix + b", sz: %d content:" % len(content) + content
    ),
    PREFIXES,
    ANYTHING,
)
OWN_WORDS = st.sampled_from([b"pg_recvlogical: ", b"pg_recvlogical: error: it's \"x", b"pg_recvlogical: a\r"])
LINES = st.lists(st.one_of(ROWS, MESSAGES, OWN_WORDS, st.sampled_from([b"BEGIN 1", b"COMMIT 1"])), max_size=12)


@given(LINES, st.sampled_from([b"", b"t", b"table x: INSERT: a[text]:'\n", b"message: ", b"pg_recvlogical: "]))
def test_records_come_back_as_they_were_written(lines: list[bytes], rest: bytes) -> None:
    data = text(lines)
    assert records(data + rest) == lines
    assert split(data + rest).consumed == len(data)


@given(MESSAGES)
def test_a_message_is_known_as_one(message: bytes) -> None:
    assert is_message(message)


def test_a_cut_leaves_the_records_before_it_and_no_other() -> None:
    data = text(SAMPLE)
    ends = [0, *np.cumsum([len(line) + 1 for line in SAMPLE]).tolist()]
    for cut in range(len(data) + 1):
        whole = sum(end <= cut for end in ends) - 1
        assert (records(data[:cut]), split(data[:cut]).consumed) == (SAMPLE[:whole], ends[whole]), f"cut at {cut}"


def test_places_do_not_depend_on_what_is_read_at_once() -> None:
    """Quotes far apart, in a text of several of the pieces that are searched at once."""
    lines = [
        b"table t: INSERT: a[text]:'" + b"\n" * 200_000 + b"'",
        b'table "' + b"'" * 300_001 + b'": INSERT: a[text]:null',
    ]
    assert records(text(lines * 3)) == lines * 3


def test_a_prefix_may_imitate_the_end_of_a_message() -> None:
    message = b"message: transactional: 1 prefix: p, sz: 9 content:, sz: 5 content:hello"
    assert records(text([message, b"BEGIN 1"])) == [message, b"BEGIN 1"]
    assert is_message(message)


def test_a_prefix_may_tell_a_size_that_no_message_has() -> None:
    """It would be waited for in vain."""
    message = b"message: transactional: 1 prefix: , sz: 1073741824 content:, sz: 5 content:hello"
    assert records(text([message, b"BEGIN 1"])) == [message, b"BEGIN 1"]


def test_a_content_may_hold_whole_records() -> None:
    content = text([b"", *SAMPLE, b"message: transactional: 1 prefix: p, sz: 99 content:", b"pg_recvlogical: '"])
    message = b"message: transactional: 1 prefix: p, sz: %d content:" % len(content) + content
    assert records(text([message, message, b"BEGIN 1"])) == [message, message, b"BEGIN 1"]


def test_a_message_of_which_the_content_is_not_all_there_is_not_whole() -> None:
    """Its content may go on with what looks like other records, and like another end of it."""
    cut = b"message: transactional: 1 prefix: p, sz: 100 content:x, sz: 1 content:y\nBEGIN 5\nCOMMIT 5\n"
    assert records(cut) == []


def test_a_message_that_was_cut_and_written_on_swallows_no_record() -> None:
    """pg_recvlogical was killed and appended to the same file: the next message must not be the end of this one."""
    broken = b"message: transactional: 1 prefix: p, sz: 50 content:abcBEGIN 7"
    lines = [
        broken,
        b"table t: INSERT: a[integer]:1",
        b"COMMIT 7",
        b"message: transactional: 0 prefix: q, sz: 1 content:x",
    ]
    assert records(text(lines)) == lines
    assert not is_message(broken)
    assert is_message(lines[-1])


@pytest.mark.parametrize(
    "line",
    [b"message: ", b"message: hello", b"message: transactional: 2 prefix: p, sz: 0 content:", b"message: 'a"],
    ids=["empty", "other words", "unknown flag", "quote"],
)
def test_a_line_that_is_no_message_ends_with_its_line(line: bytes) -> None:
    assert records(text([line, b"BEGIN 1"])) == [line, b"BEGIN 1"]
    assert not is_message(line)


def test_an_empty_buffer_has_no_records() -> None:
    assert (records(b""), split(b"").consumed) == ([], 0)
