"""One JSON text, judged and mended as SUPER needs it: only for the rare texts that `re_dms.odd` has found.

https://docs.aws.amazon.com/redshift/latest/dg/limitations-super.html (depth 1,000, strings of 65,535 bytes) and
https://docs.aws.amazon.com/redshift/latest/dg/super-configurations.html (a key twice is an error). Texts of more than
1 MiB, U+0000, lone surrogates and numbers beyond DECIMAL(38) or a double are not known to load.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final

from re_dms.odd import TEXT_BYTES_MAX
from re_dms.odd_json import DEPTH_MAX, DIGITS_MAX, EXPONENT_MAX

SUPER_BYTES_MAX: Final = 1024 * 1024
TOO_LONG: Final = f"JSON of more than {SUPER_BYTES_MAX:,} bytes"
TOO_DEEP: Final = f"JSON nested deeper than {DEPTH_MAX:,}"
LONG_STRING: Final = f"a string of more than {TEXT_BYTES_MAX:,} bytes in JSON"
NUL: Final = "\\u0000 in JSON"
HALF_A_PAIR: Final = "half of a surrogate pair in JSON"
DOUBLED: Final = "a key twice in a JSON object"
BIG_NUMBER: Final = f"a number of more than {DIGITS_MAX} digits, or beyond a double, in JSON"

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|[^\s\[\]{}:,"]+', re.DOTALL)
_NUMBER_START: Final = frozenset("-0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`text`: what SUPER may be given, as far as it can. `unfit`: what it cannot hold of it. `altered`: what was mended."""

    text: str
    unfit: frozenset[str] = frozenset()
    altered: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Open:
    """A container whose end is awaited: the texts of its items, by key in an object."""

    items: list[str] = field(default_factory=list)
    members: dict[str, str] | None = None
    key: str | None = None

    def add(self, text: str) -> None:
        if self.members is None:
            self.items.append(text)
        elif self.key is not None:
            self.members[self.key] = text
            self.key = None

    def text(self) -> str:
        if self.members is None:
            return f"[{','.join(self.items)}]"
        return f"{{{','.join(f'{key}:{text}' for key, text in self.members.items())}}}"


def judge(text: str, *, keep_last: bool) -> Judged:
    """A valid JSON text. Numbers that are too big become strings; with `keep_last`, of a key that an object has twice the
    last value counts, as in jsonb. A text that needs neither stays as it is."""
    if len(text) > SUPER_BYTES_MAX or len(text.encode()) > SUPER_BYTES_MAX:
        return Judged(text=text, unfit=frozenset((TOO_LONG,)))
    unfit: set[str] = set()
    altered: set[str] = set()
    whole = _Open()
    stack = [whole]
    for token in _TOKEN.findall(text):
        top = stack[-1]
        if token in "{[":
            stack.append(_Open(members={} if token == "{" else None))
            if len(stack) - 1 > DEPTH_MAX:
                unfit.add(TOO_DEEP)
        elif token in "}]":
            stack.pop()
            stack[-1].add(top.text())
        elif token[0] == '"':
            plain = _string(token, unfit)
            if top.members is not None and top.key is None:
                top.key = plain
                if plain in top.members:
                    (altered if keep_last else unfit).add(DOUBLED)
            else:
                top.add(token)
        elif token[0] in _NUMBER_START and _is_big(token):
            altered.add(BIG_NUMBER)
            top.add(f'"{token}"')
        else:
            top.add(token)
    return _judged(text, whole.items[0], unfit, altered)


def _judged(text: str, mended: str, unfit: set[str], altered: set[str]) -> Judged:
    if not altered:
        return Judged(text=text, unfit=frozenset(unfit))
    if len(mended.encode()) > SUPER_BYTES_MAX:
        unfit.add(TOO_LONG)
    return Judged(text=mended, unfit=frozenset(unfit), altered=frozenset(altered))


def _string(token: str, unfit: set[str]) -> str:
    """The token in the one way in which equal strings are written; what SUPER cannot hold of it goes into `unfit`."""
    if "\\" not in token:
        if len(token) * 4 > TEXT_BYTES_MAX and len(token.encode()) - 2 > TEXT_BYTES_MAX:
            unfit.add(LONG_STRING)
        return token
    plain = json.loads(token)
    if "\0" in plain:
        unfit.add(NUL)
    if len(plain.encode(errors="surrogatepass")) > TEXT_BYTES_MAX:
        unfit.add(LONG_STRING)
    if any("\ud800" <= character <= "\udfff" for character in plain):
        unfit.add(HALF_A_PAIR)
        return token
    return json.dumps(plain, ensure_ascii=False)


def _is_big(token: str) -> bool:
    digits, _, exponent = token.lower().partition("e")
    steep = exponent.lstrip("+-").lstrip("0")
    return len(digits.replace("-", "").replace(".", "")) > DIGITS_MAX or (
        len(steep) > len(str(EXPONENT_MAX)) or int(steep or "0") > EXPONENT_MAX
    )
