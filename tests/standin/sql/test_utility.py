"""The grammar of the other statements, and the answer to every statement that is not built."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redshift_standin.errors import RedshiftError
from redshift_standin.names import TableName
from redshift_standin.sql.grammar import parse
from redshift_standin.sql.statements import (
    Analyze,
    Begin,
    Close,
    Commit,
    Declare,
    Fetch,
    Grant,
    Lock,
    Reset,
    Rollback,
    Set,
    Show,
    Statement,
    Vacuum,
)

T, ST = TableName(None, "t"), TableName("s", "t")
START = Begin(tag="START TRANSACTION")


def statement(text: str) -> Statement:
    (parsed,) = parse(text)
    return parsed.statement


def assert_refused(text: str, refused: tuple[str, str]) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    assert (caught.value.sqlstate, refused[1] in caught.value.message) == (refused[0], True), caught.value


READ: dict[str, Statement] = {
    "begin": Begin(),
    "BEGIN WORK": Begin(),
    "begin transaction": Begin(),
    "begin isolation level serializable": Begin(),
    "begin isolation level read uncommitted": Begin(),
    "begin transaction isolation level read committed read write": Begin(),
    "begin work isolation level repeatable read": Begin(),
    "begin read write": Begin(),
    "start transaction": START,
    "start transaction isolation level serializable": START,
    "commit": Commit(),
    "commit work": Commit(),
    "end transaction": Commit(),
    "rollback": Rollback(),
    "rollback transaction": Rollback(),
    "abort": Rollback(),
    "abort work": Rollback(),
    "set x to y": Set(name="x", values=("y",)),
    "SET X = 'Y'": Set(name="x", values=("Y",)),
    "set session x = 1": Set(name="x", values=("1",)),
    "set local x = -1.5": Set(name="x", values=("-1.5",), local=True),
    "set x to default": Set(name="x", values=("default",)),
    "set x to on": Set(name="x", values=("on",)),
    "set x to true": Set(name="x", values=("true",)),
    "set search_path to '$user', public, \"S\"": Set(name="search_path", values=("$user", "public", "s")),
    "set redshift_standin.fault = 'x = 1'": Set(name="redshift_standin.fault", values=("x = 1",)),
    "set \"query_group\" to 'g'": Set(name="query_group", values=("g",)),
    "set time zone 'America/New_York'": Set(name="timezone", values=("America/New_York",)),
    "set time zone default": Set(name="timezone", values=("default",)),
    "set timezone to -5": Set(name="timezone", values=("-5",)),
    "reset x": Reset(name="x"),
    "reset all": Reset(name="all"),
    "reset redshift_standin.fault": Reset(name="redshift_standin.fault"),
    "show x": Show(name="x"),
    "show ALL": Show(name="all"),
    "show search_path": Show(name="search_path"),
    "show redshift_standin.fault": Show(name="redshift_standin.fault"),
    "show transaction isolation level": Show(name="transaction_isolation"),
    "show time zone": Show(name="timezone"),
    "fetch from c": Fetch(name="c", count=1),
    "fetch next from c": Fetch(name="c", count=1),
    "fetch forward from c": Fetch(name="c", count=1),
    "fetch 10 from c": Fetch(name="c", count=10),
    "fetch forward 10 from c": Fetch(name="c", count=10),
    "fetch all from c": Fetch(name="c", count=None),
    'fetch forward all from "C"': Fetch(name="c", count=None),
    "close c": Close(name="c"),
    "lock t": Lock(tables=(T,)),
    "lock table t, s.t": Lock(tables=(T, ST)),
    "lock table t in access exclusive mode": Lock(tables=(T,)),
    "vacuum": Vacuum(),
    "vacuum t": Vacuum(table=T),
    "vacuum full": Vacuum(),
    "vacuum full s.t": Vacuum(table=ST),
    "vacuum sort only t": Vacuum(table=T),
    "vacuum delete only": Vacuum(),
    "vacuum delete only t to 75 percent": Vacuum(table=T),
    "vacuum reindex t": Vacuum(table=T),
    "vacuum recluster t": Vacuum(table=T),
    "vacuum t to 100 percent boost": Vacuum(table=T),
    "vacuum t boost": Vacuum(table=T),
    "vacuum boost": Vacuum(table=TableName(None, "boost")),
    "analyze": Analyze(),
    "analyse t": Analyze(table=T),
    "analyze verbose": Analyze(),
    "analyze verbose s.t": Analyze(table=ST),
    "analyze t (a, b)": Analyze(table=T, columns=("a", "b")),
    "analyze t predicate columns": Analyze(table=T),
    "analyze t (a) all columns": Analyze(table=T, columns=("a",)),
    "analyze predicate columns": Analyze(),
    "analyze all columns": Analyze(),
}


@pytest.mark.parametrize(("text", "expected"), READ.items())
def test_utility_statements_are_read(text: str, expected: Statement) -> None:
    assert statement(text) == expected
    assert statement(f"/* c */ {text} ;;") == expected


def test_a_cursor_is_declared_for_a_query() -> None:
    found = statement("declare C cursor for select a from s.t")
    assert isinstance(found, Declare)
    assert (found.name, found.query.reads) == ("c", frozenset({ST}))


REFUSED = {
    "begin read only": ("0A000", "not in the stand-in yet"),
    "begin isolation level snapshot": ("42601", 'at or near "snapshot"'),
    "begin isolation level": ("42601", "at end of input"),
    "begin deferrable": ("0A000", "DEFERRABLE"),
    "begin isolation level serializable, read write": ("42601", 'at or near ","'),
    "begin work transaction": ("42601", 'at or near "transaction"'),
    "start": ("42601", "at end of input"),
    "start work": ("42601", 'at or near "work"'),
    "commit prepared 'x'": ("0A000", "two-phase commit"),
    "rollback prepared 'x'": ("0A000", "two-phase commit"),
    "prepare transaction 'x'": ("0A000", "two-phase commit"),
    "commit and chain": ("0A000", "AND CHAIN"),
    "rollback and chain": ("0A000", "AND CHAIN"),
    "commit x": ("42601", 'at or near "x"'),
    "set": ("42601", "at end of input"),
    "set x": ("42601", "at end of input"),
    "set x y": ("42601", 'at or near "y"'),
    "set x to": ("42601", "at end of input"),
    "set x to $1": ("42601", 'at or near "$1"'),
    "set x to a,": ("42601", "at end of input"),
    "set x to -a": ("42601", 'at or near "a"'),
    "set x to f(1)": ("42601", 'at or near "("'),
    "set x to (select 1)": ("42601", 'at or near "("'),
    "set x. to 1": ("42601", 'at or near "1"'),
    "set session authorization joe": ("0A000", "not in the stand-in yet"),
    "set session characteristics as transaction read only": ("0A000", "SESSION CHARACTERISTICS"),
    "set transaction isolation level serializable": ("0A000", "SET TRANSACTION"),
    "set local transaction read only": ("0A000", "SET TRANSACTION"),
    "set constraints all deferred": ("0A000", "SET CONSTRAINTS"),
    "set role joe": ("0A000", "SET ROLE"),
    "set names 'utf8'": ("0A000", "SET NAMES"),
    "set time zone interval '1' hour": ("42601", "syntax error"),
    "reset": ("42601", "at end of input"),
    "reset session authorization": ("0A000", "not in the stand-in yet"),
    "show": ("42601", "at end of input"),
    "show x, y": ("42601", 'at or near ","'),
    "show session authorization": ("0A000", "not in the stand-in yet"),
    "fetch prior from c": ("0A000", "only be read forward"),
    "fetch backward 2 from c": ("0A000", "only be read forward"),
    "fetch absolute 2 from c": ("0A000", "only be read forward"),
    "fetch -1 from c": ("0A000", "only be read forward"),
    "fetch forward -1 from c": ("0A000", "only be read forward"),
    "fetch 0 from c": ("0A000", "FETCH 0"),
    "fetch 99999999999999999999 from c": ("22003", "out of range"),
    "fetch c": ("42601", 'at or near "c"'),
    "fetch next in c": ("42601", 'at or near "in"'),
    "fetch $1 from c": ("42601", 'at or near "$1"'),
    "close": ("42601", "at end of input"),
    "close all": ("0A000", "CLOSE ALL"),
    "move next from c": ("0A000", "MOVE is not supported"),
    "declare c cursor": ("42601", "at end of input"),
    "declare c scroll cursor for select 1": ("0A000", "SCROLL"),
    "declare c binary cursor for select 1": ("0A000", "BINARY"),
    "declare c cursor with hold for select 1": ("0A000", "WITH HOLD"),
    "declare c cursor for delete from t": ("42601", 'at or near "delete"'),
    "declare c cursor for select $1::int": ("0A000", "a parameter ($n) in DECLARE"),
    "lock": ("42601", "at end of input"),
    "lock t in share mode": ("0A000", "only ACCESS EXCLUSIVE MODE"),
    "lock t in exclusive mode": ("0A000", "only ACCESS EXCLUSIVE MODE"),
    "lock t in access share mode": ("0A000", "only ACCESS EXCLUSIVE MODE"),
    "lock t nowait": ("0A000", "NOWAIT"),
    "lock only t": ("0A000", "LOCK ONLY"),
    "vacuum t, s.t": ("42601", 'at or near ","'),
    "vacuum reindex": ("42601", "at end of input"),
    "vacuum recluster": ("42601", "at end of input"),
    "vacuum t to 101 percent": ("22023", "must be between 0 and 100"),
    "vacuum t to 50": ("42601", "at end of input"),
    "vacuum to 50 percent": ("42601", 'at or near "to"'),
    "vacuum analyze t": ("0A000", "VACUUM ANALYZE is not supported"),
    "vacuum verbose t": ("0A000", "VACUUM VERBOSE is not supported"),
    "vacuum (full) t": ("0A000", "is not supported"),
    "vacuum t (a)": ("42601", 'at or near "("'),
    "analyze t, s.t": ("42601", 'at or near ","'),
    "analyze t (a, a)": ("42701", "specified more than once"),
    "analyze (verbose) t": ("0A000", "is not supported"),
    "analyze compression t": ("0A000", "not in the stand-in yet"),
}


@pytest.mark.parametrize(("text", "refused"), REFUSED.items())
def test_other_forms_of_utility_statements_are_refused(text: str, refused: tuple[str, str]) -> None:
    assert_refused(text, refused)


GRANTS = {
    "grant select on t to joe": 'grant select on table "t" to "joe"',
    "grant select, insert, update, delete on table t, s.t to joe, group G": (
        'grant select, insert, update, delete on table "t", "s"."t" to "joe", "g"'
    ),
    "grant references, truncate on t to public": 'grant references, truncate on table "t" to public',
    "grant all on t to joe with grant option": 'grant all on table "t" to "joe" with grant option',
    "grant all privileges on schema s, x to joe": 'grant all on schema "s", "x" to "joe"',
    "grant usage, create on schema s to group g": 'grant usage, create on schema "s" to "g"',
    "grant select on all tables in schema s, x to joe": 'grant select on all tables in schema "s", "x" to "joe"',
    'grant select on t to "j""o"': 'grant select on table "t" to "j""o"',
    "revoke select on t from joe": 'revoke select on table "t" from "joe"',
    "revoke grant option for select on t from joe cascade": (
        'revoke grant option for select on table "t" from "joe" cascade'
    ),
    "revoke all on schema s from group g, public restrict": 'revoke all on schema "s" from "g", public restrict',
    "revoke all on all tables in schema s from joe": 'revoke all on all tables in schema "s" from "joe"',
    "grant select on role to joe": 'grant select on table "role" to "joe"',
}


@pytest.mark.parametrize(("text", "sql"), GRANTS.items())
def test_grants_are_written_anew_for_the_backend(text: str, sql: str) -> None:
    assert statement(text) == Grant(sql=sql, tag="GRANT" if text.startswith("grant") else "REVOKE")


NO_GRANTS = {
    "grant": ("42601", "at end of input"),
    "grant select": ("42601", "at end of input"),
    "grant joe to jim": ("42601", 'at or near "joe"'),
    "grant select to joe": ("42601", 'at or near "to"'),
    "grant select on t from joe": ("42601", 'at or near "from"'),
    "grant select on t to joe cascade": ("42601", 'at or near "cascade"'),
    "grant select on t to $1": ("42601", 'at or near "$1"'),
    "grant fly on t to joe": ("42601", 'at or near "fly"'),
    "grant usage on t to joe": ("0LP01", "invalid privilege type USAGE for a table"),
    "grant select on schema s to joe": ("0LP01", "invalid privilege type SELECT for a schema"),
    "grant create on all tables in schema s to joe": ("0LP01", "invalid privilege type CREATE for tables"),
    "grant select (a) on t to joe": ("0A000", "not in the stand-in yet"),
    "grant all (a) on t to joe": ("0A000", "not in the stand-in yet"),
    "grant drop on t to joe": ("0A000", "not in the stand-in yet"),
    "grant alter on t to joe": ("0A000", "not in the stand-in yet"),
    "grant execute on function f () to joe": ("0A000", "not in the stand-in yet"),
    "grant role r to joe": ("0A000", "not in the stand-in yet"),
    "grant select on t to role r": ("0A000", "not in the stand-in yet"),
    "grant all on database d to joe": ("0A000", "not in the stand-in yet"),
    "grant all on function f to joe": ("0A000", "not in the stand-in yet"),
    "grant all on all functions in schema s to joe": ("0A000", "not in the stand-in yet"),
    "grant rule on t to joe": ("0A000", "RULE is not supported"),
    "grant trigger on t to joe": ("0A000", "TRIGGER is not supported"),
    "grant all on sequence q to joe": ("0A000", "SEQUENCE is not supported"),
    "grant all on tablespace x to joe": ("0A000", "TABLESPACE is not supported"),
    "grant select on t to group g with grant option": ("0A000", "cannot be granted to a group"),
    "grant select on t to public with grant option": ("0A000", "cannot be granted to PUBLIC"),
    "grant select on t to joe with grant option, jim": ("0A000", "for some only"),
    "revoke select on t to joe": ("42601", 'at or near "to"'),
    "revoke select on t from joe with grant option": ("42601", 'at or near "with"'),
}


@pytest.mark.parametrize(("text", "refused"), NO_GRANTS.items())
def test_grants_of_other_things_are_refused(text: str, refused: tuple[str, str]) -> None:
    assert_refused(text, refused)


ABSENT = {
    "savepoint x": "SAVEPOINT unsupported",
    "release savepoint x": "RELEASE SAVEPOINT unsupported",
    "release x": "RELEASE SAVEPOINT unsupported",
    "rollback to savepoint x": "ROLLBACK TO SAVEPOINT unsupported",
    "rollback to x": "ROLLBACK TO SAVEPOINT unsupported",
    "rollback work to savepoint x": "ROLLBACK TO SAVEPOINT unsupported",
    "deallocate all": "DEALLOCATE ALL is not supported",
    "deallocate prepare all": "DEALLOCATE ALL is not supported",
    "listen c": "LISTEN is not supported",
    "unlisten *": "UNLISTEN is not supported",
    "notify c, 'x'": "NOTIFY is not supported",
    "copy t from stdin": "LOAD source is not supported",
    "copy t to stdout": "COPY TO is not supported",
}


@pytest.mark.parametrize(("text", "message"), ABSENT.items())
def test_rule_32_what_clients_of_postgres_send_besides_is_refused(text: str, message: str) -> None:
    assert_refused(text, ("0A000", message))


@pytest.mark.parametrize(
    "text",
    [
        "cluster t", "reindex table t", "do $1", "do 'begin end'", "discard all", "checkpoint", "load 'x'",
        "reassign owned by a to b", "security label on table t is 'x'", "import foreign schema s from server x into y",
    ],
)  # fmt: skip
def test_rule_28_statements_that_only_postgres_has_are_refused_by_name(text: str) -> None:
    word = text.split(maxsplit=1)[0].upper()
    assert_refused(text, ("0A000", word))


@pytest.mark.parametrize(
    "text",
    [
        "unload ('select 1') to 's3://b/k' iam_role default", "prepare p as select 1", "execute p", "execute p (1)",
        "deallocate p", "deallocate prepare p", "call f()", "cancel 123", "use d", "desc datashare d",
        "desc identity provider p", "attach rls policy p on t to public", "detach masking policy p on t (a) from public",
        "refresh materialized view v", "show tables from schema d.s", "show table t", "show view v", "show databases",
        "show schemas from database d", "show columns from table t", "show external table t", "show grants on table t",
        "show datashares", "show procedure f ()", "show model all",
    ],
)  # fmt: skip
def test_statements_that_redshift_has_and_the_stand_in_has_not_are_said_so(text: str) -> None:
    assert_refused(text, ("0A000", "not in the stand-in yet"))


@pytest.mark.parametrize(
    "text", ["desc t", "describe t", "import x", "explode", "connect to d", "(", "1", "'x'", "$1", '"begin"']
)
def test_what_is_no_statement_is_a_syntax_error(text: str) -> None:
    assert_refused(text, ("42601", "syntax error"))


WORDS = (
    *["copy", "from", "iam_role", "default", "credentials", "access_key_id", "csv", "quote", "as", "null", "delimiter", "gzip", "manifest", "maxerror", "region", "format", "create", "table", "temp", "local", "view", "schema", "user", "group", "or", "replace", "if", "not", "exists", "like", "including", "defaults", "constraint", "primary", "key", "unique", "foreign", "references", "check", "identity", "generated", "by", "encode", "raw", "distkey", "sortkey", "diststyle", "even", "all", "compound", "interleaved", "auto", "backup", "no", "yes", "as", "select", "drop", "cascade", "restrict", "alter", "add", "column", "rename", "to", "type", "varchar", "int", "super", "set", "owner", "comment", "on", "is", "truncate", "lock", "in", "access", "exclusive", "mode", "vacuum", "full", "delete", "only", "percent", "boost", "analyze", "predicate", "columns", "grant", "revoke", "option", "for", "privileges", "usage", "insert", "public", "with", "begin", "start", "transaction", "isolation", "level", "read", "write", "commit", "end", "rollback", "abort", "work", "savepoint", "reset", "show", "session", "declare", "cursor", "fetch", "forward", "next", "close", "a", "b", "t", "s", "password", "createuser", "isolation", "serializable", "array", "max", "double", "precision", "timestamp", "zone", "time", "without", "binding"],
    "(", ")", ",", ".", ";", "=", "-", "[", "]", "*", "'x'", "''", "'s3://b/k'", "'arn:aws:iam::1:role/x'", '"Q"', "0",
    "1", "2.5", "99999999999999999999999", "$1", "#t", "é", "'\\\\N'",
)  # fmt: skip
OPENINGS = (
    "", "copy t from 's3://b/k'", "create table t (a", "create table t (a int)", "alter table t", "grant", "create user u",
    "create", "drop", "vacuum", "analyze", "set x", "fetch", "comment on", "create view v as select", "begin",
)  # fmt: skip


@given(st.sampled_from(OPENINGS), st.lists(st.sampled_from(WORDS), max_size=12))
def test_a_soup_of_words_is_read_or_refused_and_nothing_else(opening: str, words: list[str]) -> None:
    text = " ".join((opening, *words))
    try:
        outcomes = [type(each.statement).__name__ for each in parse(text)]
    except RedshiftError as error:
        outcomes = [error.sqlstate]
    assert outcomes
