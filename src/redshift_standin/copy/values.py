"""One field, one judgement: what a column makes of the bytes. This is the truth; `acceptors` is its quick forerunner.

Source: AWS Database Developer Guide, "Data conversion parameters" (copy-parameters-data-conversion).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from redshift_standin.copy import documents, moments, numbers, texts
from redshift_standin.copy.csv import Field
from redshift_standin.copy.outcome import Bad, NotKnown, TargetColumn
from redshift_standin.sql.statements import Copy

CHARACTER_TYPES: Final = ("character", "character varying")


class Converter:
    """Fields of one column to the backend's text, None for NULL. Raises Bad and NotKnown."""

    def __init__(self, column: TargetColumn, command: Copy, default: str | None = None) -> None:
        """`default`: the value of the column's DEFAULT, as text; only looked at when the column is NOT NULL.

        Raises RedshiftError for a DATEFORMAT or TIMEFORMAT that the stand-in does not have.
        """
        self.column = column
        self._command = command
        self.default = default
        self._null = command.null_as.encode()
        self._judge = _judge(column, command)
        self._is_text = column.type.name in CHARACTER_TYPES

    def __call__(self, field: Field) -> str | None:
        return self.or_default(self._value(field))

    def missing(self) -> str | None:
        """What FILLRECORD puts in the place of a field that the record does not have."""
        if self.column.type.name == "character":
            raise NotKnown("a missing CHAR field under FILLRECORD")
        text = "" if self.column.type.name == "character varying" and not self._command.empty_as_null else None
        return self.or_default(text)

    def or_default(self, text: str | None) -> str | None:
        """NULL for a NOT NULL column becomes its default; 1213 without one."""
        if text is not None or not self.column.not_null:
            return text
        if self.default is None:
            raise Bad(1213, "Missing data for not-null field")
        return self.default

    def _value(self, field: Field) -> str | None:
        data = field.data
        if data == self._null:
            self._refuse_null_string(field)
            return None
        if self._is_text:
            return texts.characters(data, self.column.type, self._command)
        if not data.strip(b" "):
            return None
        if not data.strip():
            raise NotKnown("a field of white space other than blanks")
        if self.column.type.name == "super":
            return documents.document(data)
        if data.strip() != data:
            raise NotKnown(f"blanks around a value of type {self.column.type}")
        return self._judge(data)

    def _refuse_null_string(self, field: Field) -> None:
        if field.quoted:
            raise NotKnown("a quoted field that equals the NULL AS string")
        if self.column.type.name == "super" and field.data:
            raise NotKnown("the NULL AS string in a SUPER column")


def _judge(column: TargetColumn, command: Copy) -> Callable[[bytes], str | None]:
    kind = column.type
    if kind.name == "varbyte":
        return partial(texts.varbyte, kind=kind)
    judge = _judge_of_text(column, command)
    return lambda data: judge(data.decode(errors="replace"))


def _judge_of_text(column: TargetColumn, command: Copy) -> Callable[[str], str | None]:
    kind = column.type
    match kind.name:
        case "smallint" | "integer" | "bigint":
            return partial(numbers.whole, kind=kind)
        case "numeric":
            return partial(numbers.decimal, kind=kind, round_dec=command.round_dec)
        case "real" | "double precision":
            return partial(numbers.floating, kind=kind)
        case "boolean":
            return numbers.boolean
        case "date" | "timestamp without time zone":
            return partial(moments.or_null, judge=moments.judge(kind.name, command), command=command)
        case _:
            return moments.judge(kind.name, command)
