"""Values that do not fit: mended as their column's policy says and recorded, or named; never another value in silence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from fix_postgres import Database
from re_dms.errors import ValueDoesNotFit
from re_dms.journal.dialect import odd_counts
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, OldRows, Relation
from re_dms.warehouse.redshift import json_values
from re_dms.warehouse.redshift.adapt import ROW_BYTES_MAX, Adapted, adapt, constants, needs
from re_dms.warehouse.redshift.policies import Policies
from redshift.values import data_file, loaded, made
from standin.fix_standin import Clients

WORDS = "batch 7, LSN 0/16B2D80 to 0/16B3000"
JSON = PgType(oid=114, typmod=-1, name="json", kind=Kind.JSON)
TEXT = PgType(oid=25, typmod=-1, name="text", kind=Kind.TEXT)
INT4 = PgType(oid=23, typmod=-1, name="integer", kind=Kind.INT4)
BYTEA = PgType(oid=17, typmod=-1, name="bytea", kind=Kind.BYTEA)
MIB = 1024 * 1024

# Type, literal, policy, what becomes of it (a callable: a test of it), the reason. None: it stops by name.
CASES: list[tuple[str, str, str, Any, str]] = [
    ("numeric(10,2)", "'NaN'", "null", None, "NaN"),
    ("numeric(10,2)", "'NaN'", "clamp", None, "NaN"),
    ("double precision", "'NaN'", "clamp", None, "NaN"),
    ("double precision", "'Infinity'", "clamp", "1.7976931348623157e+308", "infinity"),
    ("double precision", "'-Infinity'", "clamp", "-1.7976931348623157e+308", "infinity"),
    ("double precision", "5e-324", "clamp", "0", "a number too small for its type's normal range"),
    ("real", "'Infinity'", "clamp", "3.4028235e+38", "infinity"),
    ("real", "1e-45", "null", None, "a number too small for its type's normal range"),
    ("date", "'infinity'", "clamp", "9999-12-31", "infinity"),
    ("date", "'-infinity'", "clamp", "0001-01-01", "infinity"),
    ("date", "'0044-03-15 BC'", "clamp", "0001-01-01", "a date before Christ"),
    ("date", "'0044-03-15 BC'", "null", None, "a date before Christ"),
    ("date", "'5874897-12-31'", "clamp", "9999-12-31", "a year of more than four digits"),
    ("timestamp", "'294276-12-31 23:59:59.999999'", "clamp", "9999-12-31 23:59:59.999999", "a year of more than four digits"),
    ("timestamp", "'-infinity'", "clamp", "0001-01-01 00:00:00", "infinity"),
    ("timestamptz", "'infinity'", "clamp", "9999-12-31 23:59:59.999999+00", "infinity"),
    ("timestamptz", "'0044-03-15 12:00+00 BC'", "clamp", "0001-01-01 00:00:00+00", "a date before Christ"),
    ("text", "repeat('x', 65536)", "truncate", "x" * 65535, "more than 65,535 bytes"),
    ("text", "'ab' || repeat(chr(128512), 16384)", "truncate", "ab" + "😀" * 16383, "more than 65,535 bytes"),
    ("text", "'abc' || repeat(chr(128512), 16384)", "truncate", "abc" + "😀" * 16383, "more than 65,535 bytes"),
    ("text", "repeat(chr(233), 32768)", "truncate", "é" * 32767, "more than 65,535 bytes"),
    ("text", "repeat('x', 65536)", "null", None, "more than 65,535 bytes"),
    ("varchar(20000)", "repeat(chr(128512), 20000)", "truncate", "😀" * 16383, "more than 65,535 bytes"),
    ("xml", "xmlparse(content repeat('x', 70000))", "truncate", "x" * 65535, "more than 65,535 bytes"),
    ("bytea", "convert_to(repeat('x', 1024000), 'UTF8')", "truncate", "78" * 1_023_999, "more than 1,023,999 bytes"),
    ("numeric", "('1' || repeat('0', 1024))::numeric", "null", None, "more than 1,024 bytes"),
    ("json", "'{\"a\": 1, \"b\": {\"a\": 1.10, \"a\": 2}}'", "clamp", {"a": 1, "b": {"a": 2}}, "a key twice in a JSON object"),
    ("json", "'{\"a\": 1, \"\\u0061\": 2}'", "clamp", {"a": 2}, "a key twice in a JSON object"),
    ("json", "'{\"a\": 1, \"a\": 2}'", "null", None, "a key twice in a JSON object"),
    ("json", "'\"\\u0000\"'", "null", None, "\\u0000 in JSON"),
    ("json", "'{\"\\ud800\": 1}'", "null", None, "half of a surrogate pair in JSON"),
    ("jsonb", "(repeat('[', 1001) || repeat(']', 1001))::jsonb", "null", None, "JSON nested deeper than 1,000"),
    ("jsonb", "to_jsonb(repeat('x', 65536))", "null", None, "a string of more than 65,535 bytes in JSON"),
    ("jsonb", "jsonb_build_object(repeat(chr(233), 32768), 1)", "null", None, "a string of more than 65,535 bytes in JSON"),
    ("jsonb", "(select jsonb_agg(repeat('x', 60000)) from generate_series(1, 20))", "null", None, "JSON of more than 1,048,576 bytes"),
    ("json", "to_json(repeat('x', 16000000))", "null", None, "JSON of more than 1,048,576 bytes"),
    ("text[]", "array[repeat('x', 65536)]", "null", None, "a string of more than 65,535 bytes in JSON"),
]  # fmt: skip
STRINGS: list[tuple[str, str, Any]] = [
    ("jsonb", '\'{"n": 1e130, "m": 1.10}\'', {"n": "1" + "0" * 130, "m": 1.10}),
    ("json", "'[1e400, -1E-301, 1e300]'", ["1e400", "-1E-301", 10**300]),
    ("numeric[]", "array[1e38, 1e37, 'NaN', null]::numeric[]", ["1" + "0" * 38, 10**37, "NaN", None]),
    ("double precision[]", "array[1.5e308, 5e-324, 1]", ["1.5e+308", "5e-324", 1]),
]
UNMENDED = [
    ("text", "repeat('x', 65536)", "clamp"),
    ("numeric", "('1' || repeat('0', 1024))::numeric", "truncate"),
    ("numeric", "('1' || repeat('0', 1024))::numeric", "clamp"),
    ("date", "'infinity'", "truncate"),
    ("double precision", "'NaN'", "truncate"),
    ("json", '\'{"a": 1, "a": 2}\'', "truncate"),
    ("json", "'\"\\u0000\"'", "clamp"),
    ("jsonb", "(repeat('[', 1001) || repeat(']', 1001))::jsonb", "clamp"),
    ("text", "repeat('x', 65536)", "fail"),
]


def adapted(frame: pl.DataFrame, relation: Relation, *lines: str) -> Adapted:
    odd = needs(relation, data_file(frame, relation))
    return adapt(frame, relation, odd, Policies.parse(lines), batch_words=WORDS)


def case_id(case: Sequence[Any]) -> str:
    return f"{case[0]} {case[1][:30]} {case[2] if isinstance(case[2], str) else ''}"


@pytest.mark.parametrize(("name", "literal", "policy", "expected", "reason"), CASES, ids=map(case_id, CASES))
def test_a_policy_mends_what_does_not_fit_and_records_it(
    database: Database, clients: Clients, name: str, literal: str, policy: str, expected: Any, reason: str
) -> None:
    rows = [["1", "NULL"], ["2", literal], ["3", "NULL"]]
    relation, frame = made(database, {"id": "int", "v": name}, rows, key="id")
    assert odd_counts(frame, relation) == {"2": 1}
    found = adapted(frame, relation, f"kinds.t.v={policy}")
    assert found.altered.rows() == [("v", '["2"]', reason, policy)]
    values = dict(loaded(clients, found.frame, relation, found.odd))
    assert (values["1"], values["3"]) == (None, None)
    value = values["2"]
    if isinstance(expected, dict):
        assert json.loads(value or "null") == expected
    elif name in ("real", "double precision") and expected is not None:
        assert float(value or "nan") == float(expected)
    else:
        assert value == expected


@pytest.mark.parametrize(("name", "literal", "expected"), STRINGS, ids=map(case_id, STRINGS))
def test_numbers_that_super_may_not_hold_become_strings_whatever_the_policy(
    database: Database, clients: Clients, name: str, literal: str, expected: Any
) -> None:
    relation, frame = made(database, {"id": "int", "v": name}, [["1", literal], ["2", "NULL"]], key="id")
    found = adapted(frame, relation)
    assert found.altered.rows() == [("v", '["1"]', json_values.BIG_NUMBER, "string")]
    values = dict(loaded(clients, found.frame, relation, found.odd))
    assert (json.loads(values["1"] or ""), values["2"]) == (expected, None)


@pytest.mark.parametrize(("name", "literal", "policy"), UNMENDED, ids=map(case_id, UNMENDED))
def test_what_no_policy_mends_stops_by_name_and_never_tells_the_value(
    database: Database, name: str, literal: str, policy: str
) -> None:
    relation, frame = made(database, {"id": "text", "v": name}, [["'k1'", "NULL"], ["'k2'", literal]], key="id")
    with pytest.raises(ValueDoesNotFit) as refused:
        adapted(frame, relation, f"kinds.t={policy}")
    words = refused.value.message
    assert words.startswith(
        f"kinds.t: column 'v' ({relation.columns[1].type.name}) of the row with key (id)=(k2) holds"
    )
    assert words.endswith(WORDS)
    assert (f"its policy {policy} has no way" in words) == (policy != "fail")
    for way in ("change the value in the source", 'warehouse.policies = ["kinds.t.v=null"]', "exclude the table"):
        assert way in refused.value.remedy
    value = frame["c2"][1]
    assert value[:20] not in (words + refused.value.remedy) or len(value) < 20


def rows_of(pg: PgType, values: list[str | None], key: Sequence[int] = (1,)) -> tuple[Relation, pl.DataFrame]:
    columns = (Column(attnum=1, name="id", type=INT4), Column(attnum=2, name="v", type=pg))
    relation = Relation(
        oid=1, schema="s", name="t", identity="d", key_kind=KeyKind.KEYED, key=tuple(key), columns=columns
    )
    frame = pl.DataFrame({"op": ["I"] * len(values), "c1": [str(n) for n in range(len(values))], "c2": values})
    return relation, frame


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


def test_an_empty_bytea_is_not_null(database: Database, clients: Clients) -> None:
    """COPY takes an empty field for NULL in every column that is no text."""
    rows = [["1", "''"], ["2", "NULL"], ["3", "'\\x00'"], ["4", "convert_to(repeat('x', 1023999), 'UTF8')"]]
    relation, frame = made(database, {"id": "int", "v": "bytea"}, rows, key="id")
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
    assert (found.odd, found.frame["c2"].to_list()) == ({2}, ["[1]", ""])
    relation, frame = rows_of(BYTEA, ["00", None])
    found = adapt(frame, relation, frozenset({2}), Policies(), batch_words=WORDS)
    assert (found.odd, found.frame["c2"].to_list()) == ({2}, ["0000", None])


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


def test_a_char_is_judged_without_its_padding(database: Database, clients: Clients) -> None:
    """char(70000) is always longer than VARCHAR; what Postgres says of it is only its beginning."""
    rows = [["1", "'a'"], ["2", "repeat('b', 70000)"], ["3", "'  '"]]
    relation, frame = made(database, {"id": "int", "v": "char(70000)"}, rows, key="id")
    found = adapted(frame, relation, "*=truncate")
    assert dict(loaded(clients, found.frame, relation, found.odd)) == {"1": "a", "2": "b" * 65535, "3": ""}
    assert found.altered["key"].to_list() == ['["2"]']
