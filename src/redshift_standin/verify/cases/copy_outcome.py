"""Rules 11 and 12: all or nothing, what is told of errors, counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from redshift_standin.verify.case import Case, Expected, LoadError, Refused
from redshift_standin.verify.loads import load, load_files, rows

_LOAD_PAGE: Final = "copy-parameters-data-load"
_STL: Final = "r_STL_LOAD_ERRORS"
_SYS: Final = "SYS_LOAD_ERROR_DETAIL"
_TWO: Final = "a int, b varchar(9)"
_COUNT: Final = "select count(*) from t"
_NONE: Final = rows(0, query=_COUNT)


def _fails(
    name: str, body: str, code: int, *, options: str = "", block: bool = False, before: Sequence[str] = ()
) -> Case:
    """Nothing is loaded."""
    expect = LoadError(code, after=_NONE)
    return load(11, name, _TWO, body, expect, options=options, block=block, before=before, page="r_COPY")


def _told(
    name: str, query: str, wanted: object, body: str = "1,x\nq,y\n", page: str = _STL, block: bool = False
) -> Case:
    """What the views say of the failure afterwards."""
    expect = LoadError(1207, after=rows(wanted, query=f"{query} = pg_last_copy_id()"))
    return load(11, name, _TWO, body, expect, page=page, block=block)


_ATOMIC = (
    _fails("a bad row keeps out the good ones before it", "1,x\n2,y\nq,z\n", 1207),
    _fails("a bad row keeps out the good ones after it", "q,x\n1,y\n2,z\n", 1207),
    _fails("a bad row keeps all out in a block", "1,x\nq,y\n", 1207, block=True),
    _fails("a failed load undoes its block", "q,x\n", 1207, block=True, before=("insert into t values (7, 'before')",)),
    load_files(11, "a bad row in one file keeps out the others", {"p1": "1\n", "p2": "q\n", "p3": "3\n"}, "p' {auth} csv", LoadError(1207, line=1, after=_NONE), page="copy-usage_notes-multiple-files"),
    load_files(11, "a missing mandatory file keeps out the others", {"a": "q\n", "m": '{"entries":[{"url":"{s3}/a","mandatory":true},{"url":"{s3}/z","mandatory":true}]}'}, "m' {auth} csv manifest", Refused("XX000"), page="loading-data-files-using-manifest"),
    load(11, "rows that were there stay", _TWO, "q,x\n", LoadError(1207, after=rows((7, "old"))), setup=("insert into t values (7, 'old')",), page="r_COPY"),
    load(11, "a load adds to what is there", _TWO, "1,x\n", rows((1, "x"), (7, "old")), setup=("insert into t values (7, 'old')",), page="r_COPY"),
    load(11, "a load that repeats adds its rows again", _TWO, "1,x\n", rows((1, "x"), (1, "x"), (7, "old")), setup=("insert into t values (7, 'old')", "copy t from '{s3}/part' {auth} csv"), page="r_COPY"),
    load(11, "a primary key does not keep duplicates out", "a int not null primary key", "1\n1\n", rows(1, 1), page="t_Defining_constraints"),
    load(11, "the message names the table and the system table, with two blanks", _TWO, "q,x\n", Refused("XX000", "Load into table 't' failed.  Check 's"), page="r_COPY"),
)  # fmt: skip

_FILE: Final = "from stl_load_errors where query"
_VIEWS = (
    _told("STL_LOAD_ERRORS tells line, column and code", f"select line_number, trim(colname), err_code {_FILE}", (2, "a", 1207)),
    _told("STL_LOAD_ERRORS tells the value and the line", f"select trim(raw_field_value), trim(raw_line) {_FILE}", ("q", "q,y")),
    _told("STL_LOAD_ERRORS tells the reason", f"select trim(err_reason) {_FILE}", "Invalid digit, Value 'q', Pos 0, Type: Integer"),
    _told("STL_LOAD_ERRORS tells the file", "select count(*) from stl_load_errors where trim(filename) = '{s3}/part' and query", 1),
    _told("a load error's CHAR columns are padded with blanks", "select octet_length(column_length) from sys_load_error_detail where query_id", 10, page=_SYS),
    _told("load errors survive the rollback of their block", f"select line_number, err_code {_FILE}", (2, 1207), block=True),
    _told("the first error alone is told", f"select line_number {_FILE}", 2, body="1,x\nq,y\nr,z\n"),
    _told("SYS_LOAD_ERROR_DETAIL tells line, column and code", "select line_number, trim(column_name), error_code from sys_load_error_detail where query_id", (2, "a", 1207), page=_SYS),
    _told("SYS_LOAD_ERROR_DETAIL tells the message", "select trim(error_message) from sys_load_error_detail where query_id", "Invalid digit, Value 'q', Pos 0, Type: Integer", page=_SYS),
    _told("SYS_LOAD_ERROR_DETAIL survives the rollback", "select count(*) from sys_load_error_detail where query_id", 1, page=_SYS, block=True),
    load(11, "STL_LOAD_ERRORS tells the type and length of a VARCHAR", "a varchar(3)", "abcd\n", LoadError(1204, after=rows(("varchar", "3"), query=f"select trim(type), trim(col_length) {_FILE} = pg_last_copy_id()")), page=_STL),
    load(11, "STL_LOAD_ERRORS tells the table", "a int", "q\n", LoadError(1207, after=rows(1, query="select count(*) from stl_load_errors e join pg_class c on e.tbl = c.oid where c.relname = 't' and e.query = pg_last_copy_id()")), page=_STL),
    load(11, "a load without errors leaves none", "a int", "1\n", rows(0, query=f"select count(*) {_FILE} = pg_last_copy_id()"), page=_STL),
)  # fmt: skip


def _errors(name: str, body: str, options: str, expect: Expected) -> Case:
    return load(11, name, _TWO, body, expect, options=options, page=_LOAD_PAGE)


_ONE_BAD: Final = "1,x\nq,y\n3,z\n"
_TWO_BAD: Final = "1,x\nq,y\n3,toolongtext\n4,z\n"
_LOADING = (
    _errors("MAXERROR 0 fails at the first error", _ONE_BAD, "maxerror 0", LoadError(1207, line=2, after=_NONE)),
    _errors("MAXERROR 1 fails at the first error", _ONE_BAD, "maxerror 1", LoadError(1207, line=2, after=_NONE)),
    _errors("MAXERROR 2 passes over one error", _ONE_BAD, "maxerror 2", rows((1, "x"), (3, "z"))),
    _errors("MAXERROR 2 fails at two errors", _TWO_BAD, "maxerror 2", LoadError(1204, line=3, after=_NONE)),
    _errors("MAXERROR AS 3 passes over two errors", _TWO_BAD, "maxerror as 3", rows((1, "x"), (4, "z"))),
    _errors("MAXERROR passes over records with too many or too few fields", "1\n1,x,y\n2,z\n", "maxerror 9", rows((2, "z"))),
    _errors("MAXERROR notes what it passes over", _TWO_BAD, "maxerror 9", rows((2, 1207), (3, 1204), query=f"select line_number, err_code {_FILE} = pg_last_copy_id()")),
    _errors("MAXERROR 100000 is the most", "1,x\n", "maxerror 100000", rows((1, "x"))),
    _errors("MAXERROR 100001 is refused", "1,x\n", "maxerror 100001", Refused("22023")),
    _errors("a load all of whose rows are bad may succeed under MAXERROR", "q,x\n", "maxerror 9", rows()),
    _errors("NOLOAD loads nothing", "1,x\n", "noload", rows()),
    _errors("NOLOAD finds errors", _ONE_BAD, "noload", LoadError(1207, line=2, after=_NONE)),
    _errors("COMPUPDATE OFF and STATUPDATE OFF load", "1,x\n", "compupdate off statupdate off", rows((1, "x"))),
    _errors("COMPUPDATE ON and STATUPDATE ON load", "1,x\n", "compupdate on statupdate on", rows((1, "x"))),
    _errors("COMPUPDATE and STATUPDATE take TRUE and FALSE", "1,x\n", "compupdate true statupdate false", rows((1, "x"))),
    _errors("COMPUPDATE PRESET loads", "1,x\n", "compupdate preset", rows((1, "x"))),
    _errors("COMPUPDATE and STATUPDATE stand alone", "1,x\n", "compupdate statupdate", rows((1, "x"))),
    _errors("options come in any order and case", "h\n1,x\n", "IGNOREHEADER 1 CompUpdate Off EMPTYASNULL", rows((1, "x"))),
)  # fmt: skip

_LAST: Final = "select pg_last_copy_count()"
_COPY: Final = "copy t from '{s3}/a' {auth} csv"


def _counted(name: str, run: Sequence[str], expect: Expected, body: str = "1\n2\n3\n", block: bool = False) -> Case:
    """pg_last_copy_count and pg_last_copy_id."""
    return Case(rule=12, name=name, setup=("create table t (a int)", "create table u (a int)"), files={"a": body.encode(), "bad": b"q\n"}, run=run, expect=expect, block=block, page="PG_LAST_COPY_COUNT")  # fmt: skip


_COUNTS = (
    _counted("the count is the rows of the last load", [_COPY, _LAST], rows(3, query="")),
    _counted("the count is the last load's, not the sum", [_COPY, _COPY.replace("copy t", "copy u"), _LAST], rows(3, query="")),
    _counted("the count is told within the block", [_COPY, _LAST], rows(3, query=""), block=True),
    _counted("the count stays after other statements", [_COPY, "insert into u values (1)", "select count(*) from u", _LAST], rows(3, query="")),
    _counted("the count stays after a rollback", ["begin", _COPY, "rollback", _LAST], rows(3, query="")),
    _counted("the count of no load at all is 0", [_LAST], rows(0, query="")),
    _counted("the count is without the rows that MAXERROR passed over", [f"{_COPY} maxerror 5", _LAST], rows(2, query=""), body="1\nq\n3\n"),
    _counted("the count of an empty file is 0", [_COPY, _LAST], rows(0, query=""), body=""),
    _counted("the count is without headers and blank lines", [f"{_COPY} ignoreheader 1 ignoreblanklines", _LAST], rows(2, query=""), body="h\n1\n\n2\n"),
    _counted("the count after a failed load is 0, whatever rows were good", [_COPY], LoadError(1207, after=rows(0, query=_LAST)), body="1\nq\n"),
    _counted("the count of an earlier load is not left after a failed one", [_COPY, "copy t from '{s3}/bad' {auth} csv"], LoadError(1207, after=rows(0, query=_LAST))),
    _counted("the id of no load at all is -1", ["select pg_last_copy_id()"], rows(-1, query="")),
    _counted("the id is that of the load's files", [_COPY, "select count(*) from stl_load_commits where query = pg_last_copy_id() and trim(filename) = '{s3}/a'"], rows(1, query="")),
    _counted("the id is that of the load's details", [_COPY, "select count(*) from sys_load_detail where query_id = pg_last_copy_id()"], rows(1, query="")),
    _counted("the id is a query's number", [_COPY, "select count(*) from stl_load_commits where query = pg_last_copy_id() and pg_last_copy_id() > 0"], rows(1, query="")),
    load_files(12, "the count is that of all files", {"p1": "1\n2\n", "p2": "3\n"}, "p' {auth} csv", rows(3, query=_LAST), page="PG_LAST_COPY_COUNT"),
    load_files(12, "a file that is listed twice is counted twice", {"a": "1\n2\n", "m": '{"entries":[{"url":"{s3}/a"},{"url":"{s3}/a"}]}'}, "m' {auth} csv manifest", rows(4, query=_LAST), page="PG_LAST_COPY_COUNT"),
)  # fmt: skip

CASES: tuple[Case, ...] = _ATOMIC + _VIEWS + _LOADING + _COUNTS
