"""Rows that are adapted: what is NULL and what is not, keys, rows that are too long, constants of added columns."""

from __future__ import annotations

import json
from dataclasses import replace

import polars as pl
import pytest

from re_dms.errors import ValueDoesNotFit
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, OldRows, Relation
from re_dms.warehouse.redshift.adapt import ROW_BYTES_MAX, adapt, constants, needs
from re_dms.warehouse.redshift.policies import Policies
from redshift.sources import Source, source_fixture
from redshift.values import INT4, WORDS, adapted, data_file, loaded, made, rows_of
from standin.fix_standin import Clients

__all__ = ["source_fixture"]

JSON = PgType(oid=114, typmod=-1, name="json", kind=Kind.JSON)
TEXT = PgType(oid=25, typmod=-1, name="text", kind=Kind.TEXT)
BYTEA = PgType(oid=17, typmod=-1, name="bytea", kind=Kind.BYTEA)
NEVER_NULL = [
    "",
    " ",
    "  ",
    "\\N",
    "NULL",
    "null",
    "\x01",
    "\\0",
    "\\x00",
    "n0123456789abcdef01234567",
    "__artie_null_value",
    '"',
]


def test_no_text_means_null(clients: Clients) -> None:
    """The seed took a text of one marker for NULL. Here NULL is apart from every text, in odd files too."""
    relation, frame = rows_of(TEXT, [*NEVER_NULL, None, "x" * 65536])
    found = adapted(frame, relation, "*=truncate")
    values = [value for _, value in sorted(loaded(clients, found.frame, relation), key=lambda row: int(row[0] or 0))]
    assert values == [*NEVER_NULL, None, "x" * 65535]
    assert found.altered.height == 1


def test_json_texts_that_look_like_null_are_not_null(clients: Clients) -> None:
    texts = ['""', '" "', '"\\\\N"', '"NULL"', "null", '"\\\\u0000"', "[]", "{}", "0", "false"]
    relation, frame = rows_of(JSON, [*texts, None])
    assert needs(relation, data_file(frame, relation)) == frozenset()
    values = [value for _, value in sorted(loaded(clients, frame, relation), key=lambda row: int(row[0] or 0))]
    assert [None if value is None else json.loads(value) for value in values] == [*map(json.loads, texts), None]
    odd, long = rows_of(JSON, [*texts, None, json.dumps(["x" * 60000, "y" * 60000])])
    found = adapted(long, odd)
    values = [
        value for _, value in sorted(loaded(clients, found.frame, odd, found.odd), key=lambda row: int(row[0] or 0))
    ]
    assert values[:-1] == [
        value for _, value in sorted(loaded(clients, frame, relation), key=lambda row: int(row[0] or 0))
    ]
    assert found.altered.height == 0


def test_an_empty_bytea_is_not_null(source: Source, clients: Clients) -> None:
    """COPY takes an empty field for NULL in every column that is no text."""
    rows = [["1", "''"], ["2", "NULL"], ["3", "'\\x00'"], ["4", "convert_to(repeat('x', 1023999), 'UTF8')"]]
    relation, frame = made(source, {"id": "int", "v": "bytea"}, rows, key="id")
    found = adapted(frame, relation)
    assert dict(loaded(clients, found.frame, relation, found.odd)) == {
        "1": "",
        "2": None,
        "3": "00",
        "4": "78" * 1_023_999,
    }
    assert found.altered.height == 0


def test_rows_that_say_nothing_of_a_column_pass() -> None:
    """Deletes fill the key alone; partial rows leave out what they keep."""
    relation, _ = rows_of(JSON, [])
    frame = pl.DataFrame(
        {
            "op": ["D", "P", "U"],
            "mask": [None, "2", None],
            "f1": [None, "5", None],
            "c1": ["1", "2", "3"],
            "c2": [None, None, '{"a":1,"a":2}'],
        }
    )
    found = adapted(frame, relation, "*=clamp")
    assert found.frame.rows() == [
        ("D", None, None, "1", ""),
        ("P", "2", "5", "2", ""),
        ("U", None, None, "3", '{"a":2}'),
    ]
    assert found.odd == {2}


def test_all_files_of_a_step_are_staged_alike() -> None:
    """Whether a column is staged otherwise depends on `odd` alone, not on the rows of one file."""
    relation, frame = rows_of(JSON, ["[1]", None])
    found = adapt(frame, relation, frozenset({2}), Policies(), batch_words=WORDS)
    assert (found.odd, found.frame["c2"].to_list()) == (frozenset({2}), ["[1]", ""])
    relation, frame = rows_of(BYTEA, ["00", None])
    found = adapt(frame, relation, frozenset({2}), Policies(), batch_words=WORDS)
    assert (found.odd, found.frame["c2"].to_list()) == (frozenset({2}), ["0000", None])


@pytest.mark.parametrize(
    ("pg", "value"), [(TEXT, "x" * 65536), (BYTEA, ""), (BYTEA, "00" * 1_024_000)], ids=["text", "empty bytea", "bytea"]
)
def test_keys_are_never_altered(pg: PgType, value: str) -> None:
    relation, frame = rows_of(pg, ["61", value], key=(2, 1))
    for policy in ("null", "clamp", "truncate", "fail"):
        with pytest.raises(ValueDoesNotFit, match=r"column 'v' .* of the row with key \(v, id\)") as refused:
            adapted(frame, relation, f"*={policy}")
        assert "policies" not in refused.value.remedy


def test_the_key_in_a_message_is_cut_and_printable() -> None:
    columns = (
        Column(attnum=1, name="k", type=TEXT),
        Column(attnum=2, name="d", type=PgType(oid=1082, typmod=-1, name="date", kind=Kind.DATE)),
    )
    relation = Relation(oid=1, schema="s", name="t", identity="d", key_kind=KeyKind.KEYED, key=(1,), columns=columns)
    frame = pl.DataFrame({"op": ["I"], "c1": ["a\nb" + "k" * 500], "c2": ["infinity"]})
    with pytest.raises(ValueDoesNotFit) as refused:
        adapted(frame, relation)
    assert "(k)=(a?b" + "k" * 97 + ") holds" in refused.value.message


def test_keys_are_recorded_as_json_whatever_is_in_them() -> None:
    keys = ['q"q', "back\\slash", "new\nline\x01", "é😀", ""]
    columns = (
        Column(attnum=1, name="a", type=TEXT),
        Column(attnum=2, name="b", type=TEXT),
        Column(attnum=3, name="d", type=PgType(oid=1082, typmod=-1, name="date", kind=Kind.DATE)),
    )
    relation = Relation(oid=1, schema="s", name="t", identity="d", key_kind=KeyKind.KEYED, key=(2, 1), columns=columns)
    frame = pl.DataFrame({"op": ["U"] * 5, "c1": keys, "c2": keys[::-1], "c3": ["infinity"] * 5})
    found = adapted(frame, relation, "*=clamp").altered
    assert [json.loads(key) for key in found["key"]] == [[b, a] for a, b in zip(keys, keys[::-1], strict=True)]
    keyless = replace(relation, key=(), key_kind=KeyKind.APPEND)
    assert adapted(frame, keyless, "*=clamp").altered["key"].to_list() == ["[]"] * 5


def wide(columns: int, size: int) -> tuple[Relation, pl.DataFrame]:
    named = [Column(attnum=1, name="id", type=INT4)]
    named += [Column(attnum=n, name=f"t{n}", type=TEXT) for n in range(2, columns + 2)]
    relation = Relation(
        oid=1, schema="s", name="t", identity="d", key_kind=KeyKind.KEYED, key=(1,), columns=tuple(named)
    )
    values = {f"c{n}": ["x", "y" * (size + (n == 5)), None] for n in range(2, columns + 2)}
    return relation, pl.DataFrame({"op": ["I"] * 3, "c1": ["1", "2", "3"], **values})


def test_a_row_that_is_too_long_loses_its_longest_values(clients: Clients) -> None:
    """No value is odd, and the row is longer than COPY takes."""
    relation, frame = wide(62, 65_000)
    file = data_file(frame, relation)
    assert file.odd == {}
    assert needs(relation, file) == set(range(2, 64))
    found = adapted(frame, relation, "*=null")
    assert found.altered.rows() == [
        ("t5", '["2"]', f"the longest value of a row of more than {ROW_BYTES_MAX:,} bytes", "null")
    ]
    assert data_file(found.frame, relation).row_bytes_max <= ROW_BYTES_MAX
    assert len(loaded(clients, found.frame, relation, found.odd)) == 3
    with pytest.raises(ValueDoesNotFit, match=r"column 't5' .*\(id\)=\(2\).* of more than 4,000,000 bytes"):
        adapted(frame, relation, "*=truncate")


def test_quotes_count_twice_in_a_row_that_is_too_long() -> None:
    relation, frame = wide(35, 65_000)
    assert adapted(frame, relation, "*=null").altered.height == 0
    frame = frame.with_columns(pl.col(pl.String).str.replace_all("y", '"'))
    assert adapted(frame, relation, "*=null").altered.height > 0


def test_the_constant_of_an_added_column_is_mended_by_the_same_policies() -> None:
    column = Column(
        attnum=2,
        name="until",
        type=PgType(oid=1184, typmod=-1, name="timestamp with time zone", kind=Kind.TIMESTAMPTZ),
        old_rows=OldRows.VALUE,
        missing="infinity",
    )
    relation, _ = rows_of(TEXT, [])
    relation = replace(relation, columns=(relation.columns[0], column))

    def missing(*lines: str) -> str | None:
        return constants(relation, Policies.parse(lines), batch_words=WORDS).columns[1].missing

    assert missing("*=clamp") == "9999-12-31 23:59:59.999999+00"
    assert missing("*=null") is None
    with pytest.raises(ValueDoesNotFit, match=r"'until' .* as the constant of its older rows"):
        missing()


def test_a_char_is_judged_without_its_padding(source: Source, clients: Clients) -> None:
    """char(70000) is always longer than VARCHAR; what Postgres says of it is only its beginning."""
    rows = [["1", "'a'"], ["2", "repeat('b', 70000)"], ["3", "'  '"]]
    relation, frame = made(source, {"id": "int", "v": "char(70000)"}, rows, key="id")
    found = adapted(frame, relation, "*=truncate")
    assert dict(loaded(clients, found.frame, relation, found.odd)) == {"1": "a", "2": "b" * 65535, "3": ""}
    assert found.altered["key"].to_list() == ['["2"]']
