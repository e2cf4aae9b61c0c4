"""Rule 36: VARBYTE: hex from CSV, lengths in bytes, functions, no casts that nobody asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from redshift_standin.verify.case import Case, Expected, LoadError, Refused, Rows
from redshift_standin.verify.loads import load, rows

_USAGE: Final = "copy-usage-varbyte"
_TYPE: Final = "r_VARBYTE_type"
_HEX: Final = "select to_hex(a) from t"
_in = partial(load, 36, page=_USAGE)

_LOADS = (
    _in("hex digits load as bytes", columns="a varbyte(4)", body="6162\n00ff\n", expect=rows("6162", "00ff", query=_HEX)),
    _in("capital hex digits load as well", columns="a varbyte(4)", body="ABCDEF\naBcD\n", expect=rows("abcdef", "abcd", query=_HEX)),
    _in("quoted hex digits load", columns="a varbyte(4)", body='"6162"\n', expect=rows("6162", query=_HEX)),
    _in("VARBINARY is VARBYTE", columns="a varbinary(4)", body="6162\n", expect=rows("6162", query=_HEX)),
    _in("bytes that are no UTF-8 load", columns="a varbyte(4)", body="ff00fe\n", expect=rows(3, query="select octet_length(a) from t")),
    _in("Postgres's prefix is no hex digit", columns="a varbyte(9)", body="\\x6162\n", expect=LoadError(1207, column="a", line=1)),
    _in("0x is no hex digit", columns="a varbyte(9)", body="0x6162\n", expect=LoadError(1207)),
    _in("another letter is no hex digit", columns="a varbyte(9)", body="616g\n", expect=LoadError(1207, "Value 'g', Pos 3")),
    _in("a blank between hex digits is no hex digit", columns="a varbyte(9)", body="61 62\n", expect=LoadError(1207)),
    _in("an odd number of hex digits fails", columns="a varbyte(9)", body="616\n", expect=LoadError(1207, column="a")),
    _in("a VARBYTE takes as many bytes as it is long", columns="a varbyte(2)", body="ffff\n", expect=rows("ffff", query=_HEX)),
    _in("a VARBYTE refuses one byte more", columns="a varbyte(2)", body="ffffff\n", expect=LoadError(1204, column="a", line=1)),
    _in("VARBYTE without a length takes 64000 bytes", columns="a varbyte", body="ab" * 64_000 + "\n", expect=rows(64_000, query="select octet_length(a) from t")),
    _in("VARBYTE without a length refuses 64001 bytes", columns="a varbyte", body="ab" * 64_001 + "\n", expect=LoadError(1204)),
    _in("VARBYTE(1024000) takes 1024000 bytes", columns="a varbyte(1024000)", body="ab" * 1_024_000 + "\n", expect=rows(1_024_000, query="select octet_length(a) from t")),
    _in("an empty field fails a NOT NULL VARBYTE", columns="n int, a varbyte(2) not null", body="1,\n", expect=LoadError(1213, column="a")),
    _in("TRUNCATECOLUMNS does not make a VARBYTE of other digits", columns="a varbyte(2)", body="zz\n", options="truncatecolumns", expect=LoadError(1207)),
)  # fmt: skip


def _case(name: str, run: str | Sequence[str], expect: Expected, page: str = _TYPE) -> Case:
    return Case(rule=36, name=name, run=run, expect=expect, page=page)


def _gives(name: str, expression: str, wanted: Any, page: str = _TYPE) -> Case:
    return _case(name, f"select {expression}", Rows([[wanted]]), page)


_FUNCTIONS = (
    _gives("FROM_HEX and TO_HEX undo one another", "to_hex(from_hex('00ff61'))", "00ff61", "FROM_HEX"),
    _gives("FROM_HEX takes capitals", "to_hex(from_hex('ABCD'))", "abcd", "FROM_HEX"),
    _case("FROM_HEX refuses other letters", "select from_hex('zz')", Refused(""), "FROM_HEX"),
    _gives("FROM_HEX of NULL is NULL", "from_hex(null) is null", True, "FROM_HEX"),
    _gives("TO_VARBYTE takes hex", "to_hex(to_varbyte('6162', 'hex'))", "6162", "TO_VARBYTE"),
    _gives("TO_VARBYTE takes a text as UTF-8", "to_hex(to_varbyte('aé', 'utf8'))", "61c3a9", "TO_VARBYTE"),
    _gives("TO_VARBYTE calls UTF-8 by both names", "to_hex(to_varbyte('a', 'utf-8'))", "61", "TO_VARBYTE"),
    _case("TO_VARBYTE refuses an unknown format", "select to_varbyte('61', 'morse')", Refused(""), "TO_VARBYTE"),
    _gives("FROM_VARBYTE gives hex", "from_varbyte(from_hex('6162'), 'hex')", "6162", "FROM_VARBYTE"),
    _gives("FROM_VARBYTE gives UTF-8", "from_varbyte(from_hex('c3a9'), 'utf-8')", "é", "FROM_VARBYTE"),
    _gives("a text that is cast to VARBYTE is its bytes", "to_hex('aé'::varbyte)", "61c3a9"),
    _gives("a VARBYTE that is cast to VARCHAR is its text", "from_hex('6162')::varchar", "ab"),
    _gives("LEN of a VARBYTE is bytes", "len('aé'::varbyte)", 3, "r_LEN"),
    _gives("OCTET_LENGTH of a VARBYTE is bytes", "octet_length(from_hex('00ff'))", 2, "r_OCTET_LENGTH"),
    _gives("VARBYTE values are equal by their bytes", "from_hex('6162') = 'ab'::varbyte", True),
    _gives("trailing zeros of a VARBYTE count", "from_hex('6100') = from_hex('61')", False),
    _gives("trailing blanks of a VARBYTE count", "from_hex('6120') = from_hex('61')", False),
    _gives("VARBYTE values are joined by ||", "to_hex(from_hex('61') || from_hex('62'))", "6162"),
    _gives("SUBSTRING of a VARBYTE counts bytes", "to_hex(substring(from_hex('616263'), 2, 1))", "62"),
)  # fmt: skip

_TABLE: Final = ("create table t (a varbyte(2), b varchar(9))",)


def _stored(name: str, statement: str, expect: Expected) -> Case:
    return Case(rule=36, name=name, setup=_TABLE, run=statement, expect=expect, page=_TYPE)


_STORED = (
    _stored("a VARBYTE is stored by INSERT", "insert into t (a) values (from_hex('00ff'))", rows("00ff", query=_HEX)),
    _stored("INSERT refuses a VARBYTE of one byte more", "insert into t (a) values (from_hex('00ffff'))", Refused("22001")),
    _stored("a VARCHAR column is not made a VARBYTE unasked", "insert into t (a) select b from t", Refused("42804")),
    _stored("a VARBYTE column is not made a VARCHAR unasked", "insert into t (b) select a from t", Refused("42804")),
    _stored("a VARBYTE is not compared with a VARCHAR column", "select count(*) from t where a = b", Refused("42883")),
    _stored("a VARBYTE is not compared with a number", "select count(*) from t where a = 1", Refused("42883")),
    _stored("a VARBYTE is shown as bare hex", "insert into t (a) values (from_hex('00FF'))", rows("00ff", query="select a from t")),
    _case("a VARBYTE column cannot be the DISTKEY", "create table t (a varbyte(9) distkey)", Refused("")),
    _case("a VARBYTE column cannot be in the SORTKEY", "create table t (a varbyte(9)) sortkey (a)", Refused("")),
    _case("VARBYTE has a length of one byte at least", "create table t (a varbyte(0))", Refused("")),
    _case("bytea is no type", "create table t (a bytea)", Refused("0A000")),
)  # fmt: skip

CASES: tuple[Case, ...] = _LOADS + _FUNCTIONS + _STORED
