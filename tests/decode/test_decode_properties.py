"""Whatever the stream holds, the columnar decoder and the row-by-row reference agree: the same events, or both refuse."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import messages as m
from decode.reference import Reference, Refused, Segment
from re_dms.decode.decoded import TableEvents
from re_dms.decode.pgoutput import PgOutputDecoder
from re_dms.errors import DecodeError
from re_dms.lsn import LSN
from re_dms.schema import Relation

# Around the view format's edge of 12 bytes, in bytes and in characters; and what looks like structure.
EDGES = [
    "",
    "t",
    "n",
    "a" * 11,
    "a" * 12,
    "a" * 13,
    "ä" * 6,
    "ä" * 6 + "x",
    "€" * 4,
    "€" * 4 + "y",
    "🐘" * 3,
    "🐘" * 4,
    "x" * 300,
]
VALUES = st.one_of(st.none(), st.sampled_from(EDGES), st.text(max_size=20))
OIDS = (16_384, 16_400, 4_000_000_000)  # the last one has the sign bit of an int32


@st.composite
def versions(draw: st.DrawFn, oid: int) -> Relation:
    columns = draw(st.integers(1, 4))
    identity = draw(st.sampled_from("ddfin"))
    step = draw(st.integers(1, 3))
    key = () if identity == "n" else draw(st.sampled_from([(1,), (1,), (1 + step * (columns - 1),)]))
    if identity == "f" and draw(st.booleans()):
        key = ()
    return m.table(oid, columns, key=key, identity=identity, step=step, name=draw(st.sampled_from("ab")))


@st.composite
def changes(draw: st.DrawFn, relation: Relation) -> bytes:
    width = len(relation.columns)
    new = draw(st.lists(st.one_of(VALUES, st.just(m.UNSENT)), min_size=width, max_size=width))
    old = draw(st.lists(VALUES, min_size=width, max_size=width))
    key = [
        value if column.attnum in relation.key else None for value, column in zip(old, relation.columns, strict=True)
    ]
    shapes = [m.insert(relation.oid, new), m.update(relation.oid, new)]
    if relation.key:
        shapes += [m.update(relation.oid, new, key=key), m.delete(relation.oid, key=key)]
    if relation.identity == "f":
        shapes += [m.update(relation.oid, new, old=old), m.delete(relation.oid, old=old)]
    return draw(st.sampled_from(shapes))


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], list[Relation]]:
    """Messages of a few transactions over a few tables, and every table version in them."""
    current: dict[int, Relation] = {}
    seen: list[Relation] = []
    stream: list[bytes] = []
    lsn = 1 << 33
    for xid in range(draw(st.integers(1, 4))):
        if current and draw(st.integers(0, 4)) == 0:  # of a transaction that the reader left out
            stream += [m.type_(), m.relation(draw(st.sampled_from(sorted(current.items())))[1])]
        stream.append(m.begin(lsn + 100, xid, time_us=xid))
        if draw(st.booleans()):
            stream.append(m.origin())
        for _ in range(draw(st.integers(0, 8))):
            oid = draw(st.sampled_from(OIDS))
            if oid not in current or draw(st.integers(0, 5)) == 0:
                if oid not in current or draw(st.booleans()):
                    current[oid] = draw(versions(oid))
                    seen.append(current[oid])
                stream.append(m.relation(current[oid]))
            match draw(st.integers(0, 9)):
                case 0:
                    stream.append(m.truncate(*draw(st.permutations(sorted(current))), options=draw(st.integers(0, 3))))
                case 1:
                    stream.append(draw(st.sampled_from([m.type_(), m.logical()])))
                case _:
                    stream.append(draw(changes(current[oid])))
        stream.append(m.commit(lsn + 100, time_us=xid))
        if draw(st.booleans()):
            stream.append(m.logical(b"", transactional=False))
        lsn += 1000
    return [m.w(body, 1 + at) for at, body in enumerate(stream)], seen


def resolver(seen: Sequence[Relation], dropped: int | None):
    """Finds the version by everything that the wire tells; a pure function of the message, as decoders require."""
    by_wire = {m.relation(version): version for version in seen if version.oid != dropped}

    def resolve(wires):
        return [by_wire.get(wire_bytes(wire) or b"") for wire in wires]

    def wire_bytes(wire) -> bytes | None:
        return next((raw for raw, version in by_wire.items() if same(version, wire)), None)

    def same(version: Relation, wire) -> bool:
        full = version.identity == "f"
        columns = [(c.name, c.type.oid, c.type.typmod, full or c.attnum in version.key) for c in version.columns]
        return (version.oid, version.schema, version.name, version.identity, columns) == (
            wire.oid,
            wire.schema,
            wire.name,
            wire.identity,
            [(c.name, c.type_oid, c.typmod, c.key) for c in wire.columns],
        )

    return resolve


def frame_of(segment: Segment) -> dict[str, list[Any]]:
    """The event frame that the contract wants for a segment's rows."""
    rows, relation = segment.rows, segment.relation
    frame: dict[str, list[Any]] = {
        "seq": [row.seq for row in rows],
        "op": [ord(row.op) for row in rows],
        "old": [ord(row.old_kind) if row.old_kind else 0 for row in rows],
    }
    whole = any(row.old_kind == "O" for row in rows)
    for at, column in enumerate(relation.columns):
        new = [None if row.new is None else row.new[at] for row in rows]
        frame[f"c{column.attnum}"] = [None if value is m.UNSENT else value for value in new]
        if m.UNSENT in new:
            frame[f"u{column.attnum}"] = [value is m.UNSENT for value in new]
        if any(row.old for row in rows) and (whole or column.attnum in relation.key):
            frame[f"k{column.attnum}"] = [None if row.old is None else row.old[at] for row in rows]
    return frame


def assert_same(tables: Sequence[tuple[int, Sequence[TableEvents]]], expected: Mapping[int, Sequence[Segment]]) -> None:
    assert [oid for oid, _ in tables] == list(expected)
    for (oid, events), segments in zip(tables, expected.values(), strict=True):
        assert [(e.relation, e.truncate) for e in events] == [(s.relation, s.truncate) for s in segments], oid
        for event, segment in zip(events, segments, strict=True):
            if event.truncate:
                assert event.frame is None
                continue
            assert event.frame is not None
            assert event.frame.to_dict(as_series=False) == frame_of(segment)
            types = {"s": pl.Int64, "o": pl.UInt8, "u": pl.Boolean, "c": pl.String, "k": pl.String}
            assert dict(event.frame.schema) == {name: types[name[0]] for name in event.frame.columns}


def compare(buffers: Sequence[Sequence[bytes]], resolve: Any, skip_before: Mapping[int, LSN]) -> None:
    """Decode the buffers both ways. After both refused one, the stream is at its end."""
    decoder, reference = PgOutputDecoder(resolve), Reference(resolve)
    for buffer in buffers:
        frames = m.frames(buffer, tail=b"t" * 32)  # what lies behind the last message is not zeros
        try:
            expected = reference.decode(buffer, skip_before)
        except Refused:
            with pytest.raises(DecodeError):
                decoder.decode(frames, skip_before)
            return
        decoded = decoder.decode(frames, skip_before)
        assert_same(decoded.tables, expected)
        assert decoded.messages == len(buffer)
        commits = decoded.commits
        got = zip(commits.end_lsn.tolist(), commits.xid.tolist(), commits.time_us.tolist(), strict=True)
        assert list(got) == reference.commits
        assert len(commits) == len(reference.commits)


def cut(stream: Sequence[bytes], cuts: Sequence[int]) -> list[Sequence[bytes]]:
    places = [0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]
    return [stream[a:b] for a, b in pairwise(places)]


CUTS = st.lists(st.integers(0, 1000), max_size=3)
DROPPED = st.sampled_from([None, None, None, *OIDS])
SKIPS = st.dictionaries(st.sampled_from(OIDS), st.integers(0, 4).map(lambda n: (1 << 33) + 100 + n * 1000), max_size=2)


@given(streams(), CUTS, DROPPED, SKIPS)
def test_any_stream_in_any_buffers_decodes_to_what_the_rows_say(stream, cuts, dropped, skips) -> None:
    listed, seen = stream
    compare(cut(listed, cuts), resolver(seen, dropped), skips)


DAMAGES = ["set", "set", "flip", "shorten", "lengthen", "drop", "repeat", "swap"]
BYTES = [*range(8), *b"wBCORYIUDTMNKOtnub", 127, 128, 233, 255]


def damage(stream: list[bytes], random: Random) -> list[bytes]:
    what, which = random.choice(DAMAGES), random.randrange(len(stream))
    where, value = random.randrange(120), random.choice(BYTES)
    message = bytearray(stream[which])
    where %= max(1, len(message) - 25)
    where = min(where + 25, len(message) - 1) if where % 20 else 0  # the header is seldom hit: most of it is not read
    match what:
        case "set":
            message[where] = value
        case "flip":
            message[where] ^= 1 << value % 8
        case "shorten":
            del message[-1 - value % max(1, len(message) - 1) :]
        case "lengthen":
            message += bytes([value]) * (1 + where % 9)
        case "drop":
            return stream[:which] + stream[which + 1 :]
        case "repeat":
            return [*stream[: which + 1], stream[which], *stream[which + 1 :]]
        case "swap":
            other = where % len(stream)
            copy = list(stream)
            copy[which], copy[other] = copy[other], copy[which]
            return copy
    return [*stream[:which], bytes(message), *stream[which + 1 :]]


@given(streams(), CUTS, st.integers(0, 1 << 32))
def test_damaged_streams_decode_to_what_they_say_or_are_refused(stream, cuts, seed) -> None:
    listed, seen = stream
    for attempt in range(20):
        random = Random(f"{seed} {attempt}")
        damaged = listed
        for _ in range(random.randint(1, 2)):
            damaged = damage(damaged, random) or [b"w"]
        compare(cut(damaged, cuts), resolver(seen, None), {})


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_bytes_are_refused_or_mean_something(listed) -> None:
    compare([[m.w(body) for body in listed]], lambda wires: [None] * len(wires), {})
    compare([listed], lambda wires: [None] * len(wires), {})
