"""Rules 6 and 7: what loads as NULL: the null string, empty and blank fields."""

from __future__ import annotations

from functools import partial
from typing import Final

from redshift_standin.verify.case import Case, Expected, LoadError, Refused, Unknown
from redshift_standin.verify.loads import load, rows

_TEXT: Final = "n int, a varchar(20)"
_PAGE: Final = "copy-parameters-data-conversion"
_null = partial(load, 6, columns=_TEXT, page="copy-parameters-data-format")
_OTHERS: Final = {
    "int": "integer",
    "bigint": "bigint",
    "numeric(9,2)": "numeric",
    "real": "real",
    "float8": "double precision",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "time": "time",
    "timetz": "timetz",
}

_DEFAULT = (
    _null(
        "without NULL AS the null string is a backslash and N", body="1,\\N\n2,N\n", expect=rows((1, None), (2, "N"))
    ),
    _null(
        "the default null string does not match in part", body="1,\\Nx\n2,\\n\n", expect=rows((1, "\\Nx"), (2, "\\n"))
    ),
    _null("a quoted default null string is not known", body='1,"\\N"\n', expect=Unknown("NULL AS")),
)

_GIVEN = (
    _null("NULL AS sets the null string", body="1,~null~\n", options="null as '~null~'", expect=rows((1, None))),
    _null("AS may be left out", body="1,~null~\n", options="null '~null~'", expect=rows((1, None))),
    _null("the null string is compared with its case", body="1,NIL\n", options="null as 'nil'", expect=rows((1, "NIL"))),
    _null("blanks around the null string make it another text", body="1, nil \n", options="null as 'nil'", expect=rows((1, " nil "))),
    _null("a longer field is not the null string", body="1,nil.\n", options="null as 'nil'", expect=rows((1, "nil."))),
    _null("with NULL AS, a backslash and N are text", body="1,\\N\n", options="null as 'nil'", expect=rows((1, "\\N"))),
    _null("with NULL AS, an empty text is empty", body="1,\n", options="null as 'nil'", expect=rows((1, ""))),
    _null("a doubled backslash in the literal is one", body="1,\\N\n", options=r"null as '\\N'", expect=rows((1, None))),
    _null("NULL AS '' makes empty texts NULL", body="1,\n", options="null as ''", expect=rows((1, None))),
    _null("the null string ends a file without line feed", body="1,nil", options="null as 'nil'", expect=rows((1, None))),
    _null("a null string beyond ASCII is compared by its bytes", body="1,∅\n", options="null as '∅'", expect=rows((1, None))),
    _null("a quoted null string is not known", body='1,"nil"\n', options="null as 'nil'", expect=Unknown("NULL AS")),
    _null("a quoted null string is not known for numbers either", body='"nil",x\n', options="null as 'nil'", expect=Unknown("NULL AS")),
    _null("a quoted empty field is not known under NULL AS ''", body='1,""\n', options="null as ''", expect=Unknown("NULL AS")),
    _null("a quoted field that holds the null string in part is text", body='1,"nil,"\n', options="null as 'nil'", expect=rows((1, "nil,"))),
    _null("a line feed in the null string is refused", body="1,x\n", options=r"null as '\n'", expect=Refused("22023")),
    _null("an escaped line feed in the null string is refused", body="1,x\n", options=r"null as '\\n'", expect=Refused("22023")),
    load(6, "the null string in a NOT NULL column fails", "a int not null", "nil\n", LoadError(1213, column="a"), options="null as 'nil'", page=_PAGE),
    load(6, "the null string in a SUPER column is not known", "a super", "nil\n", Unknown("SUPER"), options="null as 'nil'", page=_PAGE),
    load(6, "the null string loads NULL into VARBYTE", "a varbyte(9)", "nil\n", rows(None), options="null as 'nil'", page=_PAGE),
    load(6, "the null string loads NULL into CHAR", "a char(1)", "nil\n", rows(None), options="null as 'nil'", page=_PAGE),
    *(
        load(6, f"the null string loads NULL into {kind.upper()}", f"a {declared}", "nil\n", rows(None), options="null as 'nil'", page=_PAGE)
        for declared, kind in _OTHERS.items()
    ),
)  # fmt: skip


def _empty(name: str, columns: str, body: str, expect: Expected, options: str = "") -> Case:
    return load(7, name, columns, body, expect, options=options, page=_PAGE)


_TWO: Final = "n int, a varchar(9)"
_CHAR: Final = "n int, a char(3)"
_PADDED: Final = "select n, rtrim(a) from t"
_LENGTH: Final = "select n, octet_length(a) from t"
_EMPTY = (
    *(
        _empty(f"empty and blank fields load NULL into {kind.upper()}", f"n varchar(1), a {declared}", 'x,\ny,  \nz,""\n', rows(*((each, None) for each in "xyz")))
        for declared, kind in _OTHERS.items()
    ),
    _empty("an empty field loads NULL into SUPER", "n int, a super", "1,\n", rows((1, None))),
    _empty("an empty field loads NULL into VARBYTE", "n int, a varbyte(9)", "1,\n", rows((1, None))),
    _empty("an empty field loads an empty VARCHAR", _TWO, "1,\n", rows((1, ""))),
    _empty("a quoted empty field loads an empty VARCHAR", _TWO, '1,""\n', rows((1, ""))),
    _empty("blanks load as blanks into VARCHAR", _TWO, '1,  \n2," "\n', rows((1, "  "), (2, " "))),
    _empty("an empty field loads an empty CHAR", _CHAR, '1,\n2,""\n', rows((1, ""), (2, ""), query=_PADDED)),
    _empty("an empty field loads into a NOT NULL VARCHAR", "n int, a varchar(9) not null", '1,\n2,""\n', rows((1, ""), (2, ""))),
    _empty("an empty field fails a NOT NULL INTEGER", "n int not null, a int", ",1\n", LoadError(1213, column="n", line=1)),
    _empty("a blank field fails a NOT NULL DATE", "n int, a date not null", "1, \n", LoadError(1213, column="a")),
    _empty("EMPTYASNULL makes an empty VARCHAR NULL", _TWO, "1,\n", rows((1, None)), "emptyasnull"),
    _empty("EMPTYASNULL does not respect quotes", _TWO, '1,""\n', rows((1, None)), "emptyasnull"),
    _empty("EMPTYASNULL makes an empty CHAR NULL", _CHAR, '1,\n2,""\n', rows((1, None), (2, None)), "emptyasnull"),
    _empty("EMPTYASNULL leaves blanks", _TWO, "1, \n", rows((1, " ")), "emptyasnull"),
    _empty("EMPTYASNULL fails a NOT NULL VARCHAR", "n int, a varchar(9) not null", "1,\n", LoadError(1213, column="a"), "emptyasnull"),
    _empty("BLANKSASNULL makes blanks NULL", _TWO, "1,   \n", rows((1, None)), "blanksasnull"),
    _empty("BLANKSASNULL does not respect quotes", _TWO, '1,"  "\n', rows((1, None)), "blanksasnull"),
    _empty("BLANKSASNULL makes a blank CHAR NULL", _CHAR, "1,  \n", rows((1, None)), "blanksasnull"),
    _empty("BLANKSASNULL leaves blanks beside other characters", _TWO, "1, x \n", rows((1, " x ")), "blanksasnull"),
    _empty("BLANKSASNULL and EMPTYASNULL go together", _TWO, "1,\n2, \n", rows((1, None), (2, None)), "blanksasnull emptyasnull"),
    _empty("NULL AS and EMPTYASNULL go together", _TWO, "1,\n2,nil\n", rows((1, None), (2, None)), "emptyasnull null as 'nil'"),
    _empty("TRIMBLANKS cuts blanks at the end of a VARCHAR", _TWO, "1, x  \n", rows((1, " x")), "trimblanks"),
    _empty("TRIMBLANKS does not respect quotes", _TWO, '1,"x "\n', rows((1, "x")), "trimblanks"),
    _empty("without TRIMBLANKS blanks at the end are kept", _TWO, "1,x  \n", rows((1, 3), query=_LENGTH)),
    _empty("empty fields of a whole line are not a blank line", _TWO, ",\n", rows((None, ""))),
)  # fmt: skip

CASES: tuple[Case, ...] = _DEFAULT + _GIVEN + _EMPTY
