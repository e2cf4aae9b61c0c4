"""CHAR, VARCHAR and VARBYTE in a load: lengths in bytes, UTF-8, blanks.

Source: AWS Database Developer Guide, "Character types", "Multibyte character load errors", "Data conversion parameters"
(ACCEPTINVCHARS, BLANKSASNULL, EMPTYASNULL, TRIMBLANKS, TRUNCATECOLUMNS), "VARBYTE type", "Load error reference".
"""

from __future__ import annotations

from redshift_standin.copy.outcome import Bad, NotKnown
from redshift_standin.sql.statements import Copy
from redshift_standin.types import RsType

_HEX = frozenset(b"0123456789abcdefABCDEF")


def characters(data: bytes, kind: RsType, command: Copy) -> str | None:
    """The text of a CHAR or VARCHAR, None for NULL. 1220 for invalid UTF-8, 1204 when it is too long."""
    text = _decoded(data, kind, command)
    if not text:
        return _empty(command)
    if text.isspace() and (command.blanks_as_null or command.trim_blanks):
        return _blank(text, kind, command)
    if command.trim_blanks and kind.name == "character varying":
        text = _trimmed(text)
    return _fitted(text, kind, truncate=command.truncate_columns)


def _empty(command: Copy) -> str | None:
    if command.empty_as_null:
        return None
    if command.blanks_as_null:
        raise NotKnown("an empty character field under BLANKSASNULL without EMPTYASNULL")
    return ""


def _blank(text: str, kind: RsType, command: Copy) -> str | None:
    """White space alone, where BLANKSASNULL or TRIMBLANKS was given."""
    if text.strip(" "):
        raise NotKnown("white space other than blanks under BLANKSASNULL or TRIMBLANKS")
    if command.blanks_as_null:
        return None
    if kind.name == "character":
        return _fitted(text, kind, truncate=command.truncate_columns)
    if command.empty_as_null:
        raise NotKnown("a blank field under TRIMBLANKS and EMPTYASNULL")
    return ""


def _trimmed(text: str) -> str:
    kept = text.rstrip(" ")
    if kept != kept.rstrip():
        raise NotKnown("white space other than blanks under BLANKSASNULL or TRIMBLANKS")
    return kept


def _fitted(text: str, kind: RsType, *, truncate: bool) -> str:
    """Blanks beyond the length are cut silently, anything else only under TRUNCATECOLUMNS, at a character's end."""
    data = text.encode()
    if len(data) <= kind.length:
        return text
    if data[kind.length :].strip(b" ") and not truncate:
        raise Bad(1204, "String length exceeds DDL length")
    return data[: kind.length].decode(errors="ignore")


def _decoded(data: bytes, kind: RsType, command: Copy) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if command.accept_inv_chars is None or kind.name == "character":
            raise _invalid(error) from None
        return _replaced(data, command.accept_inv_chars)
    if kind.name == "character" and not text.isascii():
        position = next(i for i, byte in enumerate(data) if byte > 127)
        first = next(each for each in text if not each.isascii())
        shown = first.encode().hex(" ")
        raise Bad(
            1220,
            f"Multibyte character not supported for CHAR (Hint: try using VARCHAR). Invalid char: {shown}",
            position,
        )
    return text


def _replaced(data: bytes, replacement: str) -> str:
    """Every invalid byte becomes the replacement, so that lengths stay as they were."""
    parts: list[str] = []
    while data:
        try:
            parts.append(data.decode())
            break
        except UnicodeDecodeError as error:
            parts.append(data[: error.start].decode() + replacement * (error.end - error.start))
            data = data[error.end :]
    return "".join(parts)


def _invalid(error: UnicodeDecodeError) -> Bad:
    sequence = error.object[error.start : error.start + 4]
    first = sequence[0]
    if first >= 0xF8:
        number = 1  # more than four bytes
    elif first < 0xC0:
        number = 3  # no character begins with this byte
    elif first == 0xED and len(sequence) > 1 and 0xA0 <= sequence[1] <= 0xBF:
        number = 5  # a surrogate
    elif error.end == len(error.object):
        number = 2  # the string ends within a character
    else:
        number = 4  # the second or a later byte
    return Bad(
        1220,
        "String contains invalid or unsupported UTF8 codepoints. "
        f"Bad UTF8 hex sequence: {sequence[: max(1, error.end - error.start)].hex(' ')} (error {number})",
        error.start,
    )


def varbyte(data: bytes, kind: RsType) -> str:
    """Postgres's form of a VARBYTE given as bare hex digits. 1207 for other digits, 1204 when it is too long."""
    for position, byte in enumerate(data):
        if byte not in _HEX:
            shown = data[position : position + 1].decode("ascii", "replace")
            raise Bad(1207, f"Invalid digit, Value '{shown}', Pos {position}, Type: Varbyte", position)
    if len(data) % 2:
        raise Bad(1207, "Invalid hex string: odd number of digits, Type: Varbyte", len(data))
    if len(data) // 2 > kind.length:
        raise Bad(1204, "String length exceeds DDL length")
    return "\\x" + data.decode().lower()
