"""The reader of CSV: a table of cases, an oracle that writes, Python's own reader, and the quick reader against the truth."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redshift_standin.copy.csv import ROW_BYTES_MAX, Broken, Dialect, Unreadable, records
from redshift_standin.copy.scan import scan

COMMA = Dialect(ord(","), ord('"'))
PIPE = Dialect(ord("|"), None)

Table = list[list[tuple[bytes, bool]]]


def read(data: bytes, dialect: Dialect = COMMA, *, final: bool = True) -> Table:
    return [[(field.data, field.quoted) for field in each.fields] for each in records(data, dialect, final=final)]


def plain(*fields: bytes) -> list[tuple[bytes, bool]]:
    return [(field, False) for field in fields]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\n", plain(b"a", b"b")),
        (b",\n", plain(b"", b"")),
        (b" a , b \n", plain(b" a ", b" b ")),
        (b'"a","b"\n', [(b"a", True), (b"b", True)]),
        (b'"",x\n', [(b"", True), (b"x", False)]),
        (b'"a""b"\n', [(b'a"b', True)]),
        (b'""""\n', [(b'"', True)]),
        (b'""""""\n', [(b'""', True)]),
        (b'"a,b"\n', [(b"a,b", True)]),
        (b'"a\nb"\n', [(b"a\nb", True)]),
        (b'"a\r\nb"\n', [(b"a\r\nb", True)]),
        (b'"a\\"\n', [(b"a\\", True)]),
        (b"a\\,b\n", plain(b"a\\", b"b")),
        (b'  "a"  ,\t"b"\t\n', [(b"a", True), (b"b", True)]),
        (b'" a "\n', [(b" a ", True)]),
        (b"   \n", plain(b"   ")),
        (b"\xff\xfe\n", plain(b"\xff\xfe")),
    ],
)
def test_rule_05_one_record_is_read_as_documented(data, expected):
    assert read(data) == [expected]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'"a"b,c\n', "Invalid quote formatting for CSV"),
        (b'"a" "b"\n', "Invalid quote formatting for CSV"),
        (b'"a"",b\n', "Invalid quote formatting for CSV: end of file within quotes"),
        (b'x,"a\n', "Invalid quote formatting for CSV: end of file within quotes"),
    ],
)
def test_rule_05_misplaced_quotes_are_an_error(data, reason):
    with pytest.raises(Broken) as broken:
        read(data)
    assert (broken.value.code, broken.value.reason) == (1214, reason)


@pytest.mark.parametrize(
    "data", [b"a\rb\n", b"a,b\r\n", b'"a"\r\n', b"a,\x00\n", b'"\x00"\n', b'a"b\n', b'a""\n', b' x"y",z\n']
)
def test_rule_37_carriage_returns_nul_bytes_and_quotes_within_plain_fields_are_refused(data):
    with pytest.raises(Unreadable):
        read(data)


def test_rule_05_an_unended_record_waits_for_more_of_the_file():
    assert read(b'a,b\n"c\nd', final=False) == [plain(b"a", b"b")]
    assert read(b"a,b\nc", final=False) == [plain(b"a", b"b")]


def test_rule_05_a_blank_line_has_no_fields():
    assert read(b"\na\n") == [[], plain(b"a")]


def test_rule_10_a_record_that_does_not_end_within_the_row_limit_is_an_error_at_once():
    with pytest.raises(Broken) as broken:
        read(b'"' + b"a" * ROW_BYTES_MAX + b"b", final=False)
    assert broken.value.code == 1216


def test_the_default_text_format_splits_at_every_delimiter():
    assert read(b'a|"b|c"| d\n', PIPE) == [plain(b"a", b'"b', b'c"', b" d")]


# ---------------------------------------------------------------- properties

CONTENT = st.binary(max_size=12).map(lambda data: data.replace(b"\0", b"0")) | st.text(
    alphabet='ab,"\n\r\\ \té€', max_size=16
).map(str.encode)


@st.composite
def written(draw) -> tuple[bytes, Table]:
    """A file as the guide allows it, and what it means: quotes where needed and at random elsewhere, blanks around them."""
    width = draw(st.integers(1, 4))
    table: Table = []
    lines = []
    for _ in range(draw(st.integers(0, 6))):
        fields, texts = [], []
        for _ in range(width):
            data = draw(CONTENT)
            quoted = draw(st.booleans()) or any(special in data for special in b',"\n\r') or (width == 1 and not data)
            blanks = draw(st.sampled_from([b"", b"", b" ", b"\t"])) if quoted else b""
            fields.append((data, quoted))
            texts.append(blanks + b'"' + data.replace(b'"', b'""') + b'"' + blanks if quoted else data)
        table.append(fields)
        lines.append(b",".join(texts) + b"\n")
    return b"".join(lines), table


@given(written())
def test_rule_05_what_an_independent_writer_wrote_is_read_as_it_was_meant(case):
    data, expected = case
    assert read(data) == expected


@given(st.lists(st.lists(st.text(alphabet='ab,"\n é', max_size=8), min_size=2, max_size=4), max_size=6))
def test_rule_05_pythons_reader_agrees_where_both_apply(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    expected = list(csv.reader(io.StringIO(text.getvalue(), newline="")))
    got = [[data.decode() for data, _ in row] for row in read(text.getvalue().encode())]
    assert got == expected == rows


ODD = st.text(alphabet='a,|"\n', max_size=60) | st.text(alphabet='ab,,"""\n\n\r\\ \0é', max_size=40)


@given(ODD.map(str.encode) | written().map(lambda case: case[0]), st.integers(1, 4), st.booleans(), st.booleans())
def test_the_quick_reader_reads_what_the_slow_one_reads_or_leaves_it(data, width, final, delimited):
    dialect = PIPE if delimited else COMMA
    if final and data and not data.endswith(b"\n"):
        data += b"\n"
    table = scan(data, dialect, width) if data else None
    if table is None:
        return
    slow: Table = []
    consumed = 0
    try:
        for record in records(data, dialect, final=False):
            if record.end < table.consumed:
                slow.append([(field.data, field.quoted) for field in record.fields])
                consumed = record.end + 1
    except (Broken, Unreadable):
        pass  # in what follows the records that the quick reader took
    assert consumed == table.consumed
    columns = [table.column(number) for number in range(width)]
    quick = [
        [
            (series[row].replace(b'""', b'"') if quoted[row] else series[row], bool(quoted[row]))
            for series, quoted in columns
        ]
        for row in range(table.rows)
    ]
    assert quick == slow
    assert [
        [(table.field(row, number).data, table.field(row, number).quoted) for number in range(width)]
        for row in range(table.rows)
    ] == slow


@given(written())
def test_the_quick_reader_takes_every_file_without_oddities(case):
    data, table = case
    width = len(table[0]) if table else 1
    odd = not data or data.startswith(b"\n") or b"\n\n" in data or b'\t"' in data or b' "' in data or b"\r" in data
    if not odd and b'"\t' not in data and b'" ' not in data:
        assert scan(data, COMMA, width) is not None
