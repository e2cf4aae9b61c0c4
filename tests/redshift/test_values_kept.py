"""No text means anything but itself: as a value, as a key, as a constant of an added column, through both drivers."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Iterator

import pytest

from re_dms.errors import WarehouseError
from re_dms.journal.csv import new_null_token
from re_dms.manifest import Changes
from re_dms.schema import Relation
from redshift.sources import BenchFor, bench_for_fixture
from warehouse.building import INT4, RedshiftBench, column, relation, table

__all__ = ["bench_for_fixture"]

DRIVERS = ("redshift_connector", "psycopg")
TEXTS = [
    *("", " ", "  ", "a", "a ", "a  ", " a", "A", "\\N", "NULL", "null", "\\", "\\\\", "\\n", "\\0", "\\x00", "\\u0000"),
    *("n0123456789abcdef01234567", "__artie_null_value", "@NULL@", "_AB_NULL_", "'", "''", '"', '""', '"a"', ",", '","'),
    *("\n", "\r", "\r\n", "a\r\nb", "a\rb", "a\nb", "a\n", "\n\n", "\t", "\v\f\b", "%", "%s", "%%", "$1", "{}", "{0}", "|", "~"),
    *("\ufeff", "\ufeffa", "\x01", "\x7f", "\x1c", "\u2028", "\u200b", "a\u00a0", "e\u0301", "é", "\U0001f600", "\U0010ffff"),
    *("\uffff", "\ufdd0", "žluťoučký 🐎", "; drop table kept.texts; --", "/* */", "-- a"),
]  # fmt: skip


@pytest.fixture(scope="module", params=DRIVERS, name="bench")
def bench_fixture(request: pytest.FixtureRequest, bench_for: BenchFor) -> RedshiftBench:
    return bench_for(request.param)


_oids: Iterator[int] = iter(range(1000, 9000))


@pytest.fixture(name="texts")
def texts_fixture(bench: RedshiftBench) -> Relation:
    """A relation of a text key, a number and a text, with a target of its own."""
    oid = next(_oids)
    return relation(
        column(1, "k"), column(2, "n", INT4), column(3, "v"), oid=oid, schema="kept", name=f"t{oid}_{bench.pipeline}"
    )


def rows(bench: RedshiftBench, rel: Relation) -> dict[str, tuple[int | None, str | None]]:
    found = bench.query(f"select k, n, v, octet_length(k), octet_length(v) from {rel.full_name}")
    assert all(len(row[0].encode()) == row[3] for row in found)
    assert all(row[2] is None or len(row[2].encode()) == row[4] for row in found)
    assert len({row[0] for row in found}) == len(found), "a key is there once"
    return {row[0]: (row[1], row[2]) for row in found}


def test_every_text_is_kept_as_key_and_as_value_and_updates_and_deletes_find_it(
    bench: RedshiftBench, texts: Relation
) -> None:
    bench.copied(texts, *([text, str(number), text] for number, text in enumerate(TEXTS)), ["none", "-1", None])
    expected: dict[str, tuple[int | None, str | None]] = {text: (number, text) for number, text in enumerate(TEXTS)}
    expected["none"] = (-1, None)
    assert rows(bench, texts) == expected
    # Every text is deleted, written anew, filled or left in peace, never two neighbours in the same way.
    for turn in range(4):
        changes = []
        for number, text in enumerate(TEXTS):
            match (number + turn) % 4:
                case 0:
                    changes.append({"op": "D", "c1": text})
                    expected.pop(text, None)
                case 1:
                    changes.append({"op": "U", "c1": text, "c2": "5", "c3": text + "!"})
                    expected[text] = (5, text + "!")
                case 2 if text in expected:
                    changes.append({"op": "P", "mask": "3", "f1": text, "c1": text, "c2": str(1000 + turn)})
                    expected[text] = (1000 + turn, expected[text][1])
                case _:
                    pass
        bench.changed(texts, *changes)
        assert rows(bench, texts) == expected


def test_keys_move_between_texts_that_differ_in_blanks_alone(bench: RedshiftBench, texts: Relation) -> None:
    bench.copied(texts, ["a", "1", "one"], ["a ", "2", "two"], ["b", "3", "three"], ["", "4", "four"])
    swapped = [
        {"op": "P", "mask": "3", "f1": "a", "c1": "a ", "c2": "1"},
        {"op": "P", "mask": "3", "f1": "a ", "c1": "a", "c2": "2"},
        {"op": "P", "mask": "3", "f1": "b", "c1": "b ", "c2": "3"},
        {"op": "P", "mask": "3", "f1": "", "c1": " ", "c2": "4"},
        {"op": "D", "c1": "b"},
        {"op": "D", "c1": ""},
    ]
    bench.changed(texts, *swapped)
    assert rows(bench, texts) == {"a ": (1, "one"), "a": (2, "two"), "b ": (3, "three"), " ": (4, "four")}


def test_blanks_count_in_every_column_of_a_key(bench: RedshiftBench, texts: Relation) -> None:
    pairs = dataclasses.replace(texts, key=(1, 3), name=f"pairs_{texts.name}")
    bench.copied(pairs, ["x", "1", "a"], ["x", "2", "a "], ["x ", "3", "a"], ["x ", "4", "a "])
    bench.changed(pairs, {"op": "D", "c1": "x", "c3": "a "}, {"op": "U", "c1": "x ", "c2": "9", "c3": "a"})
    found = bench.query(f"select k, v, n from {pairs.full_name} order by n")
    assert found == [("x", "a", 1), ("x ", "a ", 4), ("x ", "a", 9)]


def test_the_constants_of_added_columns_are_kept(bench: RedshiftBench, texts: Relation) -> None:
    bench.copied(texts, ["old", "1", "x"])
    added = (column(number, f"c{number}", missing=text) for number, text in enumerate(TEXTS, 10))
    wider = dataclasses.replace(texts, columns=(*texts.columns, *added))
    bench.changed(wider, {"op": "U", "c1": "new"})
    names = ", ".join(f"c{number}" for number in range(10, 10 + len(TEXTS)))
    assert bench.query(f"select {names} from {texts.full_name} where k = 'old'") == [tuple(TEXTS)]


def test_the_null_token_of_one_file_is_a_text_in_another(bench: RedshiftBench, texts: Relation) -> None:
    bench.copied(texts)
    first = bench.journal.changes(texts, {"op": "U", "c1": "first", "c3": None})
    token = bench.journal.null
    bench.journal.null = new_null_token()
    second = bench.journal.changes(texts, {"op": "U", "c1": token, "c3": token}, {"op": "U", "c1": "x", "c3": None})
    bench.load(table(texts, Changes(relation=0, files=(*first.files, *second.files), ops={"U": 3})))
    assert rows(bench, texts) == {"first": (None, None), token: (None, token), "x": (None, None)}


def test_a_file_from_elsewhere_whose_value_is_its_own_token_is_never_loaded(
    bench: RedshiftBench, texts: Relation
) -> None:
    """What Redshift does with a quoted field that equals NULL AS is not known; write_csv makes no such file."""
    bench.copied(texts, ["a", "1", "x"])
    step = bench.journal.changes(texts, {"op": "U", "c1": "b", "c2": "2", "c3": "TOKEN"}, compression="gzip")
    (file,) = step.files
    plain = gzip.decompress(bench.journal.store.get(file.key))
    assert plain.count(b'"TOKEN"') == 1
    bench.journal.replace(file, gzip.compress(plain.replace(b"TOKEN", file.null.encode())))
    with pytest.raises(WarehouseError) as refused:
        bench.load(table(texts, step))
    assert not refused.value.retry
    assert rows(bench, texts) == {"a": (1, "x")}
