"""The parameters of COPY, each with its argument.

Source: AWS Database Developer Guide, "COPY parameter reference" (r_COPY-parameters).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from redshift_standin.errors import RedshiftError, not_yet, unknown
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader

ERRORS_MAX: Final = 100_000
HEADER_LINES_MAX: Final = 2**31 - 1
SAMPLE_ROWS_MAX: Final = 1_000_000_000

# What an option sets: fields of statements.Copy.
Fields = dict[str, Any]
Option = Callable[[Reader], Fields]

# Real Redshift loads these; with CSV it refuses the first three.
CSV_EXCLUDES: Final = frozenset(("fixedwidth", "removequotes", "escape"))
NOT_YET: Final = CSV_EXCLUDES | {
    "json", "avro", "parquet", "orc", "shapefile", "lzop", "bzip2", "encrypted", "master_symmetric_key", "ssh",
    "readratio", "ignoreallerrors", "serializetojson", "simplify",
}  # fmt: skip


def _flag(field: str) -> Option:
    return lambda _: {field: True}


def _text(field: str) -> Option:
    def read(reader: Reader) -> Fields:
        reader.accept("as")
        return {field: reader.expect_string()}

    return read


def _number(field: str, most: int) -> Option:
    def read(reader: Reader) -> Fields:
        reader.accept("as")
        at = reader.token
        number = reader.expect_integer()
        if number > most:
            raise RedshiftError("22023", f"COPY: {at.text} is not between 0 and {most}", position=at.start + 1)
        return {field: number} if field else {}

    return read


def _character(field: str) -> Option:
    """One ASCII character. Octal '\\ddd' and '\\t' are the literal's own escapes, resolved before."""

    def read(reader: Reader) -> Fields:
        reader.accept("as")
        name, text = field.upper(), reader.expect_string()
        if text.startswith("\\") and len(text) > 1:
            raise unknown(f"a doubled backslash in COPY's {name}")
        if len(text) != 1 or not text.isascii():
            raise RedshiftError("22023", f"COPY {field} must be a single ASCII character")
        if text in "\r\n":
            raise RedshiftError("22023", f"COPY {field} cannot be newline or carriage return")
        return {field: text}

    return read


def _format(reader: Reader) -> Fields:
    reader.accept("as")
    if (word := reader.accept_any(*NOT_YET)) != "":
        raise not_yet(f"COPY with {word.upper()}")
    reader.expect("csv")
    return {"csv": True}


def _null_as(reader: Reader) -> Fields:
    reader.accept("as")
    text = reader.expect_string()
    if "\n" in text or "\\n" in text:
        raise RedshiftError("22023", "COPY: '\\n' is reserved as the line delimiter and cannot be the null string")
    if "\r" in text:
        raise unknown("a carriage return in COPY's NULL AS")
    return {"null_as": text}


def _accept_inv_chars(reader: Reader) -> Fields:
    """The replacement may be left out, with or without AS."""
    wanted = reader.accept("as")
    if not wanted and reader.token.kind is not Kind.STRING:
        return {"accept_inv_chars": "?"}
    text = reader.expect_string()
    if len(text) != 1 or not text.isascii():
        raise RedshiftError("22023", "COPY: ACCEPTINVCHARS takes a single ASCII character")
    return {"accept_inv_chars": text}


def _switch(field: str, *more: str) -> Option:
    meanings = {"on": "on", "true": "on", "off": "off", "false": "off"} | {word: word for word in more}

    def read(reader: Reader) -> Fields:
        return {field: meanings[reader.accept_any(*meanings) or "on"]}

    return read


def _encoding(reader: Reader) -> Fields:
    reader.accept("as")
    if (word := reader.accept_any("utf16", "utf16le", "utf16be", "iso88591")) != "":
        raise not_yet(f"COPY with ENCODING {word.upper()}")
    reader.expect("utf8")
    return {"encoding": "utf8"}


OPTIONS: Final[dict[str, Option]] = {
    "csv": _flag("csv"),
    "format": _format,
    "quote": _character("quote"),
    "delimiter": _character("delimiter"),
    "manifest": _flag("manifest"),
    "region": _text("region"),
    "gzip": lambda _: {"compression": "gzip"},
    "zstd": lambda _: {"compression": "zstd"},
    "null": _null_as,
    "emptyasnull": _flag("empty_as_null"),
    "blanksasnull": _flag("blanks_as_null"),
    "trimblanks": _flag("trim_blanks"),
    "truncatecolumns": _flag("truncate_columns"),
    "fillrecord": _flag("fill_record"),
    "ignoreblanklines": _flag("ignore_blank_lines"),
    "ignoreheader": _number("ignore_header", HEADER_LINES_MAX),
    "acceptinvchars": _accept_inv_chars,
    "acceptanydate": _flag("accept_any_date"),
    "dateformat": _text("date_format"),
    "timeformat": _text("time_format"),
    "roundec": _flag("round_dec"),
    "explicit_ids": _flag("explicit_ids"),
    "maxerror": _number("max_error", ERRORS_MAX),
    "compupdate": _switch("comp_update", "preset"),
    "comprows": _number("", SAMPLE_ROWS_MAX),
    "statupdate": _switch("stat_update"),
    "noload": _flag("no_load"),
    "encoding": _encoding,
}
# Two words of one subject exclude one another as a repetition does.
SUBJECTS: Final = {"format": "csv", "zstd": "gzip"}
