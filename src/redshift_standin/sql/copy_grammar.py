"""COPY t [(columns)] FROM 's3://…' with its parameters in any order.

Source: AWS Database Developer Guide, "COPY" (r_COPY) and its parameter pages.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any, Final

from redshift_standin.errors import RedshiftError, not_yet, refused, syntax_error, unknown
from redshift_standin.sql import authorization
from redshift_standin.sql.copy_options import CSV_EXCLUDES, NOT_YET, OPTIONS, SUBJECTS, Fields
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import Copy

_OBJECT: Final = re.compile(r"s3://[^/\s]+/.+", re.DOTALL)
_BUCKET: Final = re.compile(r"s3://[^/\s]+/?")
_LATER_SOURCES: Final = ("dynamodb://", "emr://")
_NO_SOURCES: Final = ("stdin", "stdout", "program")
_OUTPUT: Final = "COPY TO is not supported; UNLOAD writes to Amazon S3"


def read_copy(reader: Reader) -> Copy:
    """The statement, from its first word on.

    Raises RedshiftError; none of its texts has a literal of the statement in it, which may be a role or a key.
    """
    try:
        return _read(reader)
    except RedshiftError as error:
        met = reader.token
        is_literal = met.kind in (Kind.STRING, Kind.QUOTED, Kind.NUMBER)
        if is_literal and error == syntax_error(met.text, met.start + 1):
            raise syntax_error("…", error.position) from None
        raise


def _read(reader: Reader) -> Copy:
    reader.expect("copy")
    if reader.is_operator("("):
        raise refused(_OUTPUT)
    if reader.are_words("job", "create") or reader.are_words("job", "run"):
        raise not_yet("COPY JOB")
    table = reader.expect_table()
    columns = reader.expect_columns() if reader.is_operator("(") else None
    if reader.is_word("to"):
        raise refused(_OUTPUT)
    reader.expect("from")
    url = _source(reader)
    given = authorization.Given()
    fields = _options(reader, given)
    _check(fields)
    fields.setdefault("delimiter", "," if fields.get("csv") else "|")
    return Copy(table=table, columns=columns, url=url, authorization=given.complete(), **fields)


def _source(reader: Reader) -> str:
    if reader.is_word(*_NO_SOURCES):
        raise _no_source()
    url = reader.expect_string()
    for prefix in _LATER_SOURCES:
        if url.startswith(prefix):
            raise not_yet(f"COPY from {prefix}")
    if _BUCKET.fullmatch(url):
        raise unknown("COPY from a whole bucket (no key and no prefix)")
    if not _OBJECT.fullmatch(url):
        raise _no_source()
    return url


def _no_source() -> RedshiftError:
    return refused("LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)")


def _options(reader: Reader, given: authorization.Given) -> dict[str, Any]:
    fields: Fields = {}
    seen: set[str] = set()
    while reader.token.kind is not Kind.END and not reader.is_operator(";"):
        if reader.is_word("with") and reader.peek().value == authorization.CREDENTIALS:
            reader.advance()
        if reader.is_word(*authorization.WORDS):
            given.read(reader)
            continue
        if reader.is_word(*NOT_YET):
            raise _later(reader, csv=fields.get("csv", False))
        if not reader.is_word(*OPTIONS):
            reader.fail()
        at, word = reader.token.start + 1, reader.advance().value
        subject = SUBJECTS.get(word, word)
        if subject in seen:
            raise RedshiftError("42601", f"conflicting or redundant options: {word.upper()}", position=at)
        seen.add(subject)
        fields |= OPTIONS[word](reader)
    return fields


def _later(reader: Reader, *, csv: bool) -> RedshiftError:
    """The refusal of what is not built, unless real Redshift refuses it beside CSV as well."""
    word = reader.token.value
    rest = takewhile(lambda token: token.text != ";", reader.tokens[reader.at :])
    if word in CSV_EXCLUDES and (csv or any(token.kind is Kind.WORD and token.value == "csv" for token in rest)):
        return RedshiftError("42601", f"COPY: {word.upper()} cannot be used with CSV", position=reader.token.start + 1)
    return not_yet(f"COPY with {word.upper()}")


def _check(fields: Fields) -> None:
    """What options mean to one another."""
    csv = fields.get("csv", False)
    if "quote" in fields and not csv:
        raise RedshiftError("42601", "COPY: QUOTE can be used only with CSV")
    delimiter = fields.get("delimiter", "," if csv else "|")
    quote = fields.get("quote", '"')
    if csv and delimiter == quote:
        raise RedshiftError("22023", "COPY delimiter and quote must be different")
    null = fields.get("null_as", "")
    if delimiter in null or (csv and quote in null):
        raise unknown("a delimiter or quote inside COPY's NULL AS")
