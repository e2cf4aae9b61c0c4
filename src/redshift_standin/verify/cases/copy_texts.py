"""Rule 8: lengths in bytes, CHAR's ASCII, UTF-8."""

from __future__ import annotations

from functools import partial
from typing import Final

from redshift_standin.verify.case import Case, LoadError, Refused, Unknown
from redshift_standin.verify.loads import load, rows

_TOO_LONG: Final = "String length exceeds DDL length"
_MAX: Final = 65_535
_varchar = partial(load, 8, page="r_Character_types")
_utf8 = partial(load, 8, columns="a varchar(20)", page="multi-byte-character-load-errors")
_convert = partial(load, 8, page="copy-parameters-data-conversion")
_OCTETS: Final = "select octet_length(a) from t"

_LENGTHS = (
    _varchar("a VARCHAR takes as many bytes as it is long", columns="a varchar(3)", body="abc\n", expect=rows("abc")),
    _varchar("a VARCHAR refuses one byte more", columns="a varchar(3)", body="abcd\n", expect=LoadError(1204, _TOO_LONG, "a", 1)),
    _varchar("a VARCHAR's length is bytes: two of two bytes fit in four", columns="a varchar(4)", body="éé\n", expect=rows("éé")),
    _varchar("a VARCHAR's length is bytes: two of two bytes do not fit in three", columns="a varchar(3)", body="éé\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("a character of four bytes fits in VARCHAR(4)", columns="a varchar(4)", body="😀\n", expect=rows("😀")),
    _varchar("a character of four bytes does not fit in VARCHAR(3)", columns="a varchar(3)", body="😀\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("a length counts a doubled quote once", columns="a varchar(3)", body='"a""b"\n', expect=rows('a"b')),
    _varchar("surplus blanks are cut", columns="a varchar(3)", body="abc  \n", expect=rows("abc")),
    _varchar("a surplus tab is not cut", columns="a varchar(3)", body="abc\t\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("blanks before a surplus character do not help", columns="a varchar(3)", body="abc d\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("VARCHAR without a length takes 256 bytes", columns="a varchar", body="x" * 256 + "\n", expect=rows(256, query=_OCTETS)),
    _varchar("VARCHAR without a length refuses 257 bytes", columns="a varchar", body="x" * 257 + "\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("TEXT is VARCHAR(256)", columns="a text", body="x" * 257 + "\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("VARCHAR(MAX) takes 65535 bytes", columns="a varchar(max)", body="x" * _MAX + "\n", expect=rows(_MAX, query=_OCTETS)),
    _varchar("VARCHAR(MAX) refuses 65536 bytes", columns="a varchar(max)", body="x" * (_MAX + 1) + "\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("VARCHAR(MAX) counts bytes, not characters", columns="a varchar(max)", body="é" * 32_768 + "\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("a CHAR takes as many bytes as it is long", columns="a char(3)", body="abc\n", expect=rows("abc")),
    _varchar("a CHAR refuses one byte more", columns="a char(3)", body="abcd\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("a CHAR without a length takes one byte", columns="a char", body="ab\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("a CHAR(4096) takes 4096 bytes", columns="a char(4096)", body="x" * 4096 + "\n", expect=rows(4096, query="select len(a) from t")),
    _varchar("BPCHAR is CHAR(256)", columns="a bpchar", body="x" * 256 + "\n", expect=rows(256, query="select len(a) from t")),
    _varchar("BPCHAR refuses 257 bytes", columns="a bpchar", body="x" * 257 + "\n", expect=LoadError(1204, _TOO_LONG)),
    _varchar("a CHAR refuses characters beyond ASCII", columns="a char(9)", body="é\n", expect=LoadError(1220, "CHAR", "a", 1)),
    _varchar("a CHAR refuses characters beyond ASCII in quotes", columns="a char(9)", body='"aé"\n', expect=LoadError(1220)),
)  # fmt: skip

_INVALID: Final = {
    "a byte that begins no character": b"a\xffb",
    "a byte that only continues a character": b"a\x80b",
    "a character cut short": b"a\xc3",
    "a character of three bytes cut short": b"a\xe2\x82,",
    "an overlong slash": b"\xc0\xaf",
    "an overlong character of three bytes": b"\xe0\x80\xaf",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a code beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "a character of five bytes": b"\xf8\x88\x80\x80\x80",
    "Latin-1": b"caf\xe9",
}
_VALID: Final = {
    "the last before the surrogates": "\ud7ff",
    "the first after the surrogates": "\ue000",
    "U+FDD0": "\ufdd0",
    "U+FFFE within a text": "a\ufffe",
    "U+FFFF": "\uffff",
    "U+10FFFF": "\U0010ffff",
    "U+FFFD": "\ufffd",
    "a byte-order mark within a text": "a\ufeffb",
    "a combining sequence, not composed": "e\u0301",
}
_ENCODING = (
    *(
        _utf8(f"{what} fails a VARCHAR", body=b'"' + data + b'"\n', expect=LoadError(1220, column="a", line=1))
        for what, data in _INVALID.items()
    ),
    *(_utf8(f"{what} loads", body=f"{text}\n", expect=rows(text)) for what, text in _VALID.items()),
    _utf8("UTF-8 is checked in every line", body=b"ok\nok\n\xff\n", expect=LoadError(1220, line=3)),
)

_INVCHARS: Final = "acceptinvchars"
_OPTIONS = (
    _convert("ACCEPTINVCHARS puts a question mark", columns="a varchar(9)", body=b"a\xffb\n", options=_INVCHARS, expect=rows("a?b")),
    _convert("ACCEPTINVCHARS keeps the length of what it replaces", columns="a varchar(9)", body=b"\xed\xa0\x80!\n", options=_INVCHARS, expect=rows("???!")),
    _convert("ACCEPTINVCHARS puts the character that it is given", columns="a varchar(9)", body=b"a\xffb\n", options="acceptinvchars '^'", expect=rows("a^b")),
    _convert("ACCEPTINVCHARS AS puts the character that it is given", columns="a varchar(9)", body=b"a\xff\xfeb\n", options="acceptinvchars as '^'", expect=rows("a^^b")),
    _convert("ACCEPTINVCHARS leaves valid characters", columns="a varchar(9)", body="é😀\n", options=_INVCHARS, expect=rows("é😀")),
    _convert("ACCEPTINVCHARS is for VARCHAR: CHAR still fails", columns="a char(9)", body=b"a\xff\n", options=_INVCHARS, expect=LoadError(1220)),
    _convert("ACCEPTINVCHARS does not let a CHAR hold more than ASCII", columns="a char(9)", body="é\n", options=_INVCHARS, expect=LoadError(1220)),
    _convert("ACCEPTINVCHARS with two characters is refused", columns="a varchar(9)", body="x\n", options="acceptinvchars '??'", expect=Refused("22023")),
    _convert("TRUNCATECOLUMNS cuts a VARCHAR", columns="a varchar(3)", body="abcd\n", options="truncatecolumns", expect=rows("abc")),
    _convert("TRUNCATECOLUMNS cuts between characters", columns="a varchar(3)", body="éé\n", options="truncatecolumns", expect=rows("é")),
    _convert("TRUNCATECOLUMNS cuts a CHAR", columns="a char(3)", body="abcd\n", options="truncatecolumns", expect=rows("abc")),
    _convert("TRUNCATECOLUMNS leaves what fits", columns="a varchar(4)", body="éé\n", options="truncatecolumns", expect=rows("éé")),
    _convert("TRUNCATECOLUMNS does not help a number", columns="a smallint", body="99999\n", options="truncatecolumns", expect=LoadError(1222)),
    _convert("TRUNCATECOLUMNS cuts what 65536 bytes have too much", columns="a varchar(max)", body="x" * 70_000 + "\n", options="truncatecolumns", expect=rows(_MAX, query=_OCTETS)),
    _convert("ENCODING UTF8 is the default's name", columns="a varchar(9)", body="é\n", options="encoding utf8", expect=rows("é")),
    _convert("white space other than blanks under BLANKSASNULL is not known", columns="a varchar(9)", body="\t\n", options="blanksasnull", expect=Unknown()),
)  # fmt: skip

CASES: tuple[Case, ...] = _LENGTHS + _ENCODING + _OPTIONS
