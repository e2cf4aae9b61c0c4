"""Type names, as CREATE TABLE and casts write them.

Source: AWS Database Developer Guide, "Data types" and "Unsupported PostgreSQL data types".
"""

from __future__ import annotations

from typing import Final

from redshift_standin import types
from redshift_standin.errors import RedshiftError, not_yet, refused
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.types import RsType

BPCHAR_BYTES: Final = 256
_REAL_BITS_MAX: Final = 24
_DOUBLE_BITS_MAX: Final = 53
_NUMBER_DIGITS_MAX: Final = 9
_MAX_LENGTHS: Final = {"character varying": types.VARCHAR_BYTES_MAX, "varbyte": types.VARBYTE_BYTES_MAX}
# What "character varying" may be written as; without VARYING the same words mean CHAR.
_CHARACTER_WORDS: Final = (("national", "character"), ("national", "char"), ("character",), ("char",), ("nchar",))
_FIXED_LENGTH_WORDS: Final = frozenset(("text", "bpchar"))


def read_type(reader: Reader, *, column: str = "") -> RsType:
    """A type with its length or precision; `column` names the column that is being declared, for the refusal's text.

    Raises RedshiftError: 42704 for an unknown name, 0A000 for what Redshift or the stand-in does not have, 22023 and
    42601 for lengths beyond the limits.
    """
    if reader.token.kind is Kind.QUOTED:
        raise refused("a type's name may not be quoted")
    if reader.token.kind is not Kind.WORD:
        reader.fail()
    word = reader.token.value
    found = _of_several_words(reader) or _of_one_word(reader, word, column)
    if reader.is_operator("[") or reader.is_word("array"):
        raise _unsupported("array", column)
    return found


def _of_several_words(reader: Reader) -> RsType | None:
    if reader.accept("double", "precision"):
        return types.checked("double precision", ())
    if reader.accept("binary", "varying"):
        return _with_length(reader, "varbyte")
    for words in _CHARACTER_WORDS:
        if reader.accept(*words, "varying"):
            return _with_length(reader, "character varying")
    for words in _CHARACTER_WORDS[:2]:
        if reader.accept(*words):
            return _with_length(reader, "character")
    if reader.is_word("time", "timestamp"):
        return _moment(reader)
    if reader.is_word("interval") and reader.peek().kind is Kind.WORD and reader.peek().value in ("year", "day"):
        raise not_yet(f"type interval {reader.peek().value} to …")
    return None


def _moment(reader: Reader) -> RsType:
    """TIME and TIMESTAMP, with or without a zone; their fraction has six digits always."""
    word = reader.advance().value
    zone = "without"
    if reader.is_word("with", "without") and reader.peek().value == "time":
        zone = reader.advance().value
        reader.expect("time", "zone")
    name = f"{word} {zone} time zone"
    if reader.is_operator("("):
        types.checked(name, tuple(_numbers(reader)))  # raises: no precision here
    return types.checked(name, ())


def _of_one_word(reader: Reader, word: str, column: str) -> RsType:
    if word in types.NOT_YET:
        raise not_yet(f"type {word}")
    if word in types.UNSUPPORTED:
        raise _unsupported(word, column)
    if word not in types.ALIASES:
        raise RedshiftError("42704", f'type "{word}" does not exist', position=reader.token.start + 1)
    reader.advance()
    name = types.ALIASES[word]
    if word == "float":
        return _float(reader)
    if word in _FIXED_LENGTH_WORDS:
        # TEXT and BPCHAR stand for a length; TEXT(n) would be read as something that Redshift does not document.
        if reader.is_operator("("):
            raise RedshiftError("42601", f'type modifier is not allowed for type "{word}"')
        return types.checked(name, (BPCHAR_BYTES,))
    return _with_length(reader, name)


def _float(reader: Reader) -> RsType:
    """FLOAT is DOUBLE PRECISION; FLOAT(n) goes by the bits of precision asked for."""
    if not reader.is_operator("("):
        return types.checked("double precision", ())
    bits = _numbers(reader)
    if len(bits) != 1:
        reader.fail()
    if not 1 <= bits[0] <= _DOUBLE_BITS_MAX:
        few = bits[0] < 1
        limit = "at least 1 bit" if few else f"less than {_DOUBLE_BITS_MAX + 1} bits"
        raise RedshiftError("22023", f"precision for type float must be {limit}")
    return types.checked("real" if bits[0] <= _REAL_BITS_MAX else "double precision", ())


def _with_length(reader: Reader, name: str) -> RsType:
    """The name's modifiers in parentheses, if there are any; MAX only where a length may be so large."""
    if not reader.is_operator("("):
        return types.checked(name, ())
    if name in _MAX_LENGTHS and reader.peek().kind is Kind.WORD and reader.peek().value == "max":
        reader.advance()
        reader.expect("max")
        reader.expect_operator(")")
        return types.checked(name, (_MAX_LENGTHS[name],))
    at = reader.token
    numbers = _numbers(reader)
    if len(numbers) > (2 if name == "numeric" else 1):
        raise RedshiftError("42601", f'invalid type modifier for type "{name}"', position=at.start + 1)
    return types.checked(name, tuple(numbers))


def _numbers(reader: Reader) -> list[int]:
    return reader.parenthesised(lambda: _number(reader))


def _number(reader: Reader) -> int:
    """A modifier; what has more digits than any limit is refused before it becomes a number."""
    text = reader.token.value
    if reader.token.kind is Kind.NUMBER and len(text) > _NUMBER_DIGITS_MAX:
        raise RedshiftError("22023", f"type modifier {text[:_NUMBER_DIGITS_MAX]}… is out of range")
    return reader.expect_integer()


def _unsupported(word: str, column: str) -> RedshiftError:
    if column:
        return refused(f'Column "{column}" has unsupported type "{word}".')
    return refused(f'type "{word}" is not supported')
