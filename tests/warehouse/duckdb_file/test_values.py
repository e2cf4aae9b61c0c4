"""Texts survive from the journal's files into the targets, byte for byte."""

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from re_dms.journal.local import LocalStore
from re_dms.schema import KeyKind
from warehouse.building import FLOAT8, Bench, Journal, bench, column, relation, table

HOSTILE = [
    "",
    " ",
    "\ufeff",
    '\ufeff"U"',
    "a\r\nb",
    "\r",
    "\n",
    "\n\n",
    '"',
    '""',
    '"""',
    '","',
    '"\n"U","2","',
    ",\n,",
    "\\",
    "\\N",
    '\\"',
    "'",
    "''; drop table x; --",
    "#comment",
    "\t",
    "\x01\x1f\x7f",
    "\u0085\u2028",
    "é",
    "e\u0301",
    "😀",
    "\uffff",
    "NULL",
    "null",
    "N/A",
    "nan",
    "a ",
    "x" * 3_000_000,
    '"' * 100_000,
    "\n" * 100_000,
]

WORDS = relation(column(1, "id"), column(2, "a"), column(3, "b"), name="words")


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_hostile_texts_survive_in_values_and_keys(bench: Bench, compression: str) -> None:
    texts = [*HOSTILE, None]
    expected = [(f"{i}{text or ''}"[:200], text, texts[-1 - i]) for i, text in enumerate(texts)]
    copied = bench.journal.copy(WORDS, *expected, compression=compression)
    bench.load(table(WORDS, copied))
    assert sorted(bench.query("select * from public.words")) == sorted(expected, key=lambda row: row[0])
    changes = [{"op": "U", "c1": key, "c2": b, "c3": a} for key, a, b in expected]
    bench.load(table(WORDS, bench.journal.changes(WORDS, *changes, compression=compression)))
    swapped = sorted((key, b, a) for key, a, b in expected)
    assert sorted(bench.query("select * from public.words"), key=lambda row: row[0]) == sorted(
        swapped, key=lambda r: r[0]
    )
    partial = [{"op": "P", "mask": "2", "f1": key, "c1": f"new{key}", "c3": "z"} for key, _, _ in expected]
    gone = [{"op": "D", "c1": key} for key, _, _ in expected]
    bench.changed(WORDS, *partial, *gone)
    assert sorted(bench.query("select id, a from public.words")) == sorted((f"new{key}", b) for key, b, _ in swapped)


def test_a_value_that_equals_the_null_token_is_a_value_once_it_is_quoted(bench: Bench) -> None:
    # Capture refuses such a batch; a file from elsewhere must not lose the value all the same.
    step = bench.journal.changes(WORDS, {"op": "U", "c1": "1", "c2": "TOKEN", "c3": None})
    data = gzip.compress(f'"U","1","{bench.journal.null}",{bench.journal.null}\n'.encode(), mtime=0)
    more = {"compression": "gzip", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    bench.journal.replace(step.files[0], data)
    bench.copied(WORDS)
    as_gzip = step.model_copy(update={"files": (step.files[0].model_copy(update=more),)})
    bench.load(table(WORDS, as_gzip))
    assert bench.query("select a, b from public.words") == [(bench.journal.null, None)]


@pytest.mark.parametrize("name", ["g*b", "a[1]", "x=1", "q'{a,b}?", "space d"])
def test_the_path_of_a_file_means_nothing(tmp_path: Path, name: str) -> None:
    made = bench(tmp_path)
    for folder in ("gab", "g*b", "a1", name):
        made.journal = Journal(LocalStore(tmp_path / folder))
        step = made.journal.copy(WORDS, [folder, None, None])
    made.load(table(WORDS, step))
    assert made.query("select id from public.words") == [(name,)]


def test_keys_match_exactly_without_case_padding_or_normalisation(bench: Bench) -> None:
    keys = ["a", "A", "a ", " a", "é", "e\u0301", "", "ß", "ss"]
    bench.copied(WORDS, *([key, "old", None] for key in keys))
    for key in keys:
        bench.changed(WORDS, {"op": "P", "mask": "3", "f1": key, "c1": key, "c2": key})
    assert sorted(bench.query("select id, a from public.words")) == sorted((key, key) for key in keys)


def test_counted_floats_keep_the_sign_of_zero_and_nan_matches_itself(bench: Bench) -> None:
    floats = relation(column(1, "f", FLOAT8), kind=KeyKind.COUNTED, name="floats")
    bench.copied(floats, ["0"], ["-0"], ["NaN"], ["NaN"], ["Infinity"], ["5e-324"])
    bench.changed(floats, {"op": "X", "n": "1", "c1": "-0"}, {"op": "X", "n": "1", "c1": "NaN"})
    found = sorted(row[0] for row in bench.query("select f::varchar from public.floats"))
    assert found == ["0.0", "5e-324", "inf", "nan"]


KEYS = st.sampled_from("abcd")
EVENTS = st.lists(
    st.tuples(
        st.sampled_from("UDPT"),
        KEYS,
        KEYS,
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=3),
    ),
    max_size=12,
)


@settings(max_examples=15)
@given(batches=st.lists(EVENTS, max_size=4))
def test_batches_of_any_events_give_what_a_dictionary_gives(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, str, str, str]]]
) -> None:
    made, model = bench(tmp_path_factory.mktemp("history")), {"a": ("1", "2"), "b": ("3", None)}
    made.copied(WORDS, *([key, *values] for key, values in model.items()))
    for events in batches:
        rows: dict[str, dict[str, str | None]] = {}
        for op, key, old, text in events:
            if key in rows or old in rows:
                continue  # a folded segment holds each key once
            if op == "P" and old in model and (key == old or key not in model):
                rows[old] = {"op": "D", "c1": old}
                rows[key] = {"op": "P", "mask": "2", "f1": old, "c1": key, "c3": text}
                model[key] = (model.pop(old)[0], text)
            elif op == "D":
                rows[key] = {"op": "D", "c1": key}
                model.pop(key, None)
            elif op == "U":
                rows[key] = {"op": "U", "c1": key, "c2": text, "c3": None}
                model[key] = (text, None)
        made.changed(WORDS, *rows.values())
    assert {row[0]: row[1:] for row in made.query("select * from public.words")} == model
