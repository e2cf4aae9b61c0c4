"""Rule 5: the CSV that COPY reads: quotes, delimiters, line ends, headers."""

from __future__ import annotations

from functools import partial
from typing import Final

from redshift_standin.verify.case import Case, Expected, LoadError, Refused, Unknown
from redshift_standin.verify.loads import load, rows

_TEXTS: Final = "a varchar(40), b varchar(40)"
_texts = partial(load, 5, columns=_TEXTS, page="copy-parameters-data-format")
_QUOTES: Final = "Invalid quote formatting for CSV"

_FIELDS = (
    _texts("fields without quotes load as they stand", body="x,y\n", expect=rows(("x", "y"))),
    _texts("fields with quotes load without them", body='"x","y"\n', expect=rows(("x", "y"))),
    _texts("a doubled quote within quotes is one quote", body='"a""b","""c"""\n', expect=rows(('a"b', '"c"'))),
    _texts("four quotes are a field of one quote", body='"""",x\n', expect=rows(('"', "x"))),
    _texts("a delimiter within quotes is data", body='"a,b",","\n', expect=rows(("a,b", ","))),
    _texts("a line feed within quotes is data", body='"a\nb",c\n', expect=rows(("a\nb", "c"))),
    _texts("a carriage return and line feed within quotes are data", body='"a\r\nb",c\n', expect=rows(("a\r\nb", "c"))),
    _texts("a carriage return alone within quotes is data", body='"a\rb",c\n', expect=rows(("a\rb", "c"))),
    _texts("a blank line within quotes is data", body='"a\n\nb",c\n', expect=rows(("a\n\nb", "c"))),
    _texts("a quoted line feed may end the last field", body='a,"b\n"\n', expect=rows(("a", "b\n"))),
    _texts("blanks before an opening quote are ignored", body='  "x", "y"\n', expect=rows(("x", "y"))),
    _texts("blanks after a closing quote are ignored", body='"x"  ,"y" \n', expect=rows(("x", "y"))),
    _texts("blanks within quotes are kept", body='" x "," y"\n', expect=rows((" x ", " y"))),
    _texts("blanks of a field without quotes are kept", body=" x , y\n", expect=rows((" x ", " y"))),
    _texts("a backslash is an ordinary character", body="a\\n,\\\\\n", expect=rows(("a\\n", "\\\\"))),
    _texts("a backslash does not escape a delimiter", body="a\\,b\n", expect=rows(("a\\", "b"))),
    _texts("a backslash does not escape a quote", body='"a\\",b\n', expect=rows(("a\\", "b"))),
    _texts("a backslash in quotes does not double", body='"\\\\","\\t"\n', expect=rows(("\\\\", "\\t"))),
    _texts("an apostrophe and a pipe are ordinary characters", body="it's,a|b\n", expect=rows(("it's", "a|b"))),
    _texts("a tab within a field is kept", body="a\tb,c\n", expect=rows(("a\tb", "c"))),
    _texts(
        "control characters other than NUL and line ends are data",
        body="a\x01b,\x7f\n",
        expect=rows(("a\x01b", "\x7f")),
    ),
    _texts("quoted and unquoted fields mix in a line", body='x,"y"\n"z",w\n', expect=rows(("x", "y"), ("z", "w"))),
    _texts("a last quoted field needs no line feed", body='x,"y"', expect=rows(("x", "y"))),
    _texts("a last empty field needs no line feed", body="x,", expect=rows(("x", ""))),
)

_BROKEN = (
    _texts("text after a closing quote fails", body='"x"y,z\n', expect=LoadError(1214, _QUOTES, line=1)),
    _texts("text after a closing quote and a blank fails", body='"x" y,z\n', expect=LoadError(1214, _QUOTES)),
    _texts("a second quoted part in a field fails", body='"x" "y",z\n', expect=LoadError(1214, _QUOTES)),
    _texts("a lone quote within quotes fails", body='"x"y",z\n', expect=LoadError(1214, _QUOTES)),
    _texts("the end of the file within quotes fails", body='a,b\nc,"d\n', expect=LoadError(1214, _QUOTES, line=2)),
    _texts("an opening quote at the very end fails", body='a,"', expect=LoadError(1214, _QUOTES)),
    _texts("the end of the file after a doubled quote fails", body='a,"b""', expect=LoadError(1214, _QUOTES)),
    _texts("a quote inside a field without quotes is not known", body='a"b,c\n', expect=Unknown("quote")),
    _texts("a quote at the end of a field without quotes is not known", body='5",c\n', expect=Unknown("quote")),
)  # fmt: skip


def _option(name: str, body: str, options: str, expect: Expected) -> Case:
    return _texts(name, body=body, options=options, expect=expect)


_DELIMITERS = (
    _option("a pipe may delimit", "x|y,z\n", "delimiter '|'", rows(("x", "y,z"))),
    _option("a tab may delimit", "x\ty z\n", r"delimiter '\t'", rows(("x", "y z"))),
    _option("a delimiter may be written in octal", "x\x01y\n", r"delimiter '\001'", rows(("x", "y"))),
    _option("AS may stand before the delimiter", "x;y\n", "delimiter as ';'", rows(("x", "y"))),
    _option("another delimiter is protected by quotes", '"x|y"|z\n', "delimiter '|'", rows(("x|y", "z"))),
    _option("a tab that delimits is no blank around quotes", '"x"\t"y"\n', r"delimiter '\t'", rows(("x", "y"))),
    _option("a delimiter of two characters is refused", "x||y\n", "delimiter '||'", Refused("22023", "single")),
    _option("an empty delimiter is refused", "x,y\n", "delimiter ''", Refused("22023", "single")),
    _option("a delimiter beyond ASCII is refused", "x§y\n", "delimiter '§'", Refused("22023", "single")),
    _option("another quote may be chosen", '%x,y%,"z"\n', "quote '%'", rows(("x,y", '"z"'))),
    _option("another quote is doubled as well", "%a%%b%,c\n", "quote as '%'", rows(("a%b", "c"))),
    _option("an apostrophe may quote", "'x,y',z\n", "quote as ''''", rows(("x,y", "z"))),
    _option("a quote of two characters is refused", "x,y\n", "quote '%%'", Refused("22023", "single")),
    _option("a quote that is the delimiter is refused", "x|y\n", "quote '|' delimiter '|'", Refused("22023")),
)

_LINES = (
    _option("a header line is passed over", "a,b\nx,y\n", "ignoreheader 1", rows(("x", "y"))),
    _option("several header lines are passed over", "1\n\n2\nx,y\n", "ignoreheader as 3", rows(("x", "y"))),
    _option("more header lines than the file has give no rows", "a,b\nx,y\n", "ignoreheader 9", rows()),
    _option("IGNOREHEADER 0 passes nothing over", "a,b\n", "ignoreheader 0", rows(("a", "b"))),
    _option("lines are counted with the header", "a,b\nx,y\nz\n", "ignoreheader 1", LoadError(1214, line=3)),
    _option("a negative IGNOREHEADER is refused", "a,b\n", "ignoreheader -1", Refused("42601")),
    _option("blank lines are passed over with IGNOREBLANKLINES", "\nx,y\n\n\nz,w\n\n", "ignoreblanklines", rows(("x", "y"), ("z", "w"))),
    _option("IGNOREBLANKLINES leaves blank lines within quotes", '"a\n\nb",c\n', "ignoreblanklines", rows(("a\n\nb", "c"))),
    _option("lines are counted with those of quoted fields", '"a\nb",c\nd\n', "", LoadError(1214, line=3)),
    Case(
        rule=5,
        name="a header is passed over in every file",
        setup=("create table t (a int)",),
        files={"a1": b"head\n1\n", "a2": b"head\n2\n"},
        run="copy t from '{s3}/a' {auth} csv ignoreheader 1",
        expect=rows(1, 2),
        page="copy-parameters-data-conversion",
    ),
    Case(
        rule=5,
        name="FORMAT AS CSV is CSV",
        setup=("create table t (a varchar(9), b varchar(9))",),
        files={"a": b'"x","y"\n'},
        run="copy t from '{s3}/a' {auth} format as csv",
        expect=rows(("x", "y")),
        page="copy-parameters-data-format",
    ),
    Case(
        rule=5,
        name="QUOTE without CSV is refused",
        setup=("create table t (a varchar(9), b varchar(9))",),
        run="copy t from '{s3}/a' {auth} quote '%'",
        expect=Refused("42601"),
        page="copy-parameters-data-format",
    ),
)  # fmt: skip

CASES: tuple[Case, ...] = _FIELDS + _BROKEN + _DELIMITERS + _LINES
