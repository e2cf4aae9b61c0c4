"""Every rule of Redshift that the writer relies on: a writer that broke it would fail here.

Each line names a rule of the rulebook, breaks the writer on purpose, and says what tells: Redshift's refusal, our counts, or, where
both are silent, the target's rows. Every batch is loaded by the whole writer first, so that it is the breakage that fails.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from re_dms.errors import ReDmsError
from re_dms.pgtypes import PgType
from re_dms.warehouse.redshift import adapt, ddl, json_values, sql, types
from re_dms.warehouse.redshift.drivers import Result, Session
from re_dms.warehouse.redshift.failures import Refused
from redshift import rule_batches as batches
from redshift import rule_breakages as breakages
from redshift.rule_batches import Place, value
from redshift.rule_breakages import constant, in_transaction, no_adapting, no_judging, replacing, text
from redshift.sources import BenchFor, bench_for_fixture
from warehouse.building import BYTEA, DATE, FLOAT8, TEXT, RedshiftBench

__all__ = ["bench_for_fixture"]

SILENT = ""
PLAIN_SAME = replacing(types, "same", lambda _: lambda pg, left, right: f"{left} = {right}")
UNKNOWN = "what Redshift does with .* is not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`breaks` breaks the writer; `batch` loads and tells what is in the target: `gives`, if the writer is whole.

    `refused` is a pattern of what is said otherwise, Redshift's words or ours: empty where the breakage is silent, and
    only the target's rows show it.
    """

    rule: str
    breakage: str
    breaks: Callable[[pytest.MonkeyPatch], None]
    batch: Callable[[Place], Any]
    gives: Any
    refused: str


def rule(
    name: str,
    breakage: str,
    breaks: Callable[[pytest.MonkeyPatch], None],
    batch: Callable[[Place], Any],
    gives: Any,
    refused: str,
) -> Rule:
    return Rule(rule=name, breakage=breakage, breaks=breaks, batch=batch, gives=gives, refused=refused)


def option(new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """One more option of COPY."""
    return text(sql, "copy", "$", f" {new}")


def odd(
    name: str,
    pg: PgType,
    said: str,
    refused: str = UNKNOWN,
    breaks: Callable[[pytest.MonkeyPatch], None] = no_adapting,
) -> Rule:
    """A value that policies exist for, sent as it is. The whole writer refuses it, which is said by our own error."""
    return rule(name, "the value is sent as it is", breaks, value(pg, said), ..., refused)


def odd_json(name: str, said: str, reason: str, refused: str = UNKNOWN) -> Rule:
    return odd(name, batches.JSON, said, refused, no_judging(reason))


COPIES = [
    rule("1.1 backslashes escape in literals", "NULL AS with one backslash", breakages.lone_backslash, batches.hostile_token, [("a", None, None)], "backslash"),
    rule("1.1 FROM is a prefix", "COPY of a key without MANIFEST", breakages.prefix, batches.beside_another_object, [("a", "x", None)], "2 instead of 1"),
    rule("1.1 FROM is a manifest with MANIFEST alone", "no MANIFEST", text(sql, "copy", " manifest ", " "), batches.some_rows, batches.SOME_ROWS, "Failed to decompress the file as ZSTD"),
    rule("1.1 a lost file is an error when mandatory", "mandatory: false", breakages.optional_files, batches.with_a_lost_file, ..., "1 instead of 2"),
    rule("1.1 compression is said", "no ZSTD", text(sql, "copy", " zstd ", " "), batches.some_rows, batches.SOME_ROWS, f"{UNKNOWN}|code 12"),
    rule("1.1 CSV is said", "no FORMAT AS CSV", text(sql, "copy", " format as csv ", " "), batches.some_rows, batches.SOME_ROWS, "code 1214"),
    rule("1.1 NULL AS is said", "no NULL AS", text(sql, "copy", "null as '[^']*' ", ""), batches.some_rows, batches.SOME_ROWS, "code 1207"),
    rule("1.1 empty texts stay empty", "EMPTYASNULL", option("emptyasnull"), batches.empty_keys, batches.EMPTY_KEYS, "23502 Cannot insert a NULL"),
    rule("1.1 empty texts stay empty, in values", "EMPTYASNULL", option("emptyasnull"), batches.empty_values, batches.EMPTY_VALUES, SILENT),
    rule("1.1 blanks stay", "BLANKSASNULL", option("blanksasnull"), batches.empty_values, batches.EMPTY_VALUES, UNKNOWN),
    rule("1.1 blanks at the end stay", "TRIMBLANKS", option("trimblanks"), batches.empty_values, batches.EMPTY_VALUES, SILENT),
    rule("1.1 nothing is cut in silence", "TRUNCATECOLUMNS", option("truncatecolumns"), value(batches.varchar(2), "é" * 9), ..., SILENT),
    rule("1.1 COPY takes no parameters", "NULL AS as a parameter", breakages.parameters_in_copy, batches.some_rows, batches.SOME_ROWS, r'42601 .*"\$1"'),
    rule("1.1 no SUPER takes NULL AS", "JSON staged as SUPER", replacing(types, "stage_type", lambda _: lambda pg, odd: types.redshift_type(pg)), value(batches.JSONB, "[1]", seen="json_serialize(v)"), [("a", "[1]"), ("b", None)], UNKNOWN),
    rule("1.1 an empty VARBYTE is NULL", "no byte in front", no_adapting, value(BYTEA, "", seen="to_hex(v)"), [("a", ""), ("b", None)], SILENT),
    rule("1.1 VARBYTE is bare hex", "\\x in front", breakages.bare_values, batches.bytea_as_postgres_prints_it, [("a", "00ff")], "code 12"),
]  # fmt: skip
ODD_VALUES = [
    odd("1.4 no NaN", FLOAT8, "NaN"),
    odd("1.4 no infinity", FLOAT8, "-Infinity"),
    odd("1.4 no denormals", FLOAT8, "5e-324"),
    odd("1.4 no NaN in DECIMAL", batches.NUMERIC_19, "NaN"),
    odd("1.4 no infinite date", DATE, "infinity"),
    odd("1.4 no date before Christ", DATE, "0044-03-15 BC"),
    odd("1.4 no year of five digits", batches.TIMESTAMP, "294276-12-31 23:59:59.999999"),
    odd("1.4 VARCHAR ends at 65,535 bytes", TEXT, "x" * 65_536, "code 1204"),
    odd("1.4 VARBYTE ends at 1,024,000 bytes", BYTEA, "00" * 1_024_001, "code 1204"),
    odd_json("1.1 no key twice in SUPER", '{"a":1,"a":2}', json_values.DOUBLED, "code 1224"),
    odd_json("1.1 no NUL in SUPER", '"\\u0000"', json_values.NUL),
    odd_json("1.1 no half pair in SUPER", '"\\ud800"', json_values.HALF_A_PAIR),
    odd_json("1.1 SUPER nests 1,000 deep", "[" * 1001 + "]" * 1001, json_values.TOO_DEEP, "code 1224"),
    odd_json("1.1 strings in SUPER have 65,535 bytes", '["' + "x" * 65_536 + '"]', json_values.LONG_STRING, "code 1224"),
    odd_json("1.1 SUPER from CSV has 1 MB", "[" + ",".join(['"' + "x" * 60_000 + '"'] * 18) + "]", json_values.TOO_LONG),
    rule("1.1 no 39 digits in SUPER", "the value is sent as it is", no_judging(json_values.BIG_NUMBER), value(batches.JSONB, "1" * 39, seen="json_serialize(v)"), [("a", f'"{"1" * 39}"'), ("b", None)], UNKNOWN),
]  # fmt: skip
STATEMENTS = [
    rule("1.4 trailing blanks do not count", "no octet_length in keys", PLAIN_SAME, batches.blank_keys_filled, [("a", "x", 7), ("a ", "y", 2)], "rows updated: 2 instead of 1"),
    rule("1.4 trailing blanks do not count, in deletes", "no octet_length in keys", PLAIN_SAME, batches.blank_keys_deleted, [("a ", "y", 2)], SILENT),
    rule("1.2 TRUNCATE commits", "TRUNCATE for DELETE", replacing(sql, "delete_all", lambda _: lambda target: f"truncate {target.sql}"), batches.emptied, [("b", None, None)], "a block after TRUNCATE has committed it"),
    rule("1.5 a snapshot sees no later tables", "staging after the snapshot", breakages.late_staging, batches.some_rows, batches.SOME_ROWS, "1018"),
    rule("1.5 temporary tables are one session's", "staging in temporary tables", text(sql, "create_stage", "^create table", "create temp table"), batches.some_rows, batches.SOME_ROWS, "cannot create temporary relation"),
    rule("3 rows of one mask", "PARTIAL mask ignored", text(sql, "fill", " and staged.mask = '[^']*'", ""), batches.two_masks, [("a", "x", 5), ("b", "z", 2)], "rows updated: 2 instead of 1"),
    rule("3 columns of one mask", "all columns set", breakages.whole_fill, batches.two_masks, [("a", "x", 5), ("b", "z", 2)], SILENT),
    rule("3 rows that move stay", "moving rows deleted", replacing(sql, "delete_touched", lambda whole: lambda staged, moves: whole(staged, moves=False).split(" and staged.op")[0]), batches.moved, [("b", "x", 1), ("a", "y", 2)], "target row is missing"),
    rule("1.2 no SAVEPOINT", "SAVEPOINT", in_transaction("savepoint s"), batches.some_rows, batches.SOME_ROWS, "SAVEPOINT unsupported"),
    rule("4 one statement at a time", "two in one text", breakages.two_statements, batches.some_rows, batches.SOME_ROWS, "42601 cannot insert multiple commands"),
    rule("1.2 DELETE takes no alias", "an alias for the target", text(sql, "delete_touched", " using ", " as target using "), batches.some_rows, batches.SOME_ROWS, '42601 .*"as"'),
    rule("1.2 VACUUM stands alone", "VACUUM in the transaction", in_transaction("vacuum"), batches.some_rows, batches.SOME_ROWS, "VACUUM cannot run inside a transaction block"),
]  # fmt: skip
DEFINITIONS = [
    rule("1.3 one ADD COLUMN an ALTER", "two in one", breakages.two_in_one, batches.two_added, batches.TWO_ADDED, '42601 .*","'),
    rule("1.3 NOT NULL needs a default", "an added column is NOT NULL", breakages.added_not_null, batches.two_added, batches.TWO_ADDED, "NOT NULL"),
    rule("1.3 no widening in a transaction", "widening in it", breakages.late_widening, batches.widened, batches.WIDENED, "25001 ALTER TABLE ALTER COLUMN cannot run inside"),
    rule("1.3 no widening of a PRIMARY KEY", "a declared key", text(ddl, "create", r"\)$", ', primary key ("k"))'), batches.widened, batches.WIDENED, "type of a column that is part of a key"),
    rule("1.3 no widening of a column with a default", "ADD COLUMN with DEFAULT", breakages.added_with_default, batches.added_then_widened, batches.ADDED_THEN_WIDENED, "type of a column with a default value"),
    rule("1.3 no widening to the same width", "the refusal taken for one", breakages.same_size, batches.some_rows, batches.SOME_ROWS, "target column size should be different"),
    rule("1.3 no DROP of a table with a view", "DROP for DELETE", breakages.dropped_target, batches.viewed, [("b",)], "2BP01"),
    rule("1.3 a table keeps a column", "DROP COLUMN before ADD COLUMN", breakages.unsorted_follow, batches.replaced, [(None,), ("y",)], "cannot drop the last column"),
    rule("1.3 names fold even in quotes", "the source's names", breakages.plain_names, batches.names_of("Id", "id", "ID"), [("0", "1", "2")], "42701 .*specified more than once"),
    rule("1.3 system columns have their names", "ctid as it is", breakages.no_system_names, batches.names_of("a", "ctid"), [("0", "1")], "42701 .*system column"),
    rule("1.3 reserved words are quoted", "no quotes", breakages.unquoted, batches.names_of("a", "tag"), [("0", "1")], '42601 .*"tag"'),
    rule("1.3 1,600 columns", "one more", constant(ddl, "COLUMNS_MAX", 9999), batches.many_columns, ..., "at most 1600 columns"),
    rule("1.4 VARCHAR counts bytes", "as many bytes as characters", constant(types, "_BYTES_PER_CHARACTER", 1), value(batches.varchar(9), "é" * 9), [("a", "é" * 9), ("b", None)], "code 1204"),
    rule("1.4 TEXT is VARCHAR(256)", "TEXT", replacing(types, "_text", lambda whole: lambda size: "text" if size == 65_535 else whole(size)), value(TEXT, "x" * 257), [("a", "x" * 257), ("b", None)], "code 1204"),
    rule("1.4 DECIMAL(19) is an int64", "numeric(19,0) as it is", constant(types, "_INT64_DIGITS", 0), value(batches.NUMERIC_19, "9" * 19, seen="v::varchar"), [("a", "9" * 19), ("b", None)], "code 1209"),
    rule("1.1 COPY cuts decimals", "numeric as DECIMAL(38,2)", replacing(types, "_numeric", lambda whole: lambda pg: "numeric(38,2)"), value(batches.NUMERIC, "1.239", seen="v::varchar"), [("a", "1.239"), ("b", None)], SILENT),
    rule("1.1 a row has 4 MB", "any row", constant(adapt, "ROW_BYTES_MAX", 99_000_000), batches.long_row, ..., "code 1216"),
]  # fmt: skip
RULES = [*COPIES, *ODD_VALUES, *STATEMENTS, *DEFINITIONS]

_oids = itertools.count(1000)


@pytest.fixture(scope="module", name="bench")
def bench_fixture(bench_for: BenchFor) -> RedshiftBench:
    return bench_for()


@pytest.fixture(scope="module", name="whole")
def whole_fixture(bench: RedshiftBench) -> Callable[[Callable[[Place], Any]], Any]:
    """What a batch gives when the writer is whole; a batch of several rules is loaded once."""
    return cache(lambda batch: tried(Place(bench, next(_oids)), batch, []))


def tried(place: Place, batch: Callable[[Place], Any], heard: list[str]) -> Any:
    """What the batch gives; an error is told with what Redshift said."""
    heard.clear()
    try:
        return batch(place)
    except ReDmsError as error:
        return error


@pytest.fixture(name="heard")
def heard_fixture(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Call it to hear, from then on, what the server refuses."""

    def listen() -> list[str]:
        heard: list[str] = []
        execute = Session.execute

        def listening(self: Session, statement: str, parameters: Sequence[object] = ()) -> Result:
            try:
                return execute(self, statement, parameters)
            except Refused as refused:
                refusal = refused.refusal
                heard.append(f"{refusal.sqlstate} {refusal.message} {refusal.detail}")
                raise

        monkeypatch.setattr(Session, "execute", listening)
        return heard

    return listen


@pytest.mark.parametrize("case", RULES, ids=lambda case: f"{case.rule}: {case.breakage}")
def test_a_writer_that_breaks_the_rule_is_caught(
    bench: RedshiftBench,
    whole: Callable[[Callable[[Place], Any]], Any],
    monkeypatch: pytest.MonkeyPatch,
    heard: Callable[[], list[str]],
    case: Rule,
) -> None:
    right = whole(case.batch)
    if case.gives is ...:
        assert isinstance(right, ReDmsError), "the whole writer refuses it before Redshift does"
    else:
        assert not isinstance(right, ReDmsError), right
        assert sorted(right, key=repr) == sorted(case.gives, key=repr)
    case.breaks(monkeypatch)
    words = heard()
    broken = tried(Place(bench, next(_oids)), case.batch, words)
    if case.refused:
        assert isinstance(broken, ReDmsError), broken
        assert re.search(case.refused, " | ".join([*words, broken.message]), re.DOTALL), (words, broken)
    else:
        assert not isinstance(broken, ReDmsError), (broken, words)
        assert broken != right
