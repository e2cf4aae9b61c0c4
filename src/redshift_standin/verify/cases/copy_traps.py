"""Rule 37: what nobody here knows Redshift to do with a file is refused by name."""

from __future__ import annotations

from functools import partial
from typing import Final

from redshift_standin.verify.case import Case, LoadError, Unknown
from redshift_standin.verify.loads import load, rows

_trap = partial(load, 37, columns="n int, a varchar(20)", page="copy-parameters-data-format")
_MARK: Final = b"\xef\xbb\xbf"

CASES: tuple[Case, ...] = (
    _trap("a NUL byte in a text is not known", body=b"1,a\0b\n", expect=Unknown("NUL")),
    _trap("a NUL byte within quotes is not known", body=b'1,"a\0b"\n', expect=Unknown("NUL")),
    _trap("a NUL byte in a number is not known", body=b"1\0,a\n", expect=Unknown("NUL")),
    _trap("a NUL byte alone in a field is not known", body=b"1,\0\n", expect=Unknown("NUL")),
    _trap("a NUL byte is not known under ACCEPTINVCHARS either", body=b"1,\0\n", options="acceptinvchars", expect=Unknown("NUL")),
    _trap("a NUL byte is not known under MAXERROR either", body=b"1,\0\n", options="maxerror 9", expect=Unknown("NUL")),
    _trap("a bare carriage return as a line's end is not known", body="1,a\r2,b\r", expect=Unknown("carriage return")),
    _trap("a carriage return within a field is not known", body="1,a\rb\n", expect=Unknown("carriage return")),
    _trap("a carriage return and line feed as a line's end is not known", body="1,a\r\n2,b\r\n", expect=Unknown("carriage return")),
    _trap("a carriage return after a closing quote is not known", body='1,"a"\r\n', expect=Unknown("carriage return")),
    _trap("a byte-order mark at a file's beginning is not known", body=_MARK + b"1,a\n", expect=Unknown("byte-order mark")),
    _trap("a byte-order mark before a quote is not known", body=_MARK + b'"1",a\n', expect=Unknown("byte-order mark")),
    _trap("a byte-order mark before a header is not known", body=_MARK + b"n,a\n1,a\n", options="ignoreheader 1", expect=Unknown("byte-order mark")),
    _trap("the byte-order mark of UTF-16 is not known", body="1,a\n".encode("utf-16"), expect=Unknown("byte-order mark")),
    _trap("a byte-order mark alone is not known", body=_MARK, expect=Unknown("byte-order mark")),
    _trap("a blank line between records is not known", body="1,a\n\n2,b\n", expect=Unknown("blank line")),
    _trap("a blank line at the beginning is not known", body="\n1,a\n", expect=Unknown("blank line")),
    _trap("a blank line at the end is not known", body="1,a\n\n", expect=Unknown("blank line")),
    _trap("a blank line is not known for a table of one column either", columns="a varchar(9)", body="a\n\nb\n", expect=Unknown("blank line")),
    _trap("a line of blanks is no blank line", body="1,a\n  \n", expect=LoadError(1214, line=2)),
    _trap("a quoted empty field alone is no blank line", columns="a varchar(9)", body='""\n', expect=rows("")),
    _trap("a blank line under IGNOREBLANKLINES is known", body="1,a\n\n", options="ignoreblanklines", expect=rows((1, "a"))),
    _trap("white space other than blanks in a number is not known", body="\t,a\n", expect=Unknown()),
    _trap("blanks around a number are not known", body=" 1,a\n", expect=Unknown("blanks around")),
    _trap("a plus sign before a number is not known", body="+1,a\n", expect=Unknown("plus sign")),
)  # fmt: skip
