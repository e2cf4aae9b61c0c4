"""Redshift's tokens.

Backslash escapes are on in ordinary string literals, as in Postgres 8.0. What is not a token is 42601 at its place.
Source: AWS Database Developer Guide, "Literals", "Names and identifiers"; reserved words: r_pg_keywords.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from redshift_standin.errors import RedshiftError, syntax_error, unknown

STATEMENT_BYTES_MAX: Final = 16 * 1024 * 1024


class Kind(Enum):
    """What a token is."""

    WORD = auto()  # an unquoted identifier or keyword; `value` in lower case
    QUOTED = auto()  # a quoted identifier; `value` without quotes, not folded
    STRING = auto()  # `value` with its escapes resolved
    NUMBER = auto()  # `value` as written
    PARAMETER = auto()  # $n; `value` is n
    OPERATOR = auto()  # `value` as written
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`start`, `end`: characters of the text. `text`: as written."""

    kind: Kind
    value: str
    text: str
    start: int
    end: int


OPERATORS: Final = (
    "::", "<=", ">=", "<>", "!=", "||", "|/", "||/", "!~~*", "!~~", "!~*", "!~", "~~*", "~~", "~*", "<<", ">>", ":=",
    "+", "-", "*", "/", "%", "^", "<", ">", "=", "~", "!", "@", "#", "&", "|", "(", ")", "[", "]", ",", ";", ".", ":",
)  # fmt: skip

_WORD = re.compile(r"[A-Za-z_\u0080-\U0010ffff#][A-Za-z0-9_$\u0080-\U0010ffff#]*")
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_PARAMETER = re.compile(r"\$(\d+)", re.ASCII)
_BLANK = re.compile(r"[ \t\r\n\f\v]+")
_OPERATOR = re.compile("|".join(re.escape(each) for each in sorted(OPERATORS, key=len, reverse=True)))
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\\": "\\", "'": "'", '"': '"'}
_OCTAL = re.compile(r"[0-7]{1,3}")
_SOON: Final = 20

_RESERVED = """
aes128 aes256 all allowoverwrite analyse analyze and any array as asc authorization az64 backup between binary
blanksasnull both bytedict bzip2 case cast check collate column constraint create credentials cross current_date
current_time current_timestamp current_user current_user_id default deferrable deflate defrag delta delta32k desc
disable distinct do else emptyasnull enable encode encrypt encryption end except explicit false for foreign freeze
from full globaldict256 globaldict64k grant group gzip having identity ignore ilike in initially inner intersect
interval into is isnull join leading left like limit localtime localtimestamp lun luns lzo lzop minus mostly16
mostly32 mostly8 natural new not notnull null nulls off offline offset oid old on only open or order outer overlaps
parallel partition percent permissions pivot placing primary raw readratio recover references rejectlog resort
respect restore right select session_user similar snapshot some sysdate system table tag tdes text255 text32k then
timestamp to top trailing true truncatecolumns union unique unnest unpivot user using verbose wallet when where with
without
"""
RESERVED: Final = frozenset(_RESERVED.split())


def tokens(text: str) -> list[Token]:
    """The tokens of a text, with an END token last.

    Raises RedshiftError: 42601 for what is no token, an unended literal or comment; 54000 beyond 16 MB.
    """
    if len(text.encode(errors="replace")) > STATEMENT_BYTES_MAX:
        raise RedshiftError(
            "54000", f"Statement is too large. Statement Size: {len(text)} bytes. Maximum Allowed: 16777216 bytes"
        )
    found: list[Token] = []
    at = 0
    while True:
        at = _skip_blanks(text, at)
        if at == len(text):
            found.append(Token(Kind.END, "", "", at, at))
            return found
        token = _token(text, at)
        found.append(token)
        at = token.end


def _token(text: str, at: int) -> Token:
    letter = text[at]
    if letter == "'":
        return _string(text, at)
    if letter == '"':
        return _quoted(text, at)
    for kind, pattern in ((Kind.NUMBER, _NUMBER), (Kind.WORD, _WORD), (Kind.PARAMETER, _PARAMETER)):
        if match := pattern.match(text, at):
            value = match[1] if kind is Kind.PARAMETER else match[0].lower() if kind is Kind.WORD else match[0]
            if kind is Kind.NUMBER and (after := _WORD.match(text, match.end())) and after[0].lower() not in RESERVED:
                # AWS's own driver sends "THEN 4WHEN", so a keyword may follow; what a name there means is not established.
                raise syntax_error(match[0] + after[0], at + 1)
            return Token(kind, value, match[0], at, match.end())
    if match := _OPERATOR.match(text, at):
        return Token(Kind.OPERATOR, match[0], match[0], at, match.end())
    raise syntax_error(letter, at + 1)


def _skip_blanks(text: str, at: int) -> int:
    while True:
        start = at
        if match := _BLANK.match(text, at):
            at = match.end()
        if text.startswith("--", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            at = _comment_end(text, at)
        if at == start:
            return at


def _comment_end(text: str, at: int) -> int:
    """After a comment that may hold others."""
    depth, start = 0, at
    for match in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    raise RedshiftError(
        "42601", f'unterminated /* comment at or near "{text[start : start + _SOON]}"', position=start + 1
    )


def _quoted(text: str, at: int) -> Token:
    parts, start = [], at + 1
    while True:
        end = text.find('"', start)
        if end < 0:
            raise RedshiftError(
                "42601", f'unterminated quoted identifier at or near "{text[at : at + _SOON]}"', position=at + 1
            )
        parts.append(text[start:end])
        if not text.startswith('""', end):
            break
        parts.append('"')
        start = end + 2
    value = "".join(parts)
    if not value:
        raise RedshiftError("42601", 'zero-length delimited identifier at or near """"', position=at + 1)
    if "\0" in value:
        raise unknown("a NUL byte in a statement")
    return Token(Kind.QUOTED, value, text[at : end + 1], at, end + 1)


def _string(text: str, at: int) -> Token:
    parts: list[str] = []
    cursor = at + 1
    while True:
        match = re.compile(r"['\\\0]").search(text, cursor)
        if match is None:
            # Its text is not repeated: it may be the key of a COPY.
            raise RedshiftError("42601", 'unterminated quoted string at or near "\'…"', position=at + 1)
        parts.append(text[cursor : match.start()])
        cursor = match.start()
        if match[0] == "\0":
            raise unknown("a NUL byte in a statement")
        if match[0] == "\\":
            resolved, cursor = _escape(text, cursor)
            parts.append(resolved)
        elif text.startswith("''", cursor):
            parts.append("'")
            cursor += 2
        else:
            return Token(Kind.STRING, "".join(parts), text[at : cursor + 1], at, cursor + 1)


def _escape(text: str, at: int) -> tuple[str, int]:
    """A backslash and what follows: the characters meant, and where the text goes on.

    Only escapes that are documented or seen in working code pass; an odd lone backslash is an unknown (rule 19).
    """
    following = text[at + 1 : at + 2]
    if following in _ESCAPES and following:
        return _ESCAPES[following], at + 2
    if (octal := _OCTAL.match(text, at + 1)) and 0 < int(octal[0], 8) < 0x80:
        return chr(int(octal[0], 8)), octal.end()
    raise unknown(f"the escape \\{following or ' at the end'} in a string literal (double the backslash)")
