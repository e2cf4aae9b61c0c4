"""What fuzzing found: damaged texts that once gave a wrong row, swallowed one, or were refused without a place."""

from __future__ import annotations

import pytest

from replay.in_process import Outcome, give
from replay.reference import read
from replay.reference_rows import Catalog, Version

T = Version(columns=(("id", "integer"), ("a", "text"), ("n", "numeric"), ("b", "bit varying")), key=("id",))
CATALOG: Catalog = {
    ("public", "t"): (T,),
    ("public", "full"): (Version(columns=(("id", "integer"),), identity="f"),),
    ("public", "left_out"): (),
}
ROW = "table public.t: INSERT: id[integer]:1 a[text]:'x' n[numeric]:1.5 b[bit varying]:B'1'\n"
FULL = "table public.full: INSERT: id[integer]:1\n"
OUT = "table public.left_out: INSERT: x[text]:'abc' id[integer]:1\n"


def transaction(xid: int, *rows: str) -> str:
    return f"BEGIN {xid}\n{''.join(rows)}COMMIT {xid}\n"


def given(text: str, *, block_bytes: int = 1 << 20) -> Outcome:
    data = text.encode()
    assert read(data, CATALOG).refused is not None, "the reference takes it"
    return give(data, CATALOG, block_bytes=block_bytes)


BEFORE = transaction(1, ROW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("BEGIN 2" + FULL + "COMMIT 2\n", "something behind BEGIN and its xid"),
        ("BEGIN 2 \nCOMMIT 2\n", "something behind BEGIN and its xid"),
        ("BEGIN 2\nCOMMIT 2x\n", "something behind COMMIT and its xid"),
        (transaction(2, OUT[:-1] + FULL), "another line"),
        ("BEGIN 2\n" + FULL + OUT[:-4] + transaction(2, FULL), "another line"),
        (transaction(2, OUT.replace("abc'", "abc"), FULL, OUT.replace("abc", "abc\nCOMMIT 2\n")), "another line"),
        (transaction(2, ROW.replace(":1 ", ":1.2 ")), "something else than a number or null"),
        (transaction(2, ROW.replace(":1 ", ":1- ")), "something else than a number or null"),
        (transaction(2, ROW.replace("1.5", "1.5.2")), "something else than a number or null"),
        (transaction(2, ROW.replace("1.5", "1.5x")), "something else than a number or null"),
        (transaction(2, ROW.replace("1.5", "1,5")), "something else than a number or null"),
        (transaction(2, ROW.replace("1.5", "-")), "something else than a number or null"),
        (transaction(2, ROW.replace("1.5", "Nan")), "something else than a number or null"),
        (transaction(2, ROW.replace("B'1'", "B'12'")), "bits"),
        (transaction(2, ROW.replace("'x'", "unchanged-toast-datum")), "a new row without one of its values"),
        (transaction(2, ROW.replace("public.t:", "public.t, public.full:")), "without its end"),
        (transaction(2, ROW.replace("'x'", "'\0'")), "a NUL"),
        (transaction(2, ROW.replace("public.t", "public.T")), "a name without the quotes that it needs"),
        (
            "BEGIN 2\n" + FULL + "PREPARE TRANSACTION 'g', txid 3\nCOMMIT PREPARED 'g', txid 3\n",
            "a PREPARE TRANSACTION of another transaction",
        ),
        ("streaming change for TXN 9" + transaction(2, FULL), "an unknown line"),
        ("BEGIN\n" + FULL + "COMMIT\n", "some transactions have xids and some have none"),
        (
            "BEGIN 2\n" + ROW.replace(":1 ", ":x ") + "PREPARE TRANSACTION 'g', txid 2\nCOMMIT PREPARED 'g', txid 2\n",
            "something else than a number or null",
        ),
    ],
    ids=[
        "row behind begin",
        "space behind begin",
        "letter behind commit",
        "row behind a row that is left out",
        "begin behind a cut row that is left out",
        "transactions in a value that is left out",
        "a point in an integer",
        "a sign in an integer",
        "two points",
        "a letter in a number",
        "a comma in a number",
        "a sign alone",
        "half a NaN",
        "a bit that is none",
        "unsent in an insert",
        "a row of two tables",
        "NUL",
        "a name that lost its quotes",
        "prepare of another",
        "begin behind a streamed line",
        "with and without xids",
        "a prepared row",
    ],
)
def test_what_no_server_writes_is_refused_by_its_place(text: str, said: str) -> None:
    outcome = given(BEFORE + text)
    assert outcome.error is not None
    assert said in outcome.error.message
    assert "byte" in outcome.error.message


@pytest.mark.parametrize("block_bytes", [40, 1 << 20])
def test_a_transaction_that_was_begun_must_come_before_others(block_bytes: int) -> None:
    """A broken quote may swallow the rest of a transaction and some that follow; the next must not go before them."""
    outcome = given(BEFORE + "BEGIN 2\n" + FULL + transaction(3, ROW), block_bytes=block_bytes)
    assert outcome.error is not None
    assert "transaction 2, begun at descriptor" in outcome.error.message
    assert len(outcome.transactions) <= 1


def test_prepared_transactions_without_xids_are_not_taken_for_each_other() -> None:
    text = "BEGIN\n" + FULL + "PREPARE TRANSACTION 'g'\nBEGIN\n" + FULL + "COMMIT\nCOMMIT PREPARED 'g'\n"
    outcome = give(text.encode(), CATALOG)
    assert outcome.error is None
    assert len(outcome.transactions) == 2


def test_a_value_with_words_of_lines_in_a_table_that_is_left_out_is_nobodys_business() -> None:
    text = transaction(1, OUT.replace("abc", "\nCOMMIT 1\nBEGIN 2\ntable public.t: INSERT: ''x''"), ROW)
    outcome = give(text.encode(), CATALOG)
    assert (outcome.error, len(outcome.transactions)) == (None, 1)
