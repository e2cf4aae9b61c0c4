"""test_decoding's lines by hand: what is refused and where, what is tentative, many tables, long and odd values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode.plugins import lines_of, told
from re_dms.decode.decoded import Decoded
from re_dms.decode.frames import Frames
from re_dms.decode.lines import Form, Layout, LayoutColumn, LineTable
from re_dms.decode.quotes import Quotes, bare_ends
from re_dms.decode.test_decoding import TestDecodingDecoder
from re_dms.errors import DecodeError
from re_dms.lsn import LSN
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation

FORMS = {"integer": Form.BARE, "numeric": Form.BARE, "boolean": Form.BOOL, "bit": Form.BITS}


@dataclass
class Database:
    """Tables by name; `columns` are (name, type). Every layout that is asked for is that of now."""

    tables: dict[str, list[tuple[str, str]]]
    identity: str = "d"
    asked: list[LineTable] = field(default_factory=list)

    def locate(self, names: Sequence[tuple[str, str]]) -> list[int | None]:
        listed = list(self.tables)
        return [listed.index(name) + 1 if name in self.tables else None for _, name in names]

    def resolve(self, asked: Sequence[LineTable]) -> list[Layout | None]:
        self.asked += asked
        return [self._layout(line) for line in asked]

    def _layout(self, line: LineTable) -> Layout:
        columns = self.tables[line.name]
        relation = Relation(
            oid=list(self.tables).index(line.name) + 1,
            schema="public",
            name=line.name,
            identity=self.identity,
            key_kind=KeyKind.APPEND if self.identity == "n" else KeyKind.KEYED,
            key=() if self.identity == "n" else (1,),
            columns=tuple(
                Column(attnum=at, name=name, type=PgType(oid=at, typmod=-1, name=kind, kind=Kind.TEXT))
                for at, (name, kind) in enumerate(columns, 1)
            ),
        )
        layout = tuple(
            LayoutColumn(header=f" {name}[{kind}]:".encode(), attnum=at, form=FORMS.get(kind, Form.QUOTED))
            for at, (name, kind) in enumerate(columns, 1)
        )
        return Layout(relation=relation, columns=layout)

    def decoder(self) -> TestDecodingDecoder:
        return TestDecodingDecoder(self.resolve, self.locate)


T = {"t": [("id", "integer"), ("a", "text"), ("big", "text")]}


def decode(database: Database, *lines: str, skip: dict[int, LSN] | None = None) -> Decoded:
    texts = [line.encode() for line in ("BEGIN 7", *lines, "COMMIT 7")]
    return database.decoder().decode(lines_of(texts), skip or {})


def row(text: str) -> str:
    return f"table public.t: INSERT: {text}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hello", "the line at LSN 0/2: an unknown line (byte 0x68 at offset 0 of the line)"),
        ("table public.t", "a change without its table"),
        ("table public.t: MERGE: id[integer]:1", "a change of an unknown kind"),
        (
            row("id[integer]:'1' a[text]:'x' big[text]:''"),
            "something else than a number or null (byte 0x27 at offset 36",
        ),
        (row("id[integer]:x1 a[text]:'x' big[text]:''"), "something else than a number or null"),
        (row("id[integer]:1x a[text]:'x' big[text]:''"), "something else than a number or null"),
        (row("id[integer]: a[text]:'x' big[text]:''"), "a value that is missing (byte 0x20 at offset 36"),
        (row("id[integer]:1 a[text]:x big[text]:''"), "something else than a value in quotes or null (byte 0x78"),
        (row("id[integer]:1 a[text]:nullx big[text]:''"), "something else than a value in quotes or null"),
        (row("id[integer]:1 a[text]:'x big[text]:y"), "a quote that nothing ends (byte 0x27 at offset 46"),
        (row("id[integer]:1 a[text]:'x'' big[text]:''"), "a quote that nothing ends"),
        (row("id[integer]:1 a[text]:'x' big[text]:'y"), "a quote that nothing ends"),
        (row("id[integer]:1 a[text]:'x'y big[text]:''"), "something else than a space between two values"),
        (row("id[integer]:1 a[text]:'x' big[text]:'' "), "a name that is missing or does not end"),
        (row("id[integer]:1 a[text]:'x'"), "a row with other columns than its table has"),
        (row("(no-tuple-data)"), "a new row without its values"),
        ("table public.t: UPDATE: old-key: id[integer]:1", "an old key without its new tuple"),
        ("table public.t: TRUNCATE: restart", "an unknown flag of TRUNCATE"),
        ("table public.t, public: TRUNCATE: (no-flags)", "a name that is missing or does not end"),
        ("BEGIN 8", "a BEGIN inside of a transaction"),
        ("message: transactional: 1 prefix: p, sz: 5 content:four", "an unknown line"),
    ],
)
def test_what_no_server_writes_is_refused_with_its_place(line: str, said: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decode(Database(T), line)
    assert said in refused.value.message, refused.value.message
    assert "the line at LSN 0/" in refused.value.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("COMMIT 8", "a COMMIT of another transaction"),
        ("COMMIT", "a COMMIT of another transaction"),
        ("COMMIT 7 at noon", "something behind COMMIT and its xid"),
        ("COMMIT 7 (at noon)", "a commit time that is none"),
        ("COMMIT PREPARED 'g', txid 7", "a COMMIT of another transaction"),
    ],
)
def test_a_transaction_ends_as_it_began(line: str, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        Database(T).decoder().decode(lines_of([b"BEGIN 7", line.encode()]), {})


def test_a_line_that_fits_no_layout_asks_once_and_is_refused(tmp_path) -> None:
    database = Database(T)
    with pytest.raises(DecodeError, match="a row with other columns than its table has"):
        decode(database, row("id[integer]:1 a[text]:'x' big[text]:''"), row("id[integer]:2 b[text]:'x' big[text]:''"))
    assert [[column.name for column in line.columns] for line in database.asked] == [
        ["id", "a", "big"],
        ["id", "b", "big"],
    ]


def test_bits_booleans_and_numbers_are_given_as_pgoutput_gives_them() -> None:
    database = Database({"v": [("id", "integer"), ("n", "numeric"), ("f", "boolean"), ("b", "bit")]})
    decoded = decode(
        database,
        "table public.v: INSERT: id[integer]:1 n[numeric]:-1.5e-10 f[boolean]:true b[bit]:B'101'",
        "table public.v: INSERT: id[integer]:2 n[numeric]:NaN f[boolean]:false b[bit]:B''",
        "table public.v: INSERT: id[integer]:3 n[numeric]:-Infinity f[boolean]:null b[bit]:null",
        f"table public.v: INSERT: id[integer]:4 n[numeric]:{'12345678' * 2_500} f[boolean]:null b[bit]:null",
    )
    frame = decoded.tables[0][1][0].frame
    assert frame is not None
    assert frame["c2"].to_list() == ["-1.5e-10", "NaN", "-Infinity", "12345678" * 2_500]
    assert frame["c3"].to_list() == ["t", "f", None, None]
    assert frame["c4"].to_list() == ["101", "", None, None]


def test_many_tables_in_one_buffer_keep_their_rows_apart() -> None:
    database = Database({f"t{number}": [("id", "integer")] for number in range(300)})
    lines = [f"table public.t{number % 300}: INSERT: id[integer]:{number}" for number in range(900)]
    decoded = decode(database, *lines)
    assert len(decoded.tables) == 300
    for oid, (event,) in decoded.tables:
        assert event.frame is not None
        assert event.frame["c1"].to_list() == [str(oid - 1 + more) for more in (0, 300, 600)]
    assert len(database.asked) == 300


def test_a_whole_old_row_without_what_is_unsent_is_of_another_identity() -> None:
    database = Database(T, identity="f")
    with pytest.raises(DecodeError, match="other columns"):
        decode(
            database,
            "table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 a[text]:'' big[text]:unchanged-toast-datum",
        )


def test_rows_that_nothing_names_diverge_where_they_stand() -> None:
    decoded = decode(
        Database(T, identity="n"),
        row("id[integer]:1 a[text]:'x' big[text]:''"),
        "table public.t: UPDATE: id[integer]:1 a[text]:'y' big[text]:''",
        row("id[integer]:2 a[text]:'x' big[text]:''"),
        "table public.t: DELETE: (no-tuple-data)",
    )
    assert [(event.diverged is not None) for event in decoded.tables[0][1]] == [False, True, False]


def test_rows_of_a_copied_transaction_are_dropped_by_their_end() -> None:
    texts = [b"BEGIN 7", row("id[integer]:1 a[text]:'x' big[text]:''").encode(), b"COMMIT 7"]
    texts += [b"BEGIN 8", row("id[integer]:2 a[text]:'x' big[text]:''").encode(), b"COMMIT 8"]
    positions = [10, 11, 20, 12, 13, 30]
    for copied_at, ids in ((19, ["1", "2"]), (20, ["2"]), (29, ["2"]), (30, [])):
        decoded = Database(T).decoder().decode(lines_of(texts, positions), {1: LSN(copied_at)})
        rows = [each for _, events in decoded.tables for event in events for each in event.frame["c1"].to_list()]  # type: ignore[index]
        assert rows == ids


@pytest.mark.parametrize(("copied_at", "retracted"), [(12, False), (25, False), (30, True), (35, True)])
def test_rows_of_an_open_transaction_are_tentative_until_its_end_is_known(copied_at: int, retracted: bool) -> None:
    decoder = Database(T).decoder()
    skip = {1: LSN(copied_at)}
    first = decoder.decode(
        lines_of(
            [b"BEGIN 6", row("id[integer]:0 a[text]:'x' big[text]:''").encode(), b"COMMIT 6", b"BEGIN 7"]
            + [row(f"id[integer]:{id_} a[text]:'x' big[text]:''").encode() for id_ in (1, 2)],
            [1, 2, 60, 10, 11, 13],
        ),
        skip,
    )
    events = [(event.tentative, event.frame["c1"].to_list()) for event in first.tables[0][1]]  # type: ignore[index]
    is_unsure = copied_at > 13
    assert events == ([(False, ["0"]), (True, ["1", "2"])] if is_unsure else [(False, ["0", "1", "2"])])
    last = row("id[integer]:3 a[text]:'x' big[text]:''").encode()
    second = decoder.decode(lines_of([last, b"COMMIT 7"], [14, 30]), skip)
    assert second.retracted == (frozenset([1]) if retracted else frozenset())
    assert bool(second.tables) is not retracted


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), min_size=1, max_size=20),
    st.integers(1, 30),
)
def test_any_text_comes_out_as_it_went_in(values: list[str], cut: int) -> None:
    lines = [
        row(f"id[integer]:{at} a[text]:'{value.replace(chr(39), chr(39) * 2)}' big[text]:null")
        for at, value in enumerate(values)
    ]
    texts = [line.encode() for line in ("BEGIN 7", *lines, "COMMIT 7")]
    decoder = Database(T).decoder()
    found: list[str] = []
    for at in range(0, len(texts), cut):
        for _, events in decoder.decode(lines_of(texts[at : at + cut]), {}).tables:
            found += [value for event in events for value in event.frame["c2"].to_list()]  # type: ignore[index]
    assert found == values


@given(st.binary(max_size=60).map(lambda data: data.replace(b"x", b" ")))
def test_bare_values_end_at_the_first_space_or_with_their_line(data: bytes) -> None:
    frames = Frames.at(data + bytes(40), np.array([0]), np.array([len(data)]))
    for at in range(len(data) + 1):
        end = bare_ends(frames, np.array([at]), np.array([len(data)]))[0]
        found = data.find(b" ", at)
        assert end == (len(data) if found < 0 else found)


@given(st.lists(st.sampled_from(["'", "''", "a", " "]), max_size=30).map("".join))
def test_a_quote_is_closed_by_the_first_that_is_not_doubled(text: str) -> None:
    data = f"'{text}'".encode()
    quotes = Quotes(np.frombuffer(data, dtype=np.uint8))
    closing, _ = quotes.closing(np.array([0]))
    at = 1
    while data[at : at + 1] and not (data[at : at + 1] == b"'" and data[at + 1 : at + 2] != b"'"):
        at += 2 if data[at : at + 2] == b"''" else 1
    assert quotes.offset(closing)[0] == min(at, len(data))


def test_versions_change_where_the_first_line_of_the_new_one_stands() -> None:
    database = Database({"t": [("id", "integer"), ("a", "text")]})
    decoder = database.decoder()
    first = decoder.decode(lines_of([b"BEGIN 7", b"table public.t: INSERT: id[integer]:1 a[text]:'x'"]), {})
    database.tables["t"] = [("id", "integer"), ("a", "text"), ("b", "text")]
    second = decoder.decode(
        lines_of(
            [
                b"table public.t: INSERT: id[integer]:2 a[text]:'y'",
                b"table public.t: INSERT: id[integer]:3 a[text]:'z' b[text]:'new'",
                b"COMMIT 7",
            ]
        ),
        {},
    )
    listed = told({"t": [*first.tables[0][1], *second.tables[0][1]]})["t"]
    versions = [len(each[1].columns) for each in listed if isinstance(each, tuple)]
    assert versions == [2, 3]
    assert [each["c1"] for each in listed if isinstance(each, dict)] == ["1", "2", "3"]
