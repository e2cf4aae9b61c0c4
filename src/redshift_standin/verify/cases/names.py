"""How names are folded, cut and kept apart from reserved words (rule 20)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows

_SENSITIVE: Final = "set enable_case_sensitive_identifier to true"
_LONGEST: Final = "a" * 127
_ONE_MORE: Final = "a" * 128
# 2 bytes a letter: 64 of them are a byte too many, 63 and an ASCII letter fit.
_LETTERS: Final = "é" * 64
_RESERVED: Final = (
    "all", "analyse", "array", "authorization", "between", "both", "case", "check", "column", "constraint", "create", "credentials",
    "current_user", "default", "defrag", "delta", "desc", "distinct", "encode", "encrypt", "end", "except", "explicit", "false", "foreign",
    "freeze", "from", "grant", "group", "identity", "ignore", "into", "leading", "limit", "localtime", "minus", "natural", "new",
    "null", "offline", "offset", "oid", "old", "open", "order", "outer", "parallel", "partition", "percent", "permissions", "primary",
    "raw", "recover", "references", "resort", "respect", "restore", "select", "session_user", "similar", "snapshot", "some", "sysdate",
    "system", "table", "tag", "timestamp", "to", "top", "trailing", "union", "unique", "user", "using", "verbose", "wallet", "when",
    "where", "with", "without",
)  # fmt: skip
_FREE: Final = (
    "value",
    "type",
    "date",
    "time",
    "status",
    "name",
    "key",
    "level",
    "rank",
    "owner",
    "comment",
    "sequence",
    "timestamptz",
    "year",
)
_SYSTEM: Final = ("oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")


def _name(name: str, *run: str, expect: Expected, page: str = "r_names") -> Case:
    return Case(rule=20, name=name, run=run, expect=expect, page=page)


_FOLDING: Final = (
    _name("unquoted names are in lower case", "create table T (ID int)", expect=Rows([["id"]], "select \"column\" from pg_table_def where tablename = 't'")),
    _name("quoted names are in lower case as well", 'create table "MiXed" ("CamelCase" int)', expect=Rows(
        [["mixed", "camelcase"]], "select tablename, \"column\" from pg_table_def where schemaname = '{schema}'")),
    _name("a name's letters do not matter", 'create table "MiXed" ("CamelCase" int)', 'insert into MIXED (camelCASE) values (1)',
          'select "CAMELCASE" from "mixeD"', expect=Rows([[1]])),
    _name("two names that fold alike are one column", 'create table t ("A" int, a int)', expect=Refused("42701", "a")),
    _name("two names that fold alike are one table", "create table t (a int)", 'create table "T" (a int)', expect=Refused("42P07", "t")),
    _name("an alias is folded though it is quoted", 'select camelcase from (select 1 as "CamelCase") x', expect=Rows([[1]])),
    _name("a CTE's name is folded though it is quoted", 'with "Q" as (select 1 as a) select a from q', expect=Rows([[1]])),
    _name("a schema's name is folded though it is quoted", "create table t (a int)", 'select count(*) from "{schema}"."T"', expect=Rows([[0]])),
    _name("quoted names are kept if asked", _SENSITIVE, 'create table "MiXed" ("CamelCase" int)', 'select "CamelCase" from "MiXed"', expect=Rows([])),
    _name("unquoted names are folded even then", _SENSITIVE, "create table MiXed (CamelCase int)", 'select "camelcase" from "mixed"', expect=Rows([])),
    _name("a kept name is not found in lower case", _SENSITIVE, 'create table "MiXed" (a int)', "select * from mixed", expect=Refused("42P01", "mixed")),
    _name("two kept names differ by their letters", _SENSITIVE, 'create table t ("A" int, a int)', 'insert into t ("A", a) values (1, 2)',
          expect=Rows([[1, 2]], 'select "A", a from t')),
    _name("blanks and signs stand in a quoted name", 'create table t ("a b-c" int)', 'select "a b-c" from t', expect=Rows([])),
    _name("a quote is doubled in a quoted name", 'create table t ("a""b" int)', "insert into t values (1)", 'select "a""b" from t', expect=Rows([[1]])),
    _name("an empty name is refused", 'create table "" (a int)', expect=Refused("42601", "zero-length delimited identifier")),
    _name("a quoted name has an end", 'create table "t (a int)', expect=Refused("42601", "unterminated quoted identifier")),
    _name("a name begins with no digit", "create table 1t (a int)", expect=Refused("42601", "syntax error")),
    _name("a name begins with no dollar", "create table $t (a int)", expect=Refused("42601", "syntax error")),
    _name("dollars, digits and underscores stand in a name", "create table _t$1 (a int)", "select a from _t$1", expect=Rows([])),
    _name("letters beyond ASCII need no quotes", "create table größe (straße int)", "select straße from größe", expect=Rows([])),
)  # fmt: skip

_CUTS: Final = (
    _name("127 bytes are kept", f"create table t ({_LONGEST} int)", expect=Rows([[_LONGEST]], "select \"column\" from pg_table_def where tablename = 't'")),
    _name("the 128th byte is cut in silence", f"create table t ({_ONE_MORE} int)", expect=Rows(
        [[_LONGEST]], "select \"column\" from pg_table_def where tablename = 't'")),
    _name("a name that is too long is found by all of it", f"create table {_ONE_MORE} (a int)", f"select a from {_ONE_MORE}xyz", expect=Rows([])),
    _name("a name is cut at a letter's end", f'create table t ("{_LETTERS}" int)', expect=Rows(
        [[_LETTERS[:63]]], "select \"column\" from pg_table_def where tablename = 't'")),
    _name("names that differ within 127 bytes are two", f"create table t ({'a' * 126}b int, {'a' * 126}c int)",
          f"insert into t ({'a' * 126}c) values (1)", expect=Rows([[None, 1]], f"select {'a' * 126}b, {'a' * 126}c from t")),
    _name("names that differ behind 127 bytes are one", f"create table t ({_LONGEST}b int, {_LONGEST}c int)", expect=Refused("42701", _LONGEST)),
    _name("a long name that is missing is told in full", f"select * from {_LONGEST}", expect=Refused("42P01", _LONGEST)),
)  # fmt: skip

_WORDS: Final = (
    *(
        _name(f"{word} is reserved", f"create table t ({word} int)", expect=Refused("42601", "syntax error"), page="r_pg_keywords")
        for word in _RESERVED
    ),
    *(
        _name(f"{word} in quotes is a column", f'create table t ("{word}" int)', "insert into t values (1)", f'select "{word}" from t',
              expect=Rows([[1]]), page="r_pg_keywords")
        for word in ("tag", "user", "order", "select", "timestamp", "percent", "open", "default")
    ),
    *(
        _name(f"{word} is not reserved", f"create table t ({word} int)", "insert into t values (1)", f"select {word} from t",
              expect=Rows([[1]]), page="r_pg_keywords")
        for word in _FREE
    ),
    _name("a reserved word is no table", "create table user (a int)", expect=Refused("42601", "syntax error"), page="r_pg_keywords"),
    _name("a reserved word in quotes is a table", 'create table "user" (a int)', 'select a from "user"', expect=Rows([]), page="r_pg_keywords"),
    *(
        _name(f"the system column {word} is no column", f'create table t ("{word}" int)', expect=Refused("42701", word))
        for word in _SYSTEM
    ),
    _name("the system column oid is no alias of CREATE TABLE AS", 'create table t as select 1 as "oid"', expect=Refused("42701", "oid")),
    _name("a column is not renamed to a system column", "create table t (a int)", "alter table t rename column a to ctid",
          expect=Refused("42701", "ctid")),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_FOLDING, *_CUTS, *_WORDS)
