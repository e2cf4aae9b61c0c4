"""What the pgoutput decoder promises, case by case."""

import re
import struct
from collections.abc import Sequence

import pytest

from decode import messages as m
from re_dms.decode.decoded import Decoded
from re_dms.decode.frames import Frames
from re_dms.decode.pgoutput import PgOutputDecoder
from re_dms.decode.wire import WireColumn, WireRelation
from re_dms.errors import DecodeError, InvariantError
from re_dms.lsn import LSN
from re_dms.schema import Relation

T = m.table(16_384, 2)
OTHER = m.table(16_400, 2)
FULL = m.table(16_500, 2, key=(), identity="f")
WIDER = m.table(16_384, 3)
LSN_OF_THIRD = 0x16_B374_D848


def decode(*bodies: bytes, resolve=None, skip_before=None, decoder: PgOutputDecoder | None = None) -> Decoded:
    """Decode these messages; the third has a position of its own."""
    listed = [m.w(body, LSN_OF_THIRD if at == 2 else 1 + at) for at, body in enumerate(bodies)]
    decoder = decoder or PgOutputDecoder(resolve or m.resolve_among(T, OTHER, FULL, WIDER))
    return decoder.decode(m.frames(listed), skip_before or {})


def shape(decoded: Decoded) -> dict[int, list[object]]:
    """By OID: 'truncate', or the sequence numbers of a segment's rows with the number of columns."""
    return {
        oid: ["truncate" if e.frame is None else (len(e.relation.columns), e.frame["seq"].to_list()) for e in events]
        for oid, events in decoded.tables
    }


ROW = m.insert(T.oid, ["1", "x"])
COUNT = struct.pack(">h", 2)


def test_a_transaction_becomes_a_frame_of_events() -> None:
    decoded = decode(
        m.begin(0x100, xid=77),
        m.relation(T),
        m.insert(T.oid, ["1", None]),
        m.update(T.oid, ["1", m.UNSENT]),
        m.update(T.oid, ["2", "é"], key=["1", None]),
        m.delete(T.oid, key=["2", None]),
        m.commit(0x100, end_lsn=0x130, time_us=5),
    )
    ((oid, (event,)),) = decoded.tables
    assert (oid, event.relation, event.truncate, decoded.messages) == (T.oid, T, False, 7)
    assert event.frame is not None
    assert event.frame.to_dict(as_series=False) == {
        "seq": [2, 3, 4, 5],
        "op": [*b"IUUD"],
        "old": [0, 0, ord("K"), ord("K")],
        "u2": [False, True, False, False],
        "k1": [None, None, "1", "2"],
        "c1": ["1", "1", "2", None],
        "c2": [None, None, "é", None],
    }
    commits = decoded.commits
    assert (commits.end_lsn.tolist(), commits.xid.tolist()) == ([0x130], [77])
    assert commits.time_us.tolist() == [946_684_800_000_005]  # microseconds since 1970


def test_no_messages_are_no_changes() -> None:
    decoded = decode()
    assert (decoded.tables, len(decoded.commits), decoded.messages) == ((), 0, 0)


def test_an_old_tuple_of_a_whole_row_has_all_columns_and_one_of_a_key_the_key_columns() -> None:
    decoded = decode(
        m.begin(1),
        m.relation(T),
        m.relation(FULL),
        m.delete(T.oid, key=["1", None]),
        m.update(FULL.oid, ["1", "new"], old=["1", None]),
    )
    (_, (keyed,)), (_, (full,)) = decoded.tables
    assert keyed.frame is not None
    assert full.frame is not None
    assert [name for name in keyed.frame.columns if name[0] == "k"] == ["k1"]
    assert full.frame.select("k1", "k2").rows() == [("1", None)]


def test_a_relation_message_without_news_is_no_barrier() -> None:
    decoded = decode(m.begin(1), m.relation(T), ROW, m.relation(T), ROW)
    assert shape(decoded) == {T.oid: [(2, [2, 4])]}


def test_a_new_version_and_a_truncate_end_the_segment_of_their_table_alone() -> None:
    decoded = decode(
        m.begin(1),
        m.relation(T),
        m.relation(OTHER),
        ROW,
        m.insert(OTHER.oid, ["1", "2"]),
        m.relation(WIDER),
        m.insert(T.oid, ["1", "2", "3"]),
        m.insert(OTHER.oid, ["1", "2"]),
        m.truncate(T.oid, options=3),
        m.truncate(T.oid),
        m.insert(T.oid, ["1", "2", "3"]),
        m.insert(OTHER.oid, ["1", "2"]),
    )
    assert shape(decoded) == {
        T.oid: [(2, [3]), (3, [6]), "truncate", "truncate", (3, [10])],
        OTHER.oid: [(2, [4, 7, 11])],
    }


def test_a_truncate_of_several_tables_is_an_event_of_each() -> None:
    decoded = decode(m.begin(1), m.relation(T), m.relation(OTHER), m.truncate(OTHER.oid, T.oid, options=1))
    assert shape(decoded) == {T.oid: ["truncate"], OTHER.oid: ["truncate"]}


def test_versions_and_the_open_transaction_outlive_the_buffer() -> None:
    decoder = PgOutputDecoder(m.resolve_among(T, WIDER))
    assert shape(decode(m.begin(500, xid=9), m.relation(T), ROW, decoder=decoder)) == {T.oid: [(2, [2])]}
    assert shape(decode(ROW, m.truncate(T.oid), decoder=decoder)) == {T.oid: [(2, [0]), "truncate"]}
    last = decode(ROW, m.relation(WIDER), m.commit(500), decoder=decoder)
    assert shape(last) == {T.oid: [(2, [0])]}
    assert last.commits.xid.tolist() == [9]
    assert shape(decode(m.begin(600), m.insert(T.oid, ["1", "2", "3"]), decoder=decoder)) == {T.oid: [(3, [1])]}


def test_after_an_error_the_decoder_is_as_before_that_buffer() -> None:
    decoder = PgOutputDecoder(m.resolve_among(T))
    decode(m.begin(500), m.relation(T), decoder=decoder)
    with pytest.raises(DecodeError):
        decode(m.commit(500), m.begin(600), m.insert(T.oid, ["1"]), decoder=decoder)
    assert shape(decode(ROW, m.commit(500), decoder=decoder)) == {T.oid: [(2, [0])]}


def test_rows_and_truncates_of_transactions_that_the_copy_has_are_dropped() -> None:
    stream = (
        m.begin(100), m.relation(T), m.relation(OTHER), ROW, m.truncate(T.oid, OTHER.oid), m.commit(100),
        m.begin(200), ROW, m.insert(OTHER.oid, ["1", "2"]), m.commit(200),
    )  # fmt: skip
    assert shape(decode(*stream, skip_before={T.oid: LSN(200)})) == {
        T.oid: [(2, [7])],
        OTHER.oid: ["truncate", (2, [8])],
    }
    assert shape(decode(*stream, skip_before={T.oid: LSN(201), OTHER.oid: LSN(1 << 63)})) == {}


def test_what_is_dropped_is_told_by_the_begin_of_an_earlier_buffer_too() -> None:
    decoder = PgOutputDecoder(m.resolve_among(T))
    decode(m.begin(100), m.relation(T), decoder=decoder)
    decoded = decode(ROW, m.commit(100), m.begin(200), ROW, decoder=decoder, skip_before={T.oid: LSN(150)})
    assert shape(decoded) == {T.oid: [(2, [3])]}


def test_tables_that_are_not_carried_are_dropped() -> None:
    decoded = decode(
        m.begin(1), m.relation(T), m.relation(OTHER), ROW, m.truncate(T.oid, OTHER.oid), resolve=m.resolve_among(OTHER)
    )
    assert shape(decoded) == {OTHER.oid: ["truncate"]}


def test_resolve_is_asked_once_a_buffer_with_what_the_messages_say() -> None:
    asked: list[Sequence[WireRelation]] = []

    def resolve(wires: Sequence[WireRelation]) -> list[Relation | None]:
        asked.append(wires)
        return [None for _ in wires]

    decoder = PgOutputDecoder(resolve)
    decode(m.begin(0x500), decoder=decoder)
    row = m.insert(FULL.oid, ["1", "2"])
    decode(m.relation(T), ROW, m.commit(0x500), m.begin(0x600), m.relation(FULL), row, m.commit(0x600), decoder=decoder)
    assert [len(wires) for wires in asked] == [2]
    keyed = WireRelation(
        oid=T.oid,
        schema="public",
        name=T.name,
        identity="d",
        columns=(
            WireColumn(name="c1", type_oid=25, typmod=-1, key=True),
            WireColumn(name="c2", type_oid=25, typmod=-1, key=False),
        ),
        lsn=LSN(0x500),  # the transaction's, wherever its Begin was: the message's own header says 0/0
    )
    assert asked[0][0] == keyed
    assert (asked[0][1].identity, asked[0][1].lsn, asked[0][1].columns[1].key) == ("f", LSN(0x600), True)


def test_a_type_an_origin_and_messages_of_others_are_ignored() -> None:
    decoded = decode(
        m.logical(transactional=False), m.begin(1), m.origin(), m.logical(), m.type_(), m.relation(T), ROW, m.commit(1)
    )
    assert shape(decoded) == {T.oid: [(2, [6])]}


def test_a_version_is_resolved_when_the_first_row_of_it_is_kept() -> None:
    asked: list[list[int]] = []

    def resolve(wires: Sequence[WireRelation]) -> list[Relation | None]:
        asked.append([len(wire.columns) for wire in wires])
        return [T if len(wire.columns) == 2 else WIDER for wire in wires]

    decoder = PgOutputDecoder(resolve)
    skip = {T.oid: LSN(200)}
    wider = m.insert(T.oid, ["1", "2", "3"])
    first = decode(m.begin(100), m.relation(T), ROW, m.relation(WIDER), wider, decoder=decoder, skip_before=skip)
    second = decode(wider, m.truncate(T.oid), m.commit(100), decoder=decoder, skip_before=skip)
    assert (shape(first), shape(second), asked) == ({}, {}, [])
    assert shape(decode(m.begin(300), wider, decoder=decoder, skip_before=skip)) == {T.oid: [(3, [1])]}
    assert shape(decode(wider, decoder=decoder, skip_before=skip)) == {T.oid: [(3, [0])]}
    assert asked == [[3]]


def test_a_version_that_no_row_belongs_to_is_no_barrier() -> None:
    decoded = decode(m.begin(1), m.relation(T), ROW, m.relation(WIDER), m.relation(T), ROW)
    assert shape(decoded) == {T.oid: [(2, [2, 5])]}


def test_relations_and_types_may_stand_between_transactions() -> None:
    """The reader leaves transactions out that the journal has; what they said of tables still counts."""
    decoder = PgOutputDecoder(m.resolve_among(T, WIDER))
    assert shape(decode(m.type_(), m.relation(T), decoder=decoder)) == {}
    decoded = decode(m.begin(1), ROW, m.commit(1), m.relation(WIDER), m.begin(2), decoder=decoder)
    assert shape(decoded) == {T.oid: [(2, [1])]}
    assert shape(decode(m.insert(T.oid, ["1", "2", "3"]), decoder=decoder)) == {T.oid: [(3, [0])]}


@pytest.mark.parametrize("answer", [[], [OTHER], [WIDER]], ids=["too few", "another table", "other columns"])
def test_an_answer_that_is_not_the_tables_is_our_own_fault(answer: list[Relation]) -> None:
    with pytest.raises(InvariantError):
        decode(m.begin(1), m.relation(T), ROW, resolve=lambda wires: answer)


@pytest.mark.parametrize(
    ("body", "words", "byte"),
    [
        (b"Z", "an unknown message", "byte 0x5a at offset 25"),
        (b"S" + bytes(5), "an unknown message", "byte 0x53 at offset 25"),
        (m.begin(2), "a Begin inside of a transaction", "byte 0x42 at offset 25"),
        (m.commit(2), "a Commit of another transaction", "offset 27"),
        (m.commit(1) + b"x", "wrong length", "byte 0x43"),
        (b"C\1" + m.commit(1)[2:], "unknown flag of a Commit", "byte 0x01 at offset 26"),
        (b"I" + struct.pack(">I", T.oid) + b"N", "too short", "byte 0x49"),
        (b"I" + struct.pack(">I", T.oid) + b"X" + COUNT, "unknown kind of tuple", "byte 0x58 at offset 30"),
        (b"I" + struct.pack(">I", T.oid) + b"K" + m.stream_tuple(["1", None]), "an old tuple in an Insert", "byte 0x4b"),
        (b"D" + struct.pack(">I", T.oid) + b"N" + m.stream_tuple(["1", "2"]), "unknown kind of tuple", "byte 0x4e"),
        (m.insert(T.oid, ["1"]), "a tuple of other than 2 columns", "offset 31"),
        (m.insert(T.oid, ["1", "2", "3"]), "a tuple of other than 2 columns", "offset 31"),
        (ROW[:6] + struct.pack(">h", -1) + ROW[8:], "a tuple of other than 2 columns", "byte 0xff at offset 31"),
        (m.insert(T.oid, [b"1", b"2"]).replace(b"t", b"b"), "an unknown kind", "byte 0x62 at offset 33"),
        (ROW[:9] + struct.pack(">i", -5) + ROW[13:], "negative length", "byte 0x74 at offset 33"),
        (ROW[:9] + struct.pack(">i", 2**31 - 1) + ROW[13:], "longer than its message", "byte 0x74 at offset 33"),
        (ROW[:-1], "longer than its message", "offset 39"),
        (ROW[:-6], "ends inside of a tuple", "its end at offset 39"),
        (ROW + b"n", "bytes after the end of the tuple", "byte 0x6e at offset 45"),
        (m.delete(T.oid, key=["1", m.UNSENT]), "unsent TOAST", "byte 0x75"),
        (m.delete(T.oid, key=["1", None]) + b"n", "bytes after the end", "byte 0x6e"),
        (m.update(T.oid, [], key=["1", None])[:-3], "ends inside of a tuple", "its end"),
        (m.update(T.oid, [], key=["1", None])[:-1], "ends inside of a tuple", "byte 0x00"),
        (m.update(T.oid, ["1", "2"], key=["1", None]).replace(b"N", b"O"), "without its new tuple", "byte 0x4f"),
        (m.insert(99, ["1"]), "Relation message never came", "offset 26"),
        (m.truncate(99), "Relation message never came", "offset 26"),
        (m.truncate(T.oid, options=4), "unknown option of TRUNCATE", "byte 0x04 at offset 30"),
        (m.truncate(T.oid)[:-1], "number of tables", "offset 31"),
        (m.truncate(T.oid) + b"x", "number of tables", "offset 31"),
        (b"T" + struct.pack(">iB", -1, 0), "negative number of tables", "offset 29"),
        (m.relation(T)[:-1], "too short", "offset"),
        (m.relation(T) + b"x", "does not end", "byte 0x78"),
        (m.relation(m.table(1, name="n", identity="z")), "replica identity", "byte 0x7a"),
        (m.relation(T).replace(b"t16384", b"t\xff6384"), "name that is not UTF-8", "byte 0x74"),
        (m.relation(T).replace(b"d\0\2", b"d\xff\xff"), "negative number of columns", "byte 0xff"),
        (m.relation(T).replace(b"\1c1", b"\2c1"), "flag of a column", "byte 0x02"),
        (m.type_()[:-1], "a string without its end", "offset 37"),
        (m.type_() + b"x", "does not end", "byte 0x78"),
        (m.origin() + b"x", "does not end", "byte 0x78"),
        (m.logical()[:-1], "does not end", "its end"),
        (b"M\2" + m.logical()[2:], "flag of a logical message", "byte 0x02 at offset 26"),
    ],
)  # fmt: skip
def test_what_is_unknown_short_or_too_long_is_refused_with_the_byte_and_the_lsn(body, words, byte) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(m.begin(1), m.relation(T), body)
    message = caught.value.message
    assert "LSN 16/B374D848" in message
    assert words in message
    assert byte in message
    assert caught.value.remedy


@pytest.mark.parametrize("body", [ROW, m.truncate(T.oid), m.origin(), m.commit(1)])
def test_a_change_outside_of_a_transaction_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match="LSN 16/B374D848"):
        decode(m.begin(1), m.commit(1), body)


def test_a_negative_length_is_refused_beside_rows_with_null() -> None:
    null = m.insert(T.oid, [None, "x"])
    bad = ROW[:9] + struct.pack(">i", -1) + ROW[13:]
    with pytest.raises(DecodeError, match="a negative length"):
        decode(m.begin(1), m.relation(T), bad, null)


def test_a_lost_buffer_is_noticed_at_the_commit() -> None:
    decoder = PgOutputDecoder(m.resolve_among(T))
    decode(m.begin(100), m.relation(T), ROW, decoder=decoder)
    with pytest.raises(DecodeError, match="a Commit of another transaction"):
        decode(ROW, m.commit(200), decoder=decoder)


def test_an_old_key_of_a_table_without_a_key_is_refused() -> None:
    with pytest.raises(DecodeError, match="an old key of a table that has none"):
        decode(m.begin(1), m.relation(FULL), m.delete(FULL.oid, key=["1", None]))


@pytest.mark.parametrize("message", [b"", b"w", m.w(b"", 700), b"k" + bytes(30), b"w" + bytes(24)])
def test_what_is_no_stream_message_is_refused(message: bytes) -> None:
    with pytest.raises(DecodeError, match="LSN 0/2BC"):  # the nearest one before it that has a position
        PgOutputDecoder(lambda wires: []).decode(m.frames([m.w(m.logical(), 700), message]), {})


def test_a_relation_messages_error_names_the_nearest_position_before_it() -> None:
    listed = [m.w(m.begin(1), 0x55), m.w(m.relation(T) + b"x", 0)]
    with pytest.raises(DecodeError, match="LSN 0/55"):
        PgOutputDecoder(m.resolve_among(T)).decode(m.frames(listed), {})


@pytest.mark.parametrize("rows", [1, 2, 3, 100, 101])
@pytest.mark.parametrize("bad", [b"\xe9", b"long enough for a place in the buffer \xff", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_a_value_that_is_not_utf8_names_table_column_and_lsn_and_not_the_value(rows: int, bad: bytes) -> None:
    good = [m.w(m.insert(T.oid, ["1", "é"]), 1 + at) for at in range(rows)]
    for at in {0, rows // 2, rows - 1}:
        listed = [*good[:at], m.w(m.insert(T.oid, ["1", bad]), LSN_OF_THIRD), *good[at + 1 :]]
        buffer = m.frames([m.w(m.begin(1)), m.w(m.relation(T)), *listed])
        with pytest.raises(DecodeError, match="LSN 16/B374D848") as caught:
            PgOutputDecoder(m.resolve_among(T)).decode(buffer, {})
        assert "public.t16384, column 'c2'" in caught.value.message
        assert not re.search(r"xe9|xff|long enough", repr(caught.value) + caught.value.remedy)


def test_a_table_without_columns_has_rows() -> None:
    empty = m.table(20_000, 0, key=(), identity="n")
    decoded = decode(m.begin(1), m.relation(empty), m.insert(empty.oid, []), resolve=m.resolve_among(empty))
    assert shape(decoded) == {empty.oid: [(0, [2])]}


def test_sixteen_hundred_columns() -> None:
    wide = m.table(20_000, 1600)
    row = [str(i) if i % 3 else None for i in range(1600)]
    decoded = decode(m.begin(1), m.relation(wide), m.insert(wide.oid, row), resolve=m.resolve_among(wide))
    frame = decoded.tables[0][1][0].frame
    assert frame is not None
    assert list(frame.row(0)[3:]) == row


def test_a_value_of_many_megabytes() -> None:
    big = "é" * 20_000_000
    decoded = decode(m.begin(1), m.relation(T), m.insert(T.oid, ["1", big]), m.insert(T.oid, ["2", "x"]))
    frame = decoded.tables[0][1][0].frame
    assert frame is not None
    assert frame["c2"].to_list() == [big, "x"]


def test_frames_of_a_read_only_region_decode() -> None:
    listed = [m.w(m.begin(1)), m.w(m.relation(T)), m.w(ROW)]
    region = memoryview(b"".join(listed) + bytes(1000)).toreadonly()
    decoded = PgOutputDecoder(m.resolve_among(T)).decode(Frames(region, [len(x) for x in listed]), {})
    assert shape(decoded) == {T.oid: [(2, [2])]}
